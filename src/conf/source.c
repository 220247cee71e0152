#include "config.h"

#include "conf/source.h"

#include "base/alloc.h"
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define SOURCE_LENGTH_MAX 65536

/* What may stand before "::", and the schemes of the URL behind it. */
static const struct {
	const char *name;
	enum source_kind kind;
	const char *schemes[6];
} kinds[] = {
	{"http", SOURCE_HTTP, {"http", "https", NULL}},
	{"https", SOURCE_HTTP, {"https", NULL}},
	{"ftp", SOURCE_FTP, {"ftp", "ftps", NULL}},
	{"ftps", SOURCE_FTP, {"ftps", NULL}},
	{"sftp", SOURCE_SFTP, {"sftp", NULL}},
	{"file", SOURCE_FILE, {"file", NULL}},
	{"git", SOURCE_GIT, {"https", "http", "ssh", "git", NULL}},
	{"s3", SOURCE_S3, {"https", "http", NULL}},
};

/* What go-getter or its users know and we do not have, with what does the same. */
static const struct {
	const char *name, *instead;
} unsupported[] = {
	{"gcs", "use the object's https:// URL, signed or with a header 'Authorization'"},
	{"gs", "use the object's https:// URL, signed or with a header 'Authorization'"},
	{"hg", "use an archive that the server makes of the revision, or git::"},
	{"svn", "use an archive of it, or git::"},
	{"scp", "use sftp://"},
	{"ssh", "use git::ssh:// for a repository, sftp:// for a file"},
	{"smb", "mount the share and use file:"},
};

static int refuse(struct th_err *err, const char *text, const char *why)
{
	_cleanup_free_ char *shown = source_redact(text);

	return err_set(err, EXIT_USAGE, EINVAL, "source '%s': %s", shown, why);
}

/* ---- pieces of a URL ---- */

/* Percent-decodes; NULL where it is malformed or holds a NUL or another control byte. */
static char *decode(const char *s, size_t n)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '%') {
			const char hex[3] = {
				i + 1 < n ? s[i + 1] : '\0', i + 2 < n ? s[i + 2] : '\0', '\0'};

			if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
				return NULL;
			c = (unsigned char)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (c < ' ' || c == 127)
			return NULL;
		strbuf_addc(&b, (char)c);
	}
	return strbuf_steal(&b);
}

static bool is_file_name(const char *s)
{
	return *s && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && !strchr(s, '/') &&
	       strlen(s) <= NAME_MAX;
}

/* The subdirectory without empty and "." components: NULL for one that has "..". */
static char *clean_subdir(const char *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	while (*s) {
		size_t n = strcspn(s, "/");

		if (n == 2 && strncmp(s, "..", 2) == 0)
			return NULL;
		if (n > 0 && !(n == 1 && *s == '.')) {
			if (b.len > 0)
				strbuf_addc(&b, '/');
			strbuf_add(&b, s, n);
		}
		s += n;
		if (*s == '/')
			s++;
	}
	return strbuf_steal(&b);
}

/* ---- the query ---- */

struct query {
	const char *text; /* for messages */
	struct source *s;
	struct strbuf rest; /* what is the server's */
	struct th_err *err;
};

static bool serves(const struct source *s, enum source_kind kind)
{
	return s->kind == kind;
}

