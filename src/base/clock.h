#ifndef TH_BASE_CLOCK_H
#define TH_BASE_CLOCK_H

/*
 * Time in microseconds. Deadlines are on the monotonic clock, which does not count suspend
 * (clock_gettime(2), CLOCK_MONOTONIC): a laptop that slept must not time its hooks out.
 */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC  ((usec_t)1000000)
#define USEC_PER_MIN  (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MIN)
#define USEC_PER_DAY  (24 * USEC_PER_HOUR)

usec_t clock_monotonic_usec(void);
usec_t clock_realtime_usec(void);
usec_t clock_boottime_usec(void); /* as monotonic, and counts suspend */

/* Of one that is not before 1970, such as a file's time. */
usec_t clock_timespec_usec(const struct timespec *ts);

/* a + b, with USEC_INFINITY kept and overflow ending there. */
usec_t usec_add(usec_t a, usec_t b);
/* a - b, 0 where b is later. */
usec_t usec_sub(usec_t a, usec_t b);

/* "2026-11-21T10:44:45.123Z" (RFC 3339, UTC, milliseconds). buf holds at least
 * CLOCK_RFC3339_MAX bytes and is returned. */
#define CLOCK_RFC3339_MAX 32
char *clock_rfc3339(usec_t realtime, char *buf, size_t size);

/* For people: "1.2s", "5m30s", "2d3h"; "infinity" for USEC_INFINITY. At most 2 units.
 * buf holds at least CLOCK_SPAN_MAX bytes and is returned. */
#define CLOCK_SPAN_MAX 32
char *clock_format_span(usec_t span, char *buf, size_t size);

#endif
