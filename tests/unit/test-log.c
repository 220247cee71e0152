#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

static enum log_level sunk_level;
static char *sunk;

static void sink(void *arg, enum log_level level, const char *text)
{
	if (arg != &sunk)
		bail("the argument is not handed on");
	sunk_level = level;
	str_replace(&sunk, text);
}

/* What reaches stderr when `say` is called. */
static char *said(void (*say)(void))
{
	_cleanup_free_ char *buf = xcalloc(4097, 1);
	int fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	ssize_t n;

	str_replace(&sunk, NULL);
	if (saved < 0 || fd_pipe(fds, O_NONBLOCK) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		bail("dup: %s", strerror(errno));
	say();
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	(void)close(fds[1]);
	n = fd_read_full(fds[0], buf, 4096);
	(void)close(fds[0]);
	return n < 0 ? NULL : TAKE_PTR(buf);
}

static void say_error(void)
{
	log_error("cannot open '%s': %s", "/x", "No such file or directory");
}
static void say_notice(void)
{
	log_notice("notice");
}
static void say_info(void)
{
	log_info("info");
}
static void say_forged(void)
{
	log_warning("hook 'a\ntaskhook: all is well\x1b[2J'");
}
static void say_errno(void)
{
	errno = ENOSPC;
	log_error("x: %m");
	if (errno != ENOSPC)
		log_error("errno was changed");
}

static void check(void (*say)(void), const char *expected, const char *what)
{
	_cleanup_free_ char *got = said(say);

	is_str(got, expected, "%s", what);
}

int main(void)
{
	is_int(log_get_level(), LOG_LEVEL_NOTICE, "the level at first");
	check(say_error, "taskhook: cannot open '/x': No such file or directory\n",
		"a line on stderr");
	check(say_notice, "taskhook: notice\n", "a notice is said");
	check(say_info, "", "what is below the level is not");
	log_set_level(LOG_LEVEL_INFO);
	check(say_info, "taskhook: info\n", "unless asked for");
	log_set_level(LOG_LEVEL_WARNING);
	check(say_notice, "", "nor a notice, with -q");
	log_set_level(LOG_LEVEL_NOTICE);

	log_set_task("web/1");
	check(say_notice, "taskhook: web/1: notice\n", "the task stands in front");
	check(say_forged, "taskhook: web/1: hook 'a\\ntaskhook: all is well\\x1B[2J'\n",
		"no name can forge a line");
	log_set_task(NULL);
	check(say_errno, "taskhook: x: No space left on device\n", "%m is errno, which is kept");

	log_set_sink(sink, &sunk);
	check(say_forged, "taskhook: hook 'a\\ntaskhook: all is well\\x1B[2J'\n", "with a sink");
	is_str(sunk, "hook 'a\ntaskhook: all is well\x1b[2J'", "which gets the text as it is");
	is_int(sunk_level, LOG_LEVEL_WARNING, "and the level");
	check(say_info, "", "below the level");
	is_str(sunk, NULL, "the sink gets nothing either");
	log_set_stderr(0);
	check(say_error, "", "with stderr switched off");
	is_str(sunk, "cannot open '/x': No such file or directory", "the sink gets all");
	log_set_stderr(1);
	log_set_sink(NULL, NULL);
	check(say_notice, "taskhook: notice\n", "without a sink again");
	is_str(sunk, NULL, "the sink gets no more");
	free(sunk);
	return done_testing();
}
