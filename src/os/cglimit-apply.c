#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "os/cglimit-internal.h"
#include "os/cglimit.h"
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* cpu.max: the kernel takes periods of 1 ms to 1 s and quotas from 1 ms
 * (kernel/sched/core.c, tg_set_cfs_bandwidth()). */
#define CPU_PERIOD_USEC	    100000
#define CPU_PERIOD_MAX_USEC 1000000
#define CPU_QUOTA_MIN_USEC  1000

/* ---- applying ------------------------------------------------------------------------------- */

/* What is being set, for messages. */
struct setting {
	int dirfd;
	const char *section, *key, *value;
	unsigned controller;
	const char *file;
	struct th_err *err;
};

static int refuse_missing(const struct setting *s)
{
	const char *name = cgroup_controller_name(s->controller), *why;
	unsigned have = 0;

	if (cgroup_controllers(s->dirfd, &have) == 0 && (have & s->controller))
		return err_set(s->err, EXIT_UNAVAILABLE, EOPNOTSUPP,
			"%s.%s = %s: the '%s' controller of this kernel has no '%s' (unset the "
			"limit, or "
			"use a kernel that has it)",
			s->section, s->key, s->value, name, s->file);
	why = cgroup_explain_missing(s->controller);
	return err_set(s->err, EXIT_UNAVAILABLE, EOPNOTSUPP,
		"%s.%s = %s: this host's cgroups have no '%s' controller for taskhook (%s%s unset "
		"the limit)",
		s->section, s->key, s->value, name, why, strchr(why, ';') ? " or" : ";");
}

static int refuse_write(const struct setting *s, const char *text, int r)
{
	int status = EXIT_CANTCREAT;

	if (r == -ENOENT)
		return refuse_missing(s);
	if (r == -EINVAL || r == -ERANGE || r == -ENODEV)
		status = EXIT_CONFIG;
	else if (r == -EACCES || r == -EPERM || r == -EROFS)
		status = EXIT_NOPERM;
	return err_set(s->err, status, -r,
		"%s.%s = %s: cannot write '%s' to '%s' of the '%s' controller: %s", s->section,
		s->key, s->value, text, s->file, cgroup_controller_name(s->controller),
		strerror(-r));
}

static int refuse_read(const struct setting *s, int r)
{
	return err_set(s->err, EXIT_UNAVAILABLE, -r,
		"%s.%s = %s: cannot read '%s' of the '%s' controller back: %s", s->section, s->key,
		s->value, s->file, cgroup_controller_name(s->controller), strerror(-r));
}

static int refuse_other_value(const struct setting *s, const char *text, const char *now)
{
	_cleanup_free_ char *escaped = str_escape_n(now, strcspn(now, "\n"), 200);

	return err_set(s->err, EXIT_UNAVAILABLE, EIO,
		"%s.%s = %s: '%s' of the '%s' controller says '%s' after '%s' was written",
		s->section, s->key, s->value, s->file, cgroup_controller_name(s->controller),
		escaped, text);
}

/* Writes `text` and reads what the file says then, through one descriptor. */
static int write_and_read(int dirfd, const char *file, const char *text, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, file, O_RDWR | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* In one piece, as the kernel takes each write for a whole value. */
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	do
		n = pread(fd, buf, size - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static bool bytes_are_as_written(uint64_t bytes, const char *now)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), got;

	/* The kernel counts pages, at most LONG_MAX / page size of them, which reads as "max"
	 * (include/linux/page_counter.h). */
	if (strcmp(now, "max") == 0)
		return bytes >= (uint64_t)INT64_MAX / page * page;
	return parse_uint(now, 0, UINT64_MAX, &got) == 0 && got == bytes / page * page;
}

