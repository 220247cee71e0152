#include "config.h"

#include "fetch/fetch.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "conf/source.h"
#include "fetch/checksum.h"
#include "fetch/event.h"
#include "fetch/git.h"
#include "fetch/pack.h"
#include "fetch/ring.h"
#include "fetch/sandbox.h"
#include "fetch/transfer.h"
#include "fetch/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define TREE_NAME	  "tree"
#define RING_BYTES	  ((size_t)4 << 20)
#define CHECKSUM_FILE_MAX ((uint64_t)16 << 20)

struct fetch {
	const struct job *job;
	struct source source;
	const char *filename; /* as somebody wants it; NULL */
	const char *extract;  /* NULL: auto */
	bool has_checksum;
	struct checksum checksum;
	usec_t deadline_usec;
	int staging_fd;
	int tree_fd; /* a directory that is there already, or -1: it is packed, not downloaded */
	bool from_git;
	char *commit; /* git */

	/* what the downloading thread works on and leaves behind */
	struct ring *ring;
	struct digest *digest;
	struct transfer_result transfer;
	struct th_err transfer_err;
	int transfer_result;
};

/* ---- what is wanted ---- */

/* One setting that the job and the URL may both have. */
static int settle(const char *what, const char *in_job, const char *in_url, const char **ret,
	struct th_err *err)
{
	if (in_job && in_url && strcmp(in_job, in_url) != 0)
		return err_set(err, EXIT_USAGE, EINVAL,
			"%s is set, and the source has another one (remove one of them)", what);
	*ret = in_job ? in_job : in_url;
	return 0;
}

/* go-getter's words for it: archive=true and archive=false */
static const char *extract_of_archive(const char *archive)
{
	if (!archive)
		return NULL;
	if (strcmp(archive, "false") == 0 || strcmp(archive, "0") == 0)
		return "no";
	return strcmp(archive, "true") == 0 || strcmp(archive, "1") == 0 ? "auto" : archive;
}

static int settle_extract(struct fetch *f, struct th_err *err)
{
	const char *in_job = f->job->extract;

	if (in_job && strcmp(in_job, "auto") == 0)
		in_job = NULL;
	return settle("extract", in_job, extract_of_archive(f->source.archive), &f->extract, err);
}

/* ---- the file of checksums ---- */

