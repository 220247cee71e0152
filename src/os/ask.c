#include "config.h"

#include "os/ask.h"

#include "base/fd.h"
#include "os/proc.h"
#include "os/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_USEC USEC_PER_SEC

/* Until the other side has closed it. */
static int read_all(int fd, usec_t deadline, size_t max, struct strbuf *out)
{
	char buf[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		usec_t left = usec_sub(deadline, clock_monotonic_usec());
		ssize_t n;

		if (left == 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
			return -errno;
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (out->len + (size_t)n > max)
			return -EFBIG;
		strbuf_add(out, buf, (size_t)n);
	}
}

int ask_program(const char *path, char *const *argv, bool with_stderr, usec_t timeout_usec,
	size_t max, struct strbuf *out)
{
	static char *const environment[] = {(char *)(uintptr_t) "LC_ALL=C", NULL};
	_cleanup_close_ int from = -1, to = -1, pidfd = -1;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result child;
	int ends[2], status = 0, r = fd_pipe_from_program(ends);

	if (r < 0)
		return r;
	from = ends[0];
	to = ends[1];
	spec.path = path;
	spec.argv = argv;
	spec.envp = environment;
	spec.fds[1] = to;
	spec.fds[2] = with_stderr ? to : -1;
	spec.die_with_parent = true;
	r = spawn_process(&spec, &child);
	if (r < 0)
		return r;
	pidfd = child.pidfd;
	to = fd_close(to);
	r = read_all(from, usec_add(clock_monotonic_usec(), timeout_usec), max, out);
	/* it has closed its output, so it is about to end; if not, it has to */
	if (r < 0 || proc_pidfd_wait(pidfd, usec_add(clock_monotonic_usec(), END_USEC)) < 0)
		(void)kill(child.pid, SIGKILL);
	while (waitpid(child.pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return r < 0 ? r : status;
}
