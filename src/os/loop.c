#include "config.h"

#include "os/loop.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One number for all architectures but alpha, for headers older than the call. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define EVENTS_MAX  32
#define SIGNALS_MAX 8

/* The events of one epoll_wait that are being served. Callbacks may run the loop themselves, hence
 * a list. */
struct batch {
	struct epoll_event events[EVENTS_MAX];
	int n;
	struct batch *outer;
};

struct loop {
	int epfd;
	bool no_pwait2;
	struct batch *batch;	   /* innermost */
	struct loop_timer *timers; /* by time, earliest first */
	struct loop_timer *due;	   /* taken off `timers`, about to be called */
	struct loop_call *calls;   /* before the next wait */
	struct loop_fd signals;
	loop_signal_fn signal_fn;
	void *signal_arg;
	uint64_t waits;
};

struct loop *loop_new(void)
{
	struct loop *l;
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	if (epfd < 0)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->epfd = epfd;
	l->signals.fd = -1;
	return l;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	if (l->signals.active) {
		int fd = l->signals.fd;

		loop_remove_fd(l, &l->signals);
		fd_close(fd);
	}
	fd_close(l->epfd);
	free(l);
	return NULL;
}

int loop_add_fd(
	struct loop *l, struct loop_fd *w, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct loop_fd){.fd = fd, .events = events, .fn = fn, .arg = arg, .active = true};
	return 0;
}

int loop_change_fd(struct loop *l, struct loop_fd *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->events == events)
		return 0;
	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void loop_remove_fd(struct loop *l, struct loop_fd *w)
{
	if (!w->active)
		return;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->active = false;
	/* Whoever removed it may free it: no event fetched before may reach it. */
	for (struct batch *b = l->batch; b; b = b->outer)
		for (int i = 0; i < b->n; i++)
			if (b->events[i].data.ptr == w)
				b->events[i].data.ptr = NULL;
}

static bool unlink_timer(struct loop_timer **list, const struct loop_timer *t)
{
	for (; *list; list = &(*list)->next)
		if (*list == t) {
			*list = t->next;
			return true;
		}
	return false;
}

void loop_clear_timer(struct loop *l, struct loop_timer *t)
{
	if (!t->active)
		return;
	if (!unlink_timer(&l->timers, t))
		(void)unlink_timer(&l->due, t);
	t->active = false;
	t->next = NULL;
}

void loop_set_timer(struct loop *l, struct loop_timer *t, usec_t when, loop_timer_fn fn, void *arg)
{
	struct loop_timer **at = &l->timers;

	loop_clear_timer(l, t);
	while (*at && (*at)->when <= when)
		at = &(*at)->next;
	*t = (struct loop_timer){.when = when, .fn = fn, .arg = arg, .active = true, .next = *at};
	*at = t;
}

void loop_call_later(struct loop *l, struct loop_call *call, loop_timer_fn fn, void *arg)
{
	struct loop_call **at = &l->calls;

	if (call->active)
		return;
	while (*at)
		at = &(*at)->next;
	*call = (struct loop_call){.fn = fn, .arg = arg, .active = true};
	*at = call;
}

void loop_clear_call(struct loop *l, struct loop_call *call)
{
	struct loop_call **at = &l->calls;

	if (!call->active)
		return;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->active = false;
}

void loop_call_due(struct loop *l)
{
	struct loop_call *call;

	while ((call = l->calls)) {
		l->calls = call->next;
		call->active = false;
		call->fn(call->arg);
	}
}

static void read_signals(void *arg, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo si[SIGNALS_MAX];
	ssize_t n;

	(void)events;
	n = read(l->signals.fd, si, sizeof(si));
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(si[0]); i++)
		l->signal_fn(l->signal_arg, &si[i]);
}

