#ifndef TH_BASE_WORDS_H
#define TH_BASE_WORDS_H

/*
 * A command line in a file, split as a shell would split it, with no shell run (POSIX.1-2017,
 * Shell Command Language 2.2): blanks separate; '...' is literal; "..." knows \" \\ \$ \` ; a
 * backslash outside quotes takes the next byte. What only a shell could carry out, unquoted
 * | & ; < > $ ` ( ) and in double quotes $ and `, is refused rather than passed on. `*`, `?`, `[`,
 * `~`, `#` are ordinary bytes: nothing is expanded.
 */

#include "base/error.h"
#include "base/str.h"

/* Appends the words to `ret`. Returns 0, or -EINVAL with err->status EXIT_CONFIG and a text that
 * says what stands where (column, 1-based) and to "write command = /bin/sh -c '...'". */
int words_split(const char *s, struct strv *ret, struct th_err *err);

#endif
