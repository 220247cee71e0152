#include "config.h"

#include "run/hookpoint.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "os/cred.h"
#include "os/hostip.h"
#include "os/proc.h"
#include "run/hookenv.h"
#include "run/hookresult.h"
#include "run/hookrun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RESULT_NAME    "result"
#define STATE_DIR_NAME "hook-state"

/* Of the output of a failing hook, for the record. */
#define RECORD_LINES 20

void point_result_done(struct point_result *r)
{
	free(r->hook);
	free(r->reason);
	strv_done(&r->output);
	*r = (struct point_result){0};
}

/* ---- output ---- */

static struct hook_shown shown_as(const struct hook_session *s, const char *label)
{
	return (struct hook_shown){
		.loop = s->loop, .log = s->log, .show = &s->show, .label = label};
}

static void take_line(void *arg, const struct hook *h, const char *line, size_t n)
{
	(void)h;
	hook_shown_take_line(arg, line, n);
}

/* A process that a hook left in the background says something. */
static void take_background_line(
	void *arg, enum hook_point point, const char *name, const char *line, size_t n)
{
	struct hook_session *s = arg;
	_cleanup_free_ char *label = xasprintf("%s/%s", point_name(point), name);
	struct hook_shown out = shown_as(s, label);

	hook_shown_tell_line(&out, line, n);
}

/* ---- files of one hook ---- */

/* An empty $HOOK_RESULT that only this hook's user may write. The one before is used again where it
 * was not touched, as most hooks hand nothing back. */
static int prepare_result(struct hook_session *s, const struct cred *cred, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	uid_t uid = cred ? cred->uid : geteuid();

	if (fstatat(s->run_fd, RESULT_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISREG(st.st_mode) && st.st_size == 0 && st.st_uid == uid && st.st_nlink == 1)
			return 0;
		if (rmtree_at(s->run_fd, RESULT_NAME, NULL, NULL, NULL) < 0)
			return err_set(err, EXIT_CANTCREAT, EEXIST, "cannot replace '%s/%s'",
				s->run_path, RESULT_NAME);
	}
	fd = openat(
		s->run_fd, RESULT_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot make '%s/%s': %m", s->run_path,
			RESULT_NAME);
	if (cred && cred->uid != geteuid() && fchown(fd, cred->uid, cred->gid) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot give '%s/%s' to user '%s': %m",
			s->run_path, RESULT_NAME, cred->name);
	return 0;
}

static int prepare_state_dir(
	struct hook_session *s, const char *name, const struct cred *cred, struct th_err *err)
{
	_cleanup_close_ int fd = -1;
	bool made;

	if (!s->has_state_fd) {
		fd = path_mkdir_open(s->run_fd, STATE_DIR_NAME, 0711, NULL);
		if (fd < 0)
			return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s/%s': %s",
				s->run_path, STATE_DIR_NAME, strerror(-fd));
		s->state_fd = TAKE_FD(fd);
		s->has_state_fd = true;
	}
	fd = path_mkdir_open(s->state_fd, name, 0700, &made);
	if (fd < 0)
		return err_set(err, EXIT_CANTCREAT, -fd, "cannot make '%s/%s/%s': %s", s->run_path,
			STATE_DIR_NAME, name, strerror(-fd));
	if (cred && made && cred->uid != geteuid() && fchown(fd, cred->uid, cred->gid) < 0)
		return err_set(err, EXIT_CANTCREAT, errno,
			"cannot give '%s/%s/%s' to user '%s': %m", s->run_path, STATE_DIR_NAME,
			name, cred->name);
	return 0;
}

/* ---- what whoever takes over is told ---- */

static void note_started(void *arg, const struct proctree *tree)
{
	struct hook_session *s = arg;
	struct live_state *l;

	if (!s->live)
		return;
	l = live_begin(s->live);
	l->hook_pid = tree->pid;
	l->hook_start_ticks = tree->start_ticks;
	l->hook_keeper_pid = tree->keeper;
	l->hook_keeper_start_ticks = tree->keeper_start_ticks;
	live_end(s->live);
}

