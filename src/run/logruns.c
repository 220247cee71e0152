#include "config.h"

#include "run/logruns.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MAX ((size_t)1024 * 1024)

const char *const logruns_streams[] = {
	"stdout.log", "stderr.log", "hooks.log", "hooks.jsonl", NULL};
_Static_assert(
	ARRAY_SIZE(logruns_streams) == LOGRUNS_STREAMS + 1, "LOGRUNS_STREAMS counts the streams");

static int place_of(int fd, const char *name, int flags, struct logplace *ret)
{
	struct statx st;

	if (statx(fd, name, flags, STATX_INO | STATX_SIZE | STATX_BTIME, &st) < 0)
		return -errno;
	*ret = (struct logplace){.inode = st.stx_ino, .offset = st.stx_size};
	if (st.stx_mask & STATX_BTIME) {
		ret->birth_sec = st.stx_btime.tv_sec;
		ret->birth_nsec = st.stx_btime.tv_nsec;
	}
	return 0;
}

int logplace_of_name(int dirfd, const char *name, struct logplace *ret)
{
	return place_of(dirfd, name, AT_SYMLINK_NOFOLLOW, ret);
}

int logplace_of_fd(int fd, struct logplace *ret)
{
	return place_of(fd, "", AT_EMPTY_PATH, ret);
}

bool logplace_same_file(const struct logplace *a, const struct logplace *b)
{
	return !a->none && !b->none && a->inode == b->inode && a->birth_sec == b->birth_sec &&
	       a->birth_nsec == b->birth_nsec;
}

/* ---- reading -------------------------------------------------------------------------------- */

bool logplace_parse(char *s, struct logplace *ret)
{
	const char *inode, *sec, *nsec;
	uint64_t n = 0;

	*ret = (struct logplace){.none = strcmp(s, "-") == 0};
	if (ret->none)
		return true;
	inode = strsep(&s, ":");
	sec = strsep(&s, ".");
	nsec = strsep(&s, ":");
	if (!nsec || !s || parse_uint(inode, 0, UINT64_MAX, &ret->inode) < 0 ||
		parse_int(sec, INT64_MIN, INT64_MAX, &ret->birth_sec) < 0 ||
		parse_uint(nsec, 0, 999999999, &n) < 0 ||
		parse_uint(s, 0, UINT64_MAX, &ret->offset) < 0)
		return false;
	ret->birth_nsec = (uint32_t)n;
	return true;
}

static bool parse_line(char *line, struct logrun *ret)
{
	char *word, *rest = line;
	uint64_t number;

	*ret = (struct logrun){0};
	for (size_t i = 0; i < LOGRUNS_STREAMS; i++)
		ret->place[i].none = true;
	word = strsep(&rest, " ");
	if (parse_uint(word, 0, INT32_MAX, &number) < 0)
		return false;
	ret->number = (unsigned)number;
	word = strsep(&rest, " ");
	if (!word || parse_rfc3339(word, &ret->begin) < 0)
		return false;
	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value)
			return false;
		*value++ = '\0';
		/* A stream of a later version is none of ours. */
		for (size_t i = 0; i < LOGRUNS_STREAMS; i++)
			if (strcmp(word, logruns_streams[i]) == 0 &&
				!logplace_parse(value, &ret->place[i]))
				return false;
	}
	return true;
}

int logruns_read(int dirfd, struct logruns *ret, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct logruns runs = {0};
	char *line, *rest;
	size_t cap = 0;
	int r;

	r = file_read_at(
		dirfd, LOGRUNS_FILE, FILEIO_REGULAR | FILEIO_NOFOLLOW, FILE_MAX, &text, NULL);
	if (r < 0 && r != -ENOENT)
		return err_set(err, EXIT_INTERNAL, -r, "cannot read '%s' of the logs: %s",
			LOGRUNS_FILE, strerror(-r));
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct logrun run;

		if (!parse_line(line, &run))
			continue;
		if (runs.n == cap) {
			cap = MAX(cap * 2, (size_t)16);
			runs.v = xreallocarray(runs.v, cap, sizeof(*runs.v));
		}
		runs.v[runs.n++] = run;
	}
	*ret = runs;
	return 0;
}

void logruns_done(struct logruns *r)
{
	free(r->v);
	*r = (struct logruns){0};
}

/* ---- writing -------------------------------------------------------------------------------- */

static void format_line(struct strbuf *b, const struct logrun *run)
{
	char when[CLOCK_RFC3339_MAX];

	strbuf_addf(b, "%u %s", run->number, clock_rfc3339(run->begin, when, sizeof(when)));
	for (size_t i = 0; i < LOGRUNS_STREAMS; i++) {
		const struct logplace *p = &run->place[i];

		if (p->none)
			strbuf_addf(b, " %s=-", logruns_streams[i]);
		else
			strbuf_addf(b, " %s=%" PRIu64 ":%" PRId64 ".%09" PRIu32 ":%" PRIu64,
				logruns_streams[i], p->inode, p->birth_sec, p->birth_nsec,
				p->offset);
	}
	strbuf_addc(b, '\n');
}

/* Replaces the file by its newest lines. */
static int cut_file(int dirfd)
{
	_cleanup_logruns_ struct logruns runs = {0};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = logruns_read(dirfd, &runs, NULL);

	if (r < 0)
		return r;
	for (size_t i = runs.n > LOGRUNS_KEEP ? runs.n - LOGRUNS_KEEP : 0; i < runs.n; i++)
		format_line(&text, &runs.v[i]);
	return file_replace_at(dirfd, LOGRUNS_FILE, 0640, strbuf_str(&text), text.len);
}

static int append(int dirfd, const struct strbuf *line, off_t *ret_size)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = openat(dirfd, LOGRUNS_FILE,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0640);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	r = fd_write_all(fd, line->s, line->len);
	*ret_size = st.st_size;
	return r;
}

int logruns_note(int dirfd, unsigned number, usec_t realtime, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct logrun run = {.number = number, .begin = realtime};
	bool any = false;
	off_t size = 0;
	int r;

	for (size_t i = 0; i < LOGRUNS_STREAMS; i++) {
		if (logplace_of_name(dirfd, logruns_streams[i], &run.place[i]) < 0)
			run.place[i].none = true;
		any = any || !run.place[i].none;
	}
	if (number <= 1 && !any)
		return 0;
	format_line(&line, &run);
	r = append(dirfd, &line, &size);
	/* Each line is at least as long as this one without its digits. */
	if (r == 0 && (size_t)size > 2 * LOGRUNS_KEEP * line.len)
		r = cut_file(dirfd);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r,
			"cannot note in '%s' of the logs where run %u begins: %s", LOGRUNS_FILE,
			number, strerror(-r));
	return 0;
}
