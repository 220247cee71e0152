#ifndef TH_RUN_HELPER_H
#define TH_RUN_HELPER_H

/* The helper programs: taskhook-fetch, taskhook-verify. */

#include "base/error.h"

/*
 * The path of the helper `name`: in the directory that TASKHOOK_LIBEXECDIR names, else beside the
 * running `program` where that is not installed, else in ../libexec/taskhook from there, else in
 * the libexec directory of the build. The caller frees *ret. -ENOENT with err (EXIT_UNAVAILABLE):
 * it is not there, with the package that holds it, which has its name.
 */
int helper_find(const char *program, const char *name, char **ret, struct th_err *err);

#endif