static void note_hook(struct hook_session *s, enum hook_point point, const struct hook *h)
{
	struct live_state *l;

	if (!s->live)
		return;
	l = live_begin(s->live);
	l->hook_point = (int32_t)point;
	l->hook_since_usec = h ? clock_realtime_usec() : 0;
	l->hook_timeout_usec = h ? h->settings.timeout : 0;
	l->hook_pid = 0;
	l->hook_keeper_pid = 0;
	(void)snprintf(l->hook_name, sizeof(l->hook_name), "%s", h ? h->name : "");
	live_end(s->live);
}

/* What other points do is to be there anew, or is not to be done twice: they begin with their first
 * hook, or with none. */
static bool goes_on(enum hook_point point)
{
	return point == POINT_POST_EXIT || point == POINT_PRE_RESTART;
}

static void note_done(struct hook_session *s, enum hook_point point, const struct hook *h)
{
	struct live_state *l;

	if (!s->live || !goes_on(point))
		return;
	if (s->keep_results)
		s->keep_results(s->arg);
	l = live_begin(s->live);
	(void)snprintf(l->hook_done, sizeof(l->hook_done), "%s", h->name);
	live_end(s->live);
}

/* Where to begin. */
static size_t first_of(const struct hook_session *s, const struct hook_list *list)
{
	if (!s->resumes || !s->live || !goes_on(list->point))
		return 0;
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i]->verdict == HOOK_RUN &&
			strcmp(list->v[i]->name, live_get(s->live)->hook_done) == 0)
			return i + 1;
	return 0;
}

/* ---- one hook ---- */

/* Waits through the loop, so that signals and log pumps are served. */
static void wait_between_tries(struct hook_session *s, usec_t until)
{
	while (clock_monotonic_usec() < until && !(s->interrupt && *s->interrupt))
		if (loop_run(s->loop, until) < 0)
			return;
}

struct attempt {
	bool failed, timed_out, interrupted;
	char *reason;
};

static int read_result(struct hook_session *s, const struct cred *cred, const char *label,
	struct attempt *a, struct th_err *err)
{
	_cleanup_free_ char *shown = NULL;
	_cleanup_hook_result_ struct hook_result result = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct stat st;

