#ifndef TH_OS_CRED_H
#define TH_OS_CRED_H

/* Users and groups. */

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

struct cred {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary, exactly these; owned */
	size_t n_groups;
	char *name;  /* login name, or the number as text; owned */
	char *home;  /* "/" where it has no entry and is not who calls; owned */
	char *shell; /* owned; "/bin/sh" where there is none */
};

/*
 * "NAME", "UID", "NAME:GROUP", "UID:GID". Names are asked first, then digits are numbers. The group
 * is GROUP, else the user's own (a number without an entry: gid = the same number is NOT assumed;
 * it is an error that asks for UID:GID). Supplementary groups: those of `extra` where that is given
 * (names or numbers; an empty vector: none at all), else the user's from the group database when no
 * GROUP was given, else none but GROUP; never a stray group 0. Errors: EXIT_CONFIG, "user 'x' does
 * not exist", "group 'y' does not exist"; EXIT_UNAVAILABLE where the user database could not be
 * asked.
 */
int cred_lookup(const char *spec, char *const *extra, struct cred *ret, struct th_err *err);
/* The calling process's effective user, with its groups or, where `extra` is given, those of it
 * alone. Without an entry its home is $HOME. */
int cred_self(char *const *extra, struct cred *ret, struct th_err *err);
void cred_done(struct cred *c);
#define _cleanup_cred_ _cleanup_(cred_done)

/* Login name of a uid, or the number as text. The caller frees it. */
char *cred_user_name(uid_t uid);

#endif
