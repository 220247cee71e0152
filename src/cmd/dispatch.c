#include "config.h"

#include "cmd/dispatch.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/suggest.h"
#include "cmd/cmd.h"
#include "cmd/cmd_cleanup.h"
#include "cmd/cmd_config.h"
#include "cmd/cmd_fetch.h"
#include "cmd/cmd_exec.h"
#include "cmd/cmd_hooks.h"
#include "cmd/cmd_list.h"
#include "cmd/cmd_logs.h"
#include "cmd/cmd_recover.h"
#include "cmd/cmd_run.h"
#include "cmd/cmd_restart.h"
#include "cmd/cmd_signal.h"
#include "cmd/cmd_start.h"
#include "cmd/cmd_stats.h"
#include "cmd/cmd_status.h"
#include "cmd/cmd_stop.h"
#include "cmd/cmd_tables.h"
#include "cmd/cmd_update.h"
#include "cmd/cmd_verify.h"
#include "cmd/cmd_wait.h"
#include "cmd/cmd_why.h"
#include "model/jsonio.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELP_WIDTH	80
#define HELP_COLUMN_MAX 30 /* where the text of an option begins at the latest */

struct main_state {
	struct cmd_context ctx; /* first: the global options fill it */
	bool help, version;
};

static const struct cmd cmd_help;

/* All commands, in the order of the help. */
static const struct cmd *const cmd_table[] = {
	&cmd_run,
	&cmd_start,
	&cmd_stop,
	&cmd_restart,
	&cmd_update,
	&cmd_signal,
	&cmd_wait,
	&cmd_exec,
	&cmd_recover,
	&cmd_cleanup,
	&cmd_list,
	&cmd_status,
	&cmd_why,
	&cmd_stats,
	&cmd_logs,
	&cmd_verify,
	&cmd_fetch,
	&cmd_hooks,
	&cmd_config,
	&cmd_help,
	NULL,
};

/* Not for people: found by name, in no help. */
static const struct cmd *const hidden_table[] = {
	&cmd_tables,
	NULL,
};

/* ---- options ---- */

static int set_root(void *data, const char *value, struct th_err *err)
{
	struct main_state *m = data;

	(void)err;
	m->ctx.arg_root = value;
	return 0;
}

static int set_config(void *data, const char *value, struct th_err *err)
{
	struct main_state *m = data;

	(void)err;
	m->ctx.arg_config = value;
	return 0;
}

static int set_verbose(void *data, const char *value, struct th_err *err)
{
	struct main_state *m = data;

	(void)value;
	(void)err;
	m->ctx.arg_verbose++;
	return 0;
}

/* Before the command, and in every command. */
static const struct cmd_option global_options[] = {
	{0, "root", "DIR", "put configuration and state below DIR", .set = set_root},
	{0, "config", "FILE", "read FILE instead of taskhook.conf", .set = set_config},
	{'q', "quiet", NULL, "say only what went wrong",
		.flag = offsetof(struct main_state, ctx.arg_quiet)},
	{'v', "verbose", NULL, "say more; twice: everything", .set = set_verbose},
	{'h', "help", NULL, "print this help", .flag = offsetof(struct main_state, help)},
	{'V', "version", NULL, "print the version", .flag = offsetof(struct main_state, version)},
	{0},
};

static const struct cmd_option *const no_groups[] = {NULL};

static const struct cmd_option *const *groups_of(const struct cmd *cmd)
{
	return cmd && cmd->groups ? cmd->groups : no_groups;
}

/* By the long name (`n` bytes of it) or, where that is NULL, by the letter. */
static const struct cmd_option *find_in(
	const struct cmd_option *table, const char *name, size_t n, char letter)
{
	for (; table->name; table++) {
		if (name ? strlen(table->name) == n && memcmp(table->name, name, n) == 0
			 : table->letter == letter)
			return table;
	}
	return NULL;
}

static const struct cmd_option *find_option(
	const struct cmd *cmd, const char *name, size_t n, char letter, bool *ret_global)
{
	const struct cmd_option *found = NULL;

	for (const struct cmd_option *const *g = groups_of(cmd); *g && !found; g++)
		found = find_in(*g, name, n, letter);
	*ret_global = !found;
	return found ? found : find_in(global_options, name, n, letter);
}

