#include "config.h"

#include "cmd/stats_rows.h"

#include "base/alloc.h"
#include "cmd/table.h"
#include "model/jsonio.h"
#include "run/fetchview.h"

#include <string.h>

static const char *const column_names[] = {"TASK", "CPU%", "USER", "SYSTEM", "THROTTLED", "MEMORY",
	"PEAK", "FILE", "SWAP", "KERNEL", "PIDS", "READ", "WRITTEN", "PRESSURE"};
/* All but the first. */
#define AT_RIGHT (~1U)

void stats_rows_done(struct stats_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		task_view_done(&r->v[i].view);
	free(r->v);
	proc_table_done(&r->procs);
	*r = (struct stats_rows){0};
}

static void add_row(struct stats_rows *rows, struct task_view *view)
{
	struct stats_row *row;

	rows->v = xreallocarray(rows->v, rows->n + 1, sizeof(*rows->v));
	row = &rows->v[rows->n++];
	*row = (struct stats_row){.view = *view, .cpu_percent = -1};
	*view = (struct task_view){0};
	task_stats_read(&row->view, &rows->procs, &row->stats);
}

static int read_group(
	const struct layout *l, const char *group, struct stats_rows *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv ids = STRV_INIT;
	int r = task_view_ids(l, group, &ids, err);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_task_view_ struct task_view v = {0};

		r = task_view_read_brief(l, group, ids.v[i], &v, err);
		if (r == 0 && task_view_is_live(&v))
			add_row(ret, &v);
	}
	return r;
}

int stats_rows_read(const struct layout *l, const struct task_list *names, struct stats_rows *ret,
	struct th_err *err)
{
	_cleanup_stats_rows_ struct stats_rows rows = {0};
	_cleanup_strv_ struct strv groups = STRV_INIT;
	int r = names ? 0 : task_view_groups(l, &groups, err);

	for (size_t i = 0; r == 0 && i < groups.n; i++)
		r = read_group(l, groups.v[i], &rows, err);
	for (size_t i = 0; r == 0 && names && i < names->n; i++) {
		_cleanup_task_view_ struct task_view v = {0};

		r = task_view_read(l, names->v[i].group, names->v[i].id, &v, err);
		if (r == 0)
			add_row(&rows, &v);
	}
	proc_table_done(&rows.procs);
	if (r < 0)
		return r;
	*ret = rows;
	rows = (struct stats_rows){0};
	return 0;
}

static bool is_same(const struct task_view *a, const struct task_view *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->group, b->group) == 0 && a->has_live &&
	       b->has_live && a->live.run_number == b->live.run_number &&
	       a->live.main_pid == b->live.main_pid;
}

void stats_rows_compare(const struct stats_rows *before, struct stats_rows *now)
{
	size_t from = 0;

	for (size_t i = 0; i < now->n; i++)
		for (size_t k = 0; k < before->n; k++) {
			/* Both have the same order but for what came and went. */
			const struct stats_row *old = &before->v[(from + k) % before->n];

			if (!is_same(&old->view, &now->v[i].view))
				continue;
			now->v[i].cpu_percent =
				task_stats_cpu_percent(&old->stats, &now->v[i].stats);
			from = (from + k + 1) % before->n;
			break;
		}
}

/* ---- as a table ---- */

static void take_bytes(struct table *t, bool known, uint64_t bytes, enum stats_from from)
{
	char buf[32];

	table_take(t, known ? xasprintf("%s%s", fetchview_format_bytes(bytes, buf, sizeof(buf)),
				      from == STATS_FROM_PROC ? "*" : "")
			    : xstrdup("-"));
}

static void take_span(struct table *t, bool known, usec_t usec)
{
	char buf[CLOCK_SPAN_MAX];

	table_take(t, xstrdup(known ? clock_format_span(usec, buf, sizeof(buf)) : "-"));
}

static void take_pressure(struct table *t, const struct cgstat_pressure *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	bool known = false;

	for (size_t i = 0; i < CGSTAT_RESOURCES; i++) {
		known |= p[i].known;
		if (p[i].known)
			strbuf_addf(&b, "%s%u.%u", i ? "/" : "", p[i].some_avg10 / 100,
				p[i].some_avg10 / 10 % 10);
		else
			strbuf_addf(&b, "%s-", i ? "/" : "");
	}
	table_take(t, known ? strbuf_steal(&b) : xstrdup("-"));
}

