#include "config.h"

#include "os/cglimit.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "os/cglimit-internal.h"
#include "os/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct cglimit cglimit_numbers[CGLIMIT_NUMBERS] = {
#define LIMIT(KEY, CONTROLLER, FILE, KIND, FIELD, UNSET)                                           \
	{                                                                                          \
		KEY, CONTROLLER, FILE, KIND, offsetof(struct cglimits, has_##FIELD),               \
			offsetof(struct cglimits, FIELD), UNSET                                    \
	}
	LIMIT("memory", CGROUP_MEMORY, "memory.max", CGLIMIT_BYTES, memory, CGLIMIT_INFINITY),
	LIMIT("memory-high", CGROUP_MEMORY, "memory.high", CGLIMIT_BYTES, memory_high,
		CGLIMIT_INFINITY),
	LIMIT("memory-low", CGROUP_MEMORY, "memory.low", CGLIMIT_BYTES, memory_low, 0),
	LIMIT("memory-swap", CGROUP_MEMORY, "memory.swap.max", CGLIMIT_BYTES, memory_swap,
		CGLIMIT_INFINITY),
	{"cpu", CGROUP_CPU, "cpu.max", CGLIMIT_CPU, offsetof(struct cglimits, has_cpu),
		offsetof(struct cglimits, cpu_ppm), CGLIMIT_INFINITY},
	LIMIT("cpu-weight", CGROUP_CPU, "cpu.weight", CGLIMIT_COUNT, cpu_weight, 100),
	LIMIT("pids", CGROUP_PIDS, "pids.max", CGLIMIT_COUNT, pids, CGLIMIT_INFINITY),
	LIMIT("io-weight", CGROUP_IO, "io.weight", CGLIMIT_IO_WEIGHT, io_weight, 100),
#undef LIMIT
};

static const char *key_of(size_t i)
{
	if (i < CGLIMIT_NUMBERS)
		return cglimit_numbers[i].key;
	return i == CGLIMIT_CPUS ? "cpus" : "io-max";
}

static unsigned controller_of(size_t i)
{
	if (i < CGLIMIT_NUMBERS)
		return cglimit_numbers[i].controller;
	return i == CGLIMIT_CPUS ? CGROUP_CPUSET : CGROUP_IO;
}

/* CGLIMIT_ALL: there is no such key. */
static size_t index_of(const char *key)
{
	size_t i = 0;

	while (i < CGLIMIT_ALL && strcmp(key_of(i), key) != 0)
		i++;
	return i;
}

bool cglimit_is_set(const struct cglimits *l, size_t i)
{
	if (i < CGLIMIT_NUMBERS)
		return *(const bool *)((const char *)l + cglimit_numbers[i].has);
	return i == CGLIMIT_CPUS ? l->cpus != NULL : l->io_max.n > 0;
}

uint64_t cglimit_number(const struct cglimits *l, size_t i)
{
	return *(const uint64_t *)(const void *)((const char *)l + cglimit_numbers[i].value);
}

void cglimits_done(struct cglimits *l)
{
	free(l->cpus);
	strv_done(&l->io_max);
	*l = (struct cglimits)CGLIMITS_INIT;
}

unsigned cglimits_controllers(const struct cglimits *l)
{
	unsigned need = 0;

	for (size_t i = 0; i < CGLIMIT_ALL; i++)
		if (cglimit_is_set(l, i))
			need |= controller_of(i);
	return need;
}

unsigned cglimits_controller_of(const char *key)
{
	size_t i = index_of(key);

	return i < CGLIMIT_ALL ? controller_of(i) : 0;
}

/* ---- text ----------------------------------------------------------------------------------- */

void cglimit_format_number(size_t i, uint64_t value, char *buf, size_t size)
{
	uint64_t percent = value / 10000, rest = value % 10000;
	int digits = 4;

	switch (cglimit_numbers[i].kind) {
	case CGLIMIT_BYTES:
		(void)format_size(value, buf, size);
		return;
	case CGLIMIT_CPU:
		if (value == CGLIMIT_INFINITY)
			break;
		for (; digits > 0 && rest % 10 == 0; digits--)
			rest /= 10;
		if (digits)
			(void)snprintf(
				buf, size, "%" PRIu64 ".%0*" PRIu64 "%%", percent, digits, rest);
		else
			(void)snprintf(buf, size, "%" PRIu64 "%%", percent);
		return;
	case CGLIMIT_COUNT:
	case CGLIMIT_IO_WEIGHT:
		if (value == CGLIMIT_INFINITY)
			break;
		(void)snprintf(buf, size, "%" PRIu64, value);
		return;
	}
	(void)snprintf(buf, size, "infinity");
}

