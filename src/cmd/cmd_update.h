#ifndef TH_CMD_CMD_UPDATE_H
#define TH_CMD_CMD_UPDATE_H

#include "cmd/cmd.h"

/* taskhook update: other limits and settings for tasks that run. */
extern const struct cmd cmd_update;

#endif
