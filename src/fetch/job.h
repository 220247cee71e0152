#ifndef TH_FETCH_JOB_H
#define TH_FETCH_JOB_H

/*
 * What a parent wants fetched: one line of JSON on the socket at descriptor 0, with up to
 * JOB_FDS_MAX descriptors attached to its first byte (unix(7), SCM_RIGHTS). Everything that is
 * secret comes this way, as arguments and environment are readable in /proc (proc(5), cmdline).
 *
 *	{"format": 1, "name": "app", "source": "git::https://...?ref=v1", "mode": "any|file|dir",
 *	 "extract": "auto|no|TYPE", "filename": "...", "checksum": "sha256:...",
 *	 "headers": [["Name", "value"], ...], "insecure": false,
 *	 "ca_pem": "...", "cert_pem": "...", "key_pem": "...", "netrc": "what a netrc(5) holds",
 *	 "known_hosts": "what an ssh known_hosts holds",
 *	 "proxy": {"http": "", "https": "", "all": "", "no": ""},
 *	 "aws": {"access_key": "", "secret_key": "", "session_token": "", "region": ""},
 *	 "retries": 3, "source_fd": 0, "checksum_fd": 1, "landlock": "auto|required|off",
 *	 "limits": {"max_size": N, "max_unpacked": N, "max_files": N, "max_depth": N,
 *	            "max_redirects": N, "timeout_usec": N, "stall_timeout_usec": N},
 *	 "known": {"digest": "sha256:...", "etag": "...", "last_modified": "..."}}
 *
 * Needed: format, source, mode, and every one of the limits. A member that is not in this list is
 * an error: parent and helper are of one release. Numbers are JSON integers, bytes and
 * microseconds, from 1 up (max_redirects: from 0). source_fd and checksum_fd are indexes into the
 * descriptors that came along.
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOB_FORMAT     1
#define JOB_FDS_MAX    8
#define JOB_LENGTH_MAX ((size_t)4 << 20) /* of the line: certificates and headers fit */

enum job_mode {
	JOB_MODE_ANY,
	JOB_MODE_FILE,
	JOB_MODE_DIR,
};

enum job_landlock {
	JOB_LANDLOCK_AUTO,
	JOB_LANDLOCK_REQUIRED,
	JOB_LANDLOCK_OFF,
};

struct job_limits {
	uint64_t max_size;     /* bytes that come down */
	uint64_t max_unpacked; /* bytes of all files together */
	uint64_t max_files;    /* members of an archive, of every type */
	uint64_t max_depth;    /* components of a member's path */
	uint64_t max_redirects;
	usec_t timeout_usec;	   /* all of it, retries too */
	usec_t stall_timeout_usec; /* without a byte */
};

/* Owned strings, NULL where the job has none. */
struct job {
	char *name;
	char *source;
	enum job_mode mode;
	char *extract;
	char *filename;
	char *checksum;
	struct strv headers; /* "Name: value" */
	bool insecure;
	char *ca_pem, *cert_pem, *key_pem;
	char *netrc;
	char *known_hosts;
	char *proxy_http, *proxy_https, *proxy_all, *proxy_no;
	char *aws_access_key, *aws_secret_key, *aws_session_token, *aws_region;
	unsigned retries;
	enum job_landlock landlock;
	int source_fd, checksum_fd; /* -1, or one of fds */
	struct job_limits limits;
	char *known_digest, *known_etag, *known_last_modified;

	int fds[JOB_FDS_MAX];
	size_t n_fds;
};

/* Reads a job from a connected socket until the line ends. 0; -errno with err: EXIT_INTERNAL, for a
 * parent that speaks another language, or a socket that fails. *job is to be freed by job_done() in
 * any case. */
int job_receive(int fd, struct job *job, struct th_err *err);

/* The same from memory; index numbers of descriptors must be below `job->n_fds`. */
int job_parse(const char *text, size_t len, struct job *job, struct th_err *err);

/* An empty job, fit for job_done(). */
void job_init(struct job *job);
/* Frees all and closes the descriptors. Secrets are overwritten. */
void job_done(struct job *job);
#define _cleanup_job_ _cleanup_(job_done)

#endif
