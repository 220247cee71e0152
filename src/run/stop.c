#include "config.h"

#include "run/stop.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "model/record.h"
#include "run/background.h"
#include "run/client.h"
#include "run/recover.h"
#include "run/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Rounds of asking: between a look at the lock and our taking it another may start or end it. */
#define TRIES 5

static void on_message(void *arg, enum log_level level, const char *text)
{
	struct stop_one *one = arg;
	_cleanup_free_ char *name = xasprintf("%s/%s", one->group, one->id);

	log_set_task(name);
	log_message(level, "%s", text);
	log_set_task(NULL);
}

static bool read_record(
	const struct layout *l, const char *group, const char *id, struct record *ret)
{
	_cleanup_free_ char *records = xasprintf("%s/records/%s", l->state_dir, group);
	_cleanup_close_ int fd = open(records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && record_read(fd, id, ret, NULL) == 0;
}

usec_t stop_budget(const struct layout *l, const char *group, const char *id, usec_t grace)
{
	_cleanup_record_ struct record rec = {0};
	_cleanup_task_ struct task *task = NULL;
	usec_t budget = USEC_PER_MIN;

	if (read_record(l, group, id, &rec) && task_from_json(rec.task, &task, NULL) == 0)
		budget = usec_add(
			budget, usec_add(3 * task->hooks_total_timeout,
					grace == USEC_INFINITY ? task->stop_timeout : grace));
	return budget;
}

static void say(const struct stop_one *one, const char *text)
{
	log_error("%s/%s: %s", one->group, one->id, text);
}

/* It runs on without a supervisor: it is stopped as any other, once it has one. */
static void recover(
	const struct layout *l, const struct supervisor_options *options, struct task *task)
{
	struct background_start start = {.task = task, .recover = true};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int signo;

	if (background_start_all(l, options, &start, 1, NULL, NULL, &signo, &err) < 0 &&
		err_is_set(&err))
		log_error("%s: %s", task->name, err_text(&err));
}

/* Of the supervisor that it was given, which may have brought it down before it could be asked. */
static bool has_warnings(const struct layout *l, const struct stop_one *one)
{
	_cleanup_record_ struct record rec = {0};

	return read_record(l, one->group, one->id, &rec) && rec.warnings.n > 0;
}

/* No supervisor holds its lock. 1: one does again; else *one has its status. */
static int settle(const struct layout *l, const struct supervisor_options *options, bool finish,
	struct stop_one *one)
{
	_cleanup_task_ struct task *task = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	unsigned warnings = 0;
	int r;

	if (recover_look(l, one->group, one->id, &task) == 1) {
		recover(l, options, task);
		one->recovered = true;
		return 1;
	}
	one->status = EXIT_OK;
	if (!finish)
		return 0;
	r = resume_task(l, one->group, one->id, options, &warnings, &err);
	if (r == -EAGAIN)
		return 1;
	if (r == -EBUSY &&
		!err_is_set(&err)) { /* stuck: a warning has named what cannot be killed */
		one->status = EXIT_INTERNAL;
	} else if (r < 0) {
		say(one, err_text(&err));
		one->status = err.status ? err.status : EXIT_INTERNAL;
	} else if (warnings || (one->recovered && has_warnings(l, one))) {
		one->status = EXIT_WITH_FAILURES;
	}
	return 0;
}

/* 1: to be asked again; 0: *one has its status. */
static int take_result(const struct layout *l, const struct supervisor_options *options,
	bool finish, struct stop_one *one, const struct client *client)
{
	const char *text;
	int status, r;

	if (!client_is_done(client)) {
		say(one, "did not end in time");
		one->status = EXIT_BUSY;
		return 0;
	}
	r = client_result(client, &status, &text);
	if (r == -ESRCH)
		return settle(l, options, finish, one);
	one->status = status;
	if (r == 0) {
		if (text)
			say(one, text);
		return 0;
	}
	one->status = client_explain(client, one->group, one->id);
	return 0;
}

static void ask_round(const struct layout *l, struct loop *loop, const struct request *request,
	struct stop_one *const *ones, struct client **clients, size_t n)
{
	usec_t most = 0;

	for (size_t i = 0; i < n; i++) {
		if (!ones[i])
			continue;
		clients[i] = client_new(loop, &(struct client_spec){.layout = l,
						      .group = ones[i]->group,
						      .id = ones[i]->id,
						      .request = *request,
						      .message = on_message,
						      .arg = ones[i]});
		most = MAX(most, stop_budget(l, ones[i]->group, ones[i]->id, request->timeout));
	}
	(void)client_wait_all(loop, clients, n, usec_add(clock_monotonic_usec(), most));
}

int stop_tasks(const struct layout *l, struct loop *loop, const struct request *request,
	const struct supervisor_options *options, bool finish, struct stop_one *v, size_t n)
{
	_cleanup_free_ struct stop_one **ones =
		xcalloc(MAX(n, (size_t)1), sizeof(struct stop_one *));
	_cleanup_free_ struct client **clients =
		xcalloc(MAX(n, (size_t)1), sizeof(struct client *));
	bool again = true;

	for (size_t i = 0; i < n; i++)
		ones[i] = &v[i];
	for (int try = 0; again && try < TRIES; try++) {
		again = false;
		ask_round(l, loop, request, ones, clients, n);
		for (size_t i = 0; i < n; i++) {
			if (!ones[i])
				continue;
			ones[i]->status = EXIT_BUSY;
			if (take_result(l, options, finish, ones[i], clients[i]) == 1)
				again = true;
			else
				ones[i] = NULL;
			clients[i] = client_free(clients[i]);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (v[i].status != EXIT_OK)
			return v[i].status;
	return EXIT_OK;
}
