#include "config.h"

#include "verify/assess.h"

#include "base/alloc.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define REASON_MAX 300

/* A body may become so many bytes of values. */
#define POOL_MAX ((size_t)256 * 1024 * 1024)

void reply_done(struct reply *a)
{
	free(a->error);
	free(a->body);
	strv_done(&a->headers);
	strv_done(&a->secrets);
	*a = (struct reply){.exit_status = -1};
}

static int bad(struct th_err *err, const char *text)
{
	return err_set(err, EXIT_DATAERR, EINVAL, "%s", text);
}

/* ---- the result of each provider ------------------------------------------------------------- */

static int select_path(const struct tmpl *t, const struct tmpl_metric *m, const struct value *root,
	struct value_pool *pool, struct value *ret, struct th_err *err)
{
	_cleanup_jsonpath_result_ struct jsonpath_result found = JSONPATH_RESULT_INIT;
	const struct value *first;
	int r;

	if (!m->path) {
		*ret = *root;
		return 0;
	}
	r = jsonpath_find(m->path, root, &found, err);
	if (r < 0) {
		err_prefix(err, "jsonPath");
		return r;
	}
	if (t->dialect == EXPR_BCS) {
		_cleanup_free_ char *text = jsonpath_text(&found);

		return value_make_string(pool, text, strlen(text), ret);
	}
	first = jsonpath_first(&found);
	if (!first)
		return bad(err, "jsonPath: selects no value");
	*ret = *first;
	return 0;
}

/* JSON with a path in it; what is no JSON is a string, and `why` tells it, unless nobody asked for
 * a part of it. */
static int result_of_document(const struct tmpl *t, const struct tmpl_metric *m,
	const struct reply *a, struct value_pool *pool, struct value *ret, struct th_err *why,
	struct th_err *err)
{
	struct value root;
	int r = value_from_json(pool, a->body ? a->body : "", a->size, &root, why);

	if (r == 0)
		return select_path(t, m, &root, pool, ret, err);
	if (r == -EINVAL && t->dialect != EXPR_BCS) {
		size_t n = a->body ? a->size : 0;

		/* as a shell's $(...) */
		while (m->provider == TMPL_EXEC && n > 0 && a->body[n - 1] == '\n')
			n--;
		if (!m->path)
			err_clear(why);
		return value_make_string(pool, a->body ? a->body : "", n, ret);
	}
	(void)err_set(
		err, EXIT_DATAERR, EINVAL, "cannot read the answer as JSON: %s", err_text(why));
	err_clear(why);
	return -EINVAL;
}

static const struct value *member(const struct value *map, const char *key, enum value_type type)
{
	const struct value *v = map && map->type == VALUE_MAP ? value_map_get_str(map, key) : NULL;

	return v && v->type == type ? v : NULL;
}

/* [ TIME, "NUMBER" ] */
static int sample(const struct value *pair, struct value *ret)
{
	double number;

	if (!pair || pair->type != VALUE_ARRAY || pair->count != 2 ||
		pair->u.items[1].type != VALUE_STRING ||
		value_parse_float(pair->u.items[1].u.text, pair->u.items[1].count, &number) < 0)
		return -EINVAL;
	*ret = value_float(number);
	return 0;
}

static int samples_of_matrix(
	const struct value *series, struct value_pool *pool, struct value *ret, struct th_err *err)
{
	const struct value *list = member(series, "values", VALUE_ARRAY);
	struct value *items =
		list ? value_pool_alloc(pool, list->count + 1U, sizeof(*items)) : NULL;

	if (!items)
		return bad(err, "not the answer of a Prometheus: a series without values");
	for (uint32_t i = 0; i < list->count; i++)
		if (sample(&list->u.items[i], &items[i]) < 0)
			return bad(err, "not the answer of a Prometheus: a sample without a value");
	return value_make_array(pool, items, list->count, VALUE_FLOAT, ret);
}

static int result_of_series(const struct value *list, bool matrix, struct value_pool *pool,
	struct value *ret, struct th_err *err)
{
	struct value *items = value_pool_alloc(pool, list->count + 1U, sizeof(*items));

	if (!items)
		return bad(err, "the answer is too large");
	for (uint32_t i = 0; i < list->count; i++) {
		const struct value *series = &list->u.items[i];
		int r = matrix ? samples_of_matrix(series, pool, &items[i], err)
			       : sample(member(series, "value", VALUE_ARRAY), &items[i]);

		if (r < 0)
			return matrix ? r
				      : bad(err, "not the answer of a Prometheus: a sample without "
						 "a "
						 "value");
	}
	return value_make_array(pool, items, list->count, matrix ? VALUE_ANY : VALUE_FLOAT, ret);
}

