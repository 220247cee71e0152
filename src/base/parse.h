#ifndef TH_BASE_PARSE_H
#define TH_BASE_PARSE_H

/*
 * Values as users write them. All take the whole string (no blanks around, nothing behind) and
 * return 0, -EINVAL (not of the form), or -ERANGE (of the form, but out of range or overflow).
 * Fractions are computed exactly and rounded down; more than 0 that would become 0 is -ERANGE.
 */

#include "base/clock.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);
int parse_bool(const char *s, bool *ret); /* yes/no, true/false, on/off, 1/0 */

/* Bytes: "10M", "1.5G", "4096"; K M G T P E are powers of 1024, also with B or iB behind;
 * "infinity" (also "max") gives UINT64_MAX. */
int parse_size(const char *s, uint64_t *ret);

/* Durations: "60", "1.5s", "500ms", "1h30m", "2 days 3h"; units us ms s m min h d w (long forms
 * too); a bare number is seconds; "infinity" gives USEC_INFINITY. Negative is -ERANGE. */
int parse_duration(const char *s, usec_t *ret);

/* "50%" or "0.5%": millionths of the whole (50% = 500000). May exceed 100%. */
int parse_percent(const char *s, uint64_t *ret_ppm);

/* "2026-11-21T10:44:45.123Z", as clock_rfc3339() writes it and no other form; realtime. */
int parse_rfc3339(const char *s, usec_t *ret);

/* Octal file mode, "022" or "0022", at most 07777. */
int parse_mode(const char *s, mode_t *ret);

/* "TERM", "SIGTERM", "15", "RTMIN+1"; case does not matter. */
int parse_signal(const char *s, int *ret);
/* "TERM", without SIG; "RTMIN+1"; the number where there is no name. Static memory of the thread.
 */
const char *signal_name(int sig);

/* Exact text that parse_* reads back, for `config show`. buf of at least 32 bytes, returned. */
char *format_size(uint64_t bytes, char *buf, size_t size);
char *format_duration(usec_t usec, char *buf, size_t size);

#endif
