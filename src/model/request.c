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
	[REQUEST_WAIT] = "wait",
};
_Static_assert(ARRAY_SIZE(op_names) == REQUEST_OP_COUNT, "a name for each");

static const char *const event_names[] = {
	[ANSWER_ACCEPTED] = "accepted",
	[ANSWER_MESSAGE] = "message",
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

char *request_to_line(const struct request *r)
{
	json_t *j = json_object();

	json_put_u64(j, "format", REQUEST_FORMAT);
	json_put_text(j, "op", op_names[r->op]);
	if (r->signal)
		json_put_text(j, "signal", signal_name(r->signal));
	if (r->all)
		json_put_bool(j, "all", true);
	if (r->timeout != USEC_INFINITY)
		json_put_u64(j, "timeout_usec", r->timeout);
	if (r->reason != STOP_NONE)
		json_put_text(j, "reason", stop_reason_name(r->reason));
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
	if (in.failed)
		return in.failed;
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
