#include "config.h"

#include "fetch/job.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>

void job_init(struct job *job)
{
	*job = (struct job){.source_fd = -1, .checksum_fd = -1};
}

static void forget(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void job_done(struct job *job)
{
	char **secrets[] = {&job->source, &job->checksum, &job->key_pem, &job->netrc,
		&job->proxy_http, &job->proxy_https, &job->proxy_all, &job->aws_access_key,
		&job->aws_secret_key, &job->aws_session_token, &job->name, &job->extract,
		&job->filename, &job->ca_pem, &job->cert_pem, &job->known_hosts, &job->proxy_no,
		&job->aws_region, &job->known_digest, &job->known_etag, &job->known_last_modified};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		forget(secrets[i]);
	for (size_t i = 0; i < job->headers.n; i++)
		explicit_bzero(job->headers.v[i], strlen(job->headers.v[i]));
	strv_done(&job->headers);
	for (size_t i = 0; i < job->n_fds; i++)
		job->fds[i] = fd_close(job->fds[i]);
	job_init(job);
}

/* ---- members ---- */

struct reader {
	const json_t *object;
	const char *where; /* "", or "limits." */
	struct th_err *err;
	size_t used; /* members that were asked for and are there */
	int failed;
};

static void refuse(struct reader *in, const char *key, const char *why)
{
	if (!in->failed)
		in->failed = err_set(
			in->err, EXIT_INTERNAL, EINVAL, "the job's '%s%s' %s", in->where, key, why);
}

static const json_t *member(struct reader *in, const char *key)
{
	const json_t *value = json_object_get(in->object, key);

	if (value)
		in->used++;
	return value;
}

/* Is there a member that nobody asked for? */
static void refuse_others(struct reader *in)
{
	if (!in->failed && in->used != json_object_size(in->object))
		in->failed = err_set(in->err, EXIT_INTERNAL, EINVAL,
			"the job%s%s has a member that this version does not know; parent and "
			"taskhook-fetch must be of one release",
			*in->where ? " in " : "", in->where);
}

static void read_text(struct reader *in, const char *key, char **ret)
{
	const json_t *value = member(in, key);

	if (!value)
		return;
	if (!json_is_string(value))
		refuse(in, key, "is not a string");
	else
		str_replace(ret, json_string_value(value));
}

static void read_bool(struct reader *in, const char *key, bool *ret)
{
	const json_t *value = member(in, key);

	if (!value)
		return;
	if (!json_is_boolean(value))
		refuse(in, key, "is not true or false");
	else
		*ret = json_is_true(value);
}

/* Returns whether it is there. */
static bool read_count(
	struct reader *in, const char *key, json_int_t min, json_int_t max, json_int_t *ret)
{
	const json_t *value = member(in, key);

	if (!value)
		return false;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
		json_integer_value(value) > max) {
		refuse(in, key, "is not a whole number in its range");
		return false;
	}
	*ret = json_integer_value(value);
	return true;
}

static void read_limit(struct reader *in, const char *key, json_int_t min, uint64_t *ret)
{
	json_int_t n = 0;

	if (read_count(in, key, min, INT64_MAX, &n))
		*ret = (uint64_t)n;
	else
		refuse(in, key, "is missing");
}

static void read_fd(struct reader *in, const char *key, const struct job *job, int *ret)
{
	json_int_t index = 0;

	if (read_count(in, key, 0, (json_int_t)job->n_fds - 1, &index))
		*ret = job->fds[index];
}

/* One of `words`, by index. */
static int read_word(struct reader *in, const char *key, const char *const *words, size_t n)
{
	const json_t *value = member(in, key);

	if (!value)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (json_is_string(value) && strcmp(json_string_value(value), words[i]) == 0)
			return (int)i;
	}
	refuse(in, key, "is not one of its words");
	return 0;
}

/* The reader of an object in it; an absent one reads as empty. */
static struct reader read_object(struct reader *in, const char *key, const char *where)
{
	const json_t *value = member(in, key);

	if (value && !json_is_object(value)) {
		refuse(in, key, "is not an object");
		value = NULL;
	}
	return (struct reader){
		.object = value, .where = where, .err = in->err, .failed = in->failed};
}

static void read_done(struct reader *in, struct reader *part)
{
	refuse_others(part);
	in->failed = part->failed;
}

/* A token of RFC 9110, 5.6.2. */
static bool header_name_is_valid(const char *name)
{
	return *name && strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(name);
}

static void read_headers(struct reader *in, struct strv *ret)
{
	const json_t *list = member(in, "headers");
	const json_t *pair;
	size_t i;

	if (list && !json_is_array(list))
		refuse(in, "headers", "is not an array");
	json_array_foreach(list, i, pair)
	{
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (json_array_size(pair) != 2 || !name || !value) {
			refuse(in, "headers", "holds what is not a pair of name and value");
			return;
		}
		/* a line break would smuggle in a header, or a request, of another's */
		if (!header_name_is_valid(name) || value[strcspn(value, "\r\n")]) {
			refuse(in, "headers", "holds a name or value that HTTP does not allow");
			return;
		}
		strv_addf(ret, "%s: %s", name, value);
	}
}

