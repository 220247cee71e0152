#include "config.h"

#include "run/hooklog.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/str.h"
#include "model/jsonio.h"
#include "run/logfile.h"

#include <inttypes.h>
#include <string.h>

/* What one hook may say is bounded by its runner, so this bounds how many lines share a write. */
#define GATHER_MAX ((size_t)32 * 1024)

struct stream {
	const char *name;
	struct logfile *file; /* NULL: not opened yet */
	bool unusable;
	bool told_dropped;
	uint64_t lost; /* what an unusable file was to get */
	struct strbuf gathered;
};

struct hooklog {
	struct hooklog_spec spec;
	struct stream lines, records;
	struct loop_timer timer;
};

struct hooklog *hooklog_new(const struct hooklog_spec *spec)
{
	struct hooklog *l = xcalloc(1, sizeof(*l));

	l->spec = *spec;
	l->lines.name = "hooks.log";
	l->records.name = "hooks.jsonl";
	return l;
}

void hooklog_set_limits(struct hooklog *l, uint64_t max_size, unsigned max_files)
{
	l->spec.max_size = max_size;
	l->spec.max_files = max_files;
	if (l->lines.file)
		logfile_set_limits(l->lines.file, max_size, max_files);
	if (l->records.file)
		logfile_set_limits(l->records.file, max_size, max_files);
}

static void open_stream(struct hooklog *l, struct stream *s)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (logfile_open(l->spec.dirfd, s->name, l->spec.max_size, l->spec.max_files, &s->file,
		    &err) < 0) {
		s->unusable = true;
		log_warning("%s, continuing without it", err_text(&err));
		return;
	}
	(void)logfile_set_owner(s->file, l->spec.uid, l->spec.gid);
}

static void flush_stream(struct hooklog *l, struct stream *s)
{
	size_t n = s->gathered.len;

	if (n == 0)
		return;
	if (!s->file && !s->unusable)
		open_stream(l, s);
	if (s->file)
		(void)logfile_write(s->file, s->gathered.s, n, true);
	else
		s->lost += n;
	/* Given back: a supervisor is idle for most of its life. */
	strbuf_done(&s->gathered);
	if (s->file && logfile_dropped(s->file) > 0 && !s->told_dropped) {
		s->told_dropped = true;
		log_warning("cannot write '%s': %s, dropping what does not fit", s->name,
			strerror(logfile_dropped_errno(s->file)));
	}
}

void hooklog_flush(struct hooklog *l)
{
	if (l->spec.loop)
		loop_clear_timer(l->spec.loop, &l->timer);
	flush_stream(l, &l->lines);
	flush_stream(l, &l->records);
}

static void on_timer(void *arg)
{
	hooklog_flush(arg);
}

/* Called with something gathered. */
static void gather(struct hooklog *l, const struct stream *s)
{
	if (!l->spec.loop || s->gathered.len >= GATHER_MAX)
		hooklog_flush(l);
	else if (!l->timer.active)
		loop_set_timer(l->spec.loop, &l->timer,
			usec_add(clock_monotonic_usec(), HOOKLOG_GATHER_USEC), on_timer, l);
}

void hooklog_line(struct hooklog *l, const char *label, const char *line, size_t n)
{
	_cleanup_free_ char *text = str_escape_n(line, n, 0);
	char time[CLOCK_RFC3339_MAX];

	strbuf_addf(&l->lines.gathered, "%s %s: %s\n",
		clock_rfc3339(clock_realtime_usec(), time, sizeof(time)), label, text);
	gather(l, &l->lines);
}

void hooklog_record(struct hooklog *l, const json_t *record)
{
	_cleanup_free_ char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_DIGITS);

	if (!text) /* bytes that are no UTF-8 have no JSON: its maker's mistake, but no reason to
		      end */
		return;
	strbuf_add(&l->records.gathered, text, strlen(text));
	strbuf_addc(&l->records.gathered, '\n');
	gather(l, &l->records);
}

static uint64_t stream_dropped(const struct stream *s)
{
	return s->lost + (s->file ? logfile_dropped(s->file) : 0);
}

uint64_t hooklog_dropped(const struct hooklog *l)
{
	return stream_dropped(&l->lines) + stream_dropped(&l->records);
}

static void stream_done(struct stream *s)
{
	s->file = logfile_close(s->file);
	strbuf_done(&s->gathered);
}

struct hooklog *hooklog_free(struct hooklog *l)
{
	if (!l)
		return NULL;
	hooklog_flush(l);
	stream_done(&l->lines);
	stream_done(&l->records);
	free(l);
	return NULL;
}
