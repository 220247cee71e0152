#include "config.h"

#include "run/logfile.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "model/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SIZE_LIMIT_MIN 1024

/* In one write(2). ext4 makes page cache folios as large as the write (Linux 6.16 on), and memory
 * for large ones is seldom at hand: 256 KiB a time was measured to take twice the CPU time of this.
 */
#define WRITE_MAX ((size_t)64 * 1024)

struct logfile {
	int dirfd; /* not owned */
	int fd;
	char *name;
	struct rotate_state at;
	struct logplace place; /* once it was asked for, of this file */
	bool has_place;
	unsigned max_files;
	uid_t uid;
	gid_t gid;
	uint64_t dropped;  /* since the open */
	int dropped_errno; /* of the last drop */
	uint64_t unsaid;   /* of these, what no notice in the file tells yet */
	bool warned_slot, warned_limit, warned_owner;
	char *warning; /* said at the end of a write: the log's sink may write to this very file */
	struct pumpstate *state; /* NULL: a kill may lose what is on its way */
	const char *next;	 /* with `state`: the first byte that is not written */
};

/* ---- opening -------------------------------------------------------------------------------- */

static int explain_open(const char *name, int errnum, struct th_err *err)
{
	switch (errnum) {
	case ELOOP:
		return err_set(err, EXIT_CANTCREAT, errnum,
			"cannot open log file '%s': it is a symbolic link (remove it)", name);
	case EISDIR:
	case ENXIO:
	case EMEDIUMTYPE:
		return err_set(err, EXIT_CANTCREAT, errnum,
			"cannot open log file '%s': it is not a regular file (remove it)", name);
	default:
		return err_set(err, EXIT_CANTCREAT, errnum, "cannot open log file '%s': %s", name,
			strerror(errnum));
	}
}

static bool last_byte_is_newline(int fd, off_t size)
{
	char c = '\n';

	return size <= 0 || pread(fd, &c, 1, size - 1) != 1 || c == '\n';
}

int logfile_open(int dirfd, const char *name, uint64_t max_size, unsigned max_files,
	struct logfile **ret, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	struct logfile *f;
	struct stat st;

	/* O_NONBLOCK: a FIFO in its place must not stall us. Reading is for the last byte. */
	fd = openat(dirfd, name,
		O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		LOGFILE_MODE);
	if (fd < 0)
		return explain_open(name, errno, err);
	if (fstat(fd, &st) < 0)
		return explain_open(name, errno, err);
	if (!S_ISREG(st.st_mode))
		return explain_open(name, EMEDIUMTYPE, err);
	/* An empty file is ours or as good as: the umask does not count. */
	if (st.st_size == 0 && (st.st_mode & 07777) != LOGFILE_MODE)
		(void)fchmod(fd, LOGFILE_MODE);

	f = xcalloc(1, sizeof(*f));
	f->dirfd = dirfd;
	f->name = xstrdup(name);
	f->at.size = (uint64_t)st.st_size;
	f->at.max_size = MAX(max_size, (uint64_t)1);
	f->at.mid_line = !last_byte_is_newline(fd, st.st_size);
	f->max_files = MAX(max_files, 1U);
	f->uid = (uid_t)-1;
	f->gid = (gid_t)-1;
	f->fd = TAKE_FD(fd);
	*ret = f;
	return 0;
}

void logfile_set_limits(struct logfile *f, uint64_t max_size, unsigned max_files)
{
	f->at.max_size = MAX(max_size, (uint64_t)1);
	f->max_files = MAX(max_files, 1U);
}

int logfile_set_owner(struct logfile *f, uid_t uid, gid_t gid)
{
	struct stat st;

	f->uid = uid;
	f->gid = gid;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	if ((uid == (uid_t)-1 || uid == st.st_uid) && (gid == (gid_t)-1 || gid == st.st_gid))
		return 0;
	return fchown(f->fd, uid, gid) < 0 ? -errno : 0;
}

void logfile_set_state(struct logfile *f, struct pumpstate *s, size_t *ret_at, size_t *ret_end)
{
	struct logplace place = {.none = true};
	struct pumpstate_drops drops;
	uint64_t size;
	bool cut;

	(void)logplace_of_fd(f->fd, &place);
	pumpstate_recover(s, &place, ret_at, ret_end, &drops, &cut, &size);
	if (cut) {
		if (ftruncate(f->fd, (off_t)size) < 0) /* then it stays, half or whole */
			pumpstate_end_notice(s, (size_t)(place.offset - size), &drops);
		else
			place.offset = size;
		pumpstate_recover(s, &place, ret_at, ret_end, &drops, &cut, &size);
		f->at.size = place.offset;
		f->at.mid_line = !last_byte_is_newline(f->fd, (off_t)place.offset);
	}
	f->dropped = drops.total;
	f->unsaid = drops.unsaid;
	f->dropped_errno = drops.errnum;
	f->state = s;
	f->next = pumpstate_buffer(s) + *ret_end;
}

