#include "config.h"

#include "fetch/transfer.h"

#include "base/alloc.h"

#include <errno.h>

int transfer_run(const struct transfer_spec *spec, struct transfer_result *ret, struct th_err *err)
{
	(void)ret;
	return err_set(err, EXIT_UNAVAILABLE, ENOSYS, "sources of type '%s' are not yet fetched",
		spec->source->scheme);
}

void transfer_result_done(struct transfer_result *r)
{
	free(r->etag);
	free(r->last_modified);
	free(r->filename);
	*r = (struct transfer_result){0};
}
