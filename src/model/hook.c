#include "config.h"

#include "model/hook.h"

#include "base/alloc.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* After SIGKILL this long is waited for the last process of a hook (taskhook-hooks(7)). */
#define GIVE_UP_USEC (5 * USEC_PER_SEC)

static const char *const verdict_names[] = {
	[HOOK_RUN] = "run",
	[HOOK_SKIP] = "skip",
	[HOOK_MASKED] = "masked",
	[HOOK_UNSAFE] = "unsafe",
};

const char *hook_verdict_name(enum hook_verdict v)
{
	assert((unsigned int)v < ARRAY_SIZE(verdict_names));
	return verdict_names[v];
}

/* ---- settings ---------------------------------------------------------------------------------
 */

void hook_settings_init(struct hook_settings *s, usec_t timeout, usec_t kill_after)
{
	*s = (struct hook_settings){.timeout = timeout, .kill_after = kill_after};
}

void hook_settings_copy(struct hook_settings *ret, const struct hook_settings *from)
{
	struct hook_settings s = *from;

	s.roles = s.groups = s.operators = (struct strv)STRV_INIT;
	strv_copy(&s.roles, &from->roles);
	strv_copy(&s.groups, &from->groups);
	strv_copy(&s.operators, &from->operators);
	s.user = from->user ? xstrdup(from->user) : NULL;
	s.user_origin = from->user_origin ? xstrdup(from->user_origin) : NULL;
	*ret = s;
}

void hook_settings_done(struct hook_settings *s)
{
	strv_done(&s->roles);
	strv_done(&s->groups);
	strv_done(&s->operators);
	free(s->user);
	free(s->user_origin);
	s->user = s->user_origin = NULL;
}

/* "FILE:LINE" where the value has one, for the front of a message. The caller frees it. */
static char *origin_of(const struct conf *c, enum conf_key key)
{
	unsigned int line = 0;
	const char *file = conf_origin(c, key, &line);

	return line > 0 ? xasprintf("%s:%u", file, line) : xstrdup(file);
}

static int check_operators(const struct conf *c, const struct strv *operators, struct th_err *err)
{
	for (size_t i = 0; i < operators->n; i++) {
		const char *op = operators->v[i];
		int status = conf_origin_status(conf_origin(c, KEY_HOOK_OPERATORS, NULL));
		_cleanup_free_ char *origin = NULL, *shown = NULL;
		const char *near;

		if (operator_from_name(op) >= 0)
			continue;
		origin = origin_of(c, KEY_HOOK_OPERATORS);
		shown = str_escape(op, 60);
		near = operator_suggest(op);
		if (near)
			return err_set(err, status, EINVAL,
				"%s: operators: unknown operator '%s'; did you mean '%s'?", origin,
				shown, near);
		return err_set(err, status, EINVAL,
			"%s: operators: unknown operator '%s'; see taskhook-hooks(7)", origin,
			shown);
	}
	return 0;
}

int hook_settings_from_conf(struct hook_settings *ret, const struct conf *hook_conf, usec_t timeout,
	usec_t kill_after, struct th_err *err)
{
	const struct conf *c = hook_conf;
	struct hook_settings s;
	int r;

	r = check_operators(c, conf_list(c, KEY_HOOK_OPERATORS), err);
	if (r < 0)
		return r;

	hook_settings_init(&s, timeout, kill_after);
	s.timeout_is_set = conf_is_set(c, KEY_HOOK_TIMEOUT);
	if (s.timeout_is_set)
		s.timeout = conf_duration(c, KEY_HOOK_TIMEOUT);
	if (conf_is_set(c, KEY_HOOK_KILL_AFTER))
		s.kill_after = conf_duration(c, KEY_HOOK_KILL_AFTER);
	/* The words of these keys stand in the order of the enums, behind "by the point". */
	if (conf_is_set(c, KEY_HOOK_ON_FAILURE))
		s.on_failure =
			(enum hook_on_failure)(conf_enum(c, KEY_HOOK_ON_FAILURE) + ON_FAILURE_FAIL);
	if (conf_is_set(c, KEY_HOOK_RETRIES))
		s.retries = (unsigned int)conf_uint(c, KEY_HOOK_RETRIES);
	s.retry_delay = conf_duration(c, KEY_HOOK_RETRY_DELAY);
	if (conf_is_set(c, KEY_HOOK_STDIN))
		s.stdin_record = strcmp(conf_string(c, KEY_HOOK_STDIN), "record") == 0;
	if (conf_is_set(c, KEY_HOOK_RUN_IF))
		s.run_if = (enum hook_run_if)conf_enum(c, KEY_HOOK_RUN_IF);
	if (conf_is_set(c, KEY_HOOK_USER)) {
		str_replace(&s.user, conf_string(c, KEY_HOOK_USER));
		s.user_origin = origin_of(c, KEY_HOOK_USER);
	}
	strv_copy(&s.roles, conf_list(c, KEY_HOOK_ROLE));
	strv_copy(&s.groups, conf_list(c, KEY_HOOK_GROUPS));
	strv_copy(&s.operators, conf_list(c, KEY_HOOK_OPERATORS));
	*ret = s;
	return 0;
}

