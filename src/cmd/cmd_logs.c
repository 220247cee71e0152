#include "config.h"

#include "cmd/cmd_logs.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/task_view.h"
#include "run/logread.h"
#include "run/logruns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>

enum run_choice {
	RUN_LATEST,
	RUN_NUMBER, /* above 0: RUN_NUMBER as hooks see it; else counted back from the latest */
	RUN_ALL,
};

struct logs_data {
	bool want_stdout, want_stderr, want_hooks, json;
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

static const struct cmd_option logs_options[] = {
	{0, "stdout", NULL, "only what the command wrote to its standard output",
		.flag = offsetof(struct logs_data, want_stdout)},
	{0, "stderr", NULL, "only what it wrote to its standard error",
		.flag = offsetof(struct logs_data, want_stderr)},
	{0, "hooks", NULL, "what its hooks wrote", .flag = offsetof(struct logs_data, want_hooks)},
	{0, "json", NULL, "the records of its hooks, one JSON object a line", .set = set_json},
	{'n', "lines", "LINES", "only the last lines of each", .set = set_lines},
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

static int print_stream(const struct logs_data *d, const struct selection *s, int dirfd,
	const char *name, int fd, struct th_err *err)
{
	_cleanup_logread_ struct logread *r = NULL;
	uint64_t from = 0, to;
	int e;

	e = logread_open(dirfd, name, &r, err);
	if (e < 0)
		return e;
	to = logread_size(r);
	if (!s->all && !logread_find_run(r, &s->runs, s->index, &from, &to))
		log_notice("%s: %s of run %u was rotated away", name,
			from == to ? "the output" : "the beginning", s->number);
	if (d->has_lines)
		from = logread_tail(r, from, to, d->lines);
	e = logread_copy(r, from, to, fd, err);
	if (e >= 0 || err_is_set(err))
		return e;
	if (e == -EPIPE) /* its reader has seen enough: no news, but no success */
		return e;
	return err_set(err, EXIT_INTERNAL, -e, "cannot write the logs: %s", strerror(-e));
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

static int print_logs(
	const struct logs_data *d, const struct task_view *v, int dirfd, struct th_err *err)
{
	struct selection s = {0};
	bool both = !d->want_stdout && !d->want_stderr && !d->want_hooks;
	/* Alone it is data and goes where data goes; beside the other it stays apart. */
	int stderr_to = d->want_stdout || both ? STDERR_FILENO : STDOUT_FILENO;
	int r;

	r = logruns_read(dirfd, &s.runs, err);
	if (r == 0)
		r = select_run(d, v, &s, err);
	if (r == 0 && d->want_hooks)
		r = print_stream(
			d, &s, dirfd, d->json ? "hooks.jsonl" : "hooks.log", STDOUT_FILENO, err);
	if (r == 0 && (d->want_stdout || both))
		r = print_stream(d, &s, dirfd, "stdout.log", STDOUT_FILENO, err);
	if (r == 0 && (d->want_stderr || both))
		r = print_stream(d, &s, dirfd, "stderr.log", stderr_to, err);
	if (r == 0 && (s.all || s.index == (ssize_t)s.runs.n - 1))
		say_failure(v);
	logruns_done(&s.runs);
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
	r = print_logs(d, &v, dirfd, &err);
	if (err_is_set(&err))
		return cmd_fail(&err);
	return r < 0 ? EXIT_INTERNAL : EXIT_OK;
}

const struct cmd cmd_logs = {
	.name = "logs",
	.synopsis = "[--stdout] [--stderr] [--hooks] [--json] [-n LINES] [--run=RUN] TASK",
	.summary = "print what a task and its hooks wrote",
	.groups = groups,
	.min_args = 1,
	.max_args = 1,
	.data_size = sizeof(struct logs_data),
	.run = run,
};
