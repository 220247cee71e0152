#include "config.h"

#include "run/fetchevent.h"

#include "base/alloc.h"
#include "base/str.h"
#include "model/jsonio.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define TEXT_MAX	   1000
#define FILENAME_MAX_BYTES 255
#define DIGEST_NAME	   "sha256:"
#define DIGEST_DIGITS	   64
/* Of an HTTP header that is given back as it came. */
#define HEADER_MAX 1024

static const struct {
	const char *name;
	enum fetch_event_kind kind;
} kinds[] = {
	{"start", FETCH_EVENT_START},
	{"progress", FETCH_EVENT_PROGRESS},
	{"warning", FETCH_EVENT_WARNING},
	{"retry", FETCH_EVENT_RETRY},
	{"done", FETCH_EVENT_DONE},
	{"unchanged", FETCH_EVENT_UNCHANGED},
	{"failed", FETCH_EVENT_FAILED},
};

/* What a helper may end a command with. */
static const int statuses[] = {EXIT_USAGE, EXIT_DATAERR, EXIT_UNAVAILABLE, EXIT_CANTCREAT,
	EXIT_NOPERM, EXIT_CONFIG, EXIT_INTERNAL};

void fetch_event_done(struct fetch_event *e)
{
	free(e->text);
	free(e->filename);
	free(e->digest);
	free(e->etag);
	free(e->last_modified);
	*e = (struct fetch_event){.kind = FETCH_EVENT_START};
}

static void in_number(struct json_in *in, const char *key, uint64_t *ret)
{
	int64_t n = -1;

	json_in_int(in, key, 0, INT64_MAX, &n);
	if (n >= 0)
		*ret = (uint64_t)n;
}

static void in_total(struct json_in *in, uint64_t *ret)
{
	if (!json_is_null(json_object_get(in->object, "total")))
		in_number(in, "total", ret);
}

static void in_unsigned(struct json_in *in, const char *key, unsigned *ret)
{
	int64_t n = 0;

	json_in_int(in, key, 0, UINT_MAX, &n);
	*ret = (unsigned)n;
}

static void in_message(struct json_in *in, char **ret)
{
	_cleanup_free_ char *text = NULL;

	json_in_text(in, "text", &text);
	if (str_is_empty(text))
		json_in_refuse(in, "text", "is missing");
	else
		*ret = str_escape(text, TEXT_MAX);
}

static bool is_filename(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= FILENAME_MAX_BYTES && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static bool is_digest(const char *s)
{
	size_t n = strlen(DIGEST_NAME);

	return str_starts_with(s, DIGEST_NAME) && strlen(s + n) == DIGEST_DIGITS &&
	       s[n + strspn(s + n, "0123456789abcdef")] == '\0';
}

static bool is_header(const char *s)
{
	return strlen(s) <= HEADER_MAX && !s[strcspn(s, "\r\n")];
}

/* A text that has to be of a form; an empty one counts as none. */
static void in_formed(
	struct json_in *in, const char *key, bool (*is_formed)(const char *), char **ret)
{
	_cleanup_free_ char *text = NULL;

	json_in_text(in, key, &text);
	if (str_is_empty(text))
		return;
	if (is_formed(text))
		*ret = TAKE_PTR(text);
	else
		json_in_refuse(in, key, "is not of the form that it has to be");
}

static void in_done(struct json_in *in, struct fetch_event *e)
{
	const char *kind = json_in_word(in, "kind");

	if (!kind || (strcmp(kind, "dir") != 0 && strcmp(kind, "file") != 0))
		json_in_refuse(in, "kind", "is neither file nor dir");
	e->is_dir = kind && strcmp(kind, "dir") == 0;
	in_formed(in, "filename", is_filename, &e->filename);
	in_number(in, "size", &e->down);
	in_number(in, "unpacked", &e->unpacked);
	in_number(in, "files", &e->files);
	in_formed(in, "digest", is_digest, &e->digest);
	in_formed(in, "etag", is_header, &e->etag);
	in_formed(in, "last_modified", is_header, &e->last_modified);
}

static void in_failed(struct json_in *in, struct fetch_event *e)
{
	int64_t status = 0;

	in_message(in, &e->text);
	json_in_int(in, "status", 0, 255, &status);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i] == (int)status)
			e->status = (int)status;
	if (!e->status)
		json_in_refuse(in, "status", "is none that a fetch ends with");
}

static void in_event(struct json_in *in, struct fetch_event *e)
{
	switch (e->kind) {
	case FETCH_EVENT_START:
		in_total(in, &e->total);
		in_number(in, "resumed", &e->resumed);
		break;
	case FETCH_EVENT_PROGRESS:
		in_total(in, &e->total);
		in_number(in, "down", &e->down);
		in_number(in, "unpacked", &e->unpacked);
		in_number(in, "files", &e->files);
		break;
	case FETCH_EVENT_WARNING:
		in_message(in, &e->text);
		break;
	case FETCH_EVENT_RETRY:
		in_message(in, &e->text);
		in_unsigned(in, "attempt", &e->attempt);
		in_unsigned(in, "of", &e->of);
		in_number(in, "delay_usec", &e->delay_usec);
		break;
	case FETCH_EVENT_DONE:
		in_done(in, e);
		break;
	case FETCH_EVENT_UNCHANGED:
		in_formed(in, "digest", is_digest, &e->digest);
		break;
	case FETCH_EVENT_FAILED:
		in_failed(in, e);
		break;
	}
}

int fetch_event_parse(const char *line, size_t n, struct fetch_event *ret, struct th_err *err)
{
	_cleanup_fetch_event_ struct fetch_event e = {.total = FETCH_SIZE_UNKNOWN};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	json_t *j = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	struct json_in in = {.object = j, .what = "event", .err = &why};
	const char *name = json_string_value(json_object_get(j, "event"));
	bool known = false;

	for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		e.kind = kinds[i].kind;
		known = true;
	}
	if (known)
		in_event(&in, &e);
	json_decref(j);
	if (!known || in.failed) {
		_cleanup_free_ char *shown = str_escape_n(line, n, 80);

		return err_set(err, EXIT_INTERNAL, EPROTO,
			"the helper said what it should not: %s%s%s", shown, in.failed ? ": " : "",
			in.failed ? err_text(&why) : "");
	}
	*ret = e;
	e = (struct fetch_event){.kind = FETCH_EVENT_START};
	return 0;
}
