#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "fetch/sandbox.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NET_VERSION 4
#define ALL_VERSION 6

static long landlock_version(void)
{
	return syscall(444, NULL, (size_t)0, 1);
}

static int errno_of(int r)
{
	int number = errno;

	if (r < 0)
		return number;
	(void)close(r);
	return 0;
}

static int open_errno(const char *path, int flags)
{
	return errno_of(open(path, flags | O_CLOEXEC, 0600));
}

static int bind_errno(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ? errno : 0;
}

/* What is seen from inside; the parent's checks are only of its exit status. */
static void test_inside(const char *staging, const char *outside, pid_t parent)
{
	_cleanup_free_ char *secret = xasprintf("%s/secret", outside);
	_cleanup_free_ char *new_file = xasprintf("%s/new", outside);
	_cleanup_free_ char *inside = xasprintf("%s/new", staging);
	_cleanup_free_ char *moved = xasprintf("%s/dir/moved", staging);
	_cleanup_free_ char *dir = xasprintf("%s/dir", staging);
	_cleanup_free_ char *memory = NULL;
	_cleanup_close_ int memory_fd = memfd_create("x", MFD_CLOEXEC);
	struct sandbox sandbox = {.landlock = JOB_LANDLOCK_REQUIRED,
		.staging_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.source_fd = -1,
		.max_file_size = 10};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct rlimit core = {1, 1};
	struct addrinfo *found = NULL;
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	is_int(open_errno(secret, O_RDONLY), 0, "before: a file elsewhere can be read");
	is_int(sandbox_enter(&sandbox, &err), 0, "entered");
	if (err_is_set(&err))
		printf("# %s\n", err.text);
	is_int(open_errno(secret, O_RDONLY), EACCES, "after: it cannot");
	is_int(open_errno(secret, O_WRONLY | O_TRUNC), EACCES, "nor written to");
	is_int(open_errno(new_file, O_WRONLY | O_CREAT), EACCES, "nor is a new one made there");
	is_int(open_errno(outside, O_RDONLY | O_DIRECTORY), EACCES, "nor is its directory listed");
	is_int(open_errno("/etc/shadow", O_RDONLY), EACCES, "nor is /etc/shadow read");
	is_int(open_errno("/root", O_RDONLY | O_DIRECTORY), EACCES, "nor is /root");
	is_int(unlink(secret) < 0 ? errno : 0, EACCES, "nor is it removed");
	is_int(open_errno(inside, O_WRONLY | O_CREAT), 0,
		"a file is made in the staging directory");
	is_int(open_errno(staging, O_RDWR | O_TMPFILE), 0, "and one without a name");
	is_int(mkdir(dir, 0700), 0, "and a directory");
	is_int(rename(inside, moved), 0, "a file is moved between its directories");
	is_int(open_errno(moved, O_WRONLY | O_TRUNC), 0, "and cut");
	is_int(mkfifo(inside, 0600) < 0 ? errno : 0, EACCES, "but no FIFO is made");
	is_int(rename(moved, new_file) < 0 ? errno : 0, EACCES, "and nothing is moved out of it");
	(void)execv("/bin/true", argv);
	is_int(errno, EACCES, "no program is executed");
	is_int(open_errno("/etc/hosts", O_RDONLY), 0, "name resolution reads its files");
	is_int(getaddrinfo("localhost", NULL, NULL, &found), 0, "and works");
	freeaddrinfo(found);
	memory = xasprintf("/proc/self/fd/%d", memory_fd);
	is_int(open_errno(memory, O_RDONLY), 0, "a file in memory is opened by name");
	is_int(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, "no new privileges");
	ok(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0, "no core dumps");
	if (landlock_version() >= NET_VERSION)
		is_int(bind_errno(), EACCES, "no port is bound");
	else
		skip(1, "needs Landlock of Linux 6.7");
	if (landlock_version() >= ALL_VERSION)
		is_int(kill(parent, 0) < 0 ? errno : 0, EPERM, "no process outside is signalled");
	else
		skip(1, "needs Landlock of Linux 6.12");
}

/* 1 where the answer is that, else 0 */
static int enter_in_child(const char *staging, enum job_landlock landlock, int wanted)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct sandbox sandbox = {.landlock = landlock,
			.staging_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			.source_fd = -1,
			.max_file_size = 10};

		_exit(sandbox_enter(&sandbox, NULL) == wanted ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
	_cleanup_free_ char *staging = NULL;
	_cleanup_free_ char *outside = NULL;
	_cleanup_free_ char *secret = NULL;

	/* It knows no newer calls and has limits of its own. */
	if (syscall(SYS_pidfd_open, getpid(), 0) < 0) {
		skip(1, "valgrind 3.19 knows neither Landlock nor pidfd_open");
		return done_testing();
	}
	tempdir_make();
	staging = xstrdup(tempdir_path("staging"));
	outside = xstrdup(tempdir_path("outside"));
	secret = xasprintf("%s/secret", outside);
	if (mkdir(staging, 0700) < 0 || mkdir(outside, 0700) < 0 ||
		file_replace_at(AT_FDCWD, secret, 0600, "x", 1) < 0)
		return 1;
	if (landlock_version() < 1) {
		ok(enter_in_child(staging, JOB_LANDLOCK_AUTO, 1), "auto: told that there is none");
		ok(enter_in_child(staging, JOB_LANDLOCK_REQUIRED, -ENOSYS), "required: refused");
		skip(1, "this kernel has no Landlock");
	} else {
		pid_t child, parent = getpid();
		int status = 0;

		ok(enter_in_child(staging, JOB_LANDLOCK_AUTO, 0), "auto: entered");
		ok(enter_in_child(staging, JOB_LANDLOCK_OFF, 0), "off: the rest is done");
		/* for good, so not in this process, which has to clean up; the plan is the
		 * child's as well */
		(void)fflush(stdout);
		child = fork();
		if (child == 0) {
			test_inside(staging, outside, parent);
			(void)done_testing();
			(void)fflush(stdout);
			_exit(tap_state.failed > 0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 1;
		return status == 0 ? 0 : 1;
	}
	return done_testing();
}
