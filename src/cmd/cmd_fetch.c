#include "config.h"

#include "cmd/cmd_fetch.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "conf/source.h"
#include "model/artifact.h"
#include "model/jsonio.h"
#include "os/loop.h"
#include "os/proc.h"
#include "run/fetchview.h"
#include "run/fetchwork.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FETCH_FORMAT 1

/* The options are those keys of an artifact of this name. */
#define SECTION "artifact fetch"

/* Of a working directory: "._fetch.PID-TICKS." and what fetchwork adds. */
#define PREFIX "._fetch."

#define HEADERS_MAX ((size_t)256 * 1024)

struct fetch_data {
	struct conf *conf; /* of the options */
	bool json;
};

static struct conf *conf_of(struct fetch_data *d)
{
	if (!d->conf)
		d->conf = conf_new();
	return d->conf;
}

static int set_key(void *data, const char *key, const char *value, struct th_err *err)
{
	_cleanup_free_ char *dotted = xasprintf(SECTION ".%s", key);
	_cleanup_free_ char *option = xasprintf("--%s", key);

	return conf_set_text(conf_of(data), dotted, value, option, err);
}

#define OPTION_SETTER(NAME, KEY)                                                                   \
	static int set_##NAME(void *data, const char *value, struct th_err *err)                   \
	{                                                                                          \
		return set_key(data, KEY, value ? value : "yes", err);                             \
	}
OPTION_SETTER(mode, "mode")
OPTION_SETTER(checksum, "checksum")
OPTION_SETTER(extract, "extract")
OPTION_SETTER(filename, "filename")
OPTION_SETTER(retries, "retries")
OPTION_SETTER(timeout, "timeout")
OPTION_SETTER(stall_timeout, "stall-timeout")
OPTION_SETTER(max_size, "max-size")
OPTION_SETTER(max_unpacked, "max-unpacked")
OPTION_SETTER(max_files, "max-files")
OPTION_SETTER(insecure, "insecure")
OPTION_SETTER(ca_file, "ca-file")
OPTION_SETTER(client_cert, "client-cert")
OPTION_SETTER(client_key, "client-key")
OPTION_SETTER(netrc_file, "netrc-file")
OPTION_SETTER(chown, "chown")

/* "NAME: VALUE"; where it is wrong the value is not repeated. */
static int add_header(struct fetch_data *d, const char *text, struct th_err *err)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *dotted = NULL;

	if (!colon || colon == text)
		return err_set(err, EXIT_USAGE, EINVAL,
			"--header: write it as 'NAME: VALUE', or @FILE for a file of such lines");
	dotted = xasprintf(SECTION "." CONF_HEADER_PREFIX "%.*s", (int)(colon - text), text);
	return conf_set_text(
		conf_of(d), dotted, colon + 1 + strspn(colon + 1, " \t"), "--header", err);
}

static int set_header(void *data, const char *value, struct th_err *err)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r;

	if (*value != '@')
		return add_header(data, value, err);
	r = file_read_at(AT_FDCWD, value + 1, 0, HEADERS_MAX, &text, NULL);
	if (r < 0)
		return err_set(err, EXIT_USAGE, -r, "--header: cannot read '%s': %s", value + 1,
			strerror(-r));
	for (char *line = strtok_r(text, "\r\n", &save); line && r == 0;
		line = strtok_r(NULL, "\r\n", &save))
		r = add_header(data, line, err);
	return r;
}

static const struct cmd_option options[] = {
	{'m', "mode", "MODE", "what DEST is: any (default), file or dir", .set = set_mode},
	{0, "checksum", "CHECKSUM", "what it must be: TYPE:HEX, HEX, or file:URL",
		.set = set_checksum},
	{0, "header", "NAME: VALUE|@FILE", "a header of the request, or a file of such lines",
		.set = set_header},
	{0, "extract", "TYPE", "unpack it: auto (default), no, or the type of the archive",
		.set = set_extract},
	{0, "filename", "NAME", "name of a file that is not unpacked", .set = set_filename},
	{0, "retries", "N", "how often a failed download is tried again", .set = set_retries},
	{0, "timeout", "TIME", "longest time, retries included", .set = set_timeout},
	{0, "stall-timeout", "TIME", "longest time without a byte", .set = set_stall_timeout},
	{0, "max-size", "SIZE", "most bytes as downloaded", .set = set_max_size},
	{0, "max-unpacked", "SIZE", "most bytes as unpacked", .set = set_max_unpacked},
	{0, "max-files", "N", "most files, directories and links", .set = set_max_files},
	{0, "insecure", NULL, "do not check the server's certificate", .set = set_insecure},
	{0, "ca-file", "FILE", "certificates to check the server with (PEM)", .set = set_ca_file},
	{0, "client-cert", "FILE", "certificate to show to the server (PEM)",
		.set = set_client_cert},
	{0, "client-key", "FILE", "its key (PEM)", .set = set_client_key},
	{0, "netrc-file", "FILE", "names and passwords for hosts, as netrc(5)",
		.set = set_netrc_file},
	{0, "chown", "USER[:GROUP]", "owner of what is fetched", .set = set_chown},
	{0, "json", NULL, "print what was fetched as JSON",
		.flag = offsetof(struct fetch_data, json)},
	{0},
};

