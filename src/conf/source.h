#ifndef TH_CONF_SOURCE_H
#define TH_CONF_SOURCE_H

/*
 * What a source means, as the users of go-getter write it. Pure: no network, no files.
 *
 *	[SCHEME::]URL[//SUBDIR][?QUERY]
 *
 * SCHEME:: is git, s3, http, https, ftp, ftps, sftp or file; without it the URL's own scheme
 * decides. user@host:path is git over ssh, a path that begins with / is a file. Of the query,
 * checksum, archive and filename are ours everywhere, ref, depth and sshkey for git, region,
 * version, aws_access_key_id, aws_access_key_secret and aws_access_token for s3, sshkey for sftp;
 * they are taken out, all else is the server's and stays as it was written.
 * What stands for a user and a password is taken out of the URL too.
 */

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum source_kind {
	SOURCE_HTTP, /* and https */
	SOURCE_FTP,  /* and ftps */
	SOURCE_SFTP,
	SOURCE_FILE,
	SOURCE_GIT,
	SOURCE_S3,
};

/* Owned strings; NULL where there is none. What was percent-encoded is decoded everywhere but in
 * `url`. */
struct source {
	enum source_kind kind;
	char *url;    /* for libcurl or git(1): without user, subdir and what is ours of the query;
		       * of a file: its absolute path */
	char *scheme; /* of url, in lower case: "https"; of git@host:path: "ssh" */
	char *host;   /* in lower case, an IPv6 address without brackets; NULL for a file */
	char *user;
	char *password;
	char *subdir;	/* relative, no "..", maybe with a glob(7) pattern */
	char *checksum; /* as written */
	char *archive;	/* a type, "true" or "false", as written */
	char *filename; /* one path component */
	char *name;	/* the last component of the URL's path, where it can name a file */

	char *ref;	  /* git */
	unsigned depth;	  /* git: 0 is all */
	char *sshkey;	  /* git over ssh, sftp: the key as written: base64 of a PEM file */
	char *region;	  /* s3 */
	char *access_key; /* s3 */
	char *secret_key, *session_token;
};

/* 0, or -EINVAL with err: EXIT_USAGE for what is not a source or is not supported, with what to use
 * instead. The text never holds a password. *ret is empty then. */
int source_parse(const char *text, struct source *ret, struct th_err *err);

/* Overwrites what is secret and frees all; *s is empty again. */
void source_done(struct source *s);
#define _cleanup_source_ _cleanup_(source_done)

/*
 * A copy of a source or URL for messages and records: passwords become "***", and so do the values
 * of all query parameters but ref, depth, archive, filename, checksum, region and version, as any
 * other may be a token. Works on texts that source_parse() refuses. The caller frees it.
 */
char *source_redact(const char *text);

/* Tells two sources apart that source_redact() shows alike: of the parameters whose values it does
 * not show, but for those that are credentials by their names, as of a signed URL, which change
 * for the same thing. 0: there are none. */
uint64_t source_query_hash(const char *text);

#endif
