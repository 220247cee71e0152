#include "config.h"

#include "run/fetch.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "os/proctree.h"
#include "os/program.h"
#include "os/spawn.h"
#include "run/helper.h"
#include "run/hookout.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_NAME "taskhook-fetch"

#define HELPER_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The helper keeps its own time; one that does not is killed this much later. */
#define LATE_USEC (10 * USEC_PER_SEC)
/* From its last word to its end, and for what SIGKILL is to end. */
#define END_USEC  (10 * USEC_PER_SEC)
#define KILL_USEC (5 * USEC_PER_SEC)

#define READ_BYTES ((size_t)16 * 1024)

/* How much it may say: far above what progress needs, far below what would keep us busy. */
#define SAID_MAX     ((uint64_t)1 << 20)
#define SAID_PER_SEC ((uint64_t)64 * 1024)

struct fetch {
	struct fetch_spec spec;
	struct proctree tree;
	struct loop_fd exit_watch, watch;
	int fd; /* our end of its socket; -1: closed */
	struct hookout *output;
	struct fetchjob job; /* the rest of it, while `sent` is less than its length */
	size_t sent;
	struct strbuf line;
	uint64_t said;
	usec_t started, deadline;
	bool exited;
	int wait_status; /* once it has exited */
	bool has_last;
	struct fetch_event last;
	struct fetch_progress progress;
	struct th_err failure; /* what is wrong with the helper */
};

int fetch_find_helper(const char *program, char **ret, struct th_err *err)
{
	return helper_find(program, HELPER_NAME, ret, err);
}

/* ---- what it says ---------------------------------------------------------------------------- */

/* Nothing more is heard from a helper that does not keep to the protocol. */
static void stop_listening(struct fetch *f)
{
	loop_remove_fd(f->spec.loop, &f->watch);
	f->fd = fd_close(f->fd);
}

static void take_event(struct fetch *f, struct fetch_event *e)
{
	struct fetch_progress *p = &f->progress;

	switch (e->kind) {
	case FETCH_EVENT_START:
		*p = (struct fetch_progress){.total = e->total,
			.resumed = e->resumed,
			.down = e->resumed,
			.started = clock_monotonic_usec()};
		break;
	case FETCH_EVENT_PROGRESS:
		p->down = e->down;
		p->total = e->total;
		p->unpacked = e->unpacked;
		p->files = e->files;
		break;
	case FETCH_EVENT_WARNING:
	case FETCH_EVENT_RETRY:
		if (f->spec.tell)
			f->spec.tell(f->spec.arg, e);
		break;
	case FETCH_EVENT_DONE:
	case FETCH_EVENT_UNCHANGED:
	case FETCH_EVENT_FAILED:
		f->has_last = true;
		f->last = *e;
		*e = (struct fetch_event){.kind = FETCH_EVENT_START};
		f->deadline = MIN(f->deadline, clock_monotonic_usec() + END_USEC);
		break;
	}
}

static void take_line(struct fetch *f, const char *line, size_t n)
{
	_cleanup_fetch_event_ struct fetch_event e = {.kind = FETCH_EVENT_START};

	if (f->has_last)
		err_set(&f->failure, EXIT_INTERNAL, EPROTO,
			"the helper went on talking after its last word");
	else if (fetch_event_parse(line, n, &e, &f->failure) == 0)
		take_event(f, &e);
}

static void take_bytes(struct fetch *f, const char *p, size_t n)
{
	while (n > 0 && !err_is_set(&f->failure)) {
		const char *newline = memchr(p, '\n', n);
		size_t len = newline ? (size_t)(newline - p) : n;

		if (f->line.len + len > FETCH_EVENT_LINE_MAX) {
			err_set(&f->failure, EXIT_INTERNAL, EPROTO,
				"the helper said a line of more than %zu bytes",
				FETCH_EVENT_LINE_MAX);
			return;
		}
		strbuf_add(&f->line, p, len);
		if (!newline)
			return;
		take_line(f, strbuf_str(&f->line), f->line.len);
		strbuf_reset(&f->line);
		p += len + 1;
		n -= len + 1;
	}
}

static void check_amount(struct fetch *f)
{
	usec_t age = usec_sub(clock_monotonic_usec(), f->started);

	if (f->said > SAID_MAX + SAID_PER_SEC * (age / USEC_PER_SEC))
		err_set(&f->failure, EXIT_INTERNAL, EPROTO, "the helper does not stop talking");
}

/* One read. False: nothing there now, or closed. */
static bool read_once(struct fetch *f)
{
	char buf[READ_BYTES];
	ssize_t n;

	if (f->fd < 0 || err_is_set(&f->failure))
		return false;
	n = recv(f->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		stop_listening(f);
		return false;
	}
	f->said += (uint64_t)n;
	take_bytes(f, buf, (size_t)n);
	check_amount(f);
	if (err_is_set(&f->failure))
		stop_listening(f);
	return true;
}