static const struct cmd_option *const groups[] = {options, NULL};

/* ---- what and where -------------------------------------------------------------------------- */

struct job {
	struct cmd_context *ctx;
	struct artifact artifact;
	struct fetch_settings settings;
	char *base; /* the directory that exists already */
	int base_fd;
	char *parent; /* of a destination that exists: what is under way lies beside it */
	int parent_fd;
	char *shown_dest; /* DEST, absolute */
	struct loop *loop;
	struct fetchview view;
	usec_t started;
	int signal; /* that asks for the end */
};

/* A file of the current directory, as people name it. */
static char *find_source(const char *given)
{
	if (!path_is_absolute(given) && !str_starts_with(given, "./") &&
		!str_starts_with(given, "../") && access(given, F_OK) == 0)
		return xasprintf("./%s", given);
	return xstrdup(given);
}

/* What messages call it: the last part of the source that may be a name. */
static char *name_of_source(const char *shown)
{
	_cleanup_free_ char *path = xstrndup(shown, strcspn(shown, "?"));
	size_t n = strlen(path);
	const char *name;

	while (n > 0 && path[n - 1] == '/')
		path[--n] = '\0';
	name = path_basename(path);
	return *name ? str_escape(name, 60) : xstrdup("fetch");
}

static int resolve_artifact(
	struct job *j, struct fetch_data *d, const char *given, struct th_err *err)
{
	_cleanup_free_ char *source = find_source(given);
	_cleanup_source_ struct source parsed = {0};
	/* First what an argument and no key is called; a path from here is not known to it. */
	int r = *source == '.' ? 0 : source_parse(source, &parsed, err);

	if (r == 0)
		r = set_key(d, "source", source, err);

	/* With --mode=file the shared directory is no destination; DEST takes its place below. */
	if (r == 0)
		r = set_key(d, "destination", "dest", err);
	if (r < 0)
		return r;
	r = artifact_from_conf(&j->artifact, "fetch", conf_named(d->conf, CONF_NAMED_ARTIFACT, 0),
		j->ctx->conf, err);
	if (r < 0) {
		/* From the command line all of it comes here. */
		if (err->status == EXIT_CONFIG)
			err->status = EXIT_USAGE;
		return r;
	}
	free(j->artifact.name);
	j->artifact.name = name_of_source(j->artifact.shown);
	fetch_settings_from_conf(&j->settings, j->ctx->conf);
	return 0;
}

