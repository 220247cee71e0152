#ifndef TH_VERIFY_GODURATION_H
#define TH_VERIFY_GODURATION_H

/*
 * Durations as Go writes them, which is what HookTemplate and AnalysisTemplate hold: "1h30m",
 * "1.5s", "-250ms". Not the durations of taskhook.conf(5) (base/parse.h), where a bare number is
 * seconds and a day is a unit.
 *
 *	duration = [ "+" | "-" ] ( "0" | part { part } ) .
 *	part     = number unit .
 *	number   = digits [ "." [ digits ] ] | "." digits .
 *	unit     = "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" .
 *	digits   = "0" … "9" { "0" … "9" } .
 *
 * µ is U+00B5 or U+03BC. Parts add up in any order, and a unit may come more than once. A fraction
 * of a nanosecond is dropped. (Go 1.19, time.ParseDuration.)
 */

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define GODURATION_TEXT_SIZE                                                                       \
	32 /* holds the longest text with its NUL: "-2562047h47m16.854775808s" */

/*
 * Nanoseconds of the duration `text`. -EINVAL: not of the form above; -ERANGE: more than
 * ±2^63-1 ns (292 years), also in the middle; the smallest int64 alone is in range with its sign.
 */
int goduration_parse(const char *text, int64_t *ret_nsec, struct th_err *err);

/* As Go prints it: "1h30m0s", "1.5s", "250ms", "0s". buf of GODURATION_TEXT_SIZE bytes, returned.
 */
char *goduration_format(int64_t nsec, char *buf);

#endif
