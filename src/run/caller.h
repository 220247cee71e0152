#ifndef TH_RUN_CALLER_H
#define TH_RUN_CALLER_H

/*
 * Between `start` and the supervisor that it has begun (run/background.h): a channel,
 * SOCK_SEQPACKET, one struct a message. Private to src/run.
 */

#include "run/context.h"

#include <stdbool.h>

struct caller_message {
	bool running; /* from the supervisor: the start is through; else `status` says why not */
	int status;
	int signal; /* from the caller, who got it */
};

/* Where nobody is there any more nobody wants to know. */
void caller_send(int fd, const struct caller_message *m);
/* False: the other side is gone. */
bool caller_receive(int fd, struct caller_message *ret);

/* The supervisor listens for the caller's signals while its start lasts; nothing for `run`. 0 or
 * -errno with err. */
int caller_listen(struct context *c, struct th_err *err);

/* The start is through: lets go of the caller's standard error, and tells it when the loop waits
 * next (loop_call_later()). Nothing the second time, and for `run`. */
void caller_let_go(struct context *c);

#endif
