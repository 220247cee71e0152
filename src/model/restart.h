#ifndef TH_MODEL_RESTART_H
#define TH_MODEL_RESTART_H

/*
 * The restart policy of a task, [restart] in taskhook.conf(5): one pure function of the policy,
 * what was counted so far, what has happened, and the time. Semantics and numbers are those of
 * Nomad's client (hashicorp/nomad, client/allocrunner/taskrunner/restarts, 2026-08), but that
 * nothing is restarted unless told, and with a back-off where max-delay asks for one:
 *
 *  - A window of `interval` begins with the first decision, and anew with the first decision after
 *    its end. In each window there are `attempts` restarts.
 *  - When they are used up, mode `fail` ends the task, mode `delay` waits for the rest of the
 * window.
 *  - The n-th restart of a window waits delay * 2^(n-1), at most max-delay, and up to a quarter
 * more at random, so that what failed together does not come back together.
 */

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum restart_when {
	RESTART_NEVER,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
};

enum restart_mode {
	RESTART_MODE_FAIL,
	RESTART_MODE_DELAY,
};

#define RESTART_ATTEMPTS_MAX  1000
#define RESTART_DELAY_DEFAULT (15 * USEC_PER_SEC)
#define RESTART_INTERVAL_MIN  (5 * USEC_PER_SEC)

struct restart_policy {
	enum restart_when when;
	unsigned attempts;
	usec_t interval;
	usec_t delay;
	usec_t max_delay; /* as delay: no back-off */
	enum restart_mode mode;
	uint64_t success[4]; /* a bit for each exit code that is a success; 0 always is */
};

/* Kept in the live state and in the record, so that they outlive the supervisor. Valid for one boot
 * (the clock is the monotonic one). All 0: nothing was decided yet. */
struct restart_counters {
	usec_t window_start; /* 0: none yet */
	unsigned attempts;   /* in this window */
};

enum restart_event {
	RESTART_EXITED,	      /* the process has ended */
	RESTART_START_FAILED, /* a restart did not come to its launch, and may do so the next time
			       */
};

struct restart_input {
	enum restart_event event;
	int exit_code;	 /* of RESTART_EXITED: as a shell sees it, 128+N for a signal */
	bool is_lost;	 /* of RESTART_EXITED: the exit code is unknown, which is a failure */
	usec_t now;	 /* monotonic, not 0 */
	uint32_t random; /* all values alike */
};

enum restart_action {
	RESTART_END,   /* the policy asks for nothing more */
	RESTART_RETRY, /* after `delay` */
	RESTART_FAIL,  /* it would, but the attempts are used up */
};

struct restart_decision {
	enum restart_action action;
	usec_t delay;
	bool waits_for_window; /* mode delay: the attempts are used up */
};

/* Decides and counts. */
struct restart_decision restart_decide(
	const struct restart_policy *p, struct restart_counters *c, const struct restart_input *in);

bool restart_is_success(const struct restart_policy *p, int exit_code);
void restart_add_success(struct restart_policy *p, int exit_code);

/* The numbers that hold where none are given: 3 attempts in 24h for on-failure, 2 in 30min for
 * always, 15s between them. */
void restart_set_defaults(struct restart_policy *p, enum restart_when when);

/*
 * Whether the numbers fit together; not asked where the policy is `never`. 0, or -EINVAL with err
 * (EXIT_CONFIG), which says the keys of [restart]: interval is at least 5s; without attempts the
 * mode is fail; max-delay is not below delay; the delays of all attempts fit into the interval, as
 * otherwise they would never be used up.
 */
int restart_check(const struct restart_policy *p, struct th_err *err);

extern const char *const restart_when_names[]; /* "never", "on-failure", "always", NULL */
extern const char *const restart_mode_names[]; /* "fail", "delay", NULL */

#endif
