#include "config.h"

#include "run/artifacts.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "model/jsonio.h"
#include "os/proc.h"
#include "run/artifactstate.h"
#include "run/fetchview.h"
#include "run/fetchwork.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PREFIX    "_artifact."
#define ATTEMPT_PREFIX "_attempt."
#define STAGING_PREFIX "_fetch."
#define PUBLISH_LOCK   "_publish"
#define STATE_DIR      "_artifacts"
#define LABEL_PREFIX   "artifact/"

#define ATTEMPT_MAX ((size_t)64 * 1024)

/* The lock tells nobody that it was freed. */
#define POLL_USEC (20 * USEC_PER_MSEC)

/* Longer than the others of the group take for their renames. */
#define PUBLISH_WAIT (5 * USEC_PER_MIN)

/* From the end of a fetch's own time to its publishing. */
#define WAIT_MARGIN (2 * USEC_PER_MIN)

#define KILL_WAIT (5 * USEC_PER_SEC)

/* [fetch] parallel goes no higher. */
#define PARALLEL_MAX 64

/* Where one fails the start fails, but what is almost there need not be fetched again next time. */
#define GRACE_USEC (5 * USEC_PER_SEC)

/* Of one helper; what is said more often is in its log. */
#define WARNINGS_MAX 20

enum item_state {
	ITEM_PENDING, /* nobody was asked yet, or somebody else has the lock */
	ITEM_RUNNING,
	ITEM_FINISHED,
	ITEM_FAILED,
};

/* One artifact of the task. */
struct item {
	struct batch *batch;
	const struct artifact *artifact;
	enum item_state state;
	bool told; /* that it waits */
	usec_t wait_deadline;
	char *waited_for; /* the attempt */
	int lock_fd;
	char *lock_name, *attempt_name, *staging_prefix, *label;
	struct artifact_state known; /* what is there */
	int cgroup_fd;
	struct fetchwork *work;
	usec_t started;
	unsigned warnings;
	struct artifact_result result;
};

/* All of them. */
struct batch {
	struct context *c;
	int local_fd, state_fd;
	uid_t uid; /* owner of what is fetched; -1: as it comes */
	gid_t gid;
	char *local, *group_dir; /* paths */
	struct item *items;
	size_t n;
	struct fetchview view;
};

/* ---- who fetches ----------------------------------------------------------------------------- */

static char *own_attempt(void)
{
	uint64_t ticks = 0;

	(void)proc_start_time(getpid(), &ticks);
	return xasprintf("%d.%" PRIu64, getpid(), ticks);
}

static json_t *read_attempt(const struct item *i)
{
	_cleanup_free_ char *text = NULL;
	size_t n;

	if (file_read_at(i->batch->c->run_group_fd, i->attempt_name,
		    FILEIO_REGULAR | FILEIO_NOFOLLOW, ATTEMPT_MAX, &text, &n) < 0)
		return NULL;
	return json_loadb(text, n, 0, NULL);
}

/* `failure` NULL: it has begun. Who waits does without it where it cannot be written. */
static void write_attempt(const struct item *i, const struct th_err *failure)
{
	_cleanup_free_ char *text = NULL, *attempt = own_attempt();
	json_t *j = json_object();

	json_put_text(j, "attempt", attempt);
	json_put_text(j, "origin", i->artifact->origin);
	if (failure) {
		json_put(j, "status", json_integer(failure->status));
		json_put_text(j, "reason", err_text(failure));
	}
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	(void)file_replace_at(i->batch->c->run_group_fd, i->attempt_name, 0600, text, strlen(text));
}

/* The one that this task waited for has failed, with the same words of the same file: nothing else
 * would come of trying again at once. 0: try. */
static int take_failure(struct item *i, struct th_err *err)
{
	json_t *j = i->waited_for ? read_attempt(i) : NULL;
	const char *attempt = json_string_value(json_object_get(j, "attempt"));
	const char *origin = json_string_value(json_object_get(j, "origin"));
	const char *reason = json_string_value(json_object_get(j, "reason"));
	int status = (int)json_integer_value(json_object_get(j, "status"));
	int r = 0;

	if (attempt && reason && strcmp(attempt, i->waited_for) == 0 && status && origin &&
		strcmp(origin, i->artifact->origin) == 0)
		r = err_set(err, status, EIO,
			"could not be fetched by the task that came first: %s", reason);
	json_decref(j);
	return r;
}

