#ifndef TH_RUN_HOOKCACHE_H
#define TH_RUN_HOOKCACHE_H

/* What hook directories and templates were found to hold, remembered over the points of one task.
 * What is stale is noticed by a directory's times, and by a file's size and time. */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "model/hook.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct hook_cache;
struct hook_cache *hook_cache_new(void);
/* NULL is fine; returns NULL. */
struct hook_cache *hook_cache_free(struct hook_cache *c);

/* Says what moment it is, by any number (loop_waits()): a directory of the search path that is
 * missing is not looked for a second time in the same one. Without, each time. */
void hook_cache_set_moment(struct hook_cache *c, uint64_t moment);

/* Does the directory `path` not exist? `index` of it: in the search path, or its length for the
 * group's. `c` may be NULL. */
bool hook_cache_is_missing(struct hook_cache *c, const char *path, size_t index);

/* What a directory held when it was read. Subdirectories stand apart: they are not entered, and
 * replace nothing. */
struct hook_listing {
	struct strv names, subdirs; /* subdirs sorted */
	bool has_conf;		    /* some name ends in ".conf" */

	/* private */
	char *path;
	dev_t dev;
	ino_t ino;
	struct timespec mtime, ctime;
	usec_t read_at; /* realtime */
	unsigned int refs;
	struct hook_listing *next;
};

/* *ret is a reference of the caller's; NULL where there is no such directory. 0; -errno with err
 * (EXIT_CONFIG, EXIT_NOPERM): it cannot be read, or holds too much to be meant. */
int hook_cache_list(
	struct hook_cache *c, const char *path, struct hook_listing **ret, struct th_err *err);
void hook_listing_unref(struct hook_listing *l);

/* What was told of a template, for as long as the file stays as it was. */
struct hook_timing {
	char *refusal; /* why it is no hook; NULL: it is one */
	usec_t timeout;

	/* private */
	char *path;
	off_t size;
	usec_t mtime;
	struct hook_timing *next;
};

/* Of a hook that is a template, with the options of its first line (run/hooktemplate.h). Belongs to
 * the cache. */
const struct hook_timing *hook_cache_time(
	struct hook_cache *c, const struct hook *h, const struct strv *options);

#endif
