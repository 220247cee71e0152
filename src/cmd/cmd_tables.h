#ifndef TH_CMD_CMD_TABLES_H
#define TH_CMD_CMD_TABLES_H

#include "cmd/cmd.h"

extern const struct cmd cmd_tables;

#endif
