#include "config.h"

#include "run/pumpstate.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MAGIC   0x504b4854u /* "THKP" */
#define STATE_VERSION 1
#define CANARY_SIZE   ((size_t)16)

/* In the first page, whose rest is the beginning of the buffer: a task that says little needs no
 * more than that, and a full tmpfs leaves at least that. */
#define HEADER_SIZE ((size_t)512)
#define FIRST_SIZE  ((size_t)4096)
#define PAGE_LEAST  ((size_t)4096)
#define MAP_SIZE    (HEADER_SIZE + PUMPSTATE_BUFFER)

/* Allocated at a time. */
#define STEP ((size_t)32 * 1024)

struct slot {
	/* The file that is written to, by what a rename does not change. */
	uint64_t inode;
	int64_t birth_sec;
	uint32_t birth_nsec;
	uint32_t rotating; /* it may have lost its name */
	int64_t origin;	   /* where the buffer begins in it */
	uint32_t at;	   /* what is written, where the file cannot tell */
	uint32_t end;	   /* what was read */
	uint32_t reading;  /* bytes behind `end` that are being read */
	uint32_t has_notice;
	uint64_t notice_at; /* the file's size before the notice that is being written */
	uint64_t dropped, unsaid;
	int32_t dropped_errno;
	unsigned char canary[CANARY_SIZE];
};

struct header {
	uint32_t magic, version;
	_Atomic uint32_t current;
	struct slot slots[2];
};
_Static_assert(sizeof(struct header) <= HEADER_SIZE, "the buffer begins behind it");

struct pumpstate {
	int fd;
	struct header *map;
	char *buf;
	struct slot now;  /* as the current slot */
	size_t allocated; /* of the file, by us */
	bool grown;	  /* there may be more of it than the first page */
	uint64_t canary[2];
	int peek[2];
};

