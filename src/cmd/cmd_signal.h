#ifndef TH_CMD_CMD_SIGNAL_H
#define TH_CMD_CMD_SIGNAL_H

#include "cmd/cmd.h"

extern const struct cmd cmd_signal;

#endif
