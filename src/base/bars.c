#include "config.h"

#include "base/bars.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STEPS 8

void bars_add(struct strbuf *b, const double *values, size_t n, double scale, bool unicode)
{
	static const char ascii[] = "_.-:=+*#";
	char block[4] = "\xe2\x96\x81";

	for (size_t i = 0; i < n; i++) {
		double part = scale > 0 && values[i] > 0 ? values[i] / scale * STEPS : 0;
		int step = part >= STEPS ? STEPS - 1 : (int)part;

		if (!(part > 0)) {
			strbuf_addc(b, ' ');
		} else if (unicode) {
			block[2] = (char)(0x81 + step);
			strbuf_adds(b, block);
		} else {
			strbuf_addc(b, ascii[step]);
		}
	}
}

bool bars_environment_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]), *dot;

		if (str_is_empty(value))
			continue;
		dot = strchr(value, '.');
		return dot &&
		       (strncasecmp(dot, ".UTF-8", 6) == 0 || strncasecmp(dot, ".UTF8", 5) == 0);
	}
	return false;
}
