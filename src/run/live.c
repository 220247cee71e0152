#include "config.h"

#include "run/live.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME	 "live"
#define NEW_NAME "live.new"

#define LIVE_MAGIC 0x4b4f4854u /* "THOK" */

/* How often a reader tries again while a writer is between begin and end. A writer that was killed
 * there leaves an odd count for good: then the copy is taken as it is, for each field is one store.
 */
#define LIVE_READ_TRIES 1000

struct live_file {
	uint32_t magic;
	uint32_t version;
	uint32_t size;
	_Atomic uint32_t sequence; /* odd while a change is under way */
	struct live_state state;
};

struct live {
	struct live_file *map;
};

int live_create(int dirfd, const struct live_state *first, struct live **ret, struct th_err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = -1;
	struct live_file *map;
	bool replaces = false;
	int r;

	/* Until it has its magic number a first one is none to a reader. */
	fd = openat(dirfd, NAME, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		/* A new file each time: a reader of the old one keeps a consistent, if old, view.
		 * The lock is ours, so what has the temporary name was left by one that was killed
		 * here. */
		replaces = true;
		fd = openat(dirfd, NEW_NAME, flags, 0600);
		if (fd < 0 && errno == EEXIST && unlinkat(dirfd, NEW_NAME, 0) == 0)
			fd = openat(dirfd, NEW_NAME, flags, 0600);
	}
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot make the live state: %m");
	r = posix_fallocate(fd, 0, (off_t)sizeof(*map));
	if (r)
		return err_set(
			err, EXIT_CANTCREAT, r, "cannot make the live state: %s", strerror(r));
	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot map the live state: %m");
	map->version = LIVE_VERSION;
	map->size = sizeof(*map);
	map->state = *first;
	atomic_thread_fence(memory_order_release);
	map->magic = LIVE_MAGIC;
	if (replaces && renameat(dirfd, NEW_NAME, dirfd, NAME) < 0) {
		int saved = errno;

		(void)munmap(map, sizeof(*map));
		return err_set(err, EXIT_CANTCREAT, saved, "cannot replace the live state: %s",
			strerror(saved));
	}
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->map = map;
	return 0;
}

struct live *live_free(struct live *l)
{
	if (!l)
		return NULL;
	(void)munmap(l->map, sizeof(*l->map));
	free(l);
	return NULL;
}

struct live *live_leave(struct live *l)
{
	free(l);
	return NULL;
}

struct live_state *live_begin(struct live *l)
{
	atomic_fetch_add_explicit(&l->map->sequence, 1, memory_order_acq_rel);
	return &l->map->state;
}

void live_end(struct live *l)
{
	atomic_fetch_add_explicit(&l->map->sequence, 1, memory_order_release);
}

const struct live_state *live_get(const struct live *l)
{
	return &l->map->state;
}

int live_read(int dirfd, struct live_state *ret)
{
	_cleanup_close_ int fd = -1;
	struct live_file copy;
	uint32_t after;

	fd = openat(dirfd, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Read, not mapped: `list` does this for each of thousands. The page is that of the
	 * mapping, so the order of the stores holds here too. */
	for (int i = 0; i < LIVE_READ_TRIES; i++) {
		ssize_t n = pread(fd, &copy, sizeof(copy), 0);

		if (n < 0)
			return -errno;
		if (n != (ssize_t)sizeof(copy) || copy.magic != LIVE_MAGIC ||
			copy.version != LIVE_VERSION || copy.size != sizeof(copy))
			return -EBADMSG;
		if (pread(fd, &after, sizeof(after), offsetof(struct live_file, sequence)) !=
			(ssize_t)sizeof(after))
			return -EBADMSG;
		if (!(copy.sequence & 1) && copy.sequence == after)
			break;
	}
	*ret = copy.state;
	/* From outside as far as we know: the strings must end, the point must be one. */
	ret->boot_id[sizeof(ret->boot_id) - 1] = '\0';
	ret->hook_name[sizeof(ret->hook_name) - 1] = '\0';
	ret->hook_done[sizeof(ret->hook_done) - 1] = '\0';
	ret->cgroup[sizeof(ret->cgroup) - 1] = '\0';
	if (ret->hook_point < 0 || ret->hook_point > POINT_NONE)
		ret->hook_point = POINT_NONE;
	return 0;
}
