#include "config.h"

#include "verify/drive.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "verify/load.h"
#include "verify/measure.h"
#include "verify/hookrun.h"
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
	usec_t started_usec; /* wall clock */
	usec_t *asked_usec;  /* of each measurement under way, wall clock */
	int signal_fd;
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

static int save(const struct drive *d, struct th_err *err)
{
	_cleanup_json_ json_t *record = NULL;

	if (!d->o->output)
		return 0;
	record = hookrun_to_json(&d->rs, d->started_usec, clock_realtime_usec());
	return hookrun_write(d->o->output, record, err);
}

static void begin_due(struct drive *d)
{
	ssize_t i;

	while ((i = runstate_due(&d->rs, clock_monotonic_usec())) >= 0) {
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

static void say_progress(const struct drive *d, size_t i, const struct measurement *m)
{
	_cleanup_free_ char *value = m->value ? str_escape(m->value, 80) : NULL;

	log_message(d->terminal ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, "%s: metric '%s': %s%s%s%s%s",
		d->t->name, d->t->metrics[i].name, phase_name(m->phase), value ? ", value " : "",
		value ? value : "", m->message ? ": " : "", m->message ? m->message : "");
}

static int take_answers(struct drive *d, struct th_err *err)
{
	struct reply answer = {.exit_status = -1};
	ssize_t i;
	int r = 0;

	while (r == 0 && (i = measure_take(&d->ms, &answer)) >= 0) {
		struct measurement m = {.phase = PHASE_PENDING};

		assess(d->t, &d->t->metrics[i], &d->o->args, &answer, &m);
		reply_done(&answer);
		m.started_usec = d->asked_usec[i];
		m.finished_usec = clock_realtime_usec();
		say_progress(d, (size_t)i, &m);
		runstate_finish(&d->rs, (size_t)i, clock_monotonic_usec(), &m);
		r = save(d, err);
	}
	return r;
}

static int loop(struct drive *d, struct th_err *err)
{
	int r = save(d, err);

	while (r == 0 && !runstate_is_over(&d->rs)) {
		runstate_tick(&d->rs, clock_monotonic_usec());
		if (was_signalled(d))
			runstate_terminate(&d->rs);
		if (runstate_is_terminating(&d->rs))
			cancel_all(d);
		begin_due(d);
		if (runstate_is_over(&d->rs))
			break;
		measure_wait(&d->ms, d->signal_fd, runstate_next(&d->rs, clock_monotonic_usec()));
		r = take_answers(d, err);
	}
	return r < 0 ? r : save(d, err);
}

static void say_end(const struct drive *d)
{
	const struct runstate *rs = &d->rs;
	enum log_level level = rs->phase == PHASE_SUCCESSFUL ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR;

	for (size_t i = 0; i < d->t->n; i++) {
		const struct metric_state *s = &rs->metrics[i];

		log_notice("%s: metric '%s'%s: %s (%u successful, %u failed, %u inconclusive, %u "
			   "with an error)",
			d->t->name, d->t->metrics[i].name,
			d->t->metrics[i].dry_run ? " (dry run)" : "", phase_name(s->phase),
			s->successful, s->failed, s->inconclusive, s->error);
	}
	log_message(level, "%s: %s%s%s", d->t->name, phase_name(rs->phase), rs->message ? ": " : "",
		rs->message ? rs->message : "");
}

static int exit_status(enum phase phase)
{
	switch (phase) {
	case PHASE_SUCCESSFUL:
		return 0;
	case PHASE_FAILED:
		return 1;
	case PHASE_INCONCLUSIVE:
		return 3;
	case PHASE_PENDING:
	case PHASE_RUNNING:
	case PHASE_ERROR:
		break;
	}
	return 2;
}

int drive_run(const struct options *o, const struct tmpl *t, struct th_err *err)
{
	struct drive d = {.o = o, .t = t, .signal_fd = -1, .terminal = isatty(STDERR_FILENO) == 1};
	int r = open_signals(err);

	if (r < 0)
		return r;
	d.signal_fd = r;
	d.asked_usec = xcalloc(t->n + 1, sizeof(*d.asked_usec));
	runstate_init(&d.rs, t, clock_monotonic_usec());
	d.started_usec = clock_realtime_usec();
	r = measure_init(&d.ms, t->n);
	if (r < 0)
		(void)err_set(err, EXIT_INTERNAL, -r, "libcurl cannot start");
	else
		r = loop(&d, err);
	if (r == 0) {
		say_end(&d);
		if (o->json) {
			_cleanup_json_ json_t *record =
				hookrun_to_json(&d.rs, d.started_usec, clock_realtime_usec());

			(void)json_dumpf(record, stdout, JSON_INDENT(2));
			(void)putchar('\n');
		}
		r = exit_status(d.rs.phase);
	}
	measure_done(&d.ms);
	runstate_done(&d.rs);
	free(d.asked_usec);
	(void)fd_close(d.signal_fd);
	return r;
}
