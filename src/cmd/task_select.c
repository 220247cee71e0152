#include "config.h"

#include "cmd/task_select.h"

#include "base/alloc.h"
#include "cmd/task_view.h"
#include "model/name.h"
#include "run/cgtree.h"
#include "run/reentry.h"
#include "run/supervisor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int set_group(void *data, const char *value, struct th_err *err)
{
	((struct task_select *)data)->group = value;
	return name_check(value, "group", err);
}

const struct cmd_option task_select_option_table[] = {
	{'g', "group", "GROUP", "all tasks of GROUP that run", .set = set_group},
	{0, "all", NULL, "all tasks that run", .flag = offsetof(struct task_select, all)},
	{0},
};

void task_list_done(struct task_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].group);
		free(l->v[i].id);
	}
	free(l->v);
	*l = (struct task_list){.n = 0};
}

/* Takes both. One that is there already is not added again. */
static void add(struct task_list *l, char *group, char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].group, group) == 0 && strcmp(l->v[i].id, id) == 0) {
			free(group);
			free(id);
			return;
		}
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct task_name){group, id};
}

static int add_group(
	struct cmd_context *ctx, const char *group, struct task_list *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv ids = STRV_INIT;
	int r = task_view_ids(&ctx->layout, group, &ids, err);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_task_view_ struct task_view v = {0};

		r = task_view_read(&ctx->layout, group, ids.v[i], &v, err);
		if (r == 0 && task_view_is_live(&v))
			add(ret, xstrdup(group), xstrdup(ids.v[i]));
	}
	return r;
}

static int add_all(struct cmd_context *ctx, struct task_list *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	int r = task_view_groups(&ctx->layout, &names, err);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = add_group(ctx, names.v[i], ret, err);
	return r;
}

int task_select(struct cmd_context *ctx, const struct task_select *s, int argc, char **argv,
	struct task_list *ret, struct th_err *err)
{
	int r = 0;

	if ((argc > 0) + (s->group != NULL) + s->all != 1)
		return err_set(err, EXIT_USAGE, EINVAL, "%s",
			argc || s->group || s->all
				? "give either tasks, or a group with -g, or --all"
				: "which task? Give GROUP/ID, a group with -g, or --all");
	if (s->all)
		return add_all(ctx, ret, err);
	if (s->group) {
		r = cmd_check_group(ctx, s->group, err);
		return r < 0 ? r : add_group(ctx, s->group, ret, err);
	}
	for (int i = 0; r == 0 && i < argc; i++) {
		char *group, *id;

		r = cmd_find_task(ctx, argv[i], &group, &id, err);
		if (r == 0)
			add(ret, group, id);
	}
	return r;
}

int task_list_refuse_inside(struct cmd_context *ctx, const struct task_list *l, struct th_err *err)
{
	struct cgtree cg = CGTREE_INIT;
	int r = 0;

	(void)cgtree_open(&cg, CGROUP_MODE_AUTO, conf_string(ctx->conf, KEY_CGROUP_PARENT),
		ctx->layout.state_dir, false, NULL);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct task_name *t = &l->v[i];
		pid_t supervisor = 0;

		(void)supervisor_find(&ctx->layout, t->group, t->id, &supervisor);
		if (reentry_is_inside(&ctx->layout, &cg, t->group, t->id, supervisor))
			r = err_set(err, EXIT_BUSY, EDEADLK,
				"%s/%s is called from within itself: this would wait for its own "
				"end",
				t->group, t->id);
	}
	cgtree_done(&cg);
	return r;
}

int task_select_to_wait(struct cmd_context *ctx, const struct cmd *cmd, const struct task_select *s,
	int argc, char **argv, struct task_list *ret)
{
	struct th_err err = TH_ERR_INIT;
	int status, r = cmd_load(ctx, &err);

	if (r == 0)
		r = task_select(ctx, s, argc, argv, ret, &err);
	if (r == 0)
		r = task_list_refuse_inside(ctx, ret, &err);
	if (r == 0)
		return EXIT_OK;
	status = cmd_fail(&err);
	if (status == EXIT_USAGE && cmd)
		cmd_say_try(cmd);
	return status;
}
