#include "config.h"

#include "os/cred.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A group of ten thousand members is a few hundred KiB of names; more than this is damage. */
#define ENTRY_MAX ((size_t)16 << 20)

/* (uid_t)-1 is "no change" to setresuid(2). */
#define ID_MAX_VALUE ((uint64_t)UINT32_MAX - 1)

struct entry_buf {
	char *p;
	size_t size;
};

static void entry_buf_done(struct entry_buf *b)
{
	free(b->p);
}

/* What getpwnam_r(3) and its kin return for "there is none" beside 0. */
static bool is_not_found(int errnum)
{
	return errnum == ENOENT || errnum == ESRCH || errnum == EBADF || errnum == EPERM;
}

static bool entry_buf_grow(struct entry_buf *b)
{
	if (b->size >= ENTRY_MAX)
		return false;
	b->size = b->size ? 2 * b->size : 1024;
	b->p = xreallocarray(b->p, b->size, 1);
	return true;
}

/* By name, or by uid where name is NULL. 1: found, its strings are in b; 0: there is none; -errno.
 */
static int find_user(const char *name, uid_t uid, struct passwd *ret, struct entry_buf *b)
{
	int r = ERANGE;

	while (r == ERANGE || r == EINTR) {
		struct passwd *found = NULL;

		if (r == ERANGE && !entry_buf_grow(b))
			break;
		r = name ? getpwnam_r(name, ret, b->p, b->size, &found)
			 : getpwuid_r(uid, ret, b->p, b->size, &found);
		if (r == 0)
			return found != NULL;
	}
	return is_not_found(r) ? 0 : -r;
}

static int find_group(const char *name, struct group *ret, struct entry_buf *b)
{
	int r = ERANGE;

	while (r == ERANGE || r == EINTR) {
		struct group *found = NULL;

		if (r == ERANGE && !entry_buf_grow(b))
			break;
		r = getgrnam_r(name, ret, b->p, b->size, &found);
		if (r == 0)
			return found != NULL;
	}
	return is_not_found(r) ? 0 : -r;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static int parse_id(const char *s, const char *what, uint32_t *ret, struct th_err *err)
{
	uint64_t id;

	if (parse_uint(s, 0, ID_MAX_VALUE, &id) < 0)
		return err_set(err, EXIT_CONFIG, ERANGE, "%s '%s' is out of range: 0 to %u", what,
			s, (unsigned)ID_MAX_VALUE);
	*ret = (uint32_t)id;
	return 0;
}

static int report_missing(const char *what, const char *name, int r, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(name, 0);

	if (r < 0)
		return err_set(err, EXIT_UNAVAILABLE, -r, "cannot look up %s '%s': %s", what, shown,
			strerror(-r));
	return err_set(err, EXIT_CONFIG, ENOENT, "%s '%s' does not exist", what, shown);
}

static int lookup_group(const char *name, gid_t *ret, struct th_err *err)
{
	__attribute__((cleanup(entry_buf_done))) struct entry_buf b = {0};
	struct group g;
	int r = find_group(name, &g, &b);

	if (r > 0) {
		*ret = g.gr_gid;
		return 0;
	}
	if (is_number(name))
		return parse_id(name, "group", ret, err);
	return report_missing("group", name, r, err);
}

static void add_group(struct cred *c, gid_t gid)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i] == gid)
			return;
	c->groups = xreallocarray(c->groups, c->n_groups + 1, sizeof(*c->groups));
	c->groups[c->n_groups++] = gid;
}

/* Those of the group database, and the user's own. */
static int add_groups_of(struct cred *c, const char *name, struct th_err *err)
{
	int room = 64;

	for (;;) {
		_cleanup_free_ gid_t *gids = xreallocarray(NULL, (size_t)room, sizeof(*gids));
		int n = room;

		if (getgrouplist(name, c->gid, gids, &n) >= 0) {
			for (int i = 0; i < n; i++)
				add_group(c, gids[i]);
			return 0;
		}
		/* n is what it needs; by doubling as well, as not every libc says so. */
		room = MAX(n, 2 * room);
		if (room > INT_MAX / 4)
			return err_set(err, EXIT_UNAVAILABLE, E2BIG,
				"cannot look up the groups of user '%s'", name);
	}
}

static void set_user_entry(struct cred *c, const struct passwd *pw)
{
	c->uid = pw->pw_uid;
	c->gid = pw->pw_gid;
	c->name = xstrdup(pw->pw_name);
	c->home = xstrdup(str_is_empty(pw->pw_dir) ? "/" : pw->pw_dir);
	c->shell = xstrdup(str_is_empty(pw->pw_shell) ? "/bin/sh" : pw->pw_shell);
}