/* The part of DEST that exists, which links may lead to, and the rest, which is made. */
static int resolve_destination(struct job *j, const char *given, struct th_err *err)
{
	_cleanup_free_ char *dest = path_make_absolute(given), *base = NULL;
	const char *rest;

	if (!*given)
		return err_set(err, EXIT_USAGE, EINVAL, "the destination is empty");
	if (!dest)
		return err_set(
			err, EXIT_UNAVAILABLE, errno, "cannot tell the current directory: %m");
	if (j->artifact.mode == ARTIFACT_FILE && strcmp(dest, "/") == 0)
		return err_set(
			err, EXIT_USAGE, EISDIR, "with --mode=file the destination is a file");
	base = j->artifact.mode == ARTIFACT_FILE ? path_dirname(dest) : xstrdup(dest);
	while ((j->base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		int errnum = errno;
		struct stat st;
		char *parent;

		/* ENOTDIR tells it too where something further up is none. */
		if (errnum == ENOTDIR && stat(base, &st) == 0)
			return err_set(err, EXIT_CANTCREAT, errnum,
				"cannot make '%s': '%s' is no directory", dest, base);
		if ((errnum != ENOENT && errnum != ENOTDIR) || strcmp(base, "/") == 0)
			return err_set(err, errnum == EACCES ? EXIT_NOPERM : EXIT_CANTCREAT, errnum,
				"cannot open '%s': %s", base, strerror(errnum));
		parent = path_dirname(base);
		free(base);
		base = parent;
	}
	if (strcmp(base, dest) == 0) {
		j->parent = path_dirname(dest);
		j->parent_fd = open(j->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Then in it, as all that is new. */
		if (j->parent_fd >= 0 && faccessat(j->parent_fd, ".", W_OK, AT_EACCESS) < 0)
			j->parent_fd = fd_close(j->parent_fd);
	}
	rest = dest + strlen(base);
	str_replace(&j->artifact.destination, rest + strspn(rest, "/"));
	j->base = TAKE_PTR(base);
	j->shown_dest = TAKE_PTR(dest);
	return 0;
}

/* The prefix of a working directory whose process has ended; NULL for anything else. The caller
 * frees it. */
static char *dead_prefix(const char *entry)
{
	_cleanup_free_ char *copy = xstrdup(entry);
	uint64_t pid, ticks;
	char *dash, *dot;

	if (!str_starts_with(entry, PREFIX))
		return NULL;
	dash = strchr(copy + strlen(PREFIX), '-');
	dot = dash ? strchr(dash, '.') : NULL;
	if (!dot)
		return NULL;
	*dash = *dot = '\0';
	if (parse_uint(copy + strlen(PREFIX), 1, INT_MAX, &pid) < 0 ||
		parse_uint(dash + 1, 0, UINT64_MAX, &ticks) < 0 || proc_is_alive((pid_t)pid, ticks))
		return NULL;
	return xstrndup(entry, (size_t)(dot + 1 - copy));
}

/* Of a command like this one that was killed here. */
static void remove_left(int fd)
{
	_cleanup_strv_ struct strv dead = STRV_INIT;
	struct dirent *e;
	DIR *d = NULL;

	if (fd < 0 || fd_opendir(fd, &d) < 0)
		return;
	while ((e = readdir(d))) {
		_cleanup_free_ char *prefix = dead_prefix(e->d_name);

		if (prefix)
			strv_take(&dead, TAKE_PTR(prefix));
	}
	closedir(d);
	for (size_t i = 0; i < dead.n; i++)
		fetchwork_remove_left(fd, dead.v[i]);
}

/* ---- fetching -------------------------------------------------------------------------------- */

static void on_signal(void *arg, const struct signalfd_siginfo *si)
{
	((struct job *)arg)->signal = (int)si->ssi_signo;
}

static int watch_signals(struct job *j, struct th_err *err)
{
	sigset_t mask;
	int r;

	j->loop = loop_new();
	if (!j->loop)
		return err_set(err, EXIT_INTERNAL, errno, "cannot make an event loop: %m");
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	r = loop_watch_signals(j->loop, &mask, on_signal, j);
	return r < 0 ? err_set(err, EXIT_INTERNAL, -r, "cannot watch signals: %s", strerror(-r))
		     : 0;
}

static void on_event(void *arg, const struct fetch_event *e)
{
	struct job *j = arg;
	char span[CLOCK_SPAN_MAX];

	fetchview_clear(&j->view);
	if (e->kind == FETCH_EVENT_RETRY)
		log_notice("artifact '%s': %s; attempt %u of %u in %s", j->artifact.name, e->text,
			e->attempt, e->of, clock_format_span(e->delay_usec, span, sizeof(span)));
	else
		log_warning("artifact '%s': %s", j->artifact.name, e->text);
}

static void on_line(void *arg, const char *line, size_t n)
{
	struct job *j = arg;

	if (log_get_level() >= LOG_LEVEL_INFO)
		fetchview_clear(&j->view);
	log_info("%.*s", (int)n, line);
}

/* -EINTR without err: a signal came. */
static int wait_for(struct job *j, struct fetchwork *w, struct th_err *err)
{
	struct fetch *f = fetchwork_fetch(w);
	const struct fetch_progress *progress = fetch_progress(f);

	while (!fetch_is_over(f) && !j->signal) {
		usec_t deadline = fetch_deadline(f);
		int r;

		if (j->view.on)
			deadline = MIN(deadline, clock_monotonic_usec() + FETCHVIEW_USEC);
		r = loop_run(j->loop, deadline);
		if (r < 0)
			return err_set(err, EXIT_INTERNAL, -r, "cannot wait: %s", strerror(-r));
		fetchview_draw(&j->view, j->artifact.name, &progress, 1);
	}
	fetchview_clear(&j->view);
	return j->signal ? -EINTR : fetchwork_collect(w, err);
}

static void print_json(const struct job *j, const struct fetchwork *w)
{
	const struct fetch_event *e = fetchwork_event(w);
	const struct publish_tree *tree = fetchwork_tree(w);
	_cleanup_free_ char *target = tree->is_dir ? NULL : fetchwork_target(w, NULL);
	_cleanup_free_ char *path = target ? path_join(j->base, target) : NULL;
	json_t *o = json_object();

	json_put(o, "format", json_integer(FETCH_FORMAT));
	json_put_text(o, "source", j->artifact.shown);
	json_put_text(o, "destination", path ? path : j->shown_dest);
	json_put_text(o, "kind", tree->is_dir ? "dir" : "file");
	json_put_u64(o, "size", e->down);
	json_put_u64(o, "unpacked", e->unpacked);
	json_put_u64(o, "files", tree->is_dir ? tree->n : 1);
	json_put_u64(o, "usec", usec_sub(clock_monotonic_usec(), j->started));
	json_put_text(o, "digest", e->digest);
	(void)cmd_print_json(o, 0, "the result");
}

static void tell_end(const struct job *j, const struct fetchwork *w)
{
	const struct fetch_event *e = fetchwork_event(w);
	const struct publish_tree *tree = fetchwork_tree(w);
	char bytes[32], span[CLOCK_SPAN_MAX];

	log_notice("artifact '%s': %s in %s, %zu %s%s%s", j->artifact.name,
		fetchview_format_bytes(e->down, bytes, sizeof(bytes)),
		clock_format_span(usec_sub(clock_monotonic_usec(), j->started), span, sizeof(span)),
		tree->is_dir ? tree->n : 1, tree->is_dir && tree->n != 1 ? "files" : "file",
		e->digest ? ", " : "", e->digest ? e->digest : "");
}

static int fetch(struct job *j, bool json, struct th_err *err)
{
	uint64_t ticks = 0;
	_cleanup_free_ char *prefix = NULL;
	struct fetchwork *w = NULL;
	struct fetchwork_spec spec;
	bool root = geteuid() == 0;
	int r;

	(void)proc_start_time(getpid(), &ticks);
	prefix = xasprintf(PREFIX "%d-%" PRIu64 ".", getpid(), ticks);
	spec = (struct fetchwork_spec){.loop = j->loop,
		.artifact = &j->artifact,
		.settings = &j->settings,
		.base_fd = j->base_fd,
		.base = j->base,
		.staging_parent_fd = j->parent_fd,
		.staging_parent = j->parent,
		.prefix = prefix,
		.cgroup_fd = -1,
		.tell = on_event,
		.line = on_line,
		.arg = j};
	remove_left(j->base_fd);
	remove_left(j->parent_fd);
	r = fetchwork_start(&spec, &w, err);
	if (r == 0)
		r = wait_for(j, w, err);
	if (r == 0)
		r = fetchwork_publish(w, root ? 0 : (uid_t)-1, root ? 0 : (gid_t)-1, err);
	if (r == 0 && json)
		print_json(j, w);
	else if (r == 0)
		tell_end(j, w);
	fetchwork_free(w);
	return r;
}

static void job_done(struct job *j)
{
	artifact_done(&j->artifact);
	fetch_settings_done(&j->settings);
	fd_close(j->base_fd);
	fd_close(j->parent_fd);
	free(j->base);
	free(j->parent);
	free(j->shown_dest);
	loop_free(j->loop);
}

static int run(struct cmd_context *ctx, void *data, int argc, char **argv)
{
	struct fetch_data *d = data;
	struct job j = {
		.ctx = ctx, .base_fd = -1, .parent_fd = -1, .started = clock_monotonic_usec()};
	struct th_err err = TH_ERR_INIT;
	int r, status = EXIT_OK;

	(void)argc;
	r = cmd_load(ctx, &err);
	if (r == 0)
		r = resolve_artifact(&j, d, argv[0], &err);
	if (r == 0) {
		r = resolve_destination(&j, argv[1], &err);
		if (r == 0)
			r = watch_signals(&j, &err);
		if (r == 0) {
			fetchview_init(&j.view, !ctx->arg_quiet);
			r = fetch(&j, d->json, &err);
		}
		if (r < 0)
			err_prefix(&err, "artifact '%s' (%s)", j.artifact.name, j.artifact.shown);
	}
	if (r < 0 && j.signal && !err_is_set(&err))
		status = EXIT_SIGNAL_BASE + j.signal;
	else if (r < 0)
		status = cmd_fail(&err);
	job_done(&j);
	return status;
}

static void done(void *data)
{
	conf_free(((struct fetch_data *)data)->conf);
}

const struct cmd cmd_fetch = {
	.name = "fetch",
	.synopsis = "[-m MODE] [OPTION...] SOURCE DEST",
	.summary = "fetch a file or an archive, verify and unpack it",
	.groups = groups,
	.min_args = 2,
	.max_args = 2,
	.data_size = sizeof(struct fetch_data),
	.run = run,
	.done = done,
};
