#include "config.h"

#include "conf/conf.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/words.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The longest part of a value that a message repeats. */
#define SHOWN_MAX 60

#define GROUP_NAME_MAX 128 /* DESIGN 1 */
#define CPU_NUMBER_MAX 65535

struct value {
	char *raw;	 /* NULL: not set */
	uint64_t number; /* every type that is one number, signed ones cast */
	struct strv list;
	struct rlimit rlimit;
	const char *origin; /* owned by the conf on top */
	unsigned line;
	unsigned layer;
};

struct env_source {
	char *name;
	char *text; /* "FILE:LINE" */
	unsigned line;
	unsigned layer;
};

struct hook_section {
	char *name;
	struct conf *conf;
};

struct conf {
	/* A [hook NAME] has room for the keys of [hook] alone. */
	enum conf_key first;
	size_t n_values;
	struct value *values;

	/* Of the conf on top only. */
	unsigned layer;
	const char *set_origin; /* of the layer, where conf_set_text() made it */
	struct strv origins;
	struct strv files;
	struct strv env;
	struct env_source *env_sources; /* one for each entry of env */
	struct hook_section *hooks;
	size_t n_hooks;
};

static void value_done(struct value *v)
{
	free(v->raw);
	strv_done(&v->list);
	*v = (struct value){.raw = NULL};
}

static struct conf *conf_new_range(enum conf_key first, size_t n)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	c->first = first;
	c->n_values = n;
	c->values = xcalloc(n, sizeof(*c->values));
	return c;
}

struct conf *conf_new(void)
{
	return conf_new_range(0, CONF_KEY_COUNT);
}

struct conf *conf_free(struct conf *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_values; i++)
		value_done(&c->values[i]);
	free(c->values);
	for (size_t i = 0; i < c->env.n; i++) {
		free(c->env_sources[i].name);
		free(c->env_sources[i].text);
	}
	free(c->env_sources);
	strv_done(&c->env);
	for (size_t i = 0; i < c->n_hooks; i++) {
		free(c->hooks[i].name);
		conf_free(c->hooks[i].conf);
	}
	free(c->hooks);
	strv_done(&c->files);
	strv_done(&c->origins);
	free(c);
	return NULL;
}

static struct value *conf_slot(const struct conf *c, enum conf_key key)
{
	assert(key >= c->first && key - c->first < c->n_values);
	return &c->values[key - c->first];
}

/* ---- values as text ---- */

/* Says why a text is no value; -EINVAL. */
PRINTF_ATTR(2, 3)
static int refuse(char **ret_why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(ret_why, fmt, ap) < 0)
		*ret_why = xstrdup("not a value");
	va_end(ap);
	return -EINVAL;
}

static const char *format_number(
	const struct conf_key_info *info, uint64_t number, char *buf, size_t size)
{
	if (info->type == CONF_DURATION)
		return format_duration(number, buf, size);
	if (info->type == CONF_SIZE)
		return format_size(number, buf, size);
	if (info->type == CONF_INT)
		(void)snprintf(buf, size, "%" PRId64, (int64_t)number);
	else if (info->type == CONF_MODE)
		(void)snprintf(buf, size, "%03" PRIo64, number);
	else if (info->type == CONF_CPU && number == UINT64_MAX)
		(void)snprintf(buf, size, "infinity");
	else if (info->type == CONF_CPU && number % 10000 == 0)
		(void)snprintf(buf, size, "%" PRIu64 "%%", number / 10000);
	else if (info->type == CONF_CPU)
		(void)snprintf(
			buf, size, "%" PRIu64 ".%04" PRIu64 "%%", number / 10000, number % 10000);
	else
		(void)snprintf(buf, size, "%" PRIu64, number);
	return buf;
}

static int refuse_range(const struct conf_key_info *info, char **ret_why)
{
	char min[64], max[64];

	return refuse(ret_why, "out of range (%s to %s)",
		format_number(info, info->min, min, sizeof(min)),
		format_number(info, info->max, max, sizeof(max)));
}

