/*
 * Templates in YAML, JSON and INI, as --lint reads them and as a run does: never a crash, and an
 * error always has a text. What was read reads the same when it is written down as JSON, what a run
 * takes
 * --lint takes too, and the longest time is told or why there is none.
 */
#include "config.h"

#include "base/alloc.h"
#include "verify/lines.h"
#include "verify/load.h"
#include "verify/runstate.h"
#include "verify/tmpl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(json_t *doc)
{
	_cleanup_json_ json_t *whole =
		json_pack("{s:O, s:{s:O*}, s:O*}", "kind", json_object_get(doc, "kind"), "metadata",
			"name", json_object_get(doc, "name"), "spec", json_object_get(doc, "spec"));
	_cleanup_json_ json_t *again = NULL;
	_cleanup_free_ char *text = json_dumps(whole, JSON_COMPACT);

	if (!text)
		abort();
	if (strlen(text) > LOAD_SIZE_MAX)
		return;
	if (load_memory(text, strlen(text), "f", NULL, &again, NULL) < 0)
		abort();
	/* it stands in one line now */
	(void)json_object_del(doc, "lines");
	(void)json_object_del(again, "lines");
	if (!json_equal(doc, again))
		abort();
}

/* What tells the lines has the form of what it tells them of. */
static void check_lines(const json_t *v, const json_t *lines)
{
	const char *key;
	json_t *child;
	size_t i;

	if (lines_number(lines) == 0)
		abort();
	json_object_foreach((json_t *)(uintptr_t)v, key, child)
	{
		check_lines(child, lines_member(lines, key));
	}
	json_array_foreach(v, i, child)
	{
		check_lines(child, lines_element(lines, i));
	}
}

/* A run would read the files, descriptors and variables that arguments come from. */
static bool has_value_from(const json_t *doc)
{
	const json_t *list = json_object_get(json_object_get(doc, "spec"), "args"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		if (json_object_get(o, "valueFrom"))
			return true;
	}
	return false;
}

/* The number of errors. */
static size_t read_spec(const json_t *doc, bool lint)
{
	_cleanup_args_ struct args args = {.lint = lint};
	_cleanup_findings_ struct findings found = {STRV_INIT, STRV_INIT};
	_cleanup_tmpl_ struct tmpl t = {.n = 0};
	const char *why = NULL;

	tmpl_init(&t, doc, "f", -1, &args, &found);
	for (size_t i = 0; i < found.errors.n; i++)
		if (found.errors.v[i][0] == '\0')
			abort();
	if (found.errors.n > 0)
		return found.errors.n;
	if (t.n == 0 || t.n > TMPL_METRICS_MAX || (t.spec == NULL) != lint)
		abort();
	if ((tmpl_worst_case(&t, &why) == USEC_INFINITY) != (why != NULL) &&
		t.timeout_usec == USEC_INFINITY)
		abort();
	if (!lint) {
		struct runstate rs;

		runstate_init(&rs, &t, 0);
		runstate_assess(&rs);
		(void)runstate_due(&rs, 0);
		runstate_done(&rs);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xmalloc(size + 1);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_json_ json_t *doc = NULL;
	bool ours;
	int rc;

	memcpy(text, data, size);
	text[size] = '\0';
	rc = load_memory(text, size, "f", NULL, &doc, &err);
	if ((rc < 0) != err_is_set(&err) || (rc < 0) != (doc == NULL))
		abort();
	if (rc < 0)
		return 0;
	ours = strcmp(json_string_value(json_object_get(doc, "kind")), "taskhook") == 0;
	/* of a few texts in JSON no line is known: libyaml does not take them */
	if (!ours && json_object_get(doc, "lines") && json_object_get(doc, "spec"))
		check_lines(json_object_get(doc, "spec"), json_object_get(doc, "lines"));
	if (!ours)
		check_again(doc);
	rc = read_spec(doc, true) > 0;
	if (!has_value_from(doc) && read_spec(doc, false) == 0 && rc)
		abort();
	return 0;
}
