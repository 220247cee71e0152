#ifndef TH_OS_USERDB_H
#define TH_OS_USERDB_H

/*
 * The user database as nsswitch.conf(5) orders it. What the files answer is read here; everything
 * else (LDAP, sssd, systemd) is asked by getent(1): a module of the name service switch is a
 * library with threads, connections and waits of its own, and would live in every supervisor. A
 * process of its own has a time limit, ends, and lets taskhook be linked without shared objects.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/userfile.h"

#include <stddef.h>

/* Who answers for one database. */
enum userdb_way {
	USERDB_FILES,	    /* the file alone */
	USERDB_FILES_FIRST, /* the file, and getent for what is not in it */
	USERDB_SWITCH,	    /* getent for all: another order, or actions in brackets */
};

/* What the text of nsswitch.conf (NULL: there is none) says of "passwd", "group" or "initgroups",
 * which is as "group" where it has no line. */
enum userdb_way userdb_way(const char *nsswitch, const char *database);

/* 1: found; 0: there is none; negative with EXIT_UNAVAILABLE: it could not be asked. */
int userdb_find_user(const char *name, struct user_entry *ret, struct th_err *err);
int userdb_find_uid(uid_t uid, struct user_entry *ret, struct th_err *err);
int userdb_find_group(const char *name, gid_t *ret, struct th_err *err);

/* The groups that have the user as a member, without its own, in no order; *ret is the caller's. 0
 * or negative as above. */
int userdb_find_groups_of(const char *user, gid_t **ret, size_t *ret_n, struct th_err *err);

/* For tests: other files and another getent; NULL: those of the host. */
struct userdb_host {
	const char *passwd, *group, *nsswitch, *getent;
	usec_t timeout_usec;
};
void userdb_use_host(const struct userdb_host *host);

#endif