/* "50%", or a number of CPUs as "1.5", which is "150%". */
static int parse_cpu(const char *text, uint64_t *ret)
{
	_cleanup_free_ char *percent = NULL;
	uint64_t ppm;
	int rc;

	if (strcmp(text, "infinity") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	rc = parse_percent(text, &ppm);
	if (rc == -EINVAL) {
		percent = xasprintf("%s%%", text);
		rc = parse_percent(percent, &ppm);
		if (rc == 0 && __builtin_mul_overflow(ppm, (uint64_t)100, &ppm))
			rc = -ERANGE;
	}
	if (rc == 0)
		*ret = ppm;
	return rc;
}

/* Types that are one number. */
static int parse_number(
	const struct conf_key_info *info, const char *text, uint64_t *ret, char **ret_why)
{
	bool unbounded = info->max == UINT64_MAX;
	const char *what = NULL;
	uint64_t u = 0;
	int64_t i = 0;
	mode_t mode = 0;
	int sig = 0, rc = 0;
	bool yes = false;

	switch (info->type) {
	case CONF_BOOL:
		rc = parse_bool(text, &yes);
		u = yes;
		what = "not yes or no";
		break;
	case CONF_UINT:
		rc = parse_uint(text, info->min, info->max, &u);
		what = "not a whole number";
		break;
	case CONF_INT:
		rc = parse_int(text, (int64_t)info->min, (int64_t)info->max, &i);
		u = (uint64_t)i;
		what = "not a whole number";
		break;
	case CONF_SIZE:
		rc = parse_size(text, &u);
		what = unbounded ? "not a size (write it as 512K, 10M, 1.5G, or infinity)"
				 : "not a size (write it as 512K, 10M or 1.5G)";
		break;
	case CONF_DURATION:
		rc = parse_duration(text, &u);
		what = unbounded ? "not a duration (write it as 5s, 1m30s, or infinity)"
				 : "not a duration (write it as 5s or 1m30s)";
		break;
	case CONF_CPU:
		rc = parse_cpu(text, &u);
		what = "not an amount of CPU (write it as 50%, 1.5 (CPUs), or infinity)";
		break;
	case CONF_SIGNAL:
		rc = parse_signal(text, &sig);
		u = (uint64_t)sig;
		what = "not a signal (write it as SIGTERM, TERM or 15)";
		if (rc == -ERANGE)
			return refuse(ret_why, "there is no such signal");
		break;
	case CONF_MODE:
		rc = parse_mode(text, &mode);
		u = mode;
		what = "not a file mode (write it in octal, as 022)";
		break;
	case CONF_STRING:
	case CONF_ENUM:
	case CONF_COMMAND:
	case CONF_PATH:
	case CONF_CGROUP:
	case CONF_NAME:
	case CONF_USER:
	case CONF_ADDRESS:
	case CONF_LIST:
	case CONF_PATHS:
	case CONF_IO_MAX:
	case CONF_RLIMIT:
	case CONF_CPUS:
		assert(false); /* not one number */
	}
	if (rc == 0 && (info->type == CONF_SIZE || info->type == CONF_DURATION ||
			       info->type == CONF_CPU || info->type == CONF_MODE))
		rc = u < info->min || u > info->max ? -ERANGE : 0;
	if (rc == -ERANGE)
		return refuse_range(info, ret_why);
	if (rc < 0)
		return refuse(ret_why, "%s", what);
	*ret = u;
	return 0;
}

/* Index of `text` in a list of words, -1 where it is none. */
static int find_word(const char *const *words, const char *text)
{
	for (int i = 0; words && words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

/* "logs, all or none" */
static char *join_words(const char *const *words)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; words && words[i]; i++) {
		if (i > 0)
			strbuf_adds(&b, words[i + 1] ? ", " : " or ");
		strbuf_adds(&b, words[i]);
	}
	return strbuf_steal(&b);
}

/* Takes "[A-Za-z0-9._-]" at most `max` long, neither empty nor beginning as a hidden file does. */
static bool name_is_valid(const char *s, size_t max)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	return *s != '\0' && *s != '.' && *s != '-' && strlen(s) <= max &&
	       s[strspn(s, allowed)] == '\0';
}

/* A path that stays below where it begins, without empty parts, "." and "..". */
static bool path_is_plain(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

/* NAME or NAME:GROUP; a name holds no blank, control byte or colon. */
static bool user_is_valid(const char *s)
{
	size_t n = strcspn(s, ":");

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == ',' || *p == '/')
			return false;
	return n > 0 && (s[n] == '\0' || (s[n + 1] != '\0' && !strchr(s + n + 1, ':')));
}