static void set_user_number(struct cred *c, uid_t uid)
{
	c->uid = uid;
	c->name = xasprintf("%u", (unsigned)uid);
	c->home = xstrdup("/");
	c->shell = xstrdup("/bin/sh");
}

/* Sets all but the groups; *ret_known tells whether there is an entry, which has a group. */
static int lookup_user(const char *user, struct cred *c, bool *ret_known, struct th_err *err)
{
	__attribute__((cleanup(entry_buf_done))) struct entry_buf b = {0};
	struct passwd pw;
	uid_t uid = 0;
	int r = find_user(user, 0, &pw, &b);

	if (r <= 0 && is_number(user)) {
		r = parse_id(user, "user", &uid, err);
		if (r < 0)
			return r;
		r = find_user(NULL, uid, &pw, &b);
		if (r == 0) {
			set_user_number(c, uid);
			*ret_known = false;
			return 0;
		}
	}
	if (r <= 0)
		return report_missing("user", user, r, err);
	set_user_entry(c, &pw);
	*ret_known = true;
	return 0;
}

int cred_lookup(const char *spec, char *const *extra, struct cred *ret, struct th_err *err)
{
	_cleanup_free_ char *user = xstrdup(spec);
	_cleanup_cred_ struct cred c = {0};
	char *group = strchr(user, ':');
	bool known = false;
	int r;

	if (group)
		*group++ = '\0';
	if (!*user || (group && !*group)) {
		_cleanup_free_ char *shown = str_escape(spec, 0);

		return err_set(err, EXIT_CONFIG, EINVAL,
			"user '%s' is not of the form USER or USER:GROUP", shown);
	}
	r = lookup_user(user, &c, &known, err);
	if (r < 0)
		return r;
	if (group)
		r = lookup_group(group, &c.gid, err);
	else if (!known)
		r = err_set(err, EXIT_CONFIG, ENOENT,
			"user '%s' has no entry and so no group: write UID:GID, as in '%s:%s'",
			user, user, user);
	if (r < 0)
		return r;

	if (extra) {
		for (; *extra; extra++) {
			gid_t gid = (gid_t)-1;

			r = lookup_group(*extra, &gid, err);
			if (r < 0)
				return r;
			add_group(&c, gid);
		}
	} else if (group) {
		add_group(&c, c.gid);
	} else {
		r = add_groups_of(&c, c.name, err);
		if (r < 0)
			return r;
	}
	*ret = c;
	c = (struct cred){0};
	return 0;
}

/*
 * Root's entry, from the file: every start as root needs it, and the name service switch first asks
 * nscd over a socket and then reads its configuration. False: not there, ask the switch.
 */
static bool set_root_entry(struct cred *c)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw;

	if (!f)
		return false;
	while ((pw = fgetpwent(f)) && pw->pw_uid != 0)
		;
	if (pw)
		set_user_entry(c, pw);
	(void)fclose(f);
	return pw != NULL;
}

int cred_self(struct cred *ret, struct th_err *err)
{
	__attribute__((cleanup(entry_buf_done))) struct entry_buf b = {0};
	_cleanup_cred_ struct cred c = {0};
	struct passwd pw;
	int n, r;

	if (geteuid() != 0 || !set_root_entry(&c)) {
		r = find_user(NULL, geteuid(), &pw, &b);
		if (r > 0)
			set_user_entry(&c, &pw);
		else
			set_user_number(&c, geteuid());
	}
	c.gid = getegid();
	n = getgroups(0, NULL);
	if (n > 0) {
		c.groups = xcalloc((size_t)n, sizeof(*c.groups));
		n = getgroups(n, c.groups);
	}
	if (n < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot read our groups: %m");
	c.n_groups = (size_t)n;
	*ret = c;
	c = (struct cred){0};
	return 0;
}

void cred_done(struct cred *c)
{
	free(c->groups);
	free(c->name);
	free(c->home);
	free(c->shell);
	*c = (struct cred){0};
}

char *cred_user_name(uid_t uid)
{
	__attribute__((cleanup(entry_buf_done))) struct entry_buf b = {0};
	struct passwd pw;

	if (find_user(NULL, uid, &pw, &b) > 0)
		return xstrdup(pw.pw_name);
	return xasprintf("%u", (unsigned)uid);
}
