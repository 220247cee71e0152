#include "config.h"

#include "run/control.h"

#include "base/fd.h"
#include "base/macro.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTED "{\"event\":\"accepted\",\"format\":1}\n"
#define IN(n)	 usec_add(clock_monotonic_usec(), (usec_t)(n)*USEC_PER_MSEC)

/* A supervisor: what it was asked, and what it does about it. */
struct server {
	struct loop *loop;
	struct control *control;
	int n_asked;
	uint64_t number; /* of who was kept last */
};

static void on_request(void *arg, struct control_client *client, struct request *r)
{
	struct server *s = arg;

	s->n_asked++;
	if (r->op == REQUEST_SIGNAL)
		control_end(client, EXIT_BUSY, "it has no process now");
	else if (r->op == REQUEST_PING)
		control_end(client, EXIT_OK, NULL);
	else
		s->number = control_keep_number(client);
}

static void server_open(struct server *s)
{
	*s = (struct server){.loop = loop_new()};
	if (control_open(s->loop, tempdir.fd, on_request, s, &s->control, NULL) < 0)
		bail("control_open");
}

/* Serves events until `n` requests have come. */
static void server_take(struct server *s, int n)
{
	usec_t deadline = IN(5000);

	while (s->n_asked < n && clock_monotonic_usec() < deadline)
		(void)loop_run(s->loop, deadline);
	is_int(s->n_asked, n, "%d requests have come", n);
}

static void server_close(struct server *s)
{
	s->control = control_close(s->control, -1, -1);
	loop_free(s->loop);
}

static int ask(const char *line)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(
		sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" CONTROL_NAME, tempdir.fd);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		send(fd, line, strlen(line), 0) != (ssize_t)strlen(line))
		bail("cannot ask: %s", strerror(errno));
	return fd;
}

/* What has come by now. */
static const char *heard(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? "" : strerror(errno);
	text[n] = '\0';
	return n ? text : "the end";
}

static void test_order(void)
{
	struct server s;
	int one, two;

	server_open(&s);
	one = ask("{\"format\":1,\"op\":\"signal\",\"signal\":\"HUP\"}\n");
	server_take(&s, 1);
	is_str(heard(one), "", "what it is answered is not sent while that is served");
	loop_call_due(s.loop);
	is_str(heard(one), "{\"event\":\"end\",\"status\":75,\"text\":\"it has no process now\"}\n",
		"but when it is settled");
	is_str(heard(one), "the end", "and that is the last of it");
	fd_close(one);

	one = ask("{\"format\":1,\"op\":\"restart\"}\n");
	two = ask("{\"format\":1,\"op\":\"restart\"}\n");
	server_take(&s, 3);
	is_str(heard(one), ACCEPTED, "that it was accepted is said at once");
	control_end_all(s.control, REQUEST_RESTART, EXIT_OK, NULL);
	ok(!control_has(s.control, s.number), "who has the last answer is not there any more");
	control_say(s.control, s.number,
		&(struct answer){.event = ANSWER_CHANGE, .text = (char *)(uintptr_t) "x"});
	control_tell(s.control, LOG_LEVEL_WARNING, "late");
	control_end_all(s.control, REQUEST_RESTART, EXIT_INTERNAL, "late");
	control_end_number(s.control, s.number, EXIT_INTERNAL, "late");
	is_str(heard(one), "", "of a restart that is through nobody hears yet");
	(void)loop_run(s.loop, IN(1));
	is_str(heard(one), "{\"event\":\"end\",\"status\":0}\n", "but before the loop waits, once");
	is_str(heard(two), ACCEPTED "{\"event\":\"end\",\"status\":0}\n", "everybody");
	is_str(heard(two), "the end", "and no more");
	fd_close(one);
	fd_close(two);
	server_close(&s);
}

static void test_end(void)
{
	struct server s;
	int stop, wait, ping, nobody;

	server_open(&s);
	stop = ask("{\"format\":1,\"op\":\"stop\"}\n");
	wait = ask("{\"format\":1,\"op\":\"wait\"}\n");
	ping = ask("{\"format\":1,\"op\":\"ping\"}\n");
	server_take(&s, 3);
	s.control = control_close(s.control, EXIT_OK, 7);
	is_str(heard(stop), ACCEPTED "{\"event\":\"end\",\"status\":0}\n",
		"at the end a stop is answered");
	is_str(heard(wait), ACCEPTED "{\"event\":\"end\",\"status\":7}\n", "a wait, too");
	is_str(heard(ping), "{\"event\":\"end\",\"status\":0}\n", "what was answered is sent");
	fd_close(stop);
	fd_close(wait);
	fd_close(ping);
	loop_free(s.loop);

	server_open(&s);
	wait = ask("{\"format\":1,\"op\":\"wait\"}\n");
	ping = ask("{\"format\":1,\"op\":\"ping\"}\n");
	nobody = ask("nonsense\n");
	server_take(&s, 2);
	(void)loop_run(s.loop, IN(1));
	server_close(&s);
	is_str(heard(wait), ACCEPTED, "without an answer the others");
	is_str(heard(wait), "the end", "find it closed");
	is_str(heard(ping), "{\"event\":\"end\",\"status\":0}\n", "what was answered is sent");
	ok(strstr(heard(nobody), "\"event\":\"end\""), "nonsense is answered");
	fd_close(wait);
	fd_close(ping);
	fd_close(nobody);
}

int main(void)
{
	tempdir_make();
	test_order();
	test_end();
	return done_testing();
}
