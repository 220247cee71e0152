#include "config.h"

#include "verify/load.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "base/str.h"
#include "verify/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char *const kinds[] = {
	"HookTemplate", "AnalysisTemplate", "ClusterAnalysisTemplate", "taskhook"};

static int load_json(const char *text, size_t size, const char *file, json_t *docs, json_t *lines,
	struct th_err *err)
{
	_cleanup_json_ json_t *same = json_array();
	json_error_t e;
	/* the line end stays: lines are counted */
	size_t skip = size > 2 && text[0] == '#' && text[1] == '!' ? strcspn(text, "\n") : 0;
	json_t *doc = json_loadb(text + skip, size - skip, JSON_REJECT_DUPLICATES, &e);

	if (!doc) {
		_cleanup_free_ char *shown = str_escape(e.text, 200);

		return err_set(err, EXIT_DATAERR, EINVAL, "%s:%d: %s", file, e.line, shown);
	}
	json_array_append_new(docs, doc);
	/* jansson does not tell where a value stands; what is JSON is YAML, too, nearly always */
	(void)load_yaml(text, size, file, same, lines, NULL);
	return 0;
}

static char first_character(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size) {
		i += strspn(text + i, " \t\r\n");
		if (i >= size || (text[i] != '#' && text[i] != ';'))
			break;
		i += strcspn(text + i, "\n");
	}
	return i < size ? text[i] : '\0';
}

static const char *name_of(const json_t *doc)
{
	const char *name = json_string_value(json_object_get(doc, "name"));

	return name ? name
		    : json_string_value(json_object_get(json_object_get(doc, "metadata"), "name"));
}

static bool is_template(const json_t *doc)
{
	const char *kind = json_string_value(json_object_get(doc, "kind"));

	for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

static int pick(const json_t *docs, const json_t *lines, const char *file, const char *name,
	json_t **ret, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf seen = STRBUF_INIT, others = STRBUF_INIT;
	const json_t *found_lines = NULL;
	json_t *doc, *found = NULL;
	size_t i, n = 0;

	json_array_foreach(docs, i, doc)
	{
		const char *own = name_of(doc),
			   *kind = json_string_value(json_object_get(doc, "kind"));
		_cleanup_free_ char *shown = str_escape(own ? own : "", 60);
		_cleanup_free_ char *shown_kind = str_escape(kind ? kind : "no kind", 60);

		if (!is_template(doc)) {
			strbuf_addf(&others, "%s%s", others.len ? ", " : "", shown_kind);
			continue;
		}
		strbuf_addf(&seen, "%s'%s'", seen.len ? ", " : "", shown);
		if (name && (!own || strcmp(own, name) != 0))
			continue;
		found = doc;
		found_lines = lines_member(json_array_get(lines, i), "spec");
		n++;
	}
	if (n == 1) {
		*ret = json_pack("{s:s*,s:s*,s:O*,s:O*}", "kind",
			json_string_value(json_object_get(found, "kind")), "name", name_of(found),
			"spec", json_object_get(found, "spec"), "lines", found_lines);
		return *ret ? 0 : err_set(err, EXIT_DATAERR, EINVAL, "%s: not a template", file);
	}
	if (n > 1 && name)
		return err_set(err, EXIT_DATAERR, EINVAL, "%s: several templates are named '%s'",
			file, name);
	if (n > 1)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"%s: there are several templates, pick one with --name: %s", file,
			strbuf_str(&seen));
	if (seen.len)
		return err_set(err, EXIT_DATAERR, EINVAL,
			"%s: no template is named '%s', there is %s", file, name,
			strbuf_str(&seen));
	return err_set(err, EXIT_DATAERR, EINVAL,
		"%s: no template (kind HookTemplate, AnalysisTemplate or ClusterAnalysisTemplate, "
		"or "
		"INI with a section [metric NAME])%s%s",
		file, others.len ? "; there is " : "", strbuf_str(&others));
}

int load_memory(const char *text, size_t size, const char *file, const char *name, json_t **ret,
	struct th_err *err)
{
	_cleanup_json_ json_t *docs = json_array(), *lines = json_array();
	int r;

	if (size > LOAD_SIZE_MAX)
		return err_set(err, EXIT_DATAERR, EFBIG, "%s: larger than 1 MiB", file);
	if (memchr(text, '\0', size))
		return err_set(err, EXIT_DATAERR, EINVAL, "%s: holds a NUL", file);
	switch (first_character(text, size)) {
	case '\0':
		return err_set(err, EXIT_DATAERR, EINVAL, "%s: is empty", file);
	case '{':
		r = load_json(text, size, file, docs, lines, err);
		break;
	case '[':
		r = load_ini(text, size, file, docs, lines, err);
		break;
	default:
		r = load_yaml(text, size, file, docs, lines, err);
		break;
	}
	return r < 0 ? r : pick(docs, lines, file, name, ret, err);
}

int load_file(const char *path, const char *name, json_t **ret, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = file_read_at(AT_FDCWD, path, FILEIO_REGULAR, LOAD_SIZE_MAX, &text, &size);

	if (r == -EFBIG)
		return err_set(err, EXIT_DATAERR, EFBIG, "'%s' is larger than 1 MiB", path);
	if (r < 0)
		return err_set(err, r == -EACCES ? EXIT_NOPERM : EXIT_CONFIG, -r,
			"cannot read '%s': %s", path,
			r == -EMEDIUMTYPE ? "not a regular file" : strerror(-r));
	return load_memory(text, size, path, name, ret, err);
}
