#ifndef TH_MODEL_ARTIFACT_H
#define TH_MODEL_ARTIFACT_H

/*
 * An artifact as resolved from [artifact NAME] and [fetch], and what came of fetching it. Pure: no
 * network, no files.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum artifact_mode {
	ARTIFACT_ANY,
	ARTIFACT_FILE,
	ARTIFACT_DIR,
};

enum fetch_landlock {
	FETCH_LANDLOCK_AUTO,
	FETCH_LANDLOCK_REQUIRED,
	FETCH_LANDLOCK_OFF,
};

/* Owned strings; NULL where there is none. */
struct artifact {
	char *name;
	char *origin; /* "FILE:LINE" or "--set" */
	char *source; /* as written: it may hold a password */
	char *shown;  /* the source without what is secret in it: for messages and records */
	char *checksum;
	char *destination; /* relative, without "." and ".."; "" is the shared directory itself.
			      With ARTIFACT_FILE the file's path */
	enum artifact_mode mode;
	char *extract; /* "auto", "no" or a type */
	char *filename;
	struct strv headers; /* "NAME: VALUE", secret */
	unsigned retries;
	bool insecure;
	char *ca_file, *client_cert, *client_key, *netrc_file; /* absolute paths */
	char *chown;					       /* USER[:GROUP] */
	usec_t timeout, stall_timeout;
	uint64_t max_size, max_unpacked, max_files;
};

/* [fetch], but for what every artifact has its own value of. */
struct fetch_settings {
	char *user; /* "auto", or as with chown */
	unsigned parallel;
	unsigned max_depth, max_redirects;
	enum fetch_landlock landlock;
};

/* Resolves [artifact NAME] as `a` (NULL: all defaults), with `c` for what it leaves to [fetch].
 * *ret is empty before and artifact_done() is the caller's in either case. 0, or -EINVAL with err
 * (EXIT_CONFIG, "FILE:LINE: ..."). */
int artifact_from_conf(struct artifact *ret, const char *name, const struct conf *a,
	const struct conf *c, struct th_err *err);
void artifact_done(struct artifact *a);

void fetch_settings_from_conf(struct fetch_settings *ret, const struct conf *c);
void fetch_settings_done(struct fetch_settings *s);

/* A destination as users write it ("local/app/", "app", "."): relative, and below the shared
 * directory. *ret is as in struct artifact. 0, or -EINVAL with *ret_why, which needs no freeing. */
int artifact_parse_destination(const char *text, char **ret, const char **ret_why);

/* What makes two artifacts of one name the same: key and value of each that says what is fetched
 * and where it goes, without secrets, so that a new password is no other artifact. */
json_t *artifact_definition(const struct artifact *a);
/* The same, and what tells sources apart that are shown alike. Not for the eyes of others: short
 * values can be guessed from it. */
json_t *artifact_identity(const struct artifact *a);
/* The first key in which two definitions differ, with both values as text ("not set" where absent;
 * the caller frees them); NULL where none does. */
const char *artifact_difference(
	const json_t *a, const json_t *b, char **ret_value_a, char **ret_value_b);

/* What came of one artifact. */
enum artifact_outcome {
	ARTIFACT_FETCHED,
	ARTIFACT_UNCHANGED, /* the source has nothing new */
	ARTIFACT_PRESENT,   /* fetched by another start since the last boot: nobody was asked */
};

struct artifact_result {
	char *name;
	char *source; /* without secrets */
	char *path;   /* absolute */
	enum artifact_outcome outcome;
	uint64_t size;	/* bytes downloaded */
	uint64_t files; /* files, directories and links */
	usec_t usec;	/* how long it took to fetch */
	char *digest;	/* "sha256:HEX"; NULL where nothing was digested */
};
struct artifact_results {
	struct artifact_result *v;
	size_t n;
};

const char *artifact_outcome_name(enum artifact_outcome outcome); /* "fetched" */

void artifact_result_done(struct artifact_result *r);
void artifact_results_done(struct artifact_results *r);

/* For records, and back. */
json_t *artifact_results_to_json(const struct artifact_results *r);
int artifact_results_from_json(const json_t *j, struct artifact_results *ret, struct th_err *err);

/* "APP_DATA" of "app.data", for ARTIFACT_<NAME>_PATH. The caller frees it. */
char *artifact_variable(const char *name);

#endif
