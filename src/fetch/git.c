#include "config.h"

#include "fetch/git.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "fetch/event.h"
#include "fetch/git_size.h"
#include "fetch/retry.h"
#include "os/program.h"
#include "os/spawn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where it is looked for unless the parent, who has no user's PATH either, names other places. */
#define GIT_PATH   "/usr/local/bin:/usr/bin:/bin"
#define OUTPUT_MAX ((size_t)16 << 10)
#define POLL_MSEC  150
/* How often it is looked how much there is; less often where that takes long. */
#define LOOK_USEC    (250 * USEC_PER_MSEC)
#define LOOK_SHARE   20
#define CONFIG_NAME  ".gitconfig"
#define KEY_NAME     "key"
#define HOSTS_NAME   "known_hosts"
#define CA_NAME	     "ca.pem"
#define CERT_NAME    "cert.pem"
#define CERTKEY_NAME "cert-key.pem"

struct git {
	const struct git_spec *spec;
	const char *path;
	char *program; /* git(1) */
	char *home;    /* absolute, of GIT_HOME_NAME */
	int home_fd;
	bool has_ca, has_cert;
	struct th_err *err;
	bool retryable;
	struct strbuf output; /* of the last command, on stderr */
};

/* ---- what git is told ---- */

char *git_quote(const char *value)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addc(&b, '"');
	for (; *value; value++) {
		if (*value == '\n' || *value == '\t') {
			strbuf_adds(&b, *value == '\n' ? "\\n" : "\\t");
			continue;
		}
		if (*value == '"' || *value == '\\')
			strbuf_addc(&b, '\\');
		strbuf_addc(&b, *value);
	}
	strbuf_addc(&b, '"');
	return strbuf_steal(&b);
}

static void encode(struct strbuf *b, const char *s)
{
	for (; s && *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			strbuf_addc(b, *s);
		else
			strbuf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

/* "HOST[:PORT]" */
static char *authority_of(const struct source *source)
{
	const char *host = source->url + strlen(source->scheme) + strlen("://");

	return xstrndup(host, strcspn(host, "/?#"));
}

char *git_credential(const struct source *source)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *authority = authority_of(source);

	strbuf_addf(&b, "%s://", source->scheme);
	encode(&b, source->user);
	strbuf_addc(&b, ':');
	encode(&b, source->password);
	strbuf_addf(&b, "@%s\n", authority);
	return strbuf_steal(&b);
}

PRINTF_ATTR(3, 4)
static void put(struct strbuf *b, const char *key, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL;
	_cleanup_free_ char *quoted = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	quoted = git_quote(value);
	strbuf_addf(b, "\t%s = %s\n", key, quoted);
}

/* ssh(1) with nothing of the user's or the machine's but the list of known hosts. */
static void put_ssh(struct strbuf *b, const struct git *g)
{
	const struct job *job = g->spec->job;
	_cleanup_free_ char *key = xasprintf("%s/%s", g->home, KEY_NAME);
	_cleanup_free_ char *hosts = job->known_hosts ? xasprintf("%s/%s", g->home, HOSTS_NAME)
						      : xstrdup("/etc/ssh/ssh_known_hosts");
	_cleanup_free_ char *key_word = str_shell_quote(key);
	_cleanup_free_ char *hosts_word = str_shell_quote(hosts);

	put(b, "sshCommand",
		"ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=%s -o "
		"UserKnownHostsFile=%s -o GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts -o "
		"ConnectTimeout=30 -o ServerAliveInterval=10%s%s",
		job->insecure ? "no" : "yes", job->insecure ? "/dev/null" : hosts_word,
		g->spec->source->sshkey ? " -o IdentitiesOnly=yes -i " : "",
		g->spec->source->sshkey ? key_word : "");
}

static const char *proxy_of(const struct job *job, const char *scheme)
{
	const char *own = strcmp(scheme, "https") == 0 ? job->proxy_https : job->proxy_http;

	return !str_is_empty(own) ? own : !str_is_empty(job->proxy_all) ? job->proxy_all : NULL;
}

static char *make_config(const struct git *g)
{
	const struct job *job = g->spec->job;
	const struct source *source = g->spec->source;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *authority = authority_of(source);
	static const char *const schemes[] = {"http", "https"};

	/* nothing that is fetched may have anything executed; allowed protocols: GIT_ALLOW_PROTOCOL
	 */
	strbuf_adds(&b, "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n");
	put_ssh(&b, g);
	strbuf_adds(&b, "[credential]\n\thelper = store\n[advice]\n\tdetachedHead = false\n"
			"[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[http]\n");
	put(&b, "lowSpeedLimit", "1");
	put(&b, "lowSpeedTime", "%" PRIu64, job->limits.stall_timeout_usec / USEC_PER_SEC + 1);
	if (job->insecure)
		put(&b, "sslVerify", "false");
	if (g->has_ca)
		put(&b, "sslCAInfo", "%s/%s", g->home, CA_NAME);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *proxy = proxy_of(job, schemes[i]);

		if (proxy) {
			strbuf_addf(&b, "[http \"%s://*\"]\n", schemes[i]);
			put(&b, "proxy", "%s", proxy);
		}
	}
	/* for this host alone, and so not for where it redirects to */
	if (job->headers.n > 0 || g->has_cert) {
		strbuf_addf(&b, "[http \"%s://%s/\"]\n\tfollowRedirects = false\n", source->scheme,
			authority);
		for (size_t i = 0; i < job->headers.n; i++)
			put(&b, "extraHeader", "%s", job->headers.v[i]);
		if (g->has_cert) {
			put(&b, "sslCert", "%s/%s", g->home, CERT_NAME);
			put(&b, "sslKey", "%s/%s", g->home, CERTKEY_NAME);
		}
	}
	return strbuf_steal(&b);
}

