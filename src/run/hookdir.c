#include "config.h"

#include "run/hookdir.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/trust.h"
#include "os/cred.h"
#include "os/program.h"
#include "run/hookfile.h"
#include "run/hooknamed.h"
#include "run/hooktemplate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the directories of one point ---- */

/* One directory that is read for the point, lowest first. */
struct hook_dir {
	char *path;
	enum hook_source source;
	bool is_type_dir;
	struct hook_listing *listing; /* a reference */
};

struct hook_dirs {
	struct hook_dir *v;
	size_t n;
};

static void hook_dirs_done(struct hook_dirs *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].path);
		hook_listing_unref(d->v[i].listing);
	}
	free(d->v);
}

static int add_dir(struct hook_dirs *d, struct hook_cache *cache, const char *base, const char *sub,
	enum hook_source source, bool is_type_dir, struct th_err *err)
{
	_cleanup_free_ char *path = path_join(base, sub);
	struct hook_listing *listing;
	int r;

	r = hook_cache_list(cache, path, &listing, err);
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

static int add_base(struct hook_dirs *d, struct hook_cache *cache, const char *base, size_t index,
	enum hook_point point, enum hook_source source, struct th_err *err)
{
	int r;

	/* Most hosts have only one of them. */
	if (hook_cache_is_missing(cache, base, index))
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

/* ---- settings ---- */

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
	hook_file_apply_conf(h, conf, t);
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
	hook_file_skip(conf, reason);
}

/* ---- trust ---- */

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

/* ---- templates ---- */

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
		const struct hook_timing *t;

		if (h->verdict != HOOK_RUN || !hook_template_find(h->path, &options) ||
			!may_be_read(h))
			continue;
		h->is_template = true;
		t = hook_cache_time(cache, h, &options);
		if (t->refusal)
			hook_file_refuse(h, t->refusal);
		else if (!h->settings.timeout_is_set)
			h->settings.timeout = t->timeout;
	}
}

/* ---- all of it ---- */

static void add_subdirs(struct hook_list *list, const struct hook_dirs *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		for (size_t k = 0; k < dirs->v[i].listing->subdirs.n; k++) {
			const char *name = dirs->v[i].listing->subdirs.v[k];
			_cleanup_free_ char *path = path_join(dirs->v[i].path, name);
			struct hook *h = hook_new(name, path, dirs->v[i].source);

			str_replace(&h->origin, dirs->v[i].path);
			hook_file_skip(h, "a directory, which is not entered");
			hook_list_add(list, h);
		}
}

static void hook_cache_freep(struct hook_cache **c)
{
	*c = hook_cache_free(*c);
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
			hook_list_add(&list,
				hook_file_candidate(dirs.v[i].path, dirs.v[i].listing->names.v[k],
					dirs.v[i].source, dirs.v[i].is_type_dir));
	for (size_t i = 0; i < list.n; i++)
		explain_conf(list.v[i], &list);
	r = hook_named_add(&list, t, point, cache, err);
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

bool hookdir_is_empty(const struct layout *l, const struct task *t, enum hook_point point,
	struct hook_cache *cache)
{
	_cleanup_(hook_cache_freep) struct hook_cache *own = cache ? NULL : hook_cache_new();
	_cleanup_(hook_dirs_done) struct hook_dirs dirs = {0};

	if (hook_named_is_any(t, point))
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
		if (!hook_cache_is_missing(cache, l->hook_dirs.v[i], i))
			return true;
	return !hook_cache_is_missing(cache, group, l->hook_dirs.n);
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

		if (!wanted[p] && !hook_named_is_any(t, (enum hook_point)p))
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
