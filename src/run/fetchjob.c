#include "config.h"

#include "run/fetchjob.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/path.h"
#include "conf/source.h"
#include "model/jsonio.h"
#include "os/userdb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT	       1
#define FILE_MAX_BYTES ((size_t)1 << 20)

static const char *const mode_names[] = {"any", "file", "dir"};
static const char *const landlock_names[] = {"auto", "required", "off"};

void fetchjob_done(struct fetchjob *job)
{
	if (job->text)
		explicit_bzero(job->text, job->len);
	free(job->text);
	for (size_t i = 0; i < job->n_fds; i++)
		fd_close(job->fds[i]);
	*job = (struct fetchjob)FETCHJOB_INIT;
}

static int cannot_open(const char *path, int errnum, struct th_err *err)
{
	return err_set(err, errnum == EACCES || errnum == EPERM ? EXIT_NOPERM : EXIT_UNAVAILABLE,
		errnum, "cannot read '%s': %s", path, strerror(errnum));
}

/* What no JSON can hold is refused, as the helper would get something else. */
static int put_text(json_t *j, const char *key, const char *s, struct th_err *err)
{
	json_t *value;

	if (!s)
		return 0;
	value = json_string(s);
	if (!value)
		return err_set(err, EXIT_CONFIG, EILSEQ, "its %s is no UTF-8", key);
	json_put(j, key, value);
	return 0;
}

static int put_file(json_t *j, const char *key, const char *path, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int r;

	if (!path)
		return 0;
	r = file_read_at(AT_FDCWD, path, 0, FILE_MAX_BYTES, &text, &n);
	if (r < 0)
		return cannot_open(path, -r, err);
	r = strlen(text) == n ? put_text(j, key, text, NULL) : -EILSEQ;
	explicit_bzero(text, n);
	return r < 0 ? err_set(err, EXIT_CONFIG, -r, "'%s' is no text", path) : 0;
}

static int put_headers(json_t *j, const struct strv *headers, struct th_err *err)
{
	json_t *list;

	if (!headers->n)
		return 0;
	list = json_array();
	json_put(j, "headers", list);
	for (size_t i = 0; i < headers->n; i++) {
		const char *h = headers->v[i], *colon = strchr(h, ':');
		json_t *pair = json_pack("[s%, s]", h, (size_t)(colon - h), colon + 2);

		if (!pair)
			return err_set(err, EXIT_CONFIG, EILSEQ, "a header of it is no UTF-8");
		(void)json_array_append_new(list, pair);
	}
	return 0;
}

static void put_limits(json_t *j, const struct artifact *a, const struct fetch_settings *settings)
{
	json_t *l = json_object();

	json_put_u64(l, "max_size", a->max_size);
	json_put_u64(l, "max_unpacked", a->max_unpacked);
	json_put_u64(l, "max_files", a->max_files);
	json_put_u64(l, "max_depth", settings->max_depth);
	json_put_u64(l, "max_redirects", settings->max_redirects);
	json_put_u64(l, "timeout_usec", a->timeout);
	json_put_u64(l, "stall_timeout_usec", a->stall_timeout);
	json_put(j, "limits", l);
}

/* Of the caller's environment, as the helper has none; `second` is asked where the first is not
 * set. */
static void put_variable(json_t *j, const char *key, const char *first, const char *second)
{
	const char *value = getenv(first);

	if (str_is_empty(value) && second)
		value = getenv(second);
	if (!str_is_empty(value))
		(void)put_text(j, key, value, NULL);
}

static void put_object(json_t *j, const char *key, json_t *object)
{
	if (json_object_size(object))
		json_put(j, key, object);
	else
		json_decref(object);
}

static void put_environment(json_t *j, const struct source *source)
{
	json_t *proxy = json_object(), *aws = json_object();

	/* Not HTTP_PROXY, which a request sets for CGI programs (as curl(1)). */
	put_variable(proxy, "http", "http_proxy", NULL);
	put_variable(proxy, "https", "https_proxy", "HTTPS_PROXY");
	put_variable(proxy, "all", "all_proxy", "ALL_PROXY");
	put_variable(proxy, "no", "no_proxy", "NO_PROXY");
	put_object(j, "proxy", proxy);
	if (source->kind == SOURCE_S3) {
		put_variable(aws, "access_key", "AWS_ACCESS_KEY_ID", NULL);
		put_variable(aws, "secret_key", "AWS_SECRET_ACCESS_KEY", NULL);
		put_variable(aws, "session_token", "AWS_SESSION_TOKEN", NULL);
		put_variable(aws, "region", "AWS_REGION", "AWS_DEFAULT_REGION");
	}
	put_object(j, "aws", aws);
}

/* Below the caller's home as the user database has it. NULL where it has none; the caller frees it.
 */