/* ---- hooks and lists of them ------------------------------------------------------------------
 */

struct hook *hook_new(const char *name, const char *path, enum hook_source source)
{
	struct hook *h = xcalloc(1, sizeof(*h));

	h->name = xstrdup(name);
	h->path = xstrdup(path);
	h->source = source;
	return h;
}

struct hook *hook_free(struct hook *h)
{
	if (!h)
		return NULL;
	free(h->name);
	free(h->path);
	free(h->origin);
	free(h->reason);
	free(h->fix);
	free(h->settings_path);
	hook_settings_done(&h->settings);
	free(h);
	return NULL;
}

void hook_list_add(struct hook_list *l, struct hook *h)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(struct hook *));
	}
	l->v[l->n++] = h;
}

void hook_list_done(struct hook_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		hook_free(l->v[i]);
	free(l->v);
	*l = (struct hook_list){.point = l->point};
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* Patterns of what editors, packages and admins leave beside the real thing, with its message. */
static const struct {
	const char *pattern;
	const char *problem;
} name_endings[] = {
	{"*~", "ends in '~'"},
	{"*.bak", "ends in '.bak'"},
	{"*.conf", "ends in '.conf'"},
	{"*.disabled", "ends in '.disabled'"},
	{"*.swp", "ends in '.swp'"},
	{"*.dpkg-*", "ends in '.dpkg-*'"},
	{"*.rpmnew", "ends in '.rpmnew'"},
	{"*.rpmsave", "ends in '.rpmsave'"},
	{"*.rpmorig", "ends in '.rpmorig'"},
};

const char *hook_name_problem(const char *name)
{
	if (*name == '\0')
		return "name is empty";
	if (*name == '.')
		return "name starts with a dot";
	/* Before the characters, as '~' is none of the allowed ones and deserves its own reason. */
	for (size_t i = 0; i < ARRAY_SIZE(name_endings); i++)
		if (fnmatch(name_endings[i].pattern, name, 0) == 0)
			return name_endings[i].problem;
	for (const char *p = name; *p; p++) {
		bool fine = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			    (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' || *p == '-';

		if (!fine)
			return "name has a character other than letters, digits, '.', '_' and '-'";
	}
	return NULL;
}

/* ---- hooks of the command line ----------------------------------------------------------------
 */

static enum hook_point option_point(const char *option, enum operator verb, bool for_run)
{
	bool post = str_ends_with(option, "posthook");

	if (str_starts_with(option, "--cluster-")) {
		if (verb == OP_CLEANUP)
			return post ? POINT_POST_CLEANUP : POINT_PRE_CLEANUP;
		return post ? POINT_POST_DEPLOY : POINT_PRE_DEPLOY;
	}
	switch (verb) {
	case OP_DEPLOY:
		return post ? POINT_POST_DEPLOY : POINT_PRE_DEPLOY;
	case OP_START:
		if (post)
			return for_run ? POINT_POST_STOP : POINT_POST_START;
		return POINT_PRE_START;
	case OP_RESTART:
		/* A restart has no post point of its own: it ends with post-start. */
		return post ? POINT_POST_START : POINT_PRE_RESTART;
	case OP_UPDATE:
		return post ? POINT_POST_UPDATE : POINT_PRE_UPDATE;
	case OP_EXIT:
	case OP_STOP:
		return post ? POINT_POST_STOP : POINT_PRE_STOP;
	case OP_CLEANUP:
		return post ? POINT_POST_CLEANUP : POINT_PRE_CLEANUP;
	case OPERATOR_COUNT:
		break;
	}
	return POINT_NONE;
}

static bool role_is_valid(const char *s)
{
	return *s && *s != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(s);
}

int hook_option_parse(const char *option, const char *value, enum operator verb, bool for_run,
	struct hook_option *ret, struct th_err *err)
{
	enum hook_point point;
	_cleanup_free_ char *path = NULL, *absolute = NULL, *role = NULL;
	const char *rest = value;
	char *comma;

	if (strcmp(option, "--hook") == 0) {
		const char *colon = strchr(value, ':');
		_cleanup_free_ char *word = NULL, *shown = NULL;
		const char *near;

		if (!colon) {
			shown = str_escape(value, 60);
			return err_set(err, EXIT_USAGE, EINVAL,
				"--hook=%s has no hook point; write --hook=pre-start:PATH", shown);
		}
		word = xstrndup(value, (size_t)(colon - value));
		point = point_from_name(word);
		if (point == POINT_NONE)
			point = point_from_eggo_schedule(word);
		if (point == POINT_NONE) {
			shown = str_escape(word, 60);
			near = point_suggest(word);
			return err_set(err, EXIT_USAGE, EINVAL,
				"--hook: unknown hook point '%s'%s%s%s", shown,
				near ? "; did you mean '" : "; see taskhook-hooks(7)",
				near ? near : "", near ? "'?" : "");
		}
		rest = colon + 1;
	} else {
		point = option_point(option, verb, for_run);
		assert(point != POINT_NONE);
	}

	path = xstrdup(rest);
	comma = strrchr(path, ',');
	/* A role holds no slash: that comma is one of the path's directories. */
	if (comma && !strchr(comma, '/')) {
		if (!role_is_valid(comma + 1)) {
			_cleanup_free_ char *shown = str_escape(comma + 1, 60);

			return err_set(err, EXIT_USAGE, EINVAL,
				"%s: '%s' is no role; write PATH,ROLE or PATH alone", option,
				shown);
		}
		role = xstrdup(comma + 1);
		*comma = '\0';
	}
	if (*path == '\0')
		return err_set(err, EXIT_USAGE, EINVAL, "%s: the path is empty", option);
	absolute = path_make_absolute(path);
	if (!absolute) {
		int errnum = errno;

		return err_set(err, EXIT_USAGE, errnum,
			"%s: cannot make '%s' absolute: the current directory: %s", option, path,
			strerror(errnum));
	}
	*ret = (struct hook_option){
		.point = point,
		.path = TAKE_PTR(absolute),
		.role = TAKE_PTR(role),
		.option = xstrdup(option),
	};
	return 0;
}

void hook_option_done(struct hook_option *o)
{
	free(o->path);
	free(o->role);
	free(o->option);
	*o = (struct hook_option){.point = POINT_NONE};
}

/* ---- decisions --------------------------------------------------------------------------------
 */

static void decide_skip(struct hook *h, char *reason)
{
	h->verdict = HOOK_SKIP;
	free(h->reason);
	h->reason = reason;
}

static char *strv_join(const struct strv *sv, const char *separator)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sv->n; i++) {
		if (i > 0)
			strbuf_adds(&b, separator);
		strbuf_adds(&b, sv->v[i]);
	}
	return strbuf_steal(&b);
}

