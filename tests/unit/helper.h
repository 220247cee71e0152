/*
 * The misbehaving programs of tests/helpers, started by a unit test, and what they print.
 */
#ifndef TH_TESTS_HELPER_H
#define TH_TESTS_HELPER_H

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "os/proc.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nothing in src/os/spawn.c works without. */
static inline bool helper_has_pidfd(void)
{
	int fd = proc_pidfd_open(getpid());

	fd_close(fd);
	return fd >= 0;
}

#define HELPER_PATIENCE (20 * USEC_PER_SEC)

/* The path of tests/helpers/NAME of this build; the caller frees it. */
static inline char *helper_path(const char *name)
{
	const char *build = getenv("TASKHOOK_BUILDDIR");
	char self[PATH_MAX] = "", *path, *slash;

	if (build) {
		path = xasprintf("%s/tests/helpers/%s", build, name);
	} else {
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			bail("readlink /proc/self/exe: %s", strerror(errno));
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		path = xasprintf("%s/../helpers/%s", self, name);
	}
	if (access(path, X_OK) < 0)
		bail("%s: %s", path, strerror(errno));
	return path;
}

/* Polls `condition` until it is true, at most for HELPER_PATIENCE. */
#define helper_wait_for(condition)                                                                 \
	__extension__({                                                                            \
		usec_t until_ = usec_add(clock_monotonic_usec(), HELPER_PATIENCE);                 \
		bool true_;                                                                        \
		while (!(true_ = (condition)) && clock_monotonic_usec() < until_)                  \
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);             \
		true_;                                                                             \
	})

/* Reads fd to its end, or up to and including the first "\nSTOP\n" where `stop` is not NULL. The
 * caller frees the text, which is what was read when patience ended. */
static inline char *helper_read(int fd, const char *stop)
{
	usec_t until = usec_add(clock_monotonic_usec(), HELPER_PATIENCE);
	_cleanup_free_ char *end = stop ? xasprintf("\n%s\n", stop) : NULL;
	struct strbuf text = STRBUF_INIT;

	strbuf_addc(&text, '\n');
	while (clock_monotonic_usec() < until) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char buf[4096];
		ssize_t n;

		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		strbuf_add(&text, buf, (size_t)n);
		if (end && strstr(strbuf_str(&text), end))
			break;
	}
	return strbuf_steal(&text);
}

/* The rest of the line that begins with `start` in text of helper_read(), or NULL. The caller frees
 * it. */
static inline char *helper_line(const char *text, const char *start)
{
	_cleanup_free_ char *from = xasprintf("\n%s", start);
	const char *s = text ? strstr(text, from) : NULL;

	if (!s)
		return NULL;
	s += strlen(from);
	return xstrndup(s, strcspn(s, "\n"));
}

static inline long helper_number(const char *text, const char *start)
{
	_cleanup_free_ char *line = helper_line(text, start);

	return line ? strtol(line, NULL, 10) : -1;
}

#endif
