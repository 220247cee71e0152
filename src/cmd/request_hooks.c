#include "config.h"

#include "cmd/request_hooks.h"

#include "base/alloc.h"

#include <errno.h>

void request_hooks_done(struct request_hooks *h)
{
	for (size_t i = 0; i < h->n; i++)
		hook_option_done(&h->v[i]);
	free(h->v);
	*h = (struct request_hooks){.v = NULL};
}

int request_hooks_add(struct request_hooks *h, const char *option, const char *value,
	enum operator verb, struct th_err *err)
{
	int r;

	if (h->n == REQUEST_HOOKS_MAX)
		return err_set(err, EXIT_USAGE, E2BIG, "more than %zu hooks", REQUEST_HOOKS_MAX);
	h->v = xreallocarray(h->v, h->n + 1, sizeof(*h->v));
	h->v[h->n] = (struct hook_option){0};
	r = hook_option_parse(option, value, verb, false, &h->v[h->n], err);
	if (r == 0)
		h->n++;
	return r;
}