static const char *nearest_option(const struct cmd *cmd, const char *name)
{
	const char *names[128];
	size_t n = 0;

	for (const struct cmd_option *const *g = groups_of(cmd); *g; g++)
		for (const struct cmd_option *o = *g; o->name && n < ARRAY_SIZE(names); o++)
			names[n++] = o->name;
	for (const struct cmd_option *o = global_options; o->name && n < ARRAY_SIZE(names); o++)
		names[n++] = o->name;
	return suggest_nearest(name, names, n);
}

/* One parse: the command line from `i` on. */
struct parse {
	struct main_state *m;
	const struct cmd *cmd; /* NULL: before the command */
	void *data;
	char **argv;
	int argc, i;
};

static int apply_option(struct parse *p, const struct cmd_option *o, bool global, const char *shown,
	const char *value, struct th_err *err)
{
	void *data = global ? (void *)p->m : p->data;

	if (o->arg && !value) {
		if (p->i >= p->argc)
			return err_set(
				err, EXIT_USAGE, EINVAL, "option '%s' needs its %s", shown, o->arg);
		value = p->argv[p->i++];
	}
	if (o->set)
		return o->set(data, value, err);
	assert(data);
	*(bool *)((char *)data + o->flag) = true;
	return 0;
}

/* "--name", "--name=value", "--name value"; exact names alone, for an abbreviation in a script
 * breaks when an option is added. */
static int parse_long(struct parse *p, const char *arg, struct th_err *err)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	_cleanup_free_ char *shown = xasprintf("--%.*s", (int)n, name);
	const struct cmd_option *o;
	bool global;

	o = find_option(p->cmd, name, n, 0, &global);
	if (!o) {
		_cleanup_free_ char *word = xstrndup(name, n), *safe = str_escape(word, 40);
		const char *nearest = nearest_option(p->cmd, word);

		return err_set(err, EXIT_USAGE, EINVAL, "unknown option '--%s'%s%s%s", safe,
			nearest ? "; did you mean '--" : "", nearest ? nearest : "",
			nearest ? "'?" : "");
	}
	if (equals && !o->arg)
		return err_set(err, EXIT_USAGE, EINVAL, "option '%s' takes no value", shown);
	return apply_option(p, o, global, shown, equals ? equals + 1 : NULL, err);
}

/* "-q", "-qv", "-gGROUP", "-g GROUP" */
static int parse_short(struct parse *p, const char *arg, struct th_err *err)
{
	for (const char *c = arg + 1; *c; c++) {
		char shown[] = {'-', *c, '\0'};
		const struct cmd_option *o;
		bool global;
		int r;

		o = find_option(p->cmd, NULL, 0, *c, &global);
		if (!o) {
			_cleanup_free_ char *safe = str_escape(shown, 0);

			return err_set(err, EXIT_USAGE, EINVAL, "unknown option '%s'", safe);
		}
		r = apply_option(p, o, global, shown, o->arg && c[1] ? c + 1 : NULL, err);
		if (r < 0 || o->arg)
			return r;
	}
	return 0;
}

/* Options and operands. Before the command, and where the command says so, the first operand ends
 * the options. `operands` has room for argc + 1. */
static int parse_arguments(struct parse *p, char **operands, int *ret_n, struct th_err *err)
{
	bool stop_at_operand = !p->cmd || p->cmd->stop_at_operand;
	int n = 0, r = 0;

	while (p->i < p->argc) {
		char *arg = p->argv[p->i];

		if (arg[0] != '-' || !arg[1]) {
			if (stop_at_operand)
				break;
			operands[n++] = arg;
			p->i++;
			continue;
		}
		p->i++;
		if (strcmp(arg, "--") == 0)
			break;
		r = arg[1] == '-' ? parse_long(p, arg, err) : parse_short(p, arg, err);
		if (r < 0)
			return r;
	}
	/* Before the command the rest is the command's. */
	while (p->cmd && p->i < p->argc)
		operands[n++] = p->argv[p->i++];
	operands[n] = NULL;
	*ret_n = n;
	return 0;
}

/* ---- help ---- */

/* Words of `text` in lines of HELP_WIDTH, those after the first indented; begins at `column`. */
static void print_wrapped(FILE *out, const char *text, size_t indent, size_t column)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > HELP_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)n, text);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static char *option_text(const struct cmd_option *o)
{
	char letter[] = {'-', o->letter, ',', ' ', '\0'};

	return xasprintf("  %s--%s%s%s", o->letter ? letter : "    ", o->name, o->arg ? "=" : "",
		o->arg ? o->arg : "");
}

