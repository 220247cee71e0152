#ifndef TH_VERIFY_OPTIONS_H
#define TH_VERIFY_OPTIONS_H

/* The command line of taskhook-verify, which 'taskhook verify' hands on as it is. */

#include "verify/args.h"

#include <stdbool.h>

struct options {
	struct args args;
	const char *file;
	const char *point; /* second operand: where it runs as a hook; NULL */
	const char *name;
	int dialect;	    /* enum expr_dialect, or -1 */
	const char *output; /* where the record goes; NULL */
	const char *replay; /* a record whose measurements are judged; NULL */
	bool lint, json, resume, responses, worst_case, quiet, verbose;
};
#define OPTIONS_INIT                                                                               \
	{                                                                                          \
		.dialect = -1                                                                      \
	}

/* 0, or -errno with err (EXIT_USAGE; what a secret that cannot be read gives). 1: --help or
 * --version was answered. */
int options_parse(struct options *o, int argc, char **argv, struct th_err *err);

#endif
