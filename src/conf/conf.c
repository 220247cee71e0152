#include "config.h"

#include "conf/conf.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "conf/source.h"
#include "conf/value.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The longest part of a value that a message repeats. */
#define SHOWN_MAX 60

struct place {
	unsigned line;
	unsigned layer;
};

struct slot {
	struct conf_value value;
	const char *origin; /* owned by the conf on top */
	unsigned line;
	unsigned layer;
	struct place *headers; /* one for each of value.list; CONF_HEADERS alone */
};

struct env_source {
	char *name;
	char *text; /* "FILE:LINE" */
	unsigned line;
	unsigned layer;
};

struct named_section {
	enum conf_named kind;
	char *name;
	struct conf *conf;
};

struct conf {
	/* A named section has room for its own keys alone. */
	enum conf_key first;
	size_t n_slots;
	struct slot *slots;

	/* Of the conf on top only. */
	unsigned layer;
	const char *set_origin; /* of the layer, where conf_set_text() made it */
	struct strv origins;
	struct strv files;
	struct strv env;
	struct env_source *env_sources; /* one for each entry of env */
	struct named_section *named;
	size_t n_named;
};

static struct conf *conf_new_range(enum conf_key first, size_t n)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	c->first = first;
	c->n_slots = n;
	c->slots = xcalloc(n, sizeof(*c->slots));
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
	for (size_t i = 0; i < c->n_slots; i++) {
		conf_value_done(&c->slots[i].value);
		free(c->slots[i].headers);
	}
	free(c->slots);
	for (size_t i = 0; i < c->env.n; i++) {
		free(c->env_sources[i].name);
		free(c->env_sources[i].text);
	}
	free(c->env_sources);
	strv_done(&c->env);
	for (size_t i = 0; i < c->n_named; i++) {
		free(c->named[i].name);
		conf_free(c->named[i].conf);
	}
	free(c->named);
	strv_done(&c->files);
	strv_done(&c->origins);
	free(c);
	return NULL;
}

static struct slot *conf_slot(const struct conf *c, enum conf_key key)
{
	assert(key >= c->first && key - c->first < c->n_slots);
	return &c->slots[key - c->first];
}

/* ---- one layer ---- */

/* What is being read into a conf, and how its errors are given. */
struct layer {
	struct conf *conf;  /* the one on top */
	const char *origin; /* owned by conf; the file's name, or "--set" */
	const char *dir;    /* that a relative path is relative to */
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
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (line > 0)
		(void)err_set(&e, EXIT_CONFIG, 0, "%s:%u: %s", origin, line, text);
	else
		(void)err_set(&e, EXIT_USAGE, 0, "%s: %s", origin, text);
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
	_cleanup_strbuf_ struct strbuf words = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (where & kinds[i].bit)
			strbuf_addf(&words, "%s%s", words.len ? "|" : "", kinds[i].text);
	return conf_join_words(strbuf_str(&words));
}

static struct conf *conf_add_named(struct conf *c, enum conf_named kind, const char *name)
{
	enum conf_key first = conf_named_first_key(kind), last = conf_named_last_key(kind);
	struct named_section *n;

	for (size_t i = 0; i < c->n_named; i++)
		if (c->named[i].kind == kind && strcmp(c->named[i].name, name) == 0)
			return c->named[i].conf;
	c->named = xreallocarray(c->named, c->n_named + 1, sizeof(*c->named));
	n = &c->named[c->n_named++];
	n->kind = kind;
	n->name = xstrdup(name);
	n->conf = conf_new_range(first, last - first + 1);
	return n->conf;
}

static int layer_complain_section(
	struct layer *l, const char *section, unsigned line, struct th_err *err)
{
	unsigned elsewhere = conf_section_where(section);
	enum conf_named kind = CONF_NAMED_COUNT;
	const char *name = conf_section_name(section, &kind);
	_cleanup_free_ char *shown = str_escape(section, SHOWN_MAX), *files = where_text(elsewhere);
	_cleanup_free_ char *here = where_text(l->where);
	_cleanup_free_ char *with_name =
		name ? xasprintf("%s NAME", conf_named_word(kind)) : xstrdup("");
	const char *nearest = NULL;

