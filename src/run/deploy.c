#include "config.h"

#include "run/deploy.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "os/proc.h"
#include "run/reentry.h"
#include "run/stage.h"
#include "run/taskdir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LOCK_NAME  "_deploy"
#define STATE_NAME "_group"
#define STATE_MAX  (256 * 1024)
#define FORMAT	   1

/* Of the state: the limits of the group, and where they have been changed those of its first start.
 */
#define LIMITS	     "group_limits"
#define FIRST_LIMITS "first_group_limits"

/* For what hooks of the group left that nobody waits for any more. */
#define KILL_WAIT (5 * USEC_PER_SEC)

/* A change of the limits waits for another, not for hooks. */
#define CHANGE_WAIT (2 * USEC_PER_SEC)

/* How often a waiter looks. The lock tells nobody that it was freed without a thread that sleeps in
 * F_SETLKW. */
#define POLL_USEC (20 * USEC_PER_MSEC)

/* 0 and the state of the group in this boot; -ENOENT where it has none (an unreadable or old one
 * counts as none). */
static int read_state(int run_group_fd, json_t **ret)
{
	_cleanup_free_ char *text = NULL;
	const char *boot;
	json_t *j;
	size_t n;

	if (file_read_at(run_group_fd, STATE_NAME, FILEIO_REGULAR | FILEIO_NOFOLLOW, STATE_MAX,
		    &text, &n) < 0)
		return -ENOENT;
	j = json_loadb(text, n, 0, NULL);
	boot = json_string_value(json_object_get(j, "boot_id"));
	if (!boot || strcmp(boot, proc_boot_id()) != 0 ||
		json_integer_value(json_object_get(j, "format")) != FORMAT) {
		json_decref(j);
		return -ENOENT;
	}
	*ret = j;
	return 0;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static bool state_is(const json_t *j, const char *state)
{
	return strcmp(text_of(j, "state"), state) == 0;
}

static int write_state(struct context *c, const char *state, const char *attempt,
	const struct th_err *failure, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	json_t *task = task_to_json(c->task), *j = json_object();
	json_t *limits = json_object_get(task, "group_limits");
	int r;

	(void)json_object_set_new(j, "format", json_integer(FORMAT));
	(void)json_object_set_new(j, "boot_id", json_string(proc_boot_id()));
	(void)json_object_set_new(j, "state", json_string(state));
	(void)json_object_set_new(j, "attempt", json_string(attempt));
	if (failure) {
		(void)json_object_set_new(j, "status", json_integer(failure->status));
		(void)json_object_set_new(j, "reason", json_string(err_text(failure)));
	}
	if (limits)
		(void)json_object_set(j, LIMITS, limits);
	(void)json_object_set_new(j, "origin",
		json_string(c->task->group_limits_origin ? c->task->group_limits_origin : ""));
	text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	json_decref(task);
	r = file_replace_at(c->run_group_fd, STATE_NAME, 0600, text, strlen(text));
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot write '%s/%s/%s': %s",
			c->layout->run_dir, c->task->group, STATE_NAME, strerror(-r));
	return 0;
}

static int refuse_lock(const struct context *c, int r, struct th_err *err)
{
	return err_set(err, EXIT_CANTCREAT, -r, "cannot take the lock '%s/%s/%s': %s",
		c->layout->run_dir, c->task->group, LOCK_NAME, strerror(-r));
}

static int refuse_changing(const struct context *c, struct th_err *err)
{
	return err_set(err, EXIT_BUSY, EAGAIN,
		"the group '%s' is being deployed or removed by another process", c->task->group);
}

/* The first start decides; a task that says something else later is refused, as one of the two
 * would be ignored. A task without limits for the group takes what is there. What `update` has
 * changed is no reason to refuse those who say what the first start said. */
static int compare_limits(struct context *c, const json_t *state, const struct cglimits *theirs,
	const struct cglimits *first, struct th_err *err)
{
	const struct cglimits *mine = &c->task->group_limits;
	_cleanup_free_ char *a = NULL, *b = NULL, *now = NULL, *changed = NULL;
	const char *key;

	if (cglimits_within(mine, theirs, NULL))
		return 0;
	if (cglimits_within_either(mine, theirs, first, &key)) {
		now = cglimits_format(theirs);
		log_notice("the group '%s' has other limits than %s says, by 'taskhook update': %s",
			c->task->group, c->task->group_limits_origin, now);
		return 0;
	}
	a = cglimits_value(mine, key);
	b = cglimits_value(first, key);
	now = cglimits_value(theirs, key);
	if (now ? !b || strcmp(now, b) != 0 : b != NULL)
		changed = xasprintf(", and has %s by 'taskhook update'", now ? now : "none");
	return err_set(err, EXIT_CONFIG, EEXIST,
		"group-limits.%s is %s in %s, but the group '%s' was started with %s%s%s%s "
		"(the first start decides; 'taskhook cleanup %s' ends the group)",
		key, a, c->task->group_limits_origin, c->task->group, b ? b : "none",
		*text_of(state, "origin") ? " from " : "", text_of(state, "origin"),
		changed ? changed : "", c->task->group);
}

