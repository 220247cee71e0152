#ifndef TH_CMD_CMD_CONFIG_H
#define TH_CMD_CMD_CONFIG_H

#include "cmd/cmd.h"

extern const struct cmd cmd_config;

#endif