/* ---- rotation ------------------------------------------------------------------------------- */

PRINTF_ATTR(3, 4)
static void warn_once(struct logfile *f, bool *warned, const char *fmt, ...)
{
	va_list ap;

	if (*warned)
		return;
	*warned = true;
	free(f->warning);
	va_start(ap, fmt);
	f->warning = xvasprintf(fmt, ap);
	va_end(ap);
}

static void say_warning(struct logfile *f)
{
	_cleanup_free_ char *text = TAKE_PTR(f->warning);

	if (text)
		log_warning("%s", text);
}

enum slot {
	SLOT_FREE,
	SLOT_FILE,
	SLOT_DIRECTORY,
};

/* Fills slots[0..max_files-1] and removes what has a higher number. */
static int read_slots(struct logfile *f, enum slot *slots)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *e;
	int r = fd_opendir(f->dirfd, &dir);

	if (r < 0)
		return r;
	while ((r = fd_next_entry(dir, &e)) > 0) {
		int index = rotate_index(f->name, e->d_name);

		if (index < 0)
			continue;
		if ((unsigned)index < f->max_files)
			slots[index] = fd_entry_is_dir(dir, e) ? SLOT_DIRECTORY : SLOT_FILE;
		else
			(void)unlinkat(f->dirfd, e->d_name, 0);
	}
	return r;
}

static int rename_slot(struct logfile *f, unsigned from, unsigned to)
{
	_cleanup_free_ char *old = rotate_name(f->name, from);
	_cleanup_free_ char *new = rotate_name(f->name, to);

	return renameat(f->dirfd, old, f->dirfd, new) < 0 ? -errno : 0;
}

