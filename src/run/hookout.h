#ifndef TH_RUN_HOOKOUT_H
#define TH_RUN_HOOKOUT_H

/*
 * The output of one hook: the reading end of the pipe that is its stdout and stderr, cut into lines
 * and bounded. Private to src/run.
 */

#include "os/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOOK_OUTPUT_LINE_MAX 4096 /* longer lines are told in pieces */
/* Of one hook; what is over is counted, and said. */
#define HOOK_OUTPUT_MAX ((uint64_t)1024 * 1024)

typedef void (*hookout_line_fn)(void *arg, const char *line, size_t n);

struct hookout;

/* Makes the pipe and reads it whenever the loop runs. *ret_write_fd is the caller's. `fn` may be
 * NULL. 0 or -errno. */
int hookout_open(
	struct loop *loop, hookout_line_fn fn, void *arg, struct hookout **ret, int *ret_write_fd);

/* Lines go to another from now on. */
void hookout_redirect(struct hookout *o, hookout_line_fn fn, void *arg);

/* Reads what is in the pipe now, at most once what it can hold: who writes on in the background
 * cannot keep us here. */
void hookout_drain(struct hookout *o);

/* Hands over a last line without a newline and, once, how much was dropped. */
void hookout_flush(struct hookout *o);

/* Nobody can write any more, or reading failed: the pipe is closed. */
bool hookout_is_closed(const struct hookout *o);

uint64_t hookout_bytes(const struct hookout *o);   /* read in all */
uint64_t hookout_dropped(const struct hookout *o); /* of these, not handed over */
/* The last line that was not blank, escaped for messages; NULL: none. The caller frees it. */
char *hookout_last_line(const struct hookout *o);

/* NULL is fine; returns NULL. */
struct hookout *hookout_free(struct hookout *o);

#endif
