/*
 * What the kernel says and tasks have a hand in: lines of mountinfo, keyed files, lists of CPUs.
 * All three readers get the same bytes. What holds: undoing escapes never lengthens; a value that
 * is found stands in the text behind its key; a list of CPUs is the same set as itself.
 */

#include "config.h"

#include "base/alloc.h"
#include "os/cglimit.h"
#include "os/cgroup.h"
#include "os/mount.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void read_lines(const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		struct mount_entry entry;
		size_t length = strlen(line);

		if (mount_parse_line(line, &entry) == 0)
			CHECK(strlen(entry.root) + strlen(entry.point) + strlen(entry.fstype) <=
				length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	struct cglimits a = CGLIMITS_INIT, b = CGLIMITS_INIT;
	uint64_t value;

	read_lines(text);
	if (cgroup_find_value(text, "populated", &value) == 0) {
		_cleanup_free_ char *found = xasprintf("populated %llu", (unsigned long long)value);

		CHECK(strstr(text, "populated "));
		/* Leading zeros are lost. */
		CHECK(strstr(text, found) || strstr(text, "populated 0"));
	}
	a.cpus = text;
	b.cpus = text;
	CHECK(cglimits_within(&a, &b, NULL) && cglimits_within(&b, &a, NULL));
	return 0;
}
