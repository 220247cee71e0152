#ifndef TH_CMD_TASK_OPTIONS_H
#define TH_CMD_TASK_OPTIONS_H

/*
 * The options that name and change a task, shared by all commands that start or look at one: -g -i
 * -f -e --set --hook
 * --prehook --posthook --cluster-prehook --cluster-posthook. A command puts `struct task_options`
 * first in its data.
 */

#include "cmd/cmd.h"
#include "model/hook.h"
#include "model/task.h"

struct set_option {
	char *key, *value;
};

struct task_options {
	const char *group, *id, *file;
	struct strv env;
	struct set_option *sets;
	size_t n_sets;
	struct hook_option *hooks;
	size_t n_hooks;
	bool background; /* for `start` */
	/* Made by task_options_load(). */
	struct conf *conf;
	char *found_file, *default_id, *default_group;
};

extern const struct cmd_option task_option_table[];
/* --prehook and --posthook: `run` spans the whole task, `start` only its beginning. */
extern const struct cmd_option run_hook_option_table[];
extern const struct cmd_option start_hook_option_table[];
/* For update: the tasks of a group, what is to be changed, and hooks of its points. */
extern const struct cmd_option update_option_table[];
/* Only the hook options, for cleanup: the cluster pair. */
extern const struct cmd_option cleanup_hook_option_table[];

/* Finds the task file and reads all its layers into o->conf, for who only looks at the values. */
int task_options_read(struct cmd_context *ctx, struct task_options *o, struct th_err *err);

/*
 * Reads the group's and the task's files over the main configuration, then --set, and resolves the
 * task. `command` NULL: only the file's. The task must not outlive `o`.
 */
int task_options_load(struct cmd_context *ctx, struct task_options *o, char *const *command,
	struct task **ret, struct th_err *err);

/* The same for one of several tasks that are started with the same options: from `file`, with `id`
 * instead of -i and one more "NAME=VALUE" for its environment (each NULL: none). */
int task_options_load_as(struct cmd_context *ctx, const struct task_options *o, const char *file,
	char *const *command, const char *id, const char *env, struct task **ret,
	struct th_err *err);

/* The names of the task files of a directory, without ".ini", sorted; those that no task could have
 * are left out. 0 (also where there is no such directory) or -errno. */
int task_options_list_files(const char *dir, struct strv *ret);

void task_options_done(struct task_options *o);

#endif
