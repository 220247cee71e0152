#include "config.h"

#include "cmd/task_view.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/lockfile.h"
#include "base/parse.h"
#include "model/jsonio.h"
#include "os/proc.h"
#include "run/janitor.h"
#include "run/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int cannot_read(const char *path, int r, struct th_err *err)
{
	return err_set(err, r == -EACCES || r == -EPERM ? EXIT_NOPERM : EXIT_UNAVAILABLE, -r,
		"cannot read '%s': %s", path, strerror(-r));
}

int task_view_groups(const struct layout *l, struct strv *ret, struct th_err *err)
{
	int r = janitor_groups(l, ret);

	return r < 0 ? cannot_read(l->state_dir, r, err) : 0;
}

int task_view_ids(const struct layout *l, const char *group, struct strv *ret, struct th_err *err)
{
	int r = janitor_tasks(l, group, ret);
	_cleanup_free_ char *path = layout_group_dir(l, group);

	return r < 0 ? cannot_read(path, r, err) : 0;
}

bool task_view_exists(const struct layout *l, const char *group, const char *id)
{
	_cleanup_free_ char *record = layout_record(l, group, id);
	_cleanup_free_ char *dir = layout_task_dir(l, group, id);
	_cleanup_free_ char *run = layout_run_task(l, group, id);

	return access(record, F_OK) == 0 || access(dir, F_OK) == 0 || access(run, F_OK) == 0;
}

static int read_record(const struct layout *l, struct task_view *v, struct th_err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/records/%s", l->state_dir, v->group);
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : cannot_read(dir, -errno, err);
	r = record_read(fd, v->id, &v->record, &why);
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG) {
		v->record_problem = xstrdup(err_text(&why));
		return 0;
	}
	if (r < 0)
		return err_set(err, why.status, -r, "%s", err_text(&why));
	v->has_record = true;
	return 0;
}

static int read_live(const struct layout *l, struct task_view *v, struct th_err *err)
{
	_cleanup_free_ char *dir = layout_run_task(l, v->group, v->id);
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : cannot_read(dir, -errno, err);
	r = lockfile_holder(fd, "lock", &v->supervisor_pid);
	if (r < 0)
		return cannot_read(dir, r, err);
	v->supervised = r > 0;
	/* A file of an earlier run stays until the supervisor replaces it. */
	v->has_live = live_read(fd, &v->live) == 0 &&
		      strcmp(v->live.boot_id, proc_boot_id()) == 0 && v->live.state >= 0 &&
		      v->live.state < STATE_COUNT &&
		      (!v->supervised || !v->supervisor_pid ||
			      v->live.supervisor_pid == v->supervisor_pid);
	return 0;
}

/* Its end is written: all that its supervisor has left to do is to let go of the lock. */
static bool is_over(const struct task_view *v)
{
	return v->supervised && !v->has_live && v->has_record && state_is_final(v->record.state) &&
	       v->record.supervisor_pid == v->supervisor_pid;
}

static void judge(struct task_view *v)
{
	v->state = STATE_INVALID;
	if (v->has_record)
		v->state = v->record.state;
	if (is_over(v))
		v->supervised = false;
	if (v->supervised) {
		v->state = v->has_live ? (enum task_state)v->live.state : STATE_NEW;
		v->since = v->has_live ? v->live.since_usec : v->record.started;
		return;
	}
	if (v->state != STATE_INVALID && state_is_final(v->state)) {
		v->since = v->record.ended ? v->record.ended : v->record.started;
		return;
	}
	if (v->has_live)
		v->state = (enum task_state)v->live.state;
	v->lost = v->state != STATE_INVALID;
	v->rebooted = v->has_record && strcmp(v->record.boot_id, proc_boot_id()) != 0;
	v->since = v->has_live ? v->live.since_usec : v->record.started;
}

/* Nothing has ended yet that the record would tell of. */
static bool live_tells_all(const struct task_view *v)
{
	return v->supervised && v->has_live && v->live.restart_count == 0 &&
	       v->live.state <= STATE_RUNNING;
}

static int read_view(const struct layout *l, const char *group, const char *id, bool brief,
	struct task_view *ret, struct th_err *err)
{
	struct task_view v = {.group = xstrdup(group), .id = xstrdup(id)};
	int r;

	/* The lock first: a task that ends in between has its end in the record. */
	r = read_live(l, &v, err);
	if (r == 0 && !(brief && live_tells_all(&v)))
		r = read_record(l, &v, err);
	if (r < 0) {
		task_view_done(&v);
		return r;
	}
	judge(&v);
	v.runs_on = v.lost && !brief && recover_look(l, group, id, NULL) == 1;
	*ret = v;
	return 0;
}

int task_view_read(const struct layout *l, const char *group, const char *id, struct task_view *ret,
	struct th_err *err)
{
	return read_view(l, group, id, false, ret, err);
}

int task_view_read_brief(const struct layout *l, const char *group, const char *id,
	struct task_view *ret, struct th_err *err)
{
	return read_view(l, group, id, true, ret, err);
}

void task_view_done(struct task_view *v)
{
	free(v->group);
	free(v->id);
	free(v->record_problem);
	record_done(&v->record);
	*v = (struct task_view){0};
}

const char *task_view_word(const struct task_view *v)
{
	if (v->lost)
		return "lost";
	if (v->state != STATE_INVALID)
		return state_summary(v->state);
	return v->record_problem ? "damaged" : "unknown";
}

bool task_view_is_live(const struct task_view *v)
{
	return v->supervised || v->lost || v->state == STATE_STUCK;
}

