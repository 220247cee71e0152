#include "config.h"

#include "run/background.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/spawn.h"
#include "run/caller.h"
#include "run/recover.h"
#include "run/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Starts that are under way at a time: more would only wait for each other. */
#define AT_ONCE 32

/* ---- the supervisor ---- */

NORETURN static void supervise(const struct layout *layout, struct task *task,
	const struct supervisor_options *options, bool recover, int channel)
{
	struct supervisor_options own = *options;
	struct caller_message m = {.status = EXIT_INTERNAL};

	(void)setsid();
	/* The caller's directory may be on a file system that somebody wants to unmount. */
	if (chdir("/") == 0 && spawn_close_others(channel) == 0 &&
		fd_open_null(STDIN_FILENO, STDOUT_FILENO) == 0) {
		own.background = true;
		own.caller_fd = channel;
		m.status = recover ? recover_run(layout, task->group, task->id, &own)
				   : supervisor_run(layout, task, &own);
	} else {
		log_error("cannot leave the caller: %m");
	}
	caller_send(channel, &m);
	/* What the caller has put into stdio's buffers is the caller's to write. */
	_exit(m.status);
}

/* ---- the command ---- */

struct starter {
	struct loop *loop;
	const struct layout *layout;
	const struct supervisor_options *options;
	void (*done)(void *arg, struct background_start *s);
	void *arg;
	struct pending *pending;
	size_t n_pending;
	int signal;
};

struct pending {
	struct starter *starter;
	struct background_start *start;
	int channel;
	struct loop_fd watch;
	struct pending *next;
};

static void pending_free(struct pending *p)
{
	struct pending **at = &p->starter->pending;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->starter->n_pending--;
	loop_remove_fd(p->starter->loop, &p->watch);
	fd_close(p->channel);
	free(p);
}

static void on_report(void *arg, uint32_t events)
{
	struct pending *p = arg;
	struct starter *s = p->starter;
	struct background_start *start = p->start;
	struct caller_message m = {.status = EXIT_INTERNAL};

	(void)events;
	if (!caller_receive(p->channel, &m))
		log_error("%s: its supervisor was killed ('taskhook cleanup' finishes what it has "
			  "left)",
			start->task->name);
	start->running = m.running;
	start->status = m.status;
	pending_free(p);
	if (s->done)
		s->done(s->arg, start);
}

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct starter *s = arg;
	struct caller_message m = {.signal = (int)si->ssi_signo};

	s->signal = m.signal;
	for (struct pending *p = s->pending; p; p = p->next)
		caller_send(p->channel, &m);
}

static int begin(struct starter *s, struct background_start *start, struct th_err *err)
{
	_cleanup_close_ int pidfd = -1, ours = -1, theirs = -1;
	int ends[2], r;
	struct pending *p;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make a socket: %m");
	ours = ends[0];
	theirs = ends[1];
	pid = spawn_fork(&pidfd);
	if (pid == 0)
		supervise(s->layout, start->task, s->options, start->recover, theirs);
	if (pid < 0)
		return err_set(
			err, EXIT_INTERNAL, -pid, "cannot start a process: %s", strerror(-pid));
	p = xcalloc(1, sizeof(*p));
	*p = (struct pending){.starter = s, .start = start, .channel = TAKE_FD(ours)};
	p->next = s->pending;
	s->pending = p;
	s->n_pending++;
	r = loop_add_fd(s->loop, &p->watch, p->channel, EPOLLIN, on_report, p);
	if (r < 0) {
		pending_free(p);
		return err_set(err, EXIT_INTERNAL, -r, "cannot watch a socket: %s", strerror(-r));
	}
	return 0;
}

static int watch_signals(struct starter *s)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	return loop_watch_signals(s->loop, &mask, on_signal, s);
}

static int start_all(
	struct starter *s, struct background_start *starts, size_t n, struct th_err *err)
{
	size_t next = 0;
	int r = 0;

	for (;;) {
		while (r == 0 && !s->signal && next < n && s->n_pending < AT_ONCE)
			r = begin(s, &starts[next++], err);
		if (!s->n_pending)
			break;
		/* Each supervisor bounds its own start: its hooks have timeouts. */
		if (loop_run(s->loop, USEC_INFINITY) < 0)
			break;
	}
	for (; next < n; next++)
		starts[next].status = s->signal ? EXIT_SIGNAL_BASE + s->signal : EXIT_INTERNAL;
	return r;
}

int background_start_all(const struct layout *layout, const struct supervisor_options *options,
	struct background_start *starts, size_t n,
	void (*done)(void *arg, struct background_start *s), void *arg, int *ret_signal,
	struct th_err *err)
{
	struct starter s = {.layout = layout, .options = options, .done = done, .arg = arg};
	int r;

	s.loop = loop_new();
	r = s.loop ? watch_signals(&s) : -errno;
	if (r < 0) {
		loop_free(s.loop);
		return err_set(
			err, EXIT_INTERNAL, -r, "cannot wait for the start: %s", strerror(-r));
	}
	/* A child begins with what is in stdio's buffers. */
	(void)fflush(stdout);
	r = start_all(&s, starts, n, err);
	for (struct pending *p = s.pending, *next; p; p = next) {
		next = p->next;
		s.pending = next;
		pending_free(p);
	}
	loop_free(s.loop);
	*ret_signal = s.signal;
	return r < 0 ? r : s.signal ? -EINTR : 0;
}
