#include "config.h"

#include "run/hookacct.h"

#include "base/fd.h"
#include "base/parse.h"
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* cpu.stat is the longest of the files; its first line is what is wanted. */
#define FILE_HEAD_MAX 64

/* The first number of a file in the cgroup file system: alone, or behind `label` and a blank. */
static int read_number(int fd, const char *label, uint64_t *ret)
{
	char buf[FILE_HEAD_MAX];
	size_t skip = strlen(label);
	ssize_t n;

	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (strncmp(buf, label, skip) != 0)
		return -EBADMSG;
	return parse_uint(buf + skip, 0, UINT64_MAX, ret);
}

static int read_cpu(int fd, usec_t *ret)
{
	return read_number(fd, "usage_usec ", ret);
}

void hookacct_done(struct hookacct *a)
{
	fd_close(a->events_fd);
	fd_close(a->cpu_fd);
	fd_close(a->peak_fd);
	*a = (struct hookacct)HOOKACCT_INIT;
}

static void open_files(struct hookacct *a, int cgroup_fd)
{
	hookacct_done(a);
	a->cgroup_fd = cgroup_fd;
	a->events_fd = cgroup_events_open(cgroup_fd);
	a->cpu_fd = openat(cgroup_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
	a->peak_fd = openat(cgroup_fd, "memory.peak", O_RDWR | O_CLOEXEC);
	a->peak_resets = a->peak_fd >= 0;
	/* Read-only before it could be reset. */
	if (a->peak_fd < 0 && errno == EACCES)
		a->peak_fd = openat(cgroup_fd, "memory.peak", O_RDONLY | O_CLOEXEC);
}

void hookacct_begin(struct hookacct *a, int cgroup_fd)
{
	if (cgroup_fd < 0) {
		hookacct_done(a);
		return;
	}
	if (a->cgroup_fd != cgroup_fd) {
		open_files(a, cgroup_fd);
		if (a->cpu_fd >= 0)
			(void)read_cpu(a->cpu_fd, &a->cpu_before);
		if (a->peak_fd >= 0)
			(void)read_number(a->peak_fd, "", &a->peak_before);
	}
	/* Root opens a file for writing whatever its mode says: only the write tells. */
	if (a->peak_resets && pwrite(a->peak_fd, "1", 1, 0) < 0)
		a->peak_resets = false;
}

/* The number was given to another cgroup since, whose files these are not. */
static void reopen(struct hookacct *a)
{
	open_files(a, a->cgroup_fd);
}

int hookacct_populated(struct hookacct *a)
{
	int r = cgroup_events_populated(a->events_fd);

	if (r == -ENODEV) {
		reopen(a);
		r = cgroup_events_populated(a->events_fd);
	}
	return r;
}

void hookacct_end(struct hookacct *a, usec_t *ret_cpu, uint64_t *ret_peak)
{
	usec_t cpu = 0;
	uint64_t peak = 0;
	int r;

	*ret_cpu = 0;
	*ret_peak = 0;
	if (a->cpu_fd >= 0) {
		r = read_cpu(a->cpu_fd, &cpu);
		if (r == -ENODEV) {
			reopen(a);
			r = a->cpu_fd < 0 ? -ENODEV : read_cpu(a->cpu_fd, &cpu);
		}
		if (r == 0) {
			*ret_cpu = usec_sub(cpu, a->cpu_before);
			a->cpu_before = cpu;
		}
	}
	if (a->peak_fd >= 0 && read_number(a->peak_fd, "", &peak) == 0) {
		if (a->peak_resets || peak > a->peak_before)
			*ret_peak = peak;
		a->peak_before = peak;
	}
}
