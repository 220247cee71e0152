#include "config.h"

#include "run/hookfile.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Memory devices, number 3: null (Documentation/admin-guide/devices.txt). */
#define NULL_MAJOR 1
#define NULL_MINOR 3

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(NULL_MAJOR, NULL_MINOR);
}

/* Also where there is no /dev/null, as in a bare tree below --root. */
static bool links_to_null(const char *path)
{
	char target[sizeof("/dev/null")];
	ssize_t n = readlink(path, target, sizeof(target));

	return n == (ssize_t)sizeof(target) - 1 && memcmp(target, "/dev/null", (size_t)n) == 0;
}

static bool begins_with_shebang(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char head[2];

	return fd >= 0 && fd_read_full(fd, head, sizeof(head)) == 2 && memcmp(head, "#!", 2) == 0;
}

void hook_file_skip(struct hook *h, const char *reason)
{
	h->verdict = HOOK_SKIP;
	str_replace(&h->reason, reason);
}

void hook_file_refuse(struct hook *h, const char *reason)
{
	h->verdict = HOOK_UNSAFE;
	h->misconfigured = true;
	str_replace(&h->reason, reason);
}

static const char *odd_type(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a link to a directory";
	if (S_ISFIFO(mode))
		return "a FIFO, not a regular file";
	if (S_ISSOCK(mode))
		return "a socket, not a regular file";
	return "a device, not a regular file";
}

static void skip_unreadable(struct hook *h, int errnum)
{
	_cleanup_free_ char *reason = NULL;

	if (errnum == ENOENT) {
		hook_file_skip(h, "a dangling link");
	} else if (errnum == ELOOP) {
		hook_file_skip(h, "a loop of links");
	} else {
		reason = xasprintf("out of reach: %s", strerror(errnum));
		hook_file_skip(h, reason);
	}
}

void hook_file_examine(struct hook *h)
{
	struct stat st;

	if (stat(h->path, &st) < 0) {
		int errnum = errno;

		if (!links_to_null(h->path)) {
			skip_unreadable(h, errnum);
			return;
		}
		st = (struct stat){.st_mode = S_IFCHR, .st_rdev = makedev(NULL_MAJOR, NULL_MINOR)};
	}
	if (is_null_device(&st)) {
		h->verdict = HOOK_MASKED;
		h->is_mask = true;
		str_replace(&h->reason, "a link to /dev/null");
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		hook_file_skip(h, odd_type(st.st_mode));
		return;
	}
	h->size = st.st_size;
	h->mtime = clock_timespec_usec(&st.st_mtim);
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		hook_file_skip(h, "not executable");
	if (h->verdict == HOOK_SKIP)
		h->begins_with_shebang = begins_with_shebang(h->path);
}

struct hook *hook_file_candidate(
	const char *dir, const char *name, enum hook_source source, bool from_type_dir)
{
	_cleanup_free_ char *path = path_join(dir, name);
	struct hook *h = hook_new(name, path, source);
	const char *problem = hook_name_problem(name);

	h->from_type_dir = from_type_dir;
	str_replace(&h->origin, dir);
	if (problem)
		hook_file_skip(h, problem);
	hook_file_examine(h);
	/* A name that rules it out is the better reason. */
	if (problem && h->verdict == HOOK_SKIP)
		str_replace(&h->reason, problem);
	return h;
}

static int read_settings(
	struct hook *h, const char *conf_path, const struct task *t, struct th_err *err)
{
	_cleanup_conf_ struct conf *c = conf_new();
	int r;

	r = conf_read_file(c, AT_FDCWD, conf_path, conf_path, CONF_IN_HOOK, NULL, NULL, err);
	if (r < 0)
		return r;
	hook_settings_done(&h->settings);
	return hook_settings_from_conf(&h->settings, c, t->hooks_timeout, t->hooks_kill_after, err);
}

void hook_file_apply_conf(struct hook *h, const char *conf_path, const struct task *t)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (read_settings(h, conf_path, t, &why) < 0) {
		hook_settings_init(&h->settings, t->hooks_timeout, t->hooks_kill_after);
		hook_file_refuse(h, err_text(&why));
	}
}
