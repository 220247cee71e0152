#ifndef TH_CMD_CMD_H
#define TH_CMD_CMD_H

/*
 * Commands as tables: a row for each command, a table for each group of options. Parsing, help,
 * completion and the test of the man pages read them; nothing is listed twice.
 *
 * A command is one file that exports one `const struct cmd cmd_NAME`, and a row in dispatch.c.
 */

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "model/layout.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cmd;
struct cmd_option;

struct cmd_context {
	const char *arg_root, *arg_config; /* --root, --config; NULL */
	bool arg_quiet;
	int arg_verbose;
	struct layout layout; /* complete once cmd_load() has been called */
	struct conf *conf;
	/* The tables that the help prints: all commands, NULL-terminated, and the options of every
	 * command. */
	const struct cmd *const *commands;
	const struct cmd_option *global_options;
};

struct cmd_option {
	char letter;	  /* 0: none */
	const char *name; /* long name without dashes */
	const char
		*arg; /* "GROUP"; NULL: takes none. "[=N]" style optional arguments are not used */
	const char *help; /* one line */
	/* Takes the value (NULL for a flag) and puts it where it belongs. 0 or -errno with err
	 * (EXIT_USAGE). */
	int (*set)(void *data, const char *value, struct th_err *err);
	size_t flag; /* without set(): the offset of the bool in *data that becomes true */
};

struct cmd {
	const char *name;     /* "run"; subcommands: "hooks list" */
	const char *synopsis; /* "[-g GROUP] [-i ID] ... [--] [COMMAND [ARG...]]" */
	const char *summary;  /* one line for `taskhook help` */
	const struct cmd_option *const
		*groups;	/* NULL-terminated list of tables; each ends in {0} */
	int min_args, max_args; /* operands; max -1: any number */
	bool stop_at_operand;	/* options end at the first operand (run COMMAND) */
	size_t data_size;	/* of the zeroed struct that set() and run() get */
	int (*run)(struct cmd_context *ctx, void *data, int argc, char **argv); /* an exit status */
	void (*done)(void *data);	      /* frees what set() kept; may be NULL */
	const struct cmd *const *subcommands; /* NULL-terminated; then run is NULL */
};

/* Reads the configuration and completes ctx->layout and ctx->conf. For all commands but help. 0, or
 * -errno with err. */
int cmd_load(struct cmd_context *ctx, struct th_err *err);

/* Says the error once and gives its exit status (EXIT_INTERNAL where it has none). Clears it. */
int cmd_fail(struct th_err *err);

/* Prints `taken`, which it frees, as `--json` does. EXIT_OK; EXIT_INTERNAL with a message that WHAT
 * ("the list") cannot be written. `flags` as json_dumps(3) knows them, added to the layout. */
int cmd_print_json(json_t *taken, size_t flags, const char *what);

/* Flushes stdout and finds a failed write (a full disk, a closed pipe): EXIT_INTERNAL then, else
 * `status`. */
int cmd_finish(int status);

/* For usage errors in run(): "taskhook: TEXT", then "try 'taskhook NAME --help'". EXIT_USAGE. */
int cmd_usage(const struct cmd *cmd, const char *fmt, ...) PRINTF_ATTR(2, 3);
/* The second line alone; NULL: of all commands. */
void cmd_say_try(const struct cmd *cmd);

/* "GROUP/ID", or "ID" where that is unique among the records. The caller frees both. EXIT_USAGE
 * where there is none or several (they are named). */
int cmd_find_task(struct cmd_context *ctx, const char *operand, char **ret_group, char **ret_id,
	struct th_err *err);

/* Is it a group of which something is known, or that is configured? 0, or -errno with err
 * (EXIT_USAGE) that names the nearest. */
int cmd_check_group(struct cmd_context *ctx, const char *group, struct th_err *err);

#endif