unsigned task_view_run_number(const struct task_view *v)
{
	return v->has_live ? v->live.run_number : v->record.run_number;
}

unsigned task_view_restarts(const struct task_view *v)
{
	return v->has_live ? v->live.restart_count : v->record.restart_count;
}

pid_t task_view_pid(const struct task_view *v)
{
	if (!v->has_live || v->live.main_pid <= 0)
		return 0;
	/* Its supervisor lives and has not seen its end; /proc is dear where there are thousands.
	 */
	if (v->supervised && v->live.state == STATE_RUNNING)
		return v->live.main_pid;
	return proc_is_alive(v->live.main_pid, v->live.main_start_ticks) ? v->live.main_pid : 0;
}

static char *hook_of_failure(const struct outcome *o)
{
	if (o->failed_point == POINT_NONE)
		return xstrdup(o->failed_hook ? o->failed_hook : "a hook");
	return xasprintf("%s%s%s", point_name(o->failed_point), o->failed_hook ? "/" : "",
		o->failed_hook ? o->failed_hook : "");
}

char *task_view_result(const struct task_view *v)
{
	const struct outcome *o = &v->record.outcome;
	_cleanup_free_ char *hook = NULL;

	if (!v->has_record)
		return xstrdup("");
	switch (o->result) {
	case RESULT_EXIT_CODE:
		return xasprintf("exit %d", o->exit_code);
	case RESULT_SIGNAL:
		return xasprintf("SIG%s", signal_name(o->exit_signal));
	case RESULT_HOOK_FAILED:
		hook = hook_of_failure(o);
		return xasprintf("%s failed", hook);
	case RESULT_HOOK_TIMEOUT:
		hook = hook_of_failure(o);
		return xasprintf("%s timed out", hook);
	case RESULT_TIMEOUT:
		return xstrdup("max-run-time");
	case RESULT_NONE:
	case RESULT_SUCCESS:
	case RESULT_OOM_KILL:
	case RESULT_START_FAILED:
	case RESULT_LOST:
	case RESULT_COUNT:
		break;
	}
	return xstrdup(result_name(o->result));
}

char *task_view_hook(const struct task_view *v, usec_t *ret_since, usec_t *ret_timeout)
{
	if (!v->supervised || !v->has_live || !*v->live.hook_name || v->live.hook_point < 0 ||
		v->live.hook_point >= POINT_COUNT)
		return NULL;
	*ret_since = v->live.hook_since_usec;
	*ret_timeout = v->live.hook_timeout_usec;
	return xasprintf(
		"%s/%s", point_name((enum hook_point)v->live.hook_point), v->live.hook_name);
}

/* ---- JSON ---- */

static void put_time(json_t *j, const char *name, usec_t realtime)
{
	char buf[CLOCK_RFC3339_MAX];

	if (realtime)
		json_put(j, name, json_string(clock_rfc3339(realtime, buf, sizeof(buf))));
}

static void put_hook(json_t *j, const struct task_view *v)
{
	usec_t since, timeout;
	_cleanup_free_ char *name = task_view_hook(v, &since, &timeout);
	json_t *hook;

	if (!name)
		return;
	hook = json_object();
	json_put_text(hook, "point", point_name((enum hook_point)v->live.hook_point));
	json_put_text(hook, "name", v->live.hook_name);
	if (v->live.hook_pid > 0)
		json_put(hook, "pid", json_integer(v->live.hook_pid));
	put_time(hook, "since", since);
	json_put_u64(hook, "running_usec", usec_sub(clock_realtime_usec(), since));
	json_put_u64(hook, "timeout_usec", timeout);
	json_put(j, "hook", hook);
}

/* What of the task as started is no secret. */
static void put_task(json_t *j, const struct record *r)
{
	static const char *const shown[] = {"command", "user", "file"};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		json_t *value = json_object_get(r->task, shown[i]);

		if (value)
			json_put(j, shown[i], json_incref(value));
	}
}

json_t *task_view_to_json(const struct task_view *v, const struct layout *l)
{
	static const char *const hidden[] = {"format", "taskhook", "group", "id", "uid", "boot_id",
		"supervisor", "state", "task", "hook_state", "result_file"};
	_cleanup_free_ char *dir = layout_task_dir(l, v->group, v->id);
	_cleanup_free_ char *logs = layout_log_dir(l, v->group, v->id);
	_cleanup_free_ char *name = xasprintf("%s/%s", v->group, v->id);
	json_t *j = json_object(), *record = NULL;
	pid_t pid = task_view_pid(v);

	json_put_text(j, "task", name);
	json_put_text(j, "group", v->group);
	json_put_text(j, "id", v->id);
	json_put_text(j, "state", task_view_word(v));
	if (v->state != STATE_INVALID)
		json_put_text(j, "phase", state_name(v->state));
	put_time(j, "since", v->since);
	if (v->supervised && v->supervisor_pid)
		json_put(j, "supervisor_pid", json_integer(v->supervisor_pid));
	if (pid)
		json_put(j, "pid", json_integer(pid));
	put_hook(j, v);
	if (v->has_live && *v->live.cgroup)
		json_put_text(j, "cgroup", v->live.cgroup);
	json_put_text(j, "directory", dir);
	json_put_text(j, "logs", logs);
	if (v->has_record) {
		put_task(j, &v->record);
		record = record_to_json(&v->record);
		for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
			(void)json_object_del(record, hidden[i]);
		(void)json_object_update(j, record);
		json_decref(record);
		/* The record's count is that of its writing. */
		if (v->has_live)
			json_put_u64(j, "restarts", v->live.restart_count);
	}
	json_put_text(j, "problem", v->record_problem);
	return j;
}
