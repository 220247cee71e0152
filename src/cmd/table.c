#include "config.h"

#include "cmd/table.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

#define COLUMNS_MAX 32

struct table table_new(const char *const *names, size_t n, unsigned at_right)
{
	struct table t = {.columns = n, .at_right = at_right};

	assert(n > 0 && n <= COLUMNS_MAX);
	for (size_t i = 0; i < n; i++)
		strv_add(&t.cells, names[i]);
	return t;
}

void table_done(struct table *t)
{
	strv_done(&t->cells);
}

void table_take(struct table *t, char *cell)
{
	strv_take(&t->cells, cell);
}

static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_row(const struct table *t, char *const *row, const size_t *width, FILE *out)
{
	size_t last = t->columns, owed = 0;

	while (last > 0 && !*row[last - 1])
		last--;
	for (size_t i = 0; i < last; i++) {
		size_t fill = width[i] - width_of(row[i]);
		bool right = t->at_right & (1U << i);

		(void)fprintf(out, "%*s%s", (int)(owed + (right ? fill : 0)), "", row[i]);
		owed = 2 + (right ? 0 : fill);
	}
	(void)fputc('\n', out);
}

void table_print(const struct table *t, FILE *out)
{
	size_t width[COLUMNS_MAX] = {0}, rows = t->cells.n / t->columns;

	for (size_t i = 0; i < rows * t->columns; i++)
		width[i % t->columns] = MAX(width[i % t->columns], width_of(t->cells.v[i]));
	for (size_t i = 0; i < rows; i++)
		print_row(t, t->cells.v + i * t->columns, width, out);
}
