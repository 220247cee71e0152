#ifndef TH_FETCH_GIT_H
#define TH_FETCH_GIT_H

/*
 * A git repository, by git(1): one commit of it, checked out. Passwords, keys and headers reach git
 * in files of a home of its own below the staging directory, never by its arguments or environment.
 * The configuration of the machine and of users is not read, so there are no filters (git-lfs) and
 * no hooks. Only http, https, ssh and git:// are spoken, by submodules as well.
 *
 * As the history is thrown away (the repository itself, .git, is not part of the result, for it
 * holds the URL and can hold hooks), one commit is fetched where the server can do that, or `depth`
 * of them; else all.
 */

#include "base/clock.h"
#include "base/error.h"
#include "conf/source.h"
#include "fetch/job.h"

#include <stdbool.h>

/* Directories below the staging directory, removed by git_clean(). */
#define GIT_TREE_NAME "_git"
#define GIT_HOME_NAME "_home"

struct git_spec {
	const struct job *job;
	const struct source *source;
	int staging_fd;
	usec_t deadline_usec;
};

struct git_result {
	int dirfd;	/* what is checked out, the caller's to close */
	char *commit;	/* owned */
	bool retryable; /* of a failure */
};

/* Only while this process has one thread. 0; -EPIPE: the parent has gone; -errno with err:
 * EXIT_UNAVAILABLE. The caller calls git_clean() in any case. */
int git_fetch(const struct git_spec *spec, struct git_result *ret, struct th_err *err);
void git_clean(int staging_fd);

/* A value for a configuration file of git: in double quotes (git-config(1), Syntax). */
char *git_quote(const char *value);
/* "SCHEME://USER:PASSWORD@HOST[:PORT]", percent-encoded, for git-credential-store(1). */
char *git_credential(const struct source *source);
/* What git said that tells the reason: its last "fatal:" line, else the last "error:" or
 * "remote:" line, else the last one. Never NULL. */
char *git_reason(const char *output);

#endif
