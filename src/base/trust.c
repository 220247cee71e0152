#include "config.h"

#include "base/trust.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/str.h"
#include "base/userfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many links the kernel itself follows (path_resolution(7)). */
#define LINKS_MAX 40

struct trust_cache {
	struct strv dirs; /* resolved paths; few, as hooks share their directories */
	uid_t uid;
};

struct trust_cache *trust_cache_new(void)
{
	return xcalloc(1, sizeof(struct trust_cache));
}

struct trust_cache *trust_cache_free(struct trust_cache *c)
{
	if (c)
		strv_done(&c->dirs);
	free(c);
	return NULL;
}

/* For the eye: whoever is known to a directory alone is told by number. The caller frees it. */
static char *owner_name(uid_t uid)
{
	_cleanup_user_entry_ struct user_entry e = {0};

	if (user_file_find("/etc/passwd", NULL, uid, &e) > 0)
		return str_escape(e.name, 0);
	return xasprintf("%lu", (unsigned long)uid);
}

static const char *type_name(mode_t mode)
{
	if (S_ISDIR(mode))
		return "directory";
	return S_ISLNK(mode) ? "link" : "file";
}

/* Others cannot rename or remove what is not theirs in a sticky directory (inode(7)); a link's mode
 * means nothing (symlink(7)). */
static bool is_writable_by_others(const struct stat *st)
{
	if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return false;
	return st->st_mode & (S_IWGRP | S_IWOTH);
}

static const char *writer_name(mode_t mode)
{
	if (!(mode & S_IWOTH))
		return "group";
	return mode & S_IWGRP ? "group and others" : "others";
}

/* 0, or -EPERM with what is wrong with `part` of `path` and the command against it. */
static int check_part(const char *path, const char *part, const struct stat *st, uid_t uid,
	char **ret_fix, struct th_err *err)
{
	bool foreign = st->st_uid != 0 && st->st_uid != uid;
	bool writable = is_writable_by_others(st);
	_cleanup_free_ char *owner = NULL;
	_cleanup_free_ char *quoted = NULL;
	_cleanup_free_ char *shown_path = NULL;
	_cleanup_free_ char *shown_part = NULL;
	_cleanup_free_ char *shown_fix = NULL;
	_cleanup_strbuf_ struct strbuf what = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf fix = STRBUF_INIT;

	if (!foreign && !writable)
		return 0;
	owner = owner_name(st->st_uid);
	quoted = str_shell_quote(part);
	shown_path = str_escape(path, 0);
	shown_part = str_escape(part, 0);
	if (strcmp(path, part) == 0)
		strbuf_adds(&what, "it");
	else
		strbuf_addf(&what, "%s '%s'", type_name(st->st_mode), shown_part);
	if (foreign) {
		strbuf_adds(&what, uid == 0 ? " is not owned by root"
					    : " is owned by neither root nor the effective user");
		/* -h: the link itself, not what it leads to. */
		strbuf_addf(&fix, "chown %sroot %s", S_ISLNK(st->st_mode) ? "-h " : "", quoted);
	}
	if (writable) {
		strbuf_addf(&what, "%s is writable by %s", foreign ? " and" : "",
			writer_name(st->st_mode));
		strbuf_addf(&fix, "%schmod go-w %s", foreign ? " && " : "", quoted);
	}
	shown_fix = str_escape(fix.s, 0);
	(void)err_set(err, EXIT_NOPERM, EPERM, "'%s' is unsafe: %s, mode %04o, owner %s (%s)",
		shown_path, what.s, (unsigned)(st->st_mode & 07777), owner, shown_fix);
	if (ret_fix)
		*ret_fix = strbuf_steal(&fix);
	return -EPERM;
}

static int fail_errno(const char *path, const char *part, int errnum, struct th_err *err)
{
	_cleanup_free_ char *shown_path = str_escape(path, 0);
	_cleanup_free_ char *shown_part = str_escape(part, 0);
	int status = errnum == ENOENT ? EXIT_NOT_FOUND : EXIT_NOPERM;

	if (strcmp(path, part) == 0)
		return err_set(err, status, errnum, "'%s': %s", shown_path, strerror(errnum));
	return err_set(
		err, status, errnum, "'%s': '%s': %s", shown_path, shown_part, strerror(errnum));
}