static bool has_common(const struct strv *a, const struct strv *b)
{
	if (!b)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strv_contains(b, a->v[i]))
			return true;
	return false;
}

static bool is_after_end(enum hook_point point)
{
	return point == POINT_POST_EXIT || point == POINT_POST_STOP || point == POINT_POST_CLEANUP;
}

void hook_decide(struct hook *h, enum hook_point point, const struct hook_context *ctx)
{
	const struct hook_settings *s = &h->settings;

	if (h->verdict != HOOK_RUN || ctx->everywhere)
		return;

	if (s->operators.n > 0 &&
		!strv_contains(&s->operators, operator_name(point_operator(point)))) {
		_cleanup_free_ char *ops = strv_join(&s->operators, ", ");

		decide_skip(h, xasprintf("operators = %s", ops));
		return;
	}
	if (s->groups.n > 0 && !str_matches_any(ctx->group, &s->groups)) {
		_cleanup_free_ char *groups = strv_join(&s->groups, ", ");

		decide_skip(h, xasprintf("groups = %s", groups));
		return;
	}
	if (s->roles.n > 0 && !has_common(&s->roles, ctx->node_roles)) {
		_cleanup_free_ char *roles = strv_join(&s->roles, ", ");
		_cleanup_free_ char *ours =
			ctx->node_roles ? strv_join(ctx->node_roles, ", ") : NULL;

		if (str_is_empty(ours))
			decide_skip(h, xasprintf("role = %s; this node has none", roles));
		else
			decide_skip(h, xasprintf("role = %s; this node is %s", roles, ours));
		return;
	}
	switch (s->run_if) {
	case RUN_IF_ALWAYS:
		break;
	case RUN_IF_SUCCESS:
	case RUN_IF_FAILURE: {
		const char *word = s->run_if == RUN_IF_SUCCESS ? "success" : "failure";

		if (ctx->outcome_unknown && is_after_end(point))
			break;
		if (!ctx->has_ended)
			decide_skip(h, xasprintf("run-if = %s; the task has not ended", word));
		else if (ctx->succeeded != (s->run_if == RUN_IF_SUCCESS))
			decide_skip(h, xasprintf("run-if = %s; the task %s", word,
					       ctx->succeeded ? "succeeded" : "failed"));
		break;
	}
	}
}

