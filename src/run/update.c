#include "config.h"

#include "run/update.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/jsonio.h"
#include "run/deploy.h"
#include "run/launch.h"
#include "run/maxtime.h"
#include "run/requests.h"
#include "run/stage.h"
#include "run/taskdir.h"
#include "run/updateplan.h"
#include "run/updates.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How often the limits of a group may be changed by others while we look at them. */
#define STALE_TRIES 16

static void say_lines(struct context *c, const struct update_job *job)
{
	for (size_t i = 0; i < job->lines.n; i++)
		updates_say(c, job, ANSWER_CHANGE, xstrdup(job->lines.v[i]));
}

/* ---- putting it in place ---- */

/* What has been changed since the start, with `changes` added. A new reference; may be NULL. */
static json_t *add_marks(json_t *before, const struct update_changes *changes)
{
	json_t *marks = before ? json_copy(before) : json_object();
	usec_t now = clock_realtime_usec();
	char when[CLOCK_RFC3339_MAX];

	for (size_t i = 0; i < changes->n; i++) {
		const struct update_change *c = &changes->v[i];
		const json_t *old = json_object_get(marks, c->key);
		_cleanup_free_ char *from = old ? json_to_text(json_object_get(old, "from")) : NULL;
		const char *first = old ? from : c->from;
		json_t *j;

		/* As it was at the start. */
		if (c->id != CONF_KEY_COUNT &&
			(first && c->to ? strcmp(first, c->to) == 0 : first == c->to)) {
			(void)json_object_del(marks, c->key);
			continue;
		}
		j = json_object();
		json_put_text(j, "from", first);
		json_put_text(j, "previous", c->from);
		json_put_text(j, "to", c->to);
		json_put_text(j, "at", clock_rfc3339(now, when, sizeof(when)));
		json_put_u64(j, "at_usec", now);
		json_put(marks, c->key, j);
	}
	return marks;
}

static int resolve_user_again(struct context *c, const struct task *before, struct th_err *err)
{
	const struct strv *a = &before->supplementary_groups, *b = &c->task->supplementary_groups;
	struct cred cred = c->cred;
	bool switch_user = c->switch_user;
	int r;

	if (before->has_supplementary_groups == c->task->has_supplementary_groups && a->n == b->n) {
		size_t i = 0;

		while (i < a->n && strcmp(a->v[i], b->v[i]) == 0)
			i++;
		if (i == a->n)
			return 0;
	}
	c->cred = (struct cred){0};
	c->switch_user = false;
	r = launch_resolve_user(c, err);
	if (r == 0) {
		cred_done(&cred);
		return 0;
	}
	cred_done(&c->cred);
	c->cred = cred;
	c->switch_user = switch_user;
	return r;
}

/* What a launch would find wrong at once. */
static int check_launch(const struct context *c, struct th_err *err)
{
	const struct task *t = c->task;
	_cleanup_free_ char *dir = layout_task_dir(c->layout, t->group, t->id), *path = NULL;
	_cleanup_strv_ struct strv env = STRV_INIT;
	const char *cwd = t->workdir ? t->workdir : dir;
	int r = launch_try_rights(c, cwd, err);

	if (r < 0)
		return r;
	if (t->stdin_from[0] == '/' && access(t->stdin_from, R_OK) < 0)
		return err_set(
			err, EXIT_CONFIG, errno, "cannot open '%s' for stdin: %m", t->stdin_from);
	launch_environment(c, &env);
	return launch_find_program(t->command.v[0], &env, cwd, &path, err);
}

static int change_limits(struct context *c, const struct cglimits *from, const struct cglimits *to,
	struct th_err *err)
{
	int r;

	if (cglimits_equal(from, to) || c->cg.task_fd < 0)
		return 0;
	r = cgtree_enable(&c->cg, c->task, &c->group_limits, err);
	return r < 0 ? r : cglimits_change(c->cg.task_fd, from, to, "limits", err);
}

static int change_group(struct context *c, const struct cglimits *from, const struct cglimits *to,
	struct th_err *err)
{
	struct cglimits copy = CGLIMITS_INIT;
	int r = cgtree_enable(&c->cg, c->task, to, err);

	if (r == 0)
		r = deploy_change_limits(c, from, to, err);
	if (r < 0)
		return r;
	if (deploy_read_limits(c, &copy, NULL) < 0)
		cglimits_done(&copy);
	cglimits_done(&c->group_limits);
	c->group_limits = copy;
	return 0;
}

