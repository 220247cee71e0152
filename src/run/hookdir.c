#include "config.h"

#include "run/hookdir.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/trust.h"
#include "os/cred.h"
#include "os/program.h"
#include "run/hooktemplate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* More files than this in one directory are no hooks but a mistake, such as a home directory. */
#define DIR_ENTRIES_MAX 10000

/* Memory devices, number 3: null (Documentation/admin-guide/devices.txt). */
#define NULL_MAJOR 1
#define NULL_MINOR 3

/* File systems note times by the tick: a change in the same tick as our reading leaves the time as
 * it was, so a listing this young is not believed again. */
#define TICK_USEC (20 * USEC_PER_MSEC)

static usec_t usec_of(const struct timespec *ts)
{
	return (usec_t)ts->tv_sec * USEC_PER_SEC + (usec_t)ts->tv_nsec / 1000;
}

/* ---- directories ------------------------------------------------------------------------------
 */

/* What a directory held when it was read. Subdirectories stand apart: they are not entered, and
 * replace nothing. */
struct listing {
	char *path;
	dev_t dev;
	ino_t ino;
	struct timespec mtime, ctime;
	usec_t read_at; /* realtime */
	struct strv names, subdirs;
	bool has_conf; /* some name ends in ".conf" */
	unsigned int refs;
	struct listing *next;
};

/* What was told of a template, for as long as the file stays as it was. */
struct timing {
	char *path, *refusal; /* refusal: NULL, or why it is no hook */
	off_t size;
	usec_t mtime, timeout;
	struct timing *next;
};

struct hook_cache {
	struct listing *listings;
	struct timing *timings;
	bool has_moment;
	uint64_t moment;
	uint32_t missing; /* at this moment: a bit for each of the search path, the group's next */
};

struct hook_cache *hook_cache_new(void)
{
	return xcalloc(1, sizeof(struct hook_cache));
}

