/*
 * The INI reader and the key table: never a crash, and the same items and errors however inih is
 * fed (with its run-time switches, without them). What was read once reads the same when it is
 * written down plainly, so nothing is lost, split or made up on the way through inih.
 */
#include "config.h"

#include "base/alloc.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/ini.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct strbuf items;	/* with lines, to compare two ways of reading */
	struct strbuf plain;	/* as a file of its own, without lines */
	bool ends_in_backslash; /* a value that cannot be written in one line */
};

static int see_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct seen *seen = arg;

	(void)err;
	if (!item->key) {
		strbuf_addf(&seen->items, "%u [%s]\n", item->line, item->section);
		strbuf_addf(&seen->plain, "[%s]\n", item->section);
		return 0;
	}
	if (strlen(item->key) > INI_KEY_MAX || strlen(item->value) > INI_VALUE_MAX ||
		strlen(item->section) > INI_SECTION_MAX || item->section[0] == '\0')
		abort();
	strbuf_addf(
		&seen->items, "%u %s|%s|%s\n", item->line, item->section, item->key, item->value);
	strbuf_addf(&seen->plain, "%s = %s\n", item->key, item->value);
	seen->ends_in_backslash |= str_ends_with(item->value, "\\");
	return 0;
}

static void see_report(void *arg, const struct th_err *err)
{
	struct seen *seen = arg;

	if (err->status != EXIT_CONFIG)
		abort();
	strbuf_addf(&seen->items, "! %s\n", err_text(err));
}

static void seen_done(struct seen *seen)
{
	strbuf_done(&seen->items);
	strbuf_done(&seen->plain);
}
#define _cleanup_seen_ _cleanup_(seen_done)

static void read_all(unsigned flags, const char *text, size_t size, struct seen *seen)
{
	/* Reporting, nothing but trouble with inih itself is an error. */
	if (ini_read_memory_with(flags, text, size, "f", see_item, see_report, seen, NULL) < 0)
		abort();
}

static void must_equal(const struct strbuf *a, const struct strbuf *b)
{
	if (a->len != b->len || memcmp(strbuf_str(a), strbuf_str(b), a->len) != 0)
		abort();
}

static void ignore_report(void *arg, const struct th_err *err)
{
	(void)arg;
	if (!err_is_set(err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned kinds[] = {CONF_IN_MAIN, CONF_IN_GROUP, CONF_IN_TASK, CONF_IN_HOOK};
	const char *text = (const char *)data;
	_cleanup_seen_ struct seen with = {.items = STRBUF_INIT}, without = {.items = STRBUF_INIT};
	_cleanup_seen_ struct seen again = {.items = STRBUF_INIT};

	read_all(0, text, size, &with);
	read_all(INI_NO_SWITCHES, text, size, &without);
	must_equal(&with.items, &without.items);

	if (!with.ends_in_backslash) {
		read_all(0, strbuf_str(&with.plain), with.plain.len, &again);
		must_equal(&with.plain, &again.plain);
	}

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_conf_ struct conf *all = conf_new(), *first = conf_new();
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		int errors, rc;

		errors =
			conf_read_memory(all, text, size, "f", kinds[i], ignore_report, NULL, &err);
		if (errors < 0 || err_is_set(&err))
			abort();
		/* Reading up to the first error fails where there is one. */
		rc = conf_read_memory(first, text, size, "f", kinds[i], NULL, NULL, &err);
		if ((errors > 0) != (rc < 0) || (rc < 0) != err_is_set(&err))
			abort();
		for (size_t k = 0; k < CONF_KEY_COUNT; k++)
			free(conf_format(all, (enum conf_key)k));
	}
	return 0;
}
