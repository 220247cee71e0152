#include "config.h"

#include "model/update.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "model/artifact.h"
#include "model/task-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OF_TASKHOOK "it is taskhook's own setting and no task's"
#define OF_ARTIFACTS                                                                               \
	"artifacts are fetched when the group comes into being ('taskhook cleanup' ends it)"
#define OF_HOOKS "the hooks of a task file hold from the start of the task to its end"

/* Every key is in one row (tests/unit/test-update). */
static const struct {
	enum conf_key first, last;
	enum update_kind kind;
	const char *reason;
} rows[] = {
	{KEY_PATHS_STATE, KEY_CLEANUP_FAILED_OLDER_THAN, UPDATE_NEVER, OF_TASKHOOK},
	{KEY_TASK_GROUP, KEY_TASK_ID, UPDATE_NEVER, "it is the name of the task"},
	{KEY_TASK_COMMAND, KEY_TASK_COMMAND, UPDATE_RESTART, NULL},
	{KEY_TASK_USER, KEY_TASK_USER, UPDATE_NEVER,
		"the task's directory and what was made for it belong to that user"},
	{KEY_TASK_SUPPLEMENTARY_GROUPS, KEY_TASK_STDIN, UPDATE_RESTART, NULL},
	{KEY_TASK_STOP_SIGNAL, KEY_TASK_KEEP, UPDATE_LIVE, NULL},
	{KEY_TASK_WHEN_SUPERVISOR_DIES, KEY_TASK_WHEN_SUPERVISOR_DIES, UPDATE_RESTART, NULL},
	{KEY_TASK_PASS_ENV, KEY_TASK_PASS_ENV, UPDATE_NEVER,
		"it is about the environment of whoever started the task"},
	{KEY_TASK_UMASK, KEY_TASK_LIMIT_STACK, UPDATE_RESTART, NULL},
	{KEY_LIMITS_MEMORY, KEY_LIMITS_IO_MAX, UPDATE_LIVE, NULL},
	{KEY_GROUP_LIMITS_MEMORY, KEY_GROUP_LIMITS_IO_MAX, UPDATE_GROUP, NULL},
	{KEY_LOGS_TO, KEY_LOGS_TO, UPDATE_RESTART, NULL},
	{KEY_LOGS_MAX_SIZE, KEY_RESTART_SUCCESS_CODES, UPDATE_LIVE, NULL},
	{KEY_FETCH_USER, KEY_FETCH_LANDLOCK, UPDATE_NEVER, OF_TASKHOOK},
	{KEY_ARTIFACT_SOURCE, KEY_ARTIFACT_MAX_FILES, UPDATE_NEVER, OF_ARTIFACTS},
	{KEY_HOOK_SCHEDULE, KEY_HOOK_RUN_IF, UPDATE_NEVER, OF_HOOKS},
};

static const char *const kind_names[] = {
	[UPDATE_LIVE] = "live",
	[UPDATE_GROUP] = "group",
	[UPDATE_RESTART] = "restart",
	[UPDATE_NEVER] = "never",
};

const char *update_kind_name(enum update_kind kind)
{
	return kind_names[kind];
}

enum update_kind update_kind_of(enum conf_key key, const char **ret_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (key < rows[i].first || key > rows[i].last)
			continue;
		if (ret_reason)
			*ret_reason = rows[i].reason;
		return rows[i].kind;
	}
	return UPDATE_NEVER;
}

void update_set_add(
	struct update_set **v, size_t *n, const char *key, const char *value, const char *origin)
{
	*v = xreallocarray(*v, *n + 1, sizeof(**v));
	(*v)[(*n)++] = (struct update_set){xstrdup(key), xstrdup(value), xstrdup(origin)};
}

void update_set_free(struct update_set *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].key);
		free(v[i].value);
		free(v[i].origin);
	}
	free(v);
}

void update_changes_done(struct update_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].key);
		free(c->v[i].from);
		free(c->v[i].to);
	}
	free(c->v);
	*c = (struct update_changes){.n = 0};
}

/* The origin of what stays. */
#define FROM_TASK "the task"

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ---- a task as text ---- */

/* The word of an index, as conf/value.c counts them. */
static char *word_of(enum conf_key key, size_t i)
{
	const char *words = conf_key_info(key)->words;

	for (; i > 0 && *words; i--)
		words += strcspn(words, "|") + 1;
	return xstrndup(words, strcspn(words, "|"));
}