/* https://prometheus.io/docs/prometheus/latest/querying/api/ */
static int result_of_prometheus(
	const struct reply *a, struct value_pool *pool, struct value *ret, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	const struct value *data, *type, *result, *text;
	struct value root;

	if (value_from_json(pool, a->body ? a->body : "", a->size, &root, &why) < 0)
		return err_set(err, EXIT_DATAERR, EINVAL, "cannot read the answer as JSON: %s",
			err_text(&why));
	text = member(&root, "error", VALUE_STRING);
	if (text)
		return err_set(err, EXIT_DATAERR, EINVAL, "prometheus: %.*s",
			(int)MIN(text->count, 300U), text->u.text);
	data = member(&root, "data", VALUE_MAP);
	type = member(data, "resultType", VALUE_STRING);
	result = member(data, "result", VALUE_ARRAY);
	if (!type || !result)
		return bad(err, "not the answer of a Prometheus");
	if (type->count == 6 && memcmp(type->u.text, "scalar", 6) == 0) {
		if (sample(result, ret) < 0)
			return bad(err, "not the answer of a Prometheus: a scalar without a value");
	} else if (type->count == 6 && (memcmp(type->u.text, "vector", 6) == 0 ||
					       memcmp(type->u.text, "matrix", 6) == 0)) {
		int r = result_of_series(
			result, memcmp(type->u.text, "matrix", 6) == 0, pool, ret, err);

		if (r < 0)
			return r;
	} else {
		return err_set(err, EXIT_DATAERR, EINVAL,
			"prometheus: results of type %.*s are not "
			"supported",
			(int)MIN(type->count, 30U), type->u.text);
	}
	return 0;
}

/* "memory.current": a member of a member; NULL where it is not there. */
static const struct value *find_member(const struct value *v, const char *path)
{
	while (v && v->type == VALUE_MAP) {
		size_t n = strcspn(path, ".");
		_cleanup_free_ char *name = xstrndup(path, n);

		v = value_map_get_str(v, name);
		if (!path[n])
			return v;
		path += n + 1;
	}
	return NULL;
}

/* Of taskhook stats --json, {"tasks": [{...}]}, or taskhook status --json. */
static int result_of_field(const struct tmpl_metric *m, const struct reply *a,
	struct value_pool *pool, struct value *ret, struct th_err *err)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	const struct value *v, *tasks, *number;
	struct value root;

	if (value_from_json(pool, a->body ? a->body : "", a->size, &root, &why) < 0)
		return err_set(err, EXIT_DATAERR, EINVAL, "cannot read the status of the task: %s",
			err_text(&why));
	tasks = member(&root, "tasks", VALUE_ARRAY);
	v = find_member(tasks && tasks->count > 0 ? tasks->u.items : &root, m->field);
	/* the figure that a name alone means */
	number = v && v->type == VALUE_MAP ? value_map_get_str(v, "current") : NULL;
	if (!number)
		number = v && v->type == VALUE_MAP ? value_map_get_str(v, "percent") : NULL;
	if (!v)
		return err_set(err, EXIT_DATAERR, ENOENT,
			"the task '%s' has no field '%s' now (see taskhook %s --json)", m->task,
			m->field, tmpl_field_is_figure(m->field) ? "stats" : "status");
	*ret = number ? *number : *v;
	return 0;
}

/* `no_json` says why the path was not looked at, where it was not. */
static int result_of(const struct tmpl *t, const struct tmpl_metric *m, const struct reply *a,
	struct value_pool *pool, struct value *ret, struct th_err *no_json, struct th_err *err)
{
	if (a->error)
		return err_set(err, EXIT_UNAVAILABLE, EIO, "%s", a->error);
	switch (m->provider) {
	case TMPL_PROMETHEUS:
		return result_of_prometheus(a, pool, ret, err);
	case TMPL_TASK:
		return result_of_field(m, a, pool, ret, err);
	case TMPL_TCP:
		*ret = value_bool(true);
		return 0;
	case TMPL_EXEC:
		if (!m->path) {
			*ret = value_int(a->exit_status);
			return 0;
		}
		break;
	case TMPL_WEB:
	case TMPL_FILE:
		break;
	}
	return result_of_document(t, m, a, pool, ret, no_json, err);
}

/* ---- conditions ------------------------------------------------------------------------------ */

