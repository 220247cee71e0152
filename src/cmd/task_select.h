#ifndef TH_CMD_TASK_SELECT_H
#define TH_CMD_TASK_SELECT_H

/*
 * Which tasks a command is about: TASK operands, -g GROUP (those of it that live) or --all. A
 * command puts `struct task_select` first in its data.
 */

#include "cmd/cmd.h"

#include <stdbool.h>

struct task_select {
	const char *group; /* -g */
	bool all;
};

extern const struct cmd_option task_select_option_table[];

struct task_list {
	struct task_name {
		char *group, *id;
	} * v;
	size_t n;
};
void task_list_done(struct task_list *l);
#define _cleanup_task_list_ _cleanup_(task_list_done)

/* Fills `ret` (empty before). Operands must name tasks that are known; -g and --all give those that
 * live or are owed something, and may give none. 0, or -errno with err (EXIT_USAGE). */
int task_select(struct cmd_context *ctx, const struct task_select *s, int argc, char **argv,
	struct task_list *ret, struct th_err *err);

/* One that would wait for a task from within it would wait for itself: -EDEADLK with err
 * (EXIT_BUSY). */
int task_list_refuse_inside(struct cmd_context *ctx, const struct task_list *l, struct th_err *err);

/* For the commands that wait for tasks: reads the configuration, selects, and refuses what is
 * called from within one of them. EXIT_OK, or the exit status of what has been said; a wrong use is
 * followed by how to get the help of `cmd` (NULL: by nothing). */
int task_select_to_wait(struct cmd_context *ctx, const struct cmd *cmd, const struct task_select *s,
	int argc, char **argv, struct task_list *ret);

#endif
