#include "config.h"

#include "verify/regex.h"

#include "base/alloc.h"
#include "verify/regex_internal.h"

#include <errno.h>

int regex_compile(const char *pattern, size_t len, struct regex **ret, struct th_err *err)
{
	_cleanup_regex_ struct regex *regex = xcalloc(1, sizeof(*regex));
	struct regex_parser p = {.s = pattern, .len = len, .regex = regex, .err = err};
	size_t root;
	int rc;

	if (len > REGEX_SIZE_MAX)
		return err_set(err, EXIT_DATAERR, E2BIG,
			"a regular expression has %zu bytes; the limit is %zu", len,
			REGEX_SIZE_MAX);
	rc = regex_parse(&p, &root);
	if (rc == 0)
		rc = regex_emit(&p, root);
	free(p.nodes);
	if (rc < 0)
		return rc;
	*ret = TAKE_PTR(regex);
	return 0;
}

void regex_free(struct regex *regex)
{
	if (!regex)
		return;
	for (size_t i = 0; i < regex->n_classes; i++)
		free(regex->classes[i].ranges);
	free(regex->classes);
	free(regex->program);
	free(regex);
}
