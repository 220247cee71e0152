#include "config.h"

#include "cmd/stats_watch.h"

#include "base/alloc.h"
#include "base/bars.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/loop.h"
#include "run/fetchview.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The other screen of the terminal, so that what was there is there again afterwards; no cursor,
 * and no wrapping of long lines (xterm's control sequences, DECSET 1049, 25 and 7). */
#define SCREEN_ENTER "\033[?1049h\033[?25l\033[?7l"
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define SCREEN_BEGIN "\033[H"	/* the upper left corner */
#define LINE_END     "\033[K\n" /* nothing of the last picture behind it */
#define SCREEN_END   "\033[J"

struct history {
	char *name;
	unsigned run_number;
	double cpu[STATS_HISTORY], memory[STATS_HISTORY]; /* below 0: not there */
	bool seen;
};

struct watch {
	const struct stats_watch_spec *spec;
	struct loop *loop;
	struct loop_timer timer;
	struct loop_fd input;
	struct stats_rows rows; /* of the last interval */
	struct history *histories;
	size_t n_histories;
	struct termios before;
	bool entered, quit;
	int signal;
	struct th_err *err;
	int failed;
};

/* ---- the terminal ---- */

static void enter_screen(struct watch *w)
{
	struct termios raw = w->before;

	if (w->entered)
		return;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	(void)fd_write_all(STDOUT_FILENO, SCREEN_ENTER, strlen(SCREEN_ENTER));
	w->entered = true;
}

static void leave_screen(struct watch *w)
{
	if (!w->entered)
		return;
	(void)fd_write_all(STDOUT_FILENO, SCREEN_LEAVE, strlen(SCREEN_LEAVE));
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &w->before);
	w->entered = false;
}

static void get_size(size_t *ret_rows, size_t *ret_columns)
{
	struct winsize size = {.ws_row = 0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
		size.ws_row = 24;
		size.ws_col = 80;
	}
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

/* ---- what there was ---- */

static struct history *history_of(struct watch *w, const struct stats_row *row)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", row->view.group, row->view.id);
	unsigned number = task_view_run_number(&row->view);
	struct history *h;

	for (size_t i = 0; i < w->n_histories; i++)
		if (w->histories[i].run_number == number && strcmp(w->histories[i].name, name) == 0)
			return &w->histories[i];
	w->histories = xreallocarray(w->histories, w->n_histories + 1, sizeof(*w->histories));
	h = &w->histories[w->n_histories++];
	*h = (struct history){.name = TAKE_PTR(name), .run_number = number};
	for (size_t i = 0; i < STATS_HISTORY; i++)
		h->cpu[i] = h->memory[i] = -1;
	return h;
}

static void add_value(double *values, double value)
{
	memmove(values, values + 1, (STATS_HISTORY - 1) * sizeof(*values));
	values[STATS_HISTORY - 1] = value;
}

static void take_history(struct watch *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_histories; i++)
		w->histories[i].seen = false;
	for (size_t i = 0; i < w->rows.n; i++) {
		const struct stats_row *row = &w->rows.v[i];
		struct history *h = history_of(w, row);

		h->seen = true;
		add_value(h->cpu, row->cpu_percent);
		add_value(
			h->memory, row->stats.has_current ? (double)row->stats.memory_current : -1);
	}
	for (size_t i = 0; i < w->n_histories; i++) {
		if (w->histories[i].seen)
			w->histories[n++] = w->histories[i];
		else
			free(w->histories[i].name);
	}
	w->n_histories = n;
}

/* ---- the picture ---- */

static int by_cpu(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;
	int r;

	if (x->cpu_percent > y->cpu_percent || x->cpu_percent < y->cpu_percent)
		return x->cpu_percent > y->cpu_percent ? -1 : 1;
	r = strcmp(x->view.group, y->view.group);
	return r ? r : strcmp(x->view.id, y->view.id);
}

static double most(const double *values)
{
	double m = 0;

	for (size_t i = 0; i < STATS_HISTORY; i++)
		m = MAX(m, values[i]);
	return m;
}

static void add_bars(struct watch *w, struct strbuf *b, const struct stats_row *row, size_t columns)
{
	struct history *h = history_of(w, row);
	double cpu = most(h->cpu), memory = most(h->memory);
	/* A name, two labels and two figures stand beside the two lines. */
	size_t n = columns > 80 ? MIN((columns - 50) / 2, (size_t)STATS_HISTORY) : 15;
	char buf[32];

	strbuf_addf(b, "%-20.20s  cpu |", h->name);
	/* Of a whole CPU at least, so that nothing looks like much. */
	bars_add(b, h->cpu + STATS_HISTORY - n, n, MAX(cpu, 100.0), w->spec->unicode);
	strbuf_addf(b, "| %.0f%%  mem |", MAX(cpu, 100.0));
	bars_add(b, h->memory + STATS_HISTORY - n, n, memory, w->spec->unicode);
	strbuf_addf(b, "| %s\n", fetchview_format_bytes((uint64_t)memory, buf, sizeof(buf)));
}