int loop_watch_signals(struct loop *l, const sigset_t *mask, loop_signal_fn fn, void *arg)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (l->signals.active)
		return -EBUSY;
	if (sigprocmask(SIG_BLOCK, mask, NULL) < 0)
		return -errno;
	fd = signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = loop_add_fd(l, &l->signals, fd, EPOLLIN, read_signals, l);
	if (r < 0)
		return r;
	l->signal_fn = fn;
	l->signal_arg = arg;
	(void)TAKE_FD(fd);
	return 0;
}

/* Fetches events into b. timeout: USEC_INFINITY waits for ever. */
static int wait_events(struct loop *l, struct batch *b, usec_t timeout)
{
	int n;

	if (!l->no_pwait2) {
		/* 64 bits on all architectures, which struct timespec has not. */
		struct {
			int64_t sec, nsec;
		} ts = {0};

		if (timeout != USEC_INFINITY) {
			ts.sec = (int64_t)(timeout / USEC_PER_SEC);
			ts.nsec = (int64_t)(timeout % USEC_PER_SEC) * 1000;
		}
		n = (int)syscall(SYS_epoll_pwait2, l->epfd, b->events, EVENTS_MAX,
			timeout == USEC_INFINITY ? NULL : &ts, NULL, 0);
		/* EPERM is what seccomp filters older than the call answer. */
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n < 0 ? -errno : n;
		l->no_pwait2 = true;
	}
	/* Rounded up, or the last part of a millisecond would be waited for in a busy loop. */
	if (timeout != USEC_INFINITY)
		timeout =
			MIN(usec_add(timeout, USEC_PER_MSEC - 1) / USEC_PER_MSEC, (usec_t)INT_MAX);
	n = epoll_wait(
		l->epfd, b->events, EVENTS_MAX, timeout == USEC_INFINITY ? -1 : (int)timeout);
	return n < 0 ? -errno : n;
}

static int serve_fds(struct loop *l, struct batch *b)
{
	int served = 0;

	b->outer = l->batch;
	l->batch = b;
	for (int i = 0; i < b->n; i++) {
		struct loop_fd *w = b->events[i].data.ptr;
		uint32_t events;

		if (!w)
			continue;
		/* It may have been changed by a callback since the events were fetched. */
		events = b->events[i].events & (w->events | EPOLLERR | EPOLLHUP);
		if (!events)
			continue;
		b->events[i].data.ptr = NULL;
		w->fn(w->arg, events);
		served++;
	}
	l->batch = b->outer;
	return served;
}

static int serve_timers(struct loop *l)
{
	struct loop_timer **at = &l->due;
	usec_t now;
	int served = 0;

	if (!l->timers && !l->due)
		return 0;
	/* Only what is due at this moment: one that sets itself again must not keep the loop here.
	 */
	now = clock_monotonic_usec();
	while (*at)
		at = &(*at)->next;
	while (l->timers && l->timers->when <= now) {
		*at = l->timers;
		l->timers = l->timers->next;
		(*at)->next = NULL;
		at = &(*at)->next;
	}
	while (l->due) {
		struct loop_timer *t = l->due;

		l->due = t->next;
		t->next = NULL;
		t->active = false;
		t->fn(t->arg);
		served++;
	}
	return served;
}

int loop_run(struct loop *l, usec_t deadline)
{
	for (;;) {
		struct batch b;
		usec_t until = deadline, timeout = USEC_INFINITY;
		int served;

		loop_call_due(l);
		if (l->due)
			until = 0;
		else if (l->timers)
			until = MIN(until, l->timers->when);
		if (until == 0)
			timeout = 0;
		else if (until != USEC_INFINITY)
			timeout = usec_sub(until, clock_monotonic_usec());
		l->waits++;
		b.n = wait_events(l, &b, timeout);
		/* No handlers, yet SIGCONT interrupts (signal(7)). */
		if (b.n == -EINTR)
			continue;
		if (b.n < 0)
			return b.n;
		served = serve_fds(l, &b);
		served += serve_timers(l);
		if (served)
			return served;
		if (deadline != USEC_INFINITY && clock_monotonic_usec() >= deadline)
			return 0;
	}
}

uint64_t loop_waits(const struct loop *l)
{
	return l->waits;
}
