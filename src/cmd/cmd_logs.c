#include "config.h"

#include "cmd/cmd_logs.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_view.h"
#include "os/loop.h"
#include "run/logmerge.h"
#include "run/logread.h"
#include "run/logruns.h"
#include "run/recover.h"
#include "run/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum run_choice {
	RUN_LATEST,
	RUN_NUMBER, /* above 0: RUN_NUMBER as hooks see it; else counted back from the latest */
	RUN_ALL,
};

struct logs_data {
	bool want_stdout, want_stderr, want_hooks, json, mark, follow;
	usec_t since; /* realtime; 0: all */
	bool has_lines;
	uint64_t lines;
	enum run_choice choice;
	int64_t run;
};

/* ---- options ---- */

static int set_json(void *data, const char *value, struct th_err *err)
{
	struct logs_data *d = data;

	(void)value;
	(void)err;
	d->want_hooks = d->json = true;
	return 0;
}

static int set_lines(void *data, const char *value, struct th_err *err)
{
	struct logs_data *d = data;

	if (parse_uint(value, 0, UINT64_MAX, &d->lines) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"'%s' is not a number of lines: write for example -n 20", value);
	d->has_lines = true;
	return 0;
}

static int set_run(void *data, const char *value, struct th_err *err)
{
	struct logs_data *d = data;

	if (strcmp(value, "all") == 0) {
		d->choice = RUN_ALL;
		return 0;
	}
	if (parse_int(value, INT32_MIN, INT32_MAX, &d->run) < 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"'%s' is not a run: write its number, -1 for the run before the last, or "
			"'all'",
			value);
	d->choice = RUN_NUMBER;
	return 0;
}