static int write_file(struct git *g, const char *name, const char *text, size_t n)
{
	_cleanup_close_ int fd = openat(
		g->home_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, n);

	return r < 0 ? err_set(g->err, EXIT_CANTCREAT, -r, "cannot write '%s' for git: %s", name,
			       strerror(-r))
		     : 0;
}

static int write_text(struct git *g, const char *name, const char *text)
{
	return text ? write_file(g, name, text, strlen(text)) : 0;
}

static int write_key(struct git *g)
{
	const char *text = g->spec->source->sshkey;
	size_t len = text ? strlen(text) : 0;
	_cleanup_free_ unsigned char *key = xmalloc(len + 4);
	int n, r;

	if (!text)
		return 0;
	n = len % 4 == 0 && len < 65536
		    ? EVP_DecodeBlock(key, (const unsigned char *)text, (int)len)
		    : -1;
	if (n < 3)
		return err_set(g->err, EXIT_USAGE, EINVAL, "sshkey is not base64 of a key");
	while (n > 0 && key[n - 1] == '\0')
		n--;
	r = write_file(g, KEY_NAME, (const char *)key, (size_t)n);
	explicit_bzero(key, len);
	return r;
}

static int make_home(struct git *g)
{
	const struct job *job = g->spec->job;
	const struct source *source = g->spec->source;
	_cleanup_free_ char *config = NULL;
	_cleanup_free_ char *credential = NULL;
	char cwd[4096];
	ssize_t n = readlink("/proc/self/cwd", cwd, sizeof(cwd) - 1);
	int r;

	if (n < 0)
		return err_set(g->err, EXIT_INTERNAL, errno,
			"cannot name the staging directory: %s", strerror(errno));
	cwd[n] = '\0';
	g->home = xasprintf("%s/%s", cwd, GIT_HOME_NAME);
	if (mkdirat(g->spec->staging_fd, GIT_HOME_NAME, 0700) < 0 ||
		mkdirat(g->spec->staging_fd, GIT_TREE_NAME, 0700) < 0)
		return err_set(g->err, EXIT_CANTCREAT, errno, "cannot make a directory for git: %s",
			strerror(errno));
	g->home_fd = openat(g->spec->staging_fd, GIT_HOME_NAME,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (g->home_fd < 0)
		return err_set(g->err, EXIT_CANTCREAT, errno, "cannot open a directory for git: %s",
			strerror(errno));
	g->has_ca = job->ca_pem != NULL;
	g->has_cert = job->cert_pem != NULL;
	config = make_config(g);
	if (source->user && strcmp(source->scheme, "ssh") != 0)
		credential = git_credential(source);
	r = write_text(g, CONFIG_NAME, config);
	if (r == 0)
		r = write_text(g, ".git-credentials", credential);
	if (r == 0)
		r = write_text(g, ".netrc", job->netrc);
	if (r == 0)
		r = write_text(g, HOSTS_NAME, job->known_hosts);
	if (r == 0)
		r = write_text(g, CA_NAME, job->ca_pem);
	if (r == 0)
		r = write_text(g, CERT_NAME, job->cert_pem);
	if (r == 0 && job->cert_pem)
		r = write_text(g, CERTKEY_NAME, job->key_pem ? job->key_pem : job->cert_pem);
	return r == 0 ? write_key(g) : r;
}

/* ---- running it ---- */

char *git_reason(const char *output)
{
	/* what git says when ssh(1) failed, whose own words are unmarked and come first */
	static const char of_ssh[] = "fatal: Could not read from remote repository";
	static const char *const marks[] = {"fatal: ", "error: ", "remote: ", ""};

	output += strspn(output, "\r\n");
	if (strstr(output, of_ssh) > output)
		return str_escape_n(output, strcspn(output, "\r\n"), 400);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *best = NULL;
		size_t best_len = 0;

		for (const char *line = output; *line;) {
			size_t n = strcspn(line, "\r\n");

			if (n > strlen(marks[i]) && str_starts_with(line, marks[i])) {
				best = line + strlen(marks[i]);
				best_len = n - strlen(marks[i]);
			}
			line += n;
			line += strspn(line, "\r\n");
		}
		if (best)
			return str_escape_n(best, best_len, 400);
	}
	return xstrdup("it said nothing");
}

