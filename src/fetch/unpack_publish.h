#ifndef TH_FETCH_UNPACK_PUBLISH_H
#define TH_FETCH_UNPACK_PUBLISH_H

/* What is wanted of an unpacked archive becomes what others see. */

#include "base/error.h"
#include "fetch/unpack_place.h"
#include "fetch/unpack_select.h"

#include <stdbool.h>

/*
 * Moves what is selected to `name` in p->dirfd where it is not there already; what is not selected
 * stays, for the caller to remove. A directory is looked through: with `check_links` each link has
 * to stay inside it, also through others; then it and all below it get their modes and times, the
 * top 0755. 0 or -errno with err, as fetch/unpack_refuse.h tells.
 */
int unpack_publish(struct unpack_place *p, const struct unpack_selection *s, bool check_links,
	const char *name, struct th_err *err);

#endif
