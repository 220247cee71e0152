#ifndef TH_RUN_ARTIFACTSTATE_H
#define TH_RUN_ARTIFACTSTATE_H

/*
 * What is known of the artifacts of a group: STATE/tasks/GROUP/_artifacts (run/artifacts.h). No
 * passwords are kept here. Paths are relative to shared/local.
 */

#include "base/error.h"
#include "model/artifact.h"
#include "run/fetchwork.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct artifact_state {
	bool published; /* false: somebody was killed while he published it */
	char *boot_id;
	char *task;	    /* GROUP/ID that has fetched it */
	char *origin;	    /* where that task has it from */
	json_t *definition; /* artifact_definition() */
	char *digest, *etag, *last_modified;
	uint64_t size, files;
	usec_t usec;
	uint64_t uid, gid; /* (uid_t)-1: as they came */
	char *before;	   /* the file that artifact_state_begin() has replaced */
};
#define ARTIFACT_STATE_INIT                                                                        \
	{                                                                                          \
		.published = false                                                                 \
	}

void artifact_state_done(struct artifact_state *s);

/* 0; -ENOENT where there is none; -errno (an unreadable one counts as none to callers). *ret is
 * ARTIFACT_STATE_INIT before. */
int artifact_state_read(int dirfd, const char *name, struct artifact_state *ret);
/* 0 or -errno with err (EXIT_CANTCREAT). */
int artifact_state_write(
	int dirfd, const char *name, const struct artifact_state *s, struct th_err *err);

/* Everything that was published is there as it was: kinds, and of files sizes and times. */
bool artifact_state_is_intact(int dirfd, const char *name, int local_fd);

/*
 * Has another artifact since this boot, of another source, put something where `work` would put a
 * file or link, or a file where it needs a directory, or the other way round? 1: yes, *ret_name,
 * *ret_path (the caller frees both) and *ret tell whose; 0: no; -errno.
 */
int artifact_state_find_claim(int dirfd, const struct artifact *a, const struct fetchwork *work,
	char **ret_name, char **ret_path, struct artifact_state *ret);

/* Around publishing: the intent, and how it went. The first and the last return 0 or -errno with
 * err. */
int artifact_state_begin(int dirfd, const char *name, struct artifact_state *s,
	const struct fetchwork *work, struct th_err *err);
void artifact_state_cancel(int dirfd, const char *name, const struct artifact_state *s);
int artifact_state_end(int dirfd, const char *name, struct artifact_state *s, struct th_err *err);

#endif
