#ifndef TH_CMD_CMD_VERIFY_H
#define TH_CMD_CMD_VERIFY_H

/* 'taskhook verify': executes the helper program taskhook-verify with what it was given. */

#include "cmd/cmd.h"

extern const struct cmd cmd_verify;

#endif
