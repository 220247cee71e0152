#include "config.h"

#include "model/name.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Long enough to tell tasks apart, short enough for a column of `list`. */
#define MADE_ID_BASE_MAX 32

/*
 * A task's cgroup is a directory beside the interface files of its parent, which are named after
 * controllers (Documentation/admin-guide/cgroup-v2.rst, "Interface Files"). Controllers of all
 * kernels so far, and "cgroup" and "irq", which have files though they are none.
 */
static const char *const cgroup_prefixes[] = {
	"cgroup.",
	"cpu.",
	"cpuset.",
	"dmem.",
	"hugetlb.",
	"io.",
	"irq.",
	"memory.",
	"misc.",
	"perf_event.",
	"pids.",
	"rdma.",
};

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_char(char c)
{
	return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static const char *cgroup_prefix(const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_prefixes); i++)
		if (str_starts_with(s, cgroup_prefixes[i]))
			return cgroup_prefixes[i];
	return NULL;
}

static int refuse(struct th_err *err, const char *what, const char *s, const char *why)
{
	_cleanup_free_ char *shown = str_escape(s, 60);

	return err_set(err, EXIT_USAGE, EINVAL, "%s '%s' %s", what, shown, why);
}

int name_check(const char *s, const char *what, struct th_err *err)
{
	size_t len = strlen(s);
	const char *prefix;

	if (len == 0)
		return err_set(err, EXIT_USAGE, EINVAL, "the %s is empty", what);
	if (len > NAME_LEN_MAX) {
		_cleanup_free_ char *why =
			xasprintf("has %zu characters; at most %d are allowed", len, NAME_LEN_MAX);

		return refuse(err, what, s, why);
	}
	for (const char *p = s; *p; p++)
		if (!is_name_char(*p))
			return refuse(
				err, what, s, "may hold only letters, digits, '.', '_' and '-'");
	if (!is_alnum(*s))
		return refuse(err, what, s, "must begin with a letter or a digit");
	if (strstr(s, ".."))
		return refuse(err, what, s, "may not hold '..'");
	if (strcmp(s, "shared") == 0)
		return refuse(err, what, s,
			"is not allowed: it is the name of a group's shared directory");
	prefix = cgroup_prefix(s);
	if (prefix) {
		_cleanup_free_ char *why =
			xasprintf("may not begin with '%s': cgroup interface files do", prefix);

		return refuse(err, what, s, why);
	}
	return 0;
}

int name_split(const char *s, char **ret_group, char **ret_id, struct th_err *err)
{
	const char *slash = strchr(s, '/');
	_cleanup_free_ char *group = NULL;
	int r;

	if (slash) {
		group = xstrndup(s, (size_t)(slash - s));
		r = name_check(group, "group", err);
		if (r < 0)
			return r;
	}
	r = name_check(slash ? slash + 1 : s, "task ID", err);
	if (r < 0)
		return r;
	*ret_group = TAKE_PTR(group);
	*ret_id = xstrdup(slash ? slash + 1 : s);
	return 0;
}

char *name_make_id(const char *command, unsigned seed)
{
	const char *base = path_basename(command);
	char kept[MADE_ID_BASE_MAX + 1];
	size_t n = 0;

	for (const char *p = base; *p && n < MADE_ID_BASE_MAX; p++) {
		/* A dot could make '..' or the name of a cgroup file. */
		char c = is_name_char(*p) && *p != '.' ? *p : '-';

		if (n == 0 && !is_alnum(c))
			continue;
		kept[n++] = c;
	}
	while (n > 0 && !is_alnum(kept[n - 1]))
		n--;
	kept[n] = '\0';
	return xasprintf("%s-%04x", n > 0 ? kept : "task", seed & 0xffffffU);
}