static char *number_of(uint64_t n)
{
	return xasprintf("%" PRIu64, n);
}

static char *size_of(uint64_t n)
{
	char buf[32];

	return xstrdup(format_size(n, buf, sizeof(buf)));
}

static char *duration_of(usec_t usec)
{
	char buf[32];

	return xstrdup(format_duration(usec, buf, sizeof(buf)));
}

static char *text_of(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static char *words_of(const struct strv *sv)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sv->n; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", sv->v[i]);
	return strbuf_steal(&b);
}

static char *rlim_of(rlim_t n)
{
	return n == RLIM_INFINITY ? xstrdup("infinity") : number_of(n);
}

static char *rlimit_value(const struct task *t, enum conf_key key)
{
	int resource = task_rlimit_names[key - KEY_TASK_LIMIT_AS].resource;

	for (size_t i = 0; i < t->n_rlimits; i++) {
		const struct rlimit *l = &t->rlimits[i].value;
		_cleanup_free_ char *soft = rlim_of(l->rlim_cur), *hard = rlim_of(l->rlim_max);

		if (t->rlimits[i].resource != resource)
			continue;
		return l->rlim_cur == l->rlim_max ? TAKE_PTR(soft) : xasprintf("%s:%s", soft, hard);
	}
	return NULL;
}

static char *success_codes_of(const struct restart_policy *p)
{
	struct strbuf b = STRBUF_INIT;

	for (int i = 1; i <= 255; i++)
		if (restart_is_success(p, i))
			strbuf_addf(&b, "%s%d", b.len ? " " : "", i);
	if (b.len)
		return strbuf_steal(&b);
	strbuf_done(&b);
	return NULL;
}

static char *task_value(const struct task *t, enum conf_key key)
{
	if (key == KEY_TASK_GROUP)
		return xstrdup(t->group);
	if (key == KEY_TASK_ID)
		return xstrdup(t->id);
	if (key == KEY_TASK_COMMAND)
		return strv_shell_join(t->command.v);
	if (key == KEY_TASK_USER)
		return text_of(t->user);
	if (key == KEY_TASK_SUPPLEMENTARY_GROUPS)
		return t->has_supplementary_groups ? words_of(&t->supplementary_groups) : NULL;
	if (key == KEY_TASK_WORKDIR)
		return text_of(t->workdir);
	if (key == KEY_TASK_STDIN)
		return text_of(t->stdin_from);
	if (key == KEY_TASK_STOP_SIGNAL)
		return xasprintf("SIG%s", signal_name(t->stop_signal));
	if (key == KEY_TASK_STOP_TIMEOUT)
		return duration_of(t->stop_timeout);
	if (key == KEY_TASK_MAX_RUN_TIME)
		return duration_of(t->max_run_time);
	if (key == KEY_TASK_KEEP)
		return word_of(key, (size_t)t->keep);
	if (key == KEY_TASK_WHEN_SUPERVISOR_DIES)
		return word_of(key, t->end_with_supervisor ? 0 : 1);
	if (key == KEY_TASK_UMASK)
		return t->has_umask ? xasprintf("%03o", (unsigned)t->umask) : NULL;
	if (key == KEY_TASK_NICE)
		return t->has_nice ? xasprintf("%d", t->nice) : NULL;
	if (key == KEY_TASK_OOM_SCORE_ADJ)
		return t->has_oom_score_adj ? xasprintf("%d", t->oom_score_adj) : NULL;
	return NULL;
}

static char *restart_value(const struct restart_policy *p, enum conf_key key)
{
	if (key == KEY_RESTART_POLICY)
		return xstrdup(restart_when_names[p->when]);
	if (key == KEY_RESTART_ATTEMPTS)
		return number_of(p->attempts);
	if (key == KEY_RESTART_INTERVAL)
		return duration_of(p->interval);
	if (key == KEY_RESTART_DELAY)
		return duration_of(p->delay);
	if (key == KEY_RESTART_MAX_DELAY)
		return duration_of(p->max_delay);
	if (key == KEY_RESTART_MODE)
		return xstrdup(restart_mode_names[p->mode]);
	return success_codes_of(p);
}

