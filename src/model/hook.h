#ifndef TH_MODEL_HOOK_H
#define TH_MODEL_HOOK_H

/*
 * Hooks as data: where they come from, their settings, and which of them run at a point, in which
 * order (taskhook-hooks(7)). Pure: the file system is read by run/hookdir.c, which fills the
 * candidates in.
 *
 * One list for each point: first the search path's, by name, byte-wise (a later directory replaces
 * the same name of an earlier one, a link to /dev/null masks it); then the group's, by name (the
 * same name replaces in place); then [hook NAME] of the task file, by name; then the command
 * line's, in its order. pre/ and pre-start/ are two directories: the same name in both means two
 * hooks, pre/ first. Replacing and masking hold within pre/, and within pre-start/.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "model/point.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum hook_on_failure {
	ON_FAILURE_DEFAULT, /* by the point */
	ON_FAILURE_FAIL,
	ON_FAILURE_WARN,
	ON_FAILURE_IGNORE,
	ON_FAILURE_STOP,
};
enum hook_run_if {
	RUN_IF_ALWAYS,
	RUN_IF_SUCCESS,
	RUN_IF_FAILURE,
};

/* Settings of one hook: NAME.conf, [hook NAME] or defaults. */
struct hook_settings {
	usec_t timeout, kill_after;
	bool timeout_is_set; /* not the default */
	enum hook_on_failure on_failure;
	unsigned retries;
	usec_t retry_delay;
	struct strv roles;
	struct strv groups; /* patterns */
	struct strv operators;
	char *user;	   /* NULL: as taskhook */
	char *user_origin; /* "FILE:LINE" for messages; NULL: no user, or read from a record */
	bool stdin_record; /* else /dev/null */
	enum hook_run_if run_if;
};
/* The defaults: `timeout` and `kill_after` are [hooks] timeout and kill-after. */
void hook_settings_init(struct hook_settings *s, usec_t timeout, usec_t kill_after);
/* From a conf that holds [hook] keys: what it does not set keeps the given defaults. Operators that
 * do not exist are EXIT_CONFIG with FILE:LINE. `ret` needs no initialisation. */
int hook_settings_from_conf(struct hook_settings *ret, const struct conf *hook_conf, usec_t timeout,
	usec_t kill_after, struct th_err *err);
void hook_settings_copy(struct hook_settings *ret, const struct hook_settings *from);
void hook_settings_done(struct hook_settings *s);

enum hook_source {
	HOOK_FROM_SYSTEM, /* a directory of the search path */
	HOOK_FROM_GROUP,
	HOOK_FROM_TASK_FILE,
	HOOK_FROM_COMMAND_LINE,
};

enum hook_verdict {
	HOOK_RUN,
	HOOK_SKIP,   /* a rule says so: role, group, operator, run-if, name, no x bit, not a regular
			file, empty mask */
	HOOK_MASKED, /* replaced by a later directory, or by a link to /dev/null */
	HOOK_UNSAFE, /* refused: counts as failed. Also where `misconfigured` */
};
const char *hook_verdict_name(enum hook_verdict v); /* "run" */

struct hook {
	char *name; /* file name, or the NAME of [hook NAME] */
	char *path; /* absolute, what is executed and $0 */
	enum hook_source source;
	char *origin;	    /* the directory, "FILE:LINE", or the option */
	bool from_type_dir; /* from pre/ or post/, not the point's own directory */
	enum hook_verdict verdict;
	char *reason; /* the rule that decided, for people: "not executable", "masked by /etc/..." ;
			 NULL for plain run */
	char *fix;    /* command that mends an unsafe one, or NULL */
	bool misconfigured; /* not unsafe, but its path or its settings are wrong: EXIT_CONFIG */
	bool is_mask;	    /* a link to /dev/null: it masks and is never run */
	bool is_template;   /* of 'taskhook verify': its exit status is a phase */
	bool begins_with_shebang; /* of a skipped file: tell it at run time */
	off_t size;		  /* of the file, for the record */
	usec_t mtime;		  /* realtime */
	struct hook_settings settings;
	char *settings_path; /* the file that they are from; NULL: none, or a task file */
};

struct hook_list {
	enum hook_point point;
	struct hook **v; /* owned, in order; skipped and masked ones too */
	size_t n, cap;
};
struct hook *hook_new(const char *name, const char *path, enum hook_source source);
struct hook *hook_free(struct hook *h);
void hook_list_add(struct hook_list *l, struct hook *h); /* takes it */
void hook_list_done(struct hook_list *l);

/* NULL where a directory's entry may be a hook by its name, else why not: "name starts with a dot",
 * "ends in '.bak'", "has a character other than letters, digits, '.', '_' and '-'". */
const char *hook_name_problem(const char *name);

/* Hooks of the command line: "--hook=POINT:PATH[,ROLE]" and eggo's four. */
struct hook_option {
	enum hook_point point;
	char *path;   /* absolute: a file, or a directory */
	char *role;   /* NULL: any */
	char *option; /* as given, for messages: "--prehook" */
	bool once;    /* of one restart that was asked for, and gone with it */
};
/* Parses one; `option` is "--hook", "--prehook", "--posthook", "--cluster-prehook",
 * "--cluster-posthook"; `verb` OP_START for run and start. The last comma separates the role.
 * Relative paths are made absolute. `for_run`: run's --posthook is post-stop. */
int hook_option_parse(const char *option, const char *value, enum operator verb, bool for_run,
	struct hook_option *ret, struct th_err *err);
void hook_option_done(struct hook_option *o);

/* What the selection depends on. */
struct hook_context {
	const char *group;
	const struct strv *node_roles;
	bool outcome_unknown; /* for listing ahead: run-if rules nothing out at points after the end
			       */
	bool everywhere;      /* settings do not matter: for `hooks check` */
	bool with_subdirs;    /* names subdirectories too, behind all others: for `hooks list` */
	bool has_ended;	      /* the task has ended or its start failed: run-if has an answer */
	bool succeeded;
};

/*
 * Decides about one hook whose settings are there: roles, groups, operators, run-if. Sets verdict
 * and reason; leaves MASKED and UNSAFE, and a SKIP decided before, alone.
 */
void hook_decide(struct hook *h, enum hook_point point, const struct hook_context *ctx);

/* Sorts candidates of the search path and masks what is replaced: see above. `l` holds them lowest
 * directory first. */
void hook_list_resolve(struct hook_list *l);

/* Worst case of a point: the sum over the hooks that would run of (timeout + kill-after + 5 s)
 * times (1 + retries) plus delays, at most `total_timeout` + the last one's kill time. */
usec_t hook_list_budget(const struct hook_list *l, usec_t total_timeout);

#endif