/* What the link at `part` holds; its length is not told by st_size everywhere. */
static int read_link(const char *part, char **ret)
{
	for (size_t size = 256; size <= 1 << 16; size *= 2) {
		_cleanup_free_ char *buf = xmalloc(size);
		ssize_t n = readlink(part, buf, size);

		if (n < 0)
			return -errno;
		if ((size_t)n < size) {
			buf[n] = '\0';
			*ret = TAKE_PTR(buf);
			return 0;
		}
	}
	return -ENAMETOOLONG;
}

/* A walk along a path that is not to be resolved by the kernel, as each step has to be seen. */
struct walk {
	struct strbuf at; /* resolved and checked; "" is the root */
	char *rest;	  /* the text to go along, of which `next` is still to come */
	const char *next;
	unsigned links;
};

static void walk_done(struct walk *w)
{
	strbuf_done(&w->at);
	free(w->rest);
}

static const char *walk_here(const struct walk *w)
{
	return w->at.len ? w->at.s : "/";
}

static void walk_back_to(struct walk *w, size_t len)
{
	w->at.len = len;
	if (w->at.s)
		w->at.s[len] = '\0';
}

static void walk_up(struct walk *w)
{
	size_t len = w->at.len;

	while (len > 0 && w->at.s[--len] != '/')
		;
	walk_back_to(w, len);
}

/* Goes on along the link that was found here, whose name begins behind `parent_len`. */
static int walk_follow_link(struct walk *w, size_t parent_len)
{
	_cleanup_free_ char *target = NULL;
	char *rest;
	int r;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	r = read_link(walk_here(w), &target);
	if (r < 0)
		return r;
	rest = xasprintf("%s%s", target, w->next);
	free(w->rest);
	w->next = w->rest = rest;
	walk_back_to(w, path_is_absolute(target) ? 0 : parent_len);
	return 0;
}

/* Looks at where the walk is. 0, or -errno with `err` set. */
static int walk_check(struct walk *w, size_t parent_len, const char *path, uid_t uid,
	struct trust_cache *cache, char **ret_fix, struct th_err *err)
{
	const char *here = walk_here(w);
	struct stat st;
	int r;

	if (cache && strv_contains(&cache->dirs, here))
		return 0;
	/* By the whole path, which is no race: all that leads here has been found to be out of
	 * others' reach, and holds no link. */
	if (lstat(here, &st) < 0)
		return fail_errno(path, here, errno, err);
	r = check_part(path, here, &st, uid, ret_fix, err);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode)) {
		r = walk_follow_link(w, parent_len);
		return r < 0 ? fail_errno(path, here, -r, err) : 0;
	}
	if (S_ISDIR(st.st_mode)) {
		if (cache)
			strv_add(&cache->dirs, here);
		return 0;
	}
	return *w->next ? fail_errno(path, here, ENOTDIR, err) : 0;
}

int trust_check_path(
	const char *path, uid_t uid, struct trust_cache *cache, char **ret_fix, struct th_err *err)
{
	_cleanup_(walk_done) struct walk w = {.at = STRBUF_INIT};
	int r;

	if (!path_is_absolute(path))
		return fail_errno(path, path, EINVAL, err);
	/* What is good for one user is not for another. */
	if (cache && cache->uid != uid) {
		strv_clear(&cache->dirs);
		cache->uid = uid;
	}
	w.next = w.rest = xstrdup(path);
	r = walk_check(&w, 0, path, uid, cache, ret_fix, err);
	while (r >= 0) {
		size_t parent_len = w.at.len, len;
		const char *name;

		w.next += strspn(w.next, "/");
		len = strcspn(w.next, "/");
		if (!len)
			break;
		name = w.next;
		w.next += len;
		if (len == 1 && name[0] == '.')
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			walk_up(&w);
			continue;
		}
		strbuf_addc(&w.at, '/');
		strbuf_add(&w.at, name, len);
		r = walk_check(&w, parent_len, path, uid, cache, ret_fix, err);
	}
	return r;
}