static int response_to_value(const struct reply *a, struct value_pool *pool, struct value *ret)
{
	_cleanup_free_ struct value_pair *pairs = xcalloc(a->headers.n + 1, sizeof(*pairs));
	struct value_pair both[2];
	struct value headers;
	struct value_map *map;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < a->headers.n; i++) {
		const char *h = a->headers.v[i], *colon = strchr(h, ':');
		const char *value;

		if (!colon)
			continue;
		value = colon + 1 + strspn(colon + 1, " \t");
		pairs[n].key = value_string_of(h, (size_t)(colon - h));
		pairs[n].value = value_string_of(value, strlen(value));
		n++;
	}
	r = value_make_map(pool, pairs, n, false, &headers);
	if (r < 0)
		return r;
	map = value_pool_alloc(pool, 1, sizeof(*map));
	if (!map)
		return -E2BIG;
	if (headers.u.map) {
		*map = *headers.u.map;
		map->fold_case = true;
		headers.u.map = map;
	}
	both[0] = (struct value_pair){value_string_of("code", 4), value_int((int64_t)a->status)};
	both[1] = (struct value_pair){value_string_of("headers", 7), headers};
	return value_make_map(pool, both, 2, false, ret);
}

/* What a measurement is, by which conditions there are and hold. */
static enum phase phase_of(const struct tmpl_metric *m, bool success, bool failure)
{
	if (m->failure && failure)
		return PHASE_FAILED;
	if (m->success && success)
		return PHASE_SUCCESSFUL;
	if (m->success)
		return m->failure ? PHASE_INCONCLUSIVE : PHASE_FAILED;
	return PHASE_SUCCESSFUL;
}

static void explain(const struct tmpl_metric *m, const struct expr_env *env, bool failure,
	struct measurement *ret)
{
	_cleanup_free_ char *why = NULL;

	if (ret->phase == PHASE_FAILED && m->failure && failure) {
		why = expr_explain(m->failure, env, REASON_MAX);
		ret->message = xasprintf("failureCondition holds: %s", why);
	} else if (ret->phase == PHASE_FAILED || ret->phase == PHASE_INCONCLUSIVE) {
		why = expr_explain(m->success, env, REASON_MAX);
		ret->message = xasprintf("successCondition does not hold: %s", why);
	}
}

static bool has_nan(const struct value *v)
{
	if (v->type == VALUE_FLOAT)
		return isnan(v->u.number);
	for (uint32_t i = 0; v->type == VALUE_ARRAY && i < v->count; i++)
		if (has_nan(&v->u.items[i]))
			return true;
	return false;
}

/* Of a condition that cannot be evaluated: mostly there was nothing to look at. */
static int blame(struct th_err *err, const char *condition, const struct value *result)
{
	if (result->type == VALUE_NIL || (result->type == VALUE_ARRAY && result->count == 0))
		err_prefix(err,
			"the result is %s, and a condition that allows for it begins with "
			"'%s'",
			result->type == VALUE_NIL ? "null" : "empty",
			result->type == VALUE_NIL ? "isNil(result) or" : "len(result) == 0 or");
	err_prefix(err, "%s", condition);
	return -EINVAL;
}

/* `response`: NULL where there is none. */
static int judge(const struct tmpl *t, const struct tmpl_metric *m, const struct args *args,
	struct value result, const struct value *response, struct value_pool *pool,
	struct measurement *ret, struct th_err *err)
{
	struct value named;
	struct expr_env env = {.result = &result};
	bool success = false, failure = false;

	if (args_to_value(args, pool, &named) < 0)
		return bad(err, "the answer is too large");
	/* its results from Prometheus are numbers, all others text */
	if (t->dialect == EXPR_BCS && m->provider != TMPL_PROMETHEUS &&
		result.type != VALUE_STRING) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		value_to_text(&result, &b, TMPL_BODY_MAX);
		(void)value_make_string(pool, strbuf_str(&b), b.len, &result);
	}
	ret->value = result.type == VALUE_STRING && t->dialect == EXPR_BCS
			     ? xstrndup(result.u.text, result.count)
			     : value_to_json(&result, 0);
	if (t->dialect == EXPR_ARGO) {
		env.response = response;
		env.args = &named;
	}
	if (t->dialect == EXPR_BCS && m->provider == TMPL_PROMETHEUS && has_nan(&result)) {
		ret->phase = PHASE_INCONCLUSIVE;
		ret->message = xstrdup("the result is NaN, or has one in it");
		return 0;
	}
	if (m->success && expr_eval_bool(m->success, &env, &success, err) < 0)
		return blame(err, "successCondition", &result);
	if (m->failure && expr_eval_bool(m->failure, &env, &failure, err) < 0)
		return blame(err, "failureCondition", &result);
	ret->phase = phase_of(m, success, failure);
	explain(m, &env, failure, ret);
	return 0;
}

static void redact(const struct args *args, const struct strv *secrets, char **text)
{
	char *clean = *text ? args_redact(args, secrets, *text) : NULL;

	free(*text);
	*text = clean;
}

