#ifndef TH_FETCH_UNPACK_REFUSE_H
#define TH_FETCH_UNPACK_REFUSE_H

/* What is wrong with a member of an archive, in one line: "member 'a/b' has an absolute path". All
 * set err and return its -errno; `member` is a path as it is in the archive. */

#include "base/error.h"
#include "base/macro.h"

/* By the member's own fault, which `fmt` tells without a subject: EXIT_DATAERR, -EBADMSG. */
PRINTF_ATTR(3, 4)
int unpack_refuse(struct th_err *err, const char *member, const char *fmt, ...);

/* A link, symbolic or hard, whose target lies outside: as unpack_refuse(). */
int unpack_refuse_link(struct th_err *err, const char *member, const char *target);

/* The file system's (positive) errnum on its way there: EXIT_CANTCREAT; for a name that is too long
 * as unpack_refuse(). */
int unpack_refuse_write(struct th_err *err, const char *member, int errnum);

/* Bytes of a name that a message shows. */
#define UNPACK_SHOWN_MAX 200

#endif
