#ifndef TH_CMD_REQUEST_HOOKS_H
#define TH_CMD_REQUEST_HOOKS_H

/* --prehook and --posthook of the commands that ask a supervisor: for the points of what is asked.
 */

#include "base/error.h"
#include "model/hook.h"
#include "model/request.h"

struct request_hooks {
	struct hook_option *v;
	size_t n;
};
void request_hooks_done(struct request_hooks *h);

/* One more; `option` and `verb` as for hook_option_parse(). 0, or -errno with err (EXIT_USAGE). */
int request_hooks_add(struct request_hooks *h, const char *option, const char *value,
	enum operator verb, struct th_err *err);

#endif
