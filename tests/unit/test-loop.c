#include "config.h"

#include "os/loop.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "tests/unit/refused.h"
#include "tests/unit/tempdir.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define MSEC(n)	 ((usec_t)(n)*USEC_PER_MSEC)
#define IN(usec) usec_add(clock_monotonic_usec(), (usec))

static char order[64];

static void note(char c)
{
	size_t n = strlen(order);

	if (n < sizeof(order) - 1) {
		order[n] = c;
		order[n + 1] = '\0';
	}
}

static const char *take_order(void)
{
	static char taken[sizeof(order)];

	memcpy(taken, order, sizeof(order));
	memset(order, 0, sizeof(order));
	return taken;
}

/* A pipe that a watch reads a byte from. */
struct source {
	struct loop *l;
	struct loop_fd w;
	int fds[2];
	uint32_t events;
	struct source *removes;
	struct source *silences;
	bool frees; /* what it removes */
};

static struct source *source_new(struct loop *l)
{
	struct source *s = xcalloc(1, sizeof(*s));

	s->l = l;
	if (fd_pipe(s->fds, O_NONBLOCK) < 0)
		bail("pipe: %s", strerror(errno));
	return s;
}

static void source_free(struct source *s)
{
	loop_remove_fd(s->l, &s->w);
	(void)close(s->fds[0]);
	fd_close(s->fds[1]);
	free(s);
}

static void on_source(void *arg, uint32_t events)
{
	struct source *s = arg;
	char c;

	s->events = events;
	if (read(s->fds[0], &c, 1) == 1)
		note(c);
	if (s->removes && s->frees)
		source_free(s->removes);
	else if (s->removes)
		loop_remove_fd(s->l, &s->removes->w);
	s->removes = NULL;
	if (s->silences)
		(void)loop_change_fd(s->l, &s->silences->w, 0);
	s->silences = NULL;
}

static void feed(const struct source *s, char c)
{
	if (write(s->fds[1], &c, 1) != 1)
		bail("write: %s", strerror(errno));
}

static void test_fds(void)
{
	struct loop *l = loop_new();
	struct source *a = source_new(l), *b = source_new(l);
	struct loop_fd w = {0};
	usec_t start;

	is_int(loop_add_fd(l, &a->w, a->fds[0], EPOLLIN, on_source, a), 0, "watch a pipe");
	is_int(loop_add_fd(l, &b->w, b->fds[0], EPOLLIN, on_source, b), 0, "watch another");
	is_int(loop_add_fd(l, &w, a->fds[0], EPOLLIN, on_source, a), -EEXIST, "not the same twice");
	is_int(w.active, false, "a watch that failed is not active");
	is_int(loop_add_fd(l, &w, tempdir.fd, EPOLLIN, on_source, a), -EPERM,
		"no directory and no regular file");
	is_int(loop_run(l, 0), 0, "nothing ready, deadline long past");
	start = clock_monotonic_usec();
	is_int(loop_run(l, IN(MSEC(20))), 0, "nothing ready until the deadline");
	ok(clock_monotonic_usec() - start >= MSEC(20), "it was not left early");

	feed(a, 'a');
	is_int(loop_run(l, 0), 1, "ready although the deadline is past");
	is_str(take_order(), "a", "it was called");
	feed(a, 'a');
	feed(b, 'b');
	is_int(loop_run(l, USEC_INFINITY), 2, "two ready at once");
	take_order();

	is_int(loop_change_fd(l, &a->w, 0), 0, "ask for nothing");
	feed(a, 'a');
	is_int(loop_run(l, IN(MSEC(5))), 0, "what is not asked for is not served");
	is_int(loop_change_fd(l, &a->w, EPOLLIN), 0, "ask again");
	is_int(loop_run(l, USEC_INFINITY), 1, "and it is there");
	is_str(take_order(), "a", "once");

	/* Whichever comes first. */
	a->silences = b;
	b->silences = a;
	feed(a, 'x');
	feed(b, 'x');
	is_int(loop_run(l, USEC_INFINITY), 1, "of two ready the first silences the second");
	is_str(take_order(), "x", "which is not called");
	a->silences = NULL;
	b->silences = NULL;
	(void)loop_change_fd(l, &a->w, EPOLLIN);
	(void)loop_change_fd(l, &b->w, EPOLLIN);
	is_int(loop_run(l, USEC_INFINITY), 1, "it is once it asks again");
	take_order();

	a->fds[1] = fd_close(a->fds[1]);
	is_int(loop_run(l, USEC_INFINITY), 1, "the end of a pipe");
	ok(a->events & EPOLLHUP, "is told as such");
	loop_remove_fd(l, &a->w);
	loop_remove_fd(l, &a->w);
	is_int(loop_run(l, IN(MSEC(5))), 0, "removed, twice");
	is_int(loop_add_fd(l, &a->w, a->fds[0], EPOLLIN, on_source, a), 0, "added again");
	is_int(loop_run(l, USEC_INFINITY), 1, "and served again");

	source_free(a);
	source_free(b);
	is_int(loop_run(l, IN(MSEC(5))), 0, "nothing watched");
	is_str(loop_free(l) ? "a loop" : NULL, NULL, "loop_free returns NULL");
	loop_free(NULL);
}