static int collect(void *arg, const void *data, size_t n)
{
	struct strbuf *text = arg;

	strbuf_add(text, data, n);
	return 0;
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static int read_sums_file(int fd, struct strbuf *text, struct th_err *err)
{
	char part[65536];
	ssize_t n;

	for (;;) {
		n = fd_read_full(fd, part, sizeof(part));
		if (n <= 0)
			break;
		strbuf_add(text, part, (size_t)n);
		if (text->len > CHECKSUM_FILE_MAX)
			return err_set(err, EXIT_DATAERR, EFBIG,
				"the file of checksums is larger than %" PRIu64 " bytes",
				CHECKSUM_FILE_MAX);
	}
	return n < 0 ? err_set(err, EXIT_UNAVAILABLE, (int)-n,
			       "the file of checksums cannot be read: %s", strerror((int)-n))
		     : 0;
}

static int fetch_sums(struct fetch *f, const char *url, struct strbuf *text, struct th_err *err)
{
	_cleanup_source_ struct source sums = {0};
	_cleanup_transfer_result_ struct transfer_result result = {0};
	_cleanup_digest_ struct digest *digest = digest_new(NULL, err);
	struct transfer_spec spec = {.job = f->job,
		.source = &sums,
		/* with a password of its own, or on the host that the job's are for */
		.trusted_url = f->source.url,
		.sink = {.write = collect, .wanted = always, .arg = text},
		.digest = digest,
		.deadline_usec = f->deadline_usec,
		.max_size = CHECKSUM_FILE_MAX,
		.quiet = true};
	int r = digest ? source_parse(url, &sums, err) : -ENOTSUP;

	if (r < 0)
		return r;
	if (sums.kind == SOURCE_GIT || sums.subdir)
		return err_set(err, EXIT_USAGE, EINVAL,
			"a file of checksums is one file, by https://, s3:: or a path");
	if (sums.kind == SOURCE_FILE)
		return f->job->checksum_fd >= 0
			       ? read_sums_file(f->job->checksum_fd, text, err)
			       : err_set(err, EXIT_INTERNAL, EINVAL, "the job has no checksum_fd");
	if (sums.user)
		spec.trusted_url = sums.url;
	r = transfer_run(&spec, &result, err);
	f->transfer.retryable = result.retryable;
	return r;
}

static int find_checksum(struct fetch *f, const char *url, struct th_err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	/* under the name that it has there, whatever it is to be called here */
	const char *name = f->source.name ? f->source.name : f->filename;
	int r;

	if (!name)
		return err_set(err, EXIT_USAGE, EINVAL,
			"the URL ends in no name to look for in a file of checksums: set filename");
	r = fetch_sums(f, url, &text, err);
	if (r == 0)
		r = checksum_find(strbuf_str(&text), text.len, name, &f->checksum, err);
	if (r == -EINVAL && f->filename && strcmp(f->filename, name) != 0) {
		struct checksum sum;

		if (checksum_find(strbuf_str(&text), text.len, f->filename, &sum, NULL) == 0) {
			err_clear(err);
			f->checksum = sum;
			r = 0;
		}
	}
	if (r < 0)
		err_prefix(err, "checksum");
	return r;
}

static int settle_checksum(struct fetch *f, struct th_err *err)
{
	_cleanup_free_ char *url = NULL;
	const char *text = NULL;
	int r = settle("checksum", f->job->checksum, f->source.checksum, &text, err);

	if (r < 0 || !text)
		return r;
	r = checksum_parse(text, &f->checksum, &url, err);
	if (r > 0)
		r = find_checksum(f, url, err);
	if (r < 0)
		return r;
	f->has_checksum = true;
	if (checksum_is_weak(f->checksum.type))
		event_warning("%s tells an accident, but not an attack: use sha256",
			checksum_type_name(f->checksum.type));
	return 0;
}

/* ---- the downloading thread ---- */

static int into_ring(void *arg, const void *data, size_t n)
{
	struct fetch *f = arg;

	return ring_write(f->ring, data, n);
}

static bool ring_wants(void *arg)
{
	struct fetch *f = arg;

	return !ring_is_cancelled(f->ring);
}

static int fail_too_large(const struct fetch *f, struct th_err *err)
{
	char limit[32];

	return err_set(err, EXIT_DATAERR, EFBIG, "it is larger than %s (max-size sets the limit)",
		format_size(f->job->limits.max_size, limit, sizeof(limit)));
}

/* A file of this machine, which the parent opened. */
static int read_file(struct fetch *f)
{
	int fd = f->job->source_fd;
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st) < 0)
		return err_set(&f->transfer_err, EXIT_UNAVAILABLE, errno, "it cannot be read: %s",
			strerror(errno));
	size = (uint64_t)st.st_size;
	if (size > f->job->limits.max_size)
		return fail_too_large(f, &f->transfer_err);
	event_start(size, 0);
	for (;;) {
		void *room;
		size_t n;
		ssize_t got;
		int r = ring_reserve(f->ring, &room, &n);

		if (r < 0)
			return r;
		got = read(fd, room, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(&f->transfer_err, EXIT_UNAVAILABLE, errno,
				"it cannot be read: %s", strerror(errno));
		/* what is written to while it is read is no artifact; and /proc says 0 of all */
		if (got == 0)
			return 0;
		if ((uint64_t)got > f->job->limits.max_size - f->transfer.size)
			return fail_too_large(f, &f->transfer_err);
		if (clock_monotonic_usec() >= f->deadline_usec)
			return err_set(&f->transfer_err, EXIT_UNAVAILABLE, ETIMEDOUT,
				"it was not read in time (timeout sets the limit)");
		f->transfer.size += (uint64_t)got;
		digest_add(f->digest, room, (size_t)got);
		ring_commit(f->ring, (size_t)got);
		event_progress_down(f->transfer.size, size);
	}
}

static int check_checksum(struct fetch *f)
{
	struct checksum got;

	if (!f->has_checksum)
		return 0;
	digest_get(f->digest, f->checksum.type, &got);
	if (strcmp(got.hex, f->checksum.hex) == 0)
		return 0;
	return err_set(&f->transfer_err, EXIT_DATAERR, EBADMSG,
		"the %s of what came (%" PRIu64 " bytes) is %s and should be %s",
		checksum_type_name(got.type), f->transfer.size, got.hex, f->checksum.hex);
}

