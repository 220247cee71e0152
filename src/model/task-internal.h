#ifndef TH_MODEL_TASK_INTERNAL_H
#define TH_MODEL_TASK_INTERNAL_H

/* What task.c and task-json.c share, and nobody else needs. */

#include "base/clock.h"

/* eggo's, where [hook NAME] has no timeout. */
#define TASK_FILE_HOOK_TIMEOUT (30 * USEC_PER_SEC)

struct task;

/* An empty task, whose end task_free() is. */
struct task *task_new(void);

#endif
