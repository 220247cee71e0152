#ifndef TH_RUN_SIGNALS_H
#define TH_RUN_SIGNALS_H

/*
 * Signals to `run` (taskhook(1)). INT and TERM start the stop sequence, and a second one at least a
 * second later cuts the grace short; HUP starts it too (a closing terminal sends it twice); USR1,
 * USR2, WINCH, QUIT and CONT go to the main process; TSTP freezes the task and stops us.
 */

#include "run/context.h"

int signals_watch(struct context *c, struct th_err *err);

#endif
