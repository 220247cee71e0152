#include "config.h"

#include "model/point.h"
#include "model/result.h"
#include "tests/unit/tap.h"

/* Written out, so that a change of the table is seen here. */
static const struct {
	const char *name, *op, *type, *dir;
	bool fatal, group;
	const char *eggo_operator, *eggo_type;
} expected[] = {
	{"pre-deploy", "deploy", "prehook", "pre", true, true, "deploy", "cluster-prehook"},
	{"post-deploy", "deploy", "posthook", "post", false, true, "deploy", "cluster-posthook"},
	{"pre-start", "start", "prehook", "pre", true, false, "join", "prehook"},
	{"post-start", "start", "posthook", "post", false, false, "join", "posthook"},
	{"pre-restart", "restart", "prehook", "pre", true, false, "restart", "prehook"},
	{"pre-update", "update", "prehook", "pre", true, false, "update", "prehook"},
	{"post-update", "update", "posthook", "post", false, false, "update", "posthook"},
	{"post-exit", "exit", "posthook", "post", false, false, "exit", "posthook"},
	{"pre-stop", "stop", "prehook", "pre", false, false, "delete", "prehook"},
	{"post-stop", "stop", "posthook", "post", false, false, "delete", "posthook"},
	{"pre-cleanup", "cleanup", "prehook", "pre", false, true, "cleanup", "cluster-prehook"},
	{"post-cleanup", "cleanup", "posthook", "post", false, true, "cleanup", "cluster-posthook"},
};

static void check_points(void)
{
	is_uint(POINT_COUNT, sizeof(expected) / sizeof(expected[0]), "twelve hook points");
	for (unsigned int i = 0; i < POINT_COUNT; i++) {
		enum hook_point p = (enum hook_point)i;

		is_str(point_name(p), expected[i].name, "name of point %u", i);
		is_int(point_from_name(expected[i].name), (int)i, "%s is found", expected[i].name);
		is_str(operator_name(point_operator(p)), expected[i].op, "its operator");
		is_str(hook_type_name(point_type(p)), expected[i].type, "its type");
		is_str(hook_type_dir(point_type(p)), expected[i].dir, "its common directory");
		is_int(point_is_fatal(p), expected[i].fatal, "whether a failure is fatal");
		is_int(point_is_group(p), expected[i].group, "whether it is the group's");
		is_str(point_eggo_operator(p), expected[i].eggo_operator, "eggo's operator");
		is_str(point_eggo_hook_type(p), expected[i].eggo_type, "eggo's hook type");
	}
	is_str(point_name(POINT_NONE), "", "no point has no name");
	is_int(point_from_name("pre-exit"), POINT_NONE, "pre-exit is no point");
	is_int(point_from_name("post-restart"), POINT_NONE, "post-restart is no point");
	is_int(point_from_name(""), POINT_NONE, "the empty name is no point");
	is_int(point_from_name("PRE-START"), POINT_NONE, "case counts");
}

static void check_words(void)
{
	for (int i = 0; i < OPERATOR_COUNT; i++)
		is_int(operator_from_name(operator_name((enum operator)i)), i, "operator %d", i);
	is_int(operator_from_name("begin"), -1, "an unknown operator");
	is_int(point_from_eggo_schedule("prejoin"), POINT_PRE_START, "prejoin");
	is_int(point_from_eggo_schedule("postjoin"), POINT_POST_START, "postjoin");
	is_int(point_from_eggo_schedule("precleanup"), POINT_PRE_STOP, "precleanup");
	is_int(point_from_eggo_schedule("postcleanup"), POINT_POST_STOP, "postcleanup");
	is_int(point_from_eggo_schedule("pre-start"), POINT_NONE, "ours is not eggo's");
	is_str(point_suggest("pre-strat"), "pre-start", "the nearest point");
	is_str(point_suggest("postjion"), "postjoin", "the nearest of eggo's words");
	is_str(point_suggest("prejoin"), "pre-start", "what one of them stands for");
	is_str(point_suggest("zzzzzzzz"), NULL, "nothing is near");
	is_str(operator_suggest("strat"), "start", "the nearest operator");
}

static void check_results(void)
{
	static const char *const results[] = {"", "success", "exit-code", "signal", "oom-kill",
		"timeout", "start-failed", "hook-failed", "hook-timeout", "lost"};
	static const char *const reasons[] = {
		"", "exited", "asked", "restart", "max-run-time", "cleanup", "signal", "lost"};
	struct outcome o = {.failed_hook = strdup("10-net"), .failed_reason = strdup("why")};

	is_uint(RESULT_COUNT, sizeof(results) / sizeof(results[0]), "all results");
	for (int i = 0; i < RESULT_COUNT; i++) {
		is_str(result_name((enum task_result)i), results[i], "result %d", i);
		is_int(result_from_name(results[i]), i, "'%s' is found", results[i]);
	}
	is_int(result_from_name("nonsense"), RESULT_NONE, "an unknown result");
	is_uint(STOP_REASON_COUNT, sizeof(reasons) / sizeof(reasons[0]), "all stop reasons");
	for (int i = 0; i < STOP_REASON_COUNT; i++) {
		is_str(stop_reason_name((enum stop_reason)i), reasons[i], "reason %d", i);
		is_int(stop_reason_from_name(reasons[i]), i, "'%s' is found", reasons[i]);
	}
	is_int(stop_reason_from_name("nonsense"), STOP_NONE, "an unknown reason");
	outcome_done(&o);
	ok(!o.failed_hook && !o.failed_reason, "an outcome that is done holds nothing");
	is_int(o.failed_point, POINT_NONE, "and names no point");
}

int main(void)
{
	check_points();
	check_words();
	check_results();
	return done_testing();
}