/* Only now, or the beginning of a secret could stay. */
static void cut(char *text, size_t max)
{
	if (text && strlen(text) > max)
		text[max] = '\0';
}

/* A condition was not met by the whole answer: it was meant for a part of it. */
static void add_no_json(struct measurement *m, const struct th_err *no_json)
{
	_cleanup_free_ char *before = m->message;
	_cleanup_free_ char *why = str_escape(err_text(no_json), REASON_MAX);

	m->message = xasprintf("%s (jsonPath was not looked at: %s)", before, why);
}

/* `no_json`: NULL, or not set, where nothing is to be said of it. */
static void finish(const struct args *args, const struct strv *secrets, int r,
	const struct th_err *err, const struct th_err *no_json, struct measurement *ret)
{
	if (r < 0) {
		ret->phase = PHASE_ERROR;
		ret->message = str_escape(err_text(err), 2 * REASON_MAX);
	}
	if (ret->message && no_json && err_is_set(no_json))
		add_no_json(ret, no_json);
	redact(args, secrets, &ret->message);
	redact(args, secrets, &ret->value);
	cut(ret->value, ASSESS_VALUE_MAX);
}

void assess(const struct tmpl *t, const struct tmpl_metric *m, const struct args *args,
	const struct reply *a, struct measurement *ret)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT, no_json = TH_ERR_INIT;
	struct value result = {.type = VALUE_NIL}, response;
	int r;

	pool.limit_bytes = POOL_MAX;
	r = result_of(t, m, a, &pool, &result, &no_json, &err);
	if (r == 0)
		r = response_to_value(a, &pool, &response);
	if (r == 0)
		r = judge(t, m, args, result, &response, &pool, ret, &err);
	else
		(void)bad(&err, "the answer is too large");
	finish(args, &a->secrets, r, &err, &no_json, ret);
}

/* ---- values that were recorded --------------------------------------------------------------- */

#define SAMPLES_NESTED_MAX 2

/* Numbers of Prometheus: JSON but for NaN, +Inf and -Inf. */
static int samples_from_text(
	const char **text, unsigned depth, struct value_pool *pool, struct value *ret)
{
	_cleanup_free_ struct value *items = NULL;
	size_t n = 0, len;
	double number;

	if (**text != '[') {
		len = strcspn(*text, ",]");
		if (value_parse_float(*text, len, &number) < 0)
			return -EINVAL;
		*text += len;
		*ret = value_float(number);
		return 0;
	}
	if (depth == SAMPLES_NESTED_MAX)
		return -EINVAL;
	++*text;
	while (**text != ']') {
		items = xreallocarray(items, n + 1, sizeof(*items));
		if (samples_from_text(text, depth + 1, pool, &items[n]) < 0)
			return -EINVAL;
		n++;
		if (**text == ',' && (*text)[1] != ']')
			++*text;
		else if (**text != ']')
			return -EINVAL;
	}
	++*text;
	return value_make_array(pool, items, n,
		n > 0 && items[0].type == VALUE_ARRAY ? VALUE_ANY : VALUE_FLOAT, ret);
}

static int value_from_text(const struct tmpl *t, const struct tmpl_metric *m, const char *text,
	struct value_pool *pool, struct value *ret, struct th_err *err)
{
	const char *rest = text;
	int r;

	if (strlen(text) >= ASSESS_VALUE_MAX)
		return bad(err, "the recorded value was cut");
	if (t->dialect == EXPR_BCS && m->provider != TMPL_PROMETHEUS)
		return value_make_string(pool, text, strlen(text), ret);
	if (m->provider == TMPL_PROMETHEUS) {
		r = samples_from_text(&rest, 0, pool, ret);
		return r == 0 && !*rest ? 0 : bad(err, "the recorded value is none of Prometheus");
	}
	r = value_from_json(pool, text, strlen(text), ret, NULL);
	if (r == -EINVAL)
		return value_make_string(pool, text, strlen(text), ret);
	if (r == 0 && m->provider == TMPL_EXEC && !m->path && ret->type == VALUE_FLOAT)
		*ret = value_int(value_float_to_int(ret->u.number));
	return r < 0 ? bad(err, "the recorded value is too large") : 0;
}

void assess_value(const struct tmpl *t, const struct tmpl_metric *m, const struct args *args,
	const char *value, struct measurement *ret)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct value result = {.type = VALUE_NIL};
	int r;

	pool.limit_bytes = POOL_MAX;
	r = value_from_text(t, m, value, &pool, &result, &err);
	if (r == 0)
		r = judge(t, m, args, result, NULL, &pool, ret, &err);
	finish(args, NULL, r, &err, NULL, ret);
}