	if (name && !*name && conf_section_is_known(with_name, l->where))
		return layer_complain(l, line, err,
			"[%s] needs the name of the %s here: write [%s]", conf_named_word(kind),
			conf_named_word(kind), with_name);
	if (name && *name && kind == CONF_NAMED_HOOK && conf_section_is_known("hook", l->where))
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
	enum conf_named kind = CONF_NAMED_COUNT;
	const char *name = conf_section_name(section, &kind);

	l->section = NULL;
	l->in_env = false;
	if (!conf_section_is_known(section, l->where))
		return layer_complain_section(l, section, line, err);
	if (name && *name) {
		if (!conf_name_is_valid(name, INI_SECTION_MAX)) {
			_cleanup_free_ char *shown = str_escape(name, SHOWN_MAX);

			return layer_complain(l, line, err,
				"'%s' is not the name of %s (letters, digits, '.', '_' and '-', "
				"neither '.' nor '-' first)",
				shown, kind == CONF_NAMED_HOOK ? "a hook" : "an artifact");
		}
		l->section = conf_add_named(l->conf, kind, name);
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

static bool needs_name(const char *section, unsigned where)
{
	return conf_section_name(section, NULL) && where != CONF_IN_HOOK;
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
			"unknown key '%s' in [%s]; '%s' belongs in [%s%s]", key, sect, key,
			info->section, needs_name(info->section, l->where) ? " NAME" : "");
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

/* RFC 9110, 5.6.2 */
static bool is_header_name(const char *s)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *s && s[strspn(s, token)] == '\0';
}

/* One of a family of keys: headers of one name replace each other, whatever their case is. */
static int layer_set_header(struct layer *l, const struct conf_key_info *info, const char *name,
	const char *text, unsigned line, struct th_err *err)
{
	struct slot *slot = conf_slot(l->section, info->id);
	_cleanup_free_ char *why = NULL, *shown = str_escape(name, SHOWN_MAX);
	struct conf_value checked = {.text = NULL};
	struct strv *list = &slot->value.list;
	size_t n = strlen(name), i = 0;

	if (!is_header_name(name))
		return layer_complain(l, line, err,
			"'" CONF_HEADER_PREFIX "%s': not the name of a header", shown);
	/* The value may be a secret: it is not repeated. */
	if (conf_value_parse(info, text, l->dir, &checked, &why) < 0)
		return layer_complain(l, line, err, CONF_HEADER_PREFIX "%s: %s", shown, why);
	conf_value_done(&checked);
	while (i < list->n && (strncasecmp(list->v[i], name, n) != 0 || list->v[i][n] != ':'))
		i++;
	if (i < list->n && slot->headers[i].layer == l->conf->layer && !l->may_repeat)
		return layer_complain(l, line, err,
			"repeated key '" CONF_HEADER_PREFIX "%s'; it stands in line %u already",
			shown, slot->headers[i].line);
	if (i == list->n) {
		strv_addf(list, "%s: %s", name, text);
		slot->headers = xreallocarray(slot->headers, list->n, sizeof(*slot->headers));
	} else {
		free(list->v[i]);
		list->v[i] = xasprintf("%s: %s", name, text);
	}
	slot->headers[i] = (struct place){.line = line, .layer = l->conf->layer};
	if (!slot->value.text)
		slot->value.text = xstrdup("");
	slot->origin = l->origin;
	slot->line = line;
	slot->layer = l->conf->layer;
	return 0;
}

/* `label` is the key as a message names it. */
static int layer_set_key(struct layer *l, const struct conf_key_info *info, const char *label,
	const char *text, unsigned line, struct th_err *err)
{
	struct slot *slot = conf_slot(l->section, info->id);
	struct conf_value *v = &slot->value, fresh = {.text = NULL};
	bool is_option = line == 0 && str_starts_with(l->origin, "--") &&
			 strcmp(l->origin + 2, info->name) == 0;
	bool again = v->text && slot->layer == l->conf->layer;
	_cleanup_free_ char *why = NULL;

	if (again && !l->may_repeat && !conf_type_is_list(info->type))
		return layer_complain(l, line, err,
			"repeated key '%s'; it stands in line %u already", label, slot->line);
	if (conf_value_parse(info, text, l->dir, &fresh, &why) < 0) {
		_cleanup_free_ char *redacted =
			info->type == CONF_SOURCE ? source_redact(text) : NULL;
		_cleanup_free_ char *shown = str_escape(redacted ? redacted : text, SHOWN_MAX);
		_cleanup_free_ char *reason = str_escape(why, 0);

		/* "--timeout" is the key's name already. */
		if (is_option)
			return layer_complain(l, line, err, "%s: %s", shown, reason);
		return layer_complain(l, line, err, "%s = %s: %s", label, shown, reason);
	}
	if (again && conf_type_is_list(info->type)) {
		char *joined = xasprintf("%s%s%s", v->text, *v->text && *text ? " " : "", text);

		free(v->text);
		v->text = joined;
		strv_copy(&v->list, &fresh.list);
		conf_value_done(&fresh);
		return 0;
	}
	conf_value_done(v);
	*slot = (struct slot){
		.value = fresh, .origin = l->origin, .line = line, .layer = l->conf->layer};
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
	if (info->type == CONF_HEADERS)
		return layer_set_header(l, info, item->key + strlen(CONF_HEADER_PREFIX),
			item->value, item->line, err);
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
	_cleanup_free_ char *dir = path_dirname(shown);
	struct layer l = {.conf = c, .dir = dir, .where = where, .report = report, .arg = arg};
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

/* The names of a drop-in directory that are read, bytewise sorted. A missing one is empty. */
static int list_dropins(const char *path, struct strv *ret, struct th_err *err)
{
	_cleanup_dir_ DIR *d = opendir(path);
	_cleanup_free_ char *shown = str_escape(path, 0);
	const struct dirent *de;
	int r;

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!d)
		return err_set(err, errno == EACCES ? EXIT_NOPERM : EXIT_CONFIG, errno,
			"cannot read '%s': %m", shown);
	while ((r = fd_next_entry(d, &de)) > 0)
		if (de->d_name[0] != '.' && str_ends_with(de->d_name, ".conf"))
			strv_add(ret, de->d_name);
	if (r < 0)
		return err_set(err, EXIT_CONFIG, -r, "cannot read '%s': %s", shown, strerror(-r));
	strv_sort(ret);
	return 0;
}

int conf_read_main(struct conf *c, const char *path, bool must_exist, const char *dropin_dir,
	ini_report_fn report, void *arg, struct th_err *err)
{
	_cleanup_strv_ struct strv files = STRV_INIT, names = STRV_INIT;
	_cleanup_err_ struct th_err own = TH_ERR_INIT;
	int total = 0, rc;

	/* Looked for first: most hosts have none, and no message is made up for nothing. */
	if (path && (must_exist || access(path, F_OK) == 0 || errno != ENOENT))
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
	}
}

