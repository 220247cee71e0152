#ifndef TH_CMD_CMD_START_H
#define TH_CMD_CMD_START_H

#include "cmd/cmd.h"

extern const struct cmd cmd_start;

#endif
