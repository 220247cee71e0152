#include "config.h"

#include "base/userfile.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void user_entry_done(struct user_entry *e)
{
	free(e->name);
	free(e->home);
	free(e->shell);
	*e = (struct user_entry){0};
}

/* fgetpwent(3) hands on the lines for NIS, with uid 0. */
static bool is_entry(const char *name)
{
	return !str_is_empty(name) && *name != '+' && *name != '-';
}

/* 1: open; 0: there is none; -errno. */
static int open_file(const char *path, FILE **ret)
{
	*ret = fopen(path, "re");
	if (*ret)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static const struct passwd *next_user(FILE *f)
{
	const struct passwd *pw;

	while ((pw = fgetpwent(f)) && !is_entry(pw->pw_name))
		;
	return pw;
}

static const struct group *next_group(FILE *f)
{
	const struct group *gr;

	while ((gr = fgetgrent(f)) && !is_entry(gr->gr_name))
		;
	return gr;
}

static void set_entry(struct user_entry *e, const struct passwd *pw)
{
	*e = (struct user_entry){.uid = pw->pw_uid,
		.gid = pw->pw_gid,
		.name = xstrdup(pw->pw_name),
		.home = xstrdup(pw->pw_dir ? pw->pw_dir : ""),
		.shell = xstrdup(pw->pw_shell ? pw->pw_shell : "")};
}

int user_file_find(const char *path, const char *name, uid_t uid, struct user_entry *ret)
{
	_cleanup_file_ FILE *f = NULL;
	const struct passwd *pw;
	int r = open_file(path, &f);

	if (r <= 0)
		return r;
	while ((pw = next_user(f)))
		if (name ? strcmp(pw->pw_name, name) == 0 : pw->pw_uid == uid) {
			set_entry(ret, pw);
			return 1;
		}
	return 0;
}

int group_file_find(const char *path, const char *name, gid_t *ret)
{
	_cleanup_file_ FILE *f = NULL;
	const struct group *gr;
	int r = open_file(path, &f);

	if (r <= 0)
		return r;
	while ((gr = next_group(f)))
		if (strcmp(gr->gr_name, name) == 0) {
			*ret = gr->gr_gid;
			return 1;
		}
	return 0;
}

static bool has_member(const struct group *gr, const char *user)
{
	for (char **member = gr->gr_mem; member && *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

int group_file_each_of(
	const char *path, const char *user, void (*add)(void *arg, gid_t gid), void *arg)
{
	_cleanup_file_ FILE *f = NULL;
	const struct group *gr;
	int r = open_file(path, &f);

	if (r <= 0)
		return r;
	while ((gr = next_group(f)))
		if (has_member(gr, user))
			add(arg, gr->gr_gid);
	return 0;
}

static FILE *open_text(const char *text)
{
	/* for reading alone; and no bytes at all are refused by some versions of libc */
	return *text ? fmemopen((char *)(uintptr_t)text, strlen(text), "r") : NULL;
}

int user_text_first(const char *text, struct user_entry *ret)
{
	_cleanup_file_ FILE *f = open_text(text);
	const struct passwd *pw = f ? next_user(f) : NULL;

	if (!pw)
		return 0;
	set_entry(ret, pw);
	return 1;
}

int group_text_first(const char *text, gid_t *ret)
{
	_cleanup_file_ FILE *f = open_text(text);
	const struct group *gr = f ? next_group(f) : NULL;

	if (!gr)
		return 0;
	*ret = gr->gr_gid;
	return 1;
}
