#include "config.h"

#include "cmd/openmetrics.h"

#include "base/alloc.h"

#include <string.h>

/* One metric family after the other, as the format wants it: so for each the rows are gone through
 * anew. A sample that is not known is left out, and a family without samples too. */
struct family {
	const char *name, *help;
	bool counter; /* else a gauge */
	/* False: this row has no such sample. */
	bool (*value)(const struct stats_row *row, double *ret);
};

static double seconds(usec_t usec)
{
	return (double)usec / (double)USEC_PER_SEC;
}

static bool give(bool known, double value, double *ret)
{
	*ret = value;
	return known;
}

static bool value_running(const struct stats_row *r, double *ret)
{
	return give(true, r->view.supervised && r->view.state == STATE_RUNNING, ret);
}

static bool value_failed(const struct stats_row *r, double *ret)
{
	bool bad = r->view.lost || r->view.state == STATE_FAILED || r->view.state == STATE_STUCK ||
		   (r->view.has_record && r->view.record.outcome.decided_by &&
			   r->view.record.outcome.status != 0);

	return give(true, bad, ret);
}

static bool value_runs(const struct stats_row *r, double *ret)
{
	return give(r->view.has_live || r->view.has_record, task_view_run_number(&r->view), ret);
}

static bool value_restarts(const struct stats_row *r, double *ret)
{
	return give(r->view.has_live || r->view.has_record, task_view_restarts(&r->view), ret);
}

static bool value_since(const struct stats_row *r, double *ret)
{
	return give(r->view.since > 0, seconds(r->view.since), ret);
}

static bool value_status(const struct stats_row *r, double *ret)
{
	return give(r->view.has_record && r->view.record.outcome.decided_by,
		r->view.record.outcome.status, ret);
}

static bool value_cpu_user(const struct stats_row *r, double *ret)
{
	return give(r->stats.cpu != STATS_UNKNOWN, seconds(r->stats.cpu_user_usec), ret);
}

static bool value_cpu_system(const struct stats_row *r, double *ret)
{
	return give(r->stats.cpu != STATS_UNKNOWN, seconds(r->stats.cpu_system_usec), ret);
}

static bool value_throttled(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_throttled, seconds(r->stats.throttled_usec), ret);
}

static bool value_memory(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_current, (double)r->stats.memory_current, ret);
}

static bool value_memory_peak(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_peak, (double)r->stats.memory_peak, ret);
}

static bool value_memory_file(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_parts, (double)r->stats.memory_file, ret);
}

static bool value_memory_swap(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_parts, (double)r->stats.memory_swap, ret);
}

static bool value_memory_kernel(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_parts && r->stats.memory == STATS_FROM_CGROUP,
		(double)r->stats.memory_kernel, ret);
}

static bool value_oom_kills(const struct stats_row *r, double *ret)
{
	return give(r->stats.has_oom_kills, (double)r->stats.oom_kills, ret);
}

static bool value_pids(const struct stats_row *r, double *ret)
{
	return give(r->stats.pids != STATS_UNKNOWN, (double)r->stats.pids_current, ret);
}

static bool value_read(const struct stats_row *r, double *ret)
{
	return give(r->stats.io != STATS_UNKNOWN, (double)r->stats.io_rbytes, ret);
}

static bool value_written(const struct stats_row *r, double *ret)
{
	return give(r->stats.io != STATS_UNKNOWN, (double)r->stats.io_wbytes, ret);
}

static const struct family families[] = {
	{"taskhook_task_running", "1 while the task runs", false, value_running},
	{"taskhook_task_failed",
		"1 where the task failed, was lost, is stuck, or ended with a status other than 0",
		false, value_failed},
	{"taskhook_task_state_since_seconds", "Since when it is in its state, in Unix time", false,
		value_since},
	{"taskhook_task_runs", "Starts of this task", true, value_runs},
	{"taskhook_task_restarts", "Restarts since its last start", true, value_restarts},
	{"taskhook_task_exit_status", "The status with which it ended", false, value_status},
	{"taskhook_task_cpu_user_seconds", "CPU time in user mode, exited children included", true,
		value_cpu_user},
	{"taskhook_task_cpu_system_seconds", "CPU time in the kernel, exited children included",
		true, value_cpu_system},
	{"taskhook_task_cpu_throttled_seconds", "Time for which its limit of CPU held it back",
		true, value_throttled},
	{"taskhook_task_memory_bytes", "Memory in use", false, value_memory},
	{"taskhook_task_memory_peak_bytes", "The most memory that was in use", false,
		value_memory_peak},
	{"taskhook_task_memory_file_bytes", "Memory that holds files", false, value_memory_file},
	{"taskhook_task_memory_swap_bytes", "Memory that is swapped out", false, value_memory_swap},
	{"taskhook_task_memory_kernel_bytes", "Memory of the kernel for it", false,
		value_memory_kernel},
	{"taskhook_task_oom_kills", "Processes that were killed as memory ran out", true,
		value_oom_kills},
	{"taskhook_task_pids", "Processes and threads", false, value_pids},
	{"taskhook_task_io_read_bytes", "Bytes read from disks", true, value_read},
	{"taskhook_task_io_written_bytes", "Bytes written to disks", true, value_written},
};

