#ifndef TH_VERIFY_DATE_H
#define TH_VERIFY_DATE_H

/* Times as a layout of Go's time.Parse() says, "2006-01-02 15:04:05". */

#include <stdint.h>

/* *ret is nanoseconds since 1970. 0; -EINVAL: `text` is not of the layout; -ERANGE: no such day, or
 * not between 1678 and 2262. */
int date_parse(const char *layout, const char *text, int64_t *ret);

#endif
