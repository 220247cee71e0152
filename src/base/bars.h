#ifndef TH_BASE_BARS_H
#define TH_BASE_BARS_H

/* A line of bars, one a value: what the last minute was like, in one row of a terminal. */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends `n` characters to `b`: of a value v, that of v / scale in 8 steps; a value above the
 * scale is the highest one, one that is not there (below 0) is a blank, and so is 0. A scale of 0
 * or less makes blanks. `unicode` takes U+2581 to U+2588, else the characters are ASCII. */
void bars_add(struct strbuf *b, const double *values, size_t n, double scale, bool unicode);

/* Do the characters of this environment have the encoding UTF-8? By LC_ALL, LC_CTYPE, LANG, the
 * first that is set and not empty (POSIX.1-2017, 8.2). */
bool bars_environment_is_utf8(void);

#endif
