#include "config.h"

#include "os/mount.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void undo_escapes(char *s)
{
	char *to = s;

	/* The kernel writes blank, tab, newline, backslash and '#' as \ and three octal digits. */
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
			s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

int mount_parse_line(char *line, struct mount_entry *ret)
{
	/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": any
	 * number of optional fields stands before the lone "-". */
	char *field, *root = NULL, *point = NULL, *fstype = NULL;
	int n = 0, separator = 0;

	while (!fstype && (field = strsep(&line, " "))) {
		n++;
		if (n == 4)
			root = field;
		else if (n == 5)
			point = field;
		else if (separator)
			fstype = field;
		else if (n > 6 && strcmp(field, "-") == 0)
			separator = 1;
	}
	if (!root || !point || !fstype)
		return -EINVAL;
	undo_escapes(root);
	undo_escapes(point);
	*ret = (struct mount_entry){.root = root, .point = point, .fstype = fstype};
	return 0;
}

int mount_foreach(mount_fn fn, void *arg)
{
	_cleanup_file_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		return -errno;
	while (errno = 0, (n = getline(&line, &size, f)) > 0) {
		struct mount_entry entry;
		int r;

		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (mount_parse_line(line, &entry) < 0)
			continue;
		r = fn(arg, &entry);
		if (r != 0)
			return r;
	}
	return ferror(f) ? (errno ? -errno : -EIO) : 0;
}

struct below {
	const char *dir;
	struct strv *found;
};

static int add_if_below(void *arg, const struct mount_entry *entry)
{
	struct below *below = arg;

	if (path_is_below(entry->point, below->dir))
		strv_add(below->found, entry->point);
	return 0;
}

static int compare_length(const void *a, const void *b)
{
	const char *pa = *(char *const *)a, *pb = *(char *const *)b;
	size_t la = strlen(pa), lb = strlen(pb);

	return la != lb ? (la > lb) - (la < lb) : strcmp(pa, pb);
}

int mount_list_below(const char *dir, struct strv *ret)
{
	_cleanup_strv_ struct strv found = STRV_INIT;
	struct below below = {.dir = dir, .found = &found};
	int r = mount_foreach(add_if_below, &below);

	if (r < 0)
		return r;
	/* mountinfo is in the order of mounting, and a mount can be made above an older one. What
	 * lies inside another has the longer path. A place with two mounts on it is one. */
	if (found.n > 1)
		qsort(found.v, found.n, sizeof(*found.v), compare_length);
	for (size_t i = 0; i < found.n; i++)
		if (i == 0 || strcmp(found.v[i - 1], found.v[i]) != 0)
			strv_add(ret, found.v[i]);
	return 0;
}