char *openmetrics_escape(const char *s)
{
	struct strbuf b = STRBUF_INIT;

	/* Newlines and backslashes have an escape of the format's own; the rest of what is no text
	 * has none. */
	for (const char *end; *s; s = *end ? end + 1 : end) {
		_cleanup_free_ char *piece = NULL;

		end = s + strcspn(s, "\n\\");
		piece = str_escape_n(s, (size_t)(end - s), 0);
		for (const char *p = piece; *p; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_addc(&b, '\\');
			strbuf_addc(&b, *p);
		}
		if (*end)
			strbuf_adds(&b, *end == '\n' ? "\\n" : "\\\\");
	}
	return strbuf_steal(&b);
}

static void print_head(FILE *out, const char *name, const char *help, bool counter)
{
	(void)fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, counter ? "counter" : "gauge",
		name, help);
}

/* 15 digits: microseconds since 1970 in seconds, and bytes up to a petabyte, are exact. */
static void print_sample(FILE *out, const char *name, bool counter, const struct stats_row *row,
	const char *more, double value)
{
	_cleanup_free_ char *group = openmetrics_escape(row->view.group);
	_cleanup_free_ char *id = openmetrics_escape(row->view.id);

	(void)fprintf(out, "%s%s{group=\"%s\",id=\"%s\"%s} %.15g\n", name, counter ? "_total" : "",
		group, id, more, value);
}

static void print_family(FILE *out, const struct family *f, const struct stats_rows *rows)
{
	bool begun = false;
	double value;

	for (size_t i = 0; i < rows->n; i++) {
		if (!f->value(&rows->v[i], &value))
			continue;
		if (!begun)
			print_head(out, f->name, f->help, f->counter);
		begun = true;
		print_sample(out, f->name, f->counter, &rows->v[i], "", value);
	}
}

static void print_pressure(FILE *out, const struct stats_rows *rows)
{
	static const char name[] = "taskhook_task_pressure_seconds";
	bool begun = false;

	for (size_t i = 0; i < rows->n; i++)
		for (size_t k = 0; k < CGSTAT_RESOURCES; k++) {
			const struct cgstat_pressure *p = &rows->v[i].stats.pressure[k];
			const char *resource = cgstat_resource_name((enum cgstat_resource)k);
			_cleanup_free_ char *some =
				xasprintf(",resource=\"%s\",kind=\"some\"", resource);
			_cleanup_free_ char *full =
				xasprintf(",resource=\"%s\",kind=\"full\"", resource);

			if (!p->known)
				continue;
			if (!begun)
				print_head(out, name,
					"Time in which some or all of its processes waited", true);
			begun = true;
			print_sample(out, name, true, &rows->v[i], some, seconds(p->some_usec));
			print_sample(out, name, true, &rows->v[i], full, seconds(p->full_usec));
		}
}

/* ---- hooks ---- */

static bool hook_runs(const struct hook_sum *h, double *ret)
{
	return give(true, (double)h->runs, ret);
}

static bool hook_failures(const struct hook_sum *h, double *ret)
{
	return give(true, (double)h->failures, ret);
}

static bool hook_timeouts(const struct hook_sum *h, double *ret)
{
	return give(true, (double)h->timeouts, ret);
}

static bool hook_duration(const struct hook_sum *h, double *ret)
{
	return give(h->runs > 0, seconds(h->last_duration), ret);
}

static bool hook_success(const struct hook_sum *h, double *ret)
{
	return give(h->last_success > 0, seconds(h->last_success), ret);
}

static const struct hook_family {
	const char *name, *help;
	bool counter;
	bool (*value)(const struct hook_sum *h, double *ret);
} hook_families[] = {
	{"taskhook_hook_runs", "How often the hook was run, as far as the logs reach", true,
		hook_runs},
	{"taskhook_hook_failures", "How often it failed or was refused", true, hook_failures},
	{"taskhook_hook_timeouts", "How often it ran into its timeout", true, hook_timeouts},
	{"taskhook_hook_last_duration_seconds", "How long it took the last time", false,
		hook_duration},
	{"taskhook_hook_last_success_timestamp_seconds", "When it last succeeded, in Unix time",
		false, hook_success},
};

static void print_hook_family(FILE *out, const struct hook_family *f, const struct stats_rows *rows,
	const struct hook_sums *hooks)
{
	bool begun = false;
	double value;

	for (size_t i = 0; i < rows->n; i++)
		for (size_t k = 0; k < hooks[i].n; k++) {
			const struct hook_sum *h = &hooks[i].v[k];
			_cleanup_free_ char *point = openmetrics_escape(h->point);
			_cleanup_free_ char *name = openmetrics_escape(h->name);
			_cleanup_free_ char *labels =
				xasprintf(",point=\"%s\",hook=\"%s\"", point, name);

			if (!f->value(h, &value))
				continue;
			if (!begun)
				print_head(out, f->name, f->help, f->counter);
			begun = true;
			print_sample(out, f->name, f->counter, &rows->v[i], labels, value);
		}
}

void openmetrics_print(const struct stats_rows *rows, const struct hook_sums *hooks, FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		print_family(out, &families[i], rows);
	print_pressure(out, rows);
	for (size_t i = 0; i < ARRAY_SIZE(hook_families); i++)
		print_hook_family(out, &hook_families[i], rows, hooks);
	(void)fputs("# EOF\n", out);
}
