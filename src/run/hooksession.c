#include "config.h"

#include "run/hooksession.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "run/hookrun.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what hooks hand on ---- */

static struct strv *handed_to(struct hook_session *s, uid_t uid)
{
	for (size_t i = 0; i < s->n_handed; i++)
		if (s->handed[i].uid == uid)
			return &s->handed[i].env;
	s->handed = xreallocarray(s->handed, s->n_handed + 1, sizeof(*s->handed));
	s->handed[s->n_handed] = (struct handed_env){.uid = uid, .env = STRV_INIT};
	return &s->handed[s->n_handed++].env;
}

const struct strv *hook_session_handed_env(struct hook_session *s, uid_t uid)
{
	return handed_to(s, uid);
}

static json_t *strv_to_object(const struct strv *sv)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sv->n; i++) {
		const char *eq = strchr(sv->v[i], '=');
		_cleanup_free_ char *name = NULL;

		if (!eq)
			continue;
		name = xstrndup(sv->v[i], (size_t)(eq - sv->v[i]));
		(void)json_object_set_new(o, name, json_string(eq + 1));
	}
	return o;
}

static void hand_on(struct hook_session *s, uid_t uid, const char *name, const char *value)
{
	env_set(handed_to(s, uid), name, value);
	env_set(&s->task_env, name, value);
}

/* What a hook that is passed over has handed on when it ran. */
static void hand_on_entry(struct hook_session *s, const json_t *entry)
{
	json_t *env = json_object_get(entry, "env"), *value;
	uid_t uid = (uid_t)json_integer_value(json_object_get(entry, "uid"));
	const char *name;

	json_object_foreach(env, name, value) hand_on(s, uid, name, json_string_value(value));
}

void hook_session_hand_on_again(struct hook_session *s, const char *label)
{
	hand_on_entry(s, json_object_get(s->state, label));
}

/* Is `other` (POINT/NAME) the hook of `label` at another point? A group's hook is not its tasks'.
 */
static bool is_same_hook(const char *label, const char *other)
{
	const char *name = strchr(label, '/'), *other_name = strchr(other, '/');
	bool group =
		str_starts_with(label, "pre-deploy/") || str_starts_with(label, "post-deploy/");
	bool other_group =
		str_starts_with(other, "pre-deploy/") || str_starts_with(other, "post-deploy/");

	return group == other_group && name && other_name && strcmp(name, other_name) == 0;
}

/* The entry whose state is that of the hook `label` of the user `uid`; NULL: there is none. What
 * one user's hook keeps is not for another's. */
static json_t *entry_with_state(const struct hook_session *s, const char *label, uid_t uid)
{
	const char *other;
	json_t *entry;

	json_object_foreach(s->state, other, entry)
	{
		if (is_same_hook(label, other) &&
			(uid_t)json_integer_value(json_object_get(entry, "uid")) == uid &&
			json_object_size(json_object_get(entry, "state")) > 0)
			return entry;
	}
	return NULL;
}

void hook_session_keep_result(
	struct hook_session *s, uid_t uid, const char *label, const struct hook_result *r)
{
	json_t *entry;

	if (r->env.n) {
		for (size_t i = 0; i < r->env.n; i++) {
			const char *eq = strchr(r->env.v[i], '=');
			_cleanup_free_ char *name =
				xstrndup(r->env.v[i], (size_t)(eq - r->env.v[i]));

			hand_on(s, uid, name, eq + 1);
		}
	}
	if (r->message)
		str_replace(&s->message, r->message);
	s->n_results++;
	if (!r->env.n && !r->state.n && !r->mounts.n && !r->devices.n && !r->done)
		return;
	if (!s->state)
		s->state = json_object();
	/* What it kept at another point is replaced, too. */
	if (r->state.n && (entry = entry_with_state(s, label, uid)))
		(void)json_object_del(entry, "state");
	entry = json_object();
	(void)json_object_set_new(entry, "done", json_boolean(r->done));
	(void)json_object_set_new(entry, "uid", json_integer(uid));
	(void)json_object_set_new(entry, "env", strv_to_object(&r->env));
	(void)json_object_set_new(entry, "state", strv_to_object(&r->state));
	(void)json_object_set_new(entry, "mounts", strv_to_object(&r->mounts));
	(void)json_object_set_new(entry, "devices", strv_to_object(&r->devices));
	(void)json_object_set_new(s->state, label, entry);
}

