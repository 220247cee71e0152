#include "config.h"

#include "fetch/unpack_reason.h"

#include "base/alloc.h"
#include "base/str.h"

#include <archive.h>
#include <string.h>

#define REASON_MAX 300

char *unpack_reason(struct archive *a)
{
	const char *text = archive_error_string(a);
	size_t len = text ? strlen(text) : 0;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '.' || text[len - 1] == ' '))
		len--;
	return len ? str_escape_n(text, len, REASON_MAX) : xstrdup("no reason is known");
}
