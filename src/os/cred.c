#include "config.h"

#include "os/cred.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/str.h"
#include "os/userdb.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* (uid_t)-1 is "no change" to setresuid(2). */
#define ID_MAX_VALUE ((uint64_t)UINT32_MAX - 1)

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

static int report_missing(const char *what, const char *name, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(name, 0);

	return err_set(err, EXIT_CONFIG, ENOENT, "%s '%s' does not exist", what, shown);
}

static int lookup_group(const char *name, gid_t *ret, struct th_err *err)
{
	int r = userdb_find_group(name, ret, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (is_number(name))
		return parse_id(name, "group", ret, err);
	return report_missing("group", name, err);
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
	_cleanup_free_ gid_t *gids = NULL;
	size_t n = 0;
	int r = userdb_find_groups_of(name, &gids, &n, err);

	if (r < 0)
		return r;
	add_group(c, c->gid);
	for (size_t i = 0; i < n; i++)
		add_group(c, gids[i]);
	return 0;
}

static void take_user_entry(struct cred *c, struct user_entry *e)
{
	c->uid = e->uid;
	c->gid = e->gid;
	c->name = TAKE_PTR(e->name);
	c->home = *e->home ? TAKE_PTR(e->home) : xstrdup("/");
	c->shell = *e->shell ? TAKE_PTR(e->shell) : xstrdup("/bin/sh");
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
	_cleanup_user_entry_ struct user_entry e = {0};
	uid_t uid = 0;
	int r = userdb_find_user(user, &e, err);

	if (r == 0 && is_number(user)) {
		r = parse_id(user, "user", &uid, err);
		if (r < 0)
			return r;
		r = userdb_find_uid(uid, &e, err);
		if (r == 0) {
			set_user_number(c, uid);
			*ret_known = false;
			return 0;
		}
	}
	if (r < 0)
		return r;
	if (r == 0)
		return report_missing("user", user, err);
	take_user_entry(c, &e);
	*ret_known = true;
	return 0;
}

static int add_extra_groups(struct cred *c, char *const *extra, struct th_err *err)
{
	for (; *extra; extra++) {
		gid_t gid = (gid_t)-1;
		int r = lookup_group(*extra, &gid, err);

		if (r < 0)
			return r;
		add_group(c, gid);
	}
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
		r = add_extra_groups(&c, extra, err);
		if (r < 0)
			return r;
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

static int add_own_groups(struct cred *c, struct th_err *err)
{
	int n = getgroups(0, NULL);

	if (n > 0) {
		c->groups = xcalloc((size_t)n, sizeof(*c->groups));
		n = getgroups(n, c->groups);
	}
	if (n < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot read our groups: %m");
	c->n_groups = (size_t)n;
	return 0;
}

int cred_self(char *const *extra, struct cred *ret, struct th_err *err)
{
	_cleanup_user_entry_ struct user_entry e = {0};
	_cleanup_cred_ struct cred c = {0};
	const char *home = secure_getenv("HOME");
	int r;

	if (userdb_find_uid(geteuid(), &e, NULL) > 0) {
		take_user_entry(&c, &e);
	} else {
		set_user_number(&c, geteuid());
		if (home && path_is_absolute(home))
			str_replace(&c.home, home);
	}
	c.gid = getegid();
	r = extra ? add_extra_groups(&c, extra, err) : add_own_groups(&c, err);
	if (r < 0)
		return r;
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
	_cleanup_user_entry_ struct user_entry e = {0};

	if (userdb_find_uid(uid, &e, NULL) > 0)
		return TAKE_PTR(e.name);
	return xasprintf("%u", (unsigned)uid);
}
