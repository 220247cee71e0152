#ifndef TH_MODEL_TASK_H
#define TH_MODEL_TASK_H

/*
 * A task as resolved: all that a start needs, with every value checked and nothing left to look up
 * but users. Made from the configuration and the command line, written to the record, and read back
 * from it by whoever finishes what a killed supervisor left.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "model/artifact.h"
#include "model/hook.h"
#include "model/restart.h"
#include "model/layout.h"
#include "os/cglimit.h"
#include "os/spawn.h"

#include <jansson.h>
#include <stdbool.h>

enum task_keep {
	KEEP_LOGS,
	KEEP_ALL,
	KEEP_NONE,
};

enum cgroup_mode {
	CGROUP_MODE_AUTO,
	CGROUP_MODE_REQUIRED,
	CGROUP_MODE_OFF,
};

struct node {
	char *name, *ip, *arch;
	struct strv roles;
	char *cluster_endpoint, *cluster_config_dir;
};

/* A [hook NAME] of the task file, resolved: it does not need the configuration any more. Its path
 * may be a directory. */
struct task_hook {
	struct hook *hook; /* name, path, origin "FILE:LINE", settings; source HOOK_FROM_TASK_FILE;
			      owned */
	unsigned points;   /* bit 1 << enum hook_point for each of its schedule */
};

/* Every `limit-NAME` of [task], with the resource of setrlimit(2) that it is. */
#define TASK_RLIMITS (KEY_TASK_LIMIT_STACK - KEY_TASK_LIMIT_AS + 1)
struct task_rlimit_name {
	enum conf_key key;
	int resource;
	const char *name;
};
extern const struct task_rlimit_name task_rlimit_names[TASK_RLIMITS];

/* Settings that only the start can find wrong, on this host. */
enum task_origin {
	TASK_ORIGIN_COMMAND,
	TASK_ORIGIN_USER,
	TASK_ORIGIN_GROUPS,
	TASK_ORIGIN_WORKDIR,
	TASK_ORIGIN_STDIN,
	TASK_ORIGIN_NICE,
	TASK_ORIGIN_OOM_SCORE_ADJ,
	TASK_ORIGIN_RLIMIT, /* and on, one for each of task_rlimit_names */
	/* and on, one for each key of [limits] and [group-limits] */
	TASK_ORIGIN_LIMIT = TASK_ORIGIN_RLIMIT + TASK_RLIMITS,
	TASK_ORIGIN_COUNT = TASK_ORIGIN_LIMIT + KEY_GROUP_LIMITS_IO_MAX - KEY_LIMITS_MEMORY + 1,
};

/* The key that it is the place of; `of` below TASK_ORIGIN_COUNT. */
enum conf_key task_origin_key(enum task_origin of);

struct task {
	char *group, *id;
	char *name; /* "GROUP/ID" */
	char *file; /* task file as found, NULL: none */
	struct strv command;
	char *user; /* NULL: as taskhook */
	struct strv supplementary_groups;
	bool has_supplementary_groups;
	char *workdir;	  /* NULL: the task directory */
	char *stdin_from; /* "auto", "null" or a path */
	int stop_signal;
	usec_t stop_timeout;
	usec_t max_run_time;
	enum task_keep keep;
	bool end_with_supervisor;
	struct strv env; /* [env], -e and what pass-env let through: NAME=VALUE */
	bool has_umask, has_nice, has_oom_score_adj;
	mode_t umask;
	int nice, oom_score_adj;
	struct spawn_rlimit *rlimits;
	size_t n_rlimits;
	struct cglimits limits, group_limits;
	char *group_limits_origin; /* "FILE:LINE" or "--set", for the refusal of a different value
				    */
	/* "FILE:LINE" or the option, for messages of the start; NULL: not set, or read from a
	 * record. */
	char *origins[TASK_ORIGIN_COUNT];
	bool log_to_files;
	uint64_t log_max_size;
	unsigned log_max_files;
	struct restart_policy restart;
	/* hooks */
	usec_t hooks_timeout, hooks_kill_after, hooks_total_timeout;
	struct strv hooks_pass_env; /* NAME=VALUE, already picked from the caller's environment */
	struct hook_option *hook_options; /* the command line's */
	size_t n_hook_options;
	struct task_hook
		*file_hooks; /* [hook NAME], by name, byte-wise; after reading a record too */
	size_t n_file_hooks;
	/* cgroup */
	enum cgroup_mode cgroup_mode;
	char *cgroup_parent; /* "auto" or a path */
	struct node node;
	/* By name, byte-wise. Not read back from a record, which holds none of their secrets: what
	 * it holds is kept as it is, for the next one. */
	struct artifact *artifacts;
	size_t n_artifacts;
	json_t *artifacts_recorded;  /* owned; NULL: none */
	struct fetch_settings fetch; /* empty without artifacts */
};

/* What the command line adds to the configuration. */
struct task_args {
	const char *group, *id; /* -g, -i; NULL: not given */
	char *const *command;	/* NULL-terminated; NULL: not given */
	const struct strv *env; /* -e NAME=VALUE, or NAME: from the caller */
	const struct hook_option *hook_options;
	size_t n_hook_options;
	const char *default_id; /* NAME of -f NAME, for the ID */
	const char *file;
	bool background; /* for `start`: its supervisor may be replaced */
	char **environ;	 /* the caller's */
};

/* Resolves. Errors are EXIT_CONFIG or EXIT_USAGE with FILE:LINE where there is one. The
 * task holds copies of all that it needs. */
int task_resolve(const struct conf *c, const struct task_args *args, const struct layout *l,
	struct task **ret, struct th_err *err);
/* A stand-in for all tasks of a group: its hooks, cgroup and log settings, with an empty id and the
 * group's name as name. For the group's own hook points. args->group names it; of the rest only
 * hook_options and environ count. */
int task_resolve_group(
	const struct conf *c, const struct task_args *args, struct task **ret, struct th_err *err);
/* One more hook, as of the command line. Copies. */
void task_add_hook_option(struct task *t, const struct hook_option *o);
/* Is there one of the same point, path and role? */
bool task_has_hook_option(const struct task *t, const struct hook_option *o);
/* Removes `n` of them from the one with the index `first` on. */
void task_remove_hook_options(struct task *t, size_t first, size_t n);
/* Removes those that were for one restart. True: there was one. */
bool task_remove_hooks_of_once(struct task *t);
struct task *task_free(struct task *t);
static inline void task_freep(struct task **t)
{
	*t = task_free(*t);
}
#define _cleanup_task_ _cleanup_(task_freep)

/* This host as hooks see it, from [node] and uname(2). `ret` is zeroed before. The ip stays NULL
 * where [node] does not tell it: os/hostip.h finds it once a hook needs it. */
void task_resolve_node(struct node *ret, const struct conf *c);

/* For the record, and back (version 1; unknown members are left alone, missing ones take the
 * defaults). The JSON holds the values of [env], so a record is 0600. */
json_t *task_to_json(const struct task *t);
int task_from_json(const json_t *j, struct task **ret, struct th_err *err);
/* What stands there as "group_limits". A new reference. */
json_t *task_limits_to_json(const struct cglimits *l);
/* The member `key` alone, as task_limits_to_json() made it; none is no limits. *ret is empty
 * before, and cglimits_done() is the caller's in either case. 0 or -errno with err. */
int task_group_limits_from_json(
	const json_t *j, const char *key, struct cglimits *ret, struct th_err *err);

#endif
