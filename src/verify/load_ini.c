#include "config.h"

#include "base/alloc.h"
#include "base/str.h"
#include "conf/ini.h"
#include "verify/lines.h"
#include "verify/load.h"

#include <errno.h>
#include <string.h>

struct reader {
	json_t *doc, *spec, *args, *metrics, *dry_run, *retention;
	json_t *spec_lines;
	char *section;		 /* as it was written: "[metric m]" */
	json_t *section_lines;	 /* of the section that is being read, borrowed */
	json_t *metric;		 /* likewise */
	json_t *arg;		 /* likewise */
	const char *metric_name; /* of `metric` */
};

static int refuse(
	const struct ini_item *item, const char *what, const char *name, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(name, 60);

	return err_set(
		err, EXIT_DATAERR, EINVAL, "%s:%u: %s '%s'", item->file, item->line, what, shown);
}

/* "[metric m] web.url", for a key or the first `n` bytes of one. */
static void set_place(const struct reader *r, json_t *node, const char *key, size_t n)
{
	_cleanup_free_ char *shown = str_escape_n(key, n, 120);
	_cleanup_free_ char *place = xasprintf("%s%s%s", r->section, n ? " " : "", shown);

	lines_set_place(node, place);
}

/* Where a member stands, whose name ends after `n` bytes of the key; of one that is known already,
 * where it began. */
static json_t *note(const struct reader *r, json_t *node, const char *name,
	const struct ini_item *item, size_t n)
{
	json_t *children = lines_children(node);
	json_t *own = json_object_get(children, name);

	if (!own) {
		own = lines_of_group(item->line, json_object());
		set_place(r, own, item->key, n);
		(void)json_object_set_new(children, name, own);
	}
	return own;
}

/* Likewise of the last element of `list`, a member that may be new: a section, or a line of one. */
static json_t *note_last(const struct reader *r, json_t *node, const char *name, const json_t *list,
	const struct ini_item *item)
{
	json_t *all = json_object_get(lines_children(node), name);

	if (!all) {
		all = lines_of_group(item->line, json_array());
		(void)json_object_set_new(lines_children(node), name, all);
	}
	while (json_array_size(lines_children(all)) < json_array_size(list)) {
		json_t *own = lines_of_group(item->line, item->key ? json_null() : json_object());

		set_place(r, own, item->key ? item->key : "", item->key ? strlen(item->key) : 0);
		(void)json_array_append_new(lines_children(all), own);
	}
	return json_array_get(lines_children(all), json_array_size(list) - 1);
}

static int put_once(json_t *o, const char *key, const struct ini_item *item, struct th_err *err)
{
	if (json_object_get(o, key))
		return refuse(item, "the key stands twice:", item->key, err);
	if (json_object_set_new(o, key, json_string(item->value)) < 0)
		return refuse(item, "a value that is no UTF-8 of", item->key, err);
	return 0;
}

static json_t *find_named(json_t *list, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i,
		o) if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0) return o;
	return NULL;
}

/* An element of `list` with this name, made where there is none. */
static json_t *named(json_t *list, const char *name)
{
	json_t *o = find_named(list, name);

	if (!o) {
		o = json_pack("{s:s}", "name", name);
		json_array_append_new(list, o);
	}
	return o;
}

static const char *section_name(const char *section, const char *kind)
{
	size_t n = strlen(kind);

	if (strncmp(section, kind, n) != 0 || (section[n] != ' ' && section[n] != '\t'))
		return NULL;
	section += n + strspn(section + n, " \t");
	return *section ? section : NULL;
}

static int begin_section(struct reader *r, const struct ini_item *item, struct th_err *err)
{
	_cleanup_free_ char *shown = str_escape(item->section, 80);
	const char *name;

	free(r->section);
	r->section = xasprintf("[%s]", shown);
	r->metric = r->arg = NULL;
	r->section_lines = r->spec_lines;
	if (strcmp(item->section, "template") == 0 || strcmp(item->section, "args") == 0)
		return 0;
	name = section_name(item->section, "metric");
	if (name) {
		if (find_named(r->metrics, name))
			return refuse(item, "there are two metrics", name, err);
		r->metric = named(r->metrics, name);
		r->section_lines = note_last(r, r->spec_lines, "metrics", r->metrics, item);
		r->metric_name = json_string_value(json_object_get(r->metric, "name"));
		return r->metric_name ? 0 : refuse(item, "not UTF-8:", name, err);
	}
	name = section_name(item->section, "arg");
	if (name) {
		r->arg = named(r->args, name);
		(void)note_last(r, r->spec_lines, "args", r->args, item);
		return 0;
	}
	return refuse(item,
		"unknown section (template, args, arg NAME, metric NAME):", item->section, err);
}

