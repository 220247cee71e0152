#ifndef TH_RUN_SIGNALS_H
#define TH_RUN_SIGNALS_H

/*
 * Signals to `run` (taskhook(1)). INT and TERM start the stop sequence, and a second one at least a
 * second later cuts the grace short; HUP starts it too (a closing terminal sends it twice); USR1,
 * USR2, WINCH, QUIT and CONT go to the main process; TSTP freezes the task and stops us.
 *
 * Another process asks for a stop with a queued SIGTERM whose value is SIGNALS_STOP_VALUE + an enum
 * stop_reason.
 */

#include "run/context.h"

#define SIGNALS_STOP_VALUE 0x7468000 /* "th", so that no sender's number means it by chance */

int signals_watch(struct context *c, struct th_err *err);

#endif