static void give_up_lock(struct item *i)
{
	if (i->lock_fd < 0)
		return;
	/* While it is held: nobody finds a lock without its file being this one. */
	(void)unlinkat(i->batch->c->run_group_fd, i->lock_name, 0);
	i->lock_fd = lockfile_close(i->lock_fd);
}

static void wait_for_other(struct item *i)
{
	json_t *j = read_attempt(i);
	const char *attempt = json_string_value(json_object_get(j, "attempt"));
	usec_t now = clock_monotonic_usec();
	pid_t pid = 0;

	if (!i->told && lockfile_holder(i->batch->c->run_group_fd, i->lock_name, &pid) == 1) {
		fetchview_clear(&i->batch->view);
		log_notice("waiting for the artifact '%s', which process %d is fetching",
			i->artifact->name, pid);
		i->told = true;
	}
	if (attempt && (!i->waited_for || strcmp(attempt, i->waited_for) != 0)) {
		str_replace(&i->waited_for, attempt);
		i->wait_deadline = 0;
	}
	if (!i->wait_deadline)
		i->wait_deadline = usec_add(now, usec_add(i->artifact->timeout, WAIT_MARGIN));
	json_decref(j);
}

/* ---- what is there --------------------------------------------------------------------------- */

static void set_result(struct item *i, enum artifact_outcome outcome, usec_t usec)
{
	struct artifact_result *r = &i->result;
	const struct artifact_state *s = &i->known;
	const char *destination = i->artifact->destination;

	artifact_result_done(r);
	r->name = xstrdup(i->artifact->name);
	r->source = xstrdup(i->artifact->shown);
	r->path = *destination ? path_join(i->batch->local, destination) : xstrdup(i->batch->local);
	r->outcome = outcome;
	r->size = s->size;
	r->files = s->files;
	r->usec = usec;
	str_replace(&r->digest, s->digest);
	i->state = ITEM_FINISHED;
}

/* The first start since the boot decides; a task that says something else later is refused, as one
 * of the two would not get what it says. */
static int compare_definitions(const struct item *i, struct th_err *err)
{
	_cleanup_free_ char *mine = NULL, *theirs = NULL;
	json_t *own = artifact_identity(i->artifact);
	const char *key = artifact_difference(own, i->known.definition, &mine, &theirs);
	const char *group = i->batch->c->task->group;

	json_decref(own);
	if (!key)
		return 0;
	return err_set(err, EXIT_CONFIG, EEXIST,
		"%s is %s in %s, but the task '%s' has fetched it with %s from %s (the first start "
		"decides; 'taskhook cleanup %s' ends the group)",
		key, mine, i->artifact->origin, i->known.task, theirs, i->known.origin, group);
}

static bool is_same_definition(const struct item *i)
{
	return compare_definitions(i, NULL) == 0;
}

/* Something that has the wanted digest needs nobody to say so. */
static bool is_by_checksum(const struct item *i)
{
	const char *checksum = i->artifact->checksum, *digest = i->known.digest;

	return checksum && digest && strcasecmp(checksum, digest) == 0;
}

/* 1: it is there and the item is finished; 0: it has to be fetched; -errno with err. Where it has
 * to be fetched, i->known tells what may be asked for conditionally. */
static int look_at(struct item *i, struct th_err *err)
{
	struct batch *b = i->batch;
	struct artifact_state *s = &i->known;
	bool intact, this_boot;

	artifact_state_done(s);
	if (artifact_state_read(b->state_fd, i->artifact->name, s) < 0)
		return 0;
	this_boot = strcmp(s->boot_id, proc_boot_id()) == 0;
	if (s->published && this_boot) {
		int r = compare_definitions(i, err);

		if (r < 0)
			return r;
	}
	intact = s->published && is_same_definition(i) &&
		 (b->uid == (uid_t)-1 || i->artifact->chown ||
			 (s->uid == b->uid && s->gid == b->gid)) &&
		 artifact_state_is_intact(b->state_fd, i->artifact->name, b->local_fd);
	if (intact && this_boot) {
		set_result(i, ARTIFACT_PRESENT, s->usec);
		return 1;
	}
	if (intact && is_by_checksum(i)) {
		str_replace(&s->boot_id, proc_boot_id());
		if (artifact_state_write(b->state_fd, i->artifact->name, s, err) < 0)
			return -EIO;
		set_result(i, ARTIFACT_UNCHANGED, 0);
		return 1;
	}
	/* What was changed, or left half done, is fetched as if it was not there. */
	if (!intact)
		artifact_state_done(s);
	return 0;
}

