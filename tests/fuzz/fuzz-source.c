/*
 * Sources of artifacts. What holds: what is accepted has the parts that its kind needs, names that
 * are one component, no "..", no control byte and no word that ssh(1) or git(1) would take for an
 * option; no password is left in the URL; a refused one leaves nothing behind; and what is shown of
 * either has none of its user's password.
 */

#include "config.h"

#include "base/alloc.h"
#include "conf/source.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_component(const char *name)
{
	if (!name)
		return;
	CHECK(*name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	for (; *name; name++)
		CHECK((unsigned char)*name >= ' ');
}

static void check_subdir(const char *subdir)
{
	_cleanup_free_ char *slashes = subdir ? xasprintf("/%s/", subdir) : NULL;

	if (slashes)
		CHECK(!strstr(slashes, "//") && !strstr(slashes, "/../") &&
			!strstr(slashes, "/./"));
}

static void check_source(const struct source *s)
{
	CHECK(s->url && s->scheme);
	CHECK((s->kind == SOURCE_FILE) == (strcmp(s->scheme, "file") == 0));
	CHECK(s->kind == SOURCE_FILE ? *s->url == '/' && !s->host : s->host && *s->host);
	check_component(s->name);
	check_component(s->filename);
	check_subdir(s->subdir);
	if (s->kind == SOURCE_GIT) {
		CHECK(*s->host != '-' && *s->url != '-');
		CHECK(!s->user || strcmp(s->scheme, "ssh") != 0 || *s->user != '-');
		CHECK(!s->ref || *s->ref != '-');
	}
}

/* A password that nobody could take for something else is looked for in what is shown. */
static void check_shown(const char *text)
{
	static const char marked[] = ":~password~@";
	_cleanup_free_ char *shown = source_redact(text);
	const char *begin = strstr(text, "://");

	CHECK(shown);
	if (begin && strcspn(text, "?#/") > (size_t)(begin - text) &&
		strcspn(begin + 3, "/?#") > 0 && strstr(begin + 3, marked) &&
		strcspn(begin + 3, "/?#@:[") == (size_t)(strstr(begin + 3, marked) - begin - 3))
		CHECK(!strstr(shown, "~password~") ||
			strstr(strstr(text, "~password~") + 1, "~password~"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_source_ struct source s = {0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	int r = source_parse(text, &s, &err);

	CHECK(r == 0 || r == -EINVAL);
	if (r == 0) {
		CHECK(!err_is_set(&err));
		check_source(&s);
	} else {
		CHECK(err.status == EXIT_USAGE && err_is_set(&err) && !s.url && !s.user);
	}
	check_shown(text);
	return 0;
}
