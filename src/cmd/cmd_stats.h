#ifndef TH_CMD_CMD_STATS_H
#define TH_CMD_CMD_STATS_H

#include "cmd/cmd.h"

extern const struct cmd cmd_stats;

#endif