/* ---- a helper -------------------------------------------------------------------------------- */

static void on_event(void *arg, const struct fetch_event *e)
{
	struct item *i = arg;
	char span[CLOCK_SPAN_MAX];

	if (i->warnings++ >= WARNINGS_MAX)
		return;
	fetchview_clear(&i->batch->view);
	if (e->kind == FETCH_EVENT_RETRY)
		log_notice("artifact '%s': %s; attempt %u of %u in %s", i->artifact->name, e->text,
			e->attempt, e->of, clock_format_span(e->delay_usec, span, sizeof(span)));
	else
		context_warn(i->batch->c, "artifact '%s': %s", i->artifact->name, e->text);
}

static void on_line(void *arg, const char *line, size_t n)
{
	struct item *i = arg;

	if (i->batch->c->hooklog)
		hooklog_line(i->batch->c->hooklog, i->label, line, n);
}

/* A cgroup of its own, found by its label when it is to go; without one a keeper has to do. */
static void open_cgroup(struct item *i)
{
	struct context *c = i->batch->c;
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int fd = cgtree_hook(&c->cg, c->task->group, c->task->id, &why);

	if (fd >= 0)
		i->cgroup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (i->cgroup_fd >= 0)
		cgtree_hook_keep(&c->cg, i->label);
	else if (err_is_set(&why))
		context_warn(c, "%s, continuing without", err_text(&why));
}

static void remove_cgroup(struct item *i)
{
	struct context *c = i->batch->c;

	if (i->cgroup_fd < 0)
		return;
	i->cgroup_fd = fd_close(i->cgroup_fd);
	(void)cgtree_hooks_kill(&c->cg, c->task->group, c->task->id, i->label,
		usec_add(clock_monotonic_usec(), KILL_WAIT));
}

static int start_work(struct item *i, struct th_err *err)
{
	struct batch *b = i->batch;
	struct context *c = b->c;
	struct fetchwork_spec spec;

	/* The lock is ours, so nobody works there. */
	fetchwork_remove_left(c->group_fd, i->staging_prefix);
	write_attempt(i, NULL);
	open_cgroup(i);
	i->started = clock_monotonic_usec();
	spec = (struct fetchwork_spec){.loop = c->loop,
		.artifact = i->artifact,
		.settings = &c->task->fetch,
		.known = {.digest = i->known.digest,
			.etag = i->known.etag,
			.last_modified = i->known.last_modified},
		.base_fd = b->local_fd,
		.base = b->local,
		.staging_parent_fd = c->group_fd,
		.staging_parent = b->group_dir,
		.prefix = i->staging_prefix,
		.cgroup_fd = i->cgroup_fd,
		.tell = on_event,
		.line = on_line,
		.arg = i};
	i->state = ITEM_RUNNING;
	return fetchwork_start(&spec, &i->work, err);
}

/* ---- publishing ------------------------------------------------------------------------------ */

static int check_claims(struct item *i, struct th_err *err)
{
	_cleanup_free_ char *path = NULL, *other = NULL, *shown = NULL;
	struct artifact_state theirs = ARTIFACT_STATE_INIT;
	int r = artifact_state_find_claim(
		i->batch->state_fd, i->artifact, i->work, &other, &path, &theirs);

	if (r <= 0)
		return r < 0 ? err_set(err, EXIT_INTERNAL, -r,
				       "cannot read what other artifacts have put there: %s",
				       strerror(-r))
			     : 0;
	shown = str_escape(path, 0);
	r = err_set(err, EXIT_CONFIG, EEXIST,
		"'%s/%s' was put there by the artifact '%s' of '%s', which has another source "
		"(give "
		"one of them another destination)",
		i->batch->local, shown, other, theirs.task);
	artifact_state_done(&theirs);
	return r;
}