/* cpuset(7), "List format", without strides. */
static bool cpus_are_valid(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ",");
		_cleanup_free_ char *part = xstrndup(s, n);
		char *dash = strchr(part, '-');
		uint64_t from, to;

		if (dash)
			*dash = '\0';
		if (parse_uint(part, 0, CPU_NUMBER_MAX, &from) < 0)
			return false;
		if (dash && (parse_uint(dash + 1, 0, CPU_NUMBER_MAX, &to) < 0 || to < from))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

static void split_list(const char *s, struct strv *ret)
{
	for (;;) {
		size_t n;

		s += strspn(s, " \t\v\f\r,");
		n = strcspn(s, " \t\v\f\r,");
		if (n == 0)
			return;
		strv_take(ret, xstrndup(s, n));
		s += n;
	}
}

/* "/dev/sda" or "8:0". */
static bool device_is_valid(const char *s)
{
	const char *colon = strchr(s, ':');
	_cleanup_free_ char *major = colon ? xstrndup(s, (size_t)(colon - s)) : NULL;
	uint64_t n;

	if (s[0] == '/')
		return true;
	return colon && parse_uint(major, 0, UINT32_MAX, &n) == 0 &&
	       parse_uint(colon + 1, 0, UINT32_MAX, &n) == 0;
}

/* "DEVICE rbps=10M wbps=10M riops=100 wiops=100" (cgroup-v2.rst, io.max). */
static int check_io_max(const char *text, char **ret_why)
{
	static const char *const names[] = {"rbps", "wbps", "riops", "wiops"};
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool seen[ARRAY_SIZE(names)] = {false};
	uint64_t number;

	split_list(text, &words);
	if (words.n < 2)
		return refuse(ret_why, "not a limit (write it as /dev/sda rbps=10M wiops=100)");
	if (!device_is_valid(words.v[0]))
		return refuse(
			ret_why, "'%s' is not a device (write it as /dev/sda or 8:0)", words.v[0]);
	for (size_t i = 1; i < words.n; i++) {
		char *value = strchr(words.v[i], '=');
		size_t k = 0;

		if (value)
			*value++ = '\0';
		while (k < ARRAY_SIZE(names) && strcmp(names[k], words.v[i]) != 0)
			k++;
		if (!value || k == ARRAY_SIZE(names))
			return refuse(ret_why,
				"'%s' is not one of rbps=, wbps=, riops= and wiops=", words.v[i]);
		if (seen[k])
			return refuse(ret_why, "%s= stands twice", names[k]);
		seen[k] = true;
		if (parse_size(value, &number) < 0 || number == 0)
			return refuse(ret_why,
				"'%s' of %s= is not a number above 0 (write it as 100, 10M, or "
				"max)",
				value, names[k]);
	}
	return 0;
}

static int parse_rlimit(const char *text, struct rlimit *ret, char **ret_why)
{
	size_t n = strcspn(text, ":");
	_cleanup_free_ char *first = xstrndup(text, n);
	uint64_t soft, hard;

	if (parse_size(first, &soft) < 0 || (text[n] && parse_size(text + n + 1, &hard) < 0))
		return refuse(ret_why, "not a limit (write it as 1024, 64K:1M, or infinity)");
	if (text[n] == '\0')
		hard = soft;
	if (soft > hard)
		return refuse(ret_why, "the soft limit is above the hard one");
	ret->rlim_cur = soft == UINT64_MAX ? RLIM_INFINITY : (rlim_t)soft;
	ret->rlim_max = hard == UINT64_MAX ? RLIM_INFINITY : (rlim_t)hard;
	return 0;
}

