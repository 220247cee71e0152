#include "config.h"

#include "verify/options.h"

#include "base/alloc.h"
#include "base/str.h"
#include "verify/expr.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	OPT_ARG_FILE = 256,
	OPT_ARG_ENV,
	OPT_ARG_FD,
	OPT_NAME,
	OPT_DIALECT,
	OPT_LINT,
	OPT_OUTPUT,
	OPT_JSON,
	OPT_RESUME,
	OPT_REPLAY,
	OPT_RESPONSES,
	OPT_WORST_CASE,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option longopts[] = {
	{"arg", required_argument, NULL, 'a'},
	{"arg-file", required_argument, NULL, OPT_ARG_FILE},
	{"arg-env", required_argument, NULL, OPT_ARG_ENV},
	{"arg-fd", required_argument, NULL, OPT_ARG_FD},
	{"name", required_argument, NULL, OPT_NAME},
	{"dialect", required_argument, NULL, OPT_DIALECT},
	{"lint", no_argument, NULL, OPT_LINT},
	{"output", required_argument, NULL, OPT_OUTPUT},
	{"json", no_argument, NULL, OPT_JSON},
	{"resume", no_argument, NULL, OPT_RESUME},
	{"replay", required_argument, NULL, OPT_REPLAY},
	{"responses", no_argument, NULL, OPT_RESPONSES},
	{"worst-case", no_argument, NULL, OPT_WORST_CASE},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

/* The name before '='; *ret_value is behind it. The caller frees it. */
static char *split(const char *option, const char *text, const char **ret_value, struct th_err *err)
{
	const char *equal = strchr(text, '=');

	if (!equal || equal == text) {
		(void)err_set(err, EXIT_USAGE, EINVAL, "%s: write it as NAME=%s", option,
			strcmp(option, "-a") == 0 ? "VALUE" : "WHERE");
		return NULL;
	}
	*ret_value = equal + 1;
	return xstrndup(text, (size_t)(equal - text));
}

static int take_arg(struct options *o, const char *text, struct th_err *err)
{
	const char *value = NULL;
	_cleanup_free_ char *name = split("-a", text, &value, err);

	if (!name)
		return -EINVAL;
	if (strlen(value) > ARGS_VALUE_MAX)
		return err_set(err, EXIT_USAGE, E2BIG, "-a %s: longer than 64 KiB", name);
	args_set(&o->args, name, value, false);
	return 0;
}

static int take_secret(struct options *o, enum args_from from, const char *option, const char *text,
	struct th_err *err)
{
	const char *where = NULL;
	_cleanup_free_ char *name = split(option, text, &where, err);

	return name ? args_set_from(&o->args, from, name, where, err) : -EINVAL;
}

static int take_dialect(struct options *o, const char *text, struct th_err *err)
{
	if (strcmp(text, "argo") == 0)
		o->dialect = EXPR_ARGO;
	else if (strcmp(text, "bcs") == 0)
		o->dialect = EXPR_BCS;
	else
		return err_set(err, EXIT_USAGE, EINVAL, "--dialect: neither argo nor bcs");
	return 0;
}

static int take(struct options *o, int c, struct th_err *err)
{
	switch (c) {
	case 'a':
		return take_arg(o, optarg, err);
	case OPT_ARG_FILE:
		return take_secret(o, ARGS_FROM_FILE, "--arg-file", optarg, err);
	case OPT_ARG_ENV:
		return take_secret(o, ARGS_FROM_ENV, "--arg-env", optarg, err);
	case OPT_ARG_FD:
		return take_secret(o, ARGS_FROM_FD, "--arg-fd", optarg, err);
	case OPT_NAME:
		o->name = optarg;
		return 0;
	case OPT_DIALECT:
		return take_dialect(o, optarg, err);
	case OPT_LINT:
		o->lint = true;
		return 0;
	case OPT_OUTPUT:
		o->output = optarg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_RESUME:
		o->resume = true;
		return 0;
	case OPT_REPLAY:
		o->replay = optarg;
		return 0;
	case OPT_RESPONSES:
		o->responses = true;
		return 0;
	case OPT_WORST_CASE:
		o->worst_case = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case OPT_HELP:
		puts("usage: taskhook-verify [OPTION...] TEMPLATE [HOOK_POINT]\n\n"
		     "A helper of 'taskhook verify', which takes the same options; see "
		     "taskhook-verify(1).");
		return 1;
	case OPT_VERSION:
		puts("taskhook-verify " PACKAGE_VERSION);
		return 1;
	default:
		return err_set(err, EXIT_USAGE, EINVAL,
			"unknown option, or one without its value (see taskhook-verify(1))");
	}
}

static int check(const struct options *o, struct th_err *err)
{
	if (o->resume && !o->output)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--resume needs --output FILE: the record of the run to go on with");
	if (o->resume + (o->replay != NULL) + o->lint > 1)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--lint, --resume and --replay do not go together");
	if (o->responses && !o->output && !o->json)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--responses needs --output FILE or --json: a record that keeps them");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct th_err *err)
{
	const char *hook_point = getenv("HOOK_POINT");
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "a:qv", longopts, NULL)) >= 0) {
		r = take(o, c, err);
		if (r != 0)
			return r;
	}
	if (optind >= argc)
		return err_set(err, EXIT_USAGE, EINVAL, "no template is given");
	o->file = argv[optind++];
	if (optind < argc)
		o->point = argv[optind++];
	if (optind < argc)
		return err_set(err, EXIT_USAGE, EINVAL, "more than one template is given");
	if (o->point && (!hook_point || strcmp(hook_point, o->point) != 0))
		return err_set(err, EXIT_USAGE, EINVAL,
			"more than one template is given (a second operand is the hook point, "
			"where HOOK_POINT has it too)");
	return check(o, err);
}