/* Was there any? */
static bool take_output(struct git *g, int fd)
{
	char part[4096];
	ssize_t n = read(fd, part, sizeof(part));

	if (n <= 0)
		return false;
	/* the reason stands at the end */
	if (g->output.len + (size_t)n > OUTPUT_MAX) {
		size_t drop = MIN(g->output.len, OUTPUT_MAX / 2);

		memmove(g->output.s, g->output.s + drop, g->output.len - drop + 1);
		g->output.len -= drop;
	}
	for (ssize_t i = 0; i < n; i++)
		strbuf_addc(&g->output, part[i] ? part[i] : ' ');
	return true;
}

static int fail_too_large(struct git *g, const struct git_size *size, const struct git_size *most)
{
	const struct job_limits *limits = &g->spec->job->limits;
	char limit[32];

	g->retryable = false;
	if (size->received_bytes > most->received_bytes)
		return err_set(g->err, EXIT_DATAERR, EFBIG,
			"the repository is larger than %s (max-size sets the limit)",
			format_size(limits->max_size, limit, sizeof(limit)));
	if (size->tree_bytes > most->tree_bytes)
		return err_set(g->err, EXIT_DATAERR, EFBIG,
			"its files are larger than %s (max-unpacked sets the limit)",
			format_size(limits->max_unpacked, limit, sizeof(limit)));
	return err_set(g->err, EXIT_DATAERR, EFBIG,
		"it holds more than %" PRIu64 " files and directories (max-files sets the limit)",
		limits->max_files);
}

/* Git has no limits of its own. 0, or -EFBIG with err. */
static int look(struct git *g)
{
	const struct job_limits *limits = &g->spec->job->limits;
	const struct git_size most = {.received_bytes = limits->max_size,
		.tree_bytes = limits->max_unpacked,
		.tree_files = limits->max_files};
	struct git_size size = {0};

	if (git_size_measure(g->spec->staging_fd, GIT_TREE_NAME, &most, &size) < 0)
		return 0;
	if (size.received_bytes <= most.received_bytes && size.tree_bytes <= most.tree_bytes &&
		size.tree_files <= most.tree_files)
		return 0;
	return fail_too_large(g, &size, &most);
}

/* Until it has ended. 0, or why it is killed now. */
static int watch(struct git *g, int pidfd, int output_fd)
{
	usec_t next_look = usec_add(clock_monotonic_usec(), LOOK_USEC);

	for (;;) {
		struct pollfd fds[2] = {
			{.fd = pidfd, .events = POLLIN}, {.fd = output_fd, .events = POLLIN}};
		usec_t now = clock_monotonic_usec();

		if (now >= g->spec->deadline_usec)
			return -ETIMEDOUT;
		if (event_parent_is_gone())
			return -EPIPE;
		if (now >= next_look) {
			int r = look(g);
			usec_t end = clock_monotonic_usec();

			if (r < 0)
				return r;
			next_look = usec_add(end, MAX(LOOK_USEC, (end - now) * LOOK_SHARE));
		}
		if (poll(fds, 2, POLL_MSEC) < 0 && errno != EINTR)
			return -errno;
		/* all of it first; at its end only the process is left to wait for */
		if (fds[1].revents && take_output(g, output_fd))
			continue;
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			output_fd = -1;
	}
}