/* Where the value of an own parameter goes; NULL: it is the server's. */
static char **own_parameter(struct source *s, const char *key)
{
	const struct {
		const char *key;
		char **place;
		bool ours;
	} own[] = {
		{"checksum", &s->checksum, true},
		{"archive", &s->archive, true},
		{"filename", &s->filename, true},
		{"ref", &s->ref, serves(s, SOURCE_GIT)},
		{"sshkey", &s->sshkey, serves(s, SOURCE_GIT) || serves(s, SOURCE_SFTP)},
		{"region", &s->region, serves(s, SOURCE_S3)},
		{"aws_access_key_id", &s->access_key, serves(s, SOURCE_S3)},
		{"aws_access_key_secret", &s->secret_key, serves(s, SOURCE_S3)},
		{"aws_access_token", &s->session_token, serves(s, SOURCE_S3)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (own[i].ours && strcmp(own[i].key, key) == 0)
			return own[i].place;
	}
	return NULL;
}

static int take_depth(struct query *q, const char *value)
{
	uint64_t depth;

	if (parse_uint(value, 1, INT_MAX, &depth) < 0)
		return refuse(q->err, q->text, "depth is a number of commits, from 1 up");
	q->s->depth = (unsigned)depth;
	return 0;
}

static void keep_parameter(struct query *q, const char *p, size_t n)
{
	if (q->rest.len > 0)
		strbuf_addc(&q->rest, '&');
	strbuf_add(&q->rest, p, n);
}

static int take_parameter(struct query *q, const char *p, size_t n)
{
	const char *equals = memchr(p, '=', n);
	size_t key_len = equals ? (size_t)(equals - p) : n;
	_cleanup_free_ char *key = decode(p, key_len);
	_cleanup_free_ char *value = NULL;
	char **place;

	if (key && serves(q->s, SOURCE_S3) && strcmp(key, "version") == 0 && equals) {
		/* go-getter's word for it, and S3's */
		if (q->rest.len > 0)
			strbuf_addc(&q->rest, '&');
		strbuf_adds(&q->rest, "versionId");
		strbuf_add(&q->rest, equals, n - key_len);
		return 0;
	}
	place = key ? own_parameter(q->s, key) : NULL;
	if (!place && !(key && serves(q->s, SOURCE_GIT) && strcmp(key, "depth") == 0)) {
		if (n > 0)
			keep_parameter(q, p, n);
		return 0;
	}
	value = equals ? decode(equals + 1, n - key_len - 1) : NULL;
	if (str_is_empty(value))
		return refuse(q->err, q->text,
			"one of checksum, archive, filename, ref, depth, sshkey, region has no "
			"value, or "
			"one that is not percent-encoded as it must be");
	if (!place)
		return take_depth(q, value);
	if (*place)
		return refuse(q->err, q->text, "a parameter is there twice");
	*place = TAKE_PTR(value);
	return 0;
}

static int take_query(struct query *q, const char *p)
{
	int r = 0;

	while (r == 0 && *p) {
		size_t n = strcspn(p, "&");

		r = take_parameter(q, p, n);
		p += n;
		if (*p == '&')
			p++;
	}
	if (r == 0 && q->s->filename && !is_file_name(q->s->filename))
		r = refuse(q->err, q->text,
			"filename is one name without '/', not '..', of at most 255 bytes");
	return r;
}

/* ---- shape: what stands where ---- */

/* Cut up, before anything is decoded. All are owned. */
struct shape {
	int kind;    /* an index into kinds, -1: the scheme decides */
	char *url;   /* without subdir and query */
	char *query; /* without '?' */
	char *subdir;
};

static void shape_done(struct shape *shape)
{
	free(shape->url);
	free(shape->query);
	free(shape->subdir);
}

static bool has_scheme(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)*s))
		return false;
	while (isalnum((unsigned char)s[n]) || s[n] == '+' || s[n] == '.' || s[n] == '-')
		n++;
	return strncmp(s + n, "://", 3) == 0;
}

/* "user@host:path" */
static bool is_scp_form(const char *s)
{
	const char *at = strchr(s, '@');
	size_t before = strcspn(s, "/:@?");

	if (!at || at == s || (size_t)(at - s) != before)
		return false;
	at++;
	before = strcspn(at, ":/?");
	return before > 0 && at[before] == ':' && at[before + 1];
}

static int find_kind(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == n && strncasecmp(kinds[i].name, name, n) == 0)
			return (int)i;
	}
	return -1;
}

static int refuse_kind(const char *text, const char *name, size_t n, struct th_err *err)
{
	_cleanup_free_ char *why = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		if (strlen(unsupported[i].name) == n &&
			strncasecmp(unsupported[i].name, name, n) == 0) {
			why = xasprintf("'%s' is not supported: %s", unsupported[i].name,
				unsupported[i].instead);
			return refuse(err, text, why);
		}
	}
	why = xasprintf("'%.*s' is not supported: use http, https, ftp, ftps, sftp, file, git:: or "
			"s3::",
		(int)MIN(n, (size_t)32), name);
	return refuse(err, text, why);
}

