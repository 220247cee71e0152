#ifndef TH_CMD_HOOK_RECORDS_H
#define TH_CMD_HOOK_RECORDS_H

/* What became of the hooks of a task, from logs/hooks.jsonl (taskhook-hooks(7)). */

#include "base/clock.h"
#include "base/error.h"
#include "model/layout.h"

#include <jansson.h>
#include <stdint.h>

/* Of older ones nothing is counted, so that the time it takes has an end. */
#define HOOK_RECORDS_MAX 100000

/* The last `lines` records, oldest first; lines that cannot be read are left out. A new reference,
 * also where there are none: then it is empty. -errno with err. */
int hook_records_read(const struct layout *l, const char *group, const char *id, uint64_t lines,
	json_t **ret, struct th_err *err);

/* "exit 1", "SIGKILL", "timed out", "ok", "unsafe", "skip". The caller frees it. */
char *hook_record_result(const json_t *record);

/* One hook at one point, over all records. */
struct hook_sum {
	char *point, *name;
	uint64_t runs, failures, timeouts; /* attempts that were begun; refused ones are failures */
	usec_t last_duration;
	usec_t last_success; /* realtime of its end; 0: never */
};
struct hook_sums {
	struct hook_sum *v; /* as they first ran */
	size_t n;
};
void hook_sums_done(struct hook_sums *s);
#define _cleanup_hook_sums_ _cleanup_(hook_sums_done)

int hook_sums_read(const struct layout *l, const char *group, const char *id, struct hook_sums *ret,
	struct th_err *err);

#endif