/* A date in local time, or as logs have it. */
static bool parse_date(const char *value, usec_t *ret)
{
	static const char *const local[] = {
		"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", NULL};
	struct tm tm = {0};
	const char *end = strptime(value, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t t = -1;

	if (end && *end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (end && strcmp(end, "Z") == 0)
		t = timegm(&tm);
	for (size_t i = 0; t < 0 && local[i]; i++) {
		tm = (struct tm){.tm_isdst = -1};
		end = strptime(value, local[i], &tm);
		if (end && !*end)
			t = mktime(&tm);
	}
	if (t < 0)
		return false;
	*ret = (usec_t)t * USEC_PER_SEC;
	return true;
}

static int set_since(void *data, const char *value, struct th_err *err)
{
	struct logs_data *d = data;
	usec_t ago;

	if (parse_duration(value, &ago) == 0) {
		d->since = MAX(usec_sub(clock_realtime_usec(), ago), (usec_t)1);
		return 0;
	}
	if (parse_date(value, &d->since))
		return 0;
	return err_set(err, EXIT_USAGE, EINVAL,
		"--since=%s: not a time: write for example 10m, or '2026-11-21 10:30'", value);
}

static const struct cmd_option logs_options[] = {
	{0, "stdout", NULL, "only what the command wrote to its standard output",
		.flag = offsetof(struct logs_data, want_stdout)},
	{0, "stderr", NULL, "only what it wrote to its standard error",
		.flag = offsetof(struct logs_data, want_stderr)},
	{0, "hooks", NULL, "what its hooks wrote", .flag = offsetof(struct logs_data, want_hooks)},
	{0, "json", NULL, "the records of its hooks, one JSON object a line", .set = set_json},
	{0, "mark", NULL, "before each line where it came from; all to standard output",
		.flag = offsetof(struct logs_data, mark)},
	{'f', "follow", NULL, "go on with what comes, until the task has ended",
		.flag = offsetof(struct logs_data, follow)},
	{'n', "lines", "LINES", "only the last lines", .set = set_lines},
	{0, "since", "TIME", "only what came since then: 10m (ago), or a date", .set = set_since},
	{0, "run", "RUN", "run RUN, -1: the one before the last, 'all': all of them",
		.set = set_run},
	{0},
};

static const struct cmd_option *const groups[] = {logs_options, NULL};

/* ---- runs ---- */

struct selection {
	struct logruns runs;
	bool all;
	ssize_t index; /* as logread_find_run() takes it */
	unsigned number;
};

static unsigned first_number(const struct logruns *runs, unsigned latest)
{
	if (runs->n == 0)
		return latest;
	return runs->v[0].number > 1 ? runs->v[0].number - 1 : 1;
}

static int select_run(const struct logs_data *d, const struct task_view *v, struct selection *s,
	struct th_err *err)
{
	const struct logruns *runs = &s->runs;
	/* Without a line there was one run, whatever its number. */
	unsigned latest = runs->n ? runs->v[runs->n - 1].number
				  : MAX(v->has_record ? v->record.run_number : 1U, 1U);
	int64_t number = d->run > 0 ? d->run : (int64_t)latest + d->run;

	if (d->choice == RUN_ALL) {
		s->all = true;
		return 0;
	}
	s->index = (ssize_t)runs->n - 1;
	s->number = latest;
	if (d->choice == RUN_LATEST || number == latest)
		return 0;
	for (ssize_t i = s->index; i >= 0; i--)
		if (runs->v[i].number == number) {
			s->index = i;
			s->number = (unsigned)number;
			return 0;
		}
	if (number > 0 && runs->n && (unsigned)number == first_number(runs, latest)) {
		s->index = -1;
		s->number = (unsigned)number;
		return 0;
	}
	return err_set(err, EXIT_USAGE, ENOENT,
		"there is no run %" PRId64 " in its logs: they hold runs %u to %u", number,
		first_number(runs, latest), latest);
}

/* ---- output ---- */

static int open_log_dir(
	const struct layout *l, const struct task_view *v, int *ret, struct th_err *err)
{
	_cleanup_free_ char *group_dir = layout_group_dir(l, v->group);
	_cleanup_free_ char *shown = layout_log_dir(l, v->group, v->id);
	_cleanup_close_ int group = -1, task = -1;
	int fd;

	/* The task's user may write to the task's directory: no link is followed from there on. */
	group = open(group_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group >= 0)
		task = openat(group, v->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = task < 0 ? -1 : openat(task, "logs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	if (errno == ENOENT)
		return err_set(err, EXIT_UNAVAILABLE, errno, "there are no logs in '%s'", shown);
	return err_set(err, errno == EACCES ? EXIT_NOPERM : EXIT_INTERNAL, errno,
		"cannot open the logs in '%s': %m", shown);
}

static int explain_write(int r, struct th_err *err)
{
	if (r >= 0 || err_is_set(err) ||
		r == -EPIPE) /* its reader has seen enough: no news, but no success */
		return r;
	return err_set(err, EXIT_INTERNAL, -r, "cannot write the logs: %s", strerror(-r));
}

/* The lines that are to be shown and where to begin with them. */
struct shown {
	const struct logs_data *d;
	int dirfd;
	bool both;
	struct logplace at[LOG_STREAMS]; /* what comes next */
	bool begun;			 /* that is known */
	bool goes_on;			 /* an unfinished line may be finished later */
};

static bool wants(const struct shown *s, enum log_stream stream)
{
	return s->both || (stream == LOG_STDOUT ? s->d->want_stdout : s->d->want_stderr);
}

static void leave_unfinished(struct logmerge_part *part)
{
	char c = '\n';

	if (part->to > 0 && logread_read(part->r, part->to - 1, &c, 1) == 1 && c != '\n')
		part->to = logread_tail(part->r, part->from, part->to, 1);
}

static int open_part(struct shown *s, const struct selection *sel, enum log_stream stream,
	struct logmerge_part *part, struct th_err *err)
{
	const char *name = logruns_streams[stream];
	int r;

	if (!wants(s, stream))
		return 0;
	r = logread_open(s->dirfd, name, &part->r, err);
	if (r < 0)
		return r;
	part->to = logread_size(part->r);
	if (s->d->mark && s->goes_on)
		leave_unfinished(part);
	if (s->begun) {
		if (!s->at[stream].none && !logread_find(part->r, &s->at[stream], &part->from))
			log_notice("%s: some of it was rotated away", name);
	} else if (!sel->all &&
		   !logread_find_run(part->r, &sel->runs, sel->index, &part->from, &part->to)) {
		log_notice("%s: %s of run %u was rotated away", name,
			part->from == part->to ? "the output" : "the beginning", sel->number);
	}
	return 0;
}

static int print_segment(const struct shown *s, const struct logmerge_segment *seg,
	struct logread *r, struct th_err *err)
{
	bool alone = seg->stream == LOG_STDOUT || (!s->d->want_stdout && !s->both);

	if (s->d->mark)
		return logread_copy_marked(r, seg->from, seg->to, STDOUT_FILENO,
			seg->stream == LOG_STDOUT ? "stdout: " : "stderr: ", err);
	/* Alone it is data and goes where data goes; beside the other it stays apart. */
	return logread_copy(r, seg->from, seg->to, alone ? STDOUT_FILENO : STDERR_FILENO, err);
}

/* Both streams, from where the last call ended. */
static int print_streams(struct shown *s, const struct selection *sel, struct th_err *err)
{
	struct logmerge_part parts[LOG_STREAMS] = {{.r = NULL}};
	_cleanup_logindex_list_ struct logindex_list index = {0};
	_cleanup_logmerge_ struct logmerge merge = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < LOG_STREAMS; i++)
		r = open_part(s, sel, (enum log_stream)i, &parts[i], err);
	if (r >= 0)
		r = logindex_read(s->dirfd, &index, err);
	if (r >= 0) {
		logmerge_make(parts, &index, &merge);
		if (s->d->since && !s->begun)
			logmerge_since(&merge, s->d->since);
		if (s->d->has_lines && !s->begun)
			logmerge_tail(&merge, parts, s->d->lines);
	}
	for (size_t i = 0; r >= 0 && i < merge.n; i++)
		r = print_segment(s, &merge.v[i], parts[merge.v[i].stream].r, err);
	for (size_t i = 0; i < LOG_STREAMS; i++) {
		if (parts[i].r)
			logread_place(parts[i].r, parts[i].to, &s->at[i]);
		logread_free(parts[i].r);
	}
	s->begun = true;
	return explain_write(r, err);
}

/* Each line of hooks.log begins with its time, and they are in order. */
static uint64_t find_time(const struct logread *r, uint64_t from, uint64_t to, usec_t realtime)
{
	char since[CLOCK_RFC3339_MAX], line[CLOCK_RFC3339_MAX] = "";
	size_t len = strlen(clock_rfc3339(realtime, since, sizeof(since)));
	uint64_t end = to, found = to;

	while (from < end) {
		uint64_t middle = from + (end - from) / 2;
		uint64_t at = middle > from ? logread_line_begin(r, middle, end) : from;

		if (at >= end) { /* no line begins behind the middle */
			end = middle;
		} else if (logread_read(r, at, line, len) == (ssize_t)len &&
			   memcmp(line, since, len) < 0) {
			from = logread_line_begin(r, at + 1, to);
		} else {
			found = at;
			end = middle;
		}
	}
	return found;
}

static int print_hooks(struct shown *s, const struct selection *sel, struct logplace *at,
	bool begun, struct th_err *err)
{
	const char *name = s->d->json ? "hooks.jsonl" : "hooks.log";
	_cleanup_logread_ struct logread *r = NULL;
	uint64_t from = 0, to;
	int e = logread_open(s->dirfd, name, &r, err);

	if (e < 0)
		return e;
	to = logread_size(r);
	if (begun)
		(void)(at->none || logread_find(r, at, &from));
	else if (!sel->all && !logread_find_run(r, &sel->runs, sel->index, &from, &to))
		log_notice("%s: %s of run %u was rotated away", name,
			from == to ? "the output" : "the beginning", sel->number);
	if (s->d->since && !begun)
		from = find_time(r, from, to, s->d->since);
	if (s->d->has_lines && !begun)
		from = logread_tail(r, from, to, s->d->lines);
	logread_place(r, to, at);
	if (s->d->mark)
		e = logread_copy_marked(r, from, to, STDOUT_FILENO, "hooks: ", err);
	else
		e = logread_copy(r, from, to, STDOUT_FILENO, err);
	return explain_write(e, err);
}

/* What a start that failed leaves to read: which hook it was, and its last lines. */
static void say_failure(const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;

	if (!v->has_record || v->state != STATE_FAILED)
		return;
	if (o->failed_point != POINT_NONE)
		log_notice("the start failed: %s%s%s: %s", point_name(o->failed_point),
			o->failed_hook ? "/" : "", o->failed_hook ? o->failed_hook : "",
			o->failed_reason ? o->failed_reason : "no reason is known");
	else
		log_notice("the start failed: %s",
			o->failed_reason ? o->failed_reason : "no reason is known");
	for (size_t i = 0; i < v->record.output.n; i++)
		log_notice("| %s", v->record.output.v[i]);
}

/* ---- as it comes ---- */

static void on_change(void *arg, uint32_t events)
{
	char buf[4096];
	const int *fd = arg;

	(void)events;
	while (read(*fd, buf, sizeof(buf)) > 0)
		;
}

/* A change of the logs, or a look at whether there will be one. */
#define LOOK_USEC USEC_PER_SEC

static int follow(struct shown *s, const struct layout *l, const struct task_view *v,
	const struct selection *sel, struct logplace *hooks_at, struct th_err *err)
{
	_cleanup_free_ char *dir = layout_log_dir(l, v->group, v->id);
	_cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct loop_fd watch = {.fd = -1};
	struct loop *loop = loop_new();
	bool ended = false;
	int r = 0;

	/* Without, it is looked at each second. */
	if (fd >= 0 && inotify_add_watch(fd, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0 && loop)
		(void)loop_add_fd(loop, &watch, fd, EPOLLIN, on_change, &fd);
	while (r >= 0 && loop && !ended) {
		pid_t pid;

		/* In this order: what is written before its end is read after it. */
		ended = supervisor_find(l, v->group, v->id, &pid) != 1 &&
			recover_look(l, v->group, v->id, NULL) != 1;
		s->goes_on = !ended;
		r = s->both || s->d->want_stdout || s->d->want_stderr ? print_streams(s, sel, err)
								      : 0;
		if (r >= 0 && s->d->want_hooks)
			r = print_hooks(s, sel, hooks_at, true, err);
		if (r >= 0 && !ended && loop_run(loop, clock_monotonic_usec() + LOOK_USEC) < 0)
			break;
	}
	if (loop) {
		loop_remove_fd(loop, &watch);
		loop_free(loop);
	}
	return r;
}

static int print_logs(const struct logs_data *d, const struct layout *l, const struct task_view *v,
	int dirfd, struct th_err *err)
{
	struct shown s = {.d = d, .dirfd = dirfd};
	struct selection sel = {0};
	struct logplace hooks_at = {.none = true};
	bool latest;
	int r;

	s.goes_on = d->follow;
	s.both = !d->want_stdout && !d->want_stderr && !d->want_hooks;
	r = logruns_read(dirfd, &sel.runs, err);
	if (r == 0)
		r = select_run(d, v, &sel, err);
	latest = sel.all || sel.index == (ssize_t)sel.runs.n - 1;
	if (r == 0 && d->want_hooks)
		r = print_hooks(&s, &sel, &hooks_at, false, err);
	if (r == 0 && (s.both || d->want_stdout || d->want_stderr))
		r = print_streams(&s, &sel, err);
	if (r == 0 && d->follow && latest)
		r = follow(&s, l, v, &sel, &hooks_at, err);
	if (r == 0 && latest)
		say_failure(v);
	logruns_done(&sel.runs);
	return r;
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	const struct logs_data *d = data;
	_cleanup_free_ char *group = NULL, *id = NULL, *name = NULL;
	_cleanup_task_view_ struct task_view v = {0};
	_cleanup_close_ int dirfd = -1;
	struct th_err err = TH_ERR_INIT;
	struct rlimit files;
	int r;

	(void)argc;
	if (d->json && (d->mark || d->since))
		return cmd_usage(&cmd_logs, "--json has no marks, and its own times");
	if (cmd_load(ctx, &err) < 0 || cmd_find_task(ctx, argv[0], &group, &id, &err) < 0 ||
		task_view_read(&ctx->layout, group, id, &v, &err) < 0)
		return cmd_fail(&err);
	/* All files of a stream are held open at once, and [logs] max-files may be 1000. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	name = xasprintf("%s/%s", group, id);
	log_set_task(name);
	if (open_log_dir(&ctx->layout, &v, &dirfd, &err) < 0)
		return cmd_fail(&err);
	r = print_logs(d, &ctx->layout, &v, dirfd, &err);
	if (err_is_set(&err))
		return cmd_fail(&err);
	return r < 0 ? EXIT_INTERNAL : EXIT_OK;
}

const struct cmd cmd_logs = {
	.name = "logs",
	.synopsis = "[-f] [-n LINES] [--since=TIME] [--mark] [--stdout] [--stderr] [--hooks] "
		    "[OPTION...] TASK",
	.summary = "print what a task and its hooks wrote",
	.groups = groups,
	.min_args = 1,
	.max_args = 1,
	.data_size = sizeof(struct logs_data),
	.run = run,
};
