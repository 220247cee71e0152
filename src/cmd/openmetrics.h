#ifndef TH_CMD_OPENMETRICS_H
#define TH_CMD_OPENMETRICS_H

/*
 * Figures of tasks and of their hooks in the text format of OpenMetrics 1.0 (the specification,
 * "Text Format"), which the textfile collector of Prometheus' node_exporter reads as well.
 */

#include "cmd/hook_records.h"
#include "cmd/stats_rows.h"

#include <stdio.h>

/* `hooks[i]` are those of rows->v[i]. */
void openmetrics_print(const struct stats_rows *rows, const struct hook_sums *hooks, FILE *out);

/* A label's value with backslash, quote and newline escaped; the caller frees it. What is no UTF-8,
 * and other control bytes, stand as str_escape() writes them. */
char *openmetrics_escape(const char *s);

#endif