/* Whichever comes first of two that are ready together removes the other. */
static void test_removal(bool frees)
{
	struct loop *l = loop_new();
	struct source *a = source_new(l), *b = source_new(l);
	const char *called;

	(void)loop_add_fd(l, &a->w, a->fds[0], EPOLLIN, on_source, a);
	(void)loop_add_fd(l, &b->w, b->fds[0], EPOLLIN, on_source, b);
	a->removes = b;
	b->removes = a;
	a->frees = b->frees = frees;
	feed(a, 'a');
	feed(b, 'b');
	is_int(loop_run(l, USEC_INFINITY), 1, "of two ready the first removes the second%s",
		frees ? " and frees it" : "");
	called = take_order();
	is_int((int)strlen(called), 1, "which is not called");
	is_int(loop_run(l, IN(MSEC(5))), 0, "nor later");
	if (!frees || *called == 'a')
		source_free(a);
	if (!frees || *called == 'b')
		source_free(b);

	/* Itself. */
	a = source_new(l);
	(void)loop_add_fd(l, &a->w, a->fds[0], EPOLLIN, on_source, a);
	a->removes = a;
	feed(a, 'a');
	feed(a, 'a');
	is_int(loop_run(l, USEC_INFINITY), 1, "a watch that removes itself");
	is_int(loop_run(l, IN(MSEC(5))), 0, "is not called again");
	take_order();
	source_free(a);
	loop_free(l);
}

static void run_within(void *arg, uint32_t events)
{
	struct source *s = arg;
	char c;

	(void)events;
	if (read(s->fds[0], &c, 1) != 1)
		bail("read: %s", strerror(errno));
	note('(');
	loop_remove_fd(s->l, &s->w);
	(void)loop_run(s->l, IN(MSEC(5)));
	note(')');
}

static void test_nesting(void)
{
	struct loop *l = loop_new();
	struct source *a = source_new(l), *b = source_new(l);
	const char *called;

	(void)loop_add_fd(l, &a->w, a->fds[0], EPOLLIN, run_within, a);
	(void)loop_add_fd(l, &b->w, b->fds[0], EPOLLIN, on_source, b);
	feed(a, 'a');
	feed(b, 'b');
	(void)loop_run(l, USEC_INFINITY);
	called = take_order();
	ok(strcmp(called, "(b)") == 0 || strcmp(called, "b()") == 0 || strcmp(called, "(b)b") == 0,
		"the loop may be run by what it calls: %s", called);
	is_int(loop_run(l, IN(MSEC(5))), 0, "and nothing is left over");
	source_free(a);
	source_free(b);
	loop_free(l);
}

struct alarm {
	struct loop *l;
	struct loop_timer t;
	char name;
	usec_t again; /* sets itself for then */
	struct alarm *clears;
};

static void on_alarm(void *arg)
{
	struct alarm *a = arg;

	note(a->name);
	if (a->clears)
		loop_clear_timer(a->l, &a->clears->t);
	if (a->again != USEC_INFINITY)
		loop_set_timer(a->l, &a->t, a->again, on_alarm, a);
}

