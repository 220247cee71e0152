#include "config.h"

#include "fetch/unpack.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* NEEDSWORK: stands in for unpack.c until that is there: every source is a plain file. */
int unpack_run(const struct unpack_spec *spec, struct unpack_result *ret, struct th_err *err)
{
	_cleanup_close_ int fd = openat(spec->dirfd, spec->name,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	const void *data;
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot create '%s': %s", spec->name,
			strerror(errno));
	*ret = (struct unpack_result){.files = 1};
	while (r == 0 && (n = spec->source.read(spec->source.arg, &data)) != 0) {
		r = n < 0 ? (int)n : fd_write_all(fd, data, (size_t)n);
		if (n > 0 && r < 0)
			(void)err_set(err, EXIT_CANTCREAT, -r, "cannot write '%s': %s", spec->name,
				strerror(-r));
		if (r == 0)
			ret->unpacked += (uint64_t)n;
	}
	if (r < 0)
		(void)unlinkat(spec->dirfd, spec->name, 0);
	else if (spec->filename || spec->source_name)
		ret->filename = xstrdup(spec->filename ? spec->filename : spec->source_name);
	return r;
}

void unpack_result_done(struct unpack_result *r)
{
	free(r->filename);
	*r = (struct unpack_result){0};
}