/* github.com/USER/REPOSITORY[/SUBDIR] and the like stand for a git repository. */
static char *expand_short(const char *s)
{
	static const char *const hosts[] = {"github.com/", "gitlab.com/", "bitbucket.org/"};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		const char *path = s + strlen(hosts[i]);
		size_t user, repo;

		if (!str_starts_with(s, hosts[i]))
			continue;
		user = strcspn(path, "/?");
		if (user == 0 || path[user] != '/')
			continue;
		repo = strcspn(path + user + 1, "/?");
		if (repo == 0)
			continue;
		path += user + 1 + repo;
		/* another "/" begins the subdirectory, which "//" may do as well */
		return xasprintf("git::https://%.*s%s%s%s", (int)(path - s), s,
			strncmp(path - 4, ".git", 4) == 0 ? "" : ".git",
			path[0] == '/' && path[1] != '/' ? "/" : "", path);
	}
	if (!has_scheme(s) && memmem(s, strcspn(s, "/"), ".amazonaws.com", 14))
		return xasprintf("s3::https://%s", s);
	return NULL;
}

/* s3://BUCKET/KEY, as other tools write it. */
static char *expand_s3(const char *s)
{
	size_t bucket;

	if (strncasecmp(s, "s3://", 5) != 0)
		return NULL;
	s += 5;
	bucket = strcspn(s, "/?");
	/* a bucket with dots has no certificate as a host's name */
	if (memchr(s, '.', bucket))
		return xasprintf("s3::https://s3.amazonaws.com/%s", s);
	return xasprintf("s3::https://%.*s.s3.amazonaws.com%s", (int)bucket, s, s + bucket);
}

static void cut(const char *s, struct shape *shape)
{
	const char *end = s + strcspn(s, "?");
	const char *query = *end ? end + 1 : end;
	const char *begin = strstr(s, "://");
	const char *slashes;

	if (begin && begin < end)
		begin += 3;
	else
		begin = s + strspn(s, "/");
	slashes = memmem(begin, (size_t)(end - begin), "//", 2);
	if (!slashes)
		slashes = end;
	shape->url = xstrndup(s, (size_t)(slashes - s));
	shape->subdir = xstrndup(slashes, (size_t)(end - slashes));
	/* a fragment is for whoever looks at the page */
	shape->query = xstrndup(query, strcspn(query, "#"));
}

static int cut_source(const char *text, struct shape *shape, struct th_err *err)
{
	_cleanup_free_ char *expanded = expand_short(text);
	const char *s;
	size_t name;

	if (!expanded)
		expanded = expand_s3(text);
	s = expanded ? expanded : text;
	name = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	shape->kind = -1;
	if (name > 0 && strncmp(s + name, "::", 2) == 0) {
		shape->kind = find_kind(s, name);
		if (shape->kind < 0)
			return refuse_kind(text, s, name, err);
		s += name + 2;
	}
	if (!has_scheme(s) && is_scp_form(s)) {
		size_t host = strcspn(s, ":");
		_cleanup_free_ char *url = xasprintf(
			"ssh://%.*s/%s", (int)host, s, s + host + 1 + (s[host + 1] == '/'));

		if (shape->kind < 0)
			shape->kind = find_kind("git", 3);
		cut(url, shape);
		return 0;
	}
	if (*s == '/' && shape->kind < 0)
		shape->kind = find_kind("file", 4);
	if (shape->kind < 0 && !has_scheme(s) && strncasecmp(s, "file:", 5) != 0)
		return refuse(err, text,
			*s == '.' ? "a file is named by its absolute path"
				  : "it begins with no scheme: write https://..., or the absolute "
				    "path "
				    "of a file");
	cut(s, shape);
	return 0;
}

/* ---- kinds ---- */

static bool scheme_serves(int kind, const char *scheme)
{
	for (size_t i = 0; kinds[kind].schemes[i]; i++) {
		if (strcmp(kinds[kind].schemes[i], scheme) == 0)
			return true;
	}
	return false;
}

static int parse_file(
	const char *text, const struct shape *shape, struct source *s, struct th_err *err)
{
	const char *path = shape->url;
	bool is_url = strncasecmp(path, "file:", 5) == 0;

	if (is_url) {
		path += 5;
		if (str_starts_with(path, "//"))
			path += 2;
		if (strncasecmp(path, "localhost/", 10) == 0)
			path += 9;
	}
	if (*path != '/')
		return refuse(err, text,
			"a file is named by its absolute path: /DIR/FILE or file:///DIR/FILE");
	s->url = is_url ? decode(path, strcspn(path, "#")) : xstrdup(path);
	if (!s->url)
		return refuse(err, text, "its path is not percent-encoded as it must be");
	s->scheme = xstrdup("file");
	path = strrchr(s->url, '/');
	if (path && is_file_name(path + 1))
		s->name = xstrdup(path + 1);
	return 0;
}

static void lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

