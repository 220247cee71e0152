#include "config.h"

#include "verify/args.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "verify/args_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void args_done(struct args *args)
{
	for (size_t i = 0; i < args->n; i++) {
		free(args->v[i].name);
		free(args->v[i].value);
		free(args->v[i].reason);
	}
	free(args->v);
	strv_done(&args->secrets);
	*args = (struct args){.n = 0};
}

struct arg *args_find(const struct args *args, const char *name, size_t n)
{
	for (size_t i = 0; i < args->n; i++)
		if (strlen(args->v[i].name) == n && memcmp(args->v[i].name, name, n) == 0)
			return &args->v[i];
	return NULL;
}

struct arg *args_add(struct args *args, const char *name)
{
	struct arg *a = args_find(args, name, strlen(name));

	if (a)
		return a;
	args->v = xreallocarray(args->v, args->n + 1, sizeof(*args->v));
	a = &args->v[args->n++];
	*a = (struct arg){.name = xstrdup(name)};
	return a;
}

void args_set(struct args *args, const char *name, const char *value, bool secret)
{
	struct arg *a = args_add(args, name);

	str_replace(&a->value, value);
	a->secret = a->secret || secret;
	a->given = true;
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* To its end, as far as ARGS_VALUE_MAX. 0 or -errno. */
static int read_all(int fd, char **ret)
{
	_cleanup_free_ char *text = xmalloc(ARGS_VALUE_MAX + 2);
	ssize_t n = fd_read_full(fd, text, ARGS_VALUE_MAX + 1);

	if (n < 0)
		return (int)n;
	if ((size_t)n > ARGS_VALUE_MAX)
		return -EFBIG;
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

static int read_fd(const char *where, char **ret, struct th_err *err)
{
	uint64_t fd;
	int r;

	if (parse_uint(where, 0, INT_MAX, &fd) < 0)
		return err_set(err, EXIT_USAGE, EINVAL, "'%s' is no number of a descriptor", where);
	r = read_all((int)fd, ret);
	return r < 0 ? err_set(err, EXIT_CONFIG, -r, "cannot read descriptor %s: %s", where,
			       r == -EFBIG ? "more than 64 KiB" : strerror(-r))
		     : 0;
}

/* Not by file_read_at(): of a FIFO, as a shell's <(...) is one, what will be written is waited for,
 * as with a descriptor. */
static int read_file(const char *where, char **ret, struct th_err *err)
{
	_cleanup_close_ int fd = open(where, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : read_all(fd, ret);

	return r < 0 ? err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_CONFIG, -r,
			       "cannot read '%s': %s", where,
			       r == -EFBIG ? "more than 64 KiB" : strerror(-r))
		     : 0;
}

static int read_secret(enum args_from from, const char *where, char **ret, struct th_err *err)
{
	const char *value;
	int r;

	if (from == ARGS_FROM_ENV) {
		value = getenv(where);
		if (!value)
			return err_set(err, EXIT_CONFIG, ENOENT,
				"the variable '%s' is not in the environment", where);
		*ret = xstrdup(value);
		return 0;
	}
	r = from == ARGS_FROM_FD ? read_fd(where, ret, err) : read_file(where, ret, err);
	if (r == 0) {
		size_t n = strlen(*ret);

		if (n > 0 && (*ret)[n - 1] == '\n')
			(*ret)[--n] = '\0';
		if (n > 0 && (*ret)[n - 1] == '\r')
			(*ret)[--n] = '\0';
	}
	return r;
}

int args_set_from(struct args *args, enum args_from from, const char *name, const char *where,
	struct th_err *err)
{
	_cleanup_free_ char *value = NULL;
	int r = read_secret(from, where, &value, err);

	if (r < 0) {
		err_prefix(err, "argument '%s'", name);
		return r;
	}
	args_set(args, name, value, true);
	return 0;
}

/* ---- those of the template ------------------------------------------------------------------- */

char *args_scalar_text(const json_t *v)
{
	if (json_is_string(v))
		return xstrdup(json_string_value(v));
	if (json_is_integer(v))
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "true" : "false");
	return NULL;
}

static int declare_from(struct args *args, struct arg *a, const json_t *from, struct th_err *err)
{
	static const struct {
		const char *key;
		enum args_from from;
	} ours[] = {{"file", ARGS_FROM_FILE}, {"env", ARGS_FROM_ENV}, {"fd", ARGS_FROM_FD}};
	_cleanup_free_ char *where = NULL, *name = xstrdup(a->name);

	a->secret = true;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		const json_t *v = json_object_get(from, ours[i].key);

		if (!v)
			continue;
		where = args_scalar_text(v);
		if (!where || json_object_size(from) != 1)
			return err_set(err, EXIT_DATAERR, EINVAL,
				"argument '%s': valueFrom takes one of file, env, fd", name);
		if (a->value || args->lint)
			return 0;
		return args_set_from(args, ours[i].from, name, where, err);
	}
	if (!json_object_get(from, "secretKeyRef") && !json_object_get(from, "fieldRef"))
		return err_set(err, EXIT_DATAERR, EINVAL,
			"argument '%s': valueFrom takes one of file, env, fd", name);
	if (json_object_get(from, "fieldRef"))
		a->secret = false;
	str_replace(&a->reason,
		"it comes from Kubernetes there, and there is none here: give it with "
		"-a, --arg-file, --arg-env or --arg-fd");
	return 0;
}

