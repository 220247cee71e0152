#include "config.h"

#include "run/logmerge.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <stdlib.h>
#include <string.h>

void logmerge_done(struct logmerge *m)
{
	free(m->v);
	*m = (struct logmerge){0};
}

static void add(struct logmerge *m, size_t *cap, const struct logmerge_segment *s)
{
	if (m->n == *cap) {
		*cap = MAX(*cap * 2, (size_t)64);
		m->v = xreallocarray(m->v, *cap, sizeof(*m->v));
	}
	m->v[m->n++] = *s;
}

/* The last segment of each stream so far, which ends where the next one begins. */
struct open_segments {
	size_t at[LOG_STREAMS];
	bool is[LOG_STREAMS];
	bool first[LOG_STREAMS]; /* it is what comes before the first entry */
};

void logmerge_make(const struct logmerge_part parts[LOG_STREAMS], const struct logindex_list *index,
	struct logmerge *ret)
{
	struct open_segments open = {.is = {false}};
	size_t cap = 0;

	for (size_t s = 0; s < LOG_STREAMS; s++) {
		if (!parts[s].r || parts[s].from >= parts[s].to)
			continue;
		open.at[s] = ret->n;
		open.is[s] = open.first[s] = true;
		add(ret, &cap,
			&(struct logmerge_segment){.stream = (enum log_stream)s,
				.from = parts[s].from,
				.to = parts[s].to});
	}
	for (size_t i = 0; i < index->n; i++) {
		const struct logindex_entry *e = &index->v[i];
		const struct logmerge_part *part = &parts[e->stream];
		struct logmerge_segment next = {
			.stream = e->stream, .realtime = e->realtime, .to = part->to};
		struct logmerge_segment *last;

		if (!open.is[e->stream] || !logread_find(part->r, &e->place, &next.from) ||
			next.from >= part->to)
			continue;
		last = &ret->v[open.at[e->stream]];
		if (next.from < last->from || (next.from == last->from && !open.first[e->stream])) {
			if (open.first[e->stream])
				last->realtime = e->realtime;
			continue;
		}
		next.from = logread_line_begin(part->r, next.from, part->to);
		if (next.from >= part->to)
			continue;
		open.first[e->stream] = false;
		last->to = next.from;
		open.at[e->stream] = ret->n;
		add(ret, &cap, &next);
	}
}

void logmerge_since(struct logmerge *m, usec_t realtime)
{
	size_t kept = 0;
	bool known = false;

	for (size_t i = 0; i < m->n; i++)
		known = known || m->v[i].realtime != 0;
	/* Without any time all may be as young. */
	if (!known)
		return;
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].realtime >= realtime)
			m->v[kept++] = m->v[i];
	m->n = kept;
}

void logmerge_tail(
	struct logmerge *m, const struct logmerge_part parts[LOG_STREAMS], uint64_t lines)
{
	size_t i = m->n;

	while (i > 0 && lines > 0) {
		struct logmerge_segment *s = &m->v[i - 1];

		s->from = logread_tail_count(parts[s->stream].r, s->from, s->to, &lines);
		i--;
	}
	memmove(m->v, m->v + i, (m->n - i) * sizeof(*m->v));
	m->n -= i;
}
