#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <sys/resource.h>

static void test_copies(void)
{
	_cleanup_free_ char *a = xstrdup("abc");
	_cleanup_free_ char *b = xstrndup("abcdef", 3);
	_cleanup_free_ char *c = xmemdup("a\0c", 3);
	_cleanup_free_ char *d = xasprintf("%d-%s", 7, "x"),
			    *e = xasprintf("%s/a%s%s/", "x", "", "yz"),
			    *f = xasprintf("%%s%s", "x"), *g = xasprintf("%s", ""),
			    *h = xasprintf("/x");
	_cleanup_free_ char *zeroed = xcalloc(4, 1);
	_cleanup_free_ char *nothing = xmalloc(0);
	_cleanup_free_ char *nothing2 = xmemdup(NULL, 0);
	char *s = NULL, *taken;

	is_str(a, "abc", "a copy");
	is_str(b, "abc", "a copy of the first bytes");
	is_mem(c, "a\0c", 3, "a copy of any bytes");
	is_str(d, "7-x", "a formatted string");
	is_str(e, "x/ayz/", "of texts alone");
	is_str(f, "%sx", "a percent sign is none of them");
	is_str(g, "", "none");
	is_str(h, "/x", "no conversion");
	is_mem(zeroed, "\0\0\0\0", 4, "zeroed memory");
	ok(nothing && nothing2, "no bytes are memory too");
	str_replace(&s, "one");
	is_str(s, "one", "replace nothing by a string");
	str_replace(&s, s + 1);
	is_str(s, "ne", "by a part of itself");
	taken = TAKE_PTR(s);
	ok(!s && taken, "a pointer is handed over");
	str_replace(&taken, NULL);
	ok(!taken, "replace by nothing");
	is_int(MIN(3, 2) + MAX(3, 2), 5, "the smaller and the larger");
}

static void ask_too_much(void)
{
	free(xmalloc(SIZE_MAX / 4));
}
static void ask_overflow(void)
{
	/* The product is 2 where it is not checked. */
	free(xreallocarray(NULL, SIZE_MAX / 2 + 2, 2));
}
static void ask_overflow_zeroed(void)
{
	free(xcalloc(SIZE_MAX / 2 + 2, 2));
}

static void check_exhausted(void (*ask)(void), const char *what)
{
	char text[100] = "";
	int fds[2];
	pid_t pid;

	if (fd_pipe(fds, 0) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};

		(void)setrlimit(RLIMIT_CORE, &limit);
		(void)dup2(fds[1], STDERR_FILENO);
		ask();
		_exit(0);
	}
	(void)close(fds[1]);
	(void)fd_read_full(fds[0], text, sizeof(text) - 1);
	(void)close(fds[0]);
	is_int(wait_child(pid), 125, "%s: the exit status", what);
	is_str(text, "taskhook: out of memory\n", "%s: one fixed line", what);
}

int main(void)
{
	bool sanitized = false;

#ifdef __SANITIZE_ADDRESS__
	sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	sanitized = true;
#endif
#endif
	test_copies();
	if (sanitized) {
		skip(6, "a sanitizer ends the process itself when memory is exhausted");
	} else {
		check_exhausted(ask_too_much, "too much");
		check_exhausted(ask_overflow, "a product that overflows");
		check_exhausted(ask_overflow_zeroed, "zeroed");
	}
	return done_testing();
}