int conf_set_text(struct conf *c, const char *dotted, const char *value, const char *origin,
	struct th_err *err)
{
	struct layer l = {.conf = c, .dir = ".", .where = CONF_IN_TASK, .may_repeat = true};
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
			return layer_complain(&l, 0, err,
				"'%s': write it with its section, %s%s.%s", label, info->section,
				conf_section_name(info->section, NULL) ? ".NAME" : "", info->name);
		return layer_complain(&l, 0, err, "'%s': write SECTION.KEY=VALUE", label);
	}
	section = xstrndup(dotted, (size_t)(dot - dotted));
	/* "artifact.app.source" needs no quotes in a shell. */
	for (enum conf_named k = 0; k < CONF_NAMED_COUNT; k++) {
		size_t n = strlen(conf_named_word(k));

		if (strncmp(section, conf_named_word(k), n) == 0 && section[n] == '.')
			section[n] = ' ';
	}
	rc = layer_begin_section(&l, section, 0, err);
	if (rc < 0)
		return rc;
	info = conf_key_find(section, dot + 1);
	if (!info || (info->where & l.where) == 0)
		return layer_complain_key(&l, section, dot + 1, 0, err);
	if (info->type == CONF_HEADERS)
		return layer_set_header(
			&l, info, dot + 1 + strlen(CONF_HEADER_PREFIX), value, 0, err);
	return layer_set_key(&l, info, label, value, 0, err);
}