/* The text for cpu.max: quota and period. -ERANGE: too little to be possible. */
static int format_cpu_max(uint64_t ppm, char *buf, size_t size)
{
	uint64_t period = CPU_PERIOD_USEC, quota;

	if (ppm == CGLIMIT_INFINITY) {
		(void)snprintf(buf, size, "max %d", CPU_PERIOD_USEC);
		return 0;
	}
	quota = ppm / (1000000 / CPU_PERIOD_USEC);
	if (quota < CPU_QUOTA_MIN_USEC) {
		period = CPU_PERIOD_MAX_USEC;
		quota = ppm;
	}
	if (quota < CPU_QUOTA_MIN_USEC)
		return -ERANGE;
	(void)snprintf(buf, size, "%" PRIu64 " %" PRIu64, quota, period);
	return 0;
}

/* The range 1 to 10000 with its default 100 for the range 1 to 1000 of bfq, with the same default
 * (Documentation/block/bfq-iosched.rst). */
static uint64_t bfq_weight(uint64_t weight)
{
	return weight <= 100 ? weight : 100 + (weight - 100) * 900 / 9900;
}

/* io.weight is of io.cost, io.bfq.weight of the bfq scheduler; a kernel may have either. Which of
 * them a disk heeds can change at any time, so both are set. */
static int apply_io_weight(struct setting *s, uint64_t weight)
{
	const char *const files[] = {"io.weight", "io.bfq.weight"};
	const uint64_t values[] = {weight, bfq_weight(weight)};
	int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char text[32], expected[48], now[256];
		int r;

		(void)snprintf(text, sizeof(text), "%" PRIu64, values[i]);
		(void)snprintf(expected, sizeof(expected), "default %s", text);
		s->file = files[i];
		r = write_and_read(s->dirfd, s->file, text, now, sizeof(now));
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return refuse_write(s, text, r);
		if (strcmp(now, expected) != 0 && strcmp(now, text) != 0)
			return refuse_other_value(s, text, now);
		found++;
	}
	s->file = files[0];
	return found ? 0 : refuse_missing(s);
}

