#include "config.h"

#include "base/macro.h"
#include "base/str.h"
#include "verify/regex.h"

#include "tests/unit/tap.h"

#include <errno.h>

/* 1, 0, or -1 for a pattern that is refused; as Go 1.19 has it. */
static void test_match(void)
{
	static const struct {
		const char *pattern, *text;
		int rc;
	} cases[] = {
		{"", "", 1},
		{"", "abc", 1},
		{"b", "abc", 1},
		{"d", "abc", 0},
		{"^b", "abc", 0},
		{"^abc$", "abc", 1},
		{"a.c", "a\nc", 0},
		{"(?s)a.c", "a\nc", 1},
		{"^b", "a\nb", 0},
		{"(?m)^b$", "a\nb\nc", 1},
		{"\\Aa", "a", 1},
		{"a\\z", "a\n", 0},
		{"a|b|", "c", 1},
		{"^(ab|cd)+$", "abcdab", 1},
		{"^(ab|cd)+$", "abc", 0},
		{"^a*$", "", 1},
		{"^a+$", "", 0},
		{"^a?b$", "b", 1},
		{"^a{2,3}$", "aaa", 1},
		{"^a{2,3}$", "aaaa", 0},
		{"^a{2,}$", "aaaa", 1},
		{"^a{2}$", "aaa", 0},
		{"a{,2}", "a{,2}", 1},
		{"a{x}", "a{x}", 1},
		{"^a{0}$", "", 1},
		{"a*?b", "aab", 1},
		{"^(a*)*$", "aaab", 0},
		{"^(|a)+$", "aa", 1},
		{"[abc]", "xbx", 1},
		{"^[^abc]$", "b", 0},
		{"^[a-c-]+$", "a-c", 1},
		{"^[]a]+$", "]a", 1},
		{"^[^]a]$", "]", 0},
		{"^[\\d_]+$", "1_2", 1},
		{"^[\\D]$", "1", 0},
		{"^[[:alpha:]]+$", "aZ", 1},
		{"^[[:^digit:]]$", "1", 0},
		{"^[\\]\\-]+$", "]-", 1},
		{"^\\d+\\s\\w+$", "12 a_1", 1},
		{"^\\S\\W\\D$", "a-b", 1},
		{"\\bfoo\\b", "a foo b", 1},
		{"\\bfoo\\b", "afoo", 0},
		{"\\Boo", "foo", 1},
		{"^\\x41\\x{e9}\\101$",
			"A\xc3\xa9"
			"A",
			1},
		{"^\\.\\*\\_$", ".*_", 1},
		{"\\n\\t\\a\\f\\r\\v", "\n\t\a\f\r\v", 1},
		{"^.$", "\xc3\xa9", 1},
		{"^.$", "\xff", 1},
		{"^..$", "\xc3\x28", 1},
		{"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", 1},
		{"(?i)ABC", "xabcx", 1},
		{"(?i)[a-c]Z", "BZ", 1},
		{"(?i)[^a]", "A", 0},
		{"(?i:a)b", "Ab", 1},
		{"(?i:a)b", "AB", 0},
		{"(?i)a(?-i)b", "AB", 0},
		{"(?:a(?i)b)c", "aBC", 0},
		{"(?P<name>a)(?<other>b)", "ab", 1},
		{"\\Qa.b\\E+", "a.bb", 1},
		{"\\Qa.b", "axb", 0},
		{"(", "", -1},
		{")", "", -1},
		{"(a", "", -1},
		{"a)", "", -1},
		{"[a", "", -1},
		{"[]", "", -1},
		{"[b-a]", "", -1},
		{"[[:foo:]]", "", -1},
		{"[a-\\d]", "", -1},
		{"*", "", -1},
		{"a**", "", -1},
		{"a{2}{3}", "", -1},
		{"a{2,1}", "", -1},
		{"a{1001}", "", -1},
		{"{2}", "", -1},
		{"(?i)*", "", -1},
		{"(?x)a", "", -1},
		{"(?=a)", "", -1},
		{"(?P<>a)", "", -1},
		{"\\", "", -1},
		{"\\1", "", -1},
		{"\\8", "", -1},
		{"\\q", "", -1},
		{"\\xg", "", -1},
		{"\\x{110000}", "", -1},
		{"\\pL", "", -1},
		{"\\C", "", -1},
		{"(a)\\1", "", -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_regex_ struct regex *regex = NULL;
		int64_t steps = 100000;
		int rc = regex_compile(cases[i].pattern, strlen(cases[i].pattern), &regex, &err);

		if (rc == 0)
			rc = regex_match(regex, cases[i].text, strlen(cases[i].text), &steps);
		is_int(rc < 0 ? -1 : rc, cases[i].rc, "'%s' on '%s'", cases[i].pattern,
			cases[i].text);
		ok((cases[i].rc < 0) == err_is_set(&err), "'%s': an error has a text",
			cases[i].pattern);
	}
}

static void test_limits(void)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, pattern = STRBUF_INIT;
	_cleanup_regex_ struct regex *regex = NULL, *other = NULL;
	int64_t steps = 50000000;

	/* The dread of engines that try one alternative after the other. */
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&text, 'a');
	is_int(regex_compile("^(a+)+(a|aa)*b$", 15, &regex, NULL), 0, "an evil pattern");
	is_int(regex_match(regex, text.s, text.len, &steps), 0, "is no match in a long text");
	ok(steps > 40000000, "in few steps");
	steps = 1000;
	is_int(regex_match(regex, text.s, text.len, &steps), -E2BIG, "the steps are bounded");

	is_int(regex_compile("((a{100}){100}){100}", 20, &other, NULL), -E2BIG,
		"repeats in repeats");
	for (int i = 0; i < 1000; i++)
		strbuf_addc(&pattern, '(');
	is_int(regex_compile(pattern.s, pattern.len, &other, NULL), -E2BIG, "many brackets");
	for (int i = 0; i < 4000; i++)
		strbuf_addc(&pattern, '(');
	is_int(regex_compile(pattern.s, pattern.len, &other, NULL), -E2BIG, "a long pattern");
}

int main(void)
{
	test_match();
	test_limits();
	return done_testing();
}
