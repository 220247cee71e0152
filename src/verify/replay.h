#ifndef TH_VERIFY_REPLAY_H
#define TH_VERIFY_REPLAY_H

/*
 * What a template makes of measurements that were recorded: in the order in which they were
 * finished, with the time that passed between them, and without asking anything. Values are judged
 * anew; answers too, where the record kept them; a measurement with neither stays what it was.
 */

#include "verify/options.h"
#include "verify/tmpl.h"

/* The exit status by the phase, 0 to 3; -errno with err where the record cannot be read, is
 * damaged, or has no metric of the template. */
int replay_run(const struct options *o, const struct tmpl *t, struct th_err *err);

#endif
