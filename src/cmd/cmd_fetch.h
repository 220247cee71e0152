#ifndef TH_CMD_CMD_FETCH_H
#define TH_CMD_CMD_FETCH_H

#include "cmd/cmd.h"

extern const struct cmd cmd_fetch;

#endif
