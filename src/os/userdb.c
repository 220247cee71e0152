#include "config.h"

#include "os/userdb.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "base/str.h"
#include "os/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* A group of ten thousand members is a few hundred KiB of names; more than this is damage. */
#define ANSWER_MAX   ((size_t)16 << 20)
#define NSSWITCH_MAX ((size_t)1 << 20)

/* As getent(1) says "not found". */
#define GETENT_NOT_FOUND 2

static const struct userdb_host real_host = {
	.passwd = "/etc/passwd",
	.group = "/etc/group",
	.nsswitch = "/etc/nsswitch.conf",
	.getent = TH_GETENT,
	.timeout_usec = 20 * USEC_PER_SEC,
};
static const struct userdb_host *host = &real_host;

void userdb_use_host(const struct userdb_host *h)
{
	host = h ? h : &real_host;
}

/* ---- who is asked ---------------------------------------------------------------------------- */

/* The services of the last line for the database, which is the one that counts; NULL without one.
 * The caller frees it. */
static char *services_of(const char *text, const char *database)
{
	size_t n = strlen(database);
	char *found = NULL;

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *s = text + strspn(text, " \t"), *end = text + len;

		if (strncmp(s, database, n) == 0 && s[n + strspn(s + n, " \t")] == ':') {
			s += n + strspn(s + n, " \t") + 1;
			free(found);
			found = xstrndup(s, (size_t)(end - s));
			found[strcspn(found, "#")] = '\0';
		}
		text = *end ? end + 1 : end;
	}
	return found;
}

enum userdb_way userdb_way(const char *nsswitch, const char *database)
{
	_cleanup_free_ char *services = nsswitch ? services_of(nsswitch, database) : NULL;
	char *next = services, *first;

	if (!services)
		return strcmp(database, "initgroups") == 0 ? userdb_way(nsswitch, "group")
							   : USERDB_FILES;
	first = strsep(&next, " \t\r");
	while (first && !*first)
		first = strsep(&next, " \t\r");
	if (!first || strcmp(first, "files") != 0 || (next && strchr(next, '[')))
		return USERDB_SWITCH;
	return next && next[strspn(next, " \t\r")] ? USERDB_FILES_FIRST : USERDB_FILES;
}

static enum userdb_way way_of(const char *database)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read_at(AT_FDCWD, host->nsswitch, 0, NSSWITCH_MAX, &text, NULL);

	/* libc goes by the files as well where it cannot read it */
	return userdb_way(r < 0 ? NULL : text, database);
}

/* ---- getent ---------------------------------------------------------------------------------- */

/* 1: answered; 0: there is none; negative with err. */
static int ask_getent(const char *what, const char *database, const char *key, struct strbuf *out,
	struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(key, 0);
	char *argv[] = {
		(char[]){"getent"}, (char *)(uintptr_t)database, (char *)(uintptr_t)key, NULL};
	char limit[32];
	int r = ask_program(host->getent, argv, false, host->timeout_usec, ANSWER_MAX, out);

	if (r == -ETIMEDOUT)
		return err_set(err, EXIT_UNAVAILABLE, ETIMEDOUT,
			"cannot look up %s '%s': '%s %s' did not answer within %s", what, shown,
			host->getent, database,
			format_duration(host->timeout_usec, limit, sizeof(limit)));
	if (r < 0)
		return err_set(err, EXIT_UNAVAILABLE, -r,
			"cannot look up %s '%s': '%s', which asks what '%s' names beside the "
			"files: %s",
			what, shown, host->getent, host->nsswitch, strerror(-r));
	if (WIFEXITED(r) && WEXITSTATUS(r) == GETENT_NOT_FOUND)
		return 0;
	if (!WIFEXITED(r) || WEXITSTATUS(r) != 0)
		return err_set(err, EXIT_UNAVAILABLE, EIO, "cannot look up %s '%s': '%s %s' failed",
			what, shown, host->getent, database);
	return 1;
}

static int bad_answer(const char *what, const char *database, const char *key, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(key, 0);

	return err_set(err, EXIT_UNAVAILABLE, EIO,
		"cannot look up %s '%s': '%s %s' gave an answer without it", what, shown,
		host->getent, database);
}

/* getent takes digits for a number, and what begins with '-' for an option; neither is a name that
 * another database than the file could have. */
