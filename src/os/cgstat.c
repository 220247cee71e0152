#include "config.h"

#include "os/cgstat.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "os/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* io.stat has a line for each device: hundreds of them are 100 KiB. */
#define IO_STAT_MAX	(4 * 1024 * 1024)
#define MEMORY_STAT_MAX (64 * 1024)
/* cpu.stat and memory.events have a dozen short lines. */
#define STAT_BYTES 1024

/* The value of a file of one number; 0 where it is missing or says "max". */
static bool read_number(int dirfd, const char *file, uint64_t *ret)
{
	char buf[64];
	ssize_t n = cgroup_read_file(dirfd, file, buf, sizeof(buf));

	if (n < 0)
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return parse_uint(buf, 0, UINT64_MAX, ret) == 0;
}

static int read_cpu_stat(int dirfd, struct cgstat *ret)
{
	char buf[STAT_BYTES];
	ssize_t n = cgroup_read_file(dirfd, "cpu.stat", buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	if (cgroup_find_value(buf, "usage_usec", &ret->cpu_usec) < 0)
		return -EBADMSG;
	ret->has_cpu = true;
	(void)cgroup_find_value(buf, "user_usec", &ret->cpu_user_usec);
	(void)cgroup_find_value(buf, "system_usec", &ret->cpu_system_usec);
	/* With the cpu controller alone. */
	(void)cgroup_find_value(buf, "throttled_usec", &ret->throttled_usec);
	return 0;
}

static void read_memory(int dirfd, struct cgstat *ret)
{
	char buf[STAT_BYTES];

	ret->has_memory = read_number(dirfd, "memory.current", &ret->memory_current);
	if (!ret->has_memory)
		return;
	(void)read_number(dirfd, "memory.peak", &ret->memory_peak);
	if (cgroup_read_file(dirfd, "memory.events", buf, sizeof(buf)) > 0)
		(void)cgroup_find_value(buf, "oom_kill", &ret->oom_kill);
}

/* "259:0 rbytes=4096 wbytes=0 rios=1 ..." */
static void read_io(int dirfd, struct cgstat *ret)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;

	if (file_read_at(dirfd, "io.stat", 0, IO_STAT_MAX, &text, NULL) < 0)
		return;
	ret->has_io = true;
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		char *value = strchr(word, '=');
		uint64_t n;

		if (!value)
			continue;
		*value++ = '\0';
		if (parse_uint(value, 0, UINT64_MAX, &n) < 0)
			continue;
		if (strcmp(word, "rbytes") == 0)
			ret->io_rbytes += n;
		else if (strcmp(word, "wbytes") == 0)
			ret->io_wbytes += n;
	}
}

int cgstat_read(int dirfd, unsigned controllers, struct cgstat *ret)
{
	struct cgstat stat = {0};
	int r = read_cpu_stat(dirfd, &stat);

	if (r < 0)
		return r;
	if (controllers & CGROUP_MEMORY)
		read_memory(dirfd, &stat);
	if (controllers & CGROUP_PIDS) {
		stat.has_pids = read_number(dirfd, "pids.current", &stat.pids_current);
		if (stat.has_pids)
			(void)read_number(dirfd, "pids.peak", &stat.pids_peak);
	}
	if (controllers & CGROUP_IO)
		read_io(dirfd, &stat);
	*ret = stat;
	return 0;
}

int cgstat_read_cpu(int dirfd, usec_t *ret_cpu_usec)
{
	struct cgstat stat = {0};
	int r = read_cpu_stat(dirfd, &stat);

	if (r < 0)
		return r;
	*ret_cpu_usec = stat.cpu_usec;
	return 0;
}

const char *cgstat_resource_name(enum cgstat_resource r)
{
	static const char *const names[] = {"cpu", "memory", "io"};

	_Static_assert(ARRAY_SIZE(names) == CGSTAT_RESOURCES, "a name for each");
	return names[r];
}

/* "some avg10=1.25 avg60=0.00 avg300=0.00 total=12345" */
static bool read_pressure_line(
	const char *text, const char *kind, unsigned *ret_avg10, usec_t *ret_total)
{
	const char *line = strstr(text, kind);
	const char *avg10 = line ? strstr(line, " avg10=") : NULL;
	const char *total = avg10 ? strstr(avg10, " total=") : NULL;
	unsigned long whole, hundredths;
	char *end;

	if (!total)
		return false;
	whole = strtoul(avg10 + strlen(" avg10="), &end, 10);
	if (*end != '.')
		return false;
	hundredths = strtoul(end + 1, &end, 10); /* always two digits */
	if (*end != ' ')
		return false;
	*ret_avg10 = (unsigned)(whole * 100 + hundredths);
	*ret_total = strtoull(total + strlen(" total="), NULL, 10);
	return true;
}

static void read_pressure(int dirfd, const char *file, struct cgstat_pressure *ret)
{
	char buf[512];

	/* -EOPNOTSUPP where it was switched off. */
	if (cgroup_read_file(dirfd, file, buf, sizeof(buf)) <= 0)
		return;
	ret->known = read_pressure_line(buf, "some", &ret->some_avg10, &ret->some_usec);
	/* Of the CPU since Linux 5.13. */
	(void)read_pressure_line(buf, "full", &ret->full_avg10, &ret->full_usec);
}

void cgstat_read_details(int dirfd, struct cgstat_details *ret)
{
	static const char *const files[CGSTAT_RESOURCES] = {
		"cpu.pressure", "memory.pressure", "io.pressure"};
	_cleanup_free_ char *text = NULL;

	*ret = (struct cgstat_details){0};
	if (file_read_at(dirfd, "memory.stat", 0, MEMORY_STAT_MAX, &text, NULL) >= 0) {
		(void)cgroup_find_value(text, "file", &ret->memory_file);
		(void)cgroup_find_value(text, "kernel", &ret->memory_kernel);
	}
	(void)read_number(dirfd, "memory.swap.current", &ret->memory_swap);
	for (size_t i = 0; i < CGSTAT_RESOURCES; i++)
		read_pressure(dirfd, files[i], &ret->pressure[i]);
}
