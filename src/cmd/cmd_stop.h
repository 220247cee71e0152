#ifndef TH_CMD_CMD_STOP_H
#define TH_CMD_CMD_STOP_H

#include "cmd/cmd.h"

extern const struct cmd cmd_stop;

#endif
