#include "config.h"

#include "run/hookcache.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "run/hooktemplate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More files than this in one directory are no hooks but a mistake, such as a home directory. */
#define DIR_ENTRIES_MAX 10000

/* File systems note times by the tick: a change in the same tick as our reading leaves the time as
 * it was, so a listing this young is not believed again. */
#define TICK_USEC (20 * USEC_PER_MSEC)

struct hook_cache {
	struct hook_listing *listings;
	struct hook_timing *timings;
	bool has_moment;
	uint64_t moment;
	uint32_t missing; /* at this moment: a bit for each of the search path, the group's next */
};

struct hook_cache *hook_cache_new(void)
{
	return xcalloc(1, sizeof(struct hook_cache));
}

void hook_listing_unref(struct hook_listing *l)
{
	if (--l->refs > 0)
		return;
	free(l->path);
	strv_done(&l->names);
	strv_done(&l->subdirs);
	free(l);
}

struct hook_cache *hook_cache_free(struct hook_cache *c)
{
	if (!c)
		return NULL;
	while (c->listings) {
		struct hook_listing *l = c->listings;

		c->listings = l->next;
		hook_listing_unref(l);
	}
	while (c->timings) {
		struct hook_timing *t = c->timings;

		c->timings = t->next;
		free(t->path);
		free(t->refusal);
		free(t);
	}
	free(c);
	return NULL;
}

void hook_cache_set_moment(struct hook_cache *c, uint64_t moment)
{
	if (c->has_moment && c->moment == moment)
		return;
	c->has_moment = true;
	c->moment = moment;
	c->missing = 0;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool listing_is_fresh(const struct hook_listing *l, const struct stat *st)
{
	return l->dev == st->st_dev && l->ino == st->st_ino &&
	       is_same_time(&l->mtime, &st->st_mtim) && is_same_time(&l->ctime, &st->st_ctim) &&
	       l->read_at > usec_add(clock_timespec_usec(&st->st_mtim), TICK_USEC);
}

static int fail_dir(const char *path, int errnum, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(path, 0);

	return err_set(err, errnum == EACCES ? EXIT_NOPERM : EXIT_CONFIG, errnum,
		"cannot read the hook directory '%s': %s", shown, strerror(errnum));
}

static int read_names(const char *path, struct hook_listing *ret, struct th_err *err)
{
	_cleanup_dir_ DIR *d = opendir(path);
	const struct dirent *de;
	int r;

	if (!d)
		return fail_dir(path, errno, err);
	while ((r = fd_next_entry(d, &de)) > 0) {
		if (ret->names.n + ret->subdirs.n == DIR_ENTRIES_MAX) {
			_cleanup_free_ char *shown = str_escape(path, 0);

			return err_set(err, EXIT_CONFIG, E2BIG,
				"the hook directory '%s' holds more than %d files", shown,
				DIR_ENTRIES_MAX);
		}
		strv_add(fd_entry_is_dir(d, de) ? &ret->subdirs : &ret->names, de->d_name);
	}
	return r < 0 ? fail_dir(path, -r, err) : 0;
}

static struct hook_listing **find_listing(struct hook_cache *c, const char *path)
{
	struct hook_listing **at = &c->listings;

	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

int hook_cache_list(
	struct hook_cache *c, const char *path, struct hook_listing **ret, struct th_err *err)
{
	struct hook_listing **at, *l;
	struct stat st;
	int r;

	*ret = NULL;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail_dir(path, errno, err);
	at = find_listing(c, path);
	if (*at && listing_is_fresh(*at, &st)) {
		*ret = *at;
		(*ret)->refs++;
		return 0;
	}
	if (*at) {
		l = *at;
		*at = l->next;
		hook_listing_unref(l);
	}
	l = xcalloc(1, sizeof(*l));
	l->refs = 1;
	l->path = xstrdup(path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->mtime = st.st_mtim;
	l->ctime = st.st_ctim;
	l->read_at = clock_realtime_usec();
	r = read_names(path, l, err);
	if (r < 0) {
		hook_listing_unref(l);
		return r == -ENOENT ? 0 : r;
	}
	for (size_t i = 0; i < l->names.n; i++)
		l->has_conf = l->has_conf || str_ends_with(l->names.v[i], ".conf");
	strv_sort(&l->subdirs);
	l->next = c->listings;
	c->listings = l;
	l->refs++;
	*ret = l;
	return 0;
}

bool hook_cache_is_missing(struct hook_cache *c, const char *path, size_t index)
{
	uint32_t bit = c && c->has_moment && index < 32 ? UINT32_C(1) << index : 0;

	if (bit && c->missing & bit)
		return true;
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return false;
	if (bit)
		c->missing |= bit;
	return true;
}

const struct hook_timing *hook_cache_time(
	struct hook_cache *c, const struct hook *h, const struct strv *options)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct hook_timing *t = c->timings;

	while (t && (strcmp(t->path, h->path) != 0 || t->size != h->size || t->mtime != h->mtime))
		t = t->next;
	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->path = xstrdup(h->path);
	t->size = h->size;
	t->mtime = h->mtime;
	if (hook_template_timeout(h->path, options, &t->timeout, &why) < 0)
		t->refusal = xstrdup(err_text(&why));
	t->next = c->timings;
	c->timings = t;
	return t;
}
