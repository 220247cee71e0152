#include "config.h"

#include "run/plan.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "os/cred.h"
#include "run/artifacts.h"
#include "run/context.h"
#include "run/launch.h"
#include "run/stage.h"

#include <string.h>
#include <unistd.h>

static int point_budget(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache, usec_t *ret, struct th_err *err)
{
	struct hook_context ctx = {
		.group = t->group, .node_roles = &t->node.roles, .outcome_unknown = true};
	struct hook_list list = {.point = point};
	int r = hookdir_list(l, t, point, &ctx, geteuid() == 0, cache, &list, err);

	if (r == 0)
		*ret = usec_add(*ret, hook_list_budget(&list, t->hooks_total_timeout));
	hook_list_done(&list);
	return r;
}

int plan_budget(
	const struct layout *layout, struct task *task, struct plan_budget *ret, struct th_err *err)
{
	static const enum hook_point stop_points[] = {
		POINT_PRE_STOP, POINT_POST_EXIT, POINT_POST_STOP};
	struct hook_cache *cache = hook_cache_new();
	struct plan_budget b = {0};
	int r = point_budget(layout, task, POINT_PRE_START, cache, &b.start, err);

	if (r == 0)
		r = point_budget(layout, task, POINT_POST_START, cache, &b.post_start, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stop_points); i++)
		r = point_budget(layout, task, stop_points[i], cache, &b.stop, err);
	hook_cache_free(cache);
	if (r < 0)
		return r;
	/* Grace, then at most 10 s for what SIGKILL does not end at once. */
	b.stop = usec_add(b.stop, usec_add(task->stop_timeout, 10 * USEC_PER_SEC));
	*ret = b;
	return 0;
}

static void print_point(const struct context *c, enum hook_point point, FILE *out)
{
	usec_t budget = 0;
	char span[CLOCK_SPAN_MAX];

	(void)point_budget(c->layout, c->task, point, c->hooks.cache, &budget, NULL);
	if (point == POINT_PRE_START)
		budget = usec_add(budget, artifacts_budget(c->task));
	if (budget)
		(void)fprintf(out, "%s: at most %s\n", point_name(point),
			clock_format_span(budget, span, sizeof(span)));
	else
		(void)fprintf(out, "%s\n", point_name(point));
	stage_describe_point(c, point, out);
}

static void print_launch(const struct context *c, FILE *out)
{
	const struct task *t = c->task;
	_cleanup_free_ char *command = strv_shell_join(t->command.v);
	_cleanup_free_ char *dir = layout_task_dir(c->layout, t->group, t->id);
	char span[CLOCK_SPAN_MAX];

	(void)fprintf(out, "launch\n  %s\n  as user %s in %s\n", command, c->cred.name,
		t->workdir ? t->workdir : dir);
	if (t->log_to_files)
		(void)fprintf(out, "  logs in %s/logs\n", dir);
	if (t->max_run_time != USEC_INFINITY)
		(void)fprintf(out, "  stopped after %s\n",
			clock_format_span(t->max_run_time, span, sizeof(span)));
}

static void print_stop(const struct context *c, FILE *out)
{
	const struct task *t = c->task;
	char span[CLOCK_SPAN_MAX];

	(void)fprintf(out,
		"stop\n  SIG%s, then at most %s of grace, then SIGKILL for all that is left\n",
		signal_name(t->stop_signal),
		clock_format_span(t->stop_timeout, span, sizeof(span)));
}

static void print_delay(const struct restart_policy *p, FILE *out)
{
	char delay[CLOCK_SPAN_MAX], most[CLOCK_SPAN_MAX];

	(void)fprintf(out, "  after %s", clock_format_span(p->delay, delay, sizeof(delay)));
	if (p->max_delay > p->delay)
		(void)fprintf(out, ", twice as long each time up to %s",
			clock_format_span(p->max_delay, most, sizeof(most)));
	(void)fprintf(out, "%s\n", p->delay ? ", and at most a quarter more" : "");
}

/* Between post-exit and post-stop, where the policy is other than `never`. */
static void print_restart(const struct context *c, FILE *out)
{
	const struct restart_policy *p = &c->task->restart;
	char span[CLOCK_SPAN_MAX];

	if (p->when == RESTART_NEVER)
		return;
	(void)fprintf(out, "restart: %s, at most %u times in %s\n", restart_when_names[p->when],
		p->attempts, clock_format_span(p->interval, span, sizeof(span)));
	print_delay(p, out);
	(void)fprintf(out, "  then pre-restart and again from pre-start on\n");
	if (p->mode == RESTART_MODE_FAIL)
		(void)fprintf(out, "  when they are used up, on to post-stop\n");
	else
		(void)fprintf(out, "  when they are used up, after the rest of the interval\n");
	print_point(c, POINT_PRE_RESTART, out);
}

static void print_removal(const struct context *c, FILE *out)
{
	_cleanup_free_ char *dir = layout_task_dir(c->layout, c->task->group, c->task->id);

	switch (c->task->keep) {
	case KEEP_LOGS:
		(void)fprintf(out, "remove\n  %s, but for its logs and its record\n", dir);
		break;
	case KEEP_ALL:
		(void)fprintf(out, "keep\n  %s\n", dir);
		break;
	case KEEP_NONE:
		(void)fprintf(out, "remove\n  %s with its logs, and its record\n", dir);
		break;
	}
}

int plan_print(const struct layout *layout, struct task *task,
	const struct supervisor_options *options, FILE *out, struct th_err *err)
{
	struct context c;
	struct plan_budget budget = {0};
	char start[CLOCK_SPAN_MAX], stop[CLOCK_SPAN_MAX];
	int r = context_init(&c, layout, options, err);

	c.task = task;
	if (r == 0)
		r = launch_resolve_user(&c, err);
	if (r == 0)
		r = cgtree_plan(&c.cg, task->cgroup_mode, task->cgroup_parent, err);
	if (r == 0)
		r = plan_budget(layout, task, &budget, err);
	if (r < 0)
		goto out;
	budget.start = usec_add(budget.start, artifacts_budget(task));
	c.hooks.cache = hook_cache_new();
	(void)fprintf(out, "%s\n", task->name);
	print_point(&c, POINT_PRE_DEPLOY, out);
	print_point(&c, POINT_POST_DEPLOY, out);
	print_point(&c, POINT_PRE_START, out);
	print_launch(&c, out);
	print_point(&c, POINT_POST_START, out);
	print_point(&c, POINT_PRE_STOP, out);
	print_stop(&c, out);
	print_point(&c, POINT_POST_EXIT, out);
	print_restart(&c, out);
	print_point(&c, POINT_POST_STOP, out);
	print_removal(&c, out);
	(void)fprintf(out, "worst case: %s to the launch, %s from a stop to its end\n",
		clock_format_span(budget.start, start, sizeof(start)),
		clock_format_span(budget.stop, stop, sizeof(stop)));
out:
	context_done(&c);
	return r;
}