static bool address_is_valid(const char *text)
{
	struct in6_addr address; /* the larger of the two */

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* Parses `text` into a value that is empty. On failure it stays so, and *ret_why is what the text
 * is not; the caller frees it. */
static int parse_value(
	const struct conf_key_info *info, const char *text, struct value *ret, char **ret_why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *words = NULL;
	int i;

	switch (info->type) {
	case CONF_STRING:
		return 0;
	case CONF_BOOL:
	case CONF_UINT:
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_CPU:
	case CONF_SIGNAL:
	case CONF_MODE:
		return parse_number(info, text, &ret->number, ret_why);
	case CONF_ENUM:
		i = find_word(info->words, text);
		words = join_words(info->words);
		if (i < 0)
			return refuse(ret_why, "not a value (write %s)", words);
		ret->number = (uint64_t)i;
		return 0;
	case CONF_COMMAND:
		if (words_split(text, &ret->list, &err) < 0) {
			strv_done(&ret->list);
			return refuse(ret_why, "%s", err_text(&err));
		}
		if (ret->list.n == 0 || ret->list.v[0][0] == '\0') {
			strv_done(&ret->list);
			return refuse(ret_why, "no command");
		}
		return 0;
	case CONF_PATH:
		words = join_words(info->words);
		if (text[0] != '/' && find_word(info->words, text) < 0)
			return refuse(ret_why, "not an absolute path%s%s",
				info->words ? ", nor " : "", words);
		return 0;
	case CONF_CGROUP:
		words = join_words(info->words);
		if (find_word(info->words, text) < 0 && !path_is_plain(text))
			return refuse(ret_why,
				"not a path below the cgroup mount (write it as a.slice/b.slice, "
				"or %s)",
				words);
		return 0;
	case CONF_NAME:
		if (!name_is_valid(text, GROUP_NAME_MAX) || text[0] == '_' || strstr(text, ".."))
			return refuse(ret_why,
				"not a name (at most %d letters, digits, '.', '_' and '-', "
				"a letter or digit first, no '..')",
				GROUP_NAME_MAX);
		return 0;
	case CONF_USER:
		if (!user_is_valid(text))
			return refuse(ret_why, "not a user (write it as NAME or NAME:GROUP)");
		return 0;
	case CONF_ADDRESS:
		if (!address_is_valid(text))
			return refuse(
				ret_why, "not an address (write it as 192.0.2.1 or 2001:db8::1)");
		return 0;
	case CONF_LIST:
		split_list(text, &ret->list);
		return 0;
	case CONF_PATHS:
		split_list(text, &ret->list);
		for (size_t k = 0; k < ret->list.n; k++)
			if (ret->list.v[k][0] != '/') {
				refuse(ret_why, "'%s' is not an absolute path", ret->list.v[k]);
				strv_done(&ret->list);
				return -EINVAL;
			}
		return 0;
	case CONF_IO_MAX:
		if (*text == '\0')
			return 0;
		if (check_io_max(text, ret_why) < 0)
			return -EINVAL;
		strv_add(&ret->list, text);
		return 0;
	case CONF_RLIMIT:
		return parse_rlimit(text, &ret->rlimit, ret_why);
	case CONF_CPUS:
		if (!cpus_are_valid(text))
			return refuse(ret_why, "not a list of CPUs (write it as 0-3,7)");
		return 0;
	}
	assert(false);
	return -EINVAL;
}

/* ---- one layer ---- */

/* What is being read into a conf, and how its errors are given. */
struct layer {
	struct conf *conf;  /* the one on top */
	const char *origin; /* owned by conf; the file's name, or "--set" */
	bool may_repeat;    /* a key once more replaces, as on the command line */
	unsigned where;
	ini_report_fn report;
	void *arg;
	int reported;

	/* The section in work. */
	struct conf *section; /* where its keys go; NULL: an unknown one, passed over */
	bool in_env;
};

/* Reports an error and returns 0, or makes it the result. */
PRINTF_ATTR(4, 5)
static int layer_complain(struct layer *l, unsigned line, struct th_err *err, const char *fmt, ...)
{
	_cleanup_free_ char *origin = str_escape(l->origin, 0), *text = NULL;
	_cleanup_err_ struct th_err e = TH_ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (line > 0)
		(void)err_set(&e, EXIT_CONFIG, 0, "%s:%u: %s", origin, line, text ? text : "");
	else
		(void)err_set(&e, EXIT_USAGE, 0, "%s: %s", origin, text ? text : "");
	if (l->report) {
		l->report(l->arg, &e);
		l->reported++;
		return 0;
	}
	return err_set(err, e.status, 0, "%s", e.text);
}

/* "taskhook.conf, a group file or a task file" */
static char *where_text(unsigned where)
{
	static const struct {
		unsigned bit;
		const char *text;
	} kinds[] = {
		{CONF_IN_MAIN, "taskhook.conf"},
		{CONF_IN_GROUP, "group.ini"},
		{CONF_IN_TASK, "a task file"},
		{CONF_IN_HOOK, "the .conf file of a hook"},
	};
	const char *words[ARRAY_SIZE(kinds) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (where & kinds[i].bit)
			words[n++] = kinds[i].text;
	words[n] = NULL;
	return join_words(words);
}

static struct conf *conf_add_hook(struct conf *c, const char *name)
{
	struct hook_section *h;

	for (size_t i = 0; i < c->n_hooks; i++)
		if (strcmp(c->hooks[i].name, name) == 0)
			return c->hooks[i].conf;
	c->hooks = xreallocarray(c->hooks, c->n_hooks + 1, sizeof(*c->hooks));
	h = &c->hooks[c->n_hooks++];
	h->name = xstrdup(name);
	h->conf = conf_new_range(KEY_HOOK_SCHEDULE, CONF_KEY_COUNT - KEY_HOOK_SCHEDULE);
	return h->conf;
}

static int layer_complain_section(
	struct layer *l, const char *section, unsigned line, struct th_err *err)
{
	unsigned elsewhere = conf_section_where(section);
	const char *hook = conf_section_hook_name(section);
	_cleanup_free_ char *shown = str_escape(section, SHOWN_MAX), *files = where_text(elsewhere);
	_cleanup_free_ char *here = where_text(l->where);
	const char *nearest = NULL;

	if (hook && !*hook && conf_section_is_known("hook NAME", l->where))
		return layer_complain(
			l, line, err, "[hook] needs the name of the hook here: write [hook NAME]");
	if (hook && *hook && conf_section_is_known("hook", l->where))
		return layer_complain(
			l, line, err, "[%s]: this file is about one hook; write [hook]", shown);
	if (elsewhere)
		return layer_complain(l, line, err,
			"section [%s] cannot stand in %s; it belongs in %s", shown, here, files);
	nearest = conf_suggest_section(section, l->where);
	if (nearest)
		return layer_complain(
			l, line, err, "unknown section [%s]; did you mean [%s]?", shown, nearest);
	return layer_complain(l, line, err, "unknown section [%s]", shown);
}

static int layer_begin_section(
	struct layer *l, const char *section, unsigned line, struct th_err *err)
{
	const char *hook = conf_section_hook_name(section);

	l->section = NULL;
	l->in_env = false;
	if (!conf_section_is_known(section, l->where))
		return layer_complain_section(l, section, line, err);
	if (hook && *hook) {
		if (!name_is_valid(hook, INI_SECTION_MAX)) {
			_cleanup_free_ char *shown = str_escape(hook, SHOWN_MAX);

			return layer_complain(l, line, err,
				"'%s' is not the name of a hook (letters, digits, '.', '_' and "
				"'-', "
				"neither '.' nor '-' first)",
				shown);
		}
		l->section = conf_add_hook(l->conf, hook);
		return 0;
	}
	l->in_env = strcmp(section, "env") == 0;
	l->section = l->conf;
	return 0;
}

/* A key of that name that may stand in such files, in another section. */
static const struct conf_key_info *find_elsewhere(const char *name, unsigned where)
{
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		const struct conf_key_info *info = conf_key_info((enum conf_key)i);

		if (strcmp(info->name, name) == 0 && (info->where & where) != 0)
			return info;
	}
	return NULL;
}

static int layer_complain_key(
	struct layer *l, const char *section, const char *name, unsigned line, struct th_err *err)
{
	const struct conf_key_info *info = conf_key_find(section, name);
	_cleanup_free_ char *key = str_escape(name, SHOWN_MAX),
			    *sect = str_escape(section, SHOWN_MAX);
	const char *nearest;

	if (info) {
		_cleanup_free_ char *here = where_text(l->where), *files = where_text(info->where);

		return layer_complain(l, line, err,
			"'%s' of [%s] cannot stand in %s; it belongs in %s", key, sect, here,
			files);
	}
	info = find_elsewhere(name, l->where);
	if (info)
		return layer_complain(l, line, err,
			"unknown key '%s' in [%s]; '%s' belongs in [%s]", key, sect, key,
			strcmp(info->section, "hook") == 0 && l->where != CONF_IN_HOOK
				? "hook NAME"
				: info->section);
	nearest = conf_suggest_key(section, name, l->where);
	if (nearest)
		return layer_complain(l, line, err, "unknown key '%s' in [%s]; did you mean '%s'?",
			key, sect, nearest);
	return layer_complain(l, line, err, "unknown key '%s' in [%s]", key, sect);
}

static int layer_add_env(
	struct layer *l, const char *name, const char *value, unsigned line, struct th_err *err)
{
	_cleanup_free_ char *origin = str_escape(l->origin, 0);
	struct conf *c = l->conf;
	struct env_source *source;
	size_t i = 0;

	if (!env_name_is_valid(name)) {
		_cleanup_free_ char *shown = str_escape(name, SHOWN_MAX);

		return layer_complain(l, line, err,
			"'%s' is not the name of a variable (letters, digits and '_', no digit "
			"first)",
			shown);
	}
	while (i < c->env.n && strcmp(c->env_sources[i].name, name) != 0)
		i++;
	if (i == c->env.n) {
		c->env_sources = xreallocarray(c->env_sources, i + 1, sizeof(*c->env_sources));
		c->env_sources[i] = (struct env_source){.name = xstrdup(name)};
	} else if (c->env_sources[i].layer == c->layer && !l->may_repeat) {
		return layer_complain(l, line, err,
			"repeated variable '%s'; it stands in line %u already", name,
			c->env_sources[i].line);
	}
	/* Replaces in place or appends, so that the two stay side by side. */
	env_set(&c->env, name, value);
	source = &c->env_sources[i];
	free(source->text);
	source->text = line > 0 ? xasprintf("%s:%u", origin, line) : xstrdup(origin);
	source->line = line;
	source->layer = c->layer;
	return 0;
}

/* `label` is the key as a message names it. */
static int layer_set_key(struct layer *l, const struct conf_key_info *info, const char *label,
	const char *text, unsigned line, struct th_err *err)
{
	struct value *v = conf_slot(l->section, info->id), fresh = {.raw = NULL};
	bool again = v->raw && v->layer == l->conf->layer;
	_cleanup_free_ char *why = NULL;

	if (again && !l->may_repeat && !conf_type_is_list(info->type))
		return layer_complain(l, line, err,
			"repeated key '%s'; it stands in line %u already", label, v->line);
	if (parse_value(info, text, &fresh, &why) < 0) {
		_cleanup_free_ char *shown = str_escape(text, SHOWN_MAX);
		_cleanup_free_ char *reason = str_escape(why, 0);

		return layer_complain(l, line, err, "%s = %s: %s", label, shown, reason);
	}
	if (again && conf_type_is_list(info->type)) {
		char *joined = xasprintf("%s%s%s", v->raw, *v->raw && *text ? " " : "", text);

		free(v->raw);
		v->raw = joined;
		strv_copy(&v->list, &fresh.list);
		value_done(&fresh);
		return 0;
	}
	value_done(v);
	*v = fresh;
	v->raw = xstrdup(text);
	v->origin = l->origin;
	v->line = line;
	v->layer = l->conf->layer;
	return 0;
}

static int layer_take_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct layer *l = arg;
	const struct conf_key_info *info;

	if (!item->key)
		return layer_begin_section(l, item->section, item->line, err);
	if (!l->section)
		return 0;
	if (l->in_env)
		return layer_add_env(l, item->key, item->value, item->line, err);
	info = conf_key_find(item->section, item->key);
	if (!info || (info->where & l->where) == 0)
		return layer_complain_key(l, item->section, item->key, item->line, err);
	return layer_set_key(l, info, item->key, item->value, item->line, err);
}