static int apply_number(struct setting *s, size_t i, uint64_t value)
{
	const struct cglimit *limit = &cglimit_numbers[i];
	char text[64], now[256];
	bool same;
	int r = 0;

	s->key = limit->key;
	s->controller = limit->controller;
	s->file = limit->file;
	if (limit->kind == CGLIMIT_IO_WEIGHT)
		return apply_io_weight(s, value);
	if (limit->kind == CGLIMIT_CPU)
		r = format_cpu_max(value, text, sizeof(text));
	else if (value == CGLIMIT_INFINITY)
		(void)snprintf(text, sizeof(text), "max");
	else
		(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	if (r < 0)
		return err_set(s->err, EXIT_CONFIG, -r,
			"%s.%s = %s: the least that the kernel can allot is 0.1%%", s->section,
			s->key, s->value);
	r = write_and_read(s->dirfd, s->file, text, now, sizeof(now));
	if (r < 0)
		return refuse_write(s, text, r);
	same = limit->kind == CGLIMIT_BYTES ? bytes_are_as_written(value, now)
					    : strcmp(now, text) == 0;
	return same ? 0 : refuse_other_value(s, text, now);
}

static int apply_cpus(struct setting *s, const char *cpus)
{
	struct cglimit_cpus want, effective;
	char now[16384];
	ssize_t n;
	bool any = false;
	int r;

	s->key = "cpus";
	s->value = cpus;
	s->controller = CGROUP_CPUSET;
	s->file = "cpuset.cpus";
	if (cglimit_parse_cpus(cpus, &want) < 0)
		return err_set(s->err, EXIT_CONFIG, EINVAL,
			"%s.%s = %s: not a list of CPUs from 0 to 8191 (write it as 0-3,7)",
			s->section, s->key, cpus);
	r = write_and_read(s->dirfd, s->file, cpus, now, sizeof(now));
	if (r < 0)
		return refuse_write(s, cpus, r);
	if (!cglimit_cpus_are_same(cpus, now))
		return refuse_other_value(s, cpus, now);
	/* Where none of them is to be had the kernel quietly gives all that the cgroup above has.
	 */
	s->file = "cpuset.cpus.effective";
	n = cgroup_read_file(s->dirfd, s->file, now, sizeof(now));
	if (n < 0)
		return refuse_read(s, (int)n);
	if (cglimit_parse_cpus(now, &effective) < 0)
		return refuse_read(s, -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(want.bits); i++) {
		if (effective.bits[i] & ~want.bits[i])
			any = true;
	}
	if (any) {
		now[strcspn(now, "\n")] = '\0';
		return err_set(s->err, EXIT_UNAVAILABLE, EOPNOTSUPP,
			"%s.%s = %s: the 'cpuset' controller has none of these CPUs for taskhook; "
			"it has %s",
			s->section, s->key, cpus, now);
	}
	return 0;
}

/* ---- io.max --------------------------------------------------------------------------------- */

#define IO_MAX_SIZE_MAX ((size_t)1024 * 1024)

static const char *const io_names[] = {"rbps", "wbps", "riops", "wiops"};

struct io_max {
	unsigned major, minor;
	bool has[ARRAY_SIZE(io_names)];
	uint64_t value[ARRAY_SIZE(io_names)];
};

static int refuse_device(const struct setting *s, const char *name, const char *why, int r)
{
	return err_set(s->err, EXIT_CONFIG, -r,
		"%s.%s = %s: '%s' %s%s%s (write it as /dev/sda or 8:0)", s->section, s->key,
		s->value, name, why, r == -ENOTBLK ? "" : ": ", r == -ENOTBLK ? "" : strerror(-r));
}

/* "8:0" with an optional newline. */
static int parse_device(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
	const char *colon = strchrnul(text, ':');
	_cleanup_free_ char *major = xstrndup(text, (size_t)(colon - text));
	_cleanup_free_ char *minor = NULL;
	uint64_t a, b;

	if (!*colon)
		return -EINVAL;
	minor = xstrndup(colon + 1, strcspn(colon + 1, "\n"));
	if (parse_uint(major, 0, UINT32_MAX, &a) < 0 || parse_uint(minor, 0, UINT32_MAX, &b) < 0)
		return -EINVAL;
	*ret_major = (unsigned)a;
	*ret_minor = (unsigned)b;
	return 0;
}

/* Number of a device, of the whole disk for a partition: io.max takes no other (cgroup-v2.rst). */
static int find_disk(const struct setting *s, const char *name, struct io_max *ret)
{
	_cleanup_free_ char *dir = NULL, *partition = NULL, *disk = NULL, *text = NULL;
	unsigned major, minor;
	int r;

	if (*name == '/') {
		struct stat st;

		if (stat(name, &st) < 0)
			return refuse_device(s, name, "cannot be found", -errno);
		if (!S_ISBLK(st.st_mode))
			return refuse_device(s, name, "is not a block device", -ENOTBLK);
		major = major(st.st_rdev);
		minor = minor(st.st_rdev);
	} else if (parse_device(name, &major, &minor) < 0) {
		return refuse_device(s, name, "is not a device", -ENOTBLK);
	}
	dir = xasprintf("/sys/dev/block/%u:%u", major, minor);
	if (access(dir, F_OK) < 0)
		return refuse_device(s, name, "is not a block device of this host", -ENOTBLK);
	partition = xasprintf("%s/partition", dir);
	if (access(partition, F_OK) == 0) {
		/* The link leads to .../sda/sda1. */
		disk = xasprintf("%s/../dev", dir);
		r = file_read_at(AT_FDCWD, disk, 0, 64, &text, NULL);
		if (r < 0)
			return refuse_device(s, name, "is a partition of an unknown disk", r);
		text[strcspn(text, "\n")] = '\0';
		if (parse_device(text, &major, &minor) < 0)
			return refuse_device(
				s, name, "is a partition of an unknown disk", -EBADMSG);
	}
	ret->major = major;
	ret->minor = minor;
	return 0;
}

static int parse_io_max(const struct setting *s, const char *entry, struct io_max *ret)
{
	_cleanup_free_ char *copy = xstrdup(entry);
	char *save = NULL, *name = strtok_r(copy, " \t,", &save), *word;
	bool any = false;

	*ret = (struct io_max){0};
	while (name && (word = strtok_r(NULL, " \t,", &save))) {
		char *value = strchr(word, '=');
		size_t i = 0;

		if (value)
			*value++ = '\0';
		while (i < ARRAY_SIZE(io_names) && strcmp(io_names[i], word) != 0)
			i++;
		if (!value || i == ARRAY_SIZE(io_names) || ret->has[i] ||
			parse_size(value, &ret->value[i]) < 0 || ret->value[i] == 0) {
			any = false;
			break;
		}
		ret->has[i] = any = true;
	}
	if (!any)
		return err_set(s->err, EXIT_CONFIG, EINVAL,
			"%s.%s = %s: not a limit (write it as /dev/sda rbps=10M wiops=100)",
			s->section, s->key, entry);
	return find_disk(s, name, ret);
}

/* The value of `name` in the line of a device, CGLIMIT_INFINITY where it has no line, as the kernel
 * shows none without limits. */
static int find_io_value(const char *text, const struct io_max *io, const char *name, uint64_t *ret)
{
	_cleanup_free_ char *start = xasprintf("%u:%u ", io->major, io->minor);
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *save = NULL;

		if (!str_starts_with(line, start))
			continue;
		for (char *word = strtok_r(line, " ", &save); word;
			word = strtok_r(NULL, " ", &save)) {
			char *value = strchr(word, '=');

			if (!value)
				continue;
			*value++ = '\0';
			if (strcmp(word, name) == 0)
				return parse_size(value, ret);
		}
		return -EBADMSG;
	}
	*ret = CGLIMIT_INFINITY;
	return 0;
}

