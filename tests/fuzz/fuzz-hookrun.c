/*
 * Records that --resume and --replay read: never a crash; a run that was taken up is one that the
 * state machine can be in, and writing it down gives the same counters.
 */
#include "config.h"

#include "base/alloc.h"
#include "verify/hookrun.h"
#include "verify/load.h"
#include "verify/reply.h"
#include "verify/runstate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((usec_t)1000 * USEC_PER_DAY)

static const char template[] =
	"[template]\nname = t\n[metric a]\nexec.command = x\ncount = 5\ninterval = "
	"1s\nfailureLimit = "
	"2\n[metric b]\nfile.path = /x\nconsecutiveSuccessfulLimit = 3\ninterval = 1s\n"
	"measurementRetention = 3\n";

static void judge(const struct tmpl *t, const struct args *args, const json_t *record)
{
	const json_t *list = json_object_get(hookrun_find_metric(record, "a"), "measurements"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct measurement old = {.phase = PHASE_PENDING}, m = {.phase = PHASE_PENDING};
		struct reply a = {.exit_status = -1};

		if (hookrun_to_measurement(o, &old) < 0)
			continue;
		if (old.value)
			assess_value(t, &t->metrics[0], args, old.value, &m);
		measurement_done(&m);
		if (reply_from_json(old.reply, &a) == 0)
			assess(t, &t->metrics[0], args, &a, &m);
		measurement_done(&m);
		reply_done(&a);
		measurement_done(&old);
	}
}

static void take_up(const struct tmpl *t, const json_t *record)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_json_ json_t *again = NULL;
	struct runstate rs, twice;
	usec_t started = 0;
	int r;

	runstate_init(&rs, t, NOW);
	r = hookrun_resume(record, "f", &rs, NOW, 2 * NOW, &started, &err);
	if ((r < 0) != err_is_set(&err))
		abort();
	if (r == 0) {
		for (size_t i = 0; i < t->n; i++)
			if (rs.metrics[i].in_flight || rs.metrics[i].finished_usec > NOW ||
				(rs.metrics[i].measured && rs.metrics[i].n_kept == 0))
				abort();
		(void)runstate_next(&rs, NOW);
		again = hookrun_to_json(&rs, started, started);
		runstate_init(&twice, t, NOW);
		if (hookrun_resume(again, "f", &twice, NOW, 2 * NOW, &started, NULL) < 0)
			abort();
		for (size_t i = 0; i < t->n; i++)
			if (twice.metrics[i].count != rs.metrics[i].count ||
				twice.metrics[i].consecutive_error !=
					rs.metrics[i].consecutive_error ||
				twice.metrics[i].n_kept != rs.metrics[i].n_kept)
				abort();
		runstate_done(&twice);
	}
	runstate_done(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_args_ struct args args = {.n = 0};
	_cleanup_findings_ struct findings found = {STRV_INIT, STRV_INIT};
	_cleanup_json_ json_t *doc = NULL, *record = NULL;
	_cleanup_tmpl_ struct tmpl t = {.n = 0};

	if (load_memory(template, sizeof(template) - 1, "t", NULL, &doc, NULL) < 0)
		abort();
	tmpl_init(&t, doc, "t", -1, &args, &found);
	if (found.errors.n > 0)
		abort();
	record = json_loadb((const char *)data, size, 0, NULL);
	if (!json_is_object(record))
		return 0;
	/* what is looked for is behind it */
	(void)json_object_set(record, "spec", t.spec);
	take_up(&t, record);
	judge(&t, &args, record);
	return 0;
}
