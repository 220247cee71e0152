#include "config.h"

#include "model/result.h"

#include "base/macro.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const result_names[] = {
	[RESULT_NONE] = "",
	[RESULT_SUCCESS] = "success",
	[RESULT_EXIT_CODE] = "exit-code",
	[RESULT_SIGNAL] = "signal",
	[RESULT_OOM_KILL] = "oom-kill",
	[RESULT_TIMEOUT] = "timeout",
	[RESULT_START_FAILED] = "start-failed",
	[RESULT_HOOK_FAILED] = "hook-failed",
	[RESULT_HOOK_TIMEOUT] = "hook-timeout",
	[RESULT_LOST] = "lost",
};
_Static_assert(ARRAY_SIZE(result_names) == RESULT_COUNT, "each result has its name");

static const char *const stop_reason_names[] = {
	[STOP_NONE] = "",
	[STOP_EXITED] = "exited",
	[STOP_ASKED] = "asked",
	[STOP_RESTART] = "restart",
	[STOP_MAX_RUN_TIME] = "max-run-time",
	[STOP_CLEANUP] = "cleanup",
	[STOP_SIGNAL] = "signal",
	[STOP_LOST] = "lost",
};
_Static_assert(ARRAY_SIZE(stop_reason_names) == STOP_REASON_COUNT, "each stop reason has its name");

const char *result_name(enum task_result r)
{
	assert((unsigned int)r < RESULT_COUNT);
	return result_names[r];
}

enum task_result result_from_name(const char *s)
{
	for (unsigned int i = 0; i < RESULT_COUNT; i++)
		if (strcmp(s, result_names[i]) == 0)
			return (enum task_result)i;
	return RESULT_NONE;
}

const char *stop_reason_name(enum stop_reason r)
{
	assert((unsigned int)r < STOP_REASON_COUNT);
	return stop_reason_names[r];
}

enum stop_reason stop_reason_from_name(const char *s)
{
	for (unsigned int i = 0; i < STOP_REASON_COUNT; i++)
		if (strcmp(s, stop_reason_names[i]) == 0)
			return (enum stop_reason)i;
	return STOP_NONE;
}

void outcome_done(struct outcome *o)
{
	free(o->failed_hook);
	free(o->failed_reason);
	*o = (struct outcome){.failed_point = POINT_NONE};
}