/* Of the host of RFC 3986, 3.2.2, what occurs: a name, also one beyond ASCII, or an address. */
static bool is_host(const char *s, size_t n)
{
	if (n > 2 && *s == '[' && s[n - 1] == ']')
		return strspn(s + 1, "0123456789abcdefABCDEF:.") == n - 2;
	/* ssh(1) would read a '-' in front as an option */
	if (n == 0 || *s == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x80 && !isalnum(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static bool is_port(const char *s)
{
	uint64_t port;

	return parse_uint(s, 1, 65535, &port) == 0;
}

/* NULL, or why not. */
static const char *take_user(const char *s, size_t n, struct source *ret)
{
	const char *colon = memchr(s, ':', n);
	size_t user = colon ? (size_t)(colon - s) : n;

	ret->user = decode(s, user);
	if (colon)
		ret->password = decode(colon + 1, n - user - 1);
	if (!ret->user || (colon && !ret->password))
		return "its user or password is not percent-encoded as it must be";
	return NULL;
}

/* NULL, or why not. */
static const char *take_url(const char *url, const char *query, struct source *s)
{
	const char *authority = strstr(url, "://");
	const char *host, *path, *end;
	_cleanup_free_ char *host_port = NULL;
	size_t n;

	if (!authority)
		return "it is no URL";
	s->scheme = xstrndup(url, (size_t)(authority - url));
	lower(s->scheme);
	authority += 3;
	path = authority + strcspn(authority, "/#");
	end = path + strcspn(path, "#");
	host = memrchr(authority, '@', (size_t)(path - authority));
	host = host ? host + 1 : authority;
	if (host > authority) {
		const char *why = take_user(authority, (size_t)(host - authority) - 1, s);

		if (why)
			return why;
	}
	host_port = xstrndup(host, (size_t)(path - host));
	n = *host_port == '[' ? strcspn(host_port, "]") + 1 : strcspn(host_port, ":");
	if (n > strlen(host_port) || !is_host(host_port, n))
		return "it names no host, or one that cannot be";
	if (host_port[n] && (host_port[n] != ':' || !is_port(host_port + n + 1)))
		return "its port is no number from 1 to 65535; in a password '/', '@', '?' and '#' "
		       "are written %2F, %40, %3F and %23";
	if (memchr(path, ' ', (size_t)(end - path)) || strchr(query, ' '))
		return "it holds a blank, which is written %20";
	s->host = xstrndup(host_port, n);
	lower(s->host);
	s->url = xasprintf("%s://%s%s%.*s%s%s", s->scheme, host_port, path == end ? "/" : "",
		(int)(end - path), path, *query ? "?" : "", query);
	path = memrchr(path, '/', (size_t)(end - path));
	s->name = path ? decode(path + 1, (size_t)(end - path) - 1) : NULL;
	if (s->name && !is_file_name(s->name))
		str_replace(&s->name, NULL);
	return NULL;
}

/* A name that git-check-ref-format(1) allows, or a commit. What begins with '-' would be read as
 * an option. */
static bool is_git_ref(const char *ref)
{
	if (*ref == '-' || *ref == '/' || strstr(ref, "..") || strstr(ref, "@{") ||
		strpbrk(ref, " ~^:?*[\\") || strlen(ref) > 1024)
		return false;
	return !str_ends_with(ref, "/") && !str_ends_with(ref, ".lock");
}

static int check_git(const char *text, const struct source *s, struct th_err *err)
{
	/* ssh(1), which git executes with these, would read them as options */
	if (s->user && *s->user == '-')
		return refuse(err, text, "a user that begins with '-' is no name of one");
	if (s->password && strcmp(s->scheme, "ssh") == 0)
		return refuse(err, text, "ssh takes no password: use sshkey=, base64 of a key");
	if (s->ref && !is_git_ref(s->ref))
		return refuse(err, text, "ref is the name of a branch or tag, or a commit");
	if (s->sshkey && strcmp(s->scheme, "ssh") != 0)
		return refuse(err, text, "sshkey is for ssh:// and git@HOST:PATH only");
	return 0;
}

/*
 * s3.REGION.amazonaws.com, s3-REGION.amazonaws.com, with dualstack. between and with BUCKET. before
 * it. Where there is none the caller has to know.
 */
static char *region_of_host(const char *host)
{
	static const char *const ends[] = {".amazonaws.com", ".amazonaws.com.cn"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *front = NULL;
		const char *p;

		if (!str_ends_with(host, ends[i]))
			continue;
		front = xstrndup(host, strlen(host) - strlen(ends[i]));
		p = strrchr(front, '.');
		p = p ? p + 1 : front;
		if (str_starts_with(p, "s3-"))
			return xstrdup(p + 3);
		if (p != front && strcmp(p, "s3") != 0)
			return xstrdup(p);
	}
	return NULL;
}

static int parse_url(const char *text, struct shape *shape, struct source *s, const char *query,
	struct th_err *err)
{
	const char *why_not = take_url(shape->url, query, s);

	if (why_not)
		return refuse(err, text, why_not);
	if (!scheme_serves(shape->kind, s->scheme)) {
		_cleanup_free_ char *why =
			xasprintf("%s:: is not for %s:// URLs", kinds[shape->kind].name, s->scheme);

		return refuse(err, text, why);
	}
	if (s->kind == SOURCE_GIT)
		return check_git(text, s, err);
	if (s->kind == SOURCE_S3 && !s->region)
		s->region = region_of_host(s->host);
	return 0;
}

static int take_subdir(
	const char *text, const struct shape *shape, struct source *s, struct th_err *err)
{
	_cleanup_free_ char *decoded = *shape->url == '/'
					       ? xstrdup(shape->subdir)
					       : decode(shape->subdir, strcspn(shape->subdir, "#"));

	if (!decoded)
		return refuse(
			err, text, "what is behind '//' is not percent-encoded as it must be");
	s->subdir = clean_subdir(decoded);
	if (!s->subdir)
		return refuse(err, text, "'..' leads out of what is fetched");
	if (!*s->subdir)
		str_replace(&s->subdir, NULL);
	return 0;
}

static int parse_shape(const char *text, struct shape *shape, struct source *s, struct th_err *err)
{
	struct query query = {.text = text, .s = s, .rest = STRBUF_INIT, .err = err};
	int r;

	if (shape->kind < 0) {
		size_t n = strcspn(shape->url, ":");

		shape->kind = find_kind(shape->url, n);
		if (shape->kind < 0 || kinds[shape->kind].kind == SOURCE_GIT)
			return refuse_kind(text, shape->url, n, err);
	}
	s->kind = kinds[shape->kind].kind;
	r = take_query(&query, shape->query);
	if (r == 0)
		r = take_subdir(text, shape, s, err);
	if (r == 0)
		r = s->kind == SOURCE_FILE
			    ? parse_file(text, shape, s, err)
			    : parse_url(text, shape, s, strbuf_str(&query.rest), err);
	strbuf_done(&query.rest);
	return r;
}

int source_parse(const char *text, struct source *ret, struct th_err *err)
{
	_cleanup_(shape_done) struct shape shape = {.kind = -1};
	_cleanup_source_ struct source s = {0};
	int r;

	*ret = (struct source){0};
	if (!*text)
		return err_set(err, EXIT_USAGE, EINVAL, "the source is empty");
	if (strlen(text) > SOURCE_LENGTH_MAX)
		return err_set(err, EXIT_USAGE, EINVAL, "the source is longer than %d bytes",
			SOURCE_LENGTH_MAX);
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			return refuse(err, text, "it holds a control byte");
	}
	r = cut_source(text, &shape, err);
	if (r == 0)
		r = parse_shape(text, &shape, &s, err);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct source){0};
	return 0;
}

void source_done(struct source *s)
{
	char **all[] = {&s->url, &s->scheme, &s->host, &s->user, &s->password, &s->subdir,
		&s->checksum, &s->archive, &s->filename, &s->name, &s->ref, &s->sshkey, &s->region,
		&s->access_key, &s->secret_key, &s->session_token};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i])
			explicit_bzero(*all[i], strlen(*all[i]));
		free(*all[i]);
	}
	*s = (struct source){0};
}

