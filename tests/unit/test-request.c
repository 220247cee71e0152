#include "config.h"

#include "model/request.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <signal.h>

static void there_and_back(const struct request *r, const char *line)
{
	_cleanup_free_ char *text = request_to_line(r);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct request back = REQUEST_INIT(REQUEST_PING);
	size_t n = strlen(text);

	is_str(text, line, "%s as a line", request_op_name(r->op));
	is_int(request_from_line(text, n - 1, &back, &err), 0, "and read back");
	is_int(back.op, r->op, "what is asked for");
	is_int(back.signal, r->signal, "the signal");
	is_int(back.all, r->all, "for whom");
	is_uint(back.timeout, r->timeout, "the time");
	is_int(back.reason, r->reason, "the reason");
	is_uint(back.n_hooks, r->n_hooks, "how many hooks");
	for (size_t i = 0; i < MIN(back.n_hooks, r->hooks ? r->n_hooks : 0); i++)
		ok(back.hooks[i].point == r->hooks[i].point &&
				strcmp(back.hooks[i].path, r->hooks[i].path) == 0 &&
				strcmp(back.hooks[i].role, r->hooks[i].role) == 0 &&
				strcmp(back.hooks[i].option, r->hooks[i].option) == 0,
			"the hook");
	is_uint(back.n_sets, r->n_sets, "how many values");
	for (size_t i = 0; i < MIN(back.n_sets, r->sets ? r->n_sets : 0); i++)
		ok(strcmp(back.sets[i].key, r->sets[i].key) == 0 &&
				strcmp(back.sets[i].value, r->sets[i].value) == 0 &&
				strcmp(back.sets[i].origin, r->sets[i].origin) == 0,
			"the value");
	ok(back.restart == r->restart && back.force == r->force && back.dry_run == r->dry_run &&
			back.group == r->group,
		"and how");
	request_done(&back);
}

static void test_requests(void)
{
	struct request r = REQUEST_INIT(REQUEST_STOP);

	there_and_back(&r, "{\"format\":1,\"op\":\"stop\"}\n");
	r = (struct request)REQUEST_INIT(REQUEST_RESTART);
	there_and_back(&r, "{\"format\":1,\"op\":\"restart\"}\n");
	r = (struct request)REQUEST_INIT(REQUEST_STOP);
	r.signal = SIGHUP;
	r.timeout = 0;
	r.reason = STOP_CLEANUP;
	there_and_back(&r, "{\"format\":1,\"op\":\"stop\",\"signal\":\"HUP\",\"timeout_usec\":0,"
			   "\"reason\":\"cleanup\"}\n");
	r = (struct request)REQUEST_INIT(REQUEST_SIGNAL);
	r.signal = SIGRTMIN + 2;
	r.all = true;
	there_and_back(
		&r, "{\"format\":1,\"op\":\"signal\",\"signal\":\"RTMIN+2\",\"all\":true}\n");
	r = (struct request)REQUEST_INIT(REQUEST_STOP);
	r.hooks = &(struct hook_option){.point = POINT_PRE_STOP,
		.path = (char *)(uintptr_t) "/h",
		.role = (char *)(uintptr_t) "db",
		.option = (char *)(uintptr_t) "--prehook"};
	r.n_hooks = 1;
	there_and_back(&r,
		"{\"format\":1,\"op\":\"stop\",\"hooks\":[{\"point\":\"pre-stop\",\"path\":\"/h\","
		"\"role\":\"db\",\"option\":\"--prehook\"}]}\n");
	r = (struct request)REQUEST_INIT(REQUEST_UPDATE);
	r.sets = &(struct update_set){(char *)(uintptr_t) "limits.memory", (char *)(uintptr_t) "1G",
		(char *)(uintptr_t) "--set"};
	r.n_sets = 1;
	r.restart = r.force = r.dry_run = r.group = true;
	r.hooks = &(struct hook_option){.point = POINT_POST_UPDATE,
		.path = (char *)(uintptr_t) "/h",
		.role = (char *)(uintptr_t) "db",
		.option = (char *)(uintptr_t) "--posthook"};
	r.n_hooks = 1;
	there_and_back(&r,
		"{\"format\":1,\"op\":\"update\",\"hooks\":[{\"point\":\"post-update\",\"path\":"
		"\"/h\",\"role\":\"db\",\"option\":\"--posthook\"}],\"sets\":[{\"key\":\"limits."
		"memory\",\"value\":\"1G\",\"origin\":\"--set\"}],\"restart\":true,\"force\":true,"
		"\"dry_run\":true,\"group\":true}\n");
	r = (struct request)REQUEST_INIT(REQUEST_WAIT);
	there_and_back(&r, "{\"format\":1,\"op\":\"wait\"}\n");
}

static void refused(const char *line, int status, const char *why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct request r = REQUEST_INIT(REQUEST_WAIT);

	is_int(request_from_line(line, strlen(line), &r, &err), -EINVAL, "refused: %s", line);
	is_int(err.status, status, "its status");
	ok(strstr(err_text(&err), why) != NULL, "'%s' says '%s'", err_text(&err), why);
	is_int(r.op, REQUEST_WAIT, "what was there is left");
}