static void fill_state(struct item *i)
{
	const struct fetch_event *e = fetchwork_event(i->work);
	const struct publish_tree *tree = fetchwork_tree(i->work);
	struct artifact_state *s = &i->known;
	struct batch *b = i->batch;

	artifact_state_done(s);
	str_replace(&s->boot_id, proc_boot_id());
	str_replace(&s->task, b->c->task->name);
	str_replace(&s->origin, i->artifact->origin);
	s->definition = artifact_identity(i->artifact);
	str_replace(&s->digest, e->digest);
	str_replace(&s->etag, e->etag);
	str_replace(&s->last_modified, e->last_modified);
	s->size = e->down;
	s->files = tree->is_dir ? tree->n : 1;
	s->usec = usec_sub(clock_monotonic_usec(), i->started);
	s->uid = b->uid;
	s->gid = b->gid;
}

/* Intent first: what is there now stays claimed, what will be there is claimed as well. */
static int publish_locked(struct item *i, struct th_err *err)
{
	struct batch *b = i->batch;
	const char *name = i->artifact->name;
	int r = check_claims(i, err);

	if (r < 0)
		return r;
	fill_state(i);
	r = artifact_state_begin(b->state_fd, name, &i->known, i->work, err);
	if (r == 0)
		r = fetchwork_publish(i->work, b->uid, b->gid, err);
	if (r < 0) {
		artifact_state_cancel(b->state_fd, name, &i->known);
		return r;
	}
	return artifact_state_end(b->state_fd, name, &i->known, err);
}

static int publish(struct item *i, struct th_err *err)
{
	struct context *c = i->batch->c;
	_cleanup_lock_ int lock = lockfile_wait(
		c->run_group_fd, PUBLISH_LOCK, usec_add(clock_monotonic_usec(), PUBLISH_WAIT));
	int r;

	if (lock < 0)
		return err_set(err, lock == -ETIMEDOUT ? EXIT_BUSY : EXIT_CANTCREAT, -lock,
			"cannot take the lock '%s/%s/" PUBLISH_LOCK "': %s", c->layout->run_dir,
			c->task->group, strerror(-lock));
	r = publish_locked(i, err);
	(void)unlinkat(c->run_group_fd, PUBLISH_LOCK, 0);
	return r;
}

static void tell_end(const struct item *i)
{
	const struct artifact_result *r = &i->result;
	char bytes[32], span[CLOCK_SPAN_MAX];

	fetchview_clear(&i->batch->view);
	if (r->outcome == ARTIFACT_UNCHANGED)
		log_notice("artifact '%s': nothing new at its source", r->name);
	else
		log_notice("artifact '%s': %s in %s, %" PRIu64 " %s%s%s", r->name,
			fetchview_format_bytes(r->size, bytes, sizeof(bytes)),
			clock_format_span(r->usec, span, sizeof(span)), r->files,
			r->files == 1 ? "file" : "files", r->digest ? ", " : "",
			r->digest ? r->digest : "");
}

/* The helper is over. */
static int finish_work(struct item *i, struct th_err *err)
{
	int r = fetchwork_collect(i->work, err);
	bool unchanged = r == 0 && fetchwork_is_unchanged(i->work);

	if (unchanged) {
		str_replace(&i->known.boot_id, proc_boot_id());
		r = artifact_state_write(i->batch->state_fd, i->artifact->name, &i->known, err);
	} else if (r == 0) {
		r = publish(i, err);
	}
	if (r < 0)
		return r;
	set_result(i, unchanged ? ARTIFACT_UNCHANGED : ARTIFACT_FETCHED,
		usec_sub(clock_monotonic_usec(), i->started));
	tell_end(i);
	return 0;
}

