#ifndef TH_CMD_FIELD_H
#define TH_CMD_FIELD_H

/* "       label  text" on stdout, the labels aligned at their end. Control bytes are escaped, as
 * much of it comes from outside: a hook's message, a command line. */

#include "base/macro.h"

void field_print(const char *label, const char *fmt, ...) PRINTF_ATTR(2, 3);

#endif