static void commit(struct pumpstate *s)
{
	uint32_t next = !atomic_load_explicit(&s->map->current, memory_order_relaxed);

	s->map->slots[next] = s->now;
	atomic_store_explicit(&s->map->current, next, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

/* ---- the file ---- */

static int open_file(int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = posix_fallocate(fd, 0, (off_t)FIRST_SIZE);
	if (r)
		return -r;
	if (fstat(fd, &st) < 0 || (st.st_size < (off_t)MAP_SIZE && ftruncate(fd, MAP_SIZE) < 0))
		return -errno;
	return TAKE_FD(fd);
}

static bool slot_is_sane(const struct slot *s)
{
	return s->at <= s->end && s->end <= PUMPSTATE_BUFFER &&
	       s->reading <= PUMPSTATE_BUFFER - s->end;
}

int pumpstate_open(int dirfd, const char *name, struct pumpstate **ret, struct th_err *err)
{
	_cleanup_close_ int fd = open_file(dirfd, name);
	struct header *map;
	struct pumpstate *s;

	if (fd < 0)
		return err_set(
			err, EXIT_CANTCREAT, -fd, "cannot make '%s': %s", name, strerror(-fd));
	map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot map '%s': %m", name);
	s = xcalloc(1, sizeof(*s));
	s->map = map;
	s->buf = (char *)map + HEADER_SIZE;
	s->fd = TAKE_FD(fd);
	s->allocated = FIRST_SIZE;
	s->peek[0] = s->peek[1] = -1;
	/* Only has to be something that the task does not write by chance. */
	if (getrandom(s->canary, sizeof(s->canary), GRND_NONBLOCK) < 0)
		s->canary[0] = clock_realtime_usec();
	s->grown = map->magic == STATE_MAGIC;
	if (map->magic == STATE_MAGIC && map->version == STATE_VERSION && map->current <= 1 &&
		slot_is_sane(&map->slots[map->current])) {
		s->now = map->slots[map->current];
	} else {
		map->version = STATE_VERSION;
		commit(s);
		map->magic = STATE_MAGIC;
	}
	*ret = s;
	return 0;
}

static void close_peek(struct pumpstate *s)
{
	s->peek[0] = fd_close(s->peek[0]);
	s->peek[1] = fd_close(s->peek[1]);
}

struct pumpstate *pumpstate_close(struct pumpstate *s)
{
	if (!s)
		return NULL;
	(void)munmap(s->map, MAP_SIZE);
	fd_close(s->fd);
	close_peek(s);
	free(s);
	return NULL;
}

char *pumpstate_buffer(struct pumpstate *s)
{
	return s->buf;
}

/* How much of the buffer has memory, `want` or less. Without it a store would be a SIGBUS. */
static size_t reserve(struct pumpstate *s, size_t want)
{
	size_t need = HEADER_SIZE + want;

	if (need > s->allocated) {
		size_t up_to = MIN((need + STEP - 1) / STEP * STEP, MAP_SIZE);

		if (posix_fallocate(s->fd, (off_t)s->allocated, (off_t)(up_to - s->allocated)) == 0)
			s->allocated = up_to;
		s->grown = true;
	}
	return MIN(want, s->allocated - HEADER_SIZE);
}

void pumpstate_trim(struct pumpstate *s)
{
	close_peek(s);
	(void)pumpstate_shift(s, s->now.end, s->now.end);
	if (!s->grown)
		return;
	s->grown = false;
	s->allocated = FIRST_SIZE;
	(void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)FIRST_SIZE,
		(off_t)(MAP_SIZE - FIRST_SIZE));
}

/* ---- going on ---- */

static bool read_has_happened(const struct pumpstate *s)
{
	size_t k = MIN((size_t)s->now.reading, CANARY_SIZE);

	return memcmp(s->buf + s->now.end + s->now.reading - k, s->now.canary, k) != 0;
}

static bool is_same_file(const struct slot *n, const struct logplace *place)
{
	struct logplace noted = {
		.inode = n->inode, .birth_sec = n->birth_sec, .birth_nsec = n->birth_nsec};

	return logplace_same_file(&noted, place);
}

static void set_file(struct slot *n, const struct logplace *place, uint64_t size, size_t at)
{
	n->inode = place->inode;
	n->birth_sec = place->birth_sec;
	n->birth_nsec = place->birth_nsec;
	n->rotating = 0;
	n->origin = (int64_t)size - (int64_t)at;
	n->at = (uint32_t)at;
}

void pumpstate_recover(struct pumpstate *s, const struct logplace *place, size_t *ret_at,
	size_t *ret_end, struct pumpstate_drops *ret_drops, bool *ret_cut, uint64_t *ret_size)
{
	struct slot *n = &s->now;
	uint64_t size = place->offset;
	bool cut = false;
	size_t at;

	if (n->reading && read_has_happened(s))
		n->end += n->reading;
	n->reading = 0;
	at = n->at;
	if (is_same_file(n, place)) {
		int64_t written;

		cut = n->has_notice && size > n->notice_at;
		if (cut)
			size = n->notice_at;
		written = (int64_t)size - n->origin;
		/* Else somebody else has written to it, or cut it. */
		if (written >= 0 && written <= (int64_t)n->end)
			at = (size_t)written;
	}
	/* A note of this kind must not come to count before the file has been cut. */
	if (!cut) {
		n->has_notice = 0;
		set_file(n, place, size, at);
		commit(s);
	}
	*ret_at = at;
	*ret_end = n->end;
	*ret_drops = (struct pumpstate_drops){
		.total = n->dropped, .unsaid = n->unsaid, .errnum = n->dropped_errno};
	*ret_cut = cut;
	*ret_size = size;
}

/* ---- reading ---- */

/* A few bytes: looked at before they are taken, as a canary of their length might be what they are.
 * The number of bytes that were, 0 where that cannot be done. */
static size_t put_differing_canary(struct pumpstate *s, int fd, char *to, size_t n)
{
	ssize_t m;

	if (s->peek[0] < 0 && fd_pipe(s->peek, O_NONBLOCK) < 0)
		return 0;
	m = tee(fd, s->peek[1], n, SPLICE_F_NONBLOCK);
	if (m <= 0 || read(s->peek[0], to, (size_t)m) != m) {
		close_peek(s);
		return 0;
	}
	for (ssize_t i = 0; i < m; i++)
		to[i] = (char)~to[i];
	memcpy(s->now.canary, to, (size_t)m);
	return (size_t)m;
}

/* Returns how many bytes are to be read. */
static size_t put_canary(struct pumpstate *s, int fd, char *to, size_t n)
{
	size_t k = MIN(n, CANARY_SIZE);

	if (n < CANARY_SIZE) {
		size_t m = put_differing_canary(s, fd, to, n);

		if (m)
			return m;
	}
	s->canary[1]++;
	memcpy(s->now.canary, s->canary, CANARY_SIZE);
	memcpy(to + n - k, s->now.canary, k);
	return n;
}

/* A page that has to be found first is where a read that is killed ends half done. */
static void touch(char *p, size_t n)
{
	for (size_t i = 0; i < n; i += PAGE_LEAST)
		*(volatile char *)(p + i) = 0;
	*(volatile char *)(p + n - 1) = 0;
}

ssize_t pumpstate_read(struct pumpstate *s, int fd, size_t at, size_t end)
{
	struct slot *now = &s->now;
	char *to = s->buf + end;
	int unread = 0;
	size_t n, room;
	ssize_t got;

	if (ioctl(fd, FIONREAD, &unread) < 0)
		return -errno;
	if (unread <= 0)
		return -EAGAIN;
	n = MIN((size_t)unread, PUMPSTATE_BUFFER - end);
	room = reserve(s, end + n);
	if (room <= end)
		return -ENOSPC;
	n = MIN(n, room - end);
	touch(to, n);
	n = put_canary(s, fd, to, n);
	now->at = (uint32_t)at;
	now->end = (uint32_t)end;
	now->reading = (uint32_t)n;
	commit(s);
	do
		got = read(fd, to, n);
	while (got < 0 && errno == EINTR);
	now->reading = 0;
	if (got > 0)
		now->end += (uint32_t)got;
	commit(s);
	return got < 0 ? -errno : got == 0 ? -EAGAIN : got;
}

bool pumpstate_shift(struct pumpstate *s, size_t from, size_t end)
{
	size_t n = end - from;

	if (from == 0)
		return true;
	if (n > from)
		return false;
	memcpy(s->buf, s->buf + from, n);
	s->now.origin += (int64_t)from;
	s->now.at = s->now.at > from ? s->now.at - (uint32_t)from : 0;
	s->now.end = (uint32_t)n;
	commit(s);
	return true;
}

/* ---- writing ---- */

static size_t position(const struct pumpstate *s, const char *p)
{
	return (size_t)(p - s->buf);
}

void pumpstate_begin_next(struct pumpstate *s, const char *p)
{
	s->now.rotating = 1;
	s->now.at = (uint32_t)position(s, p);
	commit(s);
}

void pumpstate_next_begun(struct pumpstate *s, const char *p, const struct logplace *place)
{
	set_file(&s->now, place, 0, position(s, p));
	commit(s);
}

static void set_drops(struct slot *n, const struct pumpstate_drops *drops)
{
	n->dropped = drops->total;
	n->unsaid = drops->unsaid;
	n->dropped_errno = drops->errnum;
}

void pumpstate_drop(
	struct pumpstate *s, const char *p, size_t n, const struct pumpstate_drops *drops)
{
	s->now.rotating = 0;
	s->now.origin -= (int64_t)n;
	s->now.at = (uint32_t)(position(s, p) + n);
	set_drops(&s->now, drops);
	commit(s);
}

void pumpstate_begin_notice(struct pumpstate *s, const char *p, uint64_t size)
{
	s->now.at = (uint32_t)position(s, p);
	s->now.has_notice = 1;
	s->now.notice_at = size;
	commit(s);
}

void pumpstate_end_notice(struct pumpstate *s, size_t n, const struct pumpstate_drops *drops)
{
	s->now.has_notice = 0;
	s->now.origin += (int64_t)n;
	set_drops(&s->now, drops);
	commit(s);
}
