#include "config.h"

#include "base/treelink.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static bool is_dot(const char *p, size_t len)
{
	return len == 1 && p[0] == '.';
}

static bool is_dotdot(const char *p, size_t len)
{
	return len == 2 && p[0] == '.' && p[1] == '.';
}

/* The next component of *p and its length, 0 at the end; *p is moved behind it. */
static size_t next_component(const char **p, const char **ret)
{
	size_t len;

	*p += strspn(*p, "/");
	len = strcspn(*p, "/");
	*ret = *p;
	*p += len;
	return len;
}

static void drop_last(struct strbuf *b)
{
	while (b->len && b->s[--b->len] != '/')
		;
	if (b->s)
		b->s[b->len] = '\0';
}

static void add_component(struct strbuf *b, const char *name, size_t len)
{
	if (b->len)
		strbuf_addc(b, '/');
	strbuf_add(b, name, len);
}

static int check_directory(int treefd, const char *path)
{
	_cleanup_close_ int fd = path_open_beneath(treefd, path, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0)
		return 0;
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -EXDEV : fd;
}

/* With treefd -1 the text alone counts, and 1 is returned for what it leaves open. */
static int walk(int treefd, const char *path, const char *target)
{
	_cleanup_strbuf_ struct strbuf at = STRBUF_INIT;
	const char *name;
	bool named = false, unsure = false;
	size_t len;

	if (path_is_absolute(path) || path_is_absolute(target) || !*target)
		return -EXDEV;
	while ((len = next_component(&path, &name)) > 0) {
		if (is_dot(name, len) || is_dotdot(name, len))
			return -EXDEV;
		add_component(&at, name, len);
	}
	drop_last(&at);
	while ((len = next_component(&target, &name)) > 0) {
		if (is_dot(name, len))
			continue;
		if (!is_dotdot(name, len)) {
			named = true;
			add_component(&at, name, len);
			continue;
		}
		if (!at.len)
			return -EXDEV;
		if (named && treefd >= 0) {
			int r = check_directory(treefd, at.s);

			if (r < 0)
				return r;
		} else if (named) {
			unsure = true;
		}
		drop_last(&at);
	}
	return unsure;
}

enum treelink treelink_classify(const char *path, const char *target)
{
	int r = walk(-1, path, target);

	if (r < 0)
		return TREELINK_OUTSIDE;
	return r > 0 ? TREELINK_UNSURE : TREELINK_INSIDE;
}

int treelink_check(int treefd, const char *path, const char *target)
{
	return walk(treefd, path, target);
}
