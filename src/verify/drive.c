#include "config.h"

#include "verify/drive.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "verify/load.h"
#include "verify/measure.h"
#include "verify/hookrun.h"
#include "verify/reply.h"
#include "verify/report.h"
#include "verify/runstate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct drive {
	const struct options *o;
	const struct tmpl *t;
	struct runstate rs;
	struct measure ms;
	usec_t started_usec;   /* wall clock */
	usec_t completed_usec; /* of a run that was over before, wall clock; 0 */
	usec_t shift_usec;     /* the clock of the run is so far ahead of the monotonic one */
	usec_t *asked_usec;    /* of each measurement under way, wall clock */
	int signal_fd;
	int record_fd; /* of hookrun_own() */
	bool terminal;
};

static int open_signals(struct th_err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd
		       : err_set(err, EXIT_INTERNAL, errno, "cannot wait for signals: %s",
				 strerror(errno));
}

static bool was_signalled(const struct drive *d)
{
	struct signalfd_siginfo info;

	return read(d->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* The monotonic clock, but for a run that was begun before the machine was: its time since then has
 * to have a place. */
static usec_t run_clock(const struct drive *d)
{
	return usec_add(clock_monotonic_usec(), d->shift_usec);
}

static int save(struct drive *d, struct th_err *err)
{
	_cleanup_json_ json_t *record = NULL;

	if (!d->o->output)
		return 0;
	record = hookrun_to_json(&d->rs, d->started_usec, clock_realtime_usec());
	return hookrun_write(d->o->output, record, &d->record_fd, err);
}

static void begin_due(struct drive *d)
{
	ssize_t i;

	while ((i = runstate_due(&d->rs, run_clock(d))) >= 0) {
		runstate_begin(&d->rs, (size_t)i);
		d->asked_usec[i] = clock_realtime_usec();
		measure_begin(&d->ms, (size_t)i, &d->t->metrics[i]);
	}
}

/* What is under way ends without an answer when the run does. */
static void cancel_all(struct drive *d)
{
	for (size_t i = 0; i < d->t->n; i++)
		if (d->rs.metrics[i].in_flight) {
			measure_cancel(&d->ms, i);
			runstate_drop(&d->rs, i);
		}
}

static int take_answers(struct drive *d, struct th_err *err)
{
	struct reply answer = {.exit_status = -1};
	ssize_t i;
	int r = 0;

	while (r == 0 && (i = measure_take(&d->ms, &answer)) >= 0) {
		struct measurement m = {.phase = PHASE_PENDING};

		assess(d->t, &d->t->metrics[i], &d->o->args, &answer, &m);
		if (d->o->responses)
			m.reply = reply_to_json(&answer, &d->o->args);
		reply_done(&answer);
		m.started_usec = d->asked_usec[i];
		m.finished_usec = clock_realtime_usec();
		report_measurement(d->t, (size_t)i, &m, d->terminal);
		runstate_finish(&d->rs, (size_t)i, run_clock(d), &m);
		r = save(d, err);
	}
	return r;
}

static int loop(struct drive *d, struct th_err *err)
{
	usec_t next;
	int r = save(d, err);

	while (r == 0 && !runstate_is_over(&d->rs)) {
		runstate_tick(&d->rs, run_clock(d));
		if (was_signalled(d))
			runstate_terminate(&d->rs);
		if (runstate_is_terminating(&d->rs))
			cancel_all(d);
		begin_due(d);
		if (runstate_is_over(&d->rs))
			break;
		next = runstate_next(&d->rs, run_clock(d));
		if (next != USEC_INFINITY)
			next = usec_sub(next, d->shift_usec);
		measure_wait(&d->ms, d->signal_fd, next);
		/* before the answers: a signal may have gone to what is measured, too */
		if (was_signalled(d)) {
			runstate_terminate(&d->rs);
			cancel_all(d);
		}
		r = take_answers(d, err);
	}
	return r < 0 ? r : save(d, err);
}

/* From the record of a run that was killed; one that is not there yet is one that has not begun. */
static int take_up(struct drive *d, struct th_err *err)
{
	_cleanup_json_ json_t *record = NULL;
	char when[CLOCK_RFC3339_MAX];
	usec_t now = clock_realtime_usec(), started;
	int r = hookrun_read(d->o->output, &record, err);

	if (r == -ENOENT) {
		err_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	if (hookrun_times(record, &started, &d->completed_usec) == 0)
		d->shift_usec = usec_sub(now, started);
	r = hookrun_resume(record, d->o->output, &d->rs, run_clock(d), now, &d->started_usec, err);
	if (r < 0)
		return r;
	log_notice("%s: %s the run that began at %s", d->t->name,
		runstate_is_over(&d->rs) ? "this was the end of" : "going on with",
		clock_rfc3339(d->started_usec, when, sizeof(when)));
	return 0;
}

static int run(struct drive *d, struct th_err *err)
{
	_cleanup_json_ json_t *record = NULL;
	int r = 0;

	if (d->o->output)
		r = hookrun_own(d->o->output, &d->record_fd, err);
	if (r == 0 && d->o->resume)
		r = take_up(d, err);
	if (r < 0)
		return r;
	if (!runstate_is_over(&d->rs)) {
		r = measure_init(&d->ms, d->t->n);
		r = r < 0 ? err_set(err, EXIT_INTERNAL, -r, "libcurl cannot start") : loop(d, err);
		measure_done(&d->ms);
	}
	if (r < 0)
		return r;
	if (d->o->json)
		record = hookrun_to_json(&d->rs, d->started_usec,
			d->completed_usec > 0 ? d->completed_usec : clock_realtime_usec());
	report_end(&d->rs, record);
	return report_exit_status(d->rs.phase);
}

int drive_run(const struct options *o, const struct tmpl *t, struct th_err *err)
{
	struct drive d = {.o = o,
		.t = t,
		.signal_fd = -1,
		.record_fd = -1,
		.terminal = isatty(STDERR_FILENO) == 1};
	int r = open_signals(err);

	if (r < 0)
		return r;
	d.signal_fd = r;
	d.asked_usec = xcalloc(t->n + 1, sizeof(*d.asked_usec));
	d.started_usec = clock_realtime_usec();
	runstate_init(&d.rs, t, run_clock(&d));
	r = run(&d, err);
	runstate_done(&d.rs);
	free(d.asked_usec);
	fd_close(d.record_fd);
	fd_close(d.signal_fd);
	return r;
}
