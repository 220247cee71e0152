#ifndef TH_MODEL_UPDATE_H
#define TH_MODEL_UPDATE_H

/*
 * What may be changed of a task that runs, and how: which keys are changed while it runs, which
 *with a restart, which never; the task as it would be, and what differs. Pure.
 *
 *	struct task *next;
 *	struct update_changes changes = {.n = 0};
 *	update_resolve(task, &group_limits, sets, n, &next, &err);
 *	update_compare(task, &group_limits, next, &changes);
 *	update_swap(task, next);	and once more to undo it
 */

#include "base/error.h"
#include "model/task.h"

#include <stddef.h>

enum update_kind {
	UPDATE_LIVE,	/* holds at once */
	UPDATE_GROUP,	/* holds at once, for the whole group */
	UPDATE_RESTART, /* holds for the next process of the task */
	UPDATE_NEVER,
};

const char *update_kind_name(enum update_kind kind); /* "live" */
/* Of any key. *ret_reason (may be NULL; static memory) says why it is never changed. */
enum update_kind update_kind_of(enum conf_key key, const char **ret_reason);

/* One value to be set: "SECTION.KEY" or "env.NAME", the text, and where it comes from, for
 * messages ("--set", "FILE:LINE"). A list is given by several in a row with the same origin. */
struct update_set {
	char *key, *value, *origin;
};
#define UPDATE_SETS_MAX ((size_t)1000)
/* Appends copies. */
void update_set_add(
	struct update_set **v, size_t *n, const char *key, const char *value, const char *origin);
void update_set_free(struct update_set *v, size_t n);

/* The value of a key as a user writes it; NULL where it is not set, is of no task, or of a section
 * with a name. `group_limits` are those that the group has. The caller frees it. */
char *update_value(const struct task *t, const struct cglimits *group_limits, enum conf_key key);

/*
 * The task `t` with these values, checked as those of a start are. *ret is fit for update_compare()
 * and update_swap(), and for nothing else. 0, or -EINVAL with err: EXIT_USAGE or EXIT_CONFIG.
 */
int update_resolve(const struct task *t, const struct cglimits *group_limits,
	const struct update_set *v, size_t n, struct task **ret, struct th_err *err);

struct update_change {
	enum update_kind kind;
	enum conf_key id;   /* CONF_KEY_COUNT: a variable */
	char *key;	    /* "limits.memory", "env.PORT" */
	char *from, *to;    /* NULL: not set; both NULL for a variable, whose value may be secret */
	const char *reason; /* of UPDATE_NEVER */
};
struct update_changes {
	struct update_change *v;
	size_t n;
};
void update_changes_done(struct update_changes *c);
#define _cleanup_update_changes_ _cleanup_(update_changes_done)

/* Takes what `change` holds. */
void update_change_add(struct update_changes *c, const struct update_change *change);

/* What differs, in the order of the keys; *ret is empty before. */
void update_compare(const struct task *t, const struct cglimits *group_limits,
	const struct task *next, struct update_changes *ret);

/* "limits.memory: 2G -> 1G", "env.PORT: changed". The caller frees it. */
char *update_change_format(const struct update_change *c);

/* "limits.memory env.PORT". The caller frees it. */
char *update_changes_keys(const struct update_changes *c);

/* For hooks: "UPDATE_OLD_LIMITS_MEMORY=2G" and "UPDATE_NEW_...", appended to `ret`. What is not set
 * is left out, and so is what is longer than an environment holds of all keys together. */
#define UPDATE_VALUE_MAX ((size_t)16 * 1024)
void update_changes_values(const struct update_changes *c, struct strv *ret);

/* Exchanges all that can be changed of a task. [group-limits] stay: they are the group's. */
void update_swap(struct task *a, struct task *b);

#endif
