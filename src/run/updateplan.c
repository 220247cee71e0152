#include "config.h"

#include "run/updateplan.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "os/cgroup.h"
#include "os/cgstat.h"
#include "run/deploy.h"
#include "run/fetchview.h"
#include "run/maxtime.h"

/* ---- what is in use ---- */

/* Of the limit `key`, by the task or by its group. False: nobody counts it. */
static bool read_in_use(const struct context *c, enum conf_key key, uint64_t *ret)
{
	bool of_group = key >= KEY_GROUP_LIMITS_MEMORY;
	int fd = of_group ? c->cg.group_fd : c->cg.task_fd;
	struct cgstat_details details;
	struct cgstat st;

	if (of_group)
		key -= KEY_GROUP_LIMITS_MEMORY - KEY_LIMITS_MEMORY;
	if (!c->cg.on || fd < 0 || cgstat_read(fd, CGROUP_MEMORY | CGROUP_PIDS, &st) < 0)
		return false;
	if (key == KEY_LIMITS_PIDS) {
		*ret = st.pids_current;
		return st.has_pids;
	}
	if (key == KEY_LIMITS_MEMORY_SWAP) {
		cgstat_read_details(fd, &details);
		*ret = details.memory_swap;
		return st.has_memory;
	}
	*ret = st.memory_current;
	return st.has_memory && (key == KEY_LIMITS_MEMORY || key == KEY_LIMITS_MEMORY_HIGH);
}

/* " (in use 1.4G)", or NULL; *ret_below says whether the new value is less than that. The caller
 * frees it. */
static char *describe_use(
	const struct context *c, const struct update_change *change, bool *ret_below)
{
	char buf[CLOCK_SPAN_MAX];
	uint64_t in_use, from = UINT64_MAX, to = UINT64_MAX;
	bool of_time = change->id == KEY_TASK_MAX_RUN_TIME;

	*ret_below = false;
	if (of_time) {
		usec_t usec;

		if (!context_has_process(c) || parse_duration(change->from, &usec) < 0)
			return NULL;
		in_use = maxtime_used(c, usec);
		(void)parse_duration(change->to, &to);
		*ret_below = to < in_use;
		in_use -= in_use % USEC_PER_SEC;
		return xasprintf(" (runs for %s)", clock_format_span(in_use, buf, sizeof(buf)));
	}
	if (change->id < KEY_LIMITS_MEMORY || change->id > KEY_GROUP_LIMITS_IO_MAX ||
		!read_in_use(c, change->id, &in_use))
		return NULL;
	if (change->from)
		(void)parse_size(change->from, &from);
	if (change->to)
		(void)parse_size(change->to, &to);
	/* More than there was hurts nobody, whatever is in use. */
	*ret_below = to < in_use && to < from;
	if (change->id == KEY_LIMITS_PIDS || change->id == KEY_GROUP_LIMITS_PIDS)
		return xasprintf(" (in use %llu)", (unsigned long long)in_use);
	return xasprintf(" (in use %s)", fetchview_format_bytes(in_use, buf, sizeof(buf)));
}

/* ---- the plan ---- */

void update_plan_done(struct update_plan *p)
{
	p->next = task_free(p->next);
	cglimits_done(&p->group_from);
	update_changes_done(&p->changes);
	*p = (struct update_plan)UPDATE_PLAN_INIT;
}

int update_plan_make(
	struct context *c, const struct request *r, struct update_plan *ret, struct th_err *err)
{
	int rc;

	update_plan_done(ret);
	rc = deploy_read_limits(c, &ret->group_from, err);
	if (rc == 0)
		rc = update_resolve(c->task, &ret->group_from, r->sets, r->n_sets, &ret->next, err);
	if (rc < 0)
		return rc;
	update_compare(c->task, &ret->group_from, ret->next, &ret->changes);
	for (size_t i = 0; i < ret->changes.n; i++) {
		ret->changes_group |= ret->changes.v[i].kind == UPDATE_GROUP;
		ret->needs_restart |= ret->changes.v[i].kind == UPDATE_RESTART;
	}
	return 0;
}

