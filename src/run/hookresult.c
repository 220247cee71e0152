#include "config.h"

#include "run/hookresult.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/suggest.h"
#include "conf/ini.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX ((size_t)1024)

/* A hook that hands back thousands of variables would make every later execve fail with E2BIG. */
#define ENTRIES_MAX ((size_t)1000)

/* Names that steer the programs of root: loaders, shells, and what taskhook itself tells hooks. */
static const char *const refused_names[] = {
	"LD_*",
	"GCONV_PATH",
	"BASH_ENV",
	"ENV",
	"IFS",
	"PATH",
	"SHELLOPTS",
	"HOOK_*",
	"TASK*",
	"EGGO_*",
};

static const char *const sections[] = {"env", "state", "mounts", "devices", "result"};
static const char *const result_keys[] = {"done", "message"};

bool hook_result_env_is_refused(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused_names); i++)
		if (fnmatch(refused_names[i], name, 0) == 0)
			return true;
	return false;
}

static bool has_control_bytes(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* Absolute, without "..", and without bytes that no table of mounts could hold. */
static bool is_plain_path(const char *s)
{
	return path_is_absolute(s) && !strstr(s, "/../") && !str_ends_with(s, "/..") &&
	       !has_control_bytes(s);
}

static int add(struct strv *to, const struct ini_item *item, struct th_err *err)
{
	size_t len = strlen(item->key);

	for (size_t i = 0; i < to->n; i++)
		if (strncmp(to->v[i], item->key, len) == 0 && to->v[i][len] == '=')
			return err_set(err, EXIT_DATAERR, EINVAL, "'%s' stands twice in [%s]",
				item->key, item->section);
	if (to->n == ENTRIES_MAX)
		return err_set(err, EXIT_DATAERR, EINVAL, "more than %zu entries in [%s]",
			ENTRIES_MAX, item->section);
	strv_addf(to, "%s=%s", item->key, item->value);
	return 0;
}

static int take_name(struct strv *to, const struct ini_item *item, struct th_err *err)
{
	if (!env_name_is_valid(item->key)) {
		_cleanup_free_ char *shown = str_escape(item->key, 60);

		return err_set(err, EXIT_DATAERR, EINVAL,
			"'%s' is no variable name: letters, digits and '_', no digit first", shown);
	}
	return add(to, item, err);
}

static int take_env(struct hook_result *r, const struct ini_item *item, struct th_err *err)
{
	if (hook_result_env_is_refused(item->key))
		return err_set(err, EXIT_DATAERR, EINVAL,
			"'%s' may not be set by a hook, as it steers programs", item->key);
	return take_name(&r->env, item, err);
}

static int take_mount(struct hook_result *r, const struct ini_item *item, struct th_err *err)
{
	_cleanup_free_ char *target = str_escape(item->key, 100);
	_cleanup_free_ char *value = str_escape(item->value, 100);
	_cleanup_free_ char *source = xstrdup(item->value);

	if (!is_plain_path(item->key))
		return err_set(err, EXIT_DATAERR, EINVAL,
			"mount target '%s' is no absolute path without '..'", target);
	if (str_ends_with(source, ":ro"))
		source[strlen(source) - strlen(":ro")] = '\0';
	if (!is_plain_path(source))
		return err_set(err, EXIT_DATAERR, EINVAL,
			"mount source '%s' is no absolute path without '..', with ':ro' behind or "
			"not",
			value);
	return add(&r->mounts, item, err);
}

static int take_device(struct hook_result *r, const struct ini_item *item, struct th_err *err)
{
	_cleanup_free_ char *node = str_escape(item->key, 100);
	_cleanup_free_ char *value = str_escape(item->value, 100);
	size_t n = strlen(item->value);

	if (!is_plain_path(item->key) || !str_starts_with(item->key, "/dev/") ||
		item->key[strlen("/dev/")] == '\0')
		return err_set(err, EXIT_DATAERR, EINVAL, "'%s' is no device below /dev", node);
	if (n == 0 || n > 3 || strspn(item->value, "rwm") != n)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"access to '%s' is '%s'; it is made of r, w and m", node, value);
	return add(&r->devices, item, err);
}

