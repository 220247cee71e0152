/*
 * A directory of its own for a test, removed at exit, also when a check failed. What the test
 * mounted below it with tempdir_bind() is unmounted first. Include after tap.h.
 */
#ifndef TH_TESTS_TEMPDIR_H
#define TH_TESTS_TEMPDIR_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	char *path;
	int fd;
	pid_t owner;
	bool in_memory;
	char *mounts[64]; /* paths below `path`, NULL once unmounted */
	size_t n_mounts;
} tempdir = {.fd = -1};

/* "PATH/NAME" in memory that the test may leave to its end. */
TAP_PRINTF(1, 2)
static inline const char *tempdir_path(const char *format, ...)
{
	static char *kept[512];
	static size_t n_kept;
	char *name = NULL, *path = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&name, format, args) < 0)
		bail("out of memory");
	va_end(args);
	if (asprintf(&path, "%s/%s", tempdir.path, name) < 0)
		bail("out of memory");
	free(name);
	free(kept[n_kept]);
	kept[n_kept] = path; /* still reachable, so that no leak is reported */
	n_kept = (n_kept + 1) % (sizeof(kept) / sizeof(kept[0]));
	return path;
}

static inline void tempdir_unmount_all(void)
{
	while (tempdir.n_mounts > 0) {
		char *path = tempdir.mounts[--tempdir.n_mounts];

		(void)umount2(path, MNT_DETACH);
		free(path);
	}
}

static inline void tempdir_remove(void)
{
	pid_t pid;

	if (getpid() != tempdir.owner)
		return;
	tempdir_unmount_all();
	(void)close(tempdir.fd);
	if (tempdir.in_memory)
		(void)umount2(tempdir.path, MNT_DETACH);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--one-file-system", "--", tempdir.path, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	free(tempdir.path);
}

/* Makes the directory (mode 0700) and opens it as tempdir.fd. */
static inline void tempdir_make(void)
{
	const char *base = getenv("TMPDIR");

	if (asprintf(&tempdir.path, "%s/taskhook-test-XXXXXX", base && *base ? base : "/tmp") < 0)
		bail("out of memory");
	if (!mkdtemp(tempdir.path))
		bail("mkdtemp %s: %s", tempdir.path, strerror(errno));
	tempdir.owner = getpid();
	tempdir.fd = open(tempdir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tempdir.fd < 0 || atexit(tempdir_remove) != 0)
		bail("open %s: %s", tempdir.path, strerror(errno));
}

/* A mount namespace that only this process sees; false (no root) is a reason to skip. */
static inline bool tempdir_private_mounts(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Puts the directory on a file system of its own in memory, for tests that make very many files.
 * Before anything is made there, and only after tempdir_private_mounts(). */
static inline void tempdir_use_memory(void)
{
	if (mount("none", tempdir.path, "tmpfs", 0, "mode=0700") != 0)
		bail("tmpfs: %s", strerror(errno));
	tempdir.in_memory = true;
	(void)close(tempdir.fd);
	tempdir.fd = open(tempdir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tempdir.fd < 0)
		bail("open %s: %s", tempdir.path, strerror(errno));
}

/* Both below the directory. Only after tempdir_private_mounts(). */
static inline void tempdir_bind(const char *source, const char *target)
{
	const char *to = tempdir_path("%s", target);

	if (tempdir.n_mounts == sizeof(tempdir.mounts) / sizeof(tempdir.mounts[0]))
		bail("too many mounts");
	if (mount(tempdir_path("%s", source), to, NULL, MS_BIND, NULL) != 0)
		bail("bind %s: %s", to, strerror(errno));
	tempdir.mounts[tempdir.n_mounts] = strdup(to);
	if (!tempdir.mounts[tempdir.n_mounts])
		bail("out of memory");
	tempdir.n_mounts++;
}

static inline void tempdir_mkdir(const char *name)
{
	if (mkdirat(tempdir.fd, name, 0755) != 0)
		bail("mkdir %s: %s", name, strerror(errno));
}

/* A file that holds `text`. */
static inline void tempdir_write(const char *name, const char *text)
{
	int fd = openat(tempdir.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail("write %s: %s", name, strerror(errno));
	(void)close(fd);
}

static inline void tempdir_symlink(const char *target, const char *name)
{
	if (symlinkat(target, tempdir.fd, name) != 0)
		bail("symlink %s: %s", name, strerror(errno));
}

static inline bool tempdir_has(const char *name)
{
	struct stat st;

	return fstatat(tempdir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline mode_t tempdir_mode(const char *name)
{
	struct stat st;

	return fstatat(tempdir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & 07777 : 0;
}

/* How many entries a directory has, "." and ".." aside; -1 where it cannot be told. */
static inline int count_entries(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir) {
		n = -2;
		while (readdir(dir))
			n++;
		(void)closedir(dir);
	} else if (fd >= 0) {
		(void)close(fd);
	}
	return n;
}

/* Waits for a child that the test forked; its exit status, or 128 + signal. */
static inline int wait_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