/* "web.authentication.basicAuth.username": members of members of "provider". */
static int put_provider(struct reader *r, const struct ini_item *item, struct th_err *err)
{
	_cleanup_free_ char *path = xstrdup(item->key);
	json_t *o = json_object_get(r->metric, "provider");
	json_t *node = note(r, r->section_lines, "provider", item, 0);
	char *rest = path, *dot;

	if (!o) {
		o = json_object();
		json_object_set_new(r->metric, "provider", o);
	}
	while ((dot = strchr(rest, '.'))) {
		json_t *next;

		*dot = '\0';
		if (strcmp(rest, "headers") == 0) {
			json_t *list = json_object_get(o, rest);

			if (!list) {
				list = json_array();
				json_object_set_new(o, rest, list);
			}
			if (json_array_append_new(list, json_pack("{s:s,s:s}", "key", dot + 1,
								"value", item->value)) < 0)
				return refuse(item, "a value that is no UTF-8 of", item->key, err);
			(void)note_last(r, node, rest, list, item);
			return 0;
		}
		node = note(r, node, rest, item, (size_t)(dot - path));
		next = json_object_get(o, rest);
		if (!next) {
			next = json_object();
			if (json_object_set_new(o, rest, next) < 0)
				return refuse(item, "a key that is no UTF-8:", item->key, err);
		}
		if (!json_is_object(next))
			return refuse(
				item, "is both a value and a group of values:", item->key, err);
		o = next;
		rest = dot + 1;
	}
	(void)note(r, node, rest, item, strlen(item->key));
	return put_once(o, rest, item, err);
}

static int put_rule(const struct reader *r, json_t *list, const char *key,
	const struct ini_item *item, struct th_err *err)
{
	if (json_array_append_new(
		    list, json_pack("{s:s,s:s}", "literal", r->metric_name, key, item->value)) < 0)
		return refuse(item, "a value that is no UTF-8 of", item->key, err);
	(void)note_last(r, r->spec_lines, item->key, list, item);
	return 0;
}

static int put_metric(struct reader *r, const struct ini_item *item, struct th_err *err)
{
	if (strchr(item->key, '.'))
		return put_provider(r, item, err);
	if (strcmp(item->key, "name") == 0 || strcmp(item->key, "provider") == 0)
		return refuse(item,
			"not a key of INI (the section has the name, keys are "
			"PROVIDER.FIELD):",
			item->key, err);
	if (strcmp(item->key, "dryRun") == 0)
		return put_rule(r, r->dry_run, "dryRun", item, err);
	if (strcmp(item->key, "measurementRetention") == 0)
		return put_rule(r, r->retention, "limit", item, err);
	(void)note(r, r->section_lines, item->key, item, strlen(item->key));
	return put_once(r->metric, item->key, item, err);
}

static int put_template(struct reader *r, const struct ini_item *item, struct th_err *err)
{
	if (strcmp(item->key, "name") == 0)
		return put_once(r->doc, "name", item, err);
	(void)note(r, r->spec_lines, item->key, item, strlen(item->key));
	return put_once(r->spec, item->key, item, err);
}

static int on_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct reader *r = arg;
	json_t *from;

	if (!item->key)
		return begin_section(r, item, err);
	if (r->metric)
		return put_metric(r, item, err);
	if (strcmp(item->section, "template") == 0)
		return put_template(r, item, err);
	if (!r->arg) {
		if (find_named(r->args, item->key))
			return refuse(item, "the argument stands twice:", item->key, err);
		if (json_object_set_new(
			    named(r->args, item->key), "value", json_string(item->value)) < 0)
			return refuse(item, "a value that is no UTF-8 of", item->key, err);
		(void)note_last(r, r->spec_lines, "args", r->args, item);
		return 0;
	}
	if (strcmp(item->key, "value") == 0)
		return put_once(r->arg, "value", item, err);
	from = json_object_get(r->arg, "valueFrom");
	if (!from) {
		from = json_object();
		json_object_set_new(r->arg, "valueFrom", from);
	}
	return put_once(from, item->key, item, err);
}

int load_ini(const char *text, size_t size, const char *file, json_t *docs, json_t *lines,
	struct th_err *err)
{
	json_t *doc_lines = lines_of_group(1, json_object());
	struct reader r = {.doc = json_object(),
		.spec = json_object(),
		.args = json_array(),
		.metrics = json_array(),
		.dry_run = json_array(),
		.retention = json_array(),
		.spec_lines = lines_of_group(1, json_object())};
	int rc;

	(void)json_object_set_new(lines_children(doc_lines), "spec", r.spec_lines);
	json_object_set_new(r.doc, "kind", json_string("taskhook"));
	json_object_set_new(r.doc, "spec", r.spec);
	json_object_set_new(r.spec, "args", r.args);
	json_object_set_new(r.spec, "metrics", r.metrics);
	json_object_set_new(r.spec, "dryRun", r.dry_run);
	json_object_set_new(r.spec, "measurementRetention", r.retention);
	rc = ini_read_memory(text, size, file, on_item, NULL, &r, err);
	if (rc == 0) {
		json_array_append(docs, r.doc);
		json_array_append(lines, doc_lines);
	}
	free(r.section);
	json_decref(r.doc);
	json_decref(doc_lines);
	if (rc < 0 && err && err->status == EXIT_CONFIG)
		err->status = EXIT_DATAERR;
	return rc;
}
