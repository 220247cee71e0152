#include "config.h"

#include "run/hooknamed.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/str.h"
#include "run/hookfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
			hook_file_apply_conf(h, conf, t);
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
	hook_file_examine(h);
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
	hook_file_refuse(h, reason);
}

/* All of a directory's files that may be hooks, by name; that there are none is an error. */
static int add_named_dir(struct hook_list *l, const struct named *n, const struct task *t,
	struct hook_cache *cache, struct th_err *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct hook_listing *listing;
	size_t eligible = 0;
	int r;

	r = hook_cache_list(cache, n->path, &listing, err);
	if (r < 0)
		return r;
	if (listing) {
		strv_copy(&names, &listing->names);
		hook_listing_unref(listing);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct hook *seen = hook_file_candidate(n->path, names.v[i], n->source, false);
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
		hook_file_refuse(h, reason);
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
		hook_file_refuse(h, reason);
		hook_list_add(l, h);
		return 0;
	}
	if (stat(n->path, &st) == 0 && S_ISDIR(st.st_mode))
		return add_named_dir(l, n, t, cache, err);
	add_named_file(l, n, t);
	return 0;
}

int hook_named_add(struct hook_list *l, const struct task *t, enum hook_point point,
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

bool hook_named_is_any(const struct task *t, enum hook_point point)
{
	for (size_t i = 0; i < t->n_file_hooks; i++)
		if (t->file_hooks[i].points & 1U << point)
			return true;
	for (size_t i = 0; i < t->n_hook_options; i++)
		if (t->hook_options[i].point == point)
			return true;
	return false;
}