static void print_options(FILE *out, const struct cmd_option *table, size_t column)
{
	for (const struct cmd_option *o = table; o->name; o++) {
		_cleanup_free_ char *text = option_text(o);
		size_t n = strlen(text);

		if (n + 2 > column)
			fprintf(out, "%s\n%*s", text, (int)column, "");
		else
			fprintf(out, "%-*s", (int)column, text);
		print_wrapped(out, o->help, column, column);
	}
}

static size_t options_column(const struct cmd_option *table, size_t column)
{
	for (const struct cmd_option *o = table; o->name; o++) {
		_cleanup_free_ char *text = option_text(o);

		column = MAX(column, strlen(text) + 2);
	}
	return MIN(column, (size_t)HELP_COLUMN_MAX);
}

static void print_commands(FILE *out, const struct cmd *const *table)
{
	size_t column = 0;

	for (const struct cmd *const *c = table; *c; c++)
		column = MAX(column, strlen((*c)->name) + 4);
	for (const struct cmd *const *c = table; *c; c++) {
		fprintf(out, "  %-*s", (int)column - 2, (*c)->name);
		print_wrapped(out, (*c)->summary, column, column);
	}
}

static void print_help(FILE *out, const struct cmd *cmd)
{
	size_t column = options_column(global_options, 0);

	if (!cmd) {
		fputs("usage: taskhook [OPTION...] COMMAND [ARG...]\n\n"
		      "Runs tasks of task groups, and the admin's own scripts around them.\n\n"
		      "Commands:\n",
			out);
		print_commands(out, cmd_table);
	} else {
		_cleanup_free_ char *head = xasprintf("usage: taskhook %s", cmd->name);
		size_t indent = strlen(head);

		fputs(head, out);
		if (*cmd->synopsis)
			fputc(' ', out);
		print_wrapped(out, cmd->synopsis, indent + 1, indent + 1);
		fprintf(out, "\n%s\n", cmd->summary);
		if (cmd->subcommands) {
			fputs("\nCommands:\n", out);
			print_commands(out, cmd->subcommands);
		}
		for (const struct cmd_option *const *g = groups_of(cmd); *g; g++)
			column = options_column(*g, column);
		if (*groups_of(cmd))
			fputs("\nOptions:\n", out);
		for (const struct cmd_option *const *g = groups_of(cmd); *g; g++)
			print_options(out, *g, column);
	}
	fputs("\nOptions of every command:\n", out);
	print_options(out, global_options, column);
	if (!cmd)
		fputs("\n'taskhook help COMMAND' tells of one command; taskhook(1) has it all.\n",
			out);
}

/* ---- finding the command ---- */

/* Of "hooks list" the part behind the parent's name. */
static const char *last_word(const char *name)
{
	const char *space = strrchr(name, ' ');

	return space ? space + 1 : name;
}

static const struct cmd *find_cmd(const struct cmd *const *table, const char *word)
{
	for (; *table; table++)
		if (strcmp(last_word((*table)->name), word) == 0)
			return *table;
	return NULL;
}