static void layer_take_report(void *arg, const struct th_err *e)
{
	struct layer *l = arg;

	l->report(l->arg, e);
}

static const char *conf_add_origin(struct conf *c, const char *text)
{
	strv_add(&c->origins, text);
	return c->origins.v[c->origins.n - 1];
}

static void layer_begin(struct layer *l, const char *origin)
{
	struct conf *c = l->conf;

	c->layer++;
	c->set_origin = NULL;
	l->origin = conf_add_origin(c, origin);
}

static int conf_read(struct conf *c, int dirfd, const char *path, const char *data, size_t size,
	const char *shown, unsigned where, ini_report_fn report, void *arg, struct th_err *err)
{
	struct layer l = {.conf = c, .where = where, .report = report, .arg = arg};
	ini_report_fn syntax = report ? layer_take_report : NULL;
	int rc;

	layer_begin(&l, shown);
	if (path)
		rc = ini_read_file(dirfd, path, shown, layer_take_item, syntax, &l, err);
	else
		rc = ini_read_memory(data, size, shown, layer_take_item, syntax, &l, err);
	if (rc < 0)
		return rc;
	strv_add(&c->files, shown);
	return rc + l.reported;
}

int conf_read_file(struct conf *c, int dirfd, const char *path, const char *shown, unsigned where,
	ini_report_fn report, void *arg, struct th_err *err)
{
	return conf_read(c, dirfd, path, NULL, 0, shown, where, report, arg, err);
}