static void add_word(struct strbuf *b, const char *key, const char *value)
{
	_cleanup_free_ char *quoted = str_shell_quote(value);

	strbuf_addf(b, "%s%s=%s", b->len ? " " : "", key, quoted);
}

char *cglimits_format(const struct cglimits *l)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < CGLIMIT_NUMBERS; i++) {
		char value[64];

		if (!cglimit_is_set(l, i))
			continue;
		cglimit_format_number(i, cglimit_number(l, i), value, sizeof(value));
		add_word(&b, key_of(i), value);
	}
	if (l->cpus)
		add_word(&b, "cpus", l->cpus);
	for (size_t i = 0; i < l->io_max.n; i++)
		add_word(&b, "io-max", l->io_max.v[i]);
	return strbuf_steal(&b);
}

char *cglimits_value(const struct cglimits *l, const char *key)
{
	struct strbuf joined = STRBUF_INIT;
	size_t i = index_of(key);
	char value[64];

	if (i >= CGLIMIT_ALL || !cglimit_is_set(l, i))
		return NULL;
	if (i == CGLIMIT_CPUS)
		return xstrdup(l->cpus);
	if (i < CGLIMIT_NUMBERS) {
		cglimit_format_number(i, cglimit_number(l, i), value, sizeof(value));
		return xstrdup(value);
	}
	for (size_t k = 0; k < l->io_max.n; k++)
		strbuf_addf(&joined, "%s%s", k ? ", " : "", l->io_max.v[k]);
	return strbuf_steal(&joined);
}

/* ---- sets of CPUs --------------------------------------------------------------------------- */

int cglimit_parse_cpus(const char *s, struct cglimit_cpus *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (*s && *s != '\n') {
		uint64_t range[2];

		for (size_t i = 0; i < 2; i++) {
			size_t n = strspn(s, "0123456789");
			_cleanup_free_ char *number = xstrndup(s, n);
			int r = parse_uint(number, 0, CGLIMIT_CPUS_MAX - 1, &range[i]);

			if (r < 0)
				return r;
			s += n;
			if (i == 0 && *s != '-') {
				range[1] = range[0];
				break;
			}
			s += i == 0;
		}
		if (range[1] < range[0])
			return -EINVAL;
		for (uint64_t cpu = range[0]; cpu <= range[1]; cpu++)
			ret->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
		if (*s == ',')
			s++;
		else if (*s && *s != '\n')
			return -EINVAL;
	}
	return 0;
}

bool cglimit_cpus_are_same(const char *a, const char *b)
{
	struct cglimit_cpus sa, sb;

	if (!a || !b)
		return a == b;
	if (cglimit_parse_cpus(a, &sa) < 0 || cglimit_parse_cpus(b, &sb) < 0)
		return strcmp(a, b) == 0;
	return memcmp(&sa, &sb, sizeof(sa)) == 0;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool is_subset(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strv_contains(b, a->v[i]))
			return false;
	return true;
}

bool cglimit_is_same(const struct cglimits *a, const struct cglimits *b, size_t i)
{
	if (i == CGLIMIT_CPUS)
		return cglimit_cpus_are_same(a->cpus, b->cpus);
	if (i == CGLIMIT_IO_MAX)
		return is_subset(&a->io_max, &b->io_max) && is_subset(&b->io_max, &a->io_max);
	if (cglimit_is_set(a, i) != cglimit_is_set(b, i))
		return false;
	return !cglimit_is_set(a, i) || cglimit_number(a, i) == cglimit_number(b, i);
}

bool cglimits_equal(const struct cglimits *a, const struct cglimits *b)
{
	for (size_t i = 0; i < CGLIMIT_ALL; i++)
		if (!cglimit_is_same(a, b, i))
			return false;
	return true;
}

bool cglimits_within(const struct cglimits *a, const struct cglimits *b, const char **ret_key)
{
	return cglimits_within_either(a, b, b, ret_key);
}

bool cglimits_within_either(const struct cglimits *a, const struct cglimits *b,
	const struct cglimits *c, const char **ret_key)
{
	for (size_t i = 0; i < CGLIMIT_ALL; i++) {
		if (!cglimit_is_set(a, i) || cglimit_is_same(a, b, i) || cglimit_is_same(a, c, i))
			continue;
		if (ret_key)
			*ret_key = key_of(i);
		return false;
	}
	return true;
}
