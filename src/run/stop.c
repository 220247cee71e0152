#include "config.h"

#include "run/stop.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "model/record.h"
#include "run/client.h"
#include "run/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Rounds of asking: between a look at the lock and our taking it another may start or end it. */
#define TRIES 5

struct asked {
	struct stop_one *one;
	struct client *client;
	usec_t deadline;
};

static void on_message(void *arg, enum log_level level, const char *text)
{
	struct stop_one *one = arg;
	_cleanup_free_ char *name = xasprintf("%s/%s", one->group, one->id);

	log_set_task(name);
	log_message(level, "%s", text);
	log_set_task(NULL);
}

usec_t stop_budget(const struct layout *l, const char *group, const char *id, usec_t grace)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_close_ int fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_record_ struct record rec = {0};
	_cleanup_task_ struct task *task = NULL;
	usec_t budget = USEC_PER_MIN;

	if (fd >= 0 && record_read(fd, id, &rec, NULL) == 0 &&
		task_from_json(rec.task, &task, NULL) == 0)
		budget = usec_add(
			budget, usec_add(3 * task->hooks_total_timeout,
					grace == USEC_INFINITY ? task->stop_timeout : grace));
	return budget;
}

static void say(const struct stop_one *one, const char *text)
{
	log_error("%s/%s: %s", one->group, one->id, text);
}

/* No supervisor holds its lock. 1: one does again; else *one has its status. */
static int settle(
	const struct layout *l, const struct supervisor_options *finish, struct stop_one *one)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	unsigned warnings = 0;
	int r;

	one->status = EXIT_OK;
	if (!finish)
		return 0;
	r = resume_task(l, one->group, one->id, finish, &warnings, &err);
	if (r == -EAGAIN)
		return 1;
	if (r == -EBUSY &&
		!err_is_set(&err)) { /* stuck: a warning has named what cannot be killed */
		one->status = EXIT_INTERNAL;
	} else if (r < 0) {
		say(one, err_text(&err));
		one->status = err.status ? err.status : EXIT_INTERNAL;
	} else if (warnings) {
		one->status = EXIT_WITH_FAILURES;
	}
	return 0;
}

/* 1: to be asked again; 0: *one has its status. */
static int take_result(
	const struct layout *l, const struct supervisor_options *finish, const struct asked *a)
{
	struct stop_one *one = a->one;
	const char *text;
	int status, r;

	if (!client_is_done(a->client)) {
		say(one, "did not end in time");
		one->status = EXIT_BUSY;
		return 0;
	}
	r = client_result(a->client, &status, &text);
	if (r == -ESRCH)
		return settle(l, finish, one);
	one->status = status;
	if (r == 0) {
		if (text)
			say(one, text);
		return 0;
	}
	one->status = client_explain(a->client, one->group, one->id);
	return 0;
}

static bool all_done(const struct asked *asked, size_t n, usec_t *ret_next)
{
	usec_t now = clock_monotonic_usec();
	bool done = true;

	*ret_next = USEC_INFINITY;
	for (size_t i = 0; i < n; i++) {
		if (!asked[i].client || client_is_done(asked[i].client) || now >= asked[i].deadline)
			continue;
		done = false;
		*ret_next = MIN(*ret_next, asked[i].deadline);
	}
	return done;
}

static void ask_round(const struct layout *l, struct loop *loop, const struct request *request,
	struct asked *asked, size_t n)
{
	usec_t next;

	for (size_t i = 0; i < n; i++) {
		struct stop_one *one = asked[i].one;

		if (!one)
			continue;
		asked[i].client = client_new(loop, &(struct client_spec){.layout = l,
							   .group = one->group,
							   .id = one->id,
							   .request = *request,
							   .message = on_message,
							   .arg = one});
		asked[i].deadline = usec_add(clock_monotonic_usec(),
			stop_budget(l, one->group, one->id, request->timeout));
	}
	while (!all_done(asked, n, &next))
		if (loop_run(loop, next) < 0)
			break;
}

int stop_tasks(const struct layout *l, struct loop *loop, const struct request *request,
	const struct supervisor_options *finish, struct stop_one *v, size_t n)
{
	_cleanup_free_ struct asked *asked = xcalloc(MAX(n, (size_t)1), sizeof(*asked));
	bool again = true;

	for (size_t i = 0; i < n; i++)
		asked[i].one = &v[i];
	for (int try = 0; again && try < TRIES; try++) {
		again = false;
		ask_round(l, loop, request, asked, n);
		for (size_t i = 0; i < n; i++) {
			if (!asked[i].one)
				continue;
			asked[i].one->status = EXIT_BUSY;
			if (take_result(l, finish, &asked[i]) == 1)
				again = true;
			else
				asked[i].one = NULL;
			asked[i].client = client_free(asked[i].client);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (v[i].status != EXIT_OK)
			return v[i].status;
	return EXIT_OK;
}