	(void)err;
	/* Most hooks hand nothing back, and it costs less to see that than to open the file. */
	if (fstatat(s->run_fd, RESULT_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_size == 0)
		return 0;
	shown = xasprintf("%s/%s", s->run_path, RESULT_NAME);
	if (hook_result_read(s->run_fd, RESULT_NAME, shown, &result, &why) < 0) {
		a->failed = true;
		a->reason = xasprintf("what it wrote to HOOK_RESULT is wrong: %s", err_text(&why));
		return 0;
	}
	hook_session_keep_result(s, cred ? cred->uid : geteuid(), label, &result);
	return 0;
}

/* Of the group alone, and not of a task of it. */
static bool is_of_group(const struct hook_session *s, enum hook_point point)
{
	return s->group_only || point_is_group(point);
}

static void make_environment(struct hook_session *s, const struct hook *h, enum hook_point point,
	const struct cred *as, const char *label, struct strv *ret)
{
	_cleanup_free_ char *result_file = xasprintf("%s/%s", s->run_path, RESULT_NAME);
	_cleanup_free_ char *state_dir =
		xasprintf("%s/%s/%s", s->run_path, STATE_DIR_NAME, h->name);
	_cleanup_free_ char *group_cg = cgtree_path(s->cg, s->task->group, NULL);
	_cleanup_free_ char *task_cg =
		s->group_only ? NULL : cgtree_path(s->cg, s->task->group, s->task->id);
	_cleanup_strv_ struct strv state = STRV_INIT;
	uid_t uid = as ? as->uid : geteuid();

	hook_session_state_of(s, label, uid, &state);
	if (!s->knows_ip && !s->task->node.ip)
		s->node_ip = hostip_find();
	s->knows_ip = true;
	hook_env_build(
		&(struct hook_env){
			.layout = s->layout,
			.task = s->task,
			.point = point,
			.hook = h,
			.task_cgroup = task_cg,
			.group_cgroup = group_cg,
			.task_pid = s->task_pid,
			.run_number = s->run_number,
			.restart_count = s->restart_count,
			.update_keys = s->update_keys,
			.update_values = s->update_values,
			.outcome = s->outcome,
			.duration = s->duration,
			.result_file = result_file,
			.state_dir = state_dir,
			.taskhook = proc_own_program(),
			.node_ip = s->node_ip,
			.home = as ? as->home : NULL,
			.user = as ? as->name : NULL,
			.handed = hook_session_handed_env(s, uid),
			.state = &state,
			.artifacts = s->artifacts,
		},
		ret);
}

static char *working_directory(const struct hook_session *s, enum hook_point point)
{
	if (point == POINT_POST_CLEANUP) /* the group's directory is gone */
		return xasprintf("%s/tasks", s->layout->state_dir);
	return is_of_group(s, point) ? layout_group_dir(s->layout, s->task->group)
				     : layout_task_dir(s->layout, s->task->group, s->task->id);
}

/* What a hook with stdin = record reads. */
static char *record_text(const struct hook_session *s)
{
	json_t *j = s->record_json ? s->record_json(s->arg) : json_object();
	char *text = json_dumps(j, JSON_INDENT(2));

	json_decref(j);
	return text;
}

static void log_attempt(struct hook_session *s, const struct hook_run *run, unsigned number,
	const struct attempt *attempt)
{
	json_t *line;

	if (!s->log)
		return;
	line = hook_run_to_json(run, number);
	if (attempt->failed && !run->failed) /* only its result is bad */
		(void)json_object_set_new(line, "reason", json_string(attempt->reason));
	hooklog_record(s->log, line);
	json_decref(line);
}

/* What it left running, in its cgroup, ends with the group or the task. */
static void settle_left(
	struct hook_session *s, enum hook_point point, const char *label, struct hook_run *run)
{
	if (run->children_left && !run->failed) {
		log_notice("%s left processes running; they end with the %s", label,
			is_of_group(s, point) && s->cg->on ? "group" : "task");
		hook_session_keep_left(s, label, &run->tree);
	} else if (run->given_up) {
		hook_session_keep_left(s, label, &run->tree);
	} else if (run->failed) {
		cgtree_hook_drop(s->cg);
	}
}

static int run_once(struct hook_session *s, const struct hook *h, enum hook_point point,
	unsigned number, usec_t deadline, struct hook_shown *out, struct attempt *ret,
	struct th_err *err)
{
	_cleanup_cred_ struct cred cred = {0};
	const struct cred *as = h->settings.user ? &cred : NULL;
	_cleanup_strv_ struct strv env = STRV_INIT;
	_cleanup_free_ char *cwd = NULL, *record = NULL;
	struct hook_run run = {.tree = PROCTREE_INIT};
	int r;

	if (as && cred_lookup(h->settings.user, NULL, &cred, err) < 0)
		return -EINVAL;
	r = prepare_result(s, as, err);
	if (r == 0)
		r = prepare_state_dir(s, h->name, as, err);
	if (r < 0)
		return r;
	make_environment(s, h, point, as, out->label, &env);
	cwd = working_directory(s, point);
	if (h->settings.stdin_record)
		record = record_text(s);
	run.runner = s->runner;
	run.loop = s->loop;
	run.hook = h;
	run.point = point;
	run.env = &env;
	run.cwd = cwd;
	run.cgroup_fd =
		cgtree_hook(s->cg, s->task->group, is_of_group(s, point) ? NULL : s->task->id, err);
	if (s->cg->on && run.cgroup_fd < 0)
		return -EIO;
	run.cred = as;
	run.stdin_data = record;
	run.stdin_size = record ? strlen(record) : 0;
	run.line = take_line;
	run.line_arg = out;
	run.interrupt = s->interrupt;
	run.deadline = deadline;
	run.started = note_started;
	run.started_arg = s;