static void listing_unref(struct listing *l)
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
		struct listing *l = c->listings;

		c->listings = l->next;
		listing_unref(l);
	}
	while (c->timings) {
		struct timing *t = c->timings;

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

static void hook_cache_freep(struct hook_cache **c)
{
	*c = hook_cache_free(*c);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool listing_is_fresh(const struct listing *l, const struct stat *st)
{
	return l->dev == st->st_dev && l->ino == st->st_ino &&
	       is_same_time(&l->mtime, &st->st_mtim) && is_same_time(&l->ctime, &st->st_ctim) &&
	       l->read_at > usec_add(usec_of(&st->st_mtim), TICK_USEC);
}

static bool is_subdirectory(int dirfd, const struct dirent *de)
{
	struct stat st;

	if (de->d_type != DT_UNKNOWN)
		return de->d_type == DT_DIR;
	return fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int fail_dir(const char *path, int errnum, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(path, 0);

	return err_set(err, errnum == EACCES ? EXIT_NOPERM : EXIT_CONFIG, errnum,
		"cannot read the hook directory '%s': %s", shown, strerror(errnum));
}

static int read_names(const char *path, struct listing *ret, struct th_err *err)
{
	_cleanup_(closedirp) DIR *d = opendir(path);
	struct dirent *de;

	if (!d)
		return fail_dir(path, errno, err);
	while (errno = 0, (de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (ret->names.n + ret->subdirs.n == DIR_ENTRIES_MAX) {
			_cleanup_free_ char *shown = str_escape(path, 0);

			return err_set(err, EXIT_CONFIG, E2BIG,
				"the hook directory '%s' holds more than %d files", shown,
				DIR_ENTRIES_MAX);
		}
		strv_add(is_subdirectory(dirfd(d), de) ? &ret->subdirs : &ret->names, de->d_name);
	}
	return errno ? fail_dir(path, errno, err) : 0;
}

static struct listing **find_listing(struct hook_cache *c, const char *path)
{
	struct listing **at = &c->listings;

	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

/* A reference of the caller's; NULL where there is no such directory. */
static int list_dir(
	struct hook_cache *c, const char *path, struct listing **ret, struct th_err *err)
{
	struct listing **at, *l;
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
		listing_unref(l);
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
		listing_unref(l);
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

/* ---- one file ---------------------------------------------------------------------------------
 */

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(NULL_MAJOR, NULL_MINOR);
}

/* Also where there is no /dev/null, as in a bare tree below --root. */
static bool links_to_null(const char *path)
{
	char target[sizeof("/dev/null")];
	ssize_t n = readlink(path, target, sizeof(target));

	return n == (ssize_t)sizeof(target) - 1 && memcmp(target, "/dev/null", (size_t)n) == 0;
}

static bool begins_with_shebang(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char head[2];

	return fd >= 0 && fd_read_full(fd, head, sizeof(head)) == 2 && memcmp(head, "#!", 2) == 0;
}

static void skip(struct hook *h, const char *reason)
{
	h->verdict = HOOK_SKIP;
	str_replace(&h->reason, reason);
}

static void refuse(struct hook *h, const char *reason)
{
	h->verdict = HOOK_UNSAFE;
	h->misconfigured = true;
	str_replace(&h->reason, reason);
}

static const char *odd_type(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a link to a directory";
	if (S_ISFIFO(mode))
		return "a FIFO, not a regular file";
	if (S_ISSOCK(mode))
		return "a socket, not a regular file";
	return "a device, not a regular file";
}

static void skip_unreadable(struct hook *h, int errnum)
{
	_cleanup_free_ char *reason = NULL;

	if (errnum == ENOENT) {
		skip(h, "a dangling link");
	} else if (errnum == ELOOP) {
		skip(h, "a loop of links");
	} else {
		reason = xasprintf("out of reach: %s", strerror(errnum));
		skip(h, reason);
	}
}

/* Looks at the file and decides by what it is, not by its name. */
static void examine(struct hook *h)
{
	struct stat st;

	if (stat(h->path, &st) < 0) {
		int errnum = errno;

		if (!links_to_null(h->path)) {
			skip_unreadable(h, errnum);
			return;
		}
		st = (struct stat){.st_mode = S_IFCHR, .st_rdev = makedev(NULL_MAJOR, NULL_MINOR)};
	}
	if (is_null_device(&st)) {
		h->verdict = HOOK_MASKED;
		h->is_mask = true;
		str_replace(&h->reason, "a link to /dev/null");
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		skip(h, odd_type(st.st_mode));
		return;
	}
	h->size = st.st_size;
	h->mtime = usec_of(&st.st_mtim);
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		skip(h, "not executable");
	if (h->verdict == HOOK_SKIP)
		h->begins_with_shebang = begins_with_shebang(h->path);
}

/* A directory's entry as a candidate. */
static struct hook *make_candidate(
	const char *dir, const char *name, enum hook_source source, bool from_type_dir)
{
	_cleanup_free_ char *path = path_join(dir, name);
	struct hook *h = hook_new(name, path, source);
	const char *problem = hook_name_problem(name);

	h->from_type_dir = from_type_dir;
	str_replace(&h->origin, dir);
	if (problem)
		skip(h, problem);
	examine(h);
	/* A name that rules it out is the better reason. */
	if (problem && h->verdict == HOOK_SKIP)
		str_replace(&h->reason, problem);
	return h;
}

/* ---- the directories of one point -------------------------------------------------------------
 */

/* One directory that is read for the point, lowest first. */
struct hook_dir {
	char *path;
	enum hook_source source;
	bool is_type_dir;
	struct listing *listing; /* a reference */
};

struct hook_dirs {
	struct hook_dir *v;
	size_t n;
};

static void hook_dirs_done(struct hook_dirs *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].path);
		listing_unref(d->v[i].listing);
	}
	free(d->v);
}

static int add_dir(struct hook_dirs *d, struct hook_cache *cache, const char *base, const char *sub,
	enum hook_source source, bool is_type_dir, struct th_err *err)
{
	_cleanup_free_ char *path = path_join(base, sub);
	struct listing *listing;
	int r;

	r = list_dir(cache, path, &listing, err);
	if (r < 0 || !listing)
		return r;
	d->v = xreallocarray(d->v, d->n + 1, sizeof(*d->v));
	d->v[d->n++] = (struct hook_dir){
		.path = TAKE_PTR(path),
		.source = source,
		.is_type_dir = is_type_dir,
		.listing = listing,
	};
	return 0;
}

/* `index` of the base: in the search path, or its length for the group's. */
static bool is_missing(struct hook_cache *c, const char *path, size_t index)
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

static int add_base(struct hook_dirs *d, struct hook_cache *cache, const char *base, size_t index,
	enum hook_point point, enum hook_source source, struct th_err *err)
{
	int r;

	/* Most hosts have only one of them. */
	if (is_missing(cache, base, index))
		return 0;
	r = add_dir(d, cache, base, hook_type_dir(point_type(point)), source, true, err);
	if (r < 0)
		return r;
	return add_dir(d, cache, base, point_name(point), source, false, err);
}

static int find_dirs(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache, struct hook_dirs *ret, struct th_err *err)
{
	_cleanup_free_ char *group = layout_group_hooks(l, t->group);
	int r;

	for (size_t i = 0; i < l->hook_dirs.n; i++) {
		r = add_base(ret, cache, l->hook_dirs.v[i], i, point, HOOK_FROM_SYSTEM, err);
		if (r < 0)
			return r;
	}
	return add_base(ret, cache, group, l->hook_dirs.n, point, HOOK_FROM_GROUP, err);
}

/* ---- settings ---------------------------------------------------------------------------------
 */

static int read_settings(
	struct hook *h, const char *conf_path, const struct task *t, struct th_err *err)
{
	_cleanup_conf_ struct conf *c = conf_new();
	int r;

	r = conf_read_file(c, AT_FDCWD, conf_path, conf_path, CONF_IN_HOOK, NULL, NULL, err);
	if (r < 0)
		return r;
	hook_settings_done(&h->settings);
	return hook_settings_from_conf(&h->settings, c, t->hooks_timeout, t->hooks_kill_after, err);
}

static void apply_conf(struct hook *h, const char *conf_path, const struct task *t)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (read_settings(h, conf_path, t, &why) < 0) {
		hook_settings_init(&h->settings, t->hooks_timeout, t->hooks_kill_after);
		refuse(h, err_text(&why));
	}
}

/* The path of NAME.conf for a hook of the directory `dirs->v[at]`; NULL where there is none. The
 * caller frees it. */
static char *find_conf(const struct hook_dirs *dirs, size_t at, const char *name)
{
	_cleanup_free_ char *conf = xasprintf("%s.conf", name);

	/* Downwards: the last directory wins. */
	for (size_t i = dirs->n; i-- > at;)
		if (dirs->v[i].is_type_dir == dirs->v[at].is_type_dir &&
			dirs->v[i].listing->has_conf &&
			strv_contains(&dirs->v[i].listing->names, conf))
			return path_join(dirs->v[i].path, conf);
	return NULL;
}

static void set_up_from_dir(struct hook *h, const struct hook_dirs *dirs, const struct task *t)
{
	_cleanup_free_ char *conf = NULL;

	hook_settings_init(&h->settings, t->hooks_timeout, t->hooks_kill_after);
	if (h->verdict != HOOK_RUN)
		return;
	for (size_t i = 0; i < dirs->n && !conf; i++)
		if (strcmp(dirs->v[i].path, h->origin) == 0)
			conf = find_conf(dirs, i, h->name);
	if (!conf)
		return;
	apply_conf(h, conf, t);
	h->settings_path = TAKE_PTR(conf);
}

/* "50-net.conf" is not a hook, but whose settings are these? */
static void explain_conf(struct hook *conf, const struct hook_list *l)
{
	_cleanup_free_ char *name = NULL, *reason = NULL;

	if (conf->verdict != HOOK_SKIP || !str_ends_with(conf->name, ".conf"))
		return;
	name = xstrndup(conf->name, strlen(conf->name) - strlen(".conf"));
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->from_type_dir == conf->from_type_dir &&
			strcmp(l->v[i]->name, name) == 0) {
			reason = xasprintf("settings of '%s'", name);
			break;
		}
	if (!reason)
		reason = xasprintf("settings of '%s', which does not exist", name);
	skip(conf, reason);
}

