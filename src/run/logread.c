#include "config.h"

#include "run/logread.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/str.h"
#include "model/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK	   ((size_t)64 * 1024)
#define LINE_BLOCK ((size_t)1024) /* where a line's end is looked for */

struct part {
	int fd;
	struct logplace place; /* offset: its size when it was opened */
	uint64_t begin;	       /* in the text */
};

struct logread {
	char *name;
	struct part *v; /* oldest first */
	size_t n, cap;
	uint64_t size;
};

/* ---- opening -------------------------------------------------------------------------------- */

static int compare_indexes(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int list_indexes(int dirfd, const char *name, int **ret, size_t *ret_n)
{
	_cleanup_free_ int *v = NULL;
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *e;
	size_t n = 0, cap = 0;
	int r = fd_opendir(dirfd, &dir);

	if (r < 0)
		return r;
	while ((r = fd_next_entry(dir, &e)) > 0) {
		int index = rotate_index(name, e->d_name);

		if (index < 0)
			continue;
		if (n == cap) {
			cap = MAX(cap * 2, (size_t)16);
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[n++] = index;
	}
	if (r < 0)
		return r;
	if (n > 0)
		qsort(v, n, sizeof(*v), compare_indexes);
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

static void add_part(struct logread *r, int fd, const struct logplace *place)
{
	if (r->n == r->cap) {
		r->cap = MAX(r->cap * 2, (size_t)16);
		r->v = xreallocarray(r->v, r->cap, sizeof(*r->v));
	}
	r->v[r->n++] = (struct part){.fd = fd, .place = *place};
}

/* Adds the file unless it is one already there: a rotation in between has moved it one up. 1: there
 * is none of that name. */
static int open_part(struct logread *r, int dirfd, int index)
{
	_cleanup_free_ char *name = rotate_name(r->name, (unsigned)index);
	_cleanup_close_ int fd = -1;
	struct logplace place;
	struct stat st;
	int e;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : errno == ELOOP || errno == ENXIO ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	e = logplace_of_fd(fd, &place);
	if (e < 0)
		return e;
	for (size_t i = 0; i < r->n; i++)
		if (logplace_same_file(&r->v[i].place, &place))
			return 0;
	add_part(r, TAKE_FD(fd), &place);
	return 0;
}

/* A rotation renames the oldest first, so there is one gap while it goes on. */
#define GAP_MAX 2

/*
 * Newest first: what a rotation moves away meanwhile is met again under its next name, while the
 * other way round it would be missed. The names that are listed are not all that there are: one
 * that is renamed meanwhile may be missing under both (readdir(3)), and the oldest has a new one.
 */
static int open_parts(struct logread *r, int dirfd, const int *indexes, size_t n)
{
	unsigned missing = 0;
	size_t listed = 0;

	for (int i = 0; i < INT_MAX; i++) {
		int e;

		while (listed < n && indexes[listed] < i)
			listed++;
		if (missing == GAP_MAX) {
			if (listed == n)
				break;
			i = indexes[listed];
		}
		e = open_part(r, dirfd, i);
		if (e < 0)
			return e;
		missing = e == 1 ? missing + (missing < GAP_MAX) : 0;
	}
	return 0;
}

int logread_open(int dirfd, const char *name, struct logread **ret, struct th_err *err)
{
	_cleanup_logread_ struct logread *r = xcalloc(1, sizeof(*r));
	_cleanup_free_ int *indexes = NULL;
	size_t n = 0;
	int e;

	r->name = xstrdup(name);
	e = list_indexes(dirfd, name, &indexes, &n);
	if (e >= 0)
		e = open_parts(r, dirfd, indexes, n);
	if (e < 0)
		return err_set(err, e == -EACCES ? EXIT_NOPERM : EXIT_INTERNAL, -e,
			"cannot read log '%s': %s", name, strerror(-e));
	for (size_t i = 0; i < r->n / 2; i++) {
		struct part swap = r->v[i];

		r->v[i] = r->v[r->n - 1 - i];
		r->v[r->n - 1 - i] = swap;
	}
	for (size_t i = 0; i < r->n; i++) {
		r->v[i].begin = r->size;
		r->size += r->v[i].place.offset;
	}
	*ret = TAKE_PTR(r);
	return 0;
}

struct logread *logread_free(struct logread *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n; i++)
		fd_close(r->v[i].fd);
	free(r->v);
	free(r->name);
	free(r);
	return NULL;
}

uint64_t logread_size(const struct logread *r)
{
	return r->size;
}

/* ---- runs ----------------------------------------------------------------------------------- */

bool logread_find(const struct logread *r, const struct logplace *place, uint64_t *ret)
{
	for (size_t i = 0; i < r->n; i++)
		if (logplace_same_file(&r->v[i].place, place)) {
			*ret = r->v[i].begin + MIN(place->offset, r->v[i].place.offset);
			return true;
		}
	return false;
}

/* Where run `index` begins; 0 and false where that file is gone. */
static bool find_begin(
	const struct logread *r, const struct logruns *runs, ssize_t index, uint64_t *ret)
{
	const struct logplace *place = NULL;

	*ret = 0;
	if (index < 0)
		return true;
	for (size_t i = 0; i < LOGRUNS_STREAMS; i++)
		if (strcmp(logruns_streams[i], r->name) == 0)
			place = &runs->v[index].place[i];
	if (!place || place->none)
		return true;
	return logread_find(r, place, ret);
}

bool logread_find_run(const struct logread *r, const struct logruns *runs, ssize_t index,
	uint64_t *ret_from, uint64_t *ret_to)
{
	bool found = find_begin(r, runs, index, ret_from);

	*ret_to = r->size;
	if (index + 1 < (ssize_t)runs->n)
		(void)find_begin(r, runs, index + 1, ret_to);
	/* Files that were put there by hand may be out of order. */
	*ret_from = MIN(*ret_from, *ret_to);
	return found;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads up to n bytes from `at`, within one file; 0 where that was cut short since. */
static ssize_t read_at(const struct logread *r, uint64_t at, char *buf, size_t n)
{
	for (size_t i = r->n; i-- > 0;) {
		const struct part *p = &r->v[i];
		ssize_t got;

		if (at < p->begin)
			continue;
		n = (size_t)MIN((uint64_t)n, p->begin + p->place.offset - at);
		got = pread(p->fd, buf, n, (off_t)(at - p->begin));
		return got < 0 ? -errno : got;
	}
	return 0;
}

static const struct part *part_at(const struct logread *r, uint64_t at)
{
	for (size_t i = r->n; i-- > 0;)
		if (at >= r->v[i].begin)
			return &r->v[i];
	return NULL;
}

uint64_t logread_tail_count(struct logread *r, uint64_t from, uint64_t to, uint64_t *lines)
{
	_cleanup_free_ char *buf = NULL;
	uint64_t at = to;
	bool last = true; /* the newline at the very end ends a line rather than beginning one */

	if (*lines == 0 || from >= to)
		return to;
	buf = xmalloc(BLOCK);
	while (at > from) {
		const struct part *p = part_at(r, at - 1);
		uint64_t begin = MAX(from, p ? p->begin : 0);
		size_t n = (size_t)MIN(at - begin, (uint64_t)BLOCK);
		ssize_t got = read_at(r, at - n, buf, n);

		for (size_t i = got > 0 ? (size_t)got : 0; i-- > 0;) {
			if (buf[i] == '\n' && !last && --*lines == 0)
				return at - n + i + 1;
			last = false;
		}
		at -= n;
	}
	--*lines;
	return from;
}

uint64_t logread_tail(struct logread *r, uint64_t from, uint64_t to, uint64_t lines)
{
	return logread_tail_count(r, from, to, &lines);
}

uint64_t logread_line_begin(const struct logread *r, uint64_t at, uint64_t to)
{
	_cleanup_free_ char *buf = NULL;
	uint64_t limit = MIN(to, at + ROTATE_LINE_MAX), look = at - 1;

	if (at == 0 || at >= to)
		return MIN(at, to);
	buf = xmalloc(LINE_BLOCK);
	while (look < limit) {
		ssize_t n = read_at(r, look, buf, (size_t)MIN(limit - look, (uint64_t)LINE_BLOCK));
		const char *newline;

		if (n <= 0)
			return at;
		newline = memchr(buf, '\n', (size_t)n);
		if (newline)
			return look + (uint64_t)(newline - buf) + 1;
		look += (uint64_t)n;
	}
	return limit == to ? to : at;
}

ssize_t logread_read(const struct logread *r, uint64_t at, char *buf, size_t n)
{
	return at < r->size ? read_at(r, at, buf, n) : 0;
}

void logread_place(const struct logread *r, uint64_t at, struct logplace *ret)
{
	const struct part *p = at > 0 ? part_at(r, at - 1) : part_at(r, 0);

	*ret = p ? p->place : (struct logplace){.none = true};
	if (p)
		ret->offset = at - p->begin;
}

typedef int (*piece_fn)(void *arg, const char *p, size_t n);

/* Hands [from, to) to fn, piece by piece. */
static int for_each_piece(
	struct logread *r, uint64_t from, uint64_t to, piece_fn fn, void *arg, struct th_err *err)
{
	_cleanup_free_ char *buf = xmalloc(BLOCK);

	while (from < to) {
		ssize_t n = read_at(r, from, buf, (size_t)MIN(to - from, (uint64_t)BLOCK));
		int e;

		if (n < 0)
			return err_set(err, EXIT_INTERNAL, (int)-n, "cannot read log '%s': %s",
				r->name, strerror((int)-n));
		if (n == 0) {
			/* Somebody has emptied this file meanwhile: on with the next. */
			const struct part *p = part_at(r, from);

			if (!p || p->begin + p->place.offset <= from)
				return 0;
			from = p->begin + p->place.offset;
			continue;
		}
		e = fn(arg, buf, (size_t)n);
		if (e < 0)
			return e;
		from += (uint64_t)n;
	}
	return 0;
}

static int write_piece(void *arg, const char *p, size_t n)
{
	return fd_write_all(*(int *)arg, p, n);
}

int logread_copy(struct logread *r, uint64_t from, uint64_t to, int fd, struct th_err *err)
{
	return for_each_piece(r, from, to, write_piece, &fd, err);
}

struct marked {
	int fd;
	const char *mark;
	bool mid_line;
};

static int write_marked(void *arg, const char *p, size_t n)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct marked *m = arg;

	for (const char *end = p + n; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t k = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);

		if (!m->mid_line)
			strbuf_adds(&out, m->mark);
		strbuf_add(&out, p, k);
		m->mid_line = !newline;
		p += k;
	}
	return fd_write_all(m->fd, strbuf_str(&out), out.len);
}

int logread_copy_marked(
	struct logread *r, uint64_t from, uint64_t to, int fd, const char *mark, struct th_err *err)
{
	struct marked m = {.fd = fd, .mark = mark};
	int e = for_each_piece(r, from, to, write_marked, &m, err);

	return e == 0 && m.mid_line ? fd_write_all(fd, "\n", 1) : e;
}
