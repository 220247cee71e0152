#include "config.h"

#include "run/logmerge.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/str.h"
#include "run/logfile.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

static struct logfile *files[LOG_STREAMS];
static struct logindex *noted;
static int dir = -1;

static void begin(const char *name, uint64_t max_size)
{
	struct th_err err = TH_ERR_INIT;

	tempdir_mkdir(name);
	dir = open(tempdir_path("%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < LOG_STREAMS; i++)
		if (logfile_open(dir, logruns_streams[i], max_size, 100, &files[i], &err) < 0)
			bail("%s", err_text(&err));
	noted = logindex_new(dir);
}

static void end(void)
{
	for (size_t i = 0; i < LOG_STREAMS; i++)
		files[i] = logfile_close(files[i]);
	noted = logindex_free(noted);
	dir = fd_close(dir);
}

static void put_at(enum log_stream stream, const char *text, usec_t monotonic)
{
	struct logplace place;

	logfile_place(files[stream], &place);
	if (logindex_is_due(noted, stream, monotonic))
		logindex_note(noted, stream, &place, monotonic);
	(void)logfile_write(files[stream], text, strlen(text), true);
}

static void put(enum log_stream stream, const char *text)
{
	put_at(stream, text, 1);
}

/* "o:text|e:text|": the segments, as they would be shown. */
static char *merged(uint64_t from, uint64_t lines)
{
	struct logmerge_part parts[LOG_STREAMS] = {{.r = NULL}};
	_cleanup_logindex_list_ struct logindex_list index = {0};
	_cleanup_logmerge_ struct logmerge m = {0};
	struct strbuf b = STRBUF_INIT;
	struct th_err err = TH_ERR_INIT;

	for (size_t i = 0; i < LOG_STREAMS; i++) {
		if (logread_open(dir, logruns_streams[i], &parts[i].r, &err) < 0)
			bail("%s", err_text(&err));
		parts[i].from = i == LOG_STDOUT ? from : 0;
		parts[i].to = logread_size(parts[i].r);
	}
	if (logindex_read(dir, &index, &err) < 0)
		bail("%s", err_text(&err));
	logmerge_make(parts, &index, &m);
	if (lines != UINT64_MAX)
		logmerge_tail(&m, parts, lines);
	for (size_t i = 0; i < m.n; i++) {
		const struct logmerge_segment *s = &m.v[i];
		_cleanup_free_ char *text = xmalloc(s->to - s->from + 1);
		size_t n = 0;

		while (n < s->to - s->from) {
			ssize_t got = logread_read(
				parts[s->stream].r, s->from + n, text + n, s->to - s->from - n);

			if (got <= 0)
				break;
			n += (size_t)got;
		}
		text[n] = '\0';
		if (n)
			strbuf_addf(&b, "%c:%s|", s->stream == LOG_STDOUT ? 'o' : 'e', text);
	}
	for (size_t i = 0; i < LOG_STREAMS; i++)
		logread_free(parts[i].r);
	return strbuf_steal(&b);
}

static void check(uint64_t from, uint64_t lines, const char *expected, const char *what)
{
	_cleanup_free_ char *got = merged(from, lines);

	is_str(got, expected, "%s", what);
}

int main(void)
{
	tempdir_make();
	logdir_catch_messages();

	begin("turns", 1000000);
	check(0, UINT64_MAX, "", "nothing");
	put(LOG_STDERR, "a\n");
	put(LOG_STDOUT, "b\n");
	put(LOG_STDOUT, "c\n");
	put(LOG_STDERR, "d\n");
	check(0, UINT64_MAX, "e:a\n|o:b\nc\n|e:d\n|", "in turns");
	check(2, UINT64_MAX, "o:c\n|e:a\n|e:d\n|", "a part of it: its first is where it begins");
	check(0, 2, "o:c\n|e:d\n|", "the last lines of all");
	check(0, 0, "", "none of them");
	check(0, 100, "e:a\n|o:b\nc\n|e:d\n|", "more than there are");
	end();

	begin("pieces", 1000000);
	put(LOG_STDOUT, "one ");
	put(LOG_STDERR, "two\n");
	put(LOG_STDOUT, "line\nnext\n");
	put(LOG_STDERR, "unfinished");
	put(LOG_STDOUT, "last\n");
	check(0, UINT64_MAX, "o:one line\n|e:two\n|o:next\n|e:unfinished|o:last\n|",
		"a line stays whole, where it began");
	end();

	begin("rotated", 8);
	put(LOG_STDOUT, "1234567\n");
	put(LOG_STDERR, "a\n");
	put(LOG_STDOUT, "2345678\n3456789\n");
	put(LOG_STDERR, "b\n");
	put(LOG_STDOUT, "4567890\n");
	check(0, UINT64_MAX, "o:1234567\n|e:a\n|o:2345678\n3456789\n|e:b\n|o:4567890\n|",
		"a rotation changes nothing");
	end();

	begin("alone", 1000000);
	put_at(LOG_STDOUT, "a\n", 1);
	put_at(LOG_STDOUT, "b\n", 2);
	put_at(LOG_STDOUT, "c\n", 1 + LOGINDEX_EVERY_USEC);

	check(0, UINT64_MAX, "o:a\nb\n|o:c\n|", "alone: a line for each tenth of a second");
	end();
	return done_testing();
}