/* The group's cgroup comes and goes with its tasks: whoever makes it anew, be it a task that sets
 * no limits for the group, sets those that the first start decided. */
static int take_limits(struct context *c, const json_t *state, struct th_err *err)
{
	_cleanup_cglimits_ struct cglimits theirs = CGLIMITS_INIT, first = CGLIMITS_INIT;
	const char *first_key = json_object_get(state, FIRST_LIMITS) ? FIRST_LIMITS : LIMITS;
	int r = task_group_limits_from_json(state, LIMITS, &theirs, err);

	if (r == 0)
		r = task_group_limits_from_json(state, first_key, &first, err);
	if (r == 0)
		r = compare_limits(c, state, &theirs, &first, err);
	if (r < 0)
		return r;
	cglimits_done(&c->group_limits);
	c->group_limits = theirs;
	theirs = (struct cglimits)CGLIMITS_INIT;
	return 0;
}

int deploy_read_limits(struct context *c, struct cglimits *ret, struct th_err *err)
{
	json_t *state = NULL;
	int r;

	if (read_state(c->run_group_fd, &state) < 0)
		return 0;
	r = task_group_limits_from_json(state, LIMITS, ret, err);
	json_decref(state);
	return r;
}

void deploy_renew_limits(struct context *c)
{
	struct cglimits now = CGLIMITS_INIT;
	json_t *state = NULL;

	if (read_state(c->run_group_fd, &state) < 0)
		return;
	/* While a group is being removed, its state says what the one who does it has read. */
	if (state_is(state, "deployed") &&
		task_group_limits_from_json(state, LIMITS, &now, NULL) == 0) {
		cglimits_done(&c->group_limits);
		c->group_limits = now;
		now = (struct cglimits)CGLIMITS_INIT;
	}
	cglimits_done(&now);
	json_decref(state);
}

static bool has_limits(struct context *c, const struct cglimits *l)
{
	_cleanup_cglimits_ struct cglimits now = CGLIMITS_INIT;

	return deploy_read_limits(c, &now, NULL) == 0 && cglimits_equal(&now, l);
}

static void keep_first_limits(json_t *state)
{
	json_t *first = json_object_get(state, LIMITS);

	(void)json_object_set_new(state, FIRST_LIMITS, first ? json_incref(first) : json_object());
}

static int write_limits(struct context *c, const struct cglimits *l, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	json_t *state = NULL;
	int r = read_state(c->run_group_fd, &state);

	if (r < 0 || !state_is(state, "deployed")) {
		json_decref(state);
		return refuse_changing(c, err);
	}
	if (!json_object_get(state, FIRST_LIMITS))
		keep_first_limits(state);
	(void)json_object_set_new(state, LIMITS, task_limits_to_json(l));
	text = json_dumps(state, JSON_INDENT(1));
	json_decref(state);
	r = file_replace_at(c->run_group_fd, STATE_NAME, 0600, text, strlen(text));
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot write '%s/%s/%s': %s",
			c->layout->run_dir, c->task->group, STATE_NAME, strerror(-r));
	return 0;
}

/* An fd to close, or -errno with err. */
static int lock_limits(struct context *c, struct th_err *err)
{
	int lock = lockfile_wait(
		c->run_group_fd, LOCK_NAME, usec_add(clock_monotonic_usec(), CHANGE_WAIT));

	if (lock == -ETIMEDOUT)
		return refuse_changing(c, err);
	if (lock < 0)
		return refuse_lock(c, lock, err);
	return lock;
}

int deploy_change_limits(struct context *c, const struct cglimits *from, const struct cglimits *to,
	struct th_err *err)
{
	_cleanup_lock_ int lock = lock_limits(c, err);
	int r;

	if (lock < 0)
		return lock;
	r = has_limits(c, from) ? 0 : -ESTALE;
	if (r == 0)
		r = cglimits_change(c->cg.group_fd, from, to, "group-limits", err);
	if (r == 0) {
		r = write_limits(c, to, err);
		if (r < 0)
			(void)cglimits_change(c->cg.group_fd, to, from, "group-limits", NULL);
	}
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
	return r;
}

int deploy_settle_limits(struct context *c, struct th_err *err)
{
	_cleanup_cglimits_ struct cglimits now = CGLIMITS_INIT;
	_cleanup_lock_ int lock = lock_limits(c, err);
	int r;

	if (lock < 0)
		return lock;
	r = deploy_read_limits(c, &now, err);
	if (r == 0)
		r = cglimits_change(c->cg.group_fd, NULL, &now, "group-limits", err);
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
	return r;
}

