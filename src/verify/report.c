#include "config.h"

#include "verify/report.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>

void report_measurement(const struct tmpl *t, size_t i, const struct measurement *m, bool terminal)
{
	_cleanup_free_ char *value = m->value ? str_escape(m->value, 80) : NULL;

	log_message(terminal ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, "%s: metric '%s': %s%s%s%s%s",
		t->name, t->metrics[i].name, phase_name(m->phase), value ? ", value " : "",
		value ? value : "", m->message ? ": " : "", m->message ? m->message : "");
}

void report_end(const struct runstate *rs, const json_t *record)
{
	enum log_level level = rs->phase == PHASE_SUCCESSFUL ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR;

	for (size_t i = 0; i < rs->tmpl->n; i++) {
		const struct tmpl_metric *m = &rs->tmpl->metrics[i];
		const struct metric_state *s = &rs->metrics[i];

		_cleanup_free_ char *counts =
			xasprintf("%u successful, %u failed, %u inconclusive, %u with an error",
				s->successful, s->failed, s->inconclusive, s->error);

		log_notice("%s: metric '%s'%s: %s (%s)", rs->tmpl->name, m->name,
			m->dry_run ? " (dry run)" : "", phase_name(s->phase),
			s->measured ? counts : "not measured");
	}
	log_message(level, "%s: %s%s%s", rs->tmpl->name, phase_name(rs->phase),
		rs->message ? ": " : "", rs->message ? rs->message : "");
	if (record) {
		(void)json_dumpf(record, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	}
}

int report_exit_status(enum phase phase)
{
	switch (phase) {
	case PHASE_SUCCESSFUL:
		return 0;
	case PHASE_FAILED:
		return 1;
	case PHASE_INCONCLUSIVE:
		return 3;
	case PHASE_PENDING:
	case PHASE_RUNNING:
	case PHASE_ERROR:
		break;
	}
	return 2;
}