/* ---- hooks that were named by their path ------------------------------------------------------
 */

/* What [hook NAME] or an option asks for. */
struct named {
	const char *name; /* of [hook NAME]; NULL: the file's */
	const char *path;
	enum hook_source source;
	const char *origin;
	const struct hook_settings *settings; /* NULL: NAME.conf and the defaults */
	const char *role;		      /* NULL: any */
};

static struct hook *make_named(const struct named *n, const char *path, const struct task *t)
{
	const char *file = path_basename(path);
	_cleanup_free_ char *name = NULL;
	struct hook *h;

	if (!n->name)
		name = xstrdup(file);
	else if (path == n->path)
		name = xstrdup(n->name);
	else
		name = xasprintf("%s.%s", n->name, file);
	h = hook_new(name, path, n->source);
	str_replace(&h->origin, n->origin);
	if (n->settings) {
		hook_settings_copy(&h->settings, n->settings);
	} else {
		_cleanup_free_ char *conf = xasprintf("%s.conf", path);

		hook_settings_init(&h->settings, t->hooks_timeout, t->hooks_kill_after);
		if (access(conf, F_OK) == 0)
			apply_conf(h, conf, t);
	}
	if (n->role) {
		strv_clear(&h->settings.roles);
		strv_add(&h->settings.roles, n->role);
	}
	return h;
}

