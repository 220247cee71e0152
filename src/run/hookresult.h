#ifndef TH_RUN_HOOKRESULT_H
#define TH_RUN_HOOKRESULT_H

/*
 * What a hook hands back in $HOOK_RESULT (taskhook-hooks(7)): an INI file of at most 64 KiB, a
 * regular file, read after the hook has succeeded. Everything in it is input from outside.
 */

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct hook_result {
	struct strv env;     /* NAME=VALUE */
	struct strv state;   /* NAME=VALUE; NAME is given back as STATE_NAME */
	struct strv mounts;  /* "/target=SOURCE[:ro]" */
	struct strv devices; /* "/dev/fuse=rw" */
	bool done;
	char *message; /* one line; owned; NULL */
};

#define HOOK_RESULT_MAX ((size_t)64 * 1024)

/* Names that may not be handed on, as they steer root's programs: LD_*, GCONV_PATH, BASH_ENV, ENV,
 * IFS, PATH, SHELLOPTS, HOOK_*, TASK*, EGGO_*. */
bool hook_result_env_is_refused(const char *name);

int hook_result_parse(const char *data, size_t size, const char *shown, struct hook_result *ret,
	struct th_err *err);
/* Reads the file `name` in dirfd: not through a link, only a regular file. An empty or missing file
 * is an empty result. */
int hook_result_read(int dirfd, const char *name, const char *shown, struct hook_result *ret,
	struct th_err *err);
void hook_result_done(struct hook_result *r);
#define _cleanup_hook_result_ _cleanup_(hook_result_done)

#endif
