#ifndef TH_CMD_TASK_ASK_H
#define TH_CMD_TASK_ASK_H

/* Asks the supervisors of tasks for the same thing, all at once, waits until each has answered, and
 * says what they say. */

#include "cmd/task_select.h"
#include "model/request.h"

/* The answer of one: its status, and `text` (borrowed; NULL: none) why it is not 0. */
typedef void (*task_answer_fn)(
	void *arg, const struct task_name *task, int status, const char *text);

/* A change that an update has made to one. */
typedef void (*task_change_fn)(void *arg, const struct task_name *task, const char *text);

/* `budget` is the longest time of hooks and waiting beside what a stop takes. A task that does not
 * run is EXIT_BUSY. `answer` may be NULL: then the text is said as an error; so may `change`.
 * Returns 0, or the first other status. */
int task_ask(struct cmd_context *ctx, const struct task_list *list, const struct request *request,
	usec_t budget, task_answer_fn answer, task_change_fn change, void *arg);

#endif