static bool may_be_unchanged(const struct fetch *f)
{
	const struct job *job = f->job;

	if (!job->known_digest || (!job->known_etag && !job->known_last_modified))
		return false;
	/* settled before, or not to be told from its SHA-256 */
	return !f->has_checksum || f->checksum.type != CHECKSUM_SHA256;
}

/* What was checked out, or a directory that the parent opened. */
static int read_directory(struct fetch *f)
{
	const struct job_limits *limits = &f->job->limits;
	const struct pack_spec spec = {.dirfd = f->tree_fd,
		.without_git = f->from_git,
		.max_bytes = limits->max_unpacked,
		.max_depth = limits->max_depth,
		.deadline_usec = f->deadline_usec,
		.write = into_ring,
		.arg = f};

	event_start(EVENT_TOTAL_UNKNOWN, 0);
	return pack_directory(&spec, &f->transfer.size, &f->transfer_err);
}

static int download(struct fetch *f)
{
	const struct transfer_spec spec = {.job = f->job,
		.source = &f->source,
		.trusted_url = f->source.url,
		.sink = {.write = into_ring, .wanted = ring_wants, .arg = f},
		.digest = f->digest,
		.deadline_usec = f->deadline_usec,
		.max_size = f->job->limits.max_size,
		.conditional = may_be_unchanged(f),
		.verified = f->has_checksum};
	int r;

	if (f->tree_fd >= 0)
		return read_directory(f);
	r = f->source.kind == SOURCE_FILE ? read_file(f)
					  : transfer_run(&spec, &f->transfer, &f->transfer_err);

	if (r < 0)
		return r;
	/* ends the other side, which has got nothing to unpack */
	return f->transfer.unchanged ? -EALREADY : check_checksum(f);
}

static void *download_main(void *arg)
{
	struct fetch *f = arg;

	f->transfer_result = download(f);
	ring_end(f->ring, f->transfer_result);
	return NULL;
}

/* ---- the unpacking thread, which is the first one ---- */

static ssize_t from_ring(void *arg, const void **ret)
{
	struct fetch *f = arg;

	return ring_read(f->ring, ret);
}

static void cancel_ring(void *arg)
{
	struct fetch *f = arg;

	ring_cancel(f->ring);
}

static void on_unpacked(void *arg, uint64_t unpacked, uint64_t files)
{
	(void)arg;
	event_progress_unpacked(unpacked, files);
}

static void on_warning(void *arg, const char *text)
{
	(void)arg;
	event_warning("%s", text);
}

static enum unpack_mode unpack_mode(enum job_mode mode)
{
	switch (mode) {
	case JOB_MODE_FILE:
		return UNPACK_MODE_FILE;
	case JOB_MODE_DIR:
		return UNPACK_MODE_DIR;
	case JOB_MODE_ANY:
	default:
		return UNPACK_MODE_ANY;
	}
}

static int unpack(struct fetch *f, struct unpack_result *ret, struct th_err *err)
{
	const struct job_limits *limits = &f->job->limits;
	const struct unpack_spec spec = {.dirfd = f->staging_fd,
		.name = TREE_NAME,
		.mode = unpack_mode(f->job->mode),
		.extract = f->tree_fd >= 0 ? "tar" : f->extract,
		.subdir = f->source.subdir,
		.filename = f->filename,
		.source_name = f->source.name,
		.limits = {.max_unpacked = limits->max_unpacked,
			.max_files = limits->max_files,
			.max_depth = limits->max_depth},
		.source = {.read = from_ring, .cancel = cancel_ring, .arg = f},
		.progress = on_unpacked,
		.warning = on_warning,
		.arg = f};

	return unpack_run(&spec, ret, err);
}

