#include "config.h"

#include "run/fetchview.h"

#include "base/alloc.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define BAR_WIDTH     20
#define BAR_COLUMNS   (BAR_WIDTH + strlen(" []"))
/* How much of a name is worth more than the bar, and than the numbers. */
#define LABEL_ENOUGH ((size_t)16)
#define LABEL_LEAST  ((size_t)6)
/* Below this a rate says more about the first packets than about the line. */
#define RATE_AFTER USEC_PER_SEC

void fetchview_init(struct fetchview *v, bool wanted)
{
	const char *term = getenv("TERM");

	*v = (struct fetchview){.on = wanted && isatty(STDERR_FILENO) && !str_is_empty(term) &&
				      strcmp(term, "dumb") != 0};
}

char *fetchview_format_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	uint64_t scale = 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, size, "%" PRIu64 "B", bytes);
		return buf;
	}
	while (bytes / scale >= 1024) {
		scale *= 1024;
		unit++;
	}
	if (bytes / scale >= 100)
		(void)snprintf(buf, size, "%" PRIu64 "%c", bytes / scale, units[unit]);
	else
		(void)snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%c", bytes / scale,
			bytes % scale * 10 / scale, units[unit]);
	return buf;
}

struct sum {
	uint64_t down, total, rate; /* total 0: unknown; rate in bytes a second */
};

static struct sum add_up(const struct fetch_progress *const *progress, size_t n, usec_t now)
{
	struct sum s = {0, 0, 0};
	bool known = true;

	for (size_t i = 0; i < n; i++) {
		const struct fetch_progress *p = progress[i];
		usec_t age = usec_sub(now, p->started);
		uint64_t fresh = p->down > p->resumed ? p->down - p->resumed : 0;

		s.down += p->down;
		if (p->total == FETCH_SIZE_UNKNOWN)
			known = false;
		else
			s.total += p->total;
		if (age >= RATE_AFTER && fresh < UINT64_MAX / USEC_PER_SEC)
			s.rate += fresh * USEC_PER_SEC / age;
	}
	if (!known || s.total < s.down)
		s.total = 0;
	return s;
}

/* "52% 2.0M of 3.8M, 960K/s, 1s left" */
static void add_numbers(struct strbuf *b, const struct sum *s)
{
	char buf[32], span[CLOCK_SPAN_MAX];

	/* Both are far below 2^57, as max-size is. */
	if (s->total)
		strbuf_addf(b, " %u%%", (unsigned)(s->down * 100 / s->total));
	strbuf_addf(b, " %s", fetchview_format_bytes(s->down, buf, sizeof(buf)));
	if (s->total)
		strbuf_addf(b, " of %s", fetchview_format_bytes(s->total, buf, sizeof(buf)));
	if (s->rate)
		strbuf_addf(b, ", %s/s", fetchview_format_bytes(s->rate, buf, sizeof(buf)));
	if (s->rate && s->total > s->down) {
		usec_t left = (s->total - s->down) / s->rate * USEC_PER_SEC;

		strbuf_addf(
			b, ", %s left", left ? clock_format_span(left, span, sizeof(span)) : "0s");
	}
}

static void add_bar(struct strbuf *b, const struct sum *s)
{
	strbuf_adds(b, " [");
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		strbuf_addc(b, i * s->total < s->down * BAR_WIDTH ? '#' : ' ');
	strbuf_adds(b, "]");
}

static void add_label(struct strbuf *b, const char *label, size_t room)
{
	if (strlen(label) <= room)
		strbuf_adds(b, label);
	else
		strbuf_addf(b, "%.*s...", (int)(MAX(room, LABEL_LEAST) - strlen("...")), label);
	strbuf_addc(b, ':');
}

/* Where the line is short the name gives way to the bar, and both to the numbers. */
char *fetchview_text(const char *label, const struct fetch_progress *const *progress, size_t n,
	usec_t now, size_t width)
{
	_cleanup_strbuf_ struct strbuf numbers = STRBUF_INIT;
	struct sum s = add_up(progress, n, now);
	struct strbuf b = STRBUF_INIT;
	size_t taken;
	bool has_bar;

	add_numbers(&numbers, &s);
	taken = numbers.len + strlen(":");
	has_bar = s.total && taken + BAR_COLUMNS + MIN(strlen(label), LABEL_ENOUGH) <= width;
	if (has_bar)
		taken += BAR_COLUMNS;
	add_label(&b, label, width > taken ? width - taken : 0);
	if (has_bar)
		add_bar(&b, &s);
	strbuf_adds(&b, numbers.s);
	if (b.len > width) {
		b.len = width;
		b.s[width] = '\0';
	}
	return strbuf_steal(&b);
}

void fetchview_draw(struct fetchview *v, const char *label,
	const struct fetch_progress *const *progress, size_t n)
{
	struct winsize size = {.ws_col = 0};
	usec_t now = clock_monotonic_usec();
	_cleanup_free_ char *text = NULL, *shown = NULL;

	if (!v->on || n == 0 || usec_sub(now, v->last) < FETCHVIEW_USEC)
		return;
	v->last = now;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		size.ws_col = WIDTH_DEFAULT;
	text = fetchview_text(label, progress, n, now, (size_t)size.ws_col - 1);
	shown = str_escape(text, 0);
	fprintf(stderr, "\r%s\033[K", shown);
	(void)fflush(stderr);
	v->drawn = true;
}

void fetchview_clear(struct fetchview *v)
{
	if (!v->drawn)
		return;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	v->drawn = false;
	v->last = 0;
}
