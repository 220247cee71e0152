#include "config.h"

#include "run/signals.h"

#include "run/requests.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Job control: the task stands still while we do, and goes on when we are continued. */
static void suspend(struct context *c)
{
	bool running = context_has_process(c);

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

	switch (si->ssi_signo) {
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
		requests_stop(c, (int)si->ssi_signo, STOP_SIGNAL);
		break;
	case SIGTSTP:
		suspend(c);
		break;
	default:
		if (context_has_process(c))
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