static void git_environment(const struct git *g, struct strv *env)
{
	env_set(env, "PATH", g->path);
	env_set(env, "HOME", g->home);
	env_set(env, "LC_ALL", "C");
	env_set(env, "GIT_TERMINAL_PROMPT", "0");
	env_set(env, "GIT_CONFIG_NOSYSTEM", "1");
	env_set(env, "GIT_ATTR_NOSYSTEM", "1");
	env_set(env, "GIT_ALLOW_PROTOCOL", "http:https:ssh:git");
	if (!str_is_empty(g->spec->job->proxy_no))
		env_set(env, "no_proxy", g->spec->job->proxy_no);
}

/* One command in the repository. 0; 1: it failed, g->output says why; -errno with err, or -EPIPE.
 */
static int run_git(struct git *g, const char *const *args)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result child = {.pid = -1, .pidfd = -1};
	_cleanup_close_ int tree_fd = openat(g->spec->staging_fd, GIT_TREE_NAME,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int pipe_fds[2] = {-1, -1};
	int status = 0;
	int r;

	strv_add(&argv, "git");
	for (; *args; args++)
		strv_add(&argv, *args);
	git_environment(g, &env);
	r = fd_pipe_from_program(pipe_fds);
	if (r < 0 || tree_fd < 0)
		return err_set(g->err, EXIT_INTERNAL, EMFILE, "cannot start git");
	strbuf_reset(&g->output);
	spec.path = g->program;
	spec.argv = strv_null_terminated(&argv);
	spec.envp = strv_null_terminated(&env);
	spec.fds[2] = pipe_fds[1];
	spec.cwd_fd = tree_fd;
	r = spawn_process(&spec, &child);
	(void)fd_close(pipe_fds[1]);
	if (r < 0) {
		(void)fd_close(pipe_fds[0]);
		return err_set(g->err, EXIT_UNAVAILABLE, -r, "cannot execute '%s': %s", g->program,
			strerror(-r));
	}
	r = watch(g, child.pidfd, pipe_fds[0]);
	/* it is the leader of a session of its own, and its helpers are of its group */
	(void)kill(-child.pid, SIGKILL);
	while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)fd_close(pipe_fds[0]);
	(void)fd_close(child.pidfd);
	if (r == 0)
		r = look(g);
	if (r == -ETIMEDOUT)
		return err_set(g->err, EXIT_UNAVAILABLE, ETIMEDOUT,
			"git was not through in time (timeout sets the limit)");
	if (r < 0)
		return r;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

#define RUN(g, ...) run_git(g, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what is wanted ---- */

static bool is_commit(const char *ref)
{
	size_t n = strlen(ref);

	return n >= 7 && n <= 64 && strspn(ref, "0123456789abcdefABCDEF") == n;
}

/* What no second attempt will change. */
static bool is_final(const char *output)
{
	static const char *const signs[] = {"not found", "Authentication failed",
		"could not read Username", "could not read Password", "couldn't find remote ref",
		"Permission denied", "does not exist", "The requested URL returned error: 4",
		"Host key verification failed", "certificate", "not our ref", "is not a commit",
		"transport '"};

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (strstr(output, signs[i]))
			return true;
	}
	return false;
}

static int fail(struct git *g)
{
	_cleanup_free_ char *reason = git_reason(strbuf_str(&g->output));

	g->retryable = !is_final(strbuf_str(&g->output));
	return err_set(g->err, EXIT_UNAVAILABLE, EIO, "git: %s", reason);
}

static char *remote_url(const struct source *source)
{
	/* the login of ssh is no secret, and every other one is in the file of credentials */
	if (strcmp(source->scheme, "ssh") == 0 && source->user)
		return xasprintf("ssh://%s@%s", source->user, source->url + strlen("ssh://"));
	return xstrdup(source->url);
}

/* Everything, for servers that do not hand out single commits, and for short names of them. */
static int fetch_all(struct git *g, const char *ref)
{
	_cleanup_free_ char *spec = xasprintf("%s^{commit}", ref ? ref : "FETCH_HEAD");
	_cleanup_free_ char *remote = NULL;
	int r = RUN(g, "fetch", "--quiet", "--no-recurse-submodules", "origin",
		"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*");

	if (r == 0 && !ref)
		r = RUN(g, "fetch", "--quiet", "--no-recurse-submodules", "origin", "HEAD");
	if (r != 0)
		return r;
	r = RUN(g, "checkout", "--quiet", "--detach", spec, "--");
	if (r <= 0 || !ref)
		return r;
	remote = xasprintf("refs/remotes/origin/%s", ref);
	return RUN(g, "checkout", "--quiet", "--detach", remote, "--");
}