int conf_read_memory(struct conf *c, const char *data, size_t size, const char *shown,
	unsigned where, ini_report_fn report, void *arg, struct th_err *err)
{
	return conf_read(c, -1, NULL, data, size, shown, where, report, arg, err);
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a drop-in directory that are read, bytewise sorted. A missing one is empty. */
static int list_dropins(const char *path, struct strv *ret, struct th_err *err)
{
	_cleanup_(closedirp) DIR *d = opendir(path);
	_cleanup_free_ char *shown = str_escape(path, 0);
	struct dirent *de;

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!d)
		return err_set(err, errno == EACCES ? EXIT_NOPERM : EXIT_CONFIG, errno,
			"cannot read '%s': %m", shown);
	while (errno = 0, (de = readdir(d)))
		if (de->d_name[0] != '.' && str_ends_with(de->d_name, ".conf"))
			strv_add(ret, de->d_name);
	if (errno != 0)
		return err_set(err, EXIT_CONFIG, errno, "cannot read '%s': %m", shown);
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
	return 0;
}

int conf_read_main(struct conf *c, const char *path, bool must_exist, const char *dropin_dir,
	ini_report_fn report, void *arg, struct th_err *err)
{
	_cleanup_strv_ struct strv files = STRV_INIT, names = STRV_INIT;
	_cleanup_err_ struct th_err own = TH_ERR_INIT;
	int total = 0, rc;

	if (path)
		strv_add(&files, path);
	rc = dropin_dir ? list_dropins(dropin_dir, &names, &own) : 0;
	for (size_t i = 0; i < names.n; i++)
		strv_addf(&files, "%s/%s", dropin_dir, names.v[i]);

	for (size_t i = 0;; i++) {
		if (rc < 0 && !report)
			return err_set(err, own.status, own.errnum, "%s", own.text);
		if (rc < 0) {
			report(arg, &own);
			total++;
		} else {
			total += rc;
		}
		err_clear(&own);
		if (i == files.n)
			return total;
		rc = conf_read_file(
			c, AT_FDCWD, files.v[i], files.v[i], CONF_IN_MAIN, report, arg, &own);
		if (rc == -ENOENT && path && i == 0 && !must_exist)
			rc = 0;
	}
}

