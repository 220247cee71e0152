#ifndef TH_CMD_CMD_WAIT_H
#define TH_CMD_CMD_WAIT_H

#include "cmd/cmd.h"

extern const struct cmd cmd_wait;

#endif
