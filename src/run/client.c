#include "config.h"

#include "run/client.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/str.h"
#include "os/proc.h"
#include "run/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Between two looks for a socket that is about to come or to go. */
#define RETRY_USEC (20 * USEC_PER_MSEC)
/* Between two looks at a supervisor that has not answered yet. */
#define WAKE_USEC    (200 * USEC_PER_MSEC)
#define READ_AT_ONCE ((size_t)4096)

struct client {
	struct loop *loop;
	char *run_path; /* RUN/GROUP/ID */
	char *request;	/* a line */
	void (*message)(void *arg, enum log_level level, const char *text);
	void (*change)(void *arg, const char *text);
	void *arg;
	int fd;
	struct loop_fd watch;
	struct loop_timer timer;
	usec_t deadline; /* for the request to be accepted, from the first connection on */
	struct strbuf in;
	bool wakes;
	bool accepted, done;
	pid_t supervisor; /* that holds the lock; 0: unknown */
	int result, status;
	char *text;
};

static void try_again(void *arg);

static void hang_up(struct client *c)
{
	loop_remove_fd(c->loop, &c->watch);
	loop_clear_timer(c->loop, &c->timer);
	c->fd = fd_close(c->fd);
	strbuf_reset(&c->in);
}

static void finish(struct client *c, int result)
{
	hang_up(c);
	c->result = result;
	c->done = true;
}

static void look_again_later(struct client *c)
{
	hang_up(c);
	loop_set_timer(
		c->loop, &c->timer, usec_add(clock_monotonic_usec(), RETRY_USEC), try_again, c);
}

/* One line of the supervisor. False: the conversation is over. */
static bool take_answer(struct client *c, const char *line, size_t n)
{
	_cleanup_answer_ struct answer a = {.text = NULL};

	if (answer_from_line(line, n, &a, NULL) < 0) {
		finish(c, -EPROTO);
		return false;
	}
	switch (a.event) {
	case ANSWER_ACCEPTED:
		c->accepted = true;
		loop_clear_timer(c->loop, &c->timer);
		break;
	case ANSWER_MESSAGE:
		if (c->message && a.text)
			c->message(c->arg, a.level, a.text);
		break;
	case ANSWER_CHANGE:
		if (c->change && a.text)
			c->change(c->arg, a.text);
		break;
	case ANSWER_END:
		c->status = a.status;
		c->text = TAKE_PTR(a.text);
		finish(c, 0);
		return false;
	}
	return true;
}

static void take_lines(struct client *c)
{
	size_t from = 0;
	const char *end;

	while ((end = memchr(c->in.s + from, '\n', c->in.len - from))) {
		size_t n = (size_t)(end - c->in.s) - from;

		if (!take_answer(c, c->in.s + from, n))
			return;
		from += n + 1;
	}
	if (c->in.len - from >= REQUEST_MAX) {
		finish(c, -EPROTO);
		return;
	}
	memmove(c->in.s, c->in.s + from, c->in.len - from);
	c->in.len -= from;
}

static void on_readable(void *arg, uint32_t events)
{
	struct client *c = arg;
	char buf[READ_AT_ONCE];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* it has ended, or was killed: its lock tells, or its successor */
		c->accepted = false;
		c->deadline = USEC_INFINITY;
		look_again_later(c);
		return;
	}
	strbuf_add(&c->in, buf, (size_t)n);
	take_lines(c);
}

/* 0: connected; -EAGAIN: its queue is full; -ENOENT, -ECONNREFUSED: nobody listens; -errno. */
static int connect_at(struct client *c, int dirfd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t n = strlen(c->request);

	if (fd < 0)
		return -errno;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" CONTROL_NAME, dirfd);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (send(fd, c->request, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		return -ECONNREFUSED;
	c->fd = TAKE_FD(fd);
	return 0;
}

/* One that a terminal has suspended could not hear us. It holds the lock before and after, so the
 * pidfd is its. */
static void wake_suspended(struct client *c, int dirfd)
{
	_cleanup_close_ int pidfd = -1;
	uint64_t ticks;
	char state;
	pid_t again;

	if (lockfile_holder(dirfd, "lock", &c->supervisor) != 1 || c->supervisor <= 0)
		return;
	if (!c->wakes || proc_state(c->supervisor, &state, NULL) < 0 || state != 'T' ||
		proc_start_time(c->supervisor, &ticks) < 0)
		return;
	pidfd = proc_pidfd(c->supervisor, ticks);
	if (pidfd >= 0 && lockfile_holder(dirfd, "lock", &again) == 1 && again == c->supervisor)
		(void)proc_pidfd_signal(pidfd, SIGCONT);
}