static int unlink_slot(struct logfile *f, unsigned index)
{
	_cleanup_free_ char *name = rotate_name(f->name, index);

	return unlinkat(f->dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Moves the active file and those behind it one slot up, as far as the first free slot: what an
 * attempt that failed half way has moved is not moved again. */
static int shift_slots(struct logfile *f, enum slot *slots)
{
	unsigned hole = 0, to;
	int r;

	for (unsigned i = 1; i < f->max_files; i++) {
		if (slots[i] == SLOT_DIRECTORY) {
			warn_once(f, &f->warned_slot,
				"log file '%s.%u' is a directory, stepping over it", f->name, i);
			continue;
		}
		hole = i;
		if (slots[i] == SLOT_FREE)
			break;
	}
	/* Removed rather than renamed over: ext4 writes a file to the disk at once when its name
	 * replaces another (auto_da_alloc, ext4(5)). */
	if (hole == 0 || slots[hole] == SLOT_FILE) {
		r = unlink_slot(f, hole);
		if (r < 0 || hole == 0)
			return r;
	}
	to = hole;
	for (unsigned i = hole; i-- > 0;) {
		if (slots[i] == SLOT_DIRECTORY)
			continue;
		r = rename_slot(f, i, to);
		if (r < 0 && r != -ENOENT)
			return r;
		to = i;
	}
	return 0;
}

static void note_next_file(struct logfile *f)
{
	struct logplace place = {.none = true};

	if (!f->state)
		return;
	(void)logplace_of_fd(f->fd, &place);
	pumpstate_next_begun(f->state, f->next, &place);
}

static int begin_next_file(struct logfile *f)
{
	_cleanup_free_ enum slot *slots = xcalloc(f->max_files, sizeof(*slots));
	_cleanup_close_ int fd = -1;
	int r;

	if (f->state)
		pumpstate_begin_next(f->state, f->next);
	r = read_slots(f, slots);
	if (r < 0)
		return r;
	if (slots[0] == SLOT_DIRECTORY)
		return -EISDIR;
	/* Free when somebody removed it, or when an earlier attempt got as far as this. */
	if (slots[0] == SLOT_FILE) {
		r = shift_slots(f, slots);
		if (r < 0)
			return r;
	}
	fd = openat(f->dirfd, f->name,
		O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, LOGFILE_MODE);
	if (fd < 0)
		return -errno;
	(void)fchmod(fd, LOGFILE_MODE);
	if ((f->uid != (uid_t)-1 || f->gid != (gid_t)-1) && fchown(fd, f->uid, f->gid) < 0)
		warn_once(f, &f->warned_owner,
			"cannot set the owner of log file '%s': %s, continuing", f->name,
			strerror(errno));
	fd_close(f->fd);
	f->fd = TAKE_FD(fd);
	f->has_place = false;
	f->at.size = 0;
	note_next_file(f);
	return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static struct pumpstate_drops drops_of(const struct logfile *f)
{
	return (struct pumpstate_drops){
		.total = f->dropped, .unsaid = f->unsaid, .errnum = f->dropped_errno};
}

static void note_drop(struct logfile *f, size_t n, int errnum)
{
	f->dropped += n;
	f->unsaid += n;
	f->dropped_errno = errnum;
	if (f->state) {
		struct pumpstate_drops drops = drops_of(f);

		pumpstate_drop(f->state, f->next, n, &drops);
		f->next += n;
	}
}

/* The file is as large as the process may make one: from now on that is where to rotate. False
 * where a limit is too small to be meant for logs. */
static bool adopt_size_limit(struct logfile *f)
{
	struct rlimit limit;

	if (f->at.size == 0 || getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
		limit.rlim_cur < SIZE_LIMIT_MIN)
		return false;
	f->at.max_size = MIN(f->at.max_size, (uint64_t)limit.rlim_cur);
	f->at.size = MAX(f->at.size, f->at.max_size);
	warn_once(f, &f->warned_limit,
		"log file '%s' cannot grow beyond %" PRIu64
		" bytes (a limit on the size of files), rotating there",
		f->name, f->at.max_size);
	return true;
}

/* Writes to the active file: the number of bytes, 0 when the file must rotate first, or -errno. */
static ssize_t write_piece(struct logfile *f, const char *p, size_t n)
{
	ssize_t w;

	do
		w = write(f->fd, p, MIN(n, WRITE_MAX));
	while (w < 0 && errno == EINTR);
	if (w > 0) {
		f->at.size += (uint64_t)w;
		f->at.mid_line = p[w - 1] != '\n';
		return w;
	}
	if (w == 0)
		return -EIO;
	return errno == EFBIG && adopt_size_limit(f) ? 0 : -errno;
}

/* `n` bytes of a notice are in the file. */
static void end_notice(struct logfile *f, size_t n)
{
	struct pumpstate_drops drops = drops_of(f);

	if (f->state)
		pumpstate_end_notice(f->state, n, &drops);
}

/* False while there is no room for it. */
static bool write_notice(struct logfile *f)
{
	/* One round for a full file, one for a file size limit below the configured size. */
	for (int round = 0; round < 3; round++) {
		bool begins_line = f->at.size > 0 && f->at.mid_line;
		_cleanup_free_ char *text =
			xasprintf("%staskhook: %" PRIu64 " bytes were dropped here: %s\n",
				begins_line ? "\n" : "", f->unsaid, strerror(f->dropped_errno));
		size_t n = strlen(text);
		struct rotate_state before;
		ssize_t w;

		if (f->at.size >= f->at.max_size ||
			(f->at.size > 0 && f->at.max_size - f->at.size < n)) {
			if (begin_next_file(f) < 0)
				return false;
			continue;
		}
		n = (size_t)MIN((uint64_t)n, f->at.max_size - f->at.size);
		before = f->at;
		if (f->state)
			pumpstate_begin_notice(f->state, f->next, before.size);
		w = write_piece(f, text, n);
		if (w == (ssize_t)n) {
			f->unsaid = 0;
			end_notice(f, n);
			return true;
		}
		/* Half a notice would be wrong by the time that its rest fits. */
		if (w > 0 && ftruncate(f->fd, (off_t)before.size) == 0)
			f->at = before;
		end_notice(f, (size_t)(f->at.size - before.size));
		if (w == 0)
			continue;
		return false;
	}
	return false;
}

static size_t write_or_drop(struct logfile *f, const char *p, size_t n, bool flush)
{
	size_t done = 0;

	f->next = p;
	if (f->unsaid && !write_notice(f)) {
		note_drop(f, n, f->dropped_errno);
		return n;
	}
	while (done < n) {
		size_t k = 0;
		ssize_t r = 0;

		switch (rotate_next(&f->at, p + done, n - done, flush, &k)) {
		case ROTATE_HOLD:
			return done;
		case ROTATE_NEXT:
			r = begin_next_file(f);
			break;
		case ROTATE_WRITE:
			r = write_piece(f, p + done, k);
			break;
		}
		if (r > 0) {
			done += (size_t)r;
			f->next += r;
		}
		if (r < 0) {
			note_drop(f, n - done, (int)-r);
			return n;
		}
	}
	return n;
}

size_t logfile_write(struct logfile *f, const char *p, size_t n, bool flush)
{
	size_t taken = write_or_drop(f, p, n, flush);

	say_warning(f);
	return taken;
}

void logfile_place(struct logfile *f, struct logplace *ret)
{
	if (!f->has_place) {
		f->place = (struct logplace){.none = true};
		(void)logplace_of_fd(f->fd, &f->place);
		f->has_place = true;
	}
	*ret = f->place;
	ret->offset = f->at.size;
}

uint64_t logfile_dropped(const struct logfile *f)
{
	return f->dropped;
}

int logfile_dropped_errno(const struct logfile *f)
{
	return f->dropped_errno;
}

struct logfile *logfile_close(struct logfile *f)
{
	if (!f)
		return NULL;
	if (f->unsaid)
		(void)write_notice(f);
	say_warning(f);
	fd_close(f->fd);
	free(f->name);
	free(f->warning);
	free(f);
	return NULL;
}
