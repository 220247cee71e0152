#ifndef TH_RUN_CLIENT_H
#define TH_RUN_CLIENT_H

/*
 * Asks the supervisor of a task through its socket (run/control.h), without blocking: any number of
 * them in one loop.
 *
 *	client = client_new(loop, &spec);
 *	client_wait_all(loop, &client, 1, deadline);
 *	result = client_result(client, &status, &text);
 *	client = client_free(client);
 *
 * Where a process holds the task's lock and there is no socket, a start is about to make it, the
 * supervisor is about to end, or the janitor is at work: asked again until one of that is over.
 */

#include "base/error.h"
#include "base/log.h"
#include "model/layout.h"
#include "model/request.h"
#include "os/loop.h"

#include <stdbool.h>

/* A supervisor that has not accepted the request by then hangs, or stands still. */
#define CLIENT_ACCEPT_USEC (5 * USEC_PER_SEC)

struct client;

struct client_spec {
	const struct layout *layout;
	const char *group, *id; /* copied */
	struct request request;
	/* A message of the supervisor; may be NULL. */
	void (*message)(void *arg, enum log_level level, const char *text);
	/* A change of an update; may be NULL. */
	void (*change)(void *arg, const char *text);
	void *arg;
};

struct client *client_new(struct loop *loop, const struct client_spec *spec);

/* Runs the loop until all are done (NULL ones count as done) or `deadline`, which is -ETIMEDOUT. 0
 * or -errno. */
int client_wait_all(struct loop *loop, struct client *const *v, size_t n, usec_t deadline);

bool client_is_done(const struct client *c);
/*
 * 0: the supervisor has answered with *ret_status (an exit status) and *ret_text (borrowed; NULL:
 * none). -ESRCH: no supervisor holds the task's lock (any more): what became of the task is in its
 * files. -ETIMEDOUT: one does not answer; -EACCES: the task is another user's; else -errno.
 */
int client_result(const struct client *c, int *ret_status, const char **ret_text);

/* Says a failure other than -ESRCH, with what to do next, and returns its exit status. */
int client_explain(const struct client *c, const char *group, const char *id);

struct client *client_free(struct client *c); /* NULL is fine; returns NULL */

#endif