static void test_timers(void)
{
	struct loop *l = loop_new();
	struct alarm a = {.l = l, .name = 'a', .again = USEC_INFINITY}, b = a, c = a;
	usec_t now = clock_monotonic_usec(), start;

	b.name = 'b';
	c.name = 'c';
	loop_set_timer(l, &c.t, now + 3, on_alarm, &c);
	loop_set_timer(l, &a.t, now + 1, on_alarm, &a);
	loop_set_timer(l, &b.t, now + 2, on_alarm, &b);
	while (strlen(order) < 3 && loop_run(l, IN(MSEC(100))) > 0)
		;
	is_str(take_order(), "abc", "timers in the order of their time");
	ok(!a.t.active && !b.t.active && !c.t.active, "one shot each");

	start = clock_monotonic_usec();
	loop_set_timer(l, &a.t, start + MSEC(10), on_alarm, &a);
	is_int(loop_run(l, USEC_INFINITY), 1, "a timer ends a wait without a deadline");
	ok(clock_monotonic_usec() - start >= MSEC(10), "not before its time");
	take_order();

	loop_set_timer(l, &a.t, IN(MSEC(1)), on_alarm, &a);
	loop_set_timer(l, &a.t, IN(10 * USEC_PER_MIN), on_alarm, &a);
	is_int(loop_run(l, IN(MSEC(10))), 0, "a timer that was moved away");
	loop_clear_timer(l, &a.t);
	loop_clear_timer(l, &a.t);
	ok(!a.t.active, "cleared, twice");

	/* All due at once. */
	loop_set_timer(l, &a.t, 1, on_alarm, &a);
	loop_set_timer(l, &b.t, 1, on_alarm, &b);
	loop_set_timer(l, &c.t, 1, on_alarm, &c);
	a.clears = &b;
	is_int(loop_run(l, USEC_INFINITY), 2, "a timer clears another that is due with it");
	is_str(take_order(), "ac", "those set first come first");
	a.clears = NULL;

	a.again = 0;
	loop_set_timer(l, &a.t, 1, on_alarm, &a);
	loop_set_timer(l, &b.t, 1, on_alarm, &b);
	is_int(loop_run(l, USEC_INFINITY), 2, "one that is always due does not keep the loop");
	is_str(take_order(), "ab", "nor starve another");
	loop_clear_timer(l, &a.t);
	loop_free(l);
}

struct step {
	char name;
	struct loop_call call;
	struct loop *l;
	struct step *sets, *clears;
};

static void on_step(void *arg)
{
	struct step *s = arg;

	note(s->name);
	if (s->sets)
		loop_call_later(s->l, &s->sets->call, on_step, s->sets);
	if (s->clears)
		loop_clear_call(s->l, &s->clears->call);
}

static void on_timer_step(void *arg)
{
	struct step *s = arg;

	note('t');
	loop_call_later(s->l, &s->call, on_step, s);
	note('T');
}

static void test_calls(void)
{
	struct loop *l = loop_new();
	struct step a = {.name = 'a', .l = l}, b = {.name = 'b', .l = l}, c = {.name = 'c', .l = l};
	struct loop_timer timer = {.active = false};

	loop_call_due(l);
	is_str(take_order(), "", "nothing was set");
	loop_call_later(l, &b.call, on_step, &b);
	loop_call_later(l, &a.call, on_step, &a);
	loop_call_later(l, &b.call, on_step, &b);
	is_str(take_order(), "", "nothing is called at once");
	loop_call_due(l);
	is_str(take_order(), "ba", "each once, in their order");
	loop_call_due(l);
	is_str(take_order(), "", "and not again");

	loop_call_later(l, &a.call, on_step, &a);
	is_int(loop_run(l, IN(MSEC(1))), 0, "they are no events");
	is_str(take_order(), "a", "but the loop does not wait before they are called");

	loop_set_timer(l, &timer, 1, on_timer_step, &a);
	is_int(loop_run(l, USEC_INFINITY), 1, "a callback sets one");
	is_str(take_order(), "tT", "what it does, and whoever ran the loop, comes first");
	(void)loop_run(l, IN(MSEC(1)));
	is_str(take_order(), "a", "then the call, before the next wait");

	a.sets = &b;
	a.clears = &c;
	loop_call_later(l, &a.call, on_step, &a);
	loop_call_later(l, &c.call, on_step, &c);
	loop_call_due(l);
	is_str(take_order(), "ab", "one may set another, and clear one that is due");
	loop_clear_call(l, &c.call);
	loop_free(l);
}

struct signals {
	int n;
	int last;
	int value;
};

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct signals *s = arg;

	s->n++;
	s->last = (int)si->ssi_signo;
	s->value = si->ssi_int;
}

static void test_signals(void)
{
	struct loop *l = loop_new();
	struct signals got = {0};
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGRTMIN);
	is_int(loop_watch_signals(l, &mask, on_signal, &got), 0, "watch signals");
	is_int(loop_watch_signals(l, &mask, on_signal, &got), -EBUSY, "once");
	(void)kill(getpid(), SIGUSR1);
	is_int(loop_run(l, USEC_INFINITY), 1, "a signal ends the wait");
	is_int(got.last, SIGUSR1, "it is told which");
	got.n = 0;
	for (int i = 1; i <= 20; i++)
		(void)sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
	while (loop_run(l, IN(MSEC(5))) > 0)
		;
	is_int(got.n, 20, "twenty that were queued");
	is_int(got.value, 20, "in their order, with their values");
	loop_free(l);
}

int main(void)
{
	tempdir_make();
	test_fds();
	test_removal(false);
	test_removal(true);
	test_nesting();
	test_timers();
	test_calls();
	test_signals();
	refused_run(SYS_epoll_pwait2, ENOSYS, test_timers);
	refused_run(SYS_epoll_pwait2, EPERM, test_fds);
	return done_testing();
}
