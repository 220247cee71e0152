/*
 * What the tests of log files share: files read whole, messages caught, a small full disk.
 * Include after tempdir.h.
 */
#ifndef TH_TESTS_LOGDIR_H
#define TH_TESTS_LOGDIR_H

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/str.h"

#include <signal.h>
#include <sys/resource.h>

/* A directory of its own for the logs of one test. The caller closes it. */
static inline int logdir_new(void)
{
	static unsigned count;
	_cleanup_free_ char *name = xasprintf("logs%u", count++);
	int fd;

	tempdir_mkdir(name);
	fd = openat(tempdir.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		bail("open %s: %s", name, strerror(errno));
	return fd;
}

/* The file's text, "(none)" where there is none. The caller frees it. */
static inline char *logdir_read_at(int dirfd, const char *name)
{
	char *text = NULL;

	if (file_read_at(dirfd, name, 0, (size_t)64 << 20, &text, NULL) < 0)
		return xstrdup("(none)");
	return text;
}

static inline void logdir_check_at(
	int dirfd, const char *name, const char *expected, const char *what)
{
	_cleanup_free_ char *got = logdir_read_at(dirfd, name);

	is_str(got, expected, "%s: %s", what, name);
}

static inline off_t logdir_size_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

static struct strv logdir_messages;

static inline void logdir_catch(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	(void)level;
	strv_add(&logdir_messages, text);
}

static inline void logdir_catch_messages(void)
{
	log_set_stderr(0);
	log_set_sink(logdir_catch, NULL);
}

/* The file size limit of this process, until it is set to RLIM_INFINITY. False where the hard
 * limit is in the way. */
static inline bool logdir_limit_file_size(rlim_t limit)
{
	struct rlimit r;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (getrlimit(RLIMIT_FSIZE, &r) < 0)
		return false;
	r.rlim_cur = limit < r.rlim_max ? limit : r.rlim_max;
	return setrlimit(RLIMIT_FSIZE, &r) == 0;
}

/* A tmpfs of `size` bytes mounted on a directory of that name, opened. Only after
 * tempdir_private_mounts(); unmounted with the directory's removal. */
static inline int logdir_small_disk(const char *name, size_t size)
{
	_cleanup_free_ char *options = xasprintf("size=%zu", size);
	int fd;

	tempdir_mkdir(name);
	if (mount("tmpfs", tempdir_path("%s", name), "tmpfs", 0, options) != 0)
		bail("mount tmpfs: %s", strerror(errno));
	tempdir.mounts[tempdir.n_mounts++] = xstrdup(tempdir_path("%s", name));
	fd = open(tempdir_path("%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		bail("open %s: %s", name, strerror(errno));
	return fd;
}

#endif