/* The limits of one device. */
static int write_io_line(const struct setting *s, const char *text)
{
	int r = file_write_at(s->dirfd, s->file, text);

	return r < 0 ? refuse_write(s, text, r) : 0;
}

/* Those of all devices, which may be too many for a buffer on the stack. */
static int read_io_lines(const struct setting *s, char **ret)
{
	int r = file_read_at(s->dirfd, s->file, 0, IO_MAX_SIZE_MAX, ret, NULL);

	return r < 0 ? refuse_read(s, r) : 0;
}

static int apply_io_max(struct setting *s, const char *entry)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *now = NULL;
	struct io_max io;
	int r;

	s->key = "io-max";
	s->value = entry;
	s->controller = CGROUP_IO;
	s->file = "io.max";
	if (faccessat(s->dirfd, s->file, F_OK, 0) < 0)
		return refuse_missing(s);
	r = parse_io_max(s, entry, &io);
	if (r < 0)
		return r;
	strbuf_addf(&text, "%u:%u", io.major, io.minor);
	for (size_t i = 0; i < ARRAY_SIZE(io_names); i++) {
		if (io.has[i] && io.value[i] == CGLIMIT_INFINITY)
			strbuf_addf(&text, " %s=max", io_names[i]);
		else if (io.has[i])
			strbuf_addf(&text, " %s=%" PRIu64, io_names[i], io.value[i]);
	}
	r = write_io_line(s, strbuf_str(&text));
	if (r == 0)
		r = read_io_lines(s, &now);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(io_names); i++) {
		uint64_t value;

		if (io.has[i] &&
			(find_io_value(now, &io, io_names[i], &value) < 0 || value != io.value[i]))
			return refuse_other_value(s, strbuf_str(&text), now);
	}
	return 0;
}

/* Of a limit that is set. */
static int apply(struct setting *s, const struct cglimits *l, size_t i)
{
	struct setting own = *s;
	char value[64];
	int r = 0;

	if (i == CGLIMIT_CPUS)
		return apply_cpus(s, l->cpus);
	for (size_t k = 0; i == CGLIMIT_IO_MAX && k < l->io_max.n && r == 0; k++)
		r = apply_io_max(s, l->io_max.v[k]);
	if (i >= CGLIMIT_NUMBERS)
		return r;
	cglimit_format_number(i, cglimit_number(l, i), value, sizeof(value));
	own.value = value;
	return apply_number(&own, i, cglimit_number(l, i));
}

