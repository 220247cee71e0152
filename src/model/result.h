#ifndef TH_MODEL_RESULT_H
#define TH_MODEL_RESULT_H

/* How a task ended and why it was stopped: the words of RESULT and STOP_REASON (taskhook-hooks(7)).
 */

#include "model/point.h"

#include <stdbool.h>

enum task_result {
	RESULT_NONE, /* "": not ended */
	RESULT_SUCCESS,
	RESULT_EXIT_CODE,
	RESULT_SIGNAL,
	RESULT_OOM_KILL,
	RESULT_TIMEOUT,
	RESULT_START_FAILED,
	RESULT_HOOK_FAILED,
	RESULT_HOOK_TIMEOUT,
	RESULT_LOST,
	RESULT_COUNT,
};
const char *result_name(enum task_result r);
enum task_result result_from_name(const char *s); /* RESULT_NONE where unknown */

enum stop_reason {
	STOP_NONE,
	STOP_EXITED,
	STOP_ASKED,
	STOP_RESTART,
	STOP_MAX_RUN_TIME,
	STOP_CLEANUP,
	STOP_SIGNAL,
	STOP_LOST,
	STOP_REASON_COUNT,
};
const char *stop_reason_name(enum stop_reason r); /* "max-run-time"; "" for none */
enum stop_reason stop_reason_from_name(const char *s);

/* What is known of an ended task; goes into hook environments and the record. */
struct outcome {
	enum task_result result;
	bool has_exit_code;
	int exit_code;	 /* as seen by a shell: 128+N for a signal */
	int exit_signal; /* 0: none */
	bool oom_killed;
	enum stop_reason stop_reason;
	enum hook_point failed_point; /* POINT_NONE */
	char *failed_hook;	      /* owned; NULL */
	char *failed_reason;	      /* one line; owned; NULL */
	int status;		      /* what `run` exits with (taskhook(1)) */
	const char *decided_by;	      /* "task", "hook", "taskhook" */
};
void outcome_done(struct outcome *o);

#endif
