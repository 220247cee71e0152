#ifndef TH_CMD_CMD_HOOKS_H
#define TH_CMD_CMD_HOOKS_H

#include "cmd/cmd.h"

extern const struct cmd cmd_hooks;

#endif