static void note_update(struct context *c, unsigned what)
{
	if (!c->live)
		return;
	live_begin(c->live)->update_begun = (uint8_t)what;
	live_end(c->live);
}

/*
 * The values of `other` become the task's, in the record, in the cgroup and wherever else they are;
 * `other` has those that were before. `marks` becomes the record's, whose own is in *marks
 * afterwards. With `group_to` the group too. 0; -ESTALE without err: the group has changed
 * meanwhile; -errno with err. Then all is as it was.
 */
static int put_in_place(struct context *c, struct task *other, const struct cglimits *group_from,
	const struct cglimits *group_to, json_t **marks, unsigned owed, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct task *t = c->task;
	json_t *kept = c->record.updates;
	int r;

	update_swap(t, other);
	c->record.updates = *marks;
	context_forget_record_task(c);
	note_update(c, LIVE_UPDATE_CGROUP | owed);
	r = context_write_record(c, err);
	if (r == 0)
		r = resolve_user_again(c, other, err);
	if (r == 0 && (owed & LIVE_UPDATE_RESTART))
		r = check_launch(c, err);
	if (r == 0)
		r = change_limits(c, &other->limits, &t->limits, err);
	if (r == 0 && group_to) {
		r = change_group(c, group_from, group_to, err);
		if (r < 0 && change_limits(c, &t->limits, &other->limits, &why) < 0)
			context_warn(c, "cannot undo an update: %s", err_text(&why));
	}
	if (r < 0) {
		update_swap(t, other);
		c->record.updates = kept;
		context_forget_record_task(c);
		(void)resolve_user_again(c, other, NULL);
		(void)context_write_record(c, NULL);
		note_update(c, LIVE_UPDATE_NONE);
		return r;
	}
	*marks = kept;
	taskdir_set_log_limits(c);
	maxtime_change(c, other->max_run_time);
	note_update(c, owed);
	return 0;
}

/* ---- hooks ---- */

static int run_hooks(struct context *c, const struct update_changes *changes, enum hook_point point,
	struct point_result *ret, struct th_err *err)
{
	_cleanup_free_ char *keys = update_changes_keys(changes);
	_cleanup_strv_ struct strv values = STRV_INIT;
	int rc;

	if (point == POINT_PRE_UPDATE) {
		c->requests.interrupt_hooks = c->requests.stop;
		c->hooks.interrupt = &c->requests.interrupt_hooks;
	}
	update_changes_values(changes, &values);
	c->hooks.update_keys = keys;
	c->hooks.update_values = &values;
	rc = stage_run_point(c, point, ret, err);
	c->hooks.update_keys = NULL;
	c->hooks.update_values = NULL;
	c->hooks.interrupt = NULL;
	return rc;
}

static char *describe_hook(enum hook_point point, const struct point_result *hooks,
	const struct th_err *why, int *ret_status)
{
	if (!hooks->hook) {
		*ret_status = why->status ? why->status : EXIT_INTERNAL;
		return xasprintf("%s: %s", point_name(point), err_text(why));
	}
	*ret_status = hooks->timed_out ? EXIT_HOOK_TIMEOUT : EXIT_HOOK_FAILED;
	return xasprintf("%s/%s: %s", point_name(point), hooks->hook, hooks->reason);
}

/* False: the update has ended. */
static bool run_pre_hooks(
	struct context *c, struct update_job *job, const struct update_changes *changes)
{
	_cleanup_point_ struct point_result hooks = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL, *line = NULL;
	bool had_process = context_has_process(c);
	int status, r;

	updates_add_hooks(c, job);
	r = run_hooks(c, changes, POINT_PRE_UPDATE, &hooks, &why);
	if (c->requests.stop) {
		updates_end(c, job, EXIT_BUSY, "it is being stopped, nothing was changed");
		return false;
	}
	if (r < 0 || hooks.fatal) {
		text = describe_hook(POINT_PRE_UPDATE, &hooks, &why, &status);
		line = xasprintf("not updated: %s", text);
		log_warning("%s", line);
		updates_end(c, job, status, line);
		return false;
	}
	if (had_process && !context_has_process(c)) {
		updates_end(
			c, job, EXIT_BUSY, "its process has ended meanwhile, nothing was changed");
		return false;
	}
	return true;
}

