#include "config.h"

#include "conf/source.h"

#include "base/alloc.h"

#include <errno.h>

int source_parse(const char *text, struct source *ret, struct th_err *err)
{
	(void)text;
	*ret = (struct source){0};
	return err_set(err, EXIT_USAGE, EINVAL, "no source is understood yet");
}

void source_done(struct source *s)
{
	*s = (struct source){0};
}

char *source_redact(const char *text)
{
	(void)text;
	return xstrdup("***");
}
