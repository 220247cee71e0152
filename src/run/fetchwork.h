#ifndef TH_RUN_FETCHWORK_H
#define TH_RUN_FETCHWORK_H

/*
 * One artifact on its way: a staging directory on the file system of its destination, the helper
 * that fills it, and what becomes of that. The staging directory goes in any case.
 *
 *	fetchwork_start(&spec, &w, &err);
 *	while (!fetch_is_over(fetchwork_fetch(w)))
 *		loop_run(...);
 *	if (fetchwork_collect(w, &err) == 0 && !fetchwork_is_unchanged(w))
 *		fetchwork_publish(w, uid, gid, &err);
 *	fetchwork_free(w);
 */

#include "base/error.h"
#include "model/artifact.h"
#include "os/loop.h"
#include "run/fetch.h"
#include "run/publish.h"

#include <stdbool.h>
#include <sys/types.h>

struct fetchwork_spec {
	struct loop *loop;
	const struct artifact *artifact;
	const struct fetch_settings *settings;
	struct fetch_known known;
	int base_fd;	  /* what the artifact's destination is relative to */
	const char *base; /* its path */
	/* Where the staging directory is made if that is the same mount as the destination, else it
	 * is made there, hidden by a dot in front; -1: there in any case. */
	int staging_parent_fd;
	const char *staging_parent;
	const char *prefix; /* of its name; FETCHWORK_RANDOM more bytes follow */
	int cgroup_fd;	    /* as in struct fetch_spec */
	void (*tell)(void *arg, const struct fetch_event *event);
	void (*line)(void *arg, const char *line, size_t n);
	void *arg;
};
#define FETCHWORK_RANDOM 8

struct fetchwork;

/* Makes the staging directory and starts the helper in it. The spec's strings and descriptors stay
 * the caller's and live as long as the work. 0 or -errno with err. */
int fetchwork_start(const struct fetchwork_spec *spec, struct fetchwork **ret, struct th_err *err);

struct fetch *fetchwork_fetch(struct fetchwork *w);

/* Ends the helper and looks at what it left. 0 or -errno with err. */
int fetchwork_collect(struct fetchwork *w, struct th_err *err);
/* After that: the last word of the helper, and what is to be published. */
bool fetchwork_is_unchanged(const struct fetchwork *w);
const struct fetch_event *fetchwork_event(const struct fetchwork *w);
const struct publish_tree *fetchwork_tree(const struct fetchwork *w);
/* Where an entry of the tree (NULL: the one file) goes, relative to the base. The caller frees it.
 */
char *fetchwork_target(const struct fetchwork *w, const struct publish_entry *entry);

/* Publishes it as uid and gid's, or as the artifact's `chown` says; (uid_t)-1: as it is. */
int fetchwork_publish(struct fetchwork *w, uid_t uid, gid_t gid, struct th_err *err);

/* Kills what runs and removes the staging directory. NULL is fine; returns NULL. */
struct fetchwork *fetchwork_free(struct fetchwork *w);

/* Removes staging directories with that prefix that a killed process has left. The caller knows
 * that nobody uses them. */
void fetchwork_remove_left(int parent_fd, const char *prefix);

#endif
