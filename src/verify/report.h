#ifndef TH_VERIFY_REPORT_H
#define TH_VERIFY_REPORT_H

/* What a run tells: people on standard error, programs by its record and its exit status. */

#include "verify/runstate.h"

#include <jansson.h>

/* One measurement of metric `i`; for a terminal, or where much is told. */
void report_measurement(const struct tmpl *t, size_t i, const struct measurement *m, bool terminal);

/* The end: a line for each metric, one for the run, and with `record` that on standard output. */
void report_end(const struct runstate *rs, const json_t *record);

/* 0 Successful, 1 Failed, 2 Error, 3 Inconclusive. */
int report_exit_status(enum phase phase);

#endif
