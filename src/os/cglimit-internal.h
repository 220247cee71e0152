#ifndef TH_OS_CGLIMIT_INTERNAL_H
#define TH_OS_CGLIMIT_INTERNAL_H

/* What cglimit.c and cglimit-apply.c share, and nobody else needs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cglimits;

/* The most CPUs that Linux is built for (NR_CPUS of x86). */
#define CGLIMIT_CPUS_MAX 8192

enum cglimit_kind {
	CGLIMIT_BYTES,
	CGLIMIT_COUNT,
	CGLIMIT_CPU,
	CGLIMIT_IO_WEIGHT,
};

/* Limits of one number. */
#define CGLIMIT_NUMBERS ((size_t)8)
struct cglimit {
	const char *key;
	unsigned controller;
	const char *file;
	enum cglimit_kind kind;
	size_t has, value; /* offsets in struct cglimits */
	uint64_t unset;	   /* what a cgroup has in which nobody has set it (cgroup-v2.rst) */
};
extern const struct cglimit cglimit_numbers[CGLIMIT_NUMBERS];

/* Every limit has its number: those of one number as in the table, then these two. */
#define CGLIMIT_CPUS   CGLIMIT_NUMBERS
#define CGLIMIT_IO_MAX (CGLIMIT_CPUS + 1)
#define CGLIMIT_ALL    (CGLIMIT_IO_MAX + 1)

bool cglimit_is_set(const struct cglimits *l, size_t i);
/* Are both set to the same value, or both not set? */
bool cglimit_is_same(const struct cglimits *a, const struct cglimits *b, size_t i);
/* Of a limit of one number. */
uint64_t cglimit_number(const struct cglimits *l, size_t i);
/* The number as in the task file. */
void cglimit_format_number(size_t i, uint64_t value, char *buf, size_t size);

struct cglimit_cpus {
	uint64_t bits[CGLIMIT_CPUS_MAX / 64];
};
/* "0-3,7" with an optional newline (cpuset(7), "List format"). An empty list is an empty set. 0 or
 * -EINVAL, -ERANGE. */
int cglimit_parse_cpus(const char *s, struct cglimit_cpus *ret);
/* As sets; what is no list equals only itself. Either may be NULL. */
bool cglimit_cpus_are_same(const char *a, const char *b);

#endif
