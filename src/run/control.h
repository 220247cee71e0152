#ifndef TH_RUN_CONTROL_H
#define TH_RUN_CONTROL_H

/*
 * The socket of a task's supervisor, RUN/GROUP/ID/control: whoever owns the task, and root, can ask
 * it there (model/request.h says what). Served by the loop; nothing here blocks, and a client that
 * is slow, dies or sends nonsense costs nobody else anything:
 *
 *  - at most CONTROL_SENDING_MAX at a time have not sent their request yet; each has
 *    CONTROL_SEND_USEC for that; the next ones wait in the queue of the socket;
 *  - at most CONTROL_WAITING_MAX wait for the task's end;
 *  - what a client does not read is not kept for it: it is dropped.
 *
 * A request that has begun goes on when its client is gone.
 *
 * Whoever has its last answer may look at the task at once, and is to find what it was told: the
 * last answer is sent when the loop waits next or loop_call_due() says that there is nothing more
 *to write down, whatever is done between the end of the request and that.
 *
 *	control_open(loop, run_fd, on_request, c, &control, &err);
 *	... on_request() calls control_end(), or control_keep() ...
 *	control_tell(control, level, text);	for those that wait
 *	control_close(control, stop_status, task_status);
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "model/request.h"
#include "os/loop.h"

#define CONTROL_NAME	    "control"
#define CONTROL_SENDING_MAX 8
#define CONTROL_WAITING_MAX 256
#define CONTROL_SEND_USEC   (10 * USEC_PER_SEC)

struct control;
struct control_client;

/* Called once for each request that could be read; answers it with control_end(), or keeps the
 * client for the end of the task with control_keep(). What `r` holds may be taken out of it. */
typedef void (*control_fn)(void *arg, struct control_client *client, struct request *r);

/* Makes the socket in run_fd = RUN/GROUP/ID (0600, a stale one is replaced). 0 or -errno with
 * err. */
int control_open(struct loop *loop, int run_fd, control_fn fn, void *arg, struct control **ret,
	struct th_err *err);

/* The last answer to one client. `text` says why the status is not 0; NULL: nothing to say. The
 * client is not the caller's any more. */
void control_end(struct control_client *client, int status, const char *text);

/* The client waits for control_close(). */
void control_keep(struct control_client *client);

/* Its number, for a request that is answered later: then the client may be gone. It is kept, as
 * with control_keep(); 0: it is gone already. */
uint64_t control_keep_number(struct control_client *client);
/* Whether it is still there. `c` may be NULL. */
bool control_has(const struct control *c, uint64_t number);
/* One more answer to it, and the last one; nothing where it is gone. `c` may be NULL. */
void control_say(struct control *c, uint64_t number, const struct answer *a);
void control_end_number(struct control *c, uint64_t number, int status, const char *text);

/* As control_end(), for everybody who was kept after such a request. `c` may be NULL. */
void control_end_all(struct control *c, enum request_op op, int status, const char *text);

/* A message for everybody who waits for a stop, a restart or an update. */
void control_tell(struct control *c, enum log_level level, const char *text);

/*
 * The task has come to its end and its lock is free: whoever asked for a stop is told
 * `stop_status`, whoever waits `wait_status`; so are those that are in the queue by now. Frees;
 * NULL is fine; returns NULL. Without statuses (-1) the clients find the socket closed, and look at
 * the record.
 */
struct control *control_close(struct control *c, int stop_status, int wait_status);

#endif