static int take_result(struct hook_result *r, const struct ini_item *item, struct th_err *err)
{
	const char *near;

	if (strcmp(item->key, "done") == 0) {
		if (parse_bool(item->value, &r->done) < 0)
			return err_set(err, EXIT_DATAERR, EINVAL, "done is yes or no");
		return 0;
	}
	if (strcmp(item->key, "message") == 0) {
		if (strlen(item->value) > MESSAGE_MAX)
			return err_set(err, EXIT_DATAERR, EINVAL, "message has more than %zu bytes",
				MESSAGE_MAX);
		str_replace(&r->message, *item->value ? item->value : NULL);
		return 0;
	}
	near = suggest_nearest(item->key, result_keys, ARRAY_SIZE(result_keys));
	return err_set(err, EXIT_DATAERR, EINVAL, "unknown key '%s' in [result]%s%s%s", item->key,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int check_section(const struct ini_item *item, struct th_err *err)
{
	const char *s = item->section;
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strcmp(s, sections[i]) == 0)
			return 0;
	near = suggest_nearest(s, sections, ARRAY_SIZE(sections));
	return err_set(err, EXIT_DATAERR, EINVAL, "unknown section [%s]%s%s%s", s,
		near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
}

static int take_key(struct hook_result *r, const struct ini_item *item, struct th_err *err)
{
	const char *s = item->section;

	if (strcmp(s, "env") == 0)
		return take_env(r, item, err);
	if (strcmp(s, "state") == 0)
		return take_name(&r->state, item, err);
	if (strcmp(s, "mounts") == 0)
		return take_mount(r, item, err);
	if (strcmp(s, "devices") == 0)
		return take_device(r, item, err);
	return take_result(r, item, err);
}

static int take_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	int r = item->key ? take_key(arg, item, err) : check_section(item, err);

	if (r < 0)
		err_prefix(err, "%s:%u", item->file, item->line);
	return r;
}

int hook_result_parse(const char *data, size_t size, const char *shown, struct hook_result *ret,
	struct th_err *err)
{
	_cleanup_hook_result_ struct hook_result result = {0};
	int r;

	if (size > HOOK_RESULT_MAX)
		return err_set(err, EXIT_DATAERR, EFBIG, "%s: has more than %zu bytes", shown,
			HOOK_RESULT_MAX);
	r = ini_read_memory(data, size, shown, take_item, NULL, &result, err);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct hook_result){0};
	return 0;
}

int hook_result_read(
	int dirfd, const char *name, const char *shown, struct hook_result *ret, struct th_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	int r;

	r = file_read_at(
		dirfd, name, FILEIO_REGULAR | FILEIO_NOFOLLOW, HOOK_RESULT_MAX, &data, &size);
	switch (r) {
	case 0:
		break;
	case -ENOENT:
		*ret = (struct hook_result){0};
		return 0;
	case -ELOOP:
	case -EMEDIUMTYPE:
		return err_set(err, EXIT_DATAERR, -r, "%s: is no regular file", shown);
	case -EFBIG:
		return err_set(err, EXIT_DATAERR, EFBIG, "%s: has more than %zu bytes", shown,
			HOOK_RESULT_MAX);
	default:
		return err_set(err, EXIT_DATAERR, -r, "%s: %s", shown, strerror(-r));
	}
	if (size == 0) {
		*ret = (struct hook_result){0};
		return 0;
	}
	return hook_result_parse(data, size, shown, ret, err);
}

void hook_result_done(struct hook_result *r)
{
	strv_done(&r->env);
	strv_done(&r->state);
	strv_done(&r->mounts);
	strv_done(&r->devices);
	free(r->message);
	*r = (struct hook_result){0};
}
