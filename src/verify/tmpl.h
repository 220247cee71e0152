#ifndef TH_VERIFY_TMPL_H
#define TH_VERIFY_TMPL_H

/*
 * A template as data: HookTemplate of BlueKing, AnalysisTemplate of Argo Rollouts, and what
 * taskhook adds (taskhook-template(5)). Rules are those that the two projects check (their
 * validation of metrics), and those of taskhook for what they leave unseen.
 */

#include "base/clock.h"
#include "base/str.h"
#include "verify/args.h"
#include "verify/expr.h"
#include "verify/jsonpath.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TMPL_METRICS_MAX      200
#define TMPL_COUNT_MAX	      1000000
#define TMPL_BODY_MAX	      ((size_t)4 * 1024 * 1024) /* bytes of a response, output or file */
#define TMPL_RETENTION	      10
#define TMPL_RETENTION_MAX    10000
#define TMPL_ERROR_RETRY_USEC (10 * USEC_PER_SEC) /* also without an interval */

enum tmpl_provider {
	TMPL_WEB,
	TMPL_PROMETHEUS,
	TMPL_EXEC,
	TMPL_FILE,
	TMPL_TCP,
	TMPL_TASK,
};
const char *tmpl_provider_name(enum tmpl_provider provider);

struct tmpl_range {
	unsigned from, to;
};

enum tmpl_auth_kind {
	TMPL_AUTH_NONE,
	TMPL_AUTH_BASIC,
	TMPL_AUTH_OAUTH2, /* client credentials, RFC 6749, 4.4 */
	TMPL_AUTH_SIGV4,  /* AWS Signature Version 4 */
};

struct tmpl_auth {
	enum tmpl_auth_kind kind;
	char *user, *password;		  /* the client's id and secret with oauth2 */
	char *token_url, *scopes;	  /* oauth2; scopes with blanks between, NULL: none */
	char *region, *service, *profile; /* sigv4; profile NULL: what the environment says */
};

struct tmpl_metric {
	char *name;
	bool has_interval, has_error_interval;
	usec_t interval_usec, error_interval_usec, initial_delay_usec, timeout_usec;
	unsigned count;	       /* 0: not set */
	int64_t failure_limit; /* -1: off */
	unsigned inconclusive_limit, consecutive_error_limit;
	unsigned successful_limit;	    /* BlueKing's, 0: off */
	unsigned consecutive_success_limit; /* 0: off */
	bool bcs_streak; /* written consecutiveSuccessfulLimit: count reached is Successful all the
			    same */
	struct expr *success, *failure; /* NULL: none */
	bool dry_run;
	unsigned retention;
	bool is_open; /* with --lint: a number or duration has an argument without a value */

	enum tmpl_provider provider;
	struct jsonpath *path; /* NULL: the whole */
	char *method, *url;    /* web, prometheus: with the address alone */
	char *body;	       /* NULL: none */
	struct strv headers;   /* "NAME: VALUE" */
	bool insecure;
	struct tmpl_range *accept; /* statuses that are no error; none: 200 to 299 */
	size_t n_accept;
	struct tmpl_auth auth;
	char *query, *query_shown;	 /* prometheus; without secrets */
	struct expr *start, *end, *step; /* prometheus: a range; NULL: an instant */
	struct strv command;		 /* exec */
	char *file, *address, *task, *field;
};

struct tmpl {
	char *name; /* of the template, or of its file */
	char *kind;
	enum expr_dialect dialect;
	bool ordered;
	usec_t timeout_usec; /* USEC_INFINITY: none */
	struct tmpl_metric *metrics;
	size_t n;
	/* As it was written, with the values of the arguments, secrets as *****: what a record says
	 * was run. NULL with --lint. */
	json_t *spec;
};

/* What is found: texts with the name of the file and the line. */
struct findings {
	struct strv errors, warnings;
};
void findings_done(struct findings *f);
#define _cleanup_findings_ _cleanup_(findings_done)

/*
 * From what load_file() gave. Everything that is wrong goes to `found`; with errors there the
 * result is not fit for use. `dialect`: -1 for what the template says (Argo's where it says
 * nothing).
 */
void tmpl_init(struct tmpl *t, const json_t *doc, const char *file, int dialect, struct args *args,
	struct findings *found);
void tmpl_done(struct tmpl *t);
#define _cleanup_tmpl_ _cleanup_(tmpl_done)

/* Is it one that 'taskhook stats' tells, and not 'taskhook status'? */
bool tmpl_field_is_figure(const char *field);

/* How many counted measurements a metric takes: 0 is without an end. */
unsigned tmpl_effective_count(const struct tmpl_metric *m);

/* How long it is waited after an error: errorInterval, taskhook's own; Argo has 10 s, BlueKing the
 * interval. */
usec_t tmpl_error_wait(const struct tmpl *t, const struct tmpl_metric *m);

/* The longest that a run can take; USEC_INFINITY where it has no end, or where nobody can tell as
 * an argument without a value is in a number or a duration: *ret_why says which (not owned). */
usec_t tmpl_worst_case(const struct tmpl *t, const char **ret_why);

#endif
