#ifndef TH_CMD_START_OPTIONS_H
#define TH_CMD_START_OPTIONS_H

/* What `run` and `start` have in common beside the options of a task: --if-running --dry-run
 * --result. */

#include "cmd/task_options.h"
#include "run/options.h"

#include <stdbool.h>

struct start_options {
	struct task_options task; /* first: its option tables fill it */
	struct supervisor_options options;
	char *result_file;
	bool dry_run;
};

extern const struct cmd_option start_option_table[];

/* Fills in what the global options say, once tasks are resolved. Tasks hold copies of all that they
 * need and supervisors may live for months: the configuration is freed, unless for a dry run. */
void start_options_complete(struct cmd_context *ctx, struct start_options *o);

void start_options_done(void *data);

#endif
