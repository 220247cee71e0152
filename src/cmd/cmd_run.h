#ifndef TH_CMD_CMD_RUN_H
#define TH_CMD_CMD_RUN_H

#include "cmd/cmd.h"

extern const struct cmd cmd_run;

#endif
