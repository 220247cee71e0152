#ifndef TH_CMD_CMD_LIST_H
#define TH_CMD_CMD_LIST_H

#include "cmd/cmd.h"

extern const struct cmd cmd_list;

#endif