/* ---- access ---- */

bool conf_is_set(const struct conf *c, enum conf_key key)
{
	return conf_slot(c, key)->value.text != NULL;
}

const char *conf_string(const struct conf *c, enum conf_key key)
{
	const struct conf_value *v = &conf_slot(c, key)->value;

	const char *def = conf_key_info(key)->def;

	if (v->text)
		return v->text;
	return *def ? def : NULL;
}

/* The default of a key that has one. */
static void parse_default(const struct conf_key_info *info, struct conf_value *ret)
{
	_cleanup_free_ char *why = NULL;

	/* A default is as good as checked: the unit test parses each. */
	if (conf_value_parse(info, info->def, ".", ret, &why) < 0)
		assert(false);
}

static uint64_t conf_number(const struct conf *c, enum conf_key key, uint64_t missing)
{
	const struct conf_key_info *info = conf_key_info(key);
	const struct conf_value *v = &conf_slot(c, key)->value;
	struct conf_value fallback = {.text = NULL};
	uint64_t number;

	if (v->text)
		return v->number;
	if (!*info->def)
		return missing;
	parse_default(info, &fallback);
	number = fallback.number;
	conf_value_done(&fallback);
	return number;
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
	return &conf_slot(c, key)->value.list;
}

bool conf_rlimit(const struct conf *c, enum conf_key key, struct rlimit *ret)
{
	const struct conf_value *v = &conf_slot(c, key)->value;

	assert_type(key, CONF_RLIMIT);
	if (!v->text)
		return false;
	*ret = v->rlimit;
	return true;
}

const char *conf_origin(const struct conf *c, enum conf_key key, unsigned *ret_line)
{
	const struct slot *slot = conf_slot(c, key);
	bool set = slot->value.text != NULL;

	if (ret_line)
		*ret_line = set ? slot->line : 0;
	return set ? slot->origin : "default";
}

int conf_origin_status(const char *origin)
{
	return str_starts_with(origin, "--") && !strchr(origin, ':') ? EXIT_USAGE : EXIT_CONFIG;
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

size_t conf_named_count(const struct conf *c, enum conf_named kind)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_named; i++)
		n += c->named[i].kind == kind;
	return n;
}

static const struct named_section *nth_named(const struct conf *c, enum conf_named kind, size_t n)
{
	size_t i = 0;

	for (;; i++) {
		assert(i < c->n_named);
		if (c->named[i].kind == kind && n-- == 0)
			return &c->named[i];
	}
}

const char *conf_named_name(const struct conf *c, enum conf_named kind, size_t i)
{
	return nth_named(c, kind, i)->name;
}

const struct conf *conf_named(const struct conf *c, enum conf_named kind, size_t i)
{
	return nth_named(c, kind, i)->conf;
}

const struct strv *conf_files(const struct conf *c)
{
	return &c->files;
}

char *conf_format(const struct conf *c, enum conf_key key)
{
	const struct conf_key_info *info = conf_key_info(key);
	const struct conf_value *v = &conf_slot(c, key)->value;
	struct conf_value fallback = {.text = NULL};
	char *text;

	if (v->text)
		return conf_value_format(info, v);
	if (!*info->def)
		return NULL;
	parse_default(info, &fallback);
	text = conf_value_format(info, &fallback);
	conf_value_done(&fallback);
	return text;
}