void hook_session_state_of(
	const struct hook_session *s, const char *label, uid_t uid, struct strv *ret)
{
	json_t *state = json_object_get(entry_with_state(s, label, uid), "state"), *value;
	const char *name;

	json_object_foreach(state, name, value)
		strv_addf(ret, "%s=%s", name, json_string_value(value));
}

/* ---- processes that they leave ---- */

void hook_session_keep_left(struct hook_session *s, const char *label, struct proctree *tree)
{
	if (tree->keeper == 0) {
		cgtree_hook_keep(s->cg, label);
		return;
	}
	s->left = xreallocarray(s->left, s->n_left + 1, sizeof(*s->left));
	s->left[s->n_left].hook = xstrdup(label);
	s->left[s->n_left].tree = *tree;
	s->n_left++;
	*tree = (struct proctree)PROCTREE_INIT;
}

int hook_session_kill_left_of(struct hook_session *s, const char *label, usec_t deadline)
{
	int result = 0;
	size_t kept = 0;

	if (s->cg->on && s->cg->hooks_kept) {
		const char *id = s->group_only ? NULL : s->task->id;

		result = cgtree_hooks_kill(s->cg, s->task->group, id, label, deadline);
		/* What a hook of the deploy left belongs to the group and outlives this task. */
	}
	for (size_t i = 0; i < s->n_left; i++) {
		struct hook_leftover *l = &s->left[i];

		if (label && strcmp(l->hook, label) != 0) {
			s->left[kept++] = *l;
			continue;
		}
		(void)proctree_kill(&l->tree, deadline);
		if (proctree_wait_empty(&l->tree, deadline) < 0 && result == 0)
			result = -ETIMEDOUT;
		proctree_done(&l->tree);
		free(l->hook);
	}
	s->n_left = kept;
	return result;
}

int hook_session_kill_left(struct hook_session *s, usec_t deadline, struct th_err *err)
{
	int r = hook_session_kill_left_of(s, NULL, deadline);

	if (r < 0)
		err_set(err, EXIT_INTERNAL, -r, "processes that hooks left could not be ended: %s",
			strerror(-r));
	return r;
}

/* ---- the session ---- */

void hook_session_take_state(struct hook_session *s, json_t *state)
{
	const char *label;
	json_t *entry;

	json_decref(s->state);
	s->state = json_incref(state);
	json_object_foreach(state, label, entry) hand_on_entry(s, entry);
}

void hook_session_begin_restart(struct hook_session *s)
{
	const char *label;
	json_t *entry;

	for (size_t i = 0; i < s->n_handed; i++)
		strv_clear(&s->handed[i].env);
	strv_clear(&s->task_env);
	if (!s->state)
		return;
	json_object_foreach(s->state, label, entry) if (str_starts_with(label, "pre-deploy/") ||
							str_starts_with(label, "post-deploy/"))
		hand_on_entry(s, entry);
}

void hook_session_done(struct hook_session *s)
{
	for (size_t i = 0; i < s->n_left; i++) {
		proctree_done(&s->left[i].tree);
		free(s->left[i].hook);
	}
	free(s->left);
	for (size_t i = 0; i < s->n_handed; i++)
		strv_done(&s->handed[i].env);
	free(s->handed);
	strv_done(&s->task_env);
	if (s->has_state_fd)
		fd_close(s->state_fd);
	json_decref(s->state);
	free(s->message);
	free(s->node_ip);
	hook_cache_free(s->cache);
	hook_runner_free(s->runner);
	*s = (struct hook_session)HOOK_SESSION_INIT;
}
