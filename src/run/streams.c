#include "config.h"

#include "run/streams.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* After the last process is gone the pipes are at their end; this bounds a copy to a terminal that
 * nobody reads. */
#define DRAIN_WAIT (5 * USEC_PER_SEC)

static const struct stream {
	const char *fifo, *state, *log, *copy;
} streams[2] = {
	{"stdout", "pump-stdout", "stdout.log", "standard output"},
	{"stderr", "pump-stderr", "stderr.log", "standard error"},
};

static void on_dropped(void *arg, uint64_t total, int errnum)
{
	struct context *c = arg;

	log_warning("the log cannot be written: %s: %" PRIu64
		    " bytes were dropped so far, the task goes on",
		strerror(errnum), total);
	live_begin(c->live)->log_dropped = total;
	live_end(c->live);
}

/* Only who has launched the process shows what it writes. */
static int copy_to(const struct context *c, size_t i)
{
	return c->options->background ? -1 : i == 0 ? STDOUT_FILENO : STDERR_FILENO;
}

/* Takes `source` and `state`. */
static int add_pump(struct context *c, size_t i, int source, struct pumpstate *state, int copy_fd,
	struct th_err *err)
{
	struct logpump_spec spec = {
		.loop = c->loop,
		.source_fd = source,
		.index = c->log_index,
		.stream = i == 0 ? LOG_STDOUT : LOG_STDERR,
		.state = state,
		.copy_fd = copy_fd,
		.copy_name = streams[i].copy,
		.dropped = on_dropped,
		.arg = c,
	};
	int r = 0;

	if (c->task->log_to_files && !c->log_index)
		spec.index = c->log_index = logindex_new(c->log_fd);
	if (c->task->log_to_files)
		r = logfile_open(c->log_fd, streams[i].log, c->task->log_max_size,
			c->task->log_max_files, &spec.file, err);
	if (r < 0) {
		fd_close(source);
		pumpstate_close(state);
		return r;
	}
	return logpump_new(&spec, &c->pumps[i], err);
}

static int make_pipe(struct context *c, size_t i, int *ret_end, struct th_err *err)
{
	_cleanup_close_ int end = -1;
	int ends[2], r;

	r = fd_pipe(ends, 0);
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot make a pipe: %s", strerror(-r));
	end = ends[1];
	r = add_pump(c, i, ends[0], NULL, copy_to(c, i), err);
	if (r == 0)
		*ret_end = TAKE_FD(end);
	return r;
}

/* Reading and writing: neither end is ever without its other. */
static int open_fifo(struct context *c, const char *name, int flags)
{
	_cleanup_close_ int fd =
		openat(c->run_fd, name, O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISFIFO(st.st_mode) ? TAKE_FD(fd) : -EMEDIUMTYPE;
}

/* Of an earlier process of this task there is nothing left. */
static int make_fifo(struct context *c, size_t i, int *ret)
{
	const struct stream *s = &streams[i];
	_cleanup_close_ int fd = -1;

	(void)unlinkat(c->run_fd, s->fifo, 0);
	(void)unlinkat(c->run_fd, s->state, 0);
	if (mkfifoat(c->run_fd, s->fifo, 0600) < 0)
		return -errno;
	fd = open_fifo(c, s->fifo, 0);
	if (fd < 0)
		return fd;
	/* The umask does not count. */
	if (fchmod(fd, 0600) < 0 || (c->switch_user && fchown(fd, c->cred.uid, c->cred.gid) < 0))
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int pump_fifo(struct context *c, size_t i, int copy_fd, struct th_err *err)
{
	struct pumpstate *state = NULL;
	int source = open_fifo(c, streams[i].fifo, O_NONBLOCK);

	if (source == -ENOENT)
		return 0;
	if (source < 0)
		return err_set(err, EXIT_CANTCREAT, -source, "cannot open '%s/%s': %s", c->run_path,
			streams[i].fifo, strerror(-source));
	/* What goes nowhere need not be kept either. */
	if (c->task->log_to_files) {
		int r = pumpstate_open(c->run_fd, streams[i].state, &state, err);

		if (r < 0) {
			fd_close(source);
			return r;
		}
	}
	return add_pump(c, i, source, state, copy_fd, err);
}

static int make_one(struct context *c, size_t i, int *ret_end, struct th_err *err)
{
	_cleanup_close_ int end = -1;
	int r;

	if (c->task->end_with_supervisor)
		return make_pipe(c, i, ret_end, err);
	r = make_fifo(c, i, &end);
	if (r < 0)
		return err_set(err, EXIT_CANTCREAT, -r, "cannot make '%s/%s': %s", c->run_path,
			streams[i].fifo, strerror(-r));
	r = pump_fifo(c, i, copy_to(c, i), err);
	if (r == 0)
		*ret_end = TAKE_FD(end);
	return r;
}

int streams_make(struct context *c, int ret_ends[2], struct th_err *err)
{
	_cleanup_close_ int out = -1, errors = -1;
	int r = make_one(c, 0, &out, err);

	if (r == 0)
		r = make_one(c, 1, &errors, err);
	if (r < 0) {
		streams_close(c);
		return r;
	}
	ret_ends[0] = TAKE_FD(out);
	ret_ends[1] = TAKE_FD(errors);
	return 0;
}

int streams_adopt(struct context *c, struct th_err *err)
{
	int r = pump_fifo(c, 0, -1, err);

	return r < 0 ? r : pump_fifo(c, 1, -1, err);
}

int streams_hold(struct context *c, size_t i)
{
	return open_fifo(c, streams[i].fifo, O_NONBLOCK);
}

void streams_finish(struct context *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->pumps); i++) {
		if (!c->pumps[i])
			continue;
		/* A pager may be slow for as long as it likes, until somebody has enough. */
		logpump_drain(c->pumps[i], &c->requests.stop);
		logpump_finish(c->pumps[i], usec_add(clock_monotonic_usec(), DRAIN_WAIT));
		c->record.log_dropped += logpump_dropped(c->pumps[i]);
	}
	streams_close(c);
}

void streams_close(struct context *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->pumps); i++)
		c->pumps[i] = logpump_free(c->pumps[i]);
}