/* ---- for messages ---- */

/*
 * The length of what may be user and password at the begin of `s`, with the '@'; 0: none. In a
 * password that is not encoded '/' and '?' may stand; a ':' with no port behind it tells.
 */
static size_t userinfo_length(const char *s)
{
	size_t n = strcspn(s, "/?#");
	const char *at = memrchr(s, '@', n);
	const char *colon = memchr(s, ':', n);
	size_t digits;

	if (at)
		return (size_t)(at - s) + 1;
	if (!colon || *s == '[')
		return 0;
	digits = strspn(colon + 1, "0123456789");
	if (colon + 1 + digits == s + n)
		return 0;
	at = strrchr(s, '@');
	return at ? (size_t)(at - s) + 1 : n;
}

static void redact_checksum(struct strbuf *b, const char *value, size_t n)
{
	_cleanup_free_ char *decoded = decode(value, n);

	if (!decoded) {
		strbuf_adds(b, "***");
	} else if (strncasecmp(decoded, "file:", 5) == 0) {
		_cleanup_free_ char *inner = source_redact(decoded + 5);

		strbuf_addf(b, "file:%s", inner);
	} else {
		strbuf_adds(b, decoded);
	}
}

/* May the value of this parameter be told? */
static bool is_shown(const char *key, size_t n)
{
	static const char *const shown[] = {
		"ref", "depth", "archive", "filename", "region", "version", "versionId"};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (strlen(shown[i]) == n && strncmp(shown[i], key, n) == 0)
			return true;
	return false;
}

