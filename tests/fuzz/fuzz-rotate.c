/*
 * Rotation of a stream. Bytes 0 to 2 give the size of a file and what is in it, byte 3 a number of
 * pieces; their sizes and the stream follow. A stream byte above 127 stands for 512 times as many
 * letters, so that short inputs make long lines. What holds for every stream: no file is larger
 * than the size, a short line that was not flushed stands whole in one file, and where the stream
 * is cut does not depend on its pieces.
 */

#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "model/rotate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct cuts {
	size_t *at; /* offsets in the stream where a file begins */
	size_t n, cap;
};

static void add_cut(struct cuts *c, size_t at)
{
	if (c->n == c->cap) {
		c->cap = MAX(c->cap * 2, (size_t)16);
		c->at = xreallocarray(c->at, c->cap, sizeof(*c->at));
	}
	c->at[c->n++] = at;
}

/* piece_of() gives the length of the next piece and whether to flush it. */
static void run(const char *p, size_t n, struct rotate_state s, const uint8_t *pieces,
	size_t n_pieces, bool flushes, struct cuts *ret)
{
	size_t from = 0, to = 0, next_piece = 0;

	while (from < n) {
		uint8_t piece = n_pieces ? pieces[next_piece++ % n_pieces] : 255;
		bool flush, next = false;

		to = MIN(n, to + 1 + n / 2000 + (piece < 128 ? piece : (size_t)piece << 8));
		flush = to == n || (flushes && (piece & 7) == 7);
		while (from < to) {
			size_t k = 0;
			enum rotate_action action = rotate_next(&s, p + from, to - from, flush, &k);

			if (action == ROTATE_HOLD) {
				CHECK(!flush && to - from < ROTATE_LINE_MAX);
				break;
			}
			if (action == ROTATE_NEXT) {
				CHECK(!next && s.size > 0);
				next = true;
				add_cut(ret, from);
				s.size = 0;
				continue;
			}
			next = false;
			CHECK(k > 0 && k <= to - from);
			s.size += k;
			CHECK(s.size <= s.max_size);
			from += k;
			s.mid_line = p[from - 1] != '\n';
		}
	}
}

static char *expand(const uint8_t *data, size_t size, size_t *ret_n)
{
	size_t n = 0;
	char *s;

	for (size_t i = 0; i < size; i++)
		n += data[i] > 127 ? (size_t)(data[i] - 127) * 512 : 1;
	s = xmalloc(n + 1);
	n = 0;
	for (size_t i = 0; i < size; i++)
		if (data[i] > 127) {
			memset(s + n, 'x', (size_t)(data[i] - 127) * 512);
			n += (size_t)(data[i] - 127) * 512;
		} else {
			s[n++] = (char)data[i];
		}
	*ret_n = n;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *p = NULL;
	struct rotate_state s = {0};
	struct cuts whole = {0}, pieces = {0}, flushed = {0};
	size_t n_pieces, n;

	if (size < 8 || size > 2048)
		return 0;
	/* Some files above and some below ROTATE_LINE_MAX. */
	s.max_size = 1 + (((uint64_t)data[0] | (uint64_t)data[1] << 8) << (data[2] & 3));
	s.mid_line = data[2] & 4;
	if (data[2] & 8)
		s.size = s.max_size / 2;
	n_pieces = MIN((size_t)data[3], size - 4);
	p = expand(data + 4 + n_pieces, size - 4 - n_pieces, &n);
	/* Longer ones only cost time: a step for each file, and a look at 64 KiB for each piece. */
	if (n > 300000 || n / s.max_size > 2000)
		return 0;

	run(p, n, s, NULL, 0, false, &whole);
	run(p, n, s, data + 4, n_pieces, false, &pieces);
	run(p, n, s, data + 4, n_pieces, true, &flushed);
	CHECK(whole.n == pieces.n);
	CHECK(whole.n == 0 || memcmp(whole.at, pieces.at, whole.n * sizeof(*whole.at)) == 0);
	for (size_t i = 0; i < whole.n; i++) {
		size_t at = whole.at[i], begin = at, end = at;

		/* A line is cut only if it is longer than what is kept whole, or had begun before.
		 */
		while (begin > 0 && p[begin - 1] != '\n')
			begin--;
		while (end < n && p[end] != '\n')
			end++;
		if (begin == at || (begin == 0 && s.mid_line))
			continue;
		CHECK(end - begin + 1 > MIN((uint64_t)ROTATE_LINE_MAX, s.max_size));
	}
	free(whole.at);
	free(pieces.at);
	free(flushed.at);
	return 0;
}
