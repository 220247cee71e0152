/*
 * Users for tests that run under valgrind too, which has no pidfd_open and so cannot execute
 * getent.
 */
#ifndef TH_TESTS_USERS_H
#define TH_TESTS_USERS_H

#include "os/userdb.h"
#include "tests/unit/helper.h"

/* There the files alone are asked. */
static inline void users_prepare(void)
{
	static const struct userdb_host files = {.passwd = "/etc/passwd",
		.group = "/etc/group",
		.nsswitch = "/nonexistent",
		.getent = "/nonexistent",
		.timeout_usec = USEC_PER_SEC};

	if (!helper_has_pidfd())
		userdb_use_host(&files);
}

#endif
