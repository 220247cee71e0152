#ifndef TH_CMD_STATS_ROWS_H
#define TH_CMD_STATS_ROWS_H

/* The figures of several tasks at one moment, and how they are shown. */

#include "cmd/task_select.h"
#include "cmd/task_stats.h"

#include <jansson.h>
#include <stdio.h>

#define STATS_FORMAT 1

struct stats_row {
	struct task_view view;
	struct task_stats stats;
	double cpu_percent; /* of one CPU; below 0: unknown */
};
struct stats_rows {
	struct stats_row *v;
	size_t n;
	struct proc_table procs; /* while they are read */
};
void stats_rows_done(struct stats_rows *r);
#define _cleanup_stats_rows_ _cleanup_(stats_rows_done)

/* Those of `names`; NULL: of all that run. 0 or -errno with err. */
int stats_rows_read(const struct layout *l, const struct task_list *names, struct stats_rows *ret,
	struct th_err *err);

/* Fills cpu_percent of `now` from what was there before, of the same start of the same task. */
void stats_rows_compare(const struct stats_rows *before, struct stats_rows *now);

/* A table, and below it what its figures are not. */
void stats_rows_print(const struct stats_rows *r, FILE *out);
json_t *stats_rows_to_json(const struct stats_rows *r);

#endif