/* All of it as text, a line a row of the terminal. */
static char *make_text(struct watch *w, size_t columns)
{
	char span[CLOCK_SPAN_MAX], now[CLOCK_RFC3339_MAX];
	struct strbuf b = STRBUF_INIT;
	char *table = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&table, &size);

	strbuf_addf(&b, "%s  %zu %s, every %s, q quits\n\n",
		clock_rfc3339(clock_realtime_usec(), now, sizeof(now)), w->rows.n,
		w->rows.n == 1 ? "task" : "tasks",
		clock_format_span(w->spec->interval_usec, span, sizeof(span)));
	if (f) {
		stats_rows_print(&w->rows, f);
		if (fclose(f) == 0)
			strbuf_adds(&b, table);
		free(table);
	}
	strbuf_addc(&b, '\n');
	for (size_t i = 0; i < w->rows.n; i++)
		add_bars(w, &b, &w->rows.v[i], columns);
	return strbuf_steal(&b);
}

static void draw(struct watch *w)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	size_t rows, columns;
	const char *line;

	get_size(&rows, &columns);
	text = make_text(w, columns);
	strbuf_adds(&out, SCREEN_BEGIN);
	line = text;
	/* The terminal cuts what is too wide. The last row stays free, for a newline there scrolls.
	 */
	for (size_t i = 0; *line && i + 1 < rows; i++) {
		size_t n = strcspn(line, "\n");

		strbuf_add(&out, line, n);
		strbuf_adds(&out, LINE_END);
		line += n + (line[n] == '\n');
	}
	strbuf_adds(&out, SCREEN_END);
	if (fd_write_all(STDOUT_FILENO, out.s, out.len) < 0)
		w->quit = true;
}

static void on_timer(void *arg)
{
	struct watch *w = arg;
	struct stats_rows now = {0};
	usec_t next = usec_add(clock_monotonic_usec(), w->spec->interval_usec);
	int r = stats_rows_read(w->spec->layout, w->spec->names, &now, w->err);

	if (r < 0) {
		w->failed = r;
		return;
	}
	stats_rows_compare(&w->rows, &now);
	stats_rows_done(&w->rows);
	w->rows = now;
	if (w->rows.n)
		qsort(w->rows.v, w->rows.n, sizeof(*w->rows.v), by_cpu);
	take_history(w);
	draw(w);
	loop_set_timer(w->loop, &w->timer, next, on_timer, w);
}

/* ---- what comes in ---- */

static void on_input(void *arg, uint32_t events)
{
	struct watch *w = arg;
	char buf[64];
	ssize_t n = events & EPOLLIN ? read(STDIN_FILENO, buf, sizeof(buf)) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The terminal is gone. */
	if (n <= 0)
		w->quit = true;
	for (ssize_t i = 0; i < n; i++)
		w->quit |= buf[i] == 'q' || buf[i] == 'Q';
}

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	struct watch *w = arg;

	switch (si->ssi_signo) {
	case SIGWINCH:
		draw(w);
		break;
	case SIGTSTP:
		/* As a shell expects of a job that stops, with the terminal as it was. */
		leave_screen(w);
		(void)raise(SIGSTOP);
		enter_screen(w);
		draw(w);
		break;
	default:
		w->signal = (int)si->ssi_signo;
		break;
	}
}

static int watch_signals(struct watch *w)
{
	static const int signals[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGALRM, SIGUSR1, SIGUSR2};
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&mask, signals[i]);
	return loop_watch_signals(w->loop, &mask, on_signal, w);
}

int stats_watch(const struct stats_watch_spec *spec, struct th_err *err)
{
	struct watch w = {.spec = spec, .err = err};
	int r;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
		tcgetattr(STDIN_FILENO, &w.before) < 0)
		return err_set(err, EXIT_USAGE, ENOTTY,
			"--watch needs a terminal: without it the figures are printed once");
	w.loop = loop_new();
	if (!w.loop)
		return err_set(err, EXIT_INTERNAL, errno, "cannot wait for events: %m");
	r = watch_signals(&w);
	if (r >= 0)
		r = loop_add_fd(w.loop, &w.input, STDIN_FILENO, EPOLLIN, on_input, &w);
	if (r < 0)
		(void)err_set(err, EXIT_INTERNAL, -r, "cannot wait for events: %s", strerror(-r));
	else
		enter_screen(&w);
	if (r >= 0)
		on_timer(&w);
	while (r >= 0 && !w.quit && !w.signal && !w.failed)
		r = loop_run(w.loop, USEC_INFINITY);
	leave_screen(&w);
	stats_rows_done(&w.rows);
	for (size_t i = 0; i < w.n_histories; i++)
		free(w.histories[i].name);
	free(w.histories);
	loop_clear_timer(w.loop, &w.timer);
	if (w.input.active)
		loop_remove_fd(w.loop, &w.input);
	w.loop = loop_free(w.loop);
	if (r < 0 || w.failed < 0)
		return r < 0 ? r : w.failed;
	return w.signal;
}
