#include "config.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/lockfile.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static usec_t in_msec(usec_t msec)
{
	return usec_add(clock_monotonic_usec(), msec * USEC_PER_MSEC);
}

/* What another process finds: lockfile_try()'s -errno, 0 where it got the lock. */
static int try_elsewhere(const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = lockfile_try(tempdir.fd, name);

		_exit(fd < 0 ? -fd : 0);
	}
	return -wait_child(pid);
}

static int holder_elsewhere(const char *name, pid_t expected)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t holder = -1;
		int r = lockfile_holder(tempdir.fd, name, &holder);

		_exit(r < 0 ? 100 : r == 0 ? 0 : holder == expected ? 1 : 2);
	}
	return wait_child(pid);
}

static void test_basics(void)
{
	mode_t saved = umask(022);
	pid_t holder = 4711;
	int fd, again;

	is_int(lockfile_holder(tempdir.fd, "lock", &holder), 0, "no file, no holder");
	is_int(holder, 4711, "and no pid");
	fd = lockfile_try(tempdir.fd, "lock");
	ok(fd >= 0, "taken");
	(void)umask(saved);
	is_uint(tempdir_mode("lock"), 0600, "the file is ours alone");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "and closed on exec");
	is_int(try_elsewhere("lock"), -EAGAIN, "another process does not get it");
	is_int(holder_elsewhere("lock", getpid()), 1, "but is told who holds it");

	is_int(lockfile_holder(tempdir.fd, "lock", NULL), 0, "one's own lock does not count");
	is_int(try_elsewhere("lock"), -EAGAIN, "and is not dropped by the question");
	again = lockfile_try(tempdir.fd, "lock");
	is_int(again, -EDEADLK, "a process cannot take a lock twice");
	is_int(try_elsewhere("lock"), -EAGAIN, "and does not drop it by trying");

	(void)lockfile_close(fd);
	is_int(holder_elsewhere("lock", getpid()), 0, "closing is unlocking");
	is_int(lockfile_holder(tempdir.fd, "lock", NULL), 0, "a lock that was dropped is not held");
	fd = lockfile_try(tempdir.fd, "lock");
	ok(fd >= 0, "and can be taken again");
	(void)lockfile_close(fd);
	is_int(try_elsewhere("lock"), 0, "by anyone");
}

static void test_many(void)
{
	char name[32];
	int fds[40], taken = 0, wrong = 0;

	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "many-%d", i);
		fds[i] = lockfile_try(tempdir.fd, name);
		taken += fds[i] >= 0;
	}
	is_int(taken, 40, "many locks");
	for (int i = 0; i < 40; i += 2)
		(void)lockfile_close(fds[i]);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "many-%d", i);
		(void)lockfile_holder(tempdir.fd, name, NULL);
		wrong += holder_elsewhere(name, getpid()) != (i % 2 ? 1 : 0);
	}
	is_int(wrong, 0, "each goes with its own fd");
	for (int i = 1; i < 40; i += 2)
		(void)lockfile_close(fds[i]);
}

static void test_holder_dies(void)
{
	int fds[2];
	pid_t pid, holder = 0;
	char c;

	if (fd_pipe(fds, 0) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0) {
		int fd = lockfile_try(tempdir.fd, "lock");

		(void)!write(fds[1], "x", 1);
		for (;;)
			(void)pause();
		_exit(fd);
	}
	(void)close(fds[1]);
	(void)!read(fds[0], &c, 1);
	(void)close(fds[0]);
	is_int(lockfile_holder(tempdir.fd, "lock", &holder), 1, "held by a child");
	is_int(holder, pid, "of that pid");
	is_int(lockfile_try(tempdir.fd, "lock"), -EAGAIN, "and by nobody else");
	is_int(lockfile_wait(tempdir.fd, "lock", in_msec(50)), -ETIMEDOUT, "nor by waiting");
	is_int(lockfile_wait(tempdir.fd, "lock", 0), -ETIMEDOUT,
		"a deadline in the past is no error");
	(void)kill(pid, SIGKILL);
	(void)wait_child(pid);
	is_int(lockfile_holder(tempdir.fd, "lock", NULL), 0, "a lock ends with its process");
}