static void read_members(struct reader *in, struct job *job)
{
	static const char *const modes[] = {"any", "file", "dir"};
	static const char *const landlock[] = {"auto", "required", "off"};
	json_int_t n = 0;
	struct reader part;

	if (!read_count(in, "format", JOB_FORMAT, JOB_FORMAT, &n))
		refuse(in, "format",
			"is not the one of this version; parent and taskhook-fetch must be of one "
			"release");
	read_text(in, "name", &job->name);
	read_text(in, "source", &job->source);
	if (!job->source)
		refuse(in, "source", "is missing");
	if (!json_object_get(in->object, "mode"))
		refuse(in, "mode", "is missing");
	job->mode = (enum job_mode)read_word(in, "mode", modes, ARRAY_SIZE(modes));
	read_text(in, "extract", &job->extract);
	read_text(in, "filename", &job->filename);
	read_text(in, "checksum", &job->checksum);
	read_headers(in, &job->headers);
	read_bool(in, "insecure", &job->insecure);
	read_text(in, "ca_pem", &job->ca_pem);
	read_text(in, "cert_pem", &job->cert_pem);
	read_text(in, "key_pem", &job->key_pem);
	read_text(in, "netrc", &job->netrc);
	read_text(in, "known_hosts", &job->known_hosts);
	if (read_count(in, "retries", 0, 1000, &n))
		job->retries = (unsigned)n;
	job->landlock =
		(enum job_landlock)read_word(in, "landlock", landlock, ARRAY_SIZE(landlock));
	read_fd(in, "source_fd", job, &job->source_fd);
	read_fd(in, "checksum_fd", job, &job->checksum_fd);

	part = read_object(in, "proxy", "proxy.");
	read_text(&part, "http", &job->proxy_http);
	read_text(&part, "https", &job->proxy_https);
	read_text(&part, "all", &job->proxy_all);
	read_text(&part, "no", &job->proxy_no);
	read_done(in, &part);

	part = read_object(in, "aws", "aws.");
	read_text(&part, "access_key", &job->aws_access_key);
	read_text(&part, "secret_key", &job->aws_secret_key);
	read_text(&part, "session_token", &job->aws_session_token);
	read_text(&part, "region", &job->aws_region);
	read_done(in, &part);

	part = read_object(in, "limits", "limits.");
	read_limit(&part, "max_size", 1, &job->limits.max_size);
	read_limit(&part, "max_unpacked", 1, &job->limits.max_unpacked);
	read_limit(&part, "max_files", 1, &job->limits.max_files);
	read_limit(&part, "max_depth", 1, &job->limits.max_depth);
	read_limit(&part, "max_redirects", 0, &job->limits.max_redirects);
	read_limit(&part, "timeout_usec", 1, &job->limits.timeout_usec);
	read_limit(&part, "stall_timeout_usec", 1, &job->limits.stall_timeout_usec);
	read_done(in, &part);

	part = read_object(in, "known", "known.");
	read_text(&part, "digest", &job->known_digest);
	read_text(&part, "etag", &job->known_etag);
	read_text(&part, "last_modified", &job->known_last_modified);
	read_done(in, &part);
	refuse_others(in);
}

int job_parse(const char *text, size_t len, struct job *job, struct th_err *err)
{
	json_error_t where;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	struct reader in = {.object = object, .where = "", .err = err};

	/* what jansson says of it could hold a part of a password */
	if (!object)
		return err_set(
			err, EXIT_INTERNAL, EINVAL, "the job is no JSON (column %d)", where.column);
	if (json_is_object(object))
		read_members(&in, job);
	else
		in.failed = err_set(err, EXIT_INTERNAL, EINVAL, "the job is no JSON object");
	json_decref(object);
	return in.failed;
}

/* ---- the socket ---- */

/* Keeps descriptors that came along; one too many is closed. */
static int keep_fds(struct msghdr *message, struct job *job)
{
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (job->n_fds < JOB_FDS_MAX) {
				job->fds[job->n_fds++] = fd;
			} else {
				(void)fd_close(fd);
				r = -EMFILE;
			}
		}
	}
	return message->msg_flags & MSG_CTRUNC ? -EMFILE : r;
}

static ssize_t receive_part(int fd, void *p, size_t n, struct job *job)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(JOB_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = p, .iov_len = n};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t got;
	int r;

	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	r = keep_fds(&message, job);
	return r < 0 ? r : got;
}

int job_receive(int fd, struct job *job, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	char part[4096];
	int r;

	do {
		ssize_t n = receive_part(fd, part, sizeof(part), job);

		if (n < 0)
			return err_set(err, EXIT_INTERNAL, (int)-n, "cannot read the job: %s",
				strerror((int)-n));
		if (n == 0)
			return err_set(
				err, EXIT_INTERNAL, EPIPE, "the parent ended before it gave a job");
		if (line.len + (size_t)n > JOB_LENGTH_MAX)
			return err_set(err, EXIT_INTERNAL, EFBIG,
				"the job is longer than %zu bytes", JOB_LENGTH_MAX);
		strbuf_add(&line, part, (size_t)n);
	} while (line.s[line.len - 1] != '\n');
	r = job_parse(line.s, line.len, job, err);
	explicit_bzero(line.s, line.len);
	explicit_bzero(part, sizeof(part));
	return r;
}
