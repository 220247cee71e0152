#include "config.h"

#include "base/alloc.h"
#include "run/hooktemplate.h"

#include "tests/unit/helper.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <string.h>

static void test_first_line(void)
{
	static const struct {
		const char *text, *options; /* NULL: no template */
	} cases[] = {
		{"#!/usr/bin/env -S taskhook verify\n[metric m]\n", ""},
		{"#!/usr/bin/env -S taskhook verify", ""},
		{"#! /usr/bin/env -S taskhook -q verify -a x=1 --name 'a b'\n",
			"-a|x=1|--name|a b"},
		{"#!/usr/bin/taskhook verify\n", ""},
		{"#!/usr/libexec/taskhook/taskhook-verify\n", ""},
		{"#!/usr/bin/env -S taskhook run\n", NULL},
		{"#!/usr/bin/env verify\n", NULL},
		{"#!/bin/sh\n# taskhook verify\n", NULL},
		{"#!/bin/sh -c 'taskhook\n", NULL},
		{"#!/bin/sh -x 'taskhook verify'\n", NULL},
		{"taskhook verify\n", NULL},
		{"#!", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strv_ struct strv options = STRV_INIT;
		_cleanup_strbuf_ struct strbuf joined = STRBUF_INIT;
		bool found;

		tempdir_write("hook", cases[i].text);
		found = hook_template_find(tempdir_path("hook"), &options);
		for (size_t k = 0; k < options.n; k++)
			strbuf_addf(&joined, "%s%s", k ? "|" : "", options.v[k]);
		ok(found == (cases[i].options != NULL), "'%s'", cases[i].text);
		is_str(strbuf_str(&joined), cases[i].options ? cases[i].options : "",
			"with its options");
	}
	ok(!hook_template_find(tempdir_path("none"), NULL), "nor one that is not there");
}

/* A helper that says something, or does something else. */
static int ask(const char *script, usec_t *ret, struct th_err *err)
{
	struct strv options = STRV_INIT;
	_cleanup_free_ char *text = xasprintf("#!/bin/sh\n%s\n", script);

	tempdir_write("taskhook-verify", text);
	if (fchmodat(tempdir.fd, "taskhook-verify", 0755, 0) < 0)
		bail("chmod: %s", strerror(errno));
	return hook_template_timeout("/x/10-gate", &options, ret, err);
}

static void test_asking(void)
{
	static const struct {
		const char *script;
		int result;
		usec_t timeout;
		const char *message;
	} cases[] = {
		{"echo 60000000", 0, 65000000, NULL},
		{"echo \"$*\" | grep -q -- '--worst-case -- /x/10-gate' && echo 0", 0, 5000000,
			NULL},
		{"test -z \"$HOME$TH_TEST\" && echo 1", 0, 5000001, NULL},
		{"echo 'infinity for a reason'", -ERANGE, 0,
			"'/x/10-gate' is a template without an end, and cannot be a hook: for a "
			"reason (give it a timeout, or each metric a count)"},
		{"echo 'taskhook: /x/10-gate: what' >&2; echo more; exit 65", -EINVAL, 0,
			"/x/10-gate: what (try 'taskhook verify --lint /x/10-gate')"},
		{"exit 1", -EINVAL, 0,
			"taskhook-verify failed (try 'taskhook verify --lint /x/10-gate')"},
		{"echo much", -EINVAL, 0, NULL},
		{"echo 18446744073709551615", -EINVAL, 0, NULL},
		{"kill -9 $$", -EINVAL, 0, NULL},
		{"yes", -EINVAL, 0, NULL},
	};

	(void)setenv("TASKHOOK_LIBEXECDIR", tempdir.path, 1);
	(void)setenv("TH_TEST", "x", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		usec_t timeout = 0;

		is_int(ask(cases[i].script, &timeout, &err), cases[i].result, "%s",
			cases[i].script);
		is_uint(timeout, cases[i].timeout, "its time");
		if (cases[i].message)
			is_str(err_text(&err), cases[i].message, "what is said");
	}
	(void)unlinkat(tempdir.fd, "taskhook-verify", 0);
	is_int(hook_template_timeout("/x", &(struct strv)STRV_INIT, &(usec_t){0}, NULL), -ENOENT,
		"no helper");
}

int main(void)
{
	tempdir_make();
	test_first_line();
	if (helper_has_pidfd())
		test_asking();
	else
		skip(1, "no pidfd_open here");
	return done_testing();
}