/* ---- order ------------------------------------------------------------------------------------
 */

/* A candidate with what its place depends on. */
struct placed {
	struct hook *hook;
	unsigned int rank; /* search path, group, task file, command line */
	size_t index;	   /* as given */
};

static bool is_from_dir(const struct hook *h)
{
	return h->source == HOOK_FROM_SYSTEM || h->source == HOOK_FROM_GROUP;
}

/* One directory tree's file against another's: where two are equal the later one replaces. */
static int compare_slot(const struct hook *a, const struct hook *b)
{
	int c = strcmp(a->name, b->name);

	if (c != 0)
		return c;
	return (int)b->from_type_dir - (int)a->from_type_dir;
}

static int compare_candidates(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	/* The command line's order is the user's. */
	if (a->hook->source != HOOK_FROM_COMMAND_LINE) {
		int c = compare_slot(a->hook, b->hook);

		if (c != 0)
			return c;
	}
	return a->index < b->index ? -1 : 1;
}

/* By slot, then as given, to find the ones that replace each other. */
static int compare_slots_then_index(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;
	int c = compare_slot(a->hook, b->hook);

	if (c != 0)
		return c;
	return a->index < b->index ? -1 : 1;
}

static void mask(struct hook *h, const struct hook *by)
{
	h->verdict = HOOK_MASKED;
	free(h->reason);
	h->reason = xasprintf(
		by->is_mask ? "masked by %s, a link to /dev/null" : "replaced by %s", by->path);
	free(h->fix);
	h->fix = NULL;
}

void hook_list_resolve(struct hook_list *l)
{
	struct placed *v;
	size_t n_dir = 0;

	if (l->n == 0)
		return;
	v = xreallocarray(NULL, l->n, sizeof(*v));

	/* What comes from directories first, as only these replace each other. */
	for (size_t i = 0; i < l->n; i++)
		if (is_from_dir(l->v[i]))
			v[n_dir++] = (struct placed){l->v[i], 0, i};
	for (size_t i = 0, k = n_dir; i < l->n; i++)
		if (!is_from_dir(l->v[i]))
			v[k++] = (struct placed){l->v[i], (unsigned int)l->v[i]->source, i};

	qsort(v, n_dir, sizeof(*v), compare_slots_then_index);
	for (size_t first = 0, end; first < n_dir; first = end) {
		bool in_search_path = false;

		for (end = first; end < n_dir && compare_slot(v[first].hook, v[end].hook) == 0;
			end++)
			if (v[end].hook->source == HOOK_FROM_SYSTEM)
				in_search_path = true;
		for (size_t i = first; i < end; i++) {
			if (i + 1 < end)
				mask(v[i].hook, v[end - 1].hook);
			/* A group's hook takes the place of the one that it replaces. */
			v[i].rank = in_search_path ? HOOK_FROM_SYSTEM : HOOK_FROM_GROUP;
		}
	}

	qsort(v, l->n, sizeof(*v), compare_candidates);
	for (size_t i = 0; i < l->n; i++)
		l->v[i] = v[i].hook;
	free(v);
}

/* ---- budget -----------------------------------------------------------------------------------
 */

static usec_t usec_times(usec_t a, usec_t n)
{
	usec_t product;

	if (a == USEC_INFINITY || __builtin_mul_overflow(a, n, &product))
		return n == 0 ? 0 : USEC_INFINITY;
	return product;
}

usec_t hook_list_budget(const struct hook_list *l, usec_t total_timeout)
{
	usec_t sum = 0, kill_most = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct hook_settings *s = &l->v[i]->settings;
		usec_t to_kill = usec_add(s->kill_after, GIVE_UP_USEC);

		if (l->v[i]->verdict != HOOK_RUN)
			continue;
		sum = usec_add(
			sum, usec_times(usec_add(s->timeout, to_kill), 1 + (usec_t)s->retries));
		sum = usec_add(sum, usec_times(s->retry_delay, s->retries));
		kill_most = MAX(kill_most, to_kill);
	}
	return MIN(sum, usec_add(total_timeout, kill_most));
}
