#include "config.h"

#include "cmd/table.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"

#include <stdlib.h>

static char *print(const struct table *t)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return xstrdup("");
	table_print(t, f);
	(void)fclose(f);
	return text;
}

static void take_all(struct table *t, const char *const *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_take(t, xstrdup(cells[i]));
}

int main(void)
{
	static const char *const head[] = {"NAME", "N", "WHY"};
	static const char *const cells[] = {"a", "1", "because", "a long name", "12345", "",
		"\u00e4\u00f6", "", "", "", "", ""};
	struct table t = table_new(head, ARRAY_SIZE(head), 1U << 1);
	_cleanup_free_ char *empty = print(&t), *full = NULL;

	is_str(empty, "NAME  N  WHY\n", "a head alone");
	take_all(&t, cells, ARRAY_SIZE(cells));
	full = print(&t);
	is_str(full,
		"NAME             N  WHY\n"
		"a                1  because\n"
		"a long name  12345\n"
		"\u00e4\u00f6\n"
		"\n",
		"columns as wide as their widest cell, numbers at their right end, no blanks at "
		"the "
		"end");
	table_done(&t);
	return done_testing();
}