static int declare_value(struct arg *a, const json_t *value, struct th_err *err)
{
	_cleanup_free_ char *text = args_scalar_text(value);

	if (!text)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"argument '%s': its value is no string (write it in quotes)", a->name);
	if (!a->value)
		a->value = TAKE_PTR(text);
	return 0;
}

static int check_members(const json_t *o, struct th_err *err)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		_cleanup_free_ char *shown = str_escape(key, 60);

		if (strcmp(key, "name") != 0 && strcmp(key, "value") != 0 &&
			strcmp(key, "valueFrom") != 0)
			return err_set(err, EXIT_DATAERR, EINVAL, "unknown field '%s'", shown);
	}
	return 0;
}

int args_declare(struct args *args, const json_t *o, struct th_err *err)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	const json_t *value = json_object_get(o, "value");
	const json_t *from = json_object_get(o, "valueFrom");
	struct arg *a;
	int r;

	if (str_is_empty(name))
		return err_set(err, EXIT_DATAERR, EINVAL, "has no name");
	r = check_members(o, err);
	if (r < 0)
		return r;
	a = args_add(args, name);
	if (a->declared)
		return err_set(err, EXIT_DATAERR, EINVAL, "argument '%s' stands twice", name);
	a->declared = true;
	if (json_is_null(value))
		value = NULL;
	if (value && from)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"argument '%s' has both value and valueFrom", name);
	if (from)
		return declare_from(args, a, from, err);
	return value ? declare_value(a, value, err) : 0;
}

const char *args_value(struct args *args, struct arg *a)
{
	if (!a->value && args->from_environment && getenv(a->name))
		a->value = xstrdup(getenv(a->name));
	return a->value;
}

int args_check(const struct args *args, struct th_err *err)
{
	for (size_t i = 0; i < args->n; i++) {
		const struct arg *a = &args->v[i];

		if (a->value || args->lint || (args->from_environment && getenv(a->name)))
			continue;
		return err_set(err, EXIT_DATAERR, EINVAL, "argument '%s' was not supplied%s%s",
			a->name, a->reason ? ": " : " (give it with -a NAME=VALUE)",
			a->reason ? a->reason : "");
	}
	return 0;
}

int args_to_value(const struct args *args, struct value_pool *pool, struct value *ret)
{
	_cleanup_free_ struct value_pair *pairs = xcalloc(args->n + 1, sizeof(*pairs));
	size_t n = 0;

	for (size_t i = 0; i < args->n; i++) {
		const struct arg *a = &args->v[i];

		if (!a->value)
			continue;
		pairs[n].key = value_string_of(a->name, strlen(a->name));
		pairs[n].value = value_string_of(a->value, strlen(a->value));
		n++;
	}
	return value_make_map(pool, pairs, n, false, ret);
}