/* What a fatal one is to be told with, and *ret_status; or NULL. The caller frees it. */
static char *run_post_hooks(
	struct context *c, const struct update_changes *changes, int *ret_status)
{
	_cleanup_point_ struct point_result hooks = {0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;
	char *line;

	/* As those of post-start: whoever takes over now does not run them a second time. */
	note_update(c, LIVE_UPDATE_NONE);
	(void)run_hooks(c, changes, POINT_POST_UPDATE, &hooks, &why);
	if (!hooks.fatal)
		return NULL;
	text = describe_hook(POINT_POST_UPDATE, &hooks, &why, ret_status);
	line = xasprintf("%s (the new values hold)", text);
	log_warning("%s", line);
	return line;
}

/* Runs the post-update hooks, and ends it. */
static void finish(struct context *c, struct update_job *job, const struct update_changes *changes,
	unsigned warned_before)
{
	int status = EXIT_OK;
	_cleanup_free_ char *line = run_post_hooks(c, changes, &status);

	if (!line && c->warned > warned_before)
		status = EXIT_WITH_FAILURES;
	context_write_news(c);
	updates_end(c, job, status, line);
}

/* ---- of a supervisor that was killed ---- */

/* What the last update has changed, as far as the values are not those of the start again. */
static void last_changes(const struct context *c, struct update_changes *ret)
{
	json_int_t last = 0, at;
	const char *key;
	json_t *mark;

	json_object_foreach(c->record.updates, key, mark)
	{
		at = json_integer_value(json_object_get(mark, "at_usec"));
		last = MAX(last, at);
	}
	json_object_foreach(c->record.updates, key, mark)
	{
		at = json_integer_value(json_object_get(mark, "at_usec"));
		if (at == last)
			update_change_add(ret,
				&(struct update_change){.key = xstrdup(key),
					.from = json_to_text(json_object_get(mark, "previous")),
					.to = json_to_text(json_object_get(mark, "to"))});
	}
}

/* Those of its command line, which were for it alone. */
static void drop_hooks(struct context *c)
{
	struct task *t = c->task;
	size_t before = t->n_hook_options;

	for (size_t i = t->n_hook_options; i-- > 0;) {
		const struct hook_option *o = &t->hook_options[i];

		if ((o->point == POINT_PRE_UPDATE || o->point == POINT_POST_UPDATE) &&
			strcmp(o->option, "--hook") != 0)
			task_remove_hook_options(t, i, 1);
	}
	if (t->n_hook_options == before)
		return;
	context_forget_record_task(c);
	context_complete_record(c);
}

static void run_owed_hooks(struct context *c)
{
	_cleanup_update_changes_ struct update_changes changes = {.n = 0};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int status;

	c->owes_update_hooks = false;
	last_changes(c, &changes);
	free(run_post_hooks(c, &changes, &status));
	drop_hooks(c);
	if (context_write_record(c, &why) < 0)
		context_warn(c, "%s, continuing", err_text(&why));
}

/* ---- one update ---- */

static void log_changes(const struct update_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		_cleanup_free_ char *line = update_change_format(&changes->v[i]);

		log_notice("updated: %s", line);
	}
}

static void begin_restart(
	struct context *c, struct update_job *job, struct update_plan *p, json_t **marks)
{
	job->before = TAKE_PTR(p->next);
	job->marks_before = *marks;
	*marks = NULL;
	if (p->changes_group) {
		job->group_before = p->group_from;
		p->group_from = (struct cglimits)CGLIMITS_INIT;
	}
	job->changes = p->changes;
	p->changes = (struct update_changes){.n = 0};
	c->updating = job;
	requests_restart(c);
}

/* 0: nothing stands against `p`; 1: the update has ended. */
static int look(struct context *c, struct update_job *job, struct update_plan *p)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int status;

	if (update_plan_make(c, &job->request, p, &why) < 0) {
		updates_end(c, job, why.status ? why.status : EXIT_INTERNAL, err_text(&why));
		return 1;
	}
	status = update_plan_check(c, job, p);
	if (status != EXIT_OK) {
		updates_end(c, job, status, "nothing was changed");
		return 1;
	}
	if (p->changes.n)
		return 0;
	updates_say(c, job, ANSWER_CHANGE, xstrdup("nothing to change"));
	updates_end(c, job, EXIT_OK, NULL);
	return 1;
}

