#ifndef TH_BASE_USERFILE_H
#define TH_BASE_USERFILE_H

/*
 * Users and groups in files of the form of passwd(5) and group(5), read without the name service
 * switch. Lines of the "compat" service, which begin with '+' or '-', are no entries: NIS is asked
 * by who knows it.
 */

#include "base/macro.h"

#include <sys/types.h>

struct user_entry {
	uid_t uid;
	gid_t gid;
	char *name, *home, *shell; /* owned; "" where the file has nothing */
};

void user_entry_done(struct user_entry *e);
#define _cleanup_user_entry_ _cleanup_(user_entry_done)

/* The first entry with that name or, where `name` is NULL, that uid. 1: found, *ret is the
 * caller's; 0: there is none, or no such file; -errno: it cannot be read. */
int user_file_find(const char *path, const char *name, uid_t uid, struct user_entry *ret);
int group_file_find(const char *path, const char *name, gid_t *ret);

/* Calls `add` with each group that has the user among its members. 0 or -errno. */
int group_file_each_of(
	const char *path, const char *user, void (*add)(void *arg, gid_t gid), void *arg);

/* The first entry of a text in the form of such a file. 1 or 0 as above. */
int user_text_first(const char *text, struct user_entry *ret);
int group_text_first(const char *text, gid_t *ret);

#endif
