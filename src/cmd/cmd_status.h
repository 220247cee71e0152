#ifndef TH_CMD_CMD_STATUS_H
#define TH_CMD_CMD_STATUS_H

#include "cmd/cmd.h"

extern const struct cmd cmd_status;

#endif