/* ---- what it is told ------------------------------------------------------------------------- */

/* The files go with the first byte. The number of bytes sent, or -errno. */
static ssize_t send_some(struct fetch *f)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * FETCHJOB_FDS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = f->job.text + f->sent, .iov_len = f->job.len - f->sent};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (f->sent == 0 && f->job.n_fds > 0) {
		struct cmsghdr *c = &control.header;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * f->job.n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * f->job.n_fds);
		memcpy(CMSG_DATA(c), f->job.fds, sizeof(int) * f->job.n_fds);
	}
	n = sendmsg(f->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* As much as its socket takes. */
static void send_job(struct fetch *f)
{
	while (f->fd >= 0 && f->sent < f->job.len) {
		ssize_t n = send_some(f);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n < 0) /* it has ended, and its end tells more */
			break;
		f->sent += (size_t)n;
	}
	f->sent = f->job.len;
	fetchjob_done(&f->job);
	f->sent = 0;
	if (f->fd >= 0)
		(void)loop_change_fd(f->spec.loop, &f->watch, EPOLLIN);
}

static void on_socket(void *arg, uint32_t events)
{
	struct fetch *f = arg;

	if (events & EPOLLOUT)
		send_job(f);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		(void)read_once(f);
}

/* ---- its life -------------------------------------------------------------------------------- */

static void on_exit_readable(void *arg, uint32_t events)
{
	struct fetch *f = arg;

	(void)events;
	if (proctree_reap(&f->tree) != 1)
		return;
	f->exited = true;
	f->wait_status = f->tree.wait_status;
	loop_remove_fd(f->spec.loop, &f->exit_watch);
}

static void on_output(void *arg, const char *line, size_t n)
{
	struct fetch *f = arg;

	if (f->spec.line)
		f->spec.line(f->spec.arg, line, n);
}

static int start_process(struct fetch *f, int socket_fd, int output_fd, struct th_err *err)
{
	static const struct spawn_rlimit no_core[] = {{RLIMIT_CORE, {0, 0}}};
	_cleanup_free_ char *home = xasprintf("HOME=%s", f->spec.staging_path);
	char *argv[] = {(char[]){HELPER_NAME}, NULL};
	char *envp[] = {(char[]){"PATH=" HELPER_PATH}, home, (char[]){"LANG=C.UTF-8"}, NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	enum spawn_step step = SPAWN_OK;
	int r;

	spec.path = f->spec.helper;
	spec.argv = argv;
	spec.envp = envp;
	spec.fds[0] = socket_fd;
	spec.fds[2] = output_fd;
	spec.cwd_fd = f->spec.staging_fd;
	spec.set_umask = true;
	spec.umask = 022;
	spec.rlimits = no_core;
	spec.n_rlimits = ARRAY_SIZE(no_core);
	spec.die_with_parent = true;
	if (f->spec.cred) {
		spec.set_user = true;
		spec.uid = f->spec.cred->uid;
		spec.gid = f->spec.cred->gid;
		spec.groups = f->spec.cred->groups;
		spec.n_groups = f->spec.cred->n_groups;
	}
	f->tree.skip_start_ticks = f->spec.cgroup_fd >= 0;
	r = proctree_start(&f->tree, f->spec.cgroup_fd, &spec, &step);
	if (r == 0)
		return 0;
	if (step == SPAWN_EXEC) {
		_cleanup_free_ char *why = program_explain_exec(f->spec.helper, -r);

		return err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_UNAVAILABLE, -r,
			"the helper '%s' cannot be executed%s%s: %s", f->spec.helper,
			f->spec.cred ? " as user " : "", f->spec.cred ? f->spec.cred->name : "",
			why);
	}
	return err_set(err, EXIT_INTERNAL, -r, "cannot start the helper '%s': %s: %s",
		f->spec.helper, spawn_step_name(step), strerror(-r));
}

static int open_channels(struct fetch *f, int *ret_socket, int *ret_output, struct th_err *err)
{
	int fds[2] = {-1, -1}, r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make a socket: %m");
	f->fd = fds[0];
	*ret_socket = fds[1];
	r = hookout_open(f->spec.loop, on_output, f, &f->output, ret_output);
	return r < 0 ? err_set(err, EXIT_INTERNAL, -r, "cannot make a pipe: %s", strerror(-r)) : 0;
}

static int watch_it(struct fetch *f, struct th_err *err)
{
	int r = loop_add_fd(
		f->spec.loop, &f->exit_watch, f->tree.exit_fd, EPOLLIN, on_exit_readable, f);

	if (r == 0)
		r = loop_add_fd(f->spec.loop, &f->watch, f->fd, EPOLLIN | EPOLLOUT, on_socket, f);
	return r < 0 ? err_set(err, EXIT_INTERNAL, -r, "cannot watch the helper: %s", strerror(-r))
		     : 0;
}

