#include "config.h"

#include "model/artifact.h"

#include "base/alloc.h"
#include "conf/source.h"
#include "model/jsonio.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* ARTIFACT_* and FETCH_LANDLOCK_* stand in the order of the configuration's words. */
static const char *const mode_names[] = {"any", "file", "dir"};
static const char *const outcome_names[] = {"fetched", "unchanged", "present"};

/* What people write in front of a destination, as Nomad's users do. */
#define LOCAL_DIR "local"

#define NAME_BYTES_MAX 255 /* NAME_MAX of every file system that matters */

void artifact_done(struct artifact *a)
{
	free(a->name);
	free(a->origin);
	if (a->source)
		explicit_bzero(a->source, strlen(a->source));
	free(a->source);
	free(a->shown);
	free(a->checksum);
	free(a->destination);
	free(a->extract);
	free(a->filename);
	for (size_t i = 0; i < a->headers.n; i++)
		explicit_bzero(a->headers.v[i], strlen(a->headers.v[i]));
	strv_done(&a->headers);
	free(a->ca_file);
	free(a->client_cert);
	free(a->client_key);
	free(a->netrc_file);
	free(a->chown);
	*a = (struct artifact){.name = NULL};
}

void fetch_settings_from_conf(struct fetch_settings *ret, const struct conf *c)
{
	*ret = (struct fetch_settings){
		.user = xstrdup(conf_string(c, KEY_FETCH_USER)),
		.parallel = (unsigned)conf_uint(c, KEY_FETCH_PARALLEL),
		.max_depth = (unsigned)conf_uint(c, KEY_FETCH_MAX_DEPTH),
		.max_redirects = (unsigned)conf_uint(c, KEY_FETCH_MAX_REDIRECTS),
		.landlock = (enum fetch_landlock)conf_enum(c, KEY_FETCH_LANDLOCK),
	};
}

void fetch_settings_done(struct fetch_settings *s)
{
	free(s->user);
	*s = (struct fetch_settings){.user = NULL};
}

/* ---- resolving ---- */

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

int artifact_parse_destination(const char *text, char **ret, const char **ret_why)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *p = text;
	bool first = true;

	if (*text == '/')
		return refuse(ret_why,
			"is absolute; it is taken from the shared directory of the group: write "
			"local/DIR");
	while (*(p += strspn(p, "/"))) {
		size_t n = strcspn(p, "/");
		bool local = first && n == strlen(LOCAL_DIR) && memcmp(p, LOCAL_DIR, n) == 0;

		if (n == 2 && memcmp(p, "..", n) == 0)
			return refuse(ret_why,
				"holds '..': it stays below the shared directory of the group");
		if (n > NAME_BYTES_MAX)
			return refuse(ret_why, "has a part of more than 255 bytes");
		if ((n != 1 || *p != '.') && !local) {
			if (b.len)
				strbuf_addc(&b, '/');
			strbuf_add(&b, p, n);
		}
		if (n != 1 || *p != '.')
			first = false;
		p += n;
	}
	if (b.len >= PATH_MAX)
		return refuse(ret_why, "is too long");
	*ret = strbuf_steal(&b);
	return 0;
}

/* "FILE:LINE" of a key; of the first that is set where this one is not. */
static char *origin_of(const struct conf *a, enum conf_key key)
{
	enum conf_key k = conf_named_first_key(CONF_NAMED_ARTIFACT);
	unsigned line = 0;
	const char *file;

	if (!conf_is_set(a, key))
		for (key = k; key < KEY_ARTIFACT_MAX_FILES && !conf_is_set(a, key);)
			key++;
	file = conf_origin(a, key, &line);
	return line ? xasprintf("%s:%u", file, line) : xstrdup(file);
}

/* "FILE:LINE: [artifact NAME] KEY TEXT" */
static int refuse_key(const struct artifact *ret, const struct conf *a, enum conf_key key,
	const char *text, struct th_err *err)
{
	_cleanup_free_ char *origin = origin_of(a, key);

	/* "--filename" of a command says it all. */
	if (str_starts_with(origin, "--") && strcmp(origin + 2, conf_key_info(key)->name) == 0)
		return err_set(err, EXIT_USAGE, EINVAL, "%s %s", origin, text);
	return err_set(err, conf_origin_status(origin), EINVAL, "%s: [artifact %s] %s %s", origin,
		ret->name, conf_key_info(key)->name, text);
}

static bool is_plain_word(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.+-")] == '\0';
}

static const char *filename_fault(const char *s)
{
	if (!*s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || strchr(s, '/'))
		return "is not the name of a file";
	return strlen(s) > NAME_BYTES_MAX ? "has more than 255 bytes" : NULL;
}