static bool can_be_asked(const char *name)
{
	return *name && *name != '-' && name[strspn(name, "0123456789")];
}

/* ---- users ----------------------------------------------------------------------------------- */

static int ask_user(const char *name, uid_t uid, struct user_entry *ret, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_user_entry_ struct user_entry found = {0};
	_cleanup_free_ char *number = xasprintf("%lu", (unsigned long)uid);
	const char *key = name ? name : number;
	int r = ask_getent("user", "passwd", key, &out, err);

	if (r <= 0)
		return r;
	/* the name can be written otherwise: some directories know no upper case */
	if (!user_text_first(strbuf_str(&out), &found) || (!name && found.uid != uid))
		return bad_answer("user", "passwd", key, err);
	*ret = found;
	found = (struct user_entry){0};
	return 1;
}

static int cannot_read(const char *path, int r, struct th_err *err)
{
	return err_set(err, EXIT_UNAVAILABLE, -r, "cannot read '%s': %s", path, strerror(-r));
}

static int find_user(const char *name, uid_t uid, struct user_entry *ret, struct th_err *err)
{
	enum userdb_way way = way_of("passwd");
	int r = way == USERDB_SWITCH ? 0 : user_file_find(host->passwd, name, uid, ret);

	if (r < 0)
		return cannot_read(host->passwd, r, err);
	if (r > 0 || way == USERDB_FILES || (name && !can_be_asked(name)))
		return r;
	return ask_user(name, uid, ret, err);
}

int userdb_find_user(const char *name, struct user_entry *ret, struct th_err *err)
{
	return find_user(name, 0, ret, err);
}

int userdb_find_uid(uid_t uid, struct user_entry *ret, struct th_err *err)
{
	/* Root's is in the file on every host, and each start as root needs it. */
	if (uid == 0 && user_file_find(host->passwd, NULL, uid, ret) > 0)
		return 1;
	return find_user(NULL, uid, ret, err);
}

/* ---- groups ---------------------------------------------------------------------------------- */

int userdb_find_group(const char *name, gid_t *ret, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	enum userdb_way way = way_of("group");
	int r = way == USERDB_SWITCH ? 0 : group_file_find(host->group, name, ret);

	if (r < 0)
		return cannot_read(host->group, r, err);
	if (r > 0 || way == USERDB_FILES || !can_be_asked(name))
		return r;
	r = ask_getent("group", "group", name, &out, err);
	if (r <= 0)
		return r;
	return group_text_first(strbuf_str(&out), ret) ? 1
						       : bad_answer("group", "group", name, err);
}

struct gids {
	gid_t *v;
	size_t n;
};

static void add_gid(void *arg, gid_t gid)
{
	struct gids *g = arg;

	g->v = xreallocarray(g->v, g->n + 1, sizeof(*g->v));
	g->v[g->n++] = gid;
}

/* The first line, "NAME 4 24 27", with the name as it was asked for; it is cut into its words.
 * False: it is something else. */
static bool read_initgroups(char *answer, const char *user, struct gids *ret)
{
	size_t n = strlen(user);
	char *save = NULL;

	answer[strcspn(answer, "\n")] = '\0';
	if (strncmp(answer, user, n) != 0)
		return false;
	for (char *word = strtok_r(answer + n, " \t", &save); word;
		word = strtok_r(NULL, " \t", &save)) {
		uint64_t gid;

		if (parse_uint(word, 0, UINT32_MAX - 1, &gid) < 0)
			return false;
		add_gid(ret, (gid_t)gid);
	}
	return true;
}

int userdb_find_groups_of(const char *user, gid_t **ret, size_t *ret_n, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct gids g = {0};
	int r;

	/* Unlike a name, which the first to know it answers, groups are those of all services. */
	if (way_of("initgroups") == USERDB_FILES || !can_be_asked(user)) {
		r = group_file_each_of(host->group, user, add_gid, &g);
		if (r < 0)
			r = cannot_read(host->group, r, err);
	} else {
		r = ask_getent("the groups of user", "initgroups", user, &out, err);
		if (r > 0 && (!out.s || !read_initgroups(out.s, user, &g)))
			r = bad_answer("the groups of user", "initgroups", user, err);
	}
	if (r < 0) {
		free(g.v);
		return r;
	}
	*ret = g.v;
	*ret_n = g.n;
	return 0;
}