int fetch_start(
	const struct fetch_spec *spec, struct fetchjob *job, struct fetch **ret, struct th_err *err)
{
	_cleanup_close_ int socket_fd = -1, output_fd = -1;
	struct fetch *f = xcalloc(1, sizeof(*f));
	int r;

	*f = (struct fetch){.spec = *spec,
		.tree = PROCTREE_INIT,
		.fd = -1,
		.job = *job,
		.started = clock_monotonic_usec(),
		.progress = {.total = FETCH_SIZE_UNKNOWN}};
	*job = (struct fetchjob)FETCHJOB_INIT;
	f->progress.started = f->started;
	f->deadline = usec_add(f->started, usec_add(spec->timeout, LATE_USEC));
	r = open_channels(f, &socket_fd, &output_fd, err);
	if (r == 0)
		r = start_process(f, socket_fd, output_fd, err);
	if (r == 0)
		r = watch_it(f, err);
	if (r < 0) {
		fetch_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

bool fetch_is_over(const struct fetch *f)
{
	return f->exited || err_is_set(&f->failure) || clock_monotonic_usec() >= f->deadline;
}

usec_t fetch_deadline(const struct fetch *f)
{
	return f->deadline;
}

const struct fetch_progress *fetch_progress(const struct fetch *f)
{
	return &f->progress;
}

/* 0, or -ETIMEDOUT: something of it cannot be killed, and may write on. */
static int end_tree(struct fetch *f)
{
	usec_t deadline = usec_add(clock_monotonic_usec(), KILL_USEC);
	int r = 0;

	if (f->tree.pid == 0)
		return 0;
	/* git(1) and its like, or what a helper in trouble has started. */
	if (!f->exited || proctree_populated(&f->tree) != 0) {
		(void)proctree_kill(&f->tree, deadline);
		r = proctree_wait_empty(&f->tree, deadline);
	}
	if (!f->exited && proctree_reap(&f->tree) == 1) {
		f->exited = true;
		f->wait_status = f->tree.wait_status;
	}
	loop_remove_fd(f->spec.loop, &f->exit_watch);
	proctree_done(&f->tree);
	return r;
}

/* Its process has ended in a way that does not go with what it said. */
static int explain_end(struct fetch *f, struct th_err *err)
{
	int status = f->wait_status;
	_cleanup_free_ char *last = hookout_last_line(f->output);
	const char *sep = last ? ": " : "";

	if (WIFSIGNALED(status))
		return err_set(err, EXIT_INTERNAL, ECHILD,
			"the helper was killed by signal %d (%s)%s%s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), sep, last ? last : "");
	return err_set(err, EXIT_INTERNAL, ECHILD, "the helper ended with status %d%s%s%s",
		WEXITSTATUS(status), f->has_last ? "" : " and no word of why", sep,
		last ? last : "");
}

int fetch_finish(struct fetch *f, struct fetch_event *ret, struct th_err *err)
{
	bool late = !f->exited && !err_is_set(&f->failure);
	bool good = false;
	int left = end_tree(f);

	/* What was said before the end, also after it was seen. */
	while (read_once(f))
		;
	hookout_drain(f->output);
	hookout_flush(f->output);
	if (left < 0)
		return err_set(err, EXIT_INTERNAL, ETIMEDOUT,
			"processes of the helper cannot be killed: nothing is published beside "
			"them");
	if (err_is_set(&f->failure))
		return err_set(
			err, f->failure.status, f->failure.errnum, "%s", err_text(&f->failure));
	if (f->has_last && f->last.kind == FETCH_EVENT_FAILED)
		return err_set(err, f->last.status, EIO, "%s", f->last.text);
	if (late)
		return err_set(err, EXIT_UNAVAILABLE, ETIMEDOUT,
			f->has_last ? "the helper did not end after its last word"
				    : "the helper did not keep its time and was killed");
	good = f->has_last && WIFEXITED(f->wait_status) && WEXITSTATUS(f->wait_status) == 0;
	if (!good)
		return explain_end(f, err);
	*ret = f->last;
	f->last = (struct fetch_event){.kind = FETCH_EVENT_START};
	return 0;
}

struct fetch *fetch_free(struct fetch *f)
{
	if (!f)
		return NULL;
	(void)end_tree(f);
	stop_listening(f);
	hookout_free(f->output);
	fetchjob_done(&f->job);
	strbuf_done(&f->line);
	fetch_event_done(&f->last);
	err_clear(&f->failure);
	free(f);
	return NULL;
}
