#include "config.h"

#include "run/resultfile.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For a reader that is slow. */
#define RESULT_WAIT (5 * USEC_PER_SEC)

/* /dev/stdout and its like, FIFOs and devices are written to; anything else is replaced, which
 * follows no link that somebody has planted. */
static bool is_written_in_place(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return str_starts_with(path, "/dev/") || str_starts_with(path, "/proc/self/fd/");
	return !S_ISREG(st.st_mode);
}

static int write_in_place(const char *path, const char *text)
{
	/* A FIFO without a reader would hold the open for ever. O_APPEND: behind what the task
	 * wrote to the same file. */
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	usec_t deadline = usec_add(clock_monotonic_usec(), RESULT_WAIT);
	size_t left = strlen(text);

	if (fd < 0)
		return -errno;
	while (left) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		usec_t wait = usec_sub(deadline, clock_monotonic_usec());
		ssize_t n = write(fd, text, left);

		if (n >= 0) {
			text += n;
			left -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (wait == 0)
				return -ETIMEDOUT;
			(void)poll(&p, 1, (int)(wait / USEC_PER_MSEC) + 1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* The command line's; or that of the supervisor before us, whose terminal and descriptors are not
 * ours. */
static const char *result_path(const struct context *c)
{
	const char *kept = c->record.result_file;

	if (c->options->result_file)
		return c->options->result_file;
	if (!kept || kept[0] != '/' || str_starts_with(kept, "/dev/") ||
		str_starts_with(kept, "/proc/"))
		return NULL;
	return kept;
}

int resultfile_write(struct context *c)
{
	const char *path = result_path(c);
	_cleanup_free_ char *text = NULL;
	json_t *j;
	int r;

	if (!path)
		return 0;
	j = record_to_json(&c->record);
	/* What only root may read in the 0600 record stays there: the values of the environment,
	 * and what hooks handed on. */
	(void)json_object_del(j, "task");
	(void)json_object_del(j, "hook_state");
	(void)json_object_del(j, "result_file");
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	r = is_written_in_place(path) ? write_in_place(path, text)
				      : file_replace_at(AT_FDCWD, path, 0644, text, strlen(text));
	if (r < 0)
		log_error("cannot write '%s': %s", path,
			r == -ENXIO ? "nobody reads from it" : strerror(-r));
	return r;
}
