#include "config.h"

#include "run/signals.h"

#include "base/log.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A terminal that closes sends several; a user who presses again within that time means one. */
#define SECOND_AFTER USEC_PER_SEC

static void ask_stop(struct context *c, int signo, enum stop_reason reason)
{
	struct requests *q = &c->requests;
	usec_t now = clock_monotonic_usec();

	if (!q->stop) {
		q->stop = true;
		q->stop_reason = reason;
		q->stop_signal = reason == STOP_SIGNAL ? signo : 0;
		q->stop_at = now;
		q->interrupt_hooks = true;
	} else if (signo != SIGHUP && usec_sub(now, q->stop_at) >= SECOND_AFTER) {
		q->cut_grace = true;
	}
}

/* What another process of ours asks for; only root and we ourselves may. */
static bool is_request(const struct signalfd_siginfo *si, enum stop_reason *ret)
{
	int n = (int)si->ssi_int - SIGNALS_STOP_VALUE;

	if (si->ssi_code != SI_QUEUE || n <= STOP_NONE || n >= STOP_REASON_COUNT)
		return false;
	if (si->ssi_uid != 0 && si->ssi_uid != geteuid())
		return false;
	*ret = (enum stop_reason)n;
	return true;
}

/* Job control: the task stands still while we do, and goes on when we are continued. */
static void suspend(struct context *c)
{
	bool running = c->launched && !c->exited;

	if (running)
		(void)proctree_freeze(&c->tree, true);
	/* TSTP is blocked for signalfd; STOP cannot be. The shell sees us stopped. */
	(void)kill(getpid(), SIGSTOP);
	if (running)
		(void)proctree_freeze(&c->tree, false);
}

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct context *c = arg;
	enum stop_reason reason;

	switch (si->ssi_signo) {
	case SIGTERM:
		if (is_request(si, &reason)) {
			ask_stop(c, SIGTERM, reason);
			break;
		}
		ask_stop(c, SIGTERM, STOP_SIGNAL);
		break;
	case SIGINT:
	case SIGHUP:
		ask_stop(c, (int)si->ssi_signo, STOP_SIGNAL);
		break;
	case SIGTSTP:
		suspend(c);
		break;
	default:
		if (c->launched && !c->exited)
			(void)proctree_signal(&c->tree, (int)si->ssi_signo);
		break;
	}
}

int signals_watch(struct context *c, struct th_err *err)
{
	static const int watched[] = {
		SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGQUIT, SIGCONT, SIGTSTP};
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		sigaddset(&mask, watched[i]);
	r = loop_watch_signals(c->loop, &mask, on_signal, c);
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot watch signals: %s", strerror(-r));
	return 0;
}
