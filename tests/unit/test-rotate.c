#include "config.h"

#include "model/rotate.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "tests/unit/tap.h"

#define LINE_MAX_BYTES ROTATE_LINE_MAX

/* Feeds a stream in pieces of `piece` bytes and returns the sizes of the files as "10 10 3"; never
 * flushes before the end. */
static char *cut(const char *data, size_t n, size_t piece, uint64_t max_size)
{
	struct rotate_state s = {.max_size = max_size};
	size_t from = 0, to = 0, len = 0, cap = 4096;
	char *out = xcalloc(1, cap);

	while (from < n) {
		bool last;
		size_t k = 0;

		to = MIN(n, MAX(to, from) + piece);
		last = to == n;
		for (bool more = true; more && from < to;) {
			switch (rotate_next(&s, data + from, to - from, last, &k)) {
			case ROTATE_WRITE:
				s.size += k;
				from += k;
				s.mid_line = data[from - 1] != '\n';
				break;
			case ROTATE_NEXT:
				len += (size_t)snprintf(
					out + len, cap - len, "%ju ", (uintmax_t)s.size);
				s.size = 0;
				break;
			case ROTATE_HOLD:
				more = false;
				break;
			}
		}
	}
	(void)snprintf(out + len, cap - len, "%ju", (uintmax_t)s.size);
	return out;
}

static void check_cut(const char *data, uint64_t max_size, const char *expected, const char *what)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4096, 1000000};

	for (size_t i = tap_is_slow() ? 3 : 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_free_ char *got = cut(data, strlen(data), pieces[i], max_size);

		is_str(got, expected, "%s, in pieces of %zu", what, pieces[i]);
	}
}

static char *lines_of(size_t length, size_t count)
{
	char *s = xmalloc(length * count + 1);

	memset(s, 'x', length * count);
	for (size_t i = 1; i <= count; i++)
		s[i * length - 1] = '\n';
	s[length * count] = '\0';
	return s;
}

static void test_small_files(void)
{
	check_cut("aaaa\nbbbb\n", 10, "10", "two lines that fill a file exactly");
	check_cut("aaaa\nbbbb\ncccc\n", 10, "10 5", "a third line begins the next");
	check_cut("aaaa\nbbbbb\nc\n", 10, "5 8", "a line that does not fit goes whole to the next");
	check_cut("aaaa\nbbbbbbbbb\nc\n", 10, "5 10 2",
		"a line as long as a file has one of its own");
	check_cut("aaaa\nbbbbbbbbbb\nc\n", 10, "5 10 3",
		"a line longer than a file begins one and is split exactly at the size");
	check_cut("bbbbbbbbbbbbbbbbbbbbbbbbb\nc\n", 10, "10 10 8", "a line of several files");
	check_cut("bbbbbbbbbbbbbbbbbbb\nc\n", 10, "10 10 2",
		"its newline is the last byte that fits");
	check_cut("abc", 1, "1 1 1", "files of one byte");
	check_cut("\n\n\n", 1, "1 1 1", "files of one empty line");
	check_cut("aaaa\nbb", 10, "7", "an unfinished line at the end");
	check_cut("aaaa\nbbbbbbb", 10, "5 7", "an unfinished line at the end that does not fit");
}

static void test_large_files(void)
{
	_cleanup_free_ char *lines = lines_of(1000, 300);
	_cleanup_free_ char *long_line = lines_of(LINE_MAX_BYTES, 4);
	_cleanup_free_ char *longer = lines_of(LINE_MAX_BYTES + 1, 4);
	_cleanup_free_ char *mixed = NULL;

	check_cut(lines, 100000, "100000 100000 100000", "lines that divide the size");
	check_cut(lines, 100500, "100000 100000 100000", "lines that do not");
	/* 65536 * 1.5: the second line does not fit, is exactly as long as a line that is kept */
	check_cut(long_line, 98304, "65536 65536 65536 65536", "lines of the longest kept length");
	/* the second line begins 32767 bytes before the end: it begins a file; the same with the
	 * rest */
	check_cut(longer, 98304, "65537 65537 65537 65537",
		"a longer line that begins near the end of a file");
	mixed = xasprintf("%.1000s%.*s\n%s", lines, 100000, longer + 0, "z\n");
	mixed[1000 + 65536] = 'x';
	check_cut(mixed, 70000, "70000 31003",
		"a longer line that begins far from the end is split exactly at the size");
}