	r = hook_run(&run, err);
	if (r >= 0) {
		ret->failed = run.failed;
		ret->timed_out = run.timed_out;
		ret->interrupted = run.interrupted;
		ret->reason = run.reason ? xstrdup(run.reason) : NULL;
		if (!run.failed)
			r = read_result(s, as, out->label, ret, err);
		log_attempt(s, &run, number, ret);
		settle_left(s, point, out->label, &run);
	}
	proctree_done(&run.tree);
	hook_run_done(&run);
	return r;
}

static int run_hook(struct hook_session *s, const struct hook *h, enum hook_point point,
	usec_t deadline, struct hook_shown *out, struct attempt *ret, struct th_err *err)
{
	unsigned tries = 1 + h->settings.retries;
	int r = 0;

	if (hook_session_kill_left_of(s, out->label, clock_monotonic_usec() + HOOK_GIVE_UP_USEC) <
		0)
		log_warning("%s: what it left running last time could not be ended, continuing",
			out->label);
	note_hook(s, point, h);
	for (unsigned i = 1; i <= tries; i++) {
		free(ret->reason);
		*ret = (struct attempt){0};
		hook_shown_begin(out, h->settings.timeout, s->terminal);
		r = run_once(s, h, point, i, deadline, out, ret, err);
		hook_shown_end(out);
		if (r < 0 || !ret->failed || ret->interrupted || i == tries)
			break;
		log_notice("%s: %s; try %u of %u follows", out->label, ret->reason, i + 1, tries);
		wait_between_tries(s, usec_add(clock_monotonic_usec(), h->settings.retry_delay));
		if (clock_monotonic_usec() >= deadline || (s->interrupt && *s->interrupt))
			break;
	}
	note_hook(s, POINT_NONE, NULL);
	return r;
}

/* ---- a point ---- */

static enum hook_on_failure failure_policy(const struct hook *h, enum hook_point point)
{
	switch (h->settings.on_failure) {
	case ON_FAILURE_DEFAULT:
		return point_is_fatal(point) ? ON_FAILURE_FAIL : ON_FAILURE_WARN;
	case ON_FAILURE_STOP:
		/* Stops the task where it runs; before the launch that is to fail, after its end
		 * there is nothing to stop. */
		if (point_is_fatal(point))
			return ON_FAILURE_FAIL;
		return point == POINT_POST_START ? ON_FAILURE_STOP : ON_FAILURE_WARN;
	case ON_FAILURE_FAIL:
	case ON_FAILURE_WARN:
	case ON_FAILURE_IGNORE:
		break;
	}
	return h->settings.on_failure;
}

static void fill_fatal(struct point_result *ret, const struct hook *h, const struct attempt *a,
	const struct hook_shown *out)
{
	ret->fatal = true;
	ret->timed_out = a->timed_out;
	str_replace(&ret->hook, h->name);
	str_replace(&ret->reason, a->reason ? a->reason : "failed");
	strv_clear(&ret->output);
	hook_shown_last(out, RECORD_LINES, &ret->output);
}

/* Returns true where the point ends here. */
static bool take_failure(struct hook_session *s, const struct hook *h, enum hook_point point,
	const struct attempt *a, struct hook_shown *out, struct point_result *ret)
{
	enum hook_on_failure policy = failure_policy(h, point);
	_cleanup_free_ char *text = NULL;

	if (policy == ON_FAILURE_IGNORE) {
		log_info("%s: %s, ignoring", out->label, a->reason);
		return false;
	}
	hook_shown_failing(out);
	ret->n_failed++;
	if (policy == ON_FAILURE_WARN) {
		text = xasprintf("%s: %s, continuing", out->label, a->reason);
		s->warn(s->arg, text);
		return false;
	}
	fill_fatal(ret, h, a, out);
	ret->stop = policy == ON_FAILURE_STOP || point == POINT_POST_START;
	return true;
}

static void tell_skip(struct hook_session *s, const struct hook *h, enum hook_point point)
{
	json_t *line;

	/* Files that are no hooks by their name, such as 10-net.conf, are nobody's news. */
	if (hook_name_problem(h->name) && !h->begins_with_shebang)
		return;
	if (h->begins_with_shebang && !s->told_skips)
		log_notice("%s: skipped: %s ('taskhook hooks list' tells more)", h->path,
			h->reason ? h->reason : "not selected");
	if (!s->log)
		return;
	line = hook_skip_to_json(h, point);
	hooklog_record(s->log, line);
	json_decref(line);
}

static void take_unsafe(
	struct hook_session *s, const struct hook *h, enum hook_point point, struct attempt *ret)
{
	json_t *line = hook_skip_to_json(h, point);

