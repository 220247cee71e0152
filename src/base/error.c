#include "config.h"

#include "base/error.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int err_set(struct th_err *err, int status, int errnum, const char *fmt, ...)
{
	int saved = errno; /* %m in fmt means the caller's errno */
	va_list ap;

	if (err && !err->text) {
		err->status = status;
		err->errnum = errnum;
		errno = saved;
		va_start(ap, fmt);
		if (vasprintf(&err->text, fmt, ap) < 0)
			err->text = xstrdup("out of memory");
		va_end(ap);
	}
	errno = saved;
	return errnum ? -errnum : -EINVAL;
}

void err_prefix(struct th_err *err, const char *fmt, ...)
{
	_cleanup_free_ char *prefix = NULL;
	char *text;
	va_list ap;

	if (!err_is_set(err))
		return;
	va_start(ap, fmt);
	if (vasprintf(&prefix, fmt, ap) < 0)
		prefix = NULL;
	va_end(ap);
	if (!prefix)
		return;
	text = xasprintf("%s: %s", prefix, err->text);
	free(err->text);
	err->text = text;
}

const char *err_text(const struct th_err *err)
{
	return err_is_set(err) ? err->text : "unknown error";
}

void err_clear(struct th_err *err)
{
	if (!err)
		return;
	free(err->text);
	*err = (struct th_err)TH_ERR_INIT;
}