static void on_no_answer(void *arg)
{
	struct client *c = arg;
	_cleanup_close_ int dir = -1;
	usec_t now = clock_monotonic_usec();

	if (now >= c->deadline) {
		finish(c, -ETIMEDOUT);
		return;
	}
	/* It may have been about to stand still when we looked. */
	dir = open(c->run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		wake_suspended(c, dir);
	loop_set_timer(
		c->loop, &c->timer, MIN(c->deadline, usec_add(now, WAKE_USEC)), on_no_answer, c);
}

static void try_again(void *arg)
{
	struct client *c = arg;
	_cleanup_close_ int dir = open(c->run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : connect_at(c, dir);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		/* The lock is asked about last: who has taken it since makes a socket, once it is
		 * let run. */
		if (dir < 0 || lockfile_holder(dir, "lock", &c->supervisor) != 1) {
			finish(c, -ESRCH);
			return;
		}
		wake_suspended(c, dir);
		look_again_later(c);
		return;
	}
	if (c->deadline == USEC_INFINITY)
		c->deadline = usec_add(clock_monotonic_usec(), CLIENT_ACCEPT_USEC);
	if (r == -EAGAIN && clock_monotonic_usec() < c->deadline) {
		look_again_later(c);
		return;
	}
	if (r == 0) {
		wake_suspended(c, dir);
		r = loop_add_fd(c->loop, &c->watch, c->fd, EPOLLIN, on_readable, c);
	}
	if (r < 0) {
		finish(c, r == -EAGAIN ? -ETIMEDOUT : r == -EPERM ? -EACCES : r);
		return;
	}
	loop_set_timer(
		c->loop, &c->timer, usec_add(clock_monotonic_usec(), WAKE_USEC), on_no_answer, c);
}

struct client *client_new(struct loop *loop, const struct client_spec *spec)
{
	struct client *c = xcalloc(1, sizeof(*c));

	*c = (struct client){.loop = loop,
		.run_path = layout_run_task(spec->layout, spec->group, spec->id),
		.request = request_to_line(&spec->request),
		.message = spec->message,
		.change = spec->change,
		.arg = spec->arg,
		.wakes = spec->request.op == REQUEST_STOP,
		.fd = -1,
		.result = -ETIMEDOUT, /* until there is an answer */
		.deadline = USEC_INFINITY};
	try_again(c);
	return c;
}

bool client_is_done(const struct client *c)
{
	return c->done;
}

int client_wait_all(struct loop *loop, struct client *const *v, size_t n, usec_t deadline)
{
	for (;;) {
		size_t left = 0;
		int r;

		for (size_t i = 0; i < n; i++)
			left += v[i] && !v[i]->done;
		if (!left)
			return 0;
		if (clock_monotonic_usec() >= deadline)
			return -ETIMEDOUT;
		r = loop_run(loop, deadline);
		if (r < 0)
			return r;
	}
}

int client_result(const struct client *c, int *ret_status, const char **ret_text)
{
	*ret_status = c->status;
	*ret_text = c->text;
	return c->result;
}

static void say_no_answer(const struct client *c, const char *group, const char *id)
{
	char state = '?';

	if (proc_state(c->supervisor, &state, NULL) == 0 && state == 'T')
		log_error("%s/%s: its supervisor (process %d) does not answer: it is suspended "
			  "(kill -CONT %d lets it go on)",
			group, id, (int)c->supervisor, (int)c->supervisor);
	else
		log_error("%s/%s: its supervisor (process %d) does not answer (try again; "
			  "'taskhook status %s/%s' tells what it does)",
			group, id, (int)c->supervisor, group, id);
}

int client_explain(const struct client *c, const char *group, const char *id)
{
	switch (c->result) {
	case -ETIMEDOUT:
		say_no_answer(c, group, id);
		return EXIT_UNAVAILABLE;
	case -EACCES:
		log_error("%s/%s: the task belongs to another user", group, id);
		return EXIT_NOPERM;
	case -EPROTO:
		log_error("%s/%s: its supervisor (process %d) speaks another language: it was "
			  "started by another version of taskhook",
			group, id, (int)c->supervisor);
		return EXIT_UNAVAILABLE;
	default:
		log_error("%s/%s: cannot ask its supervisor: %s", group, id, strerror(-c->result));
		return EXIT_INTERNAL;
	}
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	hang_up(c);
	strbuf_done(&c->in);
	free(c->run_path);
	free(c->request);
	free(c->text);
	free(c);
	return NULL;
}