static int take_destination(struct artifact *ret, const struct conf *a, struct th_err *err)
{
	const char *why = NULL;

	if (artifact_parse_destination(
		    conf_string(a, KEY_ARTIFACT_DESTINATION), &ret->destination, &why) < 0)
		return refuse_key(ret, a, KEY_ARTIFACT_DESTINATION, why, err);
	if (ret->mode == ARTIFACT_FILE && !*ret->destination)
		return refuse_key(ret, a, KEY_ARTIFACT_DESTINATION,
			"names no file: with mode = file it is the path of the file", err);
	return 0;
}

static int take_texts(struct artifact *ret, const struct conf *a, struct th_err *err)
{
	const char *fault;

	str_replace(&ret->source, conf_string(a, KEY_ARTIFACT_SOURCE));
	if (!ret->source)
		return refuse_key(ret, a, KEY_ARTIFACT_SOURCE, "is missing", err);
	ret->shown = source_redact(ret->source);
	str_replace(&ret->checksum, conf_string(a, KEY_ARTIFACT_CHECKSUM));
	if (ret->checksum && !*ret->checksum)
		return refuse_key(ret, a, KEY_ARTIFACT_CHECKSUM, "is empty", err);
	str_replace(&ret->extract, conf_string(a, KEY_ARTIFACT_EXTRACT));
	if (!is_plain_word(ret->extract))
		return refuse_key(ret, a, KEY_ARTIFACT_EXTRACT,
			"is neither auto, no, nor a type of archive", err);
	str_replace(&ret->filename, conf_string(a, KEY_ARTIFACT_FILENAME));
	fault = ret->filename ? filename_fault(ret->filename) : NULL;
	return fault ? refuse_key(ret, a, KEY_ARTIFACT_FILENAME, fault, err) : 0;
}

/* A number of [artifact], or that of [fetch]. */
static uint64_t number_of(
	const struct conf *a, enum conf_key own, const struct conf *c, enum conf_key general)
{
	const struct conf *from = conf_is_set(a, own) ? a : c;
	enum conf_key key = from == a ? own : general;

	return conf_key_info(key)->type == CONF_DURATION ? conf_duration(from, key)
							 : conf_uint(from, key);
}

static const char *text_of(
	const struct conf *a, enum conf_key own, const struct conf *c, enum conf_key general)
{
	return conf_is_set(a, own) ? conf_string(a, own) : conf_string(c, general);
}

int artifact_from_conf(struct artifact *ret, const char *name, const struct conf *a,
	const struct conf *c, struct th_err *err)
{
	int r;

	ret->name = xstrdup(name);
	ret->origin = origin_of(a, KEY_ARTIFACT_SOURCE);
	ret->mode = (enum artifact_mode)conf_enum(a, KEY_ARTIFACT_MODE);
	r = take_texts(ret, a, err);
	if (r == 0)
		r = take_destination(ret, a, err);
	if (r < 0)
		return r;
	strv_copy(&ret->headers, conf_list(a, KEY_ARTIFACT_HEADER));
	ret->retries = (unsigned)number_of(a, KEY_ARTIFACT_RETRIES, c, KEY_FETCH_RETRIES);
	ret->insecure = conf_bool(a, KEY_ARTIFACT_INSECURE);
	str_replace(&ret->ca_file, text_of(a, KEY_ARTIFACT_CA_FILE, c, KEY_FETCH_CA_FILE));
	str_replace(&ret->client_cert, conf_string(a, KEY_ARTIFACT_CLIENT_CERT));
	str_replace(&ret->client_key, conf_string(a, KEY_ARTIFACT_CLIENT_KEY));
	str_replace(&ret->netrc_file, text_of(a, KEY_ARTIFACT_NETRC_FILE, c, KEY_FETCH_NETRC_FILE));
	str_replace(&ret->chown, conf_string(a, KEY_ARTIFACT_CHOWN));
	ret->timeout = number_of(a, KEY_ARTIFACT_TIMEOUT, c, KEY_FETCH_TIMEOUT);
	ret->stall_timeout = number_of(a, KEY_ARTIFACT_STALL_TIMEOUT, c, KEY_FETCH_STALL_TIMEOUT);
	ret->max_size = number_of(a, KEY_ARTIFACT_MAX_SIZE, c, KEY_FETCH_MAX_SIZE);
	ret->max_unpacked = number_of(a, KEY_ARTIFACT_MAX_UNPACKED, c, KEY_FETCH_MAX_UNPACKED);
	ret->max_files = number_of(a, KEY_ARTIFACT_MAX_FILES, c, KEY_FETCH_MAX_FILES);
	return 0;
}