static void test_refused(void)
{
	_cleanup_free_ char *big = xcalloc(REQUEST_MAX + 1, 1);
	struct request r = REQUEST_INIT(REQUEST_PING);

	refused("", EXIT_DATAERR, "no JSON");
	refused("null", EXIT_DATAERR, "JSON");
	refused("{", EXIT_DATAERR, "no JSON");
	refused("{\"op\":\"stop\"}", EXIT_UNAVAILABLE, "format 0");
	refused("{\"format\":2,\"op\":\"stop\"}", EXIT_UNAVAILABLE, "format 2");
	refused("{\"format\":\"1\",\"op\":\"stop\"}", EXIT_DATAERR, "request.format");
	refused("{\"format\":1}", EXIT_DATAERR, "request.op");
	refused("{\"format\":1,\"op\":7}", EXIT_DATAERR, "request.op");
	refused("{\"format\":1,\"op\":\"stop\",\"op\":\"wait\"}", EXIT_DATAERR, "JSON");
	refused("{\"format\":1,\"op\":\"signal\"}", EXIT_DATAERR, "request.signal");
	refused("{\"format\":1,\"op\":\"signal\",\"signal\":\"0\"}", EXIT_DATAERR, "signal");
	refused("{\"format\":1,\"op\":\"stop\",\"timeout_usec\":-1}", EXIT_DATAERR, "timeout_usec");
	refused("{\"format\":1,\"op\":\"stop\",\"reason\":\"boredom\"}", EXIT_DATAERR, "reason");
	refused("{\"format\":1,\"op\":\"stop\",\"hooks\":[{\"point\":\"pre-start\",\"path\":\"/"
		"h\"}]}",
		EXIT_DATAERR, "hooks.point");
	refused("{\"format\":1,\"op\":\"stop\",\"hooks\":[{\"point\":\"pre-stop\",\"path\":\"h\"}]"
		"}",
		EXIT_DATAERR, "hooks.path");
	refused("{\"format\":1,\"op\":\"update\",\"hooks\":[{\"point\":\"pre-stop\",\"path\":"
		"\"/h\"}]}",
		EXIT_DATAERR, "hooks.point");
	refused("{\"format\":1,\"op\":\"update\",\"sets\":[{\"key\":\"a.b\"}]}", EXIT_DATAERR,
		"sets.value");
	refused("{\"format\":1,\"op\":\"update\",\"sets\":[\"a.b=c\"]}", EXIT_DATAERR, "sets");
	refused("{\"format\":1,\"op\":\"update\",\"restart\":1}", EXIT_DATAERR, "restart");
	refused("{\"format\":1,\"op\":\"restart\",\"hooks\":[{\"point\":\"post-stop\",\"path\":\"/"
		"h\"}]}",
		EXIT_DATAERR, "hooks.point");
	refused("{\"format\":1,\"op\":\"wait\",\"hooks\":[{\"point\":\"pre-stop\",\"path\":\"/"
		"h\"}]}",
		EXIT_DATAERR, "hooks.point");
	refused("{\"format\":1,\"op\":\"stop\",\"hooks\":[7]}", EXIT_DATAERR, "hooks");
	memset(big, ' ', REQUEST_MAX);
	is_int(request_from_line(big, REQUEST_MAX, &r, NULL), -EINVAL, "too long, and no err");
	is_int(request_from_line("{\"format\":1,\"op\":\"wait\",\"colour\":\"red\"}",
		       strlen("{\"format\":1,\"op\":\"wait\",\"colour\":\"red\"}"), &r, NULL),
		0, "members of later versions are left alone");
}

static void test_answers(void)
{
	struct answer a = {.event = ANSWER_END, .status = 122, .text = (char *)(uintptr_t) "a\nb"};
	_cleanup_answer_ struct answer back = {.text = NULL};
	_cleanup_free_ char *line = answer_to_line(&a), *said = NULL, *big = NULL, *cut = NULL;
	_cleanup_free_ char *change = NULL;

	is_str(line, "{\"event\":\"end\",\"status\":122,\"text\":\"a\\\\nb\"}\n", "an end");
	is_int(answer_from_line(line, strlen(line), &back, NULL), 0, "read back");
	is_int(back.status, 122, "its status");
	is_str(back.text, "a\\nb", "its text is one line");
	answer_done(&back);

	a = (struct answer){.event = ANSWER_MESSAGE,
		.level = LOG_LEVEL_WARNING,
		.text = (char *)(uintptr_t) "no UTF-8: \xff"};
	said = answer_to_line(&a);
	is_int(answer_from_line(said, strlen(said), &back, NULL), 0, "a message read back");
	is_int(back.level, LOG_LEVEL_WARNING, "its level");
	is_str(back.text, "no UTF-8: \\xFF", "its text can be shown");

	big = xcalloc(REQUEST_MAX + 1, 1);
	memset(big, '"', REQUEST_MAX);
	a = (struct answer){.event = ANSWER_END, .text = big};
	cut = answer_to_line(&a);
	ok(strlen(cut) < REQUEST_MAX, "what is too long for a line is cut");

	a = (struct answer){
		.event = ANSWER_CHANGE, .text = (char *)(uintptr_t) "limits.memory: 2G -> 1G"};
	change = answer_to_line(&a);
	is_str(change, "{\"event\":\"change\",\"text\":\"limits.memory: 2G -> 1G\"}\n", "a change");
	answer_done(&back);
	is_int(answer_from_line(change, strlen(change), &back, NULL), 0, "read back");
	is_int(back.event, ANSWER_CHANGE, "as one");

	is_int(answer_from_line("{\"event\":\"end\",\"status\":256}", 28, &back, NULL), -EINVAL,
		"no exit status");
	is_int(answer_from_line("{\"event\":\"song\"}", 16, &back, NULL), -EINVAL, "no event");
}

int main(void)
{
	test_requests();
	test_refused();
	test_answers();
	return done_testing();
}
