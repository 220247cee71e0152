#include "config.h"

#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/log.h"
#include "cmd/task_view.h"
#include "model/name.h"

#include <errno.h>
#include <stdarg.h>

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
	_cleanup_free_ char *text = json_dumps(taken, JSON_INDENT(2) | flags);

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
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	log_error("%s", text ? text : "the command line is wrong");
	cmd_say_try(cmd);
	return EXIT_USAGE;
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
	if (found.n == 0)
		return err_set(err, EXIT_USAGE, ENOENT,
			"there is no task '%s': 'taskhook list --all' shows those that there are",
			operand);
	if (found.n > 1)
		return err_set(err, EXIT_USAGE, EINVAL, "'%s' stands for %s: name one of them", id,
			strbuf_str(&names));
	*ret_group = xstrdup(found.v[0]);
	*ret_id = TAKE_PTR(id);
	return 0;
}
