/*
 * Command lines. What holds: the words of a line that is not refused, quoted for a shell and
 * joined, are split into the same words; together they are no longer than the line; a line that is
 * refused adds no word, and the message names a column of it.
 */

#include "config.h"

#include "base/alloc.h"
#include "base/words.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_refused(const char *line, const struct strv *words, const struct th_err *err)
{
	static const char before[] = "column ";
	unsigned long column;
	char *end;

	CHECK(words->n == 0);
	CHECK(err->status == EXIT_CONFIG && err_is_set(err));
	CHECK(strncmp(err->text, before, sizeof(before) - 1) == 0);
	column = strtoul(err->text + sizeof(before) - 1, &end, 10);
	CHECK(*end == ':');
	CHECK(column >= 1 && column <= strlen(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *line = xstrndup((const char *)data, size);
	_cleanup_free_ char *joined = NULL;
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_strv_ struct strv again = STRV_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	size_t total = 0;
	int r = words_split(line, &words, &err);

	CHECK(r == 0 || r == -EINVAL);
	if (r < 0) {
		check_refused(line, &words, &err);
		return 0;
	}
	CHECK(!err_is_set(&err));
	joined = strv_shell_join(words.v);
	CHECK(words_split(joined, &again, NULL) == 0 && again.n == words.n);
	for (size_t i = 0; i < words.n; i++) {
		CHECK(strcmp(words.v[i], again.v[i]) == 0);
		total += strlen(words.v[i]);
	}
	CHECK(total <= strlen(line));
	return 0;
}
