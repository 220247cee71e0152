#ifndef TH_MODEL_TASK_INTERNAL_H
#define TH_MODEL_TASK_INTERNAL_H

/* What task.c and task-json.c share, and nobody else needs. */

#include "base/clock.h"
#include "conf/keys.h"

/* Every `limit-NAME` of [task], with the resource of setrlimit(2) that it is. */
#define TASK_RLIMITS (KEY_TASK_LIMIT_STACK - KEY_TASK_LIMIT_AS + 1)
struct task_rlimit_name {
	enum conf_key key;
	int resource;
	const char *name;
};
extern const struct task_rlimit_name task_rlimit_names[TASK_RLIMITS];

/* eggo's, where [hook NAME] has no timeout. */
#define TASK_FILE_HOOK_TIMEOUT (30 * USEC_PER_SEC)

struct task;

/* An empty task, whose end task_free() is. */
struct task *task_new(void);

#endif
