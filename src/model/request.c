#include "config.h"

#include "model/request.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "model/jsonio.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Escaped as JSON a byte may take six. */
#define TEXT_MAX (REQUEST_MAX / 8)

static const char *const op_names[] = {
	[REQUEST_PING] = "ping",
	[REQUEST_STOP] = "stop",
	[REQUEST_SIGNAL] = "signal",
	[REQUEST_RESTART] = "restart",
	[REQUEST_UPDATE] = "update",
	[REQUEST_WAIT] = "wait",
};
_Static_assert(ARRAY_SIZE(op_names) == REQUEST_OP_COUNT, "a name for each");

static const char *const event_names[] = {
	[ANSWER_ACCEPTED] = "accepted",
	[ANSWER_MESSAGE] = "message",
	[ANSWER_CHANGE] = "change",
	[ANSWER_END] = "end",
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *request_op_name(enum request_op op)
{
	return op_names[op];
}

/* The index of `word`, or -1. */
static int find_word(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; word && i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

static char *to_line(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	char *line = xasprintf("%s\n", text ? text : "{}");

	free(text);
	json_decref(j);
	return line;
}

static void put_true(json_t *j, const char *key, bool b)
{
	if (b)
		json_put_bool(j, key, true);
}

static json_t *hooks_to_json(const struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_hooks; i++) {
		const struct hook_option *o = &r->hooks[i];
		json_t *j = json_object();

		json_put_text(j, "point", point_name(o->point));
		json_put_text(j, "path", o->path);
		json_put_text(j, "role", o->role);
		json_put_text(j, "option", o->option);
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *sets_to_json(const struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_sets; i++) {
		json_t *j = json_object();

		json_put_text(j, "key", r->sets[i].key);
		json_put_text(j, "value", r->sets[i].value);
		json_put_text(j, "origin", r->sets[i].origin);
		(void)json_array_append_new(list, j);
	}
	return list;
}

char *request_to_line(const struct request *r)
{
	json_t *j = json_object();

	json_put_u64(j, "format", REQUEST_FORMAT);
	json_put_text(j, "op", op_names[r->op]);
	if (r->signal)
		json_put_text(j, "signal", signal_name(r->signal));
	put_true(j, "all", r->all);
	if (r->timeout != USEC_INFINITY)
		json_put_u64(j, "timeout_usec", r->timeout);
	if (r->reason != STOP_NONE)
		json_put_text(j, "reason", stop_reason_name(r->reason));
	if (r->n_hooks)
		json_put(j, "hooks", hooks_to_json(r));
	if (r->n_sets)
		json_put(j, "sets", sets_to_json(r));
	put_true(j, "restart", r->restart);
	put_true(j, "force", r->force);
	put_true(j, "dry_run", r->dry_run);
	put_true(j, "group", r->group);
	return to_line(j);
}

/* A JSON object of our format; NULL with err. A new reference. */
static json_t *load_object(const char *line, size_t n, const char *what, struct th_err *err)
{
	json_error_t e;
	json_t *j;

	if (n >= REQUEST_MAX) {
		err_set(err, EXIT_DATAERR, EINVAL, "the %s is longer than %zu bytes", what,
			REQUEST_MAX);
		return NULL;
	}
	j = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
	if (!j) {
		err_set(err, EXIT_DATAERR, EINVAL, "the %s is no JSON: %s", what, e.text);
		return NULL;
	}
	if (json_is_object(j))
		return j;
	err_set(err, EXIT_DATAERR, EINVAL, "the %s is no JSON object", what);
	json_decref(j);
	return NULL;
}

void request_done(struct request *r)
{
	for (size_t i = 0; i < r->n_hooks; i++)
		hook_option_done(&r->hooks[i]);
	free(r->hooks);
	r->hooks = NULL;
	r->n_hooks = 0;
	update_set_free(r->sets, r->n_sets);
	r->sets = NULL;
	r->n_sets = 0;
}

/* What it is asked at: a restart has no post point of its own, it ends with post-start. */
static bool has_point(enum request_op op, enum hook_point point)
{
	if (point == POINT_NONE)
		return false;
	if (op == REQUEST_RESTART)
		return point == POINT_PRE_RESTART || point == POINT_POST_START;
	return point_operator(point) == (op == REQUEST_UPDATE ? OP_UPDATE : OP_STOP) &&
	       (op == REQUEST_UPDATE || op == REQUEST_STOP);
}

static void read_hook(
	struct json_in *outer, enum request_op op, const json_t *j, struct hook_option *ret)
{
	struct json_in in = {.object = j, .what = "request.hooks", .err = outer->err};
	const char *point = json_in_word(&in, "point");

	ret->point = point ? point_from_name(point) : POINT_NONE;
	if (!has_point(op, ret->point))
		json_in_refuse(&in, "point", "is no hook point of what is asked for");
	json_in_text(&in, "path", &ret->path);
	if (!in.failed && (!ret->path || ret->path[0] != '/'))
		json_in_refuse(&in, "path", "is not absolute");
	json_in_text(&in, "role", &ret->role);
	json_in_text(&in, "option", &ret->option);
	if (!ret->option)
		ret->option = xstrdup("--hook");
	if (in.failed && !outer->failed)
		outer->failed = in.failed;
}

static void read_hooks(struct json_in *in, struct request *r)
{
	const json_t *list = json_in_array(in, "hooks");
	size_t n = json_array_size(list);

	if (n > REQUEST_HOOKS_MAX) {
		json_in_refuse(in, "hooks", "has too many");
		return;
	}
	r->hooks = xcalloc(MAX(n, (size_t)1), sizeof(*r->hooks));
	for (size_t i = 0; i < n && !in->failed; i++)
		read_hook(in, r->op, json_array_get(list, i), &r->hooks[r->n_hooks++]);
}

static void read_set(struct json_in *outer, const json_t *j, struct update_set *ret)
{
	struct json_in in = {.object = j, .what = "request.sets", .err = outer->err};

	json_in_text(&in, "key", &ret->key);
	json_in_text(&in, "value", &ret->value);
	json_in_text(&in, "origin", &ret->origin);
	if (!in.failed && (!ret->key || !ret->value || !ret->origin))
		json_in_refuse(&in, ret->key ? "value" : "key", "is missing");
	if (in.failed && !outer->failed)
		outer->failed = in.failed;
}

static void read_sets(struct json_in *in, struct request *r)
{
	const json_t *list = json_in_array(in, "sets");
	size_t n = json_array_size(list);

	if (n > UPDATE_SETS_MAX) {
		json_in_refuse(in, "sets", "has too many");
		return;
	}
	r->sets = xcalloc(MAX(n, (size_t)1), sizeof(*r->sets));
	for (size_t i = 0; i < n && !in->failed; i++)
		read_set(in, json_array_get(list, i), &r->sets[r->n_sets++]);
}

static void read_request(struct json_in *in, struct request *r)
{
	const char *word = json_in_word(in, "op");
	int i = find_word(op_names, ARRAY_SIZE(op_names), word);

	if (i < 0)
		json_in_refuse(in, "op", "is none that this taskhook knows");
	else
		r->op = (enum request_op)i;
	word = json_in_word(in, "signal");
	if (word && parse_signal(word, &r->signal) < 0)
		json_in_refuse(in, "signal", "is no signal");
	json_in_bool(in, "all", &r->all);
	json_in_u64(in, "timeout_usec", &r->timeout);
	word = json_in_word(in, "reason");
	if (word) {
		r->reason = stop_reason_from_name(word);
		if (r->reason == STOP_NONE)
			json_in_refuse(in, "reason", "is no reason to stop");
	}
	if (r->op == REQUEST_SIGNAL && !r->signal)
		json_in_refuse(in, "signal", "is missing");
	json_in_bool(in, "restart", &r->restart);
	json_in_bool(in, "force", &r->force);
	json_in_bool(in, "dry_run", &r->dry_run);
	json_in_bool(in, "group", &r->group);
	if (!in->failed && json_object_get(in->object, "hooks"))
		read_hooks(in, r);
	if (!in->failed && json_object_get(in->object, "sets"))
		read_sets(in, r);
}

int request_from_line(const char *line, size_t n, struct request *ret, struct th_err *err)
{
	struct request r = REQUEST_INIT(REQUEST_PING);
	struct json_in in = {.what = "request", .err = err};
	int64_t format = 0;
	json_t *j = load_object(line, n, "request", err);

	if (!j)
		return -EINVAL;
	in.object = j;
	json_in_int(&in, "format", 0, INT64_MAX, &format);
	if (!in.failed && format != REQUEST_FORMAT)
		in.failed = err_set(err, EXIT_UNAVAILABLE, EINVAL,
			"the request has format %" PRId64
			", this supervisor knows %d (it was started by another version of "
			"taskhook)",
			format, REQUEST_FORMAT);
	if (!in.failed)
		read_request(&in, &r);
	json_decref(j);
	if (in.failed) {
		request_done(&r);
		return in.failed;
	}
	*ret = r;
	return 0;
}

void answer_done(struct answer *a)
{
	free(a->text);
	a->text = NULL;
}

char *answer_to_line(const struct answer *a)
{
	json_t *j = json_object();

	json_put_text(j, "event", event_names[a->event]);
	if (a->event == ANSWER_ACCEPTED)
		json_put_u64(j, "format", REQUEST_FORMAT);
	if (a->event == ANSWER_MESSAGE)
		json_put_text(j, "level", level_names[a->level]);
	if (a->event == ANSWER_END)
		json_put_u64(j, "status", (uint64_t)a->status);
	if (a->text) {
		/* What is no UTF-8 becomes \xHH, so that it is a string in any case. */
		_cleanup_free_ char *shown = str_escape(a->text, TEXT_MAX);

		json_put_text(j, "text", shown);
	}
	return to_line(j);
}

static void read_answer(struct json_in *in, struct answer *a)
{
	int i = find_word(event_names, ARRAY_SIZE(event_names), json_in_word(in, "event"));
	int64_t status = 0;

	if (i < 0)
		json_in_refuse(in, "event", "is none that this taskhook knows");
	else
		a->event = (enum answer_event)i;
	i = find_word(level_names, ARRAY_SIZE(level_names), json_in_word(in, "level"));
	if (i >= 0)
		a->level = (enum log_level)i;
	json_in_int(in, "status", 0, 255, &status);
	a->status = (int)status;
	json_in_text(in, "text", &a->text);
}

int answer_from_line(const char *line, size_t n, struct answer *ret, struct th_err *err)
{
	struct answer a = {.event = ANSWER_ACCEPTED, .level = LOG_LEVEL_NOTICE};
	struct json_in in = {.what = "answer", .err = err};
	json_t *j = load_object(line, n, "answer", err);

	if (!j)
		return -EINVAL;
	in.object = j;
	read_answer(&in, &a);
	json_decref(j);
	if (in.failed) {
		answer_done(&a);
		return in.failed;
	}
	*ret = a;
	return 0;
}
