#include "config.h"

#include "run/stage.h"

#include "base/alloc.h"

/* The admin's hooks. */

static int run_hooks(struct context *c, enum hook_point point, struct th_err *err)
{
	if (point == POINT_PRE_START && c->live) {
		/* Noted first: from here on the post-stop hooks are owed. */
		live_begin(c->live)->pre_start_begun = 1;
		live_end(c->live);
	}
	/* A start that failed before its first pre-start hook owes no post-stop hook. */
	if (point == POINT_POST_STOP && c->live && !live_get(c->live)->pre_start_begun)
		return 0;
	c->hooks.task_pid = c->tree.pid;
	c->hooks.run_number = c->record.run_number;
	c->hooks.restart_count = c->record.restart_count;
	c->hooks.duration = c->record.duration_usec;
	return hook_session_point(&c->hooks, point, c->point, err);
}

static void describe(const struct context *c, enum hook_point point, FILE *out)
{
	struct hook_context ctx = {.group = c->task->group, .node_roles = &c->task->node.roles};
	struct hook_list list = {.point = point};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	char span[CLOCK_SPAN_MAX];

	if (hookdir_list(c->layout, c->task, point, &ctx, c->as_root, c->hooks.cache, &list, &err) <
		0)
		(void)fprintf(out, "  hooks: %s\n", err_text(&err));
	for (size_t i = 0; i < list.n; i++) {
		const struct hook *h = list.v[i];

		if (h->verdict == HOOK_RUN)
			(void)fprintf(out, "  hook %s (%s, at most %s)\n", h->name, h->path,
				clock_format_span(h->settings.timeout, span, sizeof(span)));
		else if (h->verdict == HOOK_UNSAFE)
			(void)fprintf(out, "  hook %s is refused: %s\n", h->name, h->reason);
	}
	hook_list_done(&list);
}

#define AT(point) [point] = run_hooks

const struct stage_ops stage_scripts = {
	.name = "scripts",
	.at = {AT(POINT_PRE_DEPLOY), AT(POINT_POST_DEPLOY), AT(POINT_PRE_START),
		AT(POINT_POST_START), AT(POINT_PRE_RESTART), AT(POINT_PRE_UPDATE),
		AT(POINT_POST_UPDATE), AT(POINT_POST_EXIT), AT(POINT_PRE_STOP), AT(POINT_POST_STOP),
		AT(POINT_PRE_CLEANUP), AT(POINT_POST_CLEANUP)},
	.describe = describe,
};
