#ifndef TH_OS_ASK_H
#define TH_OS_ASK_H

/* Another program is asked something: it is executed, and what it prints is the answer. */

#include "base/clock.h"
#include "base/str.h"

#include <stdbool.h>

/*
 * Executes `path` with `argv`, LC_ALL=C alone in its environment and /dev/null for input, and adds
 * to *out what it prints to stdout (with_stderr: and to stderr), until it has closed that. It gets
 * `timeout_usec`, and a second more to end after its last word; then it is killed. Returns its wait
 * status (waitpid(2)). -ETIMEDOUT; -EFBIG: more than `max` bytes; -errno: it cannot be executed.
 */
int ask_program(const char *path, char *const *argv, bool with_stderr, usec_t timeout_usec,
	size_t max, struct strbuf *out);

#endif
