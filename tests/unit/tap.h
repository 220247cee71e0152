/*
 * Test Anything Protocol for the unit tests; one header, nothing to link.
 *
 *     #include "config.h"
 *     #include "tests/unit/tap.h"
 *
 *     int main(void)
 *     {
 *             ok(1 + 1 == 2, "one and one");
 *             is_int(parse("7"), 7, "a digit");
 *             is_str(name, "web", "the name of %s", "the task");
 *             if (geteuid() != 0)
 *                     skip(2, "needs root");
 *             else {
 *                     ...two checks...
 *             }
 *             return done_testing();
 *     }
 *
 * Every check takes a printf format for its name, evaluates its arguments once, returns true when
 * it held, and prints FILE:LINE with what it got and expected when it did not. The plan is printed
 * by done_testing(), so a test that dies on the way has none and counts as failed.
 */
#ifndef TH_TESTS_TAP_H
#define TH_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct tap_state {
	unsigned int run;
	unsigned int failed;
};

static struct tap_state tap_state;

/* Under valgrind, where everything takes twenty times as long: fewer rounds show as much. */
static inline bool tap_is_slow(void)
{
	return getenv("TASKHOOK_TEST_SLOW") != NULL;
}

/* Prints TEXT in double quotes with line ends and control bytes escaped, as TAP is line by line. */
static inline void tap_quote_text(const char *text)
{
	if (!text) {
		fputs("NULL", stdout);
		return;
	}
	putchar('"');
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\n')
			fputs("\\n", stdout);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	putchar('"');
}

TAP_PRINTF(4, 0)
static inline bool tap_report_result(
	bool passed, const char *file, int line, const char *format, va_list args)
{
	tap_state.run++;
	if (!passed)
		tap_state.failed++;
	printf("%sok %u - ", passed ? "" : "not ", tap_state.run);
	vprintf(format, args);
	putchar('\n');
	if (!passed)
		printf("#   at %s:%d\n", file, line);
	/* A child forked by a later check must find nothing in the buffer to print again. */
	fflush(stdout);
	return passed;
}

TAP_PRINTF(5, 6)
static inline bool tap_check_true(
	bool passed, const char *text, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tap_report_result(passed, file, line, format, args);
	va_end(args);
	if (!passed)
		printf("#   false: %s\n", text);
	return passed;
}

TAP_PRINTF(5, 6)
static inline bool tap_check_int(
	intmax_t got, intmax_t expected, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tap_report_result(got == expected, file, line, format, args);
	va_end(args);
	if (got != expected)
		printf("#   got:      %jd\n#   expected: %jd\n", got, expected);
	return got == expected;
}

TAP_PRINTF(5, 6)
static inline bool tap_check_uint(
	uintmax_t got, uintmax_t expected, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tap_report_result(got == expected, file, line, format, args);
	va_end(args);
	if (got != expected)
		printf("#   got:      %ju\n#   expected: %ju\n", got, expected);
	return got == expected;
}

TAP_PRINTF(5, 6)
static inline bool tap_check_str(
	const char *got, const char *expected, const char *file, int line, const char *format, ...)
{
	bool same = got == expected || (got && expected && strcmp(got, expected) == 0);
	va_list args;

	va_start(args, format);
	tap_report_result(same, file, line, format, args);
	va_end(args);
	if (!same) {
		fputs("#   got:      ", stdout);
		tap_quote_text(got);
		fputs("\n#   expected: ", stdout);
		tap_quote_text(expected);
		putchar('\n');
	}
	return same;
}

/* EXPECTED occurs somewhere in GOT. */
TAP_PRINTF(5, 6)
static inline bool tap_check_contains(
	const char *got, const char *expected, const char *file, int line, const char *format, ...)
{
	bool found = got && expected && strstr(got, expected);
	va_list args;

	va_start(args, format);
	tap_report_result(found, file, line, format, args);
	va_end(args);
	if (!found) {
		fputs("#   got:        ", stdout);
		tap_quote_text(got);
		fputs("\n#   to contain: ", stdout);
		tap_quote_text(expected);
		putchar('\n');
	}
	return found;
}

TAP_PRINTF(6, 7)
static inline bool tap_check_mem(const void *got, const void *expected, size_t size_bytes,
	const char *file, int line, const char *format, ...)
{
	const unsigned char *g = got, *e = expected;
	size_t at = 0;
	va_list args;

	while (at < size_bytes && g[at] == e[at])
		at++;
	va_start(args, format);
	tap_report_result(at == size_bytes, file, line, format, args);
	va_end(args);
	if (at < size_bytes)
		printf("#   first difference at byte %zu: got 0x%02x, expected 0x%02x\n", at, g[at],
			e[at]);
	return at == size_bytes;
}

/* Counts COUNT checks as skipped for the reason WHY, which the driver prints. */
TAP_PRINTF(2, 3)
static inline void skip(unsigned int count, const char *why, ...)
{
	for (unsigned int i = 0; i < count; i++) {
		va_list args;

		printf("ok %u # SKIP ", ++tap_state.run);
		va_start(args, why);
		vprintf(why, args);
		va_end(args);
		putchar('\n');
	}
	fflush(stdout);
}

/* Gives up the whole test program, which counts as a failure. */
TAP_PRINTF(1, 2)
__attribute__((noreturn)) static inline void bail(const char *why, ...)
{
	va_list args;

	fputs("Bail out! ", stdout);
	va_start(args, why);
	vprintf(why, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	exit(99);
}

/* A remark in the test's output, without effect on the result. */
TAP_PRINTF(1, 2)
static inline void diag(const char *format, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* Prints the plan; returns the status to leave main() with. */
static inline int done_testing(void)
{
	printf("1..%u\n", tap_state.run);
	if (fflush(stdout) != 0 || ferror(stdout))
		return 99;
	return tap_state.failed ? 1 : 0;
}

#define ok(condition, ...)	   tap_check_true((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, expected, ...) tap_check_int((got), (expected), __FILE__, __LINE__, __VA_ARGS__)
#define is_uint(got, expected, ...)                                                                \
	tap_check_uint((got), (expected), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, expected, ...) tap_check_str((got), (expected), __FILE__, __LINE__, __VA_ARGS__)
#define contains(got, expected, ...)                                                               \
	tap_check_contains((got), (expected), __FILE__, __LINE__, __VA_ARGS__)
#define is_mem(got, expected, size, ...)                                                           \
	tap_check_mem((got), (expected), (size), __FILE__, __LINE__, __VA_ARGS__)

#endif
