#ifndef TH_CMD_CMD_WHY_H
#define TH_CMD_CMD_WHY_H

#include "cmd/cmd.h"

extern const struct cmd cmd_why;

#endif