static void take_row(struct table *t, const struct stats_row *row)
{
	const struct task_stats *s = &row->stats;
	const char *mark = s->cpu == STATS_FROM_PROC ? "*" : "";

	table_take(t, xasprintf("%s/%s", row->view.group, row->view.id));
	table_take(t,
		row->cpu_percent >= 0 ? xasprintf("%.1f%s", row->cpu_percent, mark) : xstrdup("-"));
	take_span(t, s->cpu != STATS_UNKNOWN, s->cpu_user_usec);
	take_span(t, s->cpu != STATS_UNKNOWN, s->cpu_system_usec);
	take_span(t, s->has_throttled, s->throttled_usec);
	take_bytes(t, s->has_current, s->memory_current, s->memory);
	take_bytes(t, s->has_peak, s->memory_peak, s->memory);
	take_bytes(t, s->has_parts, s->memory_file, s->memory);
	take_bytes(t, s->has_parts, s->memory_swap, s->memory);
	take_bytes(t, s->has_parts && s->memory == STATS_FROM_CGROUP, s->memory_kernel, s->memory);
	table_take(t, s->pids == STATS_UNKNOWN
			      ? xstrdup("-")
			      : xasprintf("%llu%s", (unsigned long long)s->pids_current,
					s->pids == STATS_FROM_PROC ? "*" : ""));
	take_bytes(t, s->io != STATS_UNKNOWN, s->io_rbytes, s->io);
	take_bytes(t, s->io != STATS_UNKNOWN, s->io_wbytes, s->io);
	take_pressure(t, s->pressure);
}

static bool any_from_proc(const struct stats_rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct task_stats *s = &r->v[i].stats;

		if (s->cpu == STATS_FROM_PROC || s->memory == STATS_FROM_PROC ||
			s->pids == STATS_FROM_PROC || s->io == STATS_FROM_PROC)
			return true;
	}
	return false;
}

void stats_rows_print(const struct stats_rows *r, FILE *out)
{
	_cleanup_table_ struct table t =
		table_new(column_names, ARRAY_SIZE(column_names), AT_RIGHT);

	for (size_t i = 0; i < r->n; i++)
		take_row(&t, &r->v[i]);
	table_print(&t, out);
	if (any_from_proc(r))
		(void)fputs("* from /proc, as no cgroup controller counts it: pages that processes "
			    "share count for each\n",
			out);
}

/* ---- as JSON ---- */

static json_t *pressure_to_json(const struct cgstat_pressure *p)
{
	json_t *all = json_object();

	for (size_t i = 0; i < CGSTAT_RESOURCES; i++) {
		json_t *j;

		if (!p[i].known)
			continue;
		j = json_object();
		json_put(j, "some_avg10", json_real(p[i].some_avg10 / 100.0));
		json_put(j, "full_avg10", json_real(p[i].full_avg10 / 100.0));
		json_put_u64(j, "some_usec", p[i].some_usec);
		json_put_u64(j, "full_usec", p[i].full_usec);
		json_put(all, cgstat_resource_name((enum cgstat_resource)i), j);
	}
	return all;
}

static json_t *part(enum stats_from from)
{
	json_t *j = json_object();

	json_put_text(j, "from", stats_from_name(from));
	return j;
}

static json_t *row_to_json(const struct stats_row *row)
{
	const struct task_stats *s = &row->stats;
	_cleanup_free_ char *name = xasprintf("%s/%s", row->view.group, row->view.id);
	json_t *all = json_object(), *j;

	json_put_text(all, "task", name);
	json_put_text(all, "group", row->view.group);
	json_put_text(all, "id", row->view.id);
	json_put_text(all, "state", task_view_word(&row->view));
	json_put(all, "cpu", j = part(s->cpu));
	if (row->cpu_percent >= 0)
		json_put(j, "percent",
			json_real((double)(int64_t)(row->cpu_percent * 100 + 0.5) / 100));
	if (s->cpu != STATS_UNKNOWN) {
		json_put_u64(j, "user_usec", s->cpu_user_usec);
		json_put_u64(j, "system_usec", s->cpu_system_usec);
	}
	if (s->has_throttled)
		json_put_u64(j, "throttled_usec", s->throttled_usec);
	json_put(all, "memory", j = part(s->memory));
	if (s->has_current)
		json_put_u64(j, "current", s->memory_current);
	if (s->has_peak)
		json_put_u64(j, "peak", s->memory_peak);
	if (s->has_parts) {
		json_put_u64(j, "file", s->memory_file);
		json_put_u64(j, "swap", s->memory_swap);
		if (s->memory == STATS_FROM_CGROUP)
			json_put_u64(j, "kernel", s->memory_kernel);
	}
	if (s->has_oom_kills)
		json_put_u64(j, "oom_kills", s->oom_kills);
	json_put(all, "pids", j = part(s->pids));
	if (s->pids != STATS_UNKNOWN)
		json_put_u64(j, "current", s->pids_current);
	json_put(all, "io", j = part(s->io));
	if (s->io != STATS_UNKNOWN) {
		json_put_u64(j, "rbytes", s->io_rbytes);
		json_put_u64(j, "wbytes", s->io_wbytes);
	}
	json_put(all, "pressure", pressure_to_json(s->pressure));
	return all;
}

json_t *stats_rows_to_json(const struct stats_rows *r)
{
	json_t *all = json_object(), *tasks = json_array();
	char now[CLOCK_RFC3339_MAX];

	for (size_t i = 0; i < r->n; i++)
		(void)json_array_append_new(tasks, row_to_json(&r->v[i]));
	json_put(all, "format", json_integer(STATS_FORMAT));
	json_put_text(all, "time", clock_rfc3339(clock_realtime_usec(), now, sizeof(now)));
	json_put(all, "tasks", tasks);
	return all;
}