static int fetch_once(struct git *g)
{
	const struct source *source = g->spec->source;
	_cleanup_free_ char *depth = xasprintf("--depth=%u", source->depth ? source->depth : 1);
	_cleanup_free_ char *refspec = xstrdup(source->ref ? source->ref : "HEAD");
	int r = RUN(g, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", depth, "origin",
		refspec);

	if (r == 0)
		return RUN(g, "checkout", "--quiet", "--detach", "FETCH_HEAD", "--");
	/* dumb http has no shallow fetch, and a short commit is no name to ask for */
	if (r > 0 && (strstr(strbuf_str(&g->output), "dumb http") ||
			     (source->ref && is_commit(source->ref))))
		return fetch_all(g, source->ref);
	return r;
}

static int wait_for_next(struct git *g, unsigned number)
{
	usec_t delay = retry_delay(number, 0, (uint32_t)clock_monotonic_usec());
	usec_t end = usec_add(clock_monotonic_usec(), delay);

	if (end >= g->spec->deadline_usec)
		return 1;
	event_retry(number, g->spec->job->retries + 1, delay, err_text(g->err));
	while (clock_monotonic_usec() < end) {
		if (event_parent_is_gone())
			return -EPIPE;
		(void)poll(NULL, 0, POLL_MSEC);
	}
	err_clear(g->err);
	return 0;
}

static int fetch_commit(struct git *g)
{
	for (unsigned number = 1;; number++) {
		int r = fetch_once(g);

		if (r > 0)
			r = fail(g);
		if (r == 0 || !g->retryable || number > g->spec->job->retries)
			return r;
		if (wait_for_next(g, number + 1) != 0)
			return r;
	}
}

static int fetch_submodules(struct git *g)
{
	struct stat st;
	int r;

	if (fstatat(g->spec->staging_fd, GIT_TREE_NAME "/.gitmodules", &st, AT_SYMLINK_NOFOLLOW) <
		0)
		return 0;
	r = RUN(g, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1");
	if (r <= 0)
		return r;
	r = RUN(g, "submodule", "--quiet", "update", "--init", "--recursive");
	if (r > 0) {
		r = fail(g);
		err_prefix(g->err, "a submodule");
	}
	return r;
}

static int read_commit(struct git *g, char **ret)
{
	_cleanup_close_ int fd = openat(
		g->spec->staging_fd, GIT_TREE_NAME "/.git/HEAD", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[65];
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);

	if (n < 40)
		return err_set(g->err, EXIT_UNAVAILABLE, EIO, "git left no commit behind");
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	*ret = xstrdup(text);
	return 0;
}

static int run(struct git *g, struct git_result *ret)
{
	_cleanup_free_ char *url = remote_url(g->spec->source);
	int r = program_find("git", g->path, NULL, &g->program);

	if (r < 0)
		return err_set(g->err, EXIT_UNAVAILABLE, -r,
			"git is not installed, and git:: sources need it (install the package "
			"'git', "
			"or use an archive that the server makes of the revision)");
	r = make_home(g);
	if (r == 0)
		r = RUN(g, "init", "--quiet");
	if (r == 0)
		r = RUN(g, "remote", "add", "--", "origin", url);
	if (r > 0)
		return fail(g);
	if (r == 0)
		r = fetch_commit(g);
	if (r == 0)
		r = fetch_submodules(g);
	if (r == 0)
		r = read_commit(g, &ret->commit);
	if (r < 0)
		return r;
	ret->dirfd = openat(g->spec->staging_fd, GIT_TREE_NAME,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return ret->dirfd < 0 ? err_set(g->err, EXIT_INTERNAL, errno, "cannot open what git made")
			      : 0;
}

int git_fetch(const struct git_spec *spec, struct git_result *ret, struct th_err *err)
{
	const char *path = getenv("PATH");
	struct git g = {.spec = spec,
		.path = str_is_empty(path) ? GIT_PATH : path,
		.home_fd = -1,
		.err = err};
	int r;

	*ret = (struct git_result){.dirfd = -1};
	r = run(&g, ret);
	ret->retryable = g.retryable;
	strbuf_done(&g.output);
	free(g.program);
	free(g.home);
	(void)fd_close(g.home_fd);
	return r;
}

void git_clean(int staging_fd)
{
	(void)rmtree_at(staging_fd, GIT_TREE_NAME, NULL, NULL, NULL);
	(void)rmtree_at(staging_fd, GIT_HOME_NAME, NULL, NULL, NULL);
}