/* Why this change is refused, with its exit status; NULL: it is not. The caller frees it. */
static char *refusal(const struct context *c, const struct request *r,
	const struct update_change *change, int *ret_status)
{
	_cleanup_free_ char *line = update_change_format(change), *use = NULL;
	bool below;

	*ret_status = EXIT_BUSY;
	if (change->kind == UPDATE_NEVER) {
		*ret_status = EXIT_CONFIG;
		return xasprintf(
			"%s: cannot be changed while the task lives: %s", line, change->reason);
	}
	if (change->kind == UPDATE_GROUP && !r->group) {
		*ret_status = EXIT_CONFIG;
		return xasprintf("%s: it is the limit of the whole group (taskhook update -g %s)",
			line, c->task->group);
	}
	if (change->kind == UPDATE_RESTART && !r->restart && context_has_process(c))
		return xasprintf("%s: needs a restart of the task (add --restart)", line);
	use = describe_use(c, change, &below);
	if (use && below && !r->force)
		return xasprintf(
			"%s%s: it is below that (add --force to set it all the same)", line, use);
	return NULL;
}

static bool is_limit(const struct update_change *c)
{
	return c->id >= KEY_LIMITS_MEMORY && c->id <= KEY_GROUP_LIMITS_IO_MAX;
}

/* Why this host cannot enforce a limit, as far as that is known before it is written; NULL: it can.
 * The caller frees it. */
static char *unenforceable(const struct context *c, const struct update_plan *p,
	const struct update_change *change, int *ret_status)
{
	bool of_group = change->kind == UPDATE_GROUP;
	const struct cglimits *to = of_group ? &p->next->group_limits : &p->next->limits;
	const char *key = conf_key_info(change->id)->name;
	unsigned controller = cglimits_controller_of(key);
	const char *why;

	*ret_status = EXIT_UNAVAILABLE;
	if (!change->to || !(cglimits_controllers(to) & controller))
		return NULL;
	if (!c->cg.on)
		return xasprintf("%s = %s: there is no cgroup to enforce it: %s", change->key,
			change->to, c->cg.why_off ? c->cg.why_off : "[cgroup] mode is 'off'");
	if (c->cg.controllers & controller)
		return NULL;
	why = cgroup_explain_missing(controller);
	return xasprintf("%s = %s: this host's cgroups have no '%s' controller for taskhook%s%s%s",
		change->key, change->to, cgroup_controller_name(controller), *why ? " (" : "", why,
		*why ? ")" : "");
}

int update_plan_check(struct context *c, const struct update_job *job, const struct update_plan *p)
{
	int status = EXIT_OK;

	for (size_t i = 0; i < p->changes.n; i++) {
		const struct update_change *change = &p->changes.v[i];
		int one;
		char *why = refusal(c, &job->request, change, &one);

		if (!why && is_limit(change))
			why = unenforceable(c, p, change, &one);
		if (!why)
			continue;
		updates_say(c, job, ANSWER_MESSAGE, why);
		status = status == EXIT_OK || status == EXIT_BUSY ? one : status;
	}
	return status;
}

void update_plan_describe(const struct context *c, const struct update_plan *p, struct strv *ret)
{
	for (size_t i = 0; i < p->changes.n; i++) {
		const struct update_change *change = &p->changes.v[i];
		_cleanup_free_ char *line = update_change_format(change), *use = NULL;
		const char *when = "";
		bool below;

		use = describe_use(c, change, &below);
		if (change->kind == UPDATE_RESTART)
			when = context_has_process(c) ? " (with a restart)"
						      : " (from its next process on)";
		strv_addf(ret, "%s%s%s", line, use ? use : "", when);
	}
}
