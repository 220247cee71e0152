#include "config.h"

#include "base/alloc.h"
#include "base/str.h"

#include "tests/unit/tap.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_strbuf(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *stolen = NULL;
	_cleanup_free_ char *empty = NULL;

	is_str(strbuf_str(&b), "", "an empty buffer reads as an empty string");
	empty = strbuf_steal(&b);
	is_str(empty, "", "stealing from an empty buffer gives an empty string");
	strbuf_adds(&b, "ab");
	strbuf_addc(&b, 'c');
	strbuf_addf(&b, "-%d-%s", 42, "x");
	strbuf_add(&b, "yz!", 2);
	is_str(b.s, "abc-42-xyz", "pieces are joined");
	is_uint(b.len, 10, "the length is kept");
	strbuf_reset(&b);
	is_str(strbuf_str(&b), "", "reset empties");
	for (int i = 0; i < 10000; i++)
		strbuf_addf(&b, "%04d", i);
	is_uint(b.len, 40000, "it grows");
	is_mem(b.s + 39996, "9999", 5, "the end is there, with its NUL");
	strbuf_reset(&b);
	strbuf_add(&b, "a\0b", 3);
	is_uint(b.len, 3, "a NUL is a byte like others");
	is_mem(b.s, "a\0b", 4, "and is kept");
	stolen = strbuf_steal(&b);
	ok(stolen && !b.s && b.len == 0, "a stolen buffer is empty again");
}

static void test_strv(void)
{
	_cleanup_strv_ struct strv a = STRV_INIT;
	_cleanup_strv_ struct strv b = STRV_INIT;
	char **v;

	ok(!a.v && !a.n, "a vector starts without memory");
	v = strv_null_terminated(&a);
	ok(v && !v[0], "and can be had as an empty argv");
	strv_add(&a, "one");
	strv_take(&a, xstrdup("two"));
	strv_addf(&a, "%s%d", "three", 3);
	is_uint(a.n, 3, "three were added");
	ok(!a.v[3], "a NULL closes it");
	is_str(a.v[2], "three3", "addf formats");
	ok(strv_contains(&a, "two") && !strv_contains(&a, "tw"), "contains compares whole words");
	strv_add(&b, "zero");
	strv_copy(&b, &a);
	is_uint(b.n, 4, "copy appends");
	strv_copy(&b, &b);
	is_uint(b.n, 8, "a vector can be appended to itself");
	is_str(b.v[7], "three3", "with all of it");
	strv_clear(&a);
	ok(a.n == 0 && a.v && !a.v[0], "clear leaves an empty argv");
	for (int i = 0; i < 1000; i++)
		strv_addf(&a, "%d", i);
	is_str(a.v[999], "999", "it grows");
}

static void test_env(void)
{
	_cleanup_strv_ struct strv env = STRV_INIT;
	char name[300];

	env_set(&env, "A", "1");
	env_set(&env, "AB", "2");
	env_set(&env, "C", "");
	is_str(env_get(&env, "A"), "1", "a name that begins another is told apart");
	is_str(env_get(&env, "AB"), "2", "and so is the longer one");
	is_str(env_get(&env, "C"), "", "an empty value is a value");
	is_str(env_get(&env, "D"), NULL, "no value");
	env_set(&env, "A", "x=y");
	is_str(env_get(&env, "A"), "x=y", "set replaces, and a value may hold '='");
	is_uint(env.n, 3, "in place");
	is_str(env.v[0], "A=x=y", "as NAME=VALUE");
	env_set(&env, "AB", NULL);
	is_uint(env.n, 2, "NULL removes");
	is_str(env.v[1], "C=", "and keeps the order");
	ok(!env.v[2], "and the closing NULL");
	env_set(&env, "none", NULL);
	is_uint(env.n, 2, "removing what is not there does nothing");
	strv_add(&env, "C=again");
	strv_add(&env, "odd");
	env_set(&env, "C", "new");
	is_uint(env.n, 3, "a name that stood there twice stands there once");
	is_str(env_get(&env, "C"), "new", "with the new value");
	is_str(env_get(&env, "odd"), NULL, "an entry without '=' has no name");
	strv_add(&env, "C=again");
	env_set(&env, "C", NULL);
	is_str(env_get(&env, "C"), NULL, "removing takes every one");

	ok(env_name_is_valid("_a9"), "letters, digits, underscore");
	ok(!env_name_is_valid("9a"), "no digit first");
	ok(!env_name_is_valid(""), "not empty");
	ok(!env_name_is_valid("a-b"), "no dash");
	ok(!env_name_is_valid("a=b"), "no equals sign");
	ok(!env_name_is_valid("\xc3\xa9"), "no letters but ASCII");
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	ok(env_name_is_valid(name), "255 bytes");
	name[255] = 'a';
	name[256] = '\0';
	ok(!env_name_is_valid(name), "not 256 bytes");
}

static void check_escape(const char *in, size_t max, const char *expected)
{
	_cleanup_free_ char *got = str_escape(in, max);

	is_str(got, expected, "escape, at most %zu", max);
}