static void redact_parameter(struct strbuf *b, const char *p, size_t n)
{
	const char *equals = memchr(p, '=', n);
	size_t key = equals ? (size_t)(equals - p) : 0;

	if (!equals) {
		strbuf_adds(b, n > 0 ? "***" : "");
		return;
	}
	strbuf_add(b, p, key + 1);
	if (key == 8 && strncmp(p, "checksum", 8) == 0) {
		redact_checksum(b, equals + 1, n - key - 1);
		return;
	}
	if (is_shown(p, key))
		strbuf_add(b, equals + 1, n - key - 1);
	else
		strbuf_adds(b, "***");
}

/* By its name, of those that AWS, Google, Azure and others use. */
static bool is_credential(const char *key, size_t n)
{
	static const char *const parts[] = {"token", "sig", "secret", "pass", "pwd", "key", "auth",
		"cred", "expire", "policy", "x-amz-", "x-goog-"};
	/* of Azure's shared access signatures */
	static const char *const whole[] = {"se", "st", "sp", "sv", "sr", "spr", "sip", "ske",
		"skt", "skv", "sks", "skoid", "sktid"};
	_cleanup_free_ char *name = xstrndup(key, n);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (strcmp(name, whole[i]) == 0)
			return true;
	return false;
}

uint64_t source_query_hash(const char *text)
{
	/* FNV-1a, 64 bits: nobody gains by two that are alike */
	uint64_t hash = 0xcbf29ce484222325;
	const char *p = strchr(text, '?');
	bool any = false;

	while (p && *p && *p != '#') {
		size_t n = strcspn(++p, "&#"), key = strcspn(p, "=&#");
		bool counts = n > 0 && !is_shown(p, key) && !is_credential(p, key) &&
			      !(key == 8 && strncmp(p, "checksum", 8) == 0);

		for (size_t i = 0; counts && i <= n; i++) {
			hash ^= i < n ? (unsigned char)p[i] : '&';
			hash *= 0x100000001b3;
		}
		any = any || counts;
		p += n;
	}
	return any ? hash | 1 : 0;
}

char *source_redact(const char *text)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *p = strstr(text, "://");
	const char *query = strchr(text, '?');
	const char *forced = strstr(text, "::");
	bool is_ssh, is_url;
	size_t user;

	/* "://" in a parameter is another URL's */
	if (p && query && p > query)
		p = NULL;
	is_url = p != NULL;
	if (p)
		p += 3;
	else
		p = forced && (!query || forced < query) ? forced + 2 : text;
	is_ssh = (size_t)(p - text) >= 6 && strncasecmp(p - 6, "ssh://", 6) == 0;
	is_ssh = is_ssh || ((size_t)(p - text) >= 7 && strncasecmp(p - 7, "sftp://", 7) == 0);
	strbuf_add(&b, text, (size_t)(p - text));
	user = *p == '/' ? 0 : userinfo_length(p);
	if (user > 0) {
		/* the name may be a token, where it is not that of a login */
		size_t name = strcspn(p, ":@");

		if ((is_ssh || (!is_url && is_scp_form(p))) && name < user) {
			strbuf_add(&b, p, name);
			strbuf_adds(&b, p[name] == ':' ? ":***@" : "@");
		} else {
			strbuf_adds(&b, "***@");
		}
		p += user;
	}
	user = strcspn(p, "?#");
	strbuf_add(&b, p, user);
	p += user;
	while (*p && *p != '#') {
		strbuf_addc(&b, *p++);
		user = strcspn(p, "&#");
		redact_parameter(&b, p, user);
		p += user;
	}
	if (*p)
		strbuf_adds(&b, "#***");
	return strbuf_steal(&b);
}
