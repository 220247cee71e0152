#include "config.h"

#include "base/alloc.h"
#include "base/error.h"

#include "tests/unit/tap.h"

#include <errno.h>

static int fail(struct th_err *err)
{
	errno = EACCES;
	return err_set(err, EXIT_NOPERM, EACCES, "cannot open '%s': %m", "/x");
}

int main(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	ok(!err_is_set(&err) && !err_is_set(NULL), "nothing is set at first");
	is_str(err_text(&err), "unknown error", "a stand-in for the text");
	is_str(err_text(NULL), "unknown error", "also without a place");
	err_prefix(&err, "task '%s'", "a");
	ok(!err_is_set(&err), "a prefix alone sets nothing");

	is_int(fail(&err), -EACCES, "set returns -errno");
	is_str(err_text(&err), "cannot open '/x': Permission denied", "the text, %%m being errno");
	is_int(err.status, EXIT_NOPERM, "the status");
	is_int(err.errnum, EACCES, "the errno");
	is_int(err_set(&err, EXIT_CONFIG, 0, "second"), -EINVAL, "-EINVAL where there is no errno");
	is_str(err.text, "cannot open '/x': Permission denied", "the first error wins");
	is_int(err.status, EXIT_NOPERM, "with its status");
	err_prefix(&err, "hook '%s'", "10-net");
	err_prefix(&err, "task '%s'", "g/a");
	is_str(err.text, "task 'g/a': hook '10-net': cannot open '/x': Permission denied",
		"prefixes stand in front, the last first");

	errno = ENOSPC;
	(void)err_set(&err, EXIT_CONFIG, 0, "x");
	is_int(errno, ENOSPC, "errno is left alone");
	is_int(fail(NULL), -EACCES, "no place for the error is fine");
	err_prefix(NULL, "x");
	err_clear(NULL);

	err_clear(&err);
	ok(!err_is_set(&err) && err.status == 0 && err.errnum == 0,
		"clear makes it fit for use again");
	err_clear(&err);
	is_int(err_set(&err, EXIT_CONFIG, ENOENT, "%s", "100%"), -ENOENT, "and it is used again");
	err_prefix(&err, "%s", "50%");
	is_str(err.text, "50%: 100%", "percent signs in texts are no formats");
	return done_testing();
}