static void test_flush_and_state(void)
{
	struct rotate_state s = {.size = 4, .max_size = 10};
	size_t k = 99;

	is_int(rotate_next(&s, "abc", 3, false, &k), ROTATE_HOLD,
		"an unfinished line near the end is held");
	is_uint(k, 99, "and the count is left alone");
	is_int(rotate_next(&s, "abc", 3, true, &k), ROTATE_WRITE, "but not after a flush");
	is_uint(k, 3, "which writes all of it");
	is_int(rotate_next(&s, "abcdef", 6, false, &k), ROTATE_HOLD,
		"a line that fills the file is held too");
	is_int(rotate_next(&s, "abcdefg", 7, false, &k), ROTATE_NEXT,
		"one more byte begins the next file");
	is_int(rotate_next(&s, "abcdefg", 7, true, &k), ROTATE_NEXT, "also when flushed");
	is_int(rotate_next(&s, "abc\ndefg", 8, true, &k), ROTATE_WRITE,
		"the line before it is written first");
	is_uint(k, 4, "up to its newline");
	s.mid_line = true;
	is_int(rotate_next(&s, "abc", 3, false, &k), ROTATE_WRITE,
		"the rest of a begun line is not held");
	is_uint(k, 3, "all of it");
	is_int(rotate_next(&s, "abcdefg", 7, false, &k), ROTATE_WRITE, "and is split");
	is_uint(k, 6, "exactly at the size");
	is_int(rotate_next(&s, "ab\ncdefg", 8, false, &k), ROTATE_WRITE, "its end is written");
	is_uint(k, 3, "without the line that follows");
	s = (struct rotate_state){.size = 12, .max_size = 10, .mid_line = true};
	is_int(rotate_next(&s, "a", 1, false, &k), ROTATE_NEXT,
		"a file that is too large already is left");
}

static void test_names(void)
{
	_cleanup_free_ char *active = rotate_name("stdout.log", 0);
	_cleanup_free_ char *old = rotate_name("stdout.log", 12);

	is_str(active, "stdout.log", "the active file's name");
	is_str(old, "stdout.log.12", "an older one's");
	is_int(rotate_index("stdout.log", "stdout.log"), 0, "index of the active file");
	is_int(rotate_index("stdout.log", "stdout.log.1"), 1, "index of the newest old one");
	is_int(rotate_index("stdout.log", "stdout.log.1000"), 1000, "a large index");
	is_int(rotate_index("stdout.log", "stdout.log.2147483647"), 2147483647,
		"the largest index");
	is_int(rotate_index("stdout.log", "stdout.log.2147483648"), -1,
		"a number above it is none");
	is_int(rotate_index("stdout.log", "stdout.log.99999999999999999999"), -1,
		"nor one far above");
	is_int(rotate_index("stdout.log", "stdout.log."), -1, "no number");
	is_int(rotate_index("stdout.log", "stdout.log.0"), -1, "zero");
	is_int(rotate_index("stdout.log", "stdout.log.01"), -1, "a leading zero");
	is_int(rotate_index("stdout.log", "stdout.log.1x"), -1, "letters behind");
	is_int(rotate_index("stdout.log", "stdout.log.-1"), -1, "a sign");
	is_int(rotate_index("stdout.log", "stdout.log1"), -1, "no dot");
	is_int(rotate_index("stdout.log", "stderr.log.1"), -1, "another stream");
	is_int(rotate_index("stdout.log", "stdout"), -1, "a beginning of the name");
}

int main(void)
{
	test_small_files();
	test_large_files();
	test_flush_and_state();
	test_names();
	return done_testing();
}
