/*
 * Plays the parent of taskhook-fetch, for trying it by hand and for tests of what passes between
 * them: gives it a job, prints its events.
 *
 *	fetch-parent PROGRAM DIR [FILE...] <JOB
 *
 * JOB is the line of JSON; DIR becomes the working directory, where `tree` is made; each FILE is
 * opened and goes along, the first as number 0. Of the environment only PATH goes along. Exits as
 *PROGRAM does, 128 + N after signal N, 2 where nothing could be started.
 */

#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "os/spawn.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX 8

static void read_job(struct strbuf *job)
{
	char part[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, part, sizeof(part))) > 0)
		strbuf_add(job, part, (size_t)n);
	if (n < 0)
		err(2, "stdin");
	if (job->len == 0 || job->s[job->len - 1] != '\n')
		strbuf_addc(job, '\n');
}

/* The descriptors go with the first byte, the rest follows. */
static void send_job(int fd, const struct strbuf *job, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec first = {.iov_base = job->s, .iov_len = 1};
	struct msghdr message = {.msg_iov = &first, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c;

		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != 1 ||
		fd_write_all(fd, job->s + 1, job->len - 1) < 0)
		err(2, "sending the job");
}

static void print_events(int fd)
{
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0) {
		if (fd_write_all(STDOUT_FILENO, part, (size_t)n) < 0)
			err(2, "stdout");
	}
}

int main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf job = STRBUF_INIT;
	char *const child_argv[] = {argv[1], NULL};
	const char *path = getenv("PATH");
	_cleanup_free_ char *child_path = xasprintf("PATH=%s", path ? path : "");
	char *const child_env[] = {child_path, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result child;
	int pair[2], fds[FDS_MAX], status;
	size_t n_fds = 0;

	if (argc < 3 || argc > 3 + FDS_MAX)
		errx(2, "usage: fetch-parent PROGRAM DIR [FILE...] <JOB");
	read_job(&job);
	for (int i = 3; i < argc; i++) {
		fds[n_fds] = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fds[n_fds++] < 0)
			err(2, "%s", argv[i]);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		err(2, "socketpair");
	spec.path = argv[1];
	spec.argv = child_argv;
	spec.envp = child_env;
	spec.fds[0] = pair[1];
	spec.fds[2] = STDERR_FILENO;
	spec.cwd = argv[2];
	if (spawn_process(&spec, &child) < 0)
		errx(2, "cannot %s", spawn_step_name(child.failed_step));
	(void)close(pair[1]);
	send_job(pair[0], &job, fds, n_fds);
	print_events(pair[0]);
	if (waitpid(child.pid, &status, 0) != child.pid)
		err(2, "waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
