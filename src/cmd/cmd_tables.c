#include "config.h"

#include "cmd/cmd_tables.h"

#include "conf/keys.h"
#include "model/point.h"
#include "model/state.h"
#include "model/update.h"
#include "run/hookenv.h"

/*
 * The tables of this program, one row a line, fields separated by tabs; the first says what it is:
 *
 *	command		NAME SYNOPSIS SUMMARY
 *	option		COMMAND -LETTER --NAME ARGUMENT HELP	(COMMAND empty: of every command)
 *	key		SECTION NAME DEFAULT HELP
 *	update		SECTION NAME live/group/restart	(keys of a task that runs)
 *	point		NAME fatal/warning
 *	state		NAME
 *	variable	NAME	(of a hook's environment)
 *	path		NAME PATH	(built in)
 *
 * For the tests that hold the man pages to them, and for completion.
 */

static void print_options(const char *command, const struct cmd_option *table)
{
	for (const struct cmd_option *o = table; o->name; o++) {
		char letter[] = {'-', o->letter, '\0'};

		printf("option\t%s\t%s\t--%s\t%s\t%s\n", command, o->letter ? letter : "", o->name,
			o->arg ? o->arg : "", o->help);
	}
}

static void print_commands(const struct cmd *const *table)
{
	for (; *table; table++) {
		const struct cmd *c = *table;

		printf("command\t%s\t%s\t%s\n", c->name, c->synopsis, c->summary);
		for (const struct cmd_option *const *g = c->groups; g && *g; g++)
			print_options(c->name, *g);
		if (c->subcommands)
			print_commands(c->subcommands);
	}
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	(void)data;
	(void)argc;
	(void)argv;
	print_options("", ctx->global_options);
	print_commands(ctx->commands);
	for (enum conf_key k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_key_info *i = conf_key_info(k);

		printf("key\t%s\t%s\t%s\t%s\n", i->section, i->name, i->def, i->help);
	}
	for (enum conf_key k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_key_info *i = conf_key_info(k);
		enum update_kind kind = update_kind_of(k, NULL);

		if (kind != UPDATE_NEVER)
			printf("update\t%s\t%s\t%s\n", i->section, i->name, update_kind_name(kind));
	}
	for (enum hook_point p = 0; p < POINT_COUNT; p++)
		printf("point\t%s\t%s\n", point_name(p), point_is_fatal(p) ? "fatal" : "warning");
	for (enum task_state s = 0; s < STATE_COUNT; s++)
		printf("state\t%s\n", state_name(s));
	for (const char *const *n = hook_env_names(); *n; n++)
		printf("variable\t%s\n", *n);
	puts("path\tconfig\t" TH_SYSCONFDIR "/taskhook");
	puts("path\tstate\t" TH_LOCALSTATEDIR "/lib/taskhook");
	puts("path\trun\t" TH_RUNSTATEDIR "/taskhook");
	puts("path\tshipped\t" TH_LIBDIR "/taskhook");
	return EXIT_OK;
}

const struct cmd cmd_tables = {
	.name = "__tables",
	.synopsis = "",
	.summary = "print the tables of options and keys, for tests and completion",
	.run = run,
};