static int run_deploy(
	struct context *c, const char *attempt, struct point_result *ret, struct th_err *err)
{
	int r = write_state(c, "deploying", attempt, NULL, err);

	if (r < 0)
		return r;
	if (c->live) {
		live_begin(c->live)->deploy_begun = 1;
		live_end(c->live);
	}
	/* Hooks of the group left by an earlier one of this name. */
	(void)cgtree_hooks_kill(
		&c->cg, c->task->group, NULL, NULL, usec_add(clock_monotonic_usec(), KILL_WAIT));
	r = stage_run_point(c, POINT_PRE_DEPLOY, ret, err);
	if (r == 0 && ret->interrupted)
		r = -EINTR;
	if (r == 0 && ret->fatal)
		r = err_set(err, ret->timed_out ? EXIT_HOOK_TIMEOUT : EXIT_HOOK_FAILED, 0,
			"pre-deploy/%s: %s", ret->hook, ret->reason);
	if (r == 0)
		r = stage_run_point(c, POINT_POST_DEPLOY, NULL, err);
	if (r == -EINTR)
		(void)unlinkat(c->run_group_fd, STATE_NAME, 0);
	else if (r < 0)
		(void)write_state(c, "failed", attempt, err, NULL);
	else
		r = write_state(c, "deployed", attempt, NULL, err);
	return r;
}

static char *attempt_of(pid_t pid, uint64_t start_ticks)
{
	return xasprintf("%d.%" PRIu64, pid, start_ticks);
}

static char *own_attempt(void)
{
	uint64_t ticks = 0;

	(void)proc_start_time(getpid(), &ticks);
	return attempt_of(getpid(), ticks);
}

/* Decides with the lock held: 1: deploy it; else as deploy_group_once(). `waited_for` is the
 * attempt that we waited for, or NULL. */
static int decide(struct context *c, const char *waited_for, struct th_err *err)
{
	json_t *state = NULL;
	int r = 1;

	if (read_state(c->run_group_fd, &state) < 0)
		return 1;
	if (state_is(state, "deployed"))
		r = take_limits(c, state, err);
	else if (state_is(state, "failed") && waited_for &&
		 strcmp(waited_for, text_of(state, "attempt")) == 0)
		r = err_set(err, (int)json_integer_value(json_object_get(state, "status")), EIO,
			"the group '%s' could not be deployed by the task that came first: %s",
			c->task->group, text_of(state, "reason"));
	json_decref(state);
	return r;
}

static void tell_wait(struct context *c)
{
	pid_t pid = 0;

	if (lockfile_holder(c->run_group_fd, LOCK_NAME, &pid) == 1)
		log_notice("waiting for the group '%s', which process %d is deploying",
			c->task->group, pid);
}

static bool called_by_deployer(struct context *c)
{
	pid_t pid = 0;

	return lockfile_holder(c->run_group_fd, LOCK_NAME, &pid) == 1 &&
	       reentry_is_inside(c->layout, &c->cg, c->task->group, NULL, pid);
}

/* The group's lock: an fd to close; -EINTR; or -errno with err. *ret_waited_for: the last attempt
 * of another that was seen meanwhile. */
static int wait_for_turn(
	struct context *c, char **ret_waited_for, bool *ret_waited, struct th_err *err)
{
	/* The one we wait for has two points and 5 s for each kill; it cannot take longer than
	 * that. */
	usec_t deadline = usec_add(
		clock_monotonic_usec(), usec_add(2 * c->task->hooks_total_timeout, USEC_PER_MIN));
	json_t *state = NULL;
	int lock, r;

	while ((lock = lockfile_try(c->run_group_fd, LOCK_NAME)) == -EAGAIN) {
		if (!*ret_waited)
			tell_wait(c);
		*ret_waited = true;
		if (read_state(c->run_group_fd, &state) == 0) {
			if (state_is(state, "deploying"))
				str_replace(ret_waited_for, text_of(state, "attempt"));
			json_decref(state);
		}
		if (c->requests.stop)
			return -EINTR;
		if (called_by_deployer(c))
			return err_set(err, EXIT_BUSY, EDEADLK,
				"is called from a hook of the group '%s' that is being deployed: "
				"it would wait for that hook",
				c->task->group);
		if (clock_monotonic_usec() >= deadline)
			return err_set(err, EXIT_BUSY, ETIMEDOUT,
				"the group '%s' is still being deployed by another task",
				c->task->group);
		r = loop_run(c->loop, clock_monotonic_usec() + POLL_USEC);
		if (r < 0)
			return err_set(err, EXIT_INTERNAL, -r, "cannot wait: %s", strerror(-r));
	}
	return lock < 0 ? refuse_lock(c, lock, err) : lock;
}

