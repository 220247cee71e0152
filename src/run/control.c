#include "config.h"

#include "run/control.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG	     64
#define READ_AT_ONCE ((size_t)4096)

struct control_client {
	struct control *control;
	struct control_client *next;
	int fd;
	struct loop_fd watch;
	struct loop_timer timer; /* for the request to come */
	struct strbuf line;	 /* what came of it so far */
	bool asked;
	enum request_op op;
	uint64_t number;
	char *last; /* the line that ends it, until the loop waits */
};

struct control {
	struct loop *loop;
	int fd;
	struct loop_fd watch;
	control_fn fn;
	void *arg;
	struct control_client *clients;
	size_t n_sending, n_waiting;
	struct loop_call send_last;
	uint64_t last_number;
};

static void accept_clients(void *arg, uint32_t events);

/* ---- clients ---- */

static void client_free(struct control_client *k)
{
	struct control *c = k->control;
	struct control_client **at = &c->clients;

	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	if (k->asked)
		c->n_waiting--;
	else
		c->n_sending--;
	loop_remove_fd(c->loop, &k->watch);
	loop_clear_timer(c->loop, &k->timer);
	fd_close(k->fd);
	strbuf_done(&k->line);
	free(k->last);
	free(k);
	/* Room for one that waits in the queue. */
	if (c->fd >= 0 && !c->watch.active)
		(void)loop_add_fd(c->loop, &c->watch, c->fd, EPOLLIN, accept_clients, c);
}

/* True where it took all of it. A line is far smaller than the buffer of a socket, so one that has
 * no room has not been read for long. */
