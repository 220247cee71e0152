/*
 * What comes over the socket of a supervisor, from either side: whatever the bytes, reading ends, a
 * refusal says why in one line, and what was taken can be written and read again.
 */

#include "config.h"

#include "base/alloc.h"
#include "model/request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_request(const char *line, size_t n)
{
	struct request r = REQUEST_INIT(REQUEST_PING), again = REQUEST_INIT(REQUEST_PING);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;

	if (request_from_line(line, n, &r, &err) < 0) {
		CHECK(err_is_set(&err) &&
			(err.status == EXIT_DATAERR || err.status == EXIT_UNAVAILABLE));
		return;
	}
	CHECK(!err_is_set(&err) && n < REQUEST_MAX && r.op < REQUEST_OP_COUNT);
	CHECK(r.op != REQUEST_SIGNAL || r.signal > 0);
	text = request_to_line(&r);
	CHECK(request_from_line(text, strlen(text) - 1, &again, NULL) == 0);
	CHECK(again.op == r.op && again.signal == r.signal && again.all == r.all);
	CHECK(again.timeout == r.timeout && again.reason == r.reason);
	CHECK(again.n_hooks == r.n_hooks);
	for (size_t i = 0; i < r.n_hooks; i++)
		CHECK(r.hooks[i].path[0] == '/' &&
			strcmp(again.hooks[i].path, r.hooks[i].path) == 0);
	CHECK(again.n_sets == r.n_sets);
	for (size_t i = 0; i < r.n_sets; i++)
		CHECK(strcmp(again.sets[i].key, r.sets[i].key) == 0 &&
			strcmp(again.sets[i].value, r.sets[i].value) == 0 &&
			strcmp(again.sets[i].origin, r.sets[i].origin) == 0);
	CHECK(again.restart == r.restart && again.force == r.force && again.dry_run == r.dry_run &&
		again.group == r.group);
	request_done(&r);
	request_done(&again);
}

static void check_answer(const char *line, size_t n)
{
	_cleanup_answer_ struct answer a = {.text = NULL};
	_cleanup_free_ char *text = NULL;

	if (answer_from_line(line, n, &a, NULL) < 0) {
		CHECK(!a.text);
		return;
	}
	CHECK(a.status >= 0 && a.status <= 255);
	text = answer_to_line(&a);
	CHECK(strlen(text) <= REQUEST_MAX && strchr(text, '\n') == text + strlen(text) - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_request((const char *)data, size);
	check_answer((const char *)data, size);
	return 0;
}
