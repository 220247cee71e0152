#ifndef TH_VERIFY_DRIVE_H
#define TH_VERIFY_DRIVE_H

/*
 * One run of a template, from the first measurement to the end: the state machine, the providers,
 * the clock and the record together. SIGTERM, SIGINT and SIGHUP end it as terminate does.
 */

#include "verify/options.h"
#include "verify/tmpl.h"

/* The exit status by the phase of the run, 0 to 3; -errno with err where it cannot be run, or its
 * record not be written. */
int drive_run(const struct options *o, const struct tmpl *t, struct th_err *err);

#endif