static void test_escape(void)
{
	/* U+202E turns the rest of the line round; not as a literal, which would do so here. */
	static const char turn[] = {(char)0xe2, (char)0x80, (char)0xae, '\0'};
	_cleanup_free_ char *nul = str_escape_n("a\0b", 3, 0);

	check_escape("plain text, '\\' too", 0, "plain text, '\\' too");
	check_escape("a\nb\tc\rd", 0, "a\\nb\\tc\\x0Dd");
	check_escape("\x1b[31m", 0, "\\x1B[31m");
	check_escape("\x7f", 0, "\\x7F");
	check_escape("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 0,
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"); /* 2, 3 and 4 bytes */
	check_escape("a\xff\xfe", 0, "a\\xFF\\xFE");
	check_escape("\xc0\xaf", 0, "\\xC0\\xAF");		     /* overlong '/' */
	check_escape("\xe0\x80\xaf", 0, "\\xE0\\x80\\xAF");	     /* overlong '/' */
	check_escape("\xed\xa0\x80", 0, "\\xED\\xA0\\x80");	     /* a surrogate */
	check_escape("\xf4\x90\x80\x80", 0, "\\xF4\\x90\\x80\\x80"); /* above U+10FFFF */
	check_escape("\xe2\x82", 0, "\\xE2\\x82");		     /* cut short */
	check_escape("\xe2\x82"
		     "b",
		0, "\\xE2\\x82b");
	check_escape("\xc2\x9b"
		     "31m",
		0, "\\xC2\\x9B31m");			    /* C1: an escape sequence */
	check_escape("\xe2\x80\xa8", 0, "\\xE2\\x80\\xA8"); /* U+2028, a line's end */
	check_escape(turn, 0, "\\xE2\\x80\\xAE");
	is_str(nul, "a\\x00b", "a NUL is shown");
	check_escape("abcdefgh", 8, "abcdefgh");
	check_escape("abcdefghi", 8, "abcde...");
	check_escape("abcdef\n\n", 8, "abcde...");
	check_escape("abc\n\n\n\n", 8, "abc\\n...");
	check_escape("abcd\n\n\n\n", 8, "abcd..."); /* never within an escape */
	check_escape("abcd\xe2\x82\xac\xe2\x82\xac", 8, "abcd...");
	check_escape("abcd", 3, "...");
	check_escape("abcd", 1, "...");
	check_escape("", 3, "");
}

/* What sh makes of a word. */
static char *shell_echo(const char *word)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *script = xasprintf("printf %%s %s", word);
	char buf[256];
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while ((n = read(fds[0], buf, sizeof(buf))) > 0)
		strbuf_add(&b, buf, (size_t)n);
	(void)close(fds[0]);
	(void)waitpid(pid, &status, 0);
	return strbuf_steal(&b);
}

static void test_shell_quote(void)
{
	static const char *const words[] = {"plain", "", "a b", "it's", "'", "$HOME", "`id`",
		"a\nb", "*", "~", "!", "a\\b", "\"", "-n", "#x", "\xff"};
	char *const argv[] = {
		(char *)(uintptr_t) "run", (char *)(uintptr_t) "a b", (char *)(uintptr_t) "", NULL};
	_cleanup_free_ char *joined = strv_shell_join(argv);
	_cleanup_free_ char *nothing = strv_shell_join(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_cleanup_free_ char *quoted = str_shell_quote(words[i]);
		_cleanup_free_ char *back = shell_echo(quoted);
		_cleanup_free_ char *shown = str_escape(words[i], 0);

		is_str(back, words[i], "sh reads the word '%s' back", shown);
	}
	is_str(joined, "run 'a b' ''", "a command line for people");
	is_str(nothing, "", "no words");
}

static void test_matches(void)
{
	_cleanup_strv_ struct strv patterns = STRV_INIT;

	ok(!str_matches_any("web", &patterns), "no pattern matches nothing");
	strv_add(&patterns, "db-*, cache");
	strv_add(&patterns, " w?b\tx[0-9] ");
	ok(str_matches_any("db-1", &patterns), "a star");
	ok(str_matches_any("cache", &patterns), "behind a comma");
	ok(str_matches_any("web", &patterns), "a question mark");
	ok(str_matches_any("x7", &patterns), "a range behind a tab");
	ok(!str_matches_any("weeb", &patterns), "the whole name has to match");
	ok(!str_matches_any("", &patterns), "blanks make no empty pattern");
}

static void test_strv_sort(void)
{
	_cleanup_strv_ struct strv a = STRV_INIT;

	strv_sort(&a);
	ok(!strv_contains_sorted(&a, "a"), "nothing is in an empty vector");
	strv_add(&a, "b");
	strv_sort(&a);
	strv_add(&a, "a\xff");
	strv_add(&a, "B");
	strv_add(&a, "a");
	strv_sort(&a);
	is_str(a.v[0], "B", "by bytes: capitals come first");
	is_str(a.v[1], "a", "what is shorter comes first");
	is_str(a.v[2], "a\xff", "then what it begins");
	is_str(a.v[3], "b", "and the last");
	ok(!a.v[4], "NULL still ends it");
	ok(strv_contains_sorted(&a, "a") && strv_contains_sorted(&a, "B") &&
			strv_contains_sorted(&a, "b") && !strv_contains_sorted(&a, "A"),
		"and all are found");
}

int main(void)
{
	test_strbuf();
	test_strv();
	test_env();
	ok(str_starts_with("abc", "ab") && !str_starts_with("a", "ab"), "starts with");
	ok(str_ends_with("abc", "bc") && !str_ends_with("c", "bc") && str_ends_with("c", ""),
		"ends with");
	ok(str_is_empty(NULL) && str_is_empty("") && !str_is_empty(" "), "is empty");
	test_escape();
	test_shell_quote();
	test_matches();
	test_strv_sort();
	return done_testing();
}
