#ifndef TH_RUN_HOOKTEMPLATE_H
#define TH_RUN_HOOKTEMPLATE_H

/*
 * Hooks that are templates of 'taskhook verify', told by their first line:
 *
 *	#!/usr/bin/env -S taskhook verify [OPTION...]
 *
 * A template knows how long it can take, so it has that time (taskhook-hooks(7)).
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

/* What a hook has more than its template's longest time, to start and to end. */
#define HOOK_TEMPLATE_MARGIN_USEC (5 * USEC_PER_SEC)

/* Is the file a template? Adds to `options` what its first line gives to 'taskhook verify'. */
bool hook_template_find(const char *path, struct strv *options);

/*
 * Asks taskhook-verify, in at most 10 s and without anything of our environment: what the hook's
 * will be is not known yet. 0 and the longest time, with the margin; -ERANGE with err: it has no
 * end; -EINVAL with err: the template is wrong, or could not be asked about. EXIT_CONFIG; where
 * the helper is missing EXIT_UNAVAILABLE.
 */
int hook_template_timeout(
	const char *path, const struct strv *options, usec_t *ret, struct th_err *err);

#endif