/* Both threads, once. */
static int run_threads(struct fetch *f, struct unpack_result *ret, struct th_err *err)
{
	pthread_t thread;
	int unpacked, r;

	f->ring = ring_new(RING_BYTES);
	r = -pthread_create(&thread, NULL, download_main, f);
	if (r < 0) {
		ring_free(f->ring);
		return err_set(err, EXIT_INTERNAL, -r, "cannot start a thread: %s", strerror(-r));
	}
	unpacked = unpack(f, ret, err);
	/* it may still be waiting for room */
	if (unpacked < 0)
		ring_cancel(f->ring);
	(void)pthread_join(thread, NULL);
	ring_free(f->ring);
	f->ring = NULL;
	r = f->transfer_result;
	/* what is said of a half of the data says nothing */
	if (r < 0 && r != -ECANCELED) {
		err_clear(err);
		if (err_is_set(&f->transfer_err))
			(void)err_set(err, f->transfer_err.status, -r, "%s", f->transfer_err.text);
		return r;
	}
	return unpacked;
}

static void forget_transfer(struct fetch *f)
{
	transfer_result_done(&f->transfer);
	err_clear(&f->transfer_err);
	digest_free(&f->digest);
}

static int fetch_stream(struct fetch *f, struct unpack_result *ret, struct th_err *err)
{
	for (unsigned again = 0;; again++) {
		int r;

		forget_transfer(f);
		f->digest = digest_new(f->has_checksum ? &f->checksum : NULL, err);
		if (!f->digest)
			return -ENOTSUP;
		r = run_threads(f, ret, err);
		if (r != -ESTALE || again >= f->job->retries)
			return r;
		event_retry(again + 2, f->job->retries + 1, 0, err_text(err));
		err_clear(err);
		unpack_result_done(ret);
	}
}

static void say_done(struct fetch *f, const struct unpack_result *unpacked)
{
	struct checksum sum;
	_cleanup_free_ char *digest = NULL;

	/* of a directory there is none that would tell anything */
	if (f->tree_fd < 0) {
		digest_get(f->digest, CHECKSUM_SHA256, &sum);
		digest = xasprintf("sha256:%s", sum.hex);
	}
	event_done(&(struct event_done){.is_dir = unpacked->is_dir,
		.filename = unpacked->filename ? unpacked->filename : f->transfer.filename,
		.size = f->transfer.size,
		.unpacked = unpacked->unpacked,
		.files = unpacked->files,
		.digest = digest,
		.etag = f->commit ? f->commit : f->transfer.etag,
		.last_modified = f->transfer.last_modified});
}

static int run_stream(struct fetch *f, struct th_err *err)
{
	_cleanup_unpack_result_ struct unpack_result unpacked = {0};
	int r = fetch_stream(f, &unpacked, err);

	if (r == -EALREADY) {
		event_unchanged(f->job->known_digest);
		return 0;
	}
	if (r == 0)
		say_done(f, &unpacked);
	return r;
}

static int run_git(struct fetch *f, struct th_err *err)
{
	const struct git_spec spec = {.job = f->job,
		.source = &f->source,
		.staging_fd = f->staging_fd,
		.deadline_usec = f->deadline_usec};
	struct git_result result;
	int r = git_fetch(&spec, &result, err);

	f->commit = result.commit;
	f->tree_fd = result.dirfd;
	f->from_git = true;
	if (r == 0 && f->job->known_etag && strcmp(f->job->known_etag, f->commit) == 0)
		event_unchanged(f->job->known_digest);
	else if (r == 0)
		r = run_stream(f, err);
	else
		f->transfer.retryable = result.retryable;
	git_clean(f->staging_fd);
	return r;
}

/* ---- a job ---- */

/* Is what is there already what the checksum wants? */
static bool is_known(const struct fetch *f)
{
	_cleanup_free_ char *digest = NULL;

	if (!f->has_checksum || !f->job->known_digest || f->checksum.type != CHECKSUM_SHA256)
		return false;
	digest = xasprintf("sha256:%s", f->checksum.hex);
	return strcasecmp(digest, f->job->known_digest) == 0;
}

/* Is it a file or a directory? */
static int settle_kind(struct fetch *f, struct th_err *err)
{
	bool has_checksum = f->job->checksum || f->source.checksum;
	struct stat st;

	if (f->source.kind == SOURCE_FILE) {
		if (f->job->source_fd < 0 || fstat(f->job->source_fd, &st) < 0)
			return err_set(err, EXIT_INTERNAL, EINVAL, "the job has no source_fd");
		if (S_ISDIR(st.st_mode))
			f->tree_fd = f->job->source_fd;
		else if (!S_ISREG(st.st_mode))
			return err_set(err, EXIT_UNAVAILABLE, EINVAL,
				"it is neither a file nor a directory");
	}
	if (has_checksum && f->source.kind == SOURCE_GIT)
		return err_set(err, EXIT_USAGE, EINVAL,
			"a git repository has no checksum: ref=COMMIT says the same");
	if (has_checksum && f->tree_fd >= 0)
		return err_set(err, EXIT_USAGE, EINVAL, "a directory has no checksum: remove it");
	return 0;
}