/* All that was made for it but what was published. */
static void end_work(struct item *i, const struct th_err *failure)
{
	if (i->lock_fd < 0)
		return;
	i->work = fetchwork_free(i->work);
	remove_cgroup(i);
	/* A helper that was killed says nothing of the source: who waits tries it. */
	if (failure && err_is_set(failure) && failure->status != EXIT_INTERNAL)
		write_attempt(i, failure);
	else
		(void)unlinkat(i->batch->c->run_group_fd, i->attempt_name, 0);
	give_up_lock(i);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* A pending one: is it there, can it be begun? 0 or -errno with err. */
static int try_begin(struct item *i, struct th_err *err)
{
	struct context *c = i->batch->c;
	int r;

	i->lock_fd = lockfile_try(c->run_group_fd, i->lock_name);
	if (i->lock_fd == -EAGAIN) {
		wait_for_other(i);
		return clock_monotonic_usec() < i->wait_deadline
			       ? 0
			       : err_set(err, EXIT_BUSY, ETIMEDOUT,
					 "is still being fetched by another task");
	}
	if (i->lock_fd < 0)
		return err_set(err, EXIT_CANTCREAT, -i->lock_fd,
			"cannot take the lock '%s/%s/%s': %s", c->layout->run_dir, c->task->group,
			i->lock_name, strerror(-i->lock_fd));
	r = take_failure(i, err);
	/* Somebody may have fetched it since it was looked for. */
	if (r == 0)
		r = look_at(i, err);
	if (r == 0)
		return start_work(i, err);
	give_up_lock(i);
	return r < 0 ? r : 0;
}

static size_t count(const struct batch *b, enum item_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->items[i].state == state;
	return n;
}

/* It will not come. */
static int fail(struct item *i, int r, struct th_err *err)
{
	const char *origin = i->artifact->origin;
	bool wrong = err && err->status == EXIT_USAGE;

	/* The helper is told values, and not where they stand. */
	if (wrong)
		err->status = conf_origin_status(origin);
	end_work(i, err);
	i->state = ITEM_FAILED;
	if (err)
		err_prefix(err, "artifact '%s' (%s)", i->artifact->name, i->artifact->shown);
	if (wrong)
		err_prefix(err, "%s", origin);
	return r;
}

static int begin_some(struct batch *b, struct th_err *err)
{
	for (size_t k = 0; k < b->n && count(b, ITEM_RUNNING) < b->c->task->fetch.parallel; k++) {
		struct item *i = &b->items[k];
		int r = i->state == ITEM_PENDING ? try_begin(i, err) : 0;

		if (r < 0)
			return fail(i, r, err);
	}
	return 0;
}

static int end_some(struct batch *b, struct th_err *err)
{
	int result = 0;

	for (size_t k = 0; k < b->n; k++) {
		struct item *i = &b->items[k];
		_cleanup_err_ struct th_err why = TH_ERR_INIT;
		int r;

		if (i->state != ITEM_RUNNING || !fetch_is_over(fetchwork_fetch(i->work)))
			continue;
		fetchview_clear(&b->view);
		r = finish_work(i, &why);
		if (r == 0) {
			end_work(i, NULL);
			continue;
		}
		(void)fail(i, r, &why);
		if (result == 0)
			result = err_set(err, why.status, -r, "%s", err_text(&why));
	}
	return result;
}

static void draw(struct batch *b)
{
	const struct fetch_progress *progress[PARALLEL_MAX];
	const char *name = NULL;
	_cleanup_free_ char *label = NULL;
	size_t n = 0;

	if (!b->view.on)
		return;
	for (size_t k = 0; k < b->n && n < PARALLEL_MAX; k++) {
		if (b->items[k].state != ITEM_RUNNING)
			continue;
		progress[n++] = fetch_progress(fetchwork_fetch(b->items[k].work));
		name = b->items[k].artifact->name;
	}
	label = n == 1 ? xstrdup(name) : xasprintf("%zu artifacts", n);
	fetchview_draw(&b->view, label, progress, n);
}

static usec_t next_deadline(const struct batch *b)
{
	usec_t now = clock_monotonic_usec(), deadline = USEC_INFINITY;
	size_t running = 0;
	bool waits = false;

	for (size_t k = 0; k < b->n; k++) {
		const struct item *i = &b->items[k];

		if (i->state == ITEM_RUNNING) {
			deadline = MIN(deadline, fetch_deadline(fetchwork_fetch(i->work)));
			running++;
		}
		waits = waits || (i->state == ITEM_PENDING && i->waited_for) ||
			(i->state == ITEM_PENDING && i->told);
	}
	if (waits || running == 0)
		deadline = MIN(deadline, now + POLL_USEC);
	return b->view.on ? MIN(deadline, now + FETCHVIEW_USEC) : deadline;
}

/* One turn of the loop. 0; -EINTR: a stop request came; -errno with err. */
static int wait_some(struct batch *b, usec_t deadline, struct th_err *err)
{
	int r = b->c->requests.stop ? 0 : loop_run(b->c->loop, MIN(deadline, next_deadline(b)));

	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot wait: %s", strerror(-r));
	return b->c->requests.stop ? -EINTR : 0;
}

static int run_batch(struct batch *b, struct th_err *err)
{
	usec_t grace = USEC_INFINITY;
	int result = 0;

	for (;;) {
		/* The first failure is the one that is told. */
		struct th_err *to = result < 0 ? NULL : err;
		int r = result < 0 ? 0 : begin_some(b, err);

		if (r == 0 && count(b, ITEM_RUNNING) + count(b, ITEM_PENDING) > 0)
			r = wait_some(b, grace, to);
		if (r == -EINTR && !err_is_set(err))
			return r;
		if (r == 0)
			r = end_some(b, to);
		if (r < 0 && result == 0) {
			result = r;
			grace = usec_add(clock_monotonic_usec(), GRACE_USEC);
		}
		if (count(b, ITEM_RUNNING) == 0 && (result < 0 || count(b, ITEM_PENDING) == 0))
			return result;
		if (b->c->requests.stop || clock_monotonic_usec() >= grace)
			return result < 0 ? result : -EINTR;
		draw(b);
	}
}

static int open_batch(struct batch *b, struct context *c, int local_fd, struct th_err *err)
{
	_cleanup_free_ char *shared = layout_shared_dir(c->layout, c->task->group);
	struct stat st;

	*b = (struct batch){.c = c,
		.local_fd = local_fd,
		.state_fd = path_mkdir_open(c->group_fd, STATE_DIR, 0700, NULL),
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.local = path_join(shared, "local"),
		.group_dir = layout_group_dir(c->layout, c->task->group),
		.items = xcalloc(c->task->n_artifacts, sizeof(*b->items)),
		.n = c->task->n_artifacts};
	for (size_t k = 0; k < b->n; k++) {
		const struct artifact *a = &c->task->artifacts[k];

		b->items[k] = (struct item){.batch = b,
			.artifact = a,
			.lock_fd = -1,
			.cgroup_fd = -1,
			.lock_name = xasprintf(LOCK_PREFIX "%s", a->name),
			.attempt_name = xasprintf(ATTEMPT_PREFIX "%s", a->name),
			.staging_prefix = xasprintf(STAGING_PREFIX "%s.", a->name),
			.label = xasprintf(LABEL_PREFIX "%s", a->name),
			.known = ARTIFACT_STATE_INIT};
	}
	fetchview_init(&b->view, c->terminal && !c->options->quiet);
	if (b->state_fd < 0)
		return err_set(err, EXIT_CANTCREAT, -b->state_fd,
			"cannot make '%s/" STATE_DIR "': %s", b->group_dir, strerror(-b->state_fd));
	if (!c->as_root)
		return 0;
	if (fstat(local_fd, &st) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot look at '%s': %m", b->local);
	b->uid = st.st_uid;
	b->gid = st.st_uid == 0 ? 0 : st.st_gid;
	return 0;
}

static void close_batch(struct batch *b)
{
	for (size_t k = 0; k < b->n; k++) {
		struct item *i = &b->items[k];

		end_work(i, NULL);
		artifact_state_done(&i->known);
		artifact_result_done(&i->result);
		free(i->waited_for);
		free(i->lock_name);
		free(i->attempt_name);
		free(i->staging_prefix);
		free(i->label);
	}
	free(b->items);
	free(b->local);
	free(b->group_dir);
	fd_close(b->state_fd);
}

/* Those that are there need no lock. */
static int look_at_all(struct batch *b, struct th_err *err)
{
	for (size_t k = 0; k < b->n; k++) {
		int r = look_at(&b->items[k], err);

		if (r < 0)
			return fail(&b->items[k], r, err);
	}
	return 0;
}

static void keep_results(struct batch *b)
{
	struct artifact_results *all = &b->c->record.artifacts;

	artifact_results_done(all);
	all->v = xcalloc(b->n, sizeof(*all->v));
	for (size_t k = 0; k < b->n; k++) {
		if (b->items[k].state != ITEM_FINISHED)
			continue;
		all->v[all->n++] = b->items[k].result;
		b->items[k].result = (struct artifact_result){.name = NULL};
	}
}

int artifacts_fetch(struct context *c, int local_fd, struct th_err *err)
{
	bool kept = c->cg.hooks_kept;
	struct batch b;
	int r = open_batch(&b, c, local_fd, err);

	if (r == 0)
		r = look_at_all(&b, err);
	if (r == 0)
		r = run_batch(&b, err);
	fetchview_clear(&b.view);
	keep_results(&b);
	close_batch(&b);
	/* Nothing of ours is left in a cgroup. */
	c->cg.hooks_kept = kept;
	return r;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

/* "NAME" of "_fetch.NAME.XXXXXXXX"; NULL for anything else. The caller frees it. */
static char *name_of_staging(const char *entry)
{
	size_t n = strlen(entry), head = strlen(STAGING_PREFIX), tail = FETCHWORK_RANDOM + 1;

	if (!str_starts_with(entry, STAGING_PREFIX) || n <= head + tail || entry[n - tail] != '.')
		return NULL;
	return xstrndup(entry + head, n - head - tail);
}

static void remove_staging_of(int group_fd, int run_group_fd, const char *name)
{
	_cleanup_free_ char *lock_name = xasprintf(LOCK_PREFIX "%s", name);
	_cleanup_free_ char *prefix = xasprintf(STAGING_PREFIX "%s.", name);
	_cleanup_lock_ int lock = lockfile_try(run_group_fd, lock_name);

	if (lock < 0)
		return;
	fetchwork_remove_left(group_fd, prefix);
	(void)unlinkat(run_group_fd, lock_name, 0);
}

void artifacts_remove_left(const struct layout *layout, const char *group)
{
	_cleanup_free_ char *dir = layout_group_dir(layout, group);
	_cleanup_free_ char *run = layout_run_group(layout, group);
	_cleanup_close_ int group_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int run_fd = -1;
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct dirent *e;
	DIR *d = NULL;

	if (group_fd < 0 || fd_opendir(group_fd, &d) < 0)
		return;
	while ((e = readdir(d))) {
		_cleanup_free_ char *name = name_of_staging(e->d_name);

		if (name && !strv_contains(&names, name))
			strv_take(&names, TAKE_PTR(name));
	}
	closedir(d);
	if (names.n == 0)
		return;
	run_fd = path_mkdir_parents(run, 0711);
	for (size_t i = 0; run_fd >= 0 && i < names.n; i++)
		remove_staging_of(group_fd, run_fd, names.v[i]);
	(void)rmdir(run);
}

void artifacts_remove_run(int run_group_fd)
{
	struct dirent *e;
	DIR *d = NULL;

	if (fd_opendir(run_group_fd, &d) < 0)
		return;
	while ((e = readdir(d)))
		if (str_starts_with(e->d_name, LOCK_PREFIX) ||
			str_starts_with(e->d_name, ATTEMPT_PREFIX) ||
			strcmp(e->d_name, PUBLISH_LOCK) == 0)
			(void)unlinkat(run_group_fd, e->d_name, 0);
	closedir(d);
}

usec_t artifacts_budget(const struct task *task)
{
	usec_t longest = 0, sum = 0;

	for (size_t i = 0; i < task->n_artifacts; i++) {
		longest = MAX(longest, task->artifacts[i].timeout);
		sum = usec_add(sum, task->artifacts[i].timeout);
	}
	return task->n_artifacts <= task->fetch.parallel ? longest : sum;
}
