#ifndef TH_CMD_CMD_EXEC_H
#define TH_CMD_CMD_EXEC_H

#include "cmd/cmd.h"

extern const struct cmd cmd_exec;

#endif
