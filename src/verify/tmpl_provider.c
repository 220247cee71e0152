#include "config.h"

#include "verify/tmpl_reader.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

#define TAG_BYTE '\001'

/* The length of the tag that begins at `s`, 0: it has no end. */
static size_t tag_length(const char *s)
{
	const char *end = strstr(s, "}}");

	return end ? (size_t)(end + 2 - s) : 0;
}

/* A word of the command with the tags of `*raw`, from where it stands, in their places. */
static char *put_tags_back(const char *word, const char **raw)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	while (*word) {
		size_t n;

		if (*word != TAG_BYTE) {
			strbuf_addc(&b, *word++);
			continue;
		}
		*raw = strstr(*raw, "{{");
		n = tag_length(*raw);
		strbuf_add(&b, *raw, n);
		*raw += n;
		word += n;
	}
	return strbuf_steal(&b);
}

/* A command line is split before its arguments are put in: a value is always within one word. */
static int split_command(struct reader *r, const char *raw, struct strv *ret, struct th_err *err)
{
	_cleanup_free_ char *marked = xstrdup(raw);
	_cleanup_strv_ struct strv words = STRV_INIT;
	size_t n;
	int rc;

	if (strchr(raw, TAG_BYTE))
		return err_set(err, EXIT_DATAERR, EINVAL, "holds a control byte");
	for (char *tag = strstr(marked, "{{"); tag && (n = tag_length(tag)) > 0;
		tag = strstr(tag + n, "{{"))
		memset(tag, TAG_BYTE, n);
	rc = words_split(marked, &words, err);
	for (size_t i = 0; rc == 0 && i < words.n; i++) {
		_cleanup_free_ char *word = put_tags_back(words.v[i], &raw), *value = NULL;

		rc = args_render(r->args, word, ARGS_TEXT, &value, err);
		if (rc == 0)
			strv_add(ret, value);
	}
	return rc;
}

static void read_exec(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"command", "timeout", "jsonPath", NULL};
	const json_t *command = json_object_get(o, "command"), *v;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	size_t i;

	reader_check_fields(r, o, "exec", known);
	m->timeout_usec = 30 * USEC_PER_SEC;
	reader_timeout(r, o, "timeout", &m->timeout_usec);
	m->path = reader_path(r, o);
	json_array_foreach(command, i, v)
	{
		if (json_is_string(v))
			strv_add(&m->command, json_string_value(v));
		else
			reader_complain(r, "command", "command[%zu]: not a string", i);
	}
	if (json_is_string(r->raw_command) &&
		split_command(r, json_string_value(r->raw_command), &m->command, &err) < 0)
		reader_complain_err(r, "command", &err);
	else if (m->command.n == 0)
		reader_complain(r, "command", "command is needed");
	if (r->secret_command)
		reader_complain(r, "command",
			"command: every user sees it in /proc, so it takes no secret argument: "
			"let the program read it from a file or from its environment");
}

static void read_file(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"path", "jsonPath", NULL};

	reader_check_fields(r, o, "file", known);
	m->file = reader_need_text(r, o, "path");
	m->path = reader_path(r, o);
	m->timeout_usec = USEC_PER_SEC;
}

static void read_tcp(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"address", "timeout", NULL};
	const char *colon;
	uint64_t port;

	reader_check_fields(r, o, "tcp", known);
	m->address = reader_need_text(r, o, "address");
	m->timeout_usec = 10 * USEC_PER_SEC;
	reader_timeout(r, o, "timeout", &m->timeout_usec);
	colon = strrchr(m->address, ':');
	if (*m->address && !reader_is_unknown(r, m->address) &&
		(!colon || colon == m->address || parse_uint(colon + 1, 1, 65535, &port) < 0 ||
			strpbrk(m->address, "/@?#% ")))
		reader_complain(r, "address", "address: not HOST:PORT");
}

static void read_task(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	static const char *const known[] = {"task", "field", NULL};

	reader_check_fields(r, o, "task", known);
	m->task = reader_need_text(r, o, "task");
	m->field = reader_need_text(r, o, "field");
	m->timeout_usec = 10 * USEC_PER_SEC;
}

static void (*const readers[])(struct reader *, struct tmpl_metric *, const json_t *) = {
	[TMPL_WEB] = reader_web,
	[TMPL_PROMETHEUS] = reader_prometheus,
	[TMPL_EXEC] = read_exec,
	[TMPL_FILE] = read_file,
	[TMPL_TCP] = read_tcp,
	[TMPL_TASK] = read_task,
};

/* Providers of the two projects that taskhook has not, and why. */
static const char *foreign_provider(const char *name)
{
	static const struct {
		const char *name;
		const char *why;
	} foreign[] = {
		{"kubernetes", "reads and changes objects of a Kubernetes cluster, and there is "
			       "none here"},
		{"job", "runs a job in a Kubernetes cluster, and there is none here: 'exec' runs a "
			"command"},
		{"plugin",
			"is a program inside of Argo Rollouts' controller: 'exec' runs a command"},
		{"kayenta", "is not supported: ask its HTTP API with 'web'"},
		{"datadog", "is not supported: ask its HTTP API with 'web'"},
		{"wavefront", "is not supported: ask its HTTP API with 'web'"},
		{"newRelic", "is not supported: ask its HTTP API with 'web'"},
		{"cloudWatch", "is not supported: ask its HTTP API with 'web'"},
		{"graphite", "is not supported: ask its HTTP API with 'web'"},
		{"influxdb", "is not supported: ask its HTTP API with 'web'"},
		{"skywalking", "is not supported: ask its HTTP API with 'web'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (strcmp(foreign[i].name, name) == 0)
			return foreign[i].why;
	return NULL;
}

static void refuse_provider(struct reader *r, const char *name)
{
	const char *names[ARRAY_SIZE(readers)];
	const char *why = foreign_provider(name), *near;
	_cleanup_free_ char *shown = str_escape(name, 60);

	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		names[i] = tmpl_provider_name((enum tmpl_provider)i);
	near = suggest_nearest(name, names, ARRAY_SIZE(names));
	if (why)
		reader_complain(r, name, "the provider '%s' %s", name, why);
	else
		reader_complain(r, name, "unknown provider '%s'%s%s%s", shown,
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* The one of the metric, whose members are in `p`. */
static void read_provider(struct reader *r, struct tmpl_metric *m, const json_t *p)
{
	const char *name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)p));
	const json_t *o = json_object_get(p, name), *outer;

	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		if (strcmp(tmpl_provider_name((enum tmpl_provider)i), name) != 0)
			continue;
		m->provider = (enum tmpl_provider)i;
		outer = reader_enter(r, name);
		readers[i](r, m, o);
		reader_leave(r, outer);
		return;
	}
	refuse_provider(r, name);
}

void reader_provider(struct reader *r, struct tmpl_metric *m, const json_t *o)
{
	const json_t *p = json_object_get(o, "provider");
	const json_t *outer;

	if (json_object_size(p) == 0) {
		reader_complain(r, NULL, "no provider specified");
		return;
	}
	if (json_object_size(p) > 1) {
		reader_complain(r, "provider", "multiple providers specified");
		return;
	}
	outer = reader_enter(r, "provider");
	read_provider(r, m, p);
	reader_leave(r, outer);
}
