#ifndef TH_CMD_CMD_CLEANUP_H
#define TH_CMD_CMD_CLEANUP_H

#include "cmd/cmd.h"

extern const struct cmd cmd_cleanup;

#endif
