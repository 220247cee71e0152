#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static json_t *clean_string(const struct args *args, const char *text)
{
	_cleanup_free_ char *clean = args_redact(args, NULL, text), *shown = NULL;
	json_t *v = json_string(clean);

	if (v)
		return v;
	/* the value of an argument need not be UTF-8, and need not be after it was cut */
	shown = str_escape(clean, 0);
	return json_string(shown);
}

/* A copy without the values of secrets. */
static json_t *redact_tree(const struct args *args, const json_t *tree)
{
	json_t *copy, *v;
	const char *key;
	size_t i;

	if (json_is_string(tree))
		return clean_string(args, json_string_value(tree));
	if (json_is_array(tree)) {
		copy = json_array();
		json_array_foreach(tree, i, v)
		{
			(void)json_array_append_new(copy, redact_tree(args, v));
		}
		return copy;
	}
	if (json_is_object(tree)) {
		copy = json_object();
		json_object_foreach((json_t *)(uintptr_t)tree, key, v)
		{
			(void)json_object_set_new(copy, key, redact_tree(args, v));
		}
		return copy;
	}
	return json_incref((json_t *)(uintptr_t)tree);
}

static int compare_args(const void *a, const void *b)
{
	return strcmp((*(const struct arg *const *)a)->name, (*(const struct arg *const *)b)->name);
}

/* By name: in which order they were given means nothing. */
static json_t *args_to_json(const struct args *args)
{
	_cleanup_free_ const struct arg **sorted = xcalloc(args->n + 1, sizeof(const struct arg *));
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; i < args->n; i++)
		if (args->v[i].declared || args->v[i].used)
			sorted[n++] = &args->v[i];
	if (n > 1)
		qsort(sorted, n, sizeof(const struct arg *), compare_args);
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		(void)json_object_set_new(o, "name", clean_string(args, sorted[i]->name));
		if (sorted[i]->value)
			(void)json_object_set_new(o, "value",
				sorted[i]->secret ? json_string("*****")
						  : clean_string(args, sorted[i]->value));
		(void)json_array_append_new(list, o);
	}
	return list;
}

json_t *tmpl_spec_as_run(const struct tmpl *t, const json_t *spec, const struct args *args)
{
	json_t *o = redact_tree(args, spec);

	(void)json_object_set_new(o, "args", args_to_json(args));
	(void)json_object_set_new(
		o, "dialect", json_string(t->dialect == EXPR_BCS ? "bcs" : "argo"));
	return o;
}