int cglimits_apply(int dirfd, const struct cglimits *l, const char *section, struct th_err *err)
{
	struct setting s = {.dirfd = dirfd, .section = section, .err = err};
	int r = 0;

	for (size_t i = 0; i < CGLIMIT_ALL && r == 0; i++)
		if (cglimit_is_set(l, i))
			r = apply(&s, l, i);
	return r;
}

/* ---- changing ------------------------------------------------------------------------------- */

/* Every device that has a line has none afterwards. */
static int reset_io_max(struct setting *s)
{
	_cleanup_free_ char *before = NULL, *now = NULL;
	char *rest, *line;
	int r = file_read_at(s->dirfd, s->file, 0, IO_MAX_SIZE_MAX, &before, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : refuse_read(s, r);
	for (rest = before; (line = strsep(&rest, "\n"));) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		size_t n = strcspn(line, " ");

		if (!line[n])
			continue;
		strbuf_add(&text, line, n);
		for (size_t i = 0; i < ARRAY_SIZE(io_names); i++)
			strbuf_addf(&text, " %s=max", io_names[i]);
		r = write_io_line(s, strbuf_str(&text));
		if (r < 0)
			return r;
	}
	r = read_io_lines(s, &now);
	if (r < 0)
		return r;
	for (const char *value = now; (value = strchr(value, '='));)
		if (!str_starts_with(++value, "max"))
			return refuse_other_value(s, "max", now);
	return 0;
}

static int reset_cpus(struct setting *s)
{
	char now[16384];
	int r = write_and_read(s->dirfd, s->file, "\n", now, sizeof(now));

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return refuse_write(s, "", r);
	return *now ? refuse_other_value(s, "", now) : 0;
}

/* Of a limit that is not set any more. A file that is not there limits nothing. */
static int reset(struct setting *s, size_t i)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	struct setting own = *s;
	int r;

	own.value = "unset";
	if (i == CGLIMIT_IO_MAX) {
		own.key = "io-max";
		own.controller = CGROUP_IO;
		own.file = "io.max";
		return reset_io_max(&own);
	}
	if (i == CGLIMIT_CPUS) {
		own.key = "cpus";
		own.controller = CGROUP_CPUSET;
		own.file = "cpuset.cpus";
		return reset_cpus(&own);
	}
	own.err = &why;
	r = apply_number(&own, i, cglimit_numbers[i].unset);
	if (r == -EOPNOTSUPP || r >= 0)
		return 0;
	return err_set(s->err, why.status, -r, "%s", err_text(&why));
}

static int set_or_reset(struct setting *s, const struct cglimits *l, size_t i)
{
	bool is_set = cglimit_is_set(l, i);
	int r = 0;

	/* What is set stays only for the devices that are named. */
	if (!is_set || i == CGLIMIT_IO_MAX)
		r = reset(s, i);
	return r == 0 && is_set ? apply(s, l, i) : r;
}

int cglimits_change(int dirfd, const struct cglimits *from, const struct cglimits *to,
	const char *section, struct th_err *err)
{
	_cleanup_err_ struct th_err undo = TH_ERR_INIT;
	struct setting s = {.dirfd = dirfd, .section = section, .err = err};
	size_t i;
	int r = 0;

	for (i = 0; i < CGLIMIT_ALL && r == 0; i++)
		if (!from || !cglimit_is_same(from, to, i))
			r = set_or_reset(&s, to, i);
	if (r == 0 || !from)
		return r;
	/* The one that failed too: it may have been written, and read back as something else. */
	s.err = &undo;
	while (i-- > 0)
		if (!cglimit_is_same(from, to, i))
			(void)set_or_reset(&s, from, i);
	if (err_is_set(&undo) && err) {
		_cleanup_free_ char *text = err->text;

		err->text = xasprintf("%s; and it cannot be undone: %s", text, err_text(&undo));
	}
	return r;
}
