#ifndef TH_TESTS_VERIFYRUN_H
#define TH_TESTS_VERIFYRUN_H

/* A template from a text, and the state of its run, for tests of taskhook verify. */

#include "tests/unit/tap.h"
#include "verify/load.h"
#include "verify/runstate.h"

struct fixture {
	struct args args;
	struct findings found;
	json_t *doc;
	struct tmpl t;
	struct runstate rs;
};

/* `limit`: the argument of that name; NULL: none is given. */
static inline void setup_with(struct fixture *f, const char *text, const char *limit)
{
	*f = (struct fixture){.found = {STRV_INIT, STRV_INIT}};
	if (limit)
		args_set(&f->args, "limit", limit, false);
	(void)load_memory(text, strlen(text), "t", NULL, &f->doc, NULL);
	tmpl_init(&f->t, f->doc, "t", -1, &f->args, &f->found);
	is_uint(f->found.errors.n, 0, "%s", f->found.errors.n ? f->found.errors.v[0] : "good");
	runstate_init(&f->rs, &f->t, 0);
}

static inline void setup(struct fixture *f, const char *text)
{
	setup_with(f, text, NULL);
}

static inline void teardown(struct fixture *f)
{
	runstate_done(&f->rs);
	tmpl_done(&f->t);
	json_decref(f->doc);
	findings_done(&f->found);
	args_done(&f->args);
}

#endif