char *update_value(const struct task *t, const struct cglimits *group_limits, enum conf_key key)
{
	if (key >= KEY_TASK_LIMIT_AS && key <= KEY_TASK_LIMIT_STACK)
		return rlimit_value(t, key);
	if (key >= KEY_TASK_GROUP && key < KEY_TASK_LIMIT_AS)
		return task_value(t, key);
	if (key >= KEY_LIMITS_MEMORY && key <= KEY_LIMITS_IO_MAX)
		return cglimits_value(&t->limits, conf_key_info(key)->name);
	if (key >= KEY_GROUP_LIMITS_MEMORY && key <= KEY_GROUP_LIMITS_IO_MAX)
		return cglimits_value(group_limits, conf_key_info(key)->name);
	if (key >= KEY_RESTART_POLICY && key <= KEY_RESTART_SUCCESS_CODES)
		return restart_value(&t->restart, key);
	if (key == KEY_LOGS_TO)
		return word_of(key, t->log_to_files ? 0 : 1);
	if (key == KEY_LOGS_MAX_SIZE)
		return size_of(t->log_max_size);
	if (key == KEY_LOGS_MAX_FILES)
		return number_of(t->log_max_files);
	return NULL;
}

/* ---- a task from text ---- */

/* A number that the policy would have by itself: it is to follow when the policy changes. */
static bool follows_policy(const struct restart_policy *p, enum conf_key key)
{
	struct restart_policy own = {.success = {0}};

	restart_set_defaults(&own, p->when);
	return (key == KEY_RESTART_ATTEMPTS && p->attempts == own.attempts) ||
	       (key == KEY_RESTART_INTERVAL && p->interval == own.interval) ||
	       (key == KEY_RESTART_MAX_DELAY && p->max_delay == p->delay);
}

static int put(struct conf *c, enum conf_key key, const char *value, struct th_err *err)
{
	const struct conf_key_info *info = conf_key_info(key);
	_cleanup_free_ char *dotted = xasprintf("%s.%s", info->section, info->name);

	return conf_set_text(c, dotted, value, FROM_TASK, err);
}

static int put_key(struct conf *c, const struct task *t, const struct cglimits *group_limits,
	enum conf_key key, struct th_err *err)
{
	const struct strv *list = key == KEY_LIMITS_IO_MAX	   ? &t->limits.io_max
				  : key == KEY_GROUP_LIMITS_IO_MAX ? &group_limits->io_max
								   : NULL;
	_cleanup_free_ char *value = NULL;
	int r = 0;

	for (size_t i = 0; list && i < list->n && r == 0; i++)
		r = put(c, key, list->v[i], err);
	if (list || follows_policy(&t->restart, key))
		return r;
	value = update_value(t, group_limits, key);
	return value ? put(c, key, value, err) : 0;
}

static int put_set(struct conf *c, const struct update_set *s, struct strv *env, struct th_err *err)
{
	int r = conf_set_text(c, s->key, s->value, s->origin, err);

	if (r == 0 && str_starts_with(s->key, "env."))
		env_set(env, s->key + strlen("env."), s->value);
	return r;
}

int update_resolve(const struct task *t, const struct cglimits *group_limits,
	const struct update_set *v, size_t n, struct task **ret, struct th_err *err)
{
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct task_args args = {.command = t->command.v, .env = &env, .file = t->file};
	int r = 0;

	strv_copy(&env, &t->env);
	for (enum conf_key k = KEY_TASK_GROUP; k <= KEY_RESTART_SUCCESS_CODES && r == 0; k++)
		if (k != KEY_TASK_COMMAND)
			r = put_key(c, t, group_limits, k, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (strcmp(v[i].key, "task.command") == 0)
			args.command = NULL;
		r = put_set(c, &v[i], &env, err);
	}
	if (r == 0)
		r = task_resolve(c, &args, NULL, ret, err);
	for (size_t i = 0; r == 0 && i < TASK_ORIGIN_COUNT; i++)
		if ((i == TASK_ORIGIN_COMMAND && args.command) ||
			is_same((*ret)->origins[i], FROM_TASK))
			str_replace(&(*ret)->origins[i], t->origins[i]);
	return r;
}

/* ---- what differs ---- */