	if (s->log)
		hooklog_record(s->log, line);
	json_decref(line);
	ret->failed = true;
	ret->reason = xasprintf("refused: %s%s%s%s", h->reason ? h->reason : "unsafe",
		h->fix ? " (mend it with: " : "", h->fix ? h->fix : "", h->fix ? ")" : "");
}

/* Hooks that prepare a task may say that it is prepared for all of its restarts. True where this
 * one has. */
static bool pass_over(struct hook_session *s, const char *label, enum hook_point point)
{
	const json_t *entry = json_object_get(s->state, label);

	if (s->restart_count == 0 || !json_is_true(json_object_get(entry, "done")) ||
		(point != POINT_PRE_RESTART && point != POINT_PRE_START &&
			point != POINT_POST_START))
		return false;
	hook_session_hand_on_again(s, label);
	return true;
}

/* That it could not be started is a failure of the hook, and not of the point. */
static void run_in_time(struct hook_session *s, const struct hook *h, enum hook_point point,
	usec_t deadline, struct hook_shown *out, struct attempt *a, struct point_result *ret,
	struct th_err *err)
{
	if (clock_monotonic_usec() >= deadline) {
		a->failed = a->timed_out = true;
		a->reason = xstrdup("not run: total-timeout of the hook point is used up");
		return;
	}
	ret->begun = true;
	ret->n_run++;
	if (run_hook(s, h, point, deadline, out, a, err) >= 0)
		return;
	err_prefix(err, "%s", out->label);
	a->failed = true;
	free(a->reason);
	a->reason = xstrdup(err_text(err));
	err_clear(err);
}

static int run_list(struct hook_session *s, const struct hook_list *list, struct point_result *ret,
	struct th_err *err)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), s->task->hooks_total_timeout);
	enum hook_point point = list->point;

	for (size_t i = first_of(s, list); i < list->n; i++) {
		const struct hook *h = list->v[i];
		_cleanup_free_ char *label = xasprintf("%s/%s", point_name(point), h->name);
		struct hook_shown out = shown_as(s, label);
		struct attempt a = {0};
		bool end = false;

		if (s->only && strcmp(s->only, h->name) != 0)
			continue;
		switch (h->verdict) {
		case HOOK_MASKED:
			continue;
		case HOOK_SKIP:
			tell_skip(s, h, point);
			continue;
		case HOOK_UNSAFE:
			take_unsafe(s, h, point, &a);
			break;
		case HOOK_RUN:
			if (pass_over(s, label, point))
				continue;
			run_in_time(s, h, point, deadline, &out, &a, ret, err);
			break;
		}
		if (a.interrupted)
			ret->interrupted = end = true;
		else if (a.failed)
			end = take_failure(s, h, point, &a, &out, ret);
		/* Before anybody is told of a failure it stands in the log; the rest is gathered.
		 */
		if (s->log && a.failed)
			hooklog_flush(s->log);
		if (!end && h->verdict == HOOK_RUN)
			note_done(s, point, h);
		free(a.reason);
		hook_shown_done(&out);
		if (end)
			break;
	}
	if (s->log)
		hooklog_flush(s->log);
	return 0;
}

int hook_session_point(
	struct hook_session *s, enum hook_point point, struct point_result *ret, struct th_err *err)
{
	struct hook_context ctx = {
		.group = s->task->group,
		.node_roles = &s->task->node.roles,
		.has_ended = s->outcome && s->outcome->result != RESULT_NONE,
		.succeeded = s->outcome && s->outcome->result == RESULT_SUCCESS,
	};
	struct hook_list list = {.point = point};
	int r;

	if (!s->cache)
		s->cache = hook_cache_new();
	hook_cache_set_moment(s->cache, loop_waits(s->loop));
	if (hookdir_is_empty(s->layout, s->task, point, s->cache))
		return 0;
	if (!s->runner)
		s->runner = hook_runner_new(s->loop, take_background_line, s);
	r = hookdir_list(s->layout, s->task, point, &ctx, s->as_root, s->cache, &list, err);
	if (r == 0)
		r = run_list(s, &list, ret, err);
	hook_list_done(&list);
	return r;
}