/* The lock is the process's: a child that ends does not take it along. */
static void test_fork(void)
{
	int fd = lockfile_try(tempdir.fd, "lock");
	pid_t pid = fork();

	if (pid == 0) {
		pid_t holder = 0;
		/* The child has the parent's fd, but not its lock. */
		int r = lockfile_holder(tempdir.fd, "lock", &holder);

		(void)lockfile_close(fd);
		_exit(r == 1 && holder == getppid() && lockfile_try(tempdir.fd, "lock") == -EAGAIN
				? 0
				: 1);
	}
	is_int(wait_child(pid), 0, "a child does not inherit the lock");
	is_int(try_elsewhere("lock"), -EAGAIN, "and does not drop it");
	(void)lockfile_close(fd);
}

static void test_wait(void)
{
	int fds[2], fd;
	pid_t pid;
	char c;

	if (fd_pipe(fds, 0) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0) {
		int lock = lockfile_try(tempdir.fd, "lock");

		(void)close(fds[0]);
		(void)!write(fds[1], "x", 1);
		/* Long enough that the parent waits as a rule; nothing depends on it. */
		(void)usleep(30000);
		_exit(lock < 0);
	}
	(void)close(fds[1]);
	(void)!read(fds[0], &c, 1);
	(void)close(fds[0]);
	fd = lockfile_wait(tempdir.fd, "lock", in_msec(30000));
	ok(fd >= 0, "waiting gets it when the holder ends");
	(void)wait_child(pid);
	(void)lockfile_close(fd);
}

static void test_bad_files(void)
{
	tempdir_write("target", "");
	tempdir_symlink("target", "planted");
	is_int(lockfile_try(tempdir.fd, "planted"), -ELOOP, "a link is not followed");
	is_int(lockfile_holder(tempdir.fd, "planted", NULL), -ELOOP, "by the question neither");
	tempdir_mkdir("dir");
	is_int(lockfile_try(tempdir.fd, "dir"), -EISDIR, "a directory");
	if (mkfifoat(tempdir.fd, "fifo", 0600) != 0)
		bail("mkfifo: %s", strerror(errno));
	is_int(lockfile_try(tempdir.fd, "fifo"), -EMEDIUMTYPE, "a FIFO");
	is_int(lockfile_try(tempdir.fd, "none/lock"), -ENOENT, "no directory");
	is_int(lockfile_holder(tempdir.fd, "none/lock", NULL), 0, "no directory, no holder");
}

/*
 * Each of several processes takes the lock, looks whether it is alone, and unlinks the file before
 * it lets go: whoever had opened it before holds a lock on a file without a name.
 */
static void test_unlink_race(void)
{
	enum { PROCESSES = 4 };
	struct shared {
		atomic_int inside;
		atomic_int clashes;
		atomic_int failures;
	} *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[PROCESSES];
	int status = 0;

	if (shared == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (usec_t end = in_msec(1000); clock_monotonic_usec() < end;) {
			int fd;
			usec_t deadline = in_msec(60000);

			/* Not lockfile_wait(): its pauses would leave the race alone. */
			for (;;) {
				fd = lockfile_try(tempdir.fd, "race");
				if (fd != -EAGAIN || clock_monotonic_usec() > deadline)
					break;
				(void)sched_yield();
			}
			if (fd < 0) {
				atomic_fetch_add(&shared->failures, 1);
				continue;
			}
			if (atomic_fetch_add(&shared->inside, 1) != 0)
				atomic_fetch_add(&shared->clashes, 1);
			/* Let others come in, if they can. */
			for (int k = 0; k < 10; k++)
				(void)sched_yield();
			if (atomic_load(&shared->inside) != 1)
				atomic_fetch_add(&shared->clashes, 1);
			/* Once the name is gone another file of that name may be locked. */
			atomic_fetch_sub(&shared->inside, 1);
			(void)unlinkat(tempdir.fd, "race", 0);
			(void)lockfile_close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		status |= wait_child(pids[i]);
	is_int(status, 0, "%d processes took the lock again and again", PROCESSES);
	is_int(atomic_load(&shared->failures), 0, "each got it each time");
	is_int(atomic_load(&shared->clashes), 0, "and no two held it at once");
	(void)munmap(shared, sizeof(*shared));
}

int main(void)
{
	tempdir_make();
	test_basics();
	test_many();
	test_holder_dies();
	test_fork();
	test_wait();
	test_bad_files();
	test_unlink_race();
	return done_testing();
}