void update_change_add(struct update_changes *c, const struct update_change *change)
{
	c->v = xreallocarray(c->v, c->n + 1, sizeof(*c->v));
	c->v[c->n++] = *change;
}

/* Variables are only ever set, never taken away. */
static void compare_env(const struct strv *a, const struct strv *b, struct update_changes *ret)
{
	for (size_t i = 0; i < b->n; i++) {
		size_t n = strcspn(b->v[i], "=");
		_cleanup_free_ char *name = xstrndup(b->v[i], n);

		if (!is_same(env_get(a, name), env_get(b, name)))
			update_change_add(ret, &(struct update_change){.kind = UPDATE_RESTART,
						       .id = CONF_KEY_COUNT,
						       .key = xasprintf("env.%s", name)});
	}
}

void update_compare(const struct task *t, const struct cglimits *group_limits,
	const struct task *next, struct update_changes *ret)
{
	for (enum conf_key k = KEY_TASK_GROUP; k <= KEY_RESTART_SUCCESS_CODES; k++) {
		const struct conf_key_info *info = conf_key_info(k);
		_cleanup_free_ char *from = update_value(t, group_limits, k);
		_cleanup_free_ char *to = update_value(next, &next->group_limits, k);
		struct update_change change = {.id = k};

		if (k == KEY_LIMITS_MEMORY)
			compare_env(&t->env, &next->env, ret);
		if (is_same(from, to))
			continue;
		change.kind = update_kind_of(k, &change.reason);
		change.key = xasprintf("%s.%s", info->section, info->name);
		change.from = TAKE_PTR(from);
		change.to = TAKE_PTR(to);
		update_change_add(ret, &change);
	}
}

char *update_change_format(const struct update_change *c)
{
	if (c->id == CONF_KEY_COUNT)
		return xasprintf("%s: changed", c->key);
	return xasprintf(
		"%s: %s -> %s", c->key, c->from ? c->from : "none", c->to ? c->to : "none");
}

char *update_changes_keys(const struct update_changes *c)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->n; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", c->v[i].key);
	return strbuf_steal(&b);
}

static void add_value(struct strv *ret, const char *which, const char *name, const char *value)
{
	if (value && strlen(value) <= UPDATE_VALUE_MAX)
		strv_addf(ret, "UPDATE_%s_%s=%s", which, name, value);
}

void update_changes_values(const struct update_changes *c, struct strv *ret)
{
	for (size_t i = 0; i < c->n; i++) {
		_cleanup_free_ char *name = artifact_variable(c->v[i].key);

		add_value(ret, "OLD", name, c->v[i].from);
		add_value(ret, "NEW", name, c->v[i].to);
	}
}

/* ---- exchanging ---- */

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swap_kept = (a);                                                     \
		(a) = (b);                                                                         \
		(b) = swap_kept;                                                                   \
	} while (0)

void update_swap(struct task *a, struct task *b)
{
	SWAP(a->command, b->command);
	SWAP(a->has_supplementary_groups, b->has_supplementary_groups);
	SWAP(a->supplementary_groups, b->supplementary_groups);
	SWAP(a->workdir, b->workdir);
	SWAP(a->stdin_from, b->stdin_from);
	SWAP(a->stop_signal, b->stop_signal);
	SWAP(a->stop_timeout, b->stop_timeout);
	SWAP(a->max_run_time, b->max_run_time);
	SWAP(a->keep, b->keep);
	SWAP(a->end_with_supervisor, b->end_with_supervisor);
	SWAP(a->env, b->env);
	SWAP(a->has_umask, b->has_umask);
	SWAP(a->umask, b->umask);
	SWAP(a->has_nice, b->has_nice);
	SWAP(a->nice, b->nice);
	SWAP(a->has_oom_score_adj, b->has_oom_score_adj);
	SWAP(a->oom_score_adj, b->oom_score_adj);
	SWAP(a->rlimits, b->rlimits);
	SWAP(a->n_rlimits, b->n_rlimits);
	SWAP(a->limits, b->limits);
	for (size_t i = 0; i < TASK_ORIGIN_COUNT; i++)
		SWAP(a->origins[i], b->origins[i]);
	SWAP(a->log_to_files, b->log_to_files);
	SWAP(a->log_max_size, b->log_max_size);
	SWAP(a->log_max_files, b->log_max_files);
	SWAP(a->restart, b->restart);
}