/* A file that somebody named has to be one that can run. */
static void add_named_file(struct hook_list *l, const struct named *n, const struct task *t)
{
	struct hook *h = make_named(n, n->path, t);
	_cleanup_free_ char *reason = NULL, *shown = str_escape(n->path, 0);

	hook_list_add(l, h);
	if (h->verdict != HOOK_RUN)
		return;
	examine(h);
	if (h->verdict != HOOK_SKIP)
		return;
	if (access(n->path, F_OK) < 0 && errno == ENOENT) {
		reason = xasprintf("%s: hook '%s' does not exist", n->origin, shown);
	} else if (strcmp(h->reason, "not executable") == 0) {
		_cleanup_free_ char *quoted = str_shell_quote(n->path);

		reason = xasprintf("%s: hook '%s' is not executable", n->origin, shown);
		free(h->fix);
		h->fix = xasprintf("chmod +x %s", quoted);
	} else {
		reason = xasprintf("%s: hook '%s' is %s", n->origin, shown, h->reason);
	}
	refuse(h, reason);
}

/* All of a directory's files that may be hooks, by name; that there are none is an error. */
static int add_named_dir(struct hook_list *l, const struct named *n, const struct task *t,
	struct hook_cache *cache, struct th_err *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct listing *listing;
	size_t eligible = 0;
	int r;

	r = list_dir(cache, n->path, &listing, err);
	if (r < 0)
		return r;
	if (listing) {
		strv_copy(&names, &listing->names);
		listing_unref(listing);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct hook *seen = make_candidate(n->path, names.v[i], n->source, false);
		_cleanup_free_ char *shown = str_escape(names.v[i], 0);

		if (seen->verdict == HOOK_RUN) {
			struct hook *h = make_named(n, seen->path, t);

			h->size = seen->size;
			h->mtime = seen->mtime;
			hook_list_add(l, h);
			hook_free(seen);
			eligible++;
			continue;
		}
		strbuf_addf(&why, "%s%s: %s", why.len > 0 ? "; " : "", shown, seen->reason);
		str_replace(&seen->origin, n->origin);
		hook_list_add(l, seen);
	}
	if (eligible == 0) {
		struct hook *h =
			hook_new(n->name ? n->name : path_basename(n->path), n->path, n->source);
		_cleanup_free_ char *shown = str_escape(n->path, 0);
		_cleanup_free_ char *reason = xasprintf("%s: directory '%s' holds no hook (%s)",
			n->origin, shown, why.len > 0 ? why.s : "it is empty");

		str_replace(&h->origin, n->origin);
		refuse(h, reason);
		hook_list_add(l, h);
	}
	return 0;
}

static int add_named(struct hook_list *l, const struct named *n, const struct task *t,
	struct hook_cache *cache, struct th_err *err)
{
	const char *problem = n->name ? hook_name_problem(n->name) : NULL;
	struct stat st;

	if (problem) {
		struct hook *h = hook_new(n->name, n->path, n->source);
		_cleanup_free_ char *shown = str_escape(n->name, 60);
		_cleanup_free_ char *reason = xasprintf(
			"%s: [hook %s]: no hook can have this name: %s", n->origin, shown, problem);

		str_replace(&h->origin, n->origin);
		refuse(h, reason);
		hook_list_add(l, h);
		return 0;
	}
	if (stat(n->path, &st) == 0 && S_ISDIR(st.st_mode))
		return add_named_dir(l, n, t, cache, err);
	add_named_file(l, n, t);
	return 0;
}

