#include "config.h"

#include "cmd/cmd_verify.h"

#include "base/alloc.h"
#include "os/proc.h"
#include "run/helper.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HELPER "taskhook-verify"

struct verify_data {
	struct strv words; /* the options, for the helper */
};

/* An option in the form --NAME=VALUE. */
static int hand_on(void *data, const char *name, const char *value)
{
	struct verify_data *d = data;

	strv_addf(&d->words, value ? "--%s=%s" : "--%s", name, value);
	return 0;
}

#define OPTION(NAME, WORD)                                                                         \
	static int set_##NAME(void *data, const char *value, struct th_err *err)                   \
	{                                                                                          \
		(void)err;                                                                         \
		return hand_on(data, WORD, value);                                                 \
	}
OPTION(arg, "arg")
OPTION(arg_file, "arg-file")
OPTION(arg_env, "arg-env")
OPTION(arg_fd, "arg-fd")
OPTION(name, "name")
OPTION(dialect, "dialect")
OPTION(lint, "lint")
OPTION(output, "output")
OPTION(json, "json")
OPTION(resume, "resume")
OPTION(replay, "replay")
OPTION(responses, "responses")

static const struct cmd_option options[] = {
	{'a', "arg", "NAME=VALUE", "an argument of the template", .set = set_arg},
	{0, "arg-file", "NAME=FILE", "a secret one, from a file", .set = set_arg_file},
	{0, "arg-env", "NAME=VARIABLE", "a secret one, from the environment", .set = set_arg_env},
	{0, "arg-fd", "NAME=FD", "a secret one, from a descriptor", .set = set_arg_fd},
	{0, "name", "NAME", "which of the file's templates", .set = set_name},
	{0, "dialect", "DIALECT", "results as argo (default) or as bcs has them",
		.set = set_dialect},
	{0, "lint", NULL, "check the template, and ask nothing", .set = set_lint},
	{0, "output", "FILE", "keep the record of the run in a file", .set = set_output},
	{0, "resume", NULL, "go on with the killed run that --output has the record of",
		.set = set_resume},
	{0, "replay", "FILE", "judge the measurements of a record again, and ask nothing",
		.set = set_replay},
	{0, "responses", NULL, "keep what was answered in the record, too", .set = set_responses},
	{0, "json", NULL, "print the record at the end", .set = set_json},
	{0},
};

static const struct cmd_option *const groups[] = {options, NULL};

static void hand_on_env(const char *name, const char *value)
{
	if (value)
		(void)setenv(name, value, 1);
	else
		(void)unsetenv(name);
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct verify_data *d = data;
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct th_err err = TH_ERR_INIT;

	if (helper_find(proc_own_program(), HELPER, &path, &err) < 0)
		return cmd_fail(&err);
	strv_add(&words, HELPER);
	if (ctx->arg_quiet)
		strv_add(&words, "--quiet");
	if (ctx->arg_verbose)
		strv_add(&words, "--verbose");
	strv_copy(&words, &d->words);
	strv_add(&words, "--");
	for (int i = 0; i < argc; i++)
		strv_add(&words, argv[i]);
	/* how it asks for a task's own figures */
	(void)setenv("TASKHOOK", proc_own_program(), 1);
	hand_on_env("TASKHOOK_VERIFY_ROOT", ctx->arg_root);
	hand_on_env("TASKHOOK_VERIFY_CONFIG", ctx->arg_config);
	execv(path, strv_null_terminated(&words));
	(void)err_set(
		&err, EXIT_CANNOT_EXEC, errno, "cannot execute '%s': %s", path, strerror(errno));
	return cmd_fail(&err);
}

static void done(void *data)
{
	strv_done(&((struct verify_data *)data)->words);
}

const struct cmd cmd_verify = {
	.name = "verify",
	.synopsis = "[-a NAME=VALUE] [OPTION...] TEMPLATE",
	.summary = "run a template of measurements, or check it",
	.groups = groups,
	.min_args = 1,
	.max_args = 2,
	.data_size = sizeof(struct verify_data),
	.run = run,
	.done = done,
};
