#ifndef TH_CMD_CMD_RESTART_H
#define TH_CMD_CMD_RESTART_H

#include "cmd/cmd.h"

/* taskhook restart: a new process for tasks that run, in place. */
extern const struct cmd cmd_restart;

#endif
