#ifndef TH_RUN_JANITOR_H
#define TH_RUN_JANITOR_H

/*
 * `taskhook cleanup` (taskhook-lifecycle(7)): finishes what killed supervisors left, removes what
 * is dead, ends groups. Everything is found from the file system alone; every step may be repeated;
 * what is locked by a living supervisor is left alone.
 */

#include "base/clock.h"
#include "base/error.h"
#include "conf/conf.h"
#include "model/layout.h"
#include "run/options.h"

#include <stdbool.h>

struct janitor_options {
	struct supervisor_options supervisor;
	const struct conf *conf;
	usec_t older_than, failed_older_than;	/* 0: whatever is dead */
	bool force;				/* stop what runs */
	bool dry_run;				/* tell on stdout what would be done */
	void (*recovered)(const char *name);	/* each task that was taken over; or NULL */
	const struct hook_option *hook_options; /* --cluster-prehook and the like */
	size_t n_hook_options;
};

struct janitor_report {
	unsigned recovered; /* tasks that run on, and have a supervisor again */
	unsigned finished;  /* tasks brought down that a killed supervisor had left */
	unsigned removed_tasks, removed_groups;
	unsigned busy;	   /* named by GROUP or GROUP/ID, but running: a message has named each */
	unsigned failures; /* a message has named each */
};

/* Every group of this state directory, by age: the janitor. */
int janitor_run(const struct layout *l, const struct janitor_options *o, struct janitor_report *ret,
	struct th_err *err);

/* Only what a killed supervisor has left: tasks that outlive theirs get another, all others are
 * brought to their end. */
int janitor_recover(const struct layout *l, const struct janitor_options *o,
	struct janitor_report *ret, struct th_err *err);

/* One group whole, or one task (id not NULL). Unknown: -ENOENT with err (EXIT_USAGE). */
int janitor_cleanup(const struct layout *l, const struct janitor_options *o, const char *group,
	const char *id, struct janitor_report *ret, struct th_err *err);

/* The names of all groups; for --all, `list` and completion. */
int janitor_groups(const struct layout *l, struct strv *ret);
/* The IDs of a group: records, directories, and live ones. */
int janitor_tasks(const struct layout *l, const char *group, struct strv *ret);

#endif
