#ifndef TH_MODEL_POINT_H
#define TH_MODEL_POINT_H

/* Operators, hook types and hook points (taskhook-lifecycle(7)): the only list of them. */

#include <stdbool.h>

enum operator{
	OP_DEPLOY,
	OP_START,
	OP_RESTART,
	OP_UPDATE,
	OP_EXIT,
	OP_STOP,
	OP_CLEANUP,
	OPERATOR_COUNT,
};

enum hook_type {
	HOOK_PRE,
	HOOK_POST,
};

enum hook_point {
	POINT_PRE_DEPLOY,
	POINT_POST_DEPLOY,
	POINT_PRE_START,
	POINT_POST_START,
	POINT_PRE_RESTART,
	POINT_PRE_UPDATE,
	POINT_POST_UPDATE,
	POINT_POST_EXIT,
	POINT_PRE_STOP,
	POINT_POST_STOP,
	POINT_PRE_CLEANUP,
	POINT_POST_CLEANUP,
	POINT_COUNT,
	POINT_NONE = POINT_COUNT,
};

const char *point_name(enum hook_point p);	/* "pre-start"; "" for POINT_NONE */
enum hook_point point_from_name(const char *s); /* POINT_NONE where unknown */
enum operator point_operator(enum hook_point p);
enum hook_type point_type(enum hook_point p);
const char *operator_name(enum operator op);  /* "start" */
int operator_from_name(const char *s);	      /* -1 where unknown */
const char *operator_suggest(const char *s);  /* the nearest, for messages; or NULL */
const char *hook_type_name(enum hook_type t); /* "prehook" */
const char *hook_type_dir(
	enum hook_type t); /* "pre": the directory read at each point of the type */

/* A failing hook is fatal here unless its on-failure says otherwise: pre-deploy, pre-start,
 * pre-restart, pre-update. */
bool point_is_fatal(enum hook_point p);
/* Hooks of the group, not of one task: deploy and cleanup. */
bool point_is_group(enum hook_point p);

/* eggo's words (reference: eggo 1.5): "join", "delete", "deploy", "cleanup"; "prehook",
 * "cluster-prehook", ... */
const char *point_eggo_operator(enum hook_point p);
const char *point_eggo_hook_type(enum hook_point p);
/* eggo's schedules: prejoin postjoin precleanup postcleanup -> pre-start, post-start, pre-stop,
 * post-stop; POINT_NONE else. */
enum hook_point point_from_eggo_schedule(const char *s);

/* A name that is nearest to `s`, for messages; or NULL. Of eggo's words the point that it stands
 * for. */
const char *point_suggest(const char *s);

#endif
