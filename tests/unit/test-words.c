#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/words.h"

#include "tests/unit/tap.h"

#include <errno.h>

static const struct {
	const char *s;
	const char *words[6];
} good[] = {
	{"", {NULL}},
	{"  \t ", {NULL}},
	{"true", {"true"}},
	{"  a  b\tc ", {"a", "b", "c"}},
	{"echo 'a b'", {"echo", "a b"}},
	{"echo 'a\\b\"$x`|'", {"echo", "a\\b\"$x`|"}},
	{"echo \"a b\"", {"echo", "a b"}},
	{"\"\\\"\\\\\\$\\`\"", {"\"\\$`"}},
	{"\"a\\nb\"", {"a\\nb"}}, /* in double quotes other backslashes stay */
	{"\"|&;<>()'\"", {"|&;<>()'"}},
	{"a\\ b", {"a b"}},
	{"\\a\\|\\$\\'", {"a|$'"}},
	{"a'b'\"c\"d", {"abcd"}},
	{"'' \"\" x", {"", "", "x"}},
	{"a''", {"a"}},
	{"a\\\nb", {"ab"}}, /* a line continued */
	{"a \\\n b", {"a", "b"}},
	{"\"a\\\nb\"", {"ab"}},
	{"'a\\\nb'", {"a\\\nb"}},
	{"a\nb", {"a", "b"}},
	{"ls *.c [a-z] ?x ~ #no -- {a,b} a=b !x", {"ls", "*.c", "[a-z]", "?x", "~", "#no"}},
	{"\xff \xc3\xa9", {"\xff", "\xc3\xa9"}},
	{"/bin/sh -c 'a | b; c > d'", {"/bin/sh", "-c", "a | b; c > d"}},
};

static const struct {
	const char *s;
	const char *text;
} bad[] = {
	{"a | b", "column 3: '|' is for a shell, and none is run: "
		  "quote it, or write command = /bin/sh -c '...'"},
	{"|", "column 1: '|' is for a shell"},
	{"a b&", "column 4: '&' is for a shell"},
	{"a;b", "column 2: ';' is for a shell"},
	{"a <b", "column 3: '<' is for a shell"},
	{"a 2>b", "column 4: '>' is for a shell"},
	{"echo $HOME", "column 6: '$' is for a shell"},
	{"echo `id`", "column 6: '`' is for a shell"},
	{"(a)", "column 1: '(' is for a shell"},
	{"a)", "column 2: ')' is for a shell"},
	{"'' '|' x|", "column 9: '|' is for a shell"},
	{"echo \"a $HOME\"", "column 9: '$' in double quotes is for a shell, and none is run: "
			     "quote it, or write command = /bin/sh -c '...'"},
	{"\"`\"", "column 2: '`' in double quotes is for a shell"},
	{"echo 'it", "column 6: the single quote is never closed"},
	{"echo \"it", "column 6: the double quote is never closed"},
	{"echo \"it\\\"", "column 6: the double quote is never closed"},
	{"echo 'a' x\"", "column 11: the double quote is never closed"},
	{"\"", "column 1: the double quote is never closed"},
	{"'", "column 1: the single quote is never closed"},
	{"a \\", "column 3: nothing follows the backslash"},
	{"\"\\", "column 1: the double quote is never closed"},
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_strv_ struct strv got = STRV_INIT;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *shown = str_escape(good[i].s, 0);

		is_int(words_split(good[i].s, &got, &err), 0, "split: %s", shown);
		ok(!err_is_set(&err), "no error");
		for (size_t j = 0; j < ARRAY_SIZE(good[i].words) && good[i].words[j]; j++)
			is_str(j < got.n ? got.v[j] : NULL, good[i].words[j], "word %zu", j);
		if (!good[i].words[ARRAY_SIZE(good[i].words) - 1])
			ok(!got.n || !good[i].words[got.n], "and no more");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_strv_ struct strv got = STRV_INIT;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		strv_add(&got, "before");
		is_int(words_split(bad[i].s, &got, &err), -EINVAL, "refused: %s", bad[i].s);
		is_int(err.status, EXIT_CONFIG, "as bad configuration");
		ok(str_starts_with(err_text(&err), bad[i].text), "text: %s", err_text(&err));
		is_uint(got.n, 1, "nothing was added");
		is_int(words_split(bad[i].s, &got, NULL), -EINVAL,
			"without a place for the text too");
	}
	{
		_cleanup_strv_ struct strv got = STRV_INIT;

		strv_add(&got, "first");
		is_int(words_split("second third", &got, NULL), 0, "words are appended");
		is_uint(got.n, 3, "to those before");
		is_str(got.v[2], "third", "in order");
	}
	return done_testing();
}