int conf_set_text(struct conf *c, const char *dotted, const char *value, const char *origin,
	struct th_err *err)
{
	struct layer l = {.conf = c, .where = CONF_IN_TASK, .may_repeat = true};
	_cleanup_free_ char *section = NULL, *label = str_escape(dotted, SHOWN_MAX);
	const struct conf_key_info *info;
	const char *dot;
	int rc;

	/* One command line is one layer: a list given in two options has the entries of both. */
	if (c->set_origin && strcmp(c->set_origin, origin) == 0) {
		l.origin = c->set_origin;
	} else {
		layer_begin(&l, origin);
		c->set_origin = l.origin;
	}
	if (str_starts_with(dotted, "env."))
		return layer_add_env(&l, dotted + 4, value, 0, err);
	/* The name of a hook may hold dots, no key does. */
	dot = strrchr(dotted, '.');
	if (!dot) {
		info = find_elsewhere(dotted, CONF_IN_TASK);
		if (info)
			return layer_complain(&l, 0, err, "'%s': write it with its section, %s.%s",
				label,
				strcmp(info->section, "hook") == 0 ? "'hook NAME'" : info->section,
				info->name);
		return layer_complain(&l, 0, err, "'%s': write SECTION.KEY=VALUE", label);
	}
	section = xstrndup(dotted, (size_t)(dot - dotted));
	rc = layer_begin_section(&l, section, 0, err);
	if (rc < 0)
		return rc;
	info = conf_key_find(section, dot + 1);
	if (!info || (info->where & l.where) == 0)
		return layer_complain_key(&l, section, dot + 1, 0, err);
	return layer_set_key(&l, info, label, value, 0, err);
}

/* ---- access ---- */

bool conf_is_set(const struct conf *c, enum conf_key key)
{
	return conf_slot(c, key)->raw != NULL;
}

const char *conf_string(const struct conf *c, enum conf_key key)
{
	const struct value *v = conf_slot(c, key);

	return v->raw ? v->raw : conf_key_info(key)->def;
}

static uint64_t conf_number(const struct conf *c, enum conf_key key, uint64_t missing)
{
	const struct conf_key_info *info = conf_key_info(key);
	const struct value *v = conf_slot(c, key);
	struct value fallback = {.raw = NULL};
	_cleanup_free_ char *why = NULL;

	if (v->raw)
		return v->number;
	if (!info->def)
		return missing;
	/* A default is as good as checked: the unit test parses each. */
	if (parse_value(info, info->def, &fallback, &why) < 0)
		assert(false);
	return fallback.number;
}

