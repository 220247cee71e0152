#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "verify/drive.h"
#include "verify/load.h"
#include "verify/options.h"
#include "verify/replay.h"
#include "verify/tmpl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int fail(struct th_err *err)
{
	int status = err->status ? err->status : EXIT_INTERNAL;

	log_error("%s", err_text(err));
	err_clear(err);
	return status;
}

static void say_findings(const struct options *o, const struct findings *found)
{
	for (size_t i = 0; i < found->errors.n; i++) {
		_cleanup_free_ char *text = args_redact(&o->args, NULL, found->errors.v[i]);

		log_error("%s", text);
	}
	for (size_t i = 0; i < found->warnings.n; i++) {
		_cleanup_free_ char *text = args_redact(&o->args, NULL, found->warnings.v[i]);

		log_warning("%s", text);
	}
}

static int lint(const struct options *o, const struct tmpl *t, const struct findings *found)
{
	char span[CLOCK_SPAN_MAX];
	const char *why;
	usec_t worst;

	if (found->errors.n)
		return EXIT_DATAERR;
	worst = tmpl_worst_case(t, &why);
	if (worst == USEC_INFINITY)
		log_notice("%s: template '%s': %zu %s, without an end: %s", o->file, t->name, t->n,
			t->n == 1 ? "metric" : "metrics", why);
	else
		log_notice("%s: template '%s': %zu %s, takes at most %s", o->file, t->name, t->n,
			t->n == 1 ? "metric" : "metrics",
			clock_format_span(worst, span, sizeof(span)));
	return EXIT_OK;
}

/* In microseconds, for taskhook; where there is no end, why. */
static int say_worst_case(const struct tmpl *t)
{
	const char *why = NULL;
	usec_t worst = tmpl_worst_case(t, &why);

	if (worst == USEC_INFINITY)
		(void)printf("infinity %s\n", why);
	else
		(void)printf("%" PRIu64 "\n", worst);
	return EXIT_OK;
}

/* Of one that begins with "#!", what the environment will give it is not known before. */
static bool begins_with_shebang(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char head[2];

	return fd >= 0 && fd_read_full(fd, head, sizeof(head)) == 2 && memcmp(head, "#!", 2) == 0;
}

static int run(struct options *o)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_findings_ struct findings found = {STRV_INIT, STRV_INIT};
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_tmpl_ struct tmpl t = {.n = 0};

	int r;

	/* the longest time is asked for before there is a task to take values from */
	o->args.lint = o->lint || o->worst_case;
	o->args.from_environment =
		getenv("HOOK_POINT") || (o->args.lint && begins_with_shebang(o->file));
	if (load_file(o->file, o->name, &doc, &err) < 0)
		return fail(&err);
	tmpl_init(&t, doc, o->file, o->dialect, &o->args, &found);
	if (o->worst_case)
		strv_clear(&found.warnings);
	say_findings(o, &found);
	if (o->lint && !o->worst_case)
		return lint(o, &t, &found);
	if (found.errors.n)
		return EXIT_DATAERR;
	if (o->worst_case)
		return say_worst_case(&t);
	r = o->replay ? replay_run(o, &t, &err) : drive_run(o, &t, &err);
	return r < 0 ? fail(&err) : r;
}

int main(int argc, char **argv)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct options o = OPTIONS_INIT;
	int r;

	if (fd_fill_standard() < 0)
		return EXIT_INTERNAL;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	r = options_parse(&o, argc, argv, &err);
	if (o.quiet)
		log_set_level(LOG_LEVEL_WARNING);
	if (o.verbose)
		log_set_level(LOG_LEVEL_INFO);
	if (r < 0)
		r = fail(&err);
	else if (r > 0)
		r = EXIT_OK;
	else
		r = run(&o);
	args_done(&o.args);
	return fflush(stdout) == 0 ? r : EXIT_INTERNAL;
}