/* ---- one or another ---- */

json_t *artifact_definition(const struct artifact *a)
{
	json_t *j = json_object();

	json_put_text(j, "source", a->shown);
	json_put_text(j, "checksum", a->checksum);
	json_put_text(j, "destination", a->destination);
	json_put_text(j, "mode", mode_names[a->mode]);
	json_put_text(j, "extract", a->extract);
	json_put_text(j, "filename", a->filename);
	json_put_text(j, "chown", a->chown);
	return j;
}

json_t *artifact_identity(const struct artifact *a)
{
	json_t *j = artifact_definition(a);
	uint64_t hash = source_query_hash(a->source);
	_cleanup_free_ char *text = hash ? xasprintf("%016" PRIx64, hash) : NULL;

	json_put_text(j, "query", text);
	return j;
}

static char *value_text(const json_t *value)
{
	_cleanup_free_ char *text = value ? json_to_text(value) : NULL;

	return text ? xasprintf("'%s'", text) : xstrdup("not set");
}

const char *artifact_difference(
	const json_t *a, const json_t *b, char **ret_value_a, char **ret_value_b)
{
	static const char *const keys[] = {"source", "query", "checksum", "destination", "mode",
		"extract", "filename", "chown"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

		if (x == y || json_equal(x, y))
			continue;
		/* what is in a query is not told */
		if (strcmp(keys[i], "query") == 0) {
			*ret_value_a = value_text(json_object_get(a, "source"));
			*ret_value_b = xstrdup("another query");
			return "source";
		}
		*ret_value_a = value_text(x);
		*ret_value_b = value_text(y);
		return keys[i];
	}
	return NULL;
}

/* ---- what came of it ---- */

const char *artifact_outcome_name(enum artifact_outcome outcome)
{
	return outcome_names[outcome];
}

void artifact_result_done(struct artifact_result *r)
{
	free(r->name);
	free(r->source);
	free(r->path);
	free(r->digest);
	*r = (struct artifact_result){.name = NULL};
}

void artifact_results_done(struct artifact_results *r)
{
	for (size_t i = 0; i < r->n; i++)
		artifact_result_done(&r->v[i]);
	free(r->v);
	*r = (struct artifact_results){.n = 0};
}

json_t *artifact_results_to_json(const struct artifact_results *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct artifact_result *a = &r->v[i];
		json_t *j = json_object();

		json_put_text(j, "name", a->name);
		json_put_text(j, "source", a->source);
		json_put_text(j, "destination", a->path);
		json_put_text(j, "result", outcome_names[a->outcome]);
		json_put_u64(j, "size", a->size);
		json_put_u64(j, "files", a->files);
		json_put_u64(j, "usec", a->usec);
		json_put_text(j, "digest", a->digest);
		(void)json_array_append_new(list, j);
	}
	return list;
}

static int result_from_json(const json_t *j, struct artifact_result *ret, struct th_err *err)
{
	struct json_in in = {.object = j, .what = "artifacts", .err = err};
	const char *word;

	json_in_text(&in, "name", &ret->name);
	json_in_text(&in, "source", &ret->source);
	json_in_text(&in, "destination", &ret->path);
	json_in_u64(&in, "size", &ret->size);
	json_in_u64(&in, "files", &ret->files);
	json_in_u64(&in, "usec", &ret->usec);
	json_in_text(&in, "digest", &ret->digest);
	if (!ret->name || !ret->path)
		json_in_refuse(&in, "name", "or its destination is missing");
	/* A word of a newer taskhook is not worth the record. */
	word = json_in_word(&in, "result");
	for (size_t i = 0; word && i < ARRAY_SIZE(outcome_names); i++)
		if (strcmp(word, outcome_names[i]) == 0)
			ret->outcome = (enum artifact_outcome)i;
	return in.failed;
}

int artifact_results_from_json(const json_t *j, struct artifact_results *ret, struct th_err *err)
{
	struct artifact_results all = {.n = 0};
	size_t n = json_array_size(j);

	if (n)
		all.v = xcalloc(n, sizeof(*all.v));
	for (size_t i = 0; i < n; i++) {
		int r = result_from_json(json_array_get(j, i), &all.v[all.n++], err);

		if (r < 0) {
			artifact_results_done(&all);
			return r;
		}
	}
	*ret = all;
	return 0;
}

char *artifact_variable(const char *name)
{
	char *s = xstrdup(name);

	for (char *p = s; *p; p++)
		*p = (char)(isalnum((unsigned char)*p) ? toupper((unsigned char)*p) : '_');
	return s;
}