static int unknown_command(const struct cmd *const *table, const struct cmd *parent,
	const char *word, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(word, 40);
	const char *names[64], *nearest;
	size_t n = 0;

	for (; *table && n < ARRAY_SIZE(names); table++)
		names[n++] = last_word((*table)->name);
	nearest = suggest_nearest(word, names, n);
	return err_set(err, EXIT_USAGE, EINVAL, "unknown command '%s%s%s'%s%s%s",
		parent ? parent->name : "", parent ? " " : "", shown,
		nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* The command that the next word or two name. 0 with NULL where there is no word. */
static int take_command(struct parse *p, const struct cmd **ret, struct th_err *err)
{
	const struct cmd *const *table = cmd_table;
	const struct cmd *found = NULL;

	while (p->i < p->argc && (!found || found->subcommands)) {
		const char *word = p->argv[p->i];
		const struct cmd *next;

		/* `hooks --help`: the options of a command without its own. */
		if (found && word[0] == '-')
			break;
		next = find_cmd(table, word);
		if (!next && !found)
			next = find_cmd(hidden_table, word);
		if (!next)
			return unknown_command(table, found, word, err);
		p->i++;
		found = next;
		if (found->subcommands)
			table = found->subcommands;
	}
	*ret = found;
	return 0;
}

static int run_help(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct parse p = {.argc = argc, .argv = argv};
	struct th_err err = TH_ERR_INIT;
	const struct cmd *cmd = NULL;

	(void)ctx;
	(void)data;
	if (take_command(&p, &cmd, &err) < 0)
		return cmd_fail(&err);
	if (cmd && p.i < argc)
		return cmd_usage(&cmd_help, "'%s' has no command '%s'", cmd->name, argv[p.i]);
	print_help(stdout, cmd);
	return EXIT_OK;
}

static const struct cmd cmd_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "print this help, or that of a command",
	.max_args = 2,
	.run = run_help,
};

/* ---- main ---- */

static int check_operands(const struct cmd *cmd, int n)
{
	if (cmd->max_args == 0 && n > 0)
		return cmd_usage(cmd, "'%s' takes no argument", cmd->name);
	if (n < cmd->min_args)
		return cmd_usage(cmd, "'%s' needs %s: %s", cmd->name,
			cmd->min_args == 1 ? "an argument" : "more arguments", cmd->synopsis);
	if (cmd->max_args >= 0 && n > cmd->max_args)
		return cmd_usage(cmd, "too many arguments for '%s': %s", cmd->name, cmd->synopsis);
	return 0;
}

static void set_log_level(const struct cmd_context *ctx)
{
	if (ctx->arg_verbose > 1)
		log_set_level(LOG_LEVEL_DEBUG);
	else if (ctx->arg_verbose)
		log_set_level(LOG_LEVEL_INFO);
	else if (ctx->arg_quiet)
		log_set_level(LOG_LEVEL_WARNING);
}

/* Parses the command's arguments, then runs it. */
static int run_command(struct parse *p)
{
	_cleanup_free_ char **operands = xcalloc((size_t)p->argc + 1, sizeof(*operands));
	struct th_err err = TH_ERR_INIT;
	int n = 0, status;

	p->data = p->cmd->data_size ? xcalloc(1, p->cmd->data_size) : NULL;
	if (parse_arguments(p, operands, &n, &err) < 0) {
		status = cmd_fail(&err);
		if (status == EXIT_USAGE)
			cmd_say_try(p->cmd);
	} else if (p->m->help) {
		print_help(stdout, p->cmd);
		status = EXIT_OK;
	} else if (p->m->version) {
		puts("taskhook " PACKAGE_VERSION);
		status = EXIT_OK;
	} else if (!p->cmd->run) {
		status = cmd_usage(p->cmd, "'%s' needs one of its commands: %s", p->cmd->name,
			p->cmd->synopsis);
	} else {
		set_log_level(&p->m->ctx);
		status = check_operands(p->cmd, n);
		if (status == 0)
			status = p->cmd->run(&p->m->ctx, p->data, n, operands);
	}
	if (p->cmd->done && p->data)
		p->cmd->done(p->data);
	free(p->data);
	return status;
}

static int run_main(struct main_state *m, int argc, char **argv)
{
	struct parse p = {.m = m, .argv = argv, .argc = argc, .i = 1};
	_cleanup_free_ char **none = xcalloc((size_t)argc + 2, sizeof(*none));
	struct th_err err = TH_ERR_INIT;
	int n, status;

	if (parse_arguments(&p, none, &n, &err) < 0 || take_command(&p, &p.cmd, &err) < 0) {
		status = cmd_fail(&err);
		cmd_say_try(NULL);
		return status;
	}
	if (p.cmd)
		return run_command(&p);
	if (m->help) {
		print_help(stdout, NULL);
		return EXIT_OK;
	}
	if (m->version) {
		puts("taskhook " PACKAGE_VERSION);
		return EXIT_OK;
	}
	print_help(stderr, NULL);
	return EXIT_USAGE;
}

int dispatch_main(int argc, char **argv)
{
	struct main_state m = {.help = false};
	int status;

	/* A closed pipe is found where it is written to, and so is a limit of the size of files. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	/* Locks and logs that their owner may not open again are of no use. */
	(void)umask(umask(0) & (mode_t)~S_IRWXU);
	if (fd_fill_standard() < 0)
		return EXIT_INTERNAL;
	json_seed();
	m.ctx.commands = cmd_table;
	m.ctx.global_options = global_options;
	status = cmd_finish(run_main(&m, argc, argv));
	conf_free(m.ctx.conf);
	layout_done(&m.ctx.layout);
	return status;
}
