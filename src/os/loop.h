#ifndef TH_OS_LOOP_H
#define TH_OS_LOOP_H

/*
 * The event loop of a supervisor: epoll(7), timers on the monotonic clock, signals through
 *signalfd(2). No handlers, no threads. Callers are written straight through: they register what
 *they wait for and call loop_run() until their condition holds, while everything registered by
 *others (log pumps, signals) goes on being served.
 *
 *	loop_add_fd(l, &w, fd, EPOLLIN, on_readable, arg);
 *	while (!done)
 *		if ((r = loop_run(l, deadline)) < 0) ...
 *	loop_remove_fd(l, &w);
 */

#include "base/clock.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>

struct loop;

struct loop *loop_new(void); /* NULL with errno */
struct loop *loop_free(struct loop *l);

typedef void (*loop_fd_fn)(void *arg, uint32_t events);
typedef void (*loop_timer_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, const struct signalfd_siginfo *si);

/* Owned by the caller, alive from add to remove. Removing from within a callback (its own too) is
 * fine. A regular file, which epoll does not take (-EPERM), is an error here too. */
struct loop_fd {
	int fd;
	uint32_t events;
	loop_fd_fn fn;
	void *arg;
	bool active;
};
int loop_add_fd(
	struct loop *l, struct loop_fd *w, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_change_fd(struct loop *l, struct loop_fd *w, uint32_t events);
void loop_remove_fd(struct loop *l, struct loop_fd *w);

/* One shot. Setting a set timer moves it. */
struct loop_timer {
	usec_t when;
	loop_timer_fn fn;
	void *arg;
	bool active;
	struct loop_timer *next;
};
void loop_set_timer(struct loop *l, struct loop_timer *t, usec_t when, loop_timer_fn fn, void *arg);
void loop_clear_timer(struct loop *l, struct loop_timer *t);

/* Called once: before the loop waits next, or by loop_call_due(). Owned as a loop_fd is. */
struct loop_call {
	loop_timer_fn fn;
	void *arg;
	bool active;
	struct loop_call *next;
};
/*
 * For what others shall not see before all that belongs to it is done: whoever has an event served
 * goes on to its end, with whatever it writes down, before the loop waits again. Nothing where it
 * is set already.
 */
void loop_call_later(struct loop *l, struct loop_call *call, loop_timer_fn fn, void *arg);
void loop_clear_call(struct loop *l, struct loop_call *call);
/* Calls those that were set by now, in their order: for who has come to such an end and goes on
 * without waiting, or waits elsewhere. */
void loop_call_due(struct loop *l);

/* Blocks `mask` for the process and calls fn for each that arrives. Once. The old mask is
 * remembered for nobody: children get an empty one from spawn. 0 or -errno. */
int loop_watch_signals(struct loop *l, const sigset_t *mask, loop_signal_fn fn, void *arg);

/*
 * Waits for at least one event, at most until `deadline` (USEC_INFINITY: none), and serves all that
 * are ready. Returns the number served (timers included), 0 at the deadline, -errno. Resolution
 * below a millisecond where the kernel has epoll_pwait2 (Linux 5.11).
 */
int loop_run(struct loop *l, usec_t deadline);

/* How often it has waited: the same number says that since then nothing was waited for. */
uint64_t loop_waits(const struct loop *l);

#endif