/* In place, or the update has ended. */
static bool put_plan(
	struct context *c, struct update_job *job, struct update_plan *p, json_t **ret_marks)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r = -ESTALE;

	for (int i = 0; i < STALE_TRIES && r == -ESTALE; i++) {
		unsigned owed = LIVE_UPDATE_HOOKS;

		/* Once more: the hooks took their time. */
		if (look(c, job, p) != 0)
			return false;
		if (p->needs_restart && context_has_process(c))
			owed |= LIVE_UPDATE_RESTART;
		strv_clear(&job->lines);
		update_plan_describe(c, p, &job->lines);
		*ret_marks = add_marks(c->record.updates, &p->changes);
		r = put_in_place(c, p->next, &p->group_from,
			p->changes_group ? &p->next->group_limits : NULL, ret_marks, owed, &why);
		if (r < 0) {
			json_decref(*ret_marks);
			*ret_marks = NULL;
		}
	}
	if (r == 0)
		return true;
	if (r == -ESTALE)
		(void)err_set(&why, EXIT_BUSY, ESTALE,
			"the limits of the group are being changed by others");
	err_prefix(&why, "nothing was changed");
	log_warning("not updated: %s", err_text(&why));
	updates_end(c, job, why.status, err_text(&why));
	return false;
}

static void do_update(struct context *c, struct update_job *job, struct update_plan *p)
{
	unsigned warned_before = c->warned;
	json_t *marks = NULL;

	if (look(c, job, p) != 0)
		return;
	if (job->request.dry_run) {
		update_plan_describe(c, p, &job->lines);
		say_lines(c, job);
		updates_end(c, job, EXIT_OK, NULL);
		return;
	}
	if (!run_pre_hooks(c, job, &p->changes) || !put_plan(c, job, p, &marks))
		return;
	/* It waits for one already: no longer. */
	if (job->request.restart && !context_has_process(c))
		requests_restart(c);
	if (p->needs_restart && context_has_process(c)) {
		begin_restart(c, job, p, &marks);
	} else {
		log_changes(&p->changes);
		say_lines(c, job);
		finish(c, job, &p->changes, warned_before);
	}
	json_decref(marks);
}

bool update_run_next(struct context *c)
{
	struct update_job *job = updates_take(c);
	_cleanup_update_plan_ struct update_plan p = UPDATE_PLAN_INIT;

	if (!job)
		return false;
	do_update(c, job, &p);
	return true;
}

void update_end_restart(struct context *c)
{
	struct update_job *job = c->updating;

	c->updating = NULL;
	if (!job) {
		if (c->owes_update_hooks)
			run_owed_hooks(c);
		return;
	}
	log_changes(&job->changes);
	say_lines(c, job);
	finish(c, job, &job->changes, c->requests.warned_before);
}

void update_cancel_restart(struct context *c, int status, const char *text)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *line = NULL;
	struct update_job *job = c->updating;
	bool changes_group = false;
	int r;

	c->updating = NULL;
	if (!job) {
		/* Its supervisor was killed, and what was before is not known any more. */
		if (c->live && live_get(c->live)->update_begun & LIVE_UPDATE_RESTART)
			context_warn(c, "not restarted: what an update has changed holds from its "
					"next process on");
		note_update(c, LIVE_UPDATE_NONE);
		return;
	}
	for (size_t i = 0; i < job->changes.n; i++)
		changes_group |= job->changes.v[i].kind == UPDATE_GROUP;
	r = put_in_place(c, job->before, &c->group_limits,
		changes_group ? &job->group_before : NULL, &job->marks_before, LIVE_UPDATE_NONE,
		&why);
	if (r == -ESTALE) {
		context_warn(c, "the limits of the group stay: others have changed them meanwhile");
		r = put_in_place(
			c, job->before, NULL, NULL, &job->marks_before, LIVE_UPDATE_NONE, &why);
	}
	if (r < 0)
		context_warn(c, "cannot undo an update: %s", err_text(&why));
	line = xasprintf("%s, nothing was changed", text);
	updates_end(c, job, status, r < 0 ? text : line);
}

static void settle_limits(struct context *c)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r = 0;

	if (c->cg.task_fd < 0)
		return;
	/* Of a controller that a limit needs for the first time. */
	r = deploy_read_limits(c, &c->group_limits, &why);
	if (r == 0)
		r = cgtree_enable(&c->cg, c->task, &c->group_limits, &why);
	if (r == 0)
		r = cglimits_change(c->cg.task_fd, NULL, &c->task->limits, "limits", &why);
	if (r == 0)
		r = deploy_settle_limits(c, &why);
	if (r < 0)
		context_warn(c, "an update was cut off, and cannot be brought to its end: %s",
			err_text(&why));
}

void update_take_over(struct context *c, const struct live_state *l)
{
	if (l->update_begun & LIVE_UPDATE_CGROUP)
		settle_limits(c);
	c->owes_update_hooks = (l->update_begun & LIVE_UPDATE_HOOKS) != 0;
	if (!c->owes_update_hooks)
		drop_hooks(c);
}
