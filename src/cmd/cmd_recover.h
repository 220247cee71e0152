#ifndef TH_CMD_CMD_RECOVER_H
#define TH_CMD_CMD_RECOVER_H

#include "cmd/cmd.h"

extern const struct cmd cmd_recover;

#endif