static int enter_sandbox(const struct fetch *f, struct th_err *err)
{
	const struct job *job = f->job;
	uint64_t most = MAX(job->limits.max_size, job->limits.max_unpacked);
	const struct sandbox sandbox = {.landlock = job->landlock,
		.staging_fd = f->staging_fd,
		.source_fd = f->tree_fd,
		.runs_programs = f->source.kind == SOURCE_GIT,
		.max_file_size = most};
	int r = sandbox_enter(&sandbox, err);

	if (r <= 0)
		return r;
	event_warning(
		"this kernel has no Landlock (Linux 5.13 and later, with 'landlock' in its "
		"list of security modules): what is fetched is unpacked by a process that can "
		"read what its user can");
	return 0;
}

static int run(struct fetch *f, struct th_err *err)
{
	const char *filename = NULL;
	int r = source_parse(f->job->source, &f->source, err);

	if (r == 0)
		r = settle("filename", f->job->filename, f->source.filename, &filename, err);
	f->filename = filename;
	if (r == 0)
		r = settle_extract(f, err);
	if (r < 0)
		return r;
	f->staging_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->staging_fd < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot open the staging directory: %s",
			strerror(errno));
	r = settle_kind(f, err);
	if (r < 0)
		return r;
	r = enter_sandbox(f, err);
	if (r == 0)
		r = settle_checksum(f, err);
	if (r < 0)
		return r;
	if (is_known(f)) {
		event_unchanged(f->job->known_digest);
		return 0;
	}
	return f->source.kind == SOURCE_GIT ? run_git(f, err) : run_stream(f, err);
}

/* A message of a library may hold more than we put into it. */
static void hide(struct th_err *err, const char *secret)
{
	const char *found;

	/* shorter ones occur by chance, and hiding them would tell them */
	while (secret && strlen(secret) >= 4 && err_is_set(err) &&
		(found = strstr(err->text, secret)) != NULL) {
		char *text = xasprintf(
			"%.*s***%s", (int)(found - err->text), err->text, found + strlen(secret));

		free(err->text);
		err->text = text;
	}
}

/* User and password of a proxy, which libcurl repeats where it does not know the scheme. */
static void hide_login(struct th_err *err, const char *proxy)
{
	const char *scheme = proxy ? strstr(proxy, "://") : NULL;
	const char *login = scheme ? scheme + 3 : proxy;
	const char *at = login ? strrchr(login, '@') : NULL;
	_cleanup_free_ char *text = at ? xstrndup(login, (size_t)(at - login)) : NULL;

	hide(err, text);
}

static void hide_secrets(const struct fetch *f, struct th_err *err)
{
	const char *const secrets[] = {f->source.password, f->source.secret_key,
		f->source.session_token, f->source.sshkey, f->job->aws_secret_key,
		f->job->aws_session_token};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		hide(err, secrets[i]);
	hide_login(err, f->job->proxy_http);
	hide_login(err, f->job->proxy_https);
	hide_login(err, f->job->proxy_all);
	for (size_t i = 0; i < f->job->headers.n; i++) {
		const char *value = strstr(f->job->headers.v[i], ": ");

		hide(err, value ? value + 2 : NULL);
	}
}

int fetch_run(const struct job *job)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct fetch f = {.job = job,
		.staging_fd = -1,
		.tree_fd = -1,
		.deadline_usec = usec_add(clock_monotonic_usec(), job->limits.timeout_usec)};
	int r = run(&f, &err);
	int status = EXIT_OK;

	if (r < 0) {
		hide_secrets(&f, &err);
		status = event_failed(&err, f.transfer.retryable);
	}
	forget_transfer(&f);
	if (f.from_git)
		(void)fd_close(f.tree_fd);
	free(f.commit);
	source_done(&f.source);
	f.staging_fd = fd_close(f.staging_fd);
	return status;
}
