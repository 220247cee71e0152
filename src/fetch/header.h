#ifndef TH_FETCH_HEADER_H
#define TH_FETCH_HEADER_H

/* What the fields of an HTTP response say (RFC 9110), as pure functions. */

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_UNKNOWN UINT64_MAX

/* Splits "Name: value\r\n". Returns the value (trimmed, owned by the caller) where the name is
 * `name` in whatever case, else NULL. */
char *header_value(const char *line, size_t len, const char *name);

/* Is this of Content-Length (8.6) a number of bytes, and one that a file can have? */
bool header_length_is_valid(const char *value);

/* "bytes FIRST-LAST/TOTAL" (14.4); TOTAL may be "*": HEADER_UNKNOWN. False where it is not that,
 * or cannot be. */
bool header_parse_content_range(
	const char *value, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total);

/*
 * Fit for If-Range (13.1.5)? An ETag that is not weak; a Last-Modified that is at least a second
 * older than the Date of the same response (8.8.2.2), as the thing could have changed within it.
 */
bool header_etag_is_strong(const char *etag);
bool header_date_is_strong(const char *last_modified, const char *date);

/* Seconds or a date (10.2.3), against `date_now` in seconds since 1970. 0 for none or one that has
 * passed. */
usec_t header_parse_retry_after(const char *value, int64_t date_now);

/* The file name of Content-Disposition (RFC 6266), filename* (UTF-8) before filename: one path
 * component that can name a file, else NULL. The caller frees it. */
char *header_parse_filename(const char *value);

#endif
