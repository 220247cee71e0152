#ifndef TH_BASE_TRUST_H
#define TH_BASE_TRUST_H

/*
 * May a file be executed by root? Only where nobody but root (or `uid`) could have changed it: the
 * file and every directory of its resolved path is owned by root or `uid` and not writable by
 * group or others, unless a directory has the sticky bit. Links on the way are resolved by hand so
 * that each directory passed through is looked at; a link's own owner counts like a file's. Because
 * the whole path is checked nobody else can swap the file between check and execution
 * (taskhook-hooks(7)).
 */

#include "base/error.h"

#include <sys/types.h>

struct trust_cache; /* directories already found good; one per reading of the hooks */

struct trust_cache *trust_cache_new(void);
struct trust_cache *trust_cache_free(struct trust_cache *c);

/*
 * Checks the absolute `path`. `uid` is the effective user. 0; -EPERM with err->status EXIT_NOPERM
 * and a text that names the path part, its mode and owner, and in *ret_fix (may be NULL; the caller
 * frees it) the command that mends it, such as "chmod go-w /etc/taskhook/hooks.d"; or another
 * -errno (missing file, too many links). `cache` may be NULL.
 */
int trust_check_path(
	const char *path, uid_t uid, struct trust_cache *cache, char **ret_fix, struct th_err *err);

#endif
