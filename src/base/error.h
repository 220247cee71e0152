#ifndef TH_BASE_ERROR_H
#define TH_BASE_ERROR_H

/*
 * An error as a value. The same text has to reach the terminal, the supervisor's log and the
 * task's record, so functions hand it up and only commands and the supervisor say it, once.
 *
 * Convention: a function returns 0 or a positive fact, or -errno. From floor F2 up it also takes
 * `struct th_err *err` last when an admin has to understand the failure. The caller owns it and
 * zero-initialises it (TH_ERR_INIT); it is untouched on success; the first error wins; callers
 * wrap it with err_prefix(). NULL is allowed everywhere and discards the text.
 *
 * Text: lower case, no full stop, names in single quotes, FILE:LINE first where there is one;
 * what failed, why, and what to do next.
 */

#include "base/macro.h"

#include <stdlib.h>

/* Exit statuses of taskhook(1). They are interface: append only. The sysexits.h values are repeated
 * here so that one list holds all of them. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_USAGE = 64,	  /* EX_USAGE: the command line is wrong */
	EXIT_DATAERR = 65,	  /* EX_DATAERR: bad input data */
	EXIT_UNAVAILABLE = 69,	  /* EX_UNAVAILABLE: something needed is unavailable */
	EXIT_CANTCREAT = 73,	  /* EX_CANTCREAT: cannot create a file, directory or cgroup */
	EXIT_BUSY = 75,		  /* EX_TEMPFAIL: already running or busy */
	EXIT_NOPERM = 77,	  /* EX_NOPERM: permission; an unsafe hook */
	EXIT_CONFIG = 78,	  /* EX_CONFIG: bad configuration */
	EXIT_HOOK_FAILED = 120,	  /* a fatal hook failed */
	EXIT_HOOK_TIMEOUT = 121,  /* a fatal hook timed out */
	EXIT_WITH_FAILURES = 122, /* done, but with failures named on stderr */
	EXIT_TIMEOUT = 124,	  /* max-run-time reached */
	EXIT_INTERNAL = 125,	  /* taskhook's own failure, or an unknown status */
	EXIT_CANNOT_EXEC = 126,	  /* found, but cannot be executed */
	EXIT_NOT_FOUND = 127,	  /* not found */
	EXIT_SIGNAL_BASE = 128,	  /* + N: ended by signal N */
};

struct th_err {
	int status; /* an exit_status; never 0 when text is set */
	int errnum; /* positive errno, 0 where none applies */
	char *text; /* owned; NULL: no error */
};

#define TH_ERR_INIT                                                                                \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}

/*
 * Sets the error unless one is set already. `errnum` is a positive errno or 0; it is not added to
 * the text: write ": %s", strerror(errnum) (or %m) where the reader needs it. Returns -errnum
 * (-EINVAL where errnum is 0), for `return err_set(...)`.
 */
int err_set(struct th_err *err, int status, int errnum, const char *fmt, ...) PRINTF_ATTR(4, 5);

/* Puts "PREFIX: " before the text of an error that is set. */
void err_prefix(struct th_err *err, const char *fmt, ...) PRINTF_ATTR(2, 3);

static inline int err_is_set(const struct th_err *err)
{
	return err && err->text;
}

/* The text, or a stand-in, for messages; never NULL. */
const char *err_text(const struct th_err *err);

/* Frees the text and makes the value fit for use again. */
void err_clear(struct th_err *err);

#define _cleanup_err_ _cleanup_(err_clear)

#endif
