#include "config.h"

#include "model/point.h"

#include "base/macro.h"
#include "base/suggest.h"

#include <assert.h>
#include <string.h>

static const char *const operator_names[] = {
	[OP_DEPLOY] = "deploy",
	[OP_START] = "start",
	[OP_RESTART] = "restart",
	[OP_UPDATE] = "update",
	[OP_EXIT] = "exit",
	[OP_STOP] = "stop",
	[OP_CLEANUP] = "cleanup",
};
_Static_assert(ARRAY_SIZE(operator_names) == OPERATOR_COUNT, "each operator has its name");

/* eggo knows no restart, update or exit: these keep our words. */
static const char *const eggo_operators[] = {
	[OP_DEPLOY] = "deploy",
	[OP_START] = "join",
	[OP_RESTART] = "restart",
	[OP_UPDATE] = "update",
	[OP_EXIT] = "exit",
	[OP_STOP] = "delete",
	[OP_CLEANUP] = "cleanup",
};
_Static_assert(ARRAY_SIZE(eggo_operators) == OPERATOR_COUNT, "each operator has eggo's word");

static const char *const hook_type_names[] = {
	[HOOK_PRE] = "prehook",
	[HOOK_POST] = "posthook",
};

struct point_info {
	const char *name;
	enum operator op;
	enum hook_type type;
	bool fatal;
};

static const struct point_info points[] = {
	[POINT_PRE_DEPLOY] = {"pre-deploy", OP_DEPLOY, HOOK_PRE, true},
	[POINT_POST_DEPLOY] = {"post-deploy", OP_DEPLOY, HOOK_POST, false},
	[POINT_PRE_START] = {"pre-start", OP_START, HOOK_PRE, true},
	[POINT_POST_START] = {"post-start", OP_START, HOOK_POST, false},
	[POINT_PRE_RESTART] = {"pre-restart", OP_RESTART, HOOK_PRE, true},
	[POINT_PRE_UPDATE] = {"pre-update", OP_UPDATE, HOOK_PRE, true},
	[POINT_POST_UPDATE] = {"post-update", OP_UPDATE, HOOK_POST, false},
	[POINT_POST_EXIT] = {"post-exit", OP_EXIT, HOOK_POST, false},
	[POINT_PRE_STOP] = {"pre-stop", OP_STOP, HOOK_PRE, false},
	[POINT_POST_STOP] = {"post-stop", OP_STOP, HOOK_POST, false},
	[POINT_PRE_CLEANUP] = {"pre-cleanup", OP_CLEANUP, HOOK_PRE, false},
	[POINT_POST_CLEANUP] = {"post-cleanup", OP_CLEANUP, HOOK_POST, false},
};
_Static_assert(ARRAY_SIZE(points) == POINT_COUNT, "each hook point has its row");

static const struct {
	const char *schedule;
	enum hook_point point;
} eggo_schedules[] = {
	{"prejoin", POINT_PRE_START},
	{"postjoin", POINT_POST_START},
	{"precleanup", POINT_PRE_STOP},
	{"postcleanup", POINT_POST_STOP},
};

static const struct point_info *point_info(enum hook_point p)
{
	assert((unsigned int)p < POINT_COUNT);
	return &points[p];
}

const char *point_name(enum hook_point p)
{
	return p == POINT_NONE ? "" : point_info(p)->name;
}

enum hook_point point_from_name(const char *s)
{
	for (unsigned int i = 0; i < POINT_COUNT; i++)
		if (strcmp(s, points[i].name) == 0)
			return (enum hook_point)i;
	return POINT_NONE;
}

enum operator point_operator(enum hook_point p)
{
	return point_info(p)->op;
}

enum hook_type point_type(enum hook_point p)
{
	return point_info(p)->type;
}

const char *operator_name(enum operator op)
{
	assert((unsigned int)op < OPERATOR_COUNT);
	return operator_names[op];
}

int operator_from_name(const char *s)
{
	for (unsigned int i = 0; i < OPERATOR_COUNT; i++)
		if (strcmp(s, operator_names[i]) == 0)
			return (int)i;
	return -1;
}

const char *operator_suggest(const char *s)
{
	return suggest_nearest(s, operator_names, ARRAY_SIZE(operator_names));
}

const char *hook_type_name(enum hook_type t)
{
	assert((unsigned int)t < ARRAY_SIZE(hook_type_names));
	return hook_type_names[t];
}

const char *hook_type_dir(enum hook_type t)
{
	return t == HOOK_PRE ? "pre" : "post";
}

bool point_is_fatal(enum hook_point p)
{
	return point_info(p)->fatal;
}

bool point_is_group(enum hook_point p)
{
	enum operator op = point_operator(p);

	return op == OP_DEPLOY || op == OP_CLEANUP;
}

const char *point_eggo_operator(enum hook_point p)
{
	return eggo_operators[point_operator(p)];
}

const char *point_eggo_hook_type(enum hook_point p)
{
	if (point_is_group(p))
		return point_type(p) == HOOK_PRE ? "cluster-prehook" : "cluster-posthook";
	return hook_type_name(point_type(p));
}

enum hook_point point_from_eggo_schedule(const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(eggo_schedules); i++)
		if (strcmp(s, eggo_schedules[i].schedule) == 0)
			return eggo_schedules[i].point;
	return POINT_NONE;
}

const char *point_suggest(const char *s)
{
	const char *names[POINT_COUNT + ARRAY_SIZE(eggo_schedules)];
	enum hook_point of_eggo = point_from_eggo_schedule(s);
	size_t n = 0;

	/* Where eggo's words are not taken. */
	if (of_eggo != POINT_NONE)
		return point_name(of_eggo);
	for (size_t i = 0; i < POINT_COUNT; i++)
		names[n++] = points[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(eggo_schedules); i++)
		names[n++] = eggo_schedules[i].schedule;
	return suggest_nearest(s, names, n);
}
