#include "config.h"

#include "fetch/unpack_refuse.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int unpack_refuse(struct th_err *err, const char *member, const char *fmt, ...)
{
	_cleanup_free_ char *shown = str_escape(member, UNPACK_SHOWN_MAX);
	_cleanup_free_ char *why = NULL;
	va_list args;

	va_start(args, fmt);
	why = xvasprintf(fmt, args);
	va_end(args);
	return err_set(err, EXIT_DATAERR, EBADMSG, "member '%s' %s", shown, why);
}

int unpack_refuse_write(struct th_err *err, const char *member, int errnum)
{
	_cleanup_free_ char *shown = str_escape(member, UNPACK_SHOWN_MAX);

	if (errnum == ENAMETOOLONG)
		return unpack_refuse(
			err, member, "has a name that is too long for the file system");
	return err_set(err, EXIT_CANTCREAT, errnum, "member '%s' cannot be written: %s", shown,
		strerror(errnum));
}

int unpack_refuse_link(struct th_err *err, const char *member, const char *target)
{
	_cleanup_free_ char *shown = str_escape(target, UNPACK_SHOWN_MAX);

	return unpack_refuse(err, member, "is a link to '%s', which leads outside", shown);
}