static bool client_send_line(struct control_client *k, const char *line)
{
	size_t n = strlen(line);

	return send(k->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static bool client_send(struct control_client *k, const struct answer *a)
{
	_cleanup_free_ char *line = answer_to_line(a);

	return client_send_line(k, line);
}

static void send_last(void *arg)
{
	struct control *c = arg;

	for (struct control_client *k = c->clients, *next; k; k = next) {
		next = k->next;
		if (!k->last)
			continue;
		(void)client_send_line(k, k->last);
		client_free(k);
	}
}

void control_end(struct control_client *k, int status, const char *text)
{
	struct answer a = {.event = ANSWER_END, .status = status, .text = (char *)(uintptr_t)text};
	struct control *c = k->control;

	k->last = answer_to_line(&a);
	loop_remove_fd(c->loop, &k->watch);
	loop_clear_timer(c->loop, &k->timer);
	loop_call_later(c->loop, &c->send_last, send_last, c);
}

/* Nothing more is expected of it but that it goes. */
static void on_left(void *arg, uint32_t events)
{
	(void)events;
	client_free(arg);
}

void control_keep(struct control_client *k)
{
	struct answer a = {.event = ANSWER_ACCEPTED};

	if (!client_send(k, &a))
		client_free(k);
}

uint64_t control_keep_number(struct control_client *k)
{
	struct control *c = k->control;
	uint64_t number = k->number = ++c->last_number;

	control_keep(k);
	return control_has(c, number) ? number : 0;
}

static struct control_client *find_client(const struct control *c, uint64_t number)
{
	struct control_client *k = c && number ? c->clients : NULL;

	while (k && (k->number != number || k->last))
		k = k->next;
	return k;
}

bool control_has(const struct control *c, uint64_t number)
{
	return find_client(c, number) != NULL;
}

void control_say(struct control *c, uint64_t number, const struct answer *a)
{
	struct control_client *k = find_client(c, number);

	if (k && !client_send(k, a))
		client_free(k);
}

void control_end_number(struct control *c, uint64_t number, int status, const char *text)
{
	struct control_client *k = find_client(c, number);

	if (k)
		control_end(k, status, text);
}

/* Not only its sending side is shut down. */
static bool has_gone(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void take_request(struct control_client *k, size_t n)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct control *c = k->control;
	struct request r;

	if (request_from_line(k->line.s, n, &r, &why) < 0) {
		control_end(k, why.status, err_text(&why));
		return;
	}
	strbuf_done(&k->line);
	/* We may have been suspended: who has been told that we do not answer shall not be
	 * surprised later. A stop is what he wants all the same. */
	if (r.op != REQUEST_STOP && has_gone(k->fd)) {
		request_done(&r);
		client_free(k);
		return;
	}
	if (c->n_waiting >= CONTROL_WAITING_MAX && r.op == REQUEST_WAIT) {
		request_done(&r);
		control_end(k, EXIT_BUSY, "too many wait for this task already");
		return;
	}
	k->op = r.op;
	k->asked = true;
	c->n_sending--;
	c->n_waiting++;
	loop_clear_timer(c->loop, &k->timer);
	loop_remove_fd(c->loop, &k->watch);
	/* What it sends now is not read, and one that has shut down its sending side still reads:
	 * only EPOLLHUP and EPOLLERR, which epoll_ctl(2) reports in any case. */
	if (loop_add_fd(c->loop, &k->watch, k->fd, 0, on_left, k) < 0) {
		client_free(k);
	} else {
		c->fn(c->arg, k, &r);
	}
	request_done(&r);
}

static void on_readable(void *arg, uint32_t events)
{
	struct control_client *k = arg;
	char buf[READ_AT_ONCE];
	size_t before = k->line.len;
	const char *end;
	ssize_t n = recv(k->fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* it went before it had asked for anything */
		client_free(k);
		return;
	}
	strbuf_add(&k->line, buf, (size_t)n);
	end = memchr(k->line.s + before, '\n', (size_t)n);
	if (end || k->line.len >= REQUEST_MAX)
		take_request(k, end ? (size_t)(end - k->line.s) : k->line.len);
}

static void on_too_slow(void *arg)
{
	control_end(arg, EXIT_DATAERR, "no request came within 10s");
}

/* The socket's mode keeps others out already; a directory that somebody opened up, or a file system
 * without modes on sockets, does not (unix(7)). */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void add_client(struct control *c, int fd)
{
	struct control_client *k = xcalloc(1, sizeof(*k));

	k->control = c;
	k->fd = fd;
	k->next = c->clients;
	c->clients = k;
	c->n_sending++;
	if (!may_ask(fd)) {
		control_end(k, EXIT_NOPERM, "the task belongs to another user");
		return;
	}
	if (loop_add_fd(c->loop, &k->watch, fd, EPOLLIN, on_readable, k) < 0) {
		client_free(k);
		return;
	}
	loop_set_timer(c->loop, &k->timer, usec_add(clock_monotonic_usec(), CONTROL_SEND_USEC),
		on_too_slow, k);
}

static void accept_clients(void *arg, uint32_t events)
{
	struct control *c = arg;

	(void)events;
	while (c->n_sending < CONTROL_SENDING_MAX) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		add_client(c, fd);
	}
	loop_remove_fd(c->loop, &c->watch);
}

/* ---- the socket ---- */

/* sun_path has 108 bytes (unix(7)), a path of ours may have more: the directory that we hold is
 * named by its descriptor. */
static int bind_at(int sock, int dirfd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t before;
	int r;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" CONTROL_NAME, dirfd);
	(void)unlinkat(dirfd, CONTROL_NAME, 0);
	/* It is never open to others, not even between bind and chmod. */
	before = umask(0177);
	r = bind(sock, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	(void)umask(before);
	return r;
}

int control_open(struct loop *loop, int run_fd, control_fn fn, void *arg, struct control **ret,
	struct th_err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct control *c;
	int r = fd < 0 ? -errno : bind_at(fd, run_fd);

	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot make the control socket: %s",
			strerror(-r));
	c = xcalloc(1, sizeof(*c));
	*c = (struct control){.loop = loop, .fd = fd, .fn = fn, .arg = arg};
	r = loop_add_fd(loop, &c->watch, fd, EPOLLIN, accept_clients, c);
	if (r < 0) {
		free(c);
		return err_set(err, EXIT_INTERNAL, -r, "cannot watch the control socket: %s",
			strerror(-r));
	}
	(void)TAKE_FD(fd);
	*ret = c;
	return 0;
}

void control_end_all(struct control *c, enum request_op op, int status, const char *text)
{
	for (struct control_client *k = c ? c->clients : NULL; k; k = k->next) {
		if (k->asked && !k->last && k->op == op)
			control_end(k, status, text);
	}
}

void control_tell(struct control *c, enum log_level level, const char *text)
{
	struct answer a = {
		.event = ANSWER_MESSAGE, .level = level, .text = (char *)(uintptr_t)text};
	struct control_client *next;

	if (!c)
		return;
	for (struct control_client *k = c->clients; k; k = next) {
		next = k->next;
		if (k->asked && !k->last && k->op != REQUEST_WAIT && !client_send(k, &a))
			client_free(k);
	}
}

/* Those that connected before the name was gone, and what the others sent meanwhile. */
static void serve_queue(struct control *c)
{
	size_t before;

	do {
		before = c->n_waiting;
		accept_clients(c, EPOLLIN);
		for (struct control_client *k = c->clients, *next; k; k = next) {
			next = k->next;
			if (!k->asked && !k->last)
				on_readable(k, EPOLLIN);
		}
	} while (c->n_waiting > before && c->n_waiting < CONTROL_WAITING_MAX);
}

struct control *control_close(struct control *c, int stop_status, int wait_status)
{
	int fd;

	if (!c)
		return NULL;
	if (stop_status >= 0)
		serve_queue(c);
	loop_remove_fd(c->loop, &c->watch);
	fd = TAKE_FD(c->fd);
	for (struct control_client *k = c->clients; k && stop_status >= 0; k = k->next)
		if (k->asked && !k->last)
			control_end(k, k->op == REQUEST_WAIT ? wait_status : stop_status, NULL);
	send_last(c);
	loop_clear_call(c->loop, &c->send_last);
	for (struct control_client *k = c->clients, *next; k; k = next) {
		next = k->next;
		client_free(k);
	}
	fd_close(fd);
	free(c);
	return NULL;
}
