#include "config.h"

#include "run/caller.h"

#include "base/fd.h"
#include "base/log.h"
#include "run/requests.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void caller_send(int fd, const struct caller_message *m)
{
	(void)send(fd, m, sizeof(*m), MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool caller_receive(int fd, struct caller_message *ret)
{
	return recv(fd, ret, sizeof(*ret), MSG_DONTWAIT) == (ssize_t)sizeof(*ret);
}

static void on_caller(void *arg, uint32_t events)
{
	struct context *c = arg;
	struct caller_message m;

	(void)events;
	if (caller_receive(c->options->caller_fd, &m))
		requests_stop(c, m.signal, STOP_SIGNAL);
	else /* killed: the start goes on */
		loop_remove_fd(c->loop, &c->caller_watch);
}

int caller_listen(struct context *c, struct th_err *err)
{
	int r;

	if (!c->options->background)
		return 0;
	r = loop_add_fd(c->loop, &c->caller_watch, c->options->caller_fd, EPOLLIN, on_caller, c);
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot watch the caller: %s", strerror(-r));
	c->has_caller = true;
	return 0;
}

static void tell_through(void *arg)
{
	const struct context *c = arg;
	struct caller_message m = {.running = true, .status = EXIT_OK};

	caller_send(c->options->caller_fd, &m);
	(void)shutdown(c->options->caller_fd, SHUT_RDWR);
}

void caller_let_go(struct context *c)
{
	if (!c->has_caller)
		return;
	c->has_caller = false;
	loop_remove_fd(c->loop, &c->caller_watch);
	/* Before the report: who reads our standard error finds its end when `start` returns. */
	log_set_stderr(0);
	log_set_syslog(1);
	(void)fd_open_null(STDERR_FILENO, STDERR_FILENO);
	c->terminal = c->hooks.terminal = false;
	c->hooks.show = HOOK_SHOW_NEVER;
	/* As the last answer of control.h: what it looks at then agrees. */
	loop_call_later(c->loop, &c->caller_report, tell_through, c);
}
