#ifndef TH_CMD_CMD_LOGS_H
#define TH_CMD_CMD_LOGS_H

#include "cmd/cmd.h"

extern const struct cmd cmd_logs;

#endif
