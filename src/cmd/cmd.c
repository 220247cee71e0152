#include "config.h"

#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/path.h"
#include "base/suggest.h"
#include "cmd/task_view.h"
#include "model/jsonio.h"
#include "model/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

int cmd_load(struct cmd_context *ctx, struct th_err *err)
{
	_cleanup_conf_ struct conf *conf = NULL;
	bool complete;
	int r;

	if (ctx->conf)
		return 0;
	/* Where a task that was resolved has taken the configuration, it is read for another one;
	 * the paths are those already. */
	complete = ctx->layout.root != NULL;
	if (!complete) {
		r = layout_init(&ctx->layout, ctx->arg_root, ctx->arg_config, err);
		if (r < 0)
			return r;
	}
	conf = conf_new();
	r = conf_read_main(conf, ctx->layout.config_file, ctx->arg_config != NULL,
		ctx->layout.config_dropin, NULL, NULL, err);
	if (r == 0 && !complete)
		r = layout_apply_conf(&ctx->layout, conf, err);
	if (r < 0) {
		if (!complete)
			layout_done(&ctx->layout);
		return r;
	}
	ctx->conf = TAKE_PTR(conf);
	return 0;
}

int cmd_fail(struct th_err *err)
{
	int status = err->status ? err->status : EXIT_INTERNAL;

	log_error("%s", err_text(err));
	err_clear(err);
	return status;
}

int cmd_print_json(json_t *taken, size_t flags, const char *what)
{
	_cleanup_free_ char *text = json_dumps(taken, JSON_INDENT(2) | JSON_REAL_DIGITS | flags);

	json_decref(taken);
	if (!text) {
		log_error("cannot write %s as JSON", what);
		return EXIT_INTERNAL;
	}
	puts(text);
	return EXIT_OK;
}

int cmd_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	/* A reader that has seen enough (`list | head`) is no news. */
	if (errno != EPIPE)
		log_error("cannot write to the standard output: %m");
	return EXIT_INTERNAL;
}

void cmd_say_try(const struct cmd *cmd)
{
	if (cmd)
		fprintf(stderr, "try 'taskhook %s --help'\n", cmd->name);
	else
		fputs("try 'taskhook help'\n", stderr);
}

int cmd_usage(const struct cmd *cmd, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_error("%s", text);
	cmd_say_try(cmd);
	return EXIT_USAGE;
}

/* What to say behind "there is no ...": the nearest of those that there are. The caller frees it.
 */
static char *suggest(const char *word, const struct strv *known)
{
	const char *near = suggest_nearest(word, (const char *const *)known->v, known->n);

	return near ? xasprintf("; did you mean '%s'?", near)
		    : xstrdup(": 'taskhook list --all' shows those that there are");
}

int cmd_check_group(struct cmd_context *ctx, const char *group, struct th_err *err)
{
	_cleanup_strv_ struct strv known = STRV_INIT;
	_cleanup_free_ char *dir = NULL, *rest = NULL;
	int r = name_check(group, "group", err);

	if (r == 0)
		r = task_view_groups(&ctx->layout, &known, err);
	if (r < 0 || strv_contains(&known, group))
		return r;
	dir = path_join(ctx->layout.groups_dir, group);
	if (faccessat(AT_FDCWD, dir, F_OK, 0) == 0)
		return 0;
	rest = suggest(group, &known);
	return err_set(err, EXIT_USAGE, ENOENT, "there is no group '%s'%s", group, rest);
}

/* None of these groups has it. */
static int no_such_task(struct cmd_context *ctx, const char *operand, const struct strv *groups,
	bool with_group, struct th_err *err)
{
	_cleanup_strv_ struct strv known = STRV_INIT;
	_cleanup_free_ char *rest = NULL;

	if (!with_group && strv_contains(groups, operand))
		return err_set(err, EXIT_USAGE, ENOENT,
			"there is no task '%s', but a group ('taskhook list --all %s' names its "
			"tasks)",
			operand, operand);
	for (size_t i = 0; i < groups->n; i++) {
		_cleanup_strv_ struct strv ids = STRV_INIT;

		(void)task_view_ids(&ctx->layout, groups->v[i], &ids, NULL);
		for (size_t k = 0; k < ids.n; k++) {
			if (with_group)
				strv_addf(&known, "%s/%s", groups->v[i], ids.v[k]);
			else
				strv_add(&known, ids.v[k]);
		}
	}
	rest = suggest(operand, &known);
	return err_set(err, EXIT_USAGE, ENOENT, "there is no task '%s'%s", operand, rest);
}

int cmd_find_task(struct cmd_context *ctx, const char *operand, char **ret_group, char **ret_id,
	struct th_err *err)
{
	_cleanup_free_ char *group = NULL, *id = NULL;
	_cleanup_strv_ struct strv groups = STRV_INIT, found = STRV_INIT;
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	int r;

	r = name_split(operand, &group, &id, err);
	if (r < 0)
		return r;
	if (group)
		strv_add(&groups, group);
	else
		r = task_view_groups(&ctx->layout, &groups, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < groups.n; i++) {
		if (!task_view_exists(&ctx->layout, groups.v[i], id))
			continue;
		strv_add(&found, groups.v[i]);
		strbuf_addf(&names, "%s%s/%s", names.len ? ", " : "", groups.v[i], id);
	}
	if (found.n == 0) {
		if (group)
			(void)task_view_groups(&ctx->layout, &groups, NULL);
		return no_such_task(ctx, operand, &groups, group != NULL, err);
	}
	if (found.n > 1)
		return err_set(err, EXIT_USAGE, EINVAL, "'%s' stands for %s: name one of them", id,
			strbuf_str(&names));
	*ret_group = xstrdup(found.v[0]);
	*ret_id = TAKE_PTR(id);
	return 0;
}
