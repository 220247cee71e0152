#ifndef TH_RUN_HOOKENV_H
#define TH_RUN_HOOKENV_H

/* The environment of hooks: the table of taskhook-hooks(7), one list that the code, `hooks list
 * --env`-like output and the man page's test read. */

#include "base/clock.h"
#include "base/str.h"
#include "model/layout.h"
#include "model/result.h"
#include "model/task.h"

/* What is known at a hook point besides the task. Strings may be NULL: the variable is then absent.
 */
struct hook_env {
	const struct layout *layout;
	const struct task *task;
	enum hook_point point;
	const struct hook *hook; /* HOOK_NAME, HOOK_TIMEOUT; NULL: the common part only */
	const char *task_cgroup, *group_cgroup; /* absolute paths */
	pid_t task_pid;				/* 0: absent */
	unsigned run_number, restart_count;
	const char *update_keys;	  /* UPDATE_KEYS; NULL: absent */
	const struct strv *update_values; /* UPDATE_OLD_*, UPDATE_NEW_*; NULL: absent */
	const struct outcome *outcome;	  /* NULL: absent */
	usec_t duration;		  /* of the process; only with an outcome */
	const char *result_file;	  /* HOOK_RESULT */
	const char *state_dir;		  /* HOOK_STATE_DIR */
	const char *taskhook;		  /* path of the running program */
	const char *node_ip;		  /* where [node] tells none; NULL: absent */
	const char *home, *user;	  /* of the user it runs as */
	const struct strv *handed;	  /* NAME=VALUE from earlier hooks of the same user */
	const struct strv *state;	  /* NAME=VALUE: given as STATE_NAME */
	const struct artifact_results *artifacts; /* ARTIFACTS, ARTIFACT_NAME_*; none: absent */
};

/* Fills `ret` (empty before). */
void hook_env_build(const struct hook_env *e, struct strv *ret);

/* All variable names that hook_env_build() can set, NULL-terminated. */
const char *const *hook_env_names(void);

#endif