static int add_all_named(struct hook_list *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache, struct th_err *err)
{
	int r;

	for (size_t i = 0; i < t->n_file_hooks; i++) {
		const struct task_hook *th = &t->file_hooks[i];
		struct named n = {
			.name = th->hook->name,
			.path = th->hook->path,
			.source = HOOK_FROM_TASK_FILE,
			.origin = th->hook->origin ? th->hook->origin : "the task file",
			.settings = &th->hook->settings,
		};

		if (!(th->points & 1U << point))
			continue;
		r = add_named(l, &n, t, cache, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < t->n_hook_options; i++) {
		const struct hook_option *o = &t->hook_options[i];
		struct named n = {
			.path = o->path,
			.source = HOOK_FROM_COMMAND_LINE,
			.origin = o->option,
			.role = o->role,
		};

		if (o->point != point)
			continue;
		r = add_named(l, &n, t, cache, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- trust ------------------------------------------------------------------------------------
 */

static void check_path(struct hook *h, const char *path, uid_t uid, struct trust_cache *trust)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *text = NULL;

	if (trust_check_path(path, uid, trust, &h->fix, &why) == 0)
		return;
	h->verdict = HOOK_UNSAFE;
	text = xstrdup(err_text(&why));
	if (h->fix) {
		/* The text ends with the command too, which stands in `fix` here. */
		_cleanup_free_ char *shown = str_escape(h->fix, 0);
		_cleanup_free_ char *tail = xasprintf(" (%s)", shown);

		if (str_ends_with(text, tail))
			text[strlen(text) - strlen(tail)] = '\0';
	}
	str_replace(&h->reason, text);
}

static void trust_cache_freep(struct trust_cache **c)
{
	*c = trust_cache_free(*c);
}

static void check_hooks(struct hook_list *l)
{
	/* Not longer than this reading, as a mode can change at any time. */
	_cleanup_(trust_cache_freep) struct trust_cache *trust = trust_cache_new();
	uid_t uid = geteuid();

	for (size_t i = 0; i < l->n; i++) {
		struct hook *h = l->v[i];

		if (h->verdict == HOOK_RUN)
			check_path(h, h->path, uid, trust);
		/* Who writes these chooses its user, and whether it runs at all. */
		if (h->settings_path && h->verdict != HOOK_UNSAFE)
			check_path(h, h->settings_path, uid, trust);
	}
}

/* ---- templates --------------------------------------------------------------------------------
 */

static struct timing *time_template(
	struct hook_cache *c, const struct hook *h, const struct strv *options)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct timing *t = c->timings;

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

/* Nothing reads a file for root that others could change. */
static bool may_be_read(const struct hook *h)
{
	return geteuid() != 0 || trust_check_path(h->path, 0, NULL, NULL, NULL) == 0;
}

/* Templates have the time that they need, where nothing else was set. */
static void time_templates(struct hook_list *l, struct hook_cache *cache)
{
	for (size_t i = 0; i < l->n; i++) {
		struct hook *h = l->v[i];
		_cleanup_strv_ struct strv options = STRV_INIT;
		const struct timing *t;

		if (h->verdict != HOOK_RUN || !hook_template_find(h->path, &options) ||
			!may_be_read(h))
			continue;
		h->is_template = true;
		t = time_template(cache, h, &options);
		if (t->refusal)
			refuse(h, t->refusal);
		else if (!h->settings.timeout_is_set)
			h->settings.timeout = t->timeout;
	}
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void add_subdirs(struct hook_list *list, const struct hook_dirs *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		for (size_t k = 0; k < dirs->v[i].listing->subdirs.n; k++) {
			const char *name = dirs->v[i].listing->subdirs.v[k];
			_cleanup_free_ char *path = path_join(dirs->v[i].path, name);
			struct hook *h = hook_new(name, path, dirs->v[i].source);

			str_replace(&h->origin, dirs->v[i].path);
			skip(h, "a directory, which is not entered");
			hook_list_add(list, h);
		}
}

int hookdir_list(const struct layout *l, const struct task *t, enum hook_point point,
	const struct hook_context *ctx, bool check_trust, struct hook_cache *cache,
	struct hook_list *ret, struct th_err *err)
{
	_cleanup_(hook_cache_freep) struct hook_cache *own = cache ? NULL : hook_cache_new();
	_cleanup_(hook_dirs_done) struct hook_dirs dirs = {0};
	struct hook_list list = {.point = point};
	int r;

	if (!cache)
		cache = own;
	r = find_dirs(l, t, point, cache, &dirs, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < dirs.n; i++)
		for (size_t k = 0; k < dirs.v[i].listing->names.n; k++)
			hook_list_add(
				&list, make_candidate(dirs.v[i].path, dirs.v[i].listing->names.v[k],
					       dirs.v[i].source, dirs.v[i].is_type_dir));
	for (size_t i = 0; i < list.n; i++)
		explain_conf(list.v[i], &list);
	r = add_all_named(&list, t, point, cache, err);
	if (r < 0) {
		hook_list_done(&list);
		return r;
	}

	hook_list_resolve(&list);
	for (size_t i = 0; i < list.n; i++) {
		struct hook *h = list.v[i];

		if (h->source == HOOK_FROM_SYSTEM || h->source == HOOK_FROM_GROUP)
			set_up_from_dir(h, &dirs, t);
		hook_decide(h, point, ctx);
	}
	if (check_trust)
		check_hooks(&list);
	time_templates(&list, cache);
	if (ctx->with_subdirs)
		add_subdirs(&list, &dirs);
	*ret = list;
	return 0;
}

static bool has_named(const struct task *t, enum hook_point point)
{
	for (size_t i = 0; i < t->n_file_hooks; i++)
		if (t->file_hooks[i].points & 1U << point)
			return true;
	for (size_t i = 0; i < t->n_hook_options; i++)
		if (t->hook_options[i].point == point)
			return true;
	return false;
}

bool hookdir_is_empty(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache)
{
	_cleanup_(hook_cache_freep) struct hook_cache *own = cache ? NULL : hook_cache_new();
	_cleanup_(hook_dirs_done) struct hook_dirs dirs = {0};

	if (has_named(t, point))
		return false;
	/* What cannot be read is not empty: hookdir_list() says why. */
	if (find_dirs(l, t, point, cache ? cache : own, &dirs, NULL) < 0)
		return false;
	for (size_t i = 0; i < dirs.n; i++)
		if (dirs.v[i].listing->names.n > 0)
			return false;
	return true;
}

static int check_user(const struct hook *h, struct th_err *err)
{
	_cleanup_cred_ struct cred cred = {0};
	int r;

	if (h->verdict != HOOK_RUN || !h->settings.user)
		return 0;
	r = cred_lookup(h->settings.user, NULL, &cred, err);
	if (r < 0)
		err_prefix(err, h->settings.user_origin ? "%s" : "hook '%s'",
			h->settings.user_origin ? h->settings.user_origin : h->path);
	return r;
}

char *hookdir_problem(const struct hook *h)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *program = NULL;

	if (h->verdict != HOOK_RUN)
		return NULL;
	if (check_user(h, &why) < 0)
		return xstrdup(err_text(&why));
	program = program_problem(h->path);
	return program ? xasprintf("hook '%s' cannot be executed: %s", h->path, program) : NULL;
}

static int first_misconfigured(const struct hook_list *l, struct th_err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct hook *h = l->v[i];
		int r = check_user(h, err);

		if (r < 0)
			return r;
		if (!h->misconfigured || h->verdict != HOOK_UNSAFE)
			continue;
		if (h->fix)
			return err_set(err, EXIT_CONFIG, EINVAL, "%s (%s)", h->reason, h->fix);
		return err_set(err, EXIT_CONFIG, EINVAL, "%s", h->reason);
	}
	return 0;
}

static bool has_any_base(const struct layout *l, const struct task *t, struct hook_cache *cache)
{
	_cleanup_free_ char *group = layout_group_hooks(l, t->group);

	for (size_t i = 0; i < l->hook_dirs.n; i++)
		if (!is_missing(cache, l->hook_dirs.v[i], i))
			return true;
	return !is_missing(cache, group, l->hook_dirs.n);
}

int hookdir_check(
	const struct layout *l, const struct task *t, struct hook_cache *cache, struct th_err *err)
{
	static const enum hook_point passed[] = {
		POINT_PRE_DEPLOY,
		POINT_POST_DEPLOY,
		POINT_PRE_START,
		POINT_POST_START,
		POINT_POST_EXIT,
		POINT_PRE_STOP,
		POINT_POST_STOP,
	};
	struct hook_context ctx = {.group = t->group, .node_roles = &t->node.roles};
	bool wanted[POINT_COUNT] = {false};

	if (has_any_base(l, t, cache))
		for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
			wanted[passed[i]] = true;
	for (unsigned int p = 0; p < POINT_COUNT; p++) {
		struct hook_list list = {.point = (enum hook_point)p};
		int r;

		if (!wanted[p] && !has_named(t, (enum hook_point)p))
			continue;
		if (hookdir_is_empty(l, t, (enum hook_point)p, cache))
			continue;
		r = hookdir_list(l, t, (enum hook_point)p, &ctx, false, cache, &list, err);
		if (r == 0)
			r = first_misconfigured(&list, err);
		hook_list_done(&list);
		if (r < 0)
			return r;
	}
	return 0;
}
