#ifndef TH_FETCH_RETRY_H
#define TH_FETCH_RETRY_H

/* Whether and when it is tried again; pure. */

#include "base/clock.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* The wait before the second attempt, doubled for each further one, up to RETRY_DELAY_MAX_USEC. */
#define RETRY_DELAY_USEC     (500 * USEC_PER_MSEC)
#define RETRY_DELAY_MAX_USEC (30 * USEC_PER_SEC)
/* A server that asks for more patience than this is not asked again. */
#define RETRY_AFTER_MAX_USEC (5 * USEC_PER_MIN)

/* Could the same request be answered otherwise in a moment? Of what RFC 9110, 15 has: 408, 425
 * (RFC 8470), 429 (RFC 6585) and what is from 500 up but 501, 505 and 511. */
bool retry_status_may_pass(long status);

/* The same for what libcurl says. */
bool retry_code_may_pass(CURLcode code);

/* The wait before attempt number `attempt` (from 2 up): between half of the back-off and all of it,
 * by `random`, so that many that failed together do not come back together. What the server asked
 * for is the least. */
usec_t retry_delay(unsigned attempt, usec_t retry_after_usec, uint32_t random);

#endif