static char *home_path(const char *name)
{
	const char *home = secure_getenv("HOME");
	_cleanup_user_entry_ struct user_entry e = {0};

	if (home && path_is_absolute(home))
		return path_join(home, name);
	if (userdb_find_uid(geteuid(), &e, NULL) <= 0 || !path_is_absolute(e.home))
		return NULL;
	return path_join(e.home, name);
}

/* Which hosts ssh may talk to: the caller's list and the system's. */
static void put_known_hosts(json_t *j, const struct source *source)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	_cleanup_free_ char *own = home_path(".ssh/known_hosts");
	const char *const paths[] = {own, "/etc/ssh/ssh_known_hosts"};

	if (source->kind != SOURCE_SFTP && (source->kind != SOURCE_GIT || !source->scheme ||
						   strcmp(source->scheme, "ssh") != 0))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *text = NULL;
		size_t n;

		if (!paths[i] || file_read_at(AT_FDCWD, paths[i], 0, FILE_MAX_BYTES, &text, &n) < 0)
			continue;
		strbuf_adds(&all, text);
		strbuf_addc(&all, '\n');
	}
	if (all.len)
		(void)put_text(j, "known_hosts", strbuf_str(&all), NULL);
}

/* A file or directory of this host, opened for the helper. */
static int add_fd(
	json_t *j, const char *key, const char *path, struct fetchjob *job, struct th_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cannot_open(path, errno, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(err, EXIT_UNAVAILABLE, EINVAL,
			"'%s' is neither a file nor a directory", path);
	json_put(j, key, json_integer((json_int_t)job->n_fds));
	job->fds[job->n_fds++] = TAKE_FD(fd);
	return 0;
}

static int add_local_files(json_t *j, const struct artifact *a, const struct source *source,
	struct fetchjob *job, struct th_err *err)
{
	struct source list;
	int r = 0;

	if (source->kind == SOURCE_FILE)
		r = add_fd(j, "source_fd", source->url, job, err);
	if (r < 0 || !a->checksum || !str_starts_with(a->checksum, "file:"))
		return r;
	/* What is wrong with it the helper says. */
	if (source_parse(a->checksum + strlen("file:"), &list, NULL) < 0)
		return 0;
	if (list.kind == SOURCE_FILE)
		r = add_fd(j, "checksum_fd", list.url, job, err);
	source_done(&list);
	return r;
}

static int put_files(json_t *j, const struct artifact *a, struct th_err *err)
{
	_cleanup_free_ char *own = home_path(".netrc");
	int r = put_file(j, "ca_pem", a->ca_file, err);

	if (r == 0)
		r = put_file(j, "cert_pem", a->client_cert, err);
	if (r == 0)
		r = put_file(j, "key_pem", a->client_key, err);
	if (r == 0 && a->netrc_file)
		r = put_file(j, "netrc", a->netrc_file, err);
	else if (r == 0 && own && access(own, R_OK) == 0)
		r = put_file(j, "netrc", own, err);
	return r;
}

static void put_known(json_t *j, const struct fetch_known *known)
{
	json_t *k = json_object();

	json_put_text(k, "digest", known->digest);
	json_put_text(k, "etag", known->etag);
	json_put_text(k, "last_modified", known->last_modified);
	put_object(j, "known", k);
}

static int put_texts(json_t *j, const struct artifact *a, struct th_err *err)
{
	int r = put_text(j, "name", a->name, err);

	if (r == 0)
		r = put_text(j, "source", a->source, err);
	if (r == 0)
		r = put_text(j, "extract", a->extract, err);
	if (r == 0)
		r = put_text(j, "filename", a->filename, err);
	if (r == 0)
		r = put_text(j, "checksum", a->checksum, err);
	return r;
}

int fetchjob_make(const struct artifact *a, const struct fetch_settings *settings,
	const struct fetch_known *known, struct fetchjob *ret, struct th_err *err)
{
	_cleanup_source_ struct source source = {.url = NULL};
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	_cleanup_free_ char *line = NULL;
	json_t *j;
	int r = source_parse(a->source, &source, &why);

	if (r < 0)
		return err_set(err, EXIT_CONFIG, -r, "%s", err_text(&why));
	j = json_object();
	json_put(j, "format", json_integer(FORMAT));
	json_put_text(j, "mode", mode_names[a->mode]);
	json_put_bool(j, "insecure", a->insecure);
	json_put_u64(j, "retries", a->retries);
	json_put_text(j, "landlock", landlock_names[settings->landlock]);
	put_limits(j, a, settings);
	put_environment(j, &source);
	put_known_hosts(j, &source);
	put_known(j, known);
	r = put_texts(j, a, err);
	if (r == 0)
		r = put_headers(j, &a->headers, err);
	if (r == 0)
		r = put_files(j, a, err);
	if (r == 0)
		r = add_local_files(j, a, &source, ret, err);
	if (r == 0) {
		line = json_dumps(j, JSON_COMPACT);
		ret->len = strlen(line) + 1;
		ret->text = xasprintf("%s\n", line);
		explicit_bzero(line, ret->len - 1);
	}
	json_decref(j);
	return r;
}
