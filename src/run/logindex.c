#include "config.h"

#include "run/logindex.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_FILE LOGINDEX_FILE ".1"

static const char letters[LOG_STREAMS] = {[LOG_STDOUT] = 'o', [LOG_STDERR] = 'e'};

/* ---- writing ---- */

struct logindex {
	int dirfd; /* not owned */
	int fd;	   /* -1: not open */
	size_t size;
	bool any;
	enum log_stream last;
	usec_t last_at;
};

struct logindex *logindex_new(int dirfd)
{
	struct logindex *x = xcalloc(1, sizeof(*x));

	x->dirfd = dirfd;
	x->fd = -1;
	return x;
}

struct logindex *logindex_free(struct logindex *x)
{
	if (x)
		fd_close(x->fd);
	free(x);
	return NULL;
}

static int open_file(struct logindex *x)
{
	struct stat st;

	x->fd = openat(x->dirfd, LOGINDEX_FILE,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0640);
	if (x->fd < 0 || fstat(x->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		x->fd = fd_close(x->fd);
		return -EMEDIUMTYPE;
	}
	x->size = (size_t)st.st_size;
	return 0;
}

/* A file with room. */
static int make_ready(struct logindex *x)
{
	int r = x->fd < 0 ? open_file(x) : 0;

	if (r < 0 || x->size < LOGINDEX_MAX)
		return r;
	x->fd = fd_close(x->fd);
	/* Removed rather than renamed over, as in run/logfile.c. */
	(void)unlinkat(x->dirfd, OLD_FILE, 0);
	if (renameat(x->dirfd, LOGINDEX_FILE, x->dirfd, OLD_FILE) < 0)
		return -errno;
	return open_file(x);
}

bool logindex_is_due(const struct logindex *x, enum log_stream stream, usec_t monotonic)
{
	return !x->any || x->last != stream ||
	       monotonic >= usec_add(x->last_at, LOGINDEX_EVERY_USEC);
}

void logindex_note(
	struct logindex *x, enum log_stream stream, const struct logplace *place, usec_t monotonic)
{
	char line[160];
	int n;

	x->any = true;
	x->last = stream;
	x->last_at = monotonic;
	if (make_ready(x) < 0)
		return;
	/* Five numbers of 20 digits at most. */
	n = snprintf(line, sizeof(line),
		"%" PRIu64 " %c %" PRIu64 ":%" PRId64 ".%09" PRIu32 ":%" PRIu64 "\n",
		clock_realtime_usec(), letters[stream], place->inode, place->birth_sec,
		place->birth_nsec, place->offset);
	if (n > 0 && write(x->fd, line, (size_t)n) > 0)
		x->size += (size_t)n;
}

/* ---- reading ---- */

static bool parse_line(char *line, struct logindex_entry *ret)
{
	char *rest = line;
	const char *time = strsep(&rest, " "), *letter = strsep(&rest, " ");

	if (!letter || !rest || strlen(letter) != 1 ||
		parse_uint(time, 0, USEC_INFINITY - 1, &ret->realtime) < 0 ||
		!logplace_parse(rest, &ret->place))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (*letter == letters[i]) {
			ret->stream = (enum log_stream)i;
			return true;
		}
	return false;
}

static int read_one(int dirfd, const char *name, struct logindex_list *list)
{
	_cleanup_free_ char *text = NULL;
	size_t cap = list->n;
	char *line, *rest;
	int r;

	r = file_read_at(
		dirfd, name, FILEIO_REGULAR | FILEIO_NOFOLLOW, 4 * LOGINDEX_MAX, &text, NULL);
	if (r < 0)
		return r == -ENOENT || r == -EFBIG ? 0 : r;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct logindex_entry e = {0};

		if (!parse_line(line, &e))
			continue;
		if (list->n == cap) {
			cap = MAX(cap * 2, (size_t)64);
			list->v = xreallocarray(list->v, cap, sizeof(*list->v));
		}
		list->v[list->n++] = e;
	}
	return 0;
}

int logindex_read(int dirfd, struct logindex_list *ret, struct th_err *err)
{
	struct logindex_list list = {0};
	int r = read_one(dirfd, OLD_FILE, &list);

	if (r == 0)
		r = read_one(dirfd, LOGINDEX_FILE, &list);
	if (r < 0) {
		logindex_list_done(&list);
		return err_set(err, EXIT_INTERNAL, -r, "cannot read '%s' of the logs: %s",
			LOGINDEX_FILE, strerror(-r));
	}
	*ret = list;
	return 0;
}

void logindex_list_done(struct logindex_list *l)
{
	free(l->v);
	*l = (struct logindex_list){0};
}