static void assert_type(enum conf_key key, enum conf_type type)
{
	assert(conf_key_info(key)->type == type);
	(void)key;
	(void)type;
}

bool conf_bool(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_BOOL);
	return conf_number(c, key, 0) != 0;
}

uint64_t conf_uint(const struct conf *c, enum conf_key key)
{
	enum conf_type type = conf_key_info(key)->type;

	assert(type == CONF_UINT || type == CONF_SIZE || type == CONF_CPU);
	return conf_number(c, key, type == CONF_UINT ? 0 : UINT64_MAX);
}

int64_t conf_int(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_INT);
	return (int64_t)conf_number(c, key, 0);
}

usec_t conf_duration(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_DURATION);
	return conf_number(c, key, USEC_INFINITY);
}

int conf_signal(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_SIGNAL);
	return (int)conf_number(c, key, 0);
}

mode_t conf_mode(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_MODE);
	return (mode_t)conf_number(c, key, 0);
}

int conf_enum(const struct conf *c, enum conf_key key)
{
	assert_type(key, CONF_ENUM);
	return (int)conf_number(c, key, UINT64_MAX);
}

const struct strv *conf_list(const struct conf *c, enum conf_key key)
{
	assert(conf_type_is_list(conf_key_info(key)->type) ||
		conf_key_info(key)->type == CONF_COMMAND);
	/* No list has a default (test-keys), so what is not set is empty. */
	return &conf_slot(c, key)->list;
}

bool conf_rlimit(const struct conf *c, enum conf_key key, struct rlimit *ret)
{
	const struct value *v = conf_slot(c, key);

	assert_type(key, CONF_RLIMIT);
	if (!v->raw)
		return false;
	*ret = v->rlimit;
	return true;
}

const char *conf_origin(const struct conf *c, enum conf_key key, unsigned *ret_line)
{
	const struct value *v = conf_slot(c, key);

	if (ret_line)
		*ret_line = v->raw ? v->line : 0;
	return v->raw ? v->origin : "default";
}

const struct strv *conf_env(const struct conf *c)
{
	return &c->env;
}

const char *conf_env_origin(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->env.n; i++)
		if (strcmp(c->env_sources[i].name, name) == 0)
			return c->env_sources[i].text;
	return NULL;
}

size_t conf_hook_count(const struct conf *c)
{
	return c->n_hooks;
}

const char *conf_hook_name(const struct conf *c, size_t i)
{
	assert(i < c->n_hooks);
	return c->hooks[i].name;
}

const struct conf *conf_hook(const struct conf *c, size_t i)
{
	assert(i < c->n_hooks);
	return c->hooks[i].conf;
}

const struct strv *conf_files(const struct conf *c)
{
	return &c->files;
}

char *conf_format(const struct conf *c, enum conf_key key)
{
	const struct conf_key_info *info = conf_key_info(key);
	const struct value *v = conf_slot(c, key);
	struct strbuf b = STRBUF_INIT;
	char buf[64];

	if (!v->raw && !info->def)
		return NULL;
	switch (info->type) {
	case CONF_BOOL:
		return xstrdup(conf_bool(c, key) ? "yes" : "no");
	case CONF_UINT:
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_CPU:
	case CONF_MODE:
		return xstrdup(format_number(info, conf_number(c, key, 0), buf, sizeof(buf)));
	case CONF_SIGNAL:
		return xasprintf("SIG%s", signal_name(conf_signal(c, key)));
	case CONF_LIST:
	case CONF_PATHS:
	case CONF_IO_MAX:
		for (size_t i = 0; i < v->list.n; i++) {
			if (i > 0)
				strbuf_adds(&b, info->type == CONF_IO_MAX ? ", " : " ");
			strbuf_adds(&b, v->list.v[i]);
		}
		return strbuf_steal(&b);
	case CONF_STRING:
	case CONF_ENUM:
	case CONF_COMMAND:
	case CONF_PATH:
	case CONF_CGROUP:
	case CONF_NAME:
	case CONF_USER:
	case CONF_ADDRESS:
	case CONF_RLIMIT:
	case CONF_CPUS:
		break;
	}
	return xstrdup(conf_string(c, key));
}
