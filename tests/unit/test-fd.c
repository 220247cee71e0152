#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <signal.h>
#include <sys/time.h>

static void on_alarm(int sig)
{
	(void)sig;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_close(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), number = fd;

	fd = fd_close(fd);
	ok(fd == -1 && !is_open(number), "close");
	errno = ENOSPC;
	is_int(fd_close(-1), -1, "nothing to close");
	is_int(fd_close(999999), -1, "closed already");
	is_int(errno, ENOSPC, "errno is left alone");
	{
		_cleanup_close_ int scoped = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ int taken = open("/dev/null", O_RDONLY | O_CLOEXEC);

		number = scoped;
		fd = TAKE_FD(taken);
		is_int(taken, -1, "an fd that was handed over is no longer owned");
	}
	ok(!is_open(number), "closed at the end of its scope");
	ok(is_open(fd), "but not when handed over");
	(void)fd_close(fd);
}

/* A pipe's far end takes and gives little by little, with signals coming in. */
static void test_transfer(void)
{
	enum { SIZE = 1 << 20 };
	struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	_cleanup_free_ char *in = xmalloc(SIZE);
	_cleanup_free_ char *out = xcalloc(SIZE, 1);
	int there[2], back[2];
	pid_t pid;

	for (int i = 0; i < SIZE; i++)
		in[i] = (char)(i * 7 + i / 251);
	if (fd_pipe(there, 0) < 0 || fd_pipe(back, 0) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0) {
		_cleanup_free_ char *buf = xmalloc(SIZE);
		ssize_t n;

		(void)close(there[1]);
		n = fd_read_full(there[0], buf, SIZE);
		_exit(n == SIZE && fd_write_all(back[1], buf, SIZE) == 0 ? 0 : 1);
	}
	(void)close(there[0]);
	(void)close(back[1]);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	is_int(fd_write_all(there[1], in, SIZE), 0, "1 MiB into a pipe");
	is_int(fd_read_full(back[0], out, SIZE), SIZE, "and back");
	(void)setitimer(ITIMER_REAL, &never, NULL);
	is_mem(out, in, SIZE, "whole");
	is_int(wait_child(pid), 0, "on the other side too");
	(void)close(there[1]);
	is_int(fd_read_full(back[0], out, 10), 0, "at the end there is nothing");
	(void)close(back[0]);
}

static void test_errors(void)
{
	char buf[10];
	int fds[2], fd;

	(void)signal(SIGPIPE, SIG_IGN);
	is_int(fd_pipe(fds, O_NONBLOCK), 0, "a pipe that does not block");
	ok(fcntl(fds[0], F_GETFD) & FD_CLOEXEC && fcntl(fds[1], F_GETFD) & FD_CLOEXEC,
		"is closed on exec");
	ok(fcntl(fds[0], F_GETFL) & O_NONBLOCK, "and has the flags");
	is_int(fd_read_full(fds[0], buf, sizeof(buf)), -EAGAIN, "an empty one");
	is_int(fd_write_all(fds[1], "abc", 3), 0, "a few bytes");
	(void)close(fds[1]);
	is_int(fd_read_full(fds[0], buf, sizeof(buf)), 3, "the end comes before the count");
	(void)close(fds[0]);
	is_int(fd_pipe(fds, 0), 0, "a pipe");
	(void)close(fds[0]);
	is_int(fd_write_all(fds[1], "abc", 3), -EPIPE, "without a reader");
	is_int(fd_write_all(fds[1], "", 0), 0, "writing nothing always works");
	(void)close(fds[1]);
	is_int(fd_write_all(fds[1], "abc", 3), -EBADF, "a closed fd");
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		is_int(fd_write_all(fd, "abc", 3), -ENOSPC, "a full disk");
	else
		skip(1, "no /dev/full");
	(void)fd_close(fd);
}

static void test_enlarge(void)
{
	int fds[2], size, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd_pipe(fds, 0) < 0)
		bail("pipe");
	size = fd_pipe_enlarge(fds[1], 256 << 10);
	ok(size >= 65536, "a pipe of %d bytes", size);
	is_int(fcntl(fds[0], F_GETPIPE_SZ), size, "as it was told");
	is_int(fd_pipe_enlarge(fds[1], 4096), size, "never smaller");
	ok(fd_pipe_enlarge(fds[1], 1 << 30) >= size, "more than is allowed: what is");
	/* This once went round for ever. */
	is_int(fd_pipe_enlarge(fd, 65536), -1, "no pipe");
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(fd);
}

static void test_fill_standard(void)
{
	for (int closed = 0; closed < 8; closed++) {
		pid_t pid = fork();

		if (pid == 0) {
			int r, fd;

			for (int i = 0; i < 3; i++) {
				(void)close(i);
				if (!(closed & 1 << i) &&
					open("/dev/zero", O_RDWR | O_CLOEXEC) != i)
					_exit(10);
				/* Keeps the number taken while the others are opened. */
				if (closed & 1 << i && open("/", O_PATH | O_CLOEXEC) != i)
					_exit(11);
			}
			for (int i = 0; i < 3; i++)
				if (closed & 1 << i)
					(void)close(i);
			r = fd_fill_standard();
			for (int i = 0; i < 3; i++)
				if (fd_is_null(i) != !!(closed & 1 << i))
					_exit(1);
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
			_exit(r != 0 || fd < 3 ? 2 : 0);
		}
		is_int(wait_child(pid), 0, "standard fds closed: %s%s%s", closed & 1 ? "0 " : "",
			closed & 2 ? "1 " : "", closed & 4 ? "2" : "");
	}
}

static void test_same(void)
{
	int a, b, c, null;

	tempdir_make();
	tempdir_write("a", "");
	tempdir_write("b", "");
	if (linkat(tempdir.fd, "a", tempdir.fd, "c", 0) != 0)
		bail("link: %s", strerror(errno));
	a = openat(tempdir.fd, "a", O_RDONLY | O_CLOEXEC);
	b = openat(tempdir.fd, "b", O_RDONLY | O_CLOEXEC);
	c = openat(tempdir.fd, "c", O_RDONLY | O_CLOEXEC);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ok(fd_same_file(a, a) && fd_same_file(a, c) && !fd_same_file(a, b), "the same file");
	ok(!fd_same_file(a, -1) && !fd_same_file(-1, -1), "no file is like no other");
	ok(fd_is_null(null) && !fd_is_null(a) && !fd_is_null(-1), "the null device");
	(void)close(a);
	(void)close(b);
	(void)close(c);
	(void)close(null);
}

/* In the directory that test_same() has made. */
static void test_entries(void)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *e;
	unsigned files = 0, dirs = 0;
	int r;

	tempdir_mkdir("dir");
	tempdir_symlink("dir", "link");
	is_int(fd_opendir(tempdir.fd, &d), 0, "open");
	while ((r = fd_next_entry(d, &e)) > 0) {
		struct dirent untold = *e;

		untold.d_type = DT_UNKNOWN;
		ok(fd_entry_is_dir(d, e) == fd_entry_is_dir(d, &untold), "'%s': told or asked",
			e->d_name);
		*(fd_entry_is_dir(d, e) ? &dirs : &files) += 1;
	}
	is_int(r, 0, "the end is no error");
	is_int(files, 4, "files, and a link to a directory");
	is_int(dirs, 1, "one directory, without '.' and '..'");
}

int main(void)
{
	test_close();
	test_transfer();
	test_errors();
	test_enlarge();
	test_fill_standard();
	test_same();
	test_entries();
	return done_testing();
}
