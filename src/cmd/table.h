#ifndef TH_CMD_TABLE_H
#define TH_CMD_TABLE_H

/*
 * Rows of text in columns, as wide as their widest cell. No line ends in blanks.
 *
 *	struct table t = table_new(names, ARRAY_SIZE(names), 1u << 2);
 *	table_take(&t, xstrdup("shop/web"));	(cell after cell, row after row)
 *	table_print(&t, stdout);
 *	table_done(&t);
 */

#include "base/macro.h"
#include "base/str.h"

#include <stdio.h>

struct table {
	size_t columns;	   /* at most 32 */
	unsigned at_right; /* bit 1 << COLUMN for each that is aligned at its right end */
	struct strv cells; /* the head first */
};

/* `names` are the head; copied. */
struct table table_new(const char *const *names, size_t n, unsigned at_right);
void table_done(struct table *t);
#define _cleanup_table_ _cleanup_(table_done)

/* The next cell; taken. Its width is that of its bytes but for those that continue a character of
 * UTF-8. */
void table_take(struct table *t, char *cell);
void table_print(const struct table *t, FILE *out);

#endif