int deploy_group_once(
	struct context *c, struct point_result *ret, bool *ret_waited, struct th_err *err)
{
	_cleanup_free_ char *waited_for = NULL;
	_cleanup_lock_ int lock = -1;
	json_t *state = NULL;
	int r;

	*ret_waited = false;
	if (read_state(c->run_group_fd, &state) == 0) {
		bool deployed =
			state_is(state, "deployed") &&
			faccessat(c->group_fd, "shared/local", F_OK, AT_SYMLINK_NOFOLLOW) == 0;

		r = deployed ? take_limits(c, state, err) : 0;
		json_decref(state);
		if (deployed)
			return r;
	}
	lock = wait_for_turn(c, &waited_for, ret_waited, err);
	if (lock < 0)
		return lock;
	r = decide(c, waited_for, err);
	if (r == 1) {
		_cleanup_free_ char *attempt = own_attempt();

		/* Who removed the group meanwhile removed its directory too, and ours in it. */
		r = taskdir_reopen(c, err);
		*ret_waited = false;
		if (r == 0)
			r = run_deploy(c, attempt, ret, err);
		if (r == 0 && read_state(c->run_group_fd, &state) == 0) {
			r = take_limits(c, state, err);
			json_decref(state);
		}
	}
	/* While it is held: nobody finds a lock without its file being this one. */
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
	return r;
}

int deploy_begin_leaving(struct context *c, char **ret_before, struct th_err *err)
{
	_cleanup_lock_ int lock = lockfile_try(c->run_group_fd, LOCK_NAME);
	_cleanup_free_ char *attempt = own_attempt(), *before = NULL;
	int r;

	if (lock == -EAGAIN)
		return refuse_changing(c, err);
	if (lock < 0)
		return refuse_lock(c, lock, err);
	(void)file_read_at(c->run_group_fd, STATE_NAME, FILEIO_REGULAR | FILEIO_NOFOLLOW, STATE_MAX,
		&before, NULL);
	r = write_state(c, "leaving", attempt, NULL, err);
	if (r < 0)
		return r;
	*ret_before = TAKE_PTR(before);
	return TAKE_FD(lock);
}

void deploy_cancel_leaving(struct context *c, const char *before)
{
	if (before)
		(void)file_replace_at(c->run_group_fd, STATE_NAME, 0600, before, strlen(before));
	else
		(void)unlinkat(c->run_group_fd, STATE_NAME, 0);
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
}

void deploy_end_leaving(struct context *c)
{
	(void)unlinkat(c->run_group_fd, STATE_NAME, 0);
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
}

void deploy_end_killed(struct context *c, pid_t pid, uint64_t start_ticks)
{
	_cleanup_free_ char *attempt = attempt_of(pid, start_ticks);
	_cleanup_lock_ int lock = -1;
	json_t *state = NULL;

	if (read_state(c->run_group_fd, &state) < 0)
		return;
	if (!state_is(state, "deploying") || strcmp(attempt, text_of(state, "attempt")) != 0)
		goto out;
	lock = lockfile_try(c->run_group_fd, LOCK_NAME);
	if (lock < 0)
		goto out;
	json_decref(state);
	state = NULL;
	/* Who took over before we had the lock has written his own attempt and ended these hooks.
	 */
	if (read_state(c->run_group_fd, &state) == 0 &&
		strcmp(attempt, text_of(state, "attempt")) == 0) {
		(void)cgtree_hooks_kill(&c->cg, c->task->group, NULL, NULL,
			usec_add(clock_monotonic_usec(), KILL_WAIT));
		(void)unlinkat(c->run_group_fd, STATE_NAME, 0);
	}
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
out:
	json_decref(state);
}

/* Of a group that comes or goes right now, or whose change was cut off. */
static bool is_changing(int run_group_fd)
{
	json_t *state = NULL;
	bool changing;

	if (read_state(run_group_fd, &state) < 0)
		return false;
	changing = state_is(state, "deploying") || state_is(state, "leaving");
	json_decref(state);
	return changing;
}

bool deploy_is_abandoned(int run_group_fd)
{
	pid_t pid;

	return is_changing(run_group_fd) && lockfile_holder(run_group_fd, LOCK_NAME, &pid) == 0;
}

void deploy_end_abandoned(struct context *c)
{
	_cleanup_lock_ int lock = lockfile_try(c->run_group_fd, LOCK_NAME);

	if (lock < 0)
		return;
	if (is_changing(c->run_group_fd)) {
		(void)cgtree_hooks_kill(&c->cg, c->task->group, NULL, NULL,
			usec_add(clock_monotonic_usec(), KILL_WAIT));
		(void)unlinkat(c->run_group_fd, STATE_NAME, 0);
	}
	(void)unlinkat(c->run_group_fd, LOCK_NAME, 0);
}
