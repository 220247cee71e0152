#include "config.h"

#include "run/hooktemplate.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/words.h"
#include "os/proc.h"
#include "os/spawn.h"
#include "run/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "taskhook-verify"

/* The kernel reads no more of a first line (BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h). */
#define FIRST_LINE_MAX 256

#define ASK_USEC   (10 * USEC_PER_SEC)
#define OUTPUT_MAX ((size_t)16 * 1024)

bool hook_template_find(const char *path, struct strv *options)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_strv_ struct strv words = STRV_INIT;
	char line[FIRST_LINE_MAX];
	bool taskhook = false, found = false;
	ssize_t n;

	n = fd < 0 ? 0 : fd_read_full(fd, line, sizeof(line) - 1);
	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (words_split(line + 2, &words, NULL) < 0)
		return false;
	for (size_t i = 0; i < words.n; i++) {
		if (found)
			strv_add(options, words.v[i]);
		else if (strcmp(path_basename(words.v[i]), HELPER) == 0)
			found = true;
		else if (strcmp(path_basename(words.v[i]), "taskhook") == 0)
			taskhook = true;
		else if (taskhook && strcmp(words.v[i], "verify") == 0)
			found = true;
	}
	return found;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Until the helper has closed it. -ETIMEDOUT; -EFBIG. */
static int read_all(int fd, usec_t deadline, struct strbuf *out)
{
	char buf[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		usec_t left = usec_sub(deadline, clock_monotonic_usec());
		ssize_t n;

		if (left == 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
			return -errno;
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (out->len + (size_t)n > OUTPUT_MAX)
			return -EFBIG;
		strbuf_add(out, buf, (size_t)n);
	}
}

/* Its wait status; -errno: it cannot be asked. */
static int ask(const char *helper, char *const *argv, struct strbuf *out)
{
	static char *const environment[] = {(char *)(uintptr_t) "LC_ALL=C", NULL};
	_cleanup_close_ int from = -1, to = -1, pidfd = -1;
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result child;
	int ends[2], status = 0, r = fd_pipe(ends, O_NONBLOCK);

	if (r < 0)
		return r;
	from = ends[0];
	to = ends[1];
	spec.path = helper;
	spec.argv = argv;
	spec.envp = environment;
	spec.fds[1] = spec.fds[2] = to;
	spec.die_with_parent = true;
	r = spawn_process(&spec, &child);
	if (r < 0)
		return r;
	pidfd = child.pidfd;
	to = fd_close(to);
	r = read_all(from, usec_add(clock_monotonic_usec(), ASK_USEC), out);
	/* it has closed its output, so it is about to end; if not, it has to */
	if (r < 0 || proc_pidfd_wait(pidfd, usec_add(clock_monotonic_usec(), USEC_PER_SEC)) < 0)
		(void)kill(child.pid, SIGKILL);
	while (waitpid(child.pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return r < 0 ? r : status;
}

/* The first line of what it said, without the name of the program. */
static char *first_line(const struct strbuf *out)
{
	static const char prefix[] = "taskhook: ";
	const char *s = strbuf_str(out);

	if (strncmp(s, prefix, strlen(prefix)) == 0)
		s += strlen(prefix);
	return xstrndup(s, strcspn(s, "\n"));
}

int hook_template_timeout(
	const char *path, const struct strv *options, usec_t *ret, struct th_err *err)
{
	_cleanup_free_ char *helper = NULL, *line = NULL, *shown = str_escape(path, 0);
	_cleanup_strv_ struct strv argv = STRV_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	uint64_t longest;
	int r = helper_find(proc_own_program(), HELPER, &helper, err);

	if (r < 0)
		return r;
	strv_add(&argv, HELPER);
	strv_copy(&argv, options);
	strv_add(&argv, "--worst-case");
	strv_add(&argv, "--");
	strv_add(&argv, path);
	r = ask(helper, strv_null_terminated(&argv), &out);
	if (r < 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "'%s' cannot be asked about '%s': %s",
			helper, shown, strerror(-r));
	line = first_line(&out);
	if (r != 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "%s (try 'taskhook verify --lint %s')",
			*line ? line : "taskhook-verify failed", shown);
	if (strncmp(line, "infinity", 8) == 0)
		return err_set(err, EXIT_CONFIG, ERANGE,
			"'%s' is a template without an end, and cannot be a hook:%s (give it a "
			"timeout, or each metric a count)",
			shown, line + 8);
	if (parse_uint(line, 0, UINT64_MAX - HOOK_TEMPLATE_MARGIN_USEC, &longest) < 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "'%s' does not tell how long '%s' takes",
			helper, shown);
	*ret = longest + HOOK_TEMPLATE_MARGIN_USEC;
	return 0;
}
