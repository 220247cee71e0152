#include "config.h"

#include "run/hooklog.h"

#include "base/fd.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/logdir.h"

static struct hooklog *new_log(struct loop *loop, int dirfd)
{
	strv_clear(&logdir_messages);
	return hooklog_new(&(struct hooklog_spec){.loop = loop,
		.dirfd = dirfd,
		.max_size = 1000,
		.max_files = 3,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1});
}

static void say(struct hooklog *l, const char *label, const char *text)
{
	hooklog_line(l, label, text, strlen(text));
}

/* "2026-11-21T10:44:45.123Z" becomes "TIME". */
static char *without_times(char *text)
{
	struct strbuf b = STRBUF_INIT;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) && *line) {
		int n = 0;

		if (sscanf(line, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ%n", &n) != EOF && n == 24)
			strbuf_addf(&b, "TIME%s\n", line + n);
		else
			strbuf_addf(&b, "%s\n", line);
	}
	free(text);
	return strbuf_steal(&b);
}

static void test_lines(struct loop *loop)
{
	int dirfd = logdir_new();
	struct hooklog *l = new_log(loop, dirfd);
	_cleanup_free_ char *got = NULL;

	hooklog_flush(l);
	ok(logdir_size_at(dirfd, "hooks.log") < 0 && logdir_size_at(dirfd, "hooks.jsonl") < 0,
		"no hooks, no files");
	say(l, "pre-start/20-mount", "mounting");
	ok(logdir_size_at(dirfd, "hooks.log") < 0, "a line is gathered");
	say(l, "pre-start/20-mount", "\033[31mred\033[0m\tand \xff");
	hooklog_line(l, "pre-start/30-net", "a\0b\nc", 5);
	hooklog_flush(l);
	ok(logdir_size_at(dirfd, "hooks.jsonl") < 0, "no records, no file of them");
	got = without_times(logdir_read_at(dirfd, "hooks.log"));
	is_str(got,
		"TIME pre-start/20-mount: mounting\n"
		"TIME pre-start/20-mount: \\x1B[31mred\\x1B[0m\\tand \\xFF\n"
		"TIME pre-start/30-net: a\\x00b\\nc\n",
		"time, point, name and text, with control bytes escaped");
	say(l, "post-stop/20-mount", "unmounting");
	hooklog_free(l);
	free(got);
	got = logdir_read_at(dirfd, "hooks.log");
	contains(got, " post-stop/20-mount: unmounting\n", "the end writes what was gathered");
	(void)close(dirfd);
}

static void test_records(struct loop *loop)
{
	int dirfd = logdir_new();
	struct hooklog *l = new_log(loop, dirfd);
	json_t *record = json_pack(
		"{s:s, s:f, s:s}", "name", "20-mount", "cpu_ms", 132.723, "last", "two\nlines");
	usec_t until = usec_add(clock_monotonic_usec(), 20 * USEC_PER_SEC);

	hooklog_record(l, record);
	hooklog_record(l, record);
	ok(logdir_size_at(dirfd, "hooks.jsonl") < 0, "records are gathered");
	while (logdir_size_at(dirfd, "hooks.jsonl") <= 0 && clock_monotonic_usec() < until)
		(void)loop_run(loop, until);
	logdir_check_at(dirfd, "hooks.jsonl",
		"{\"name\":\"20-mount\",\"cpu_ms\":132.723,\"last\":\"two\\nlines\"}\n"
		"{\"name\":\"20-mount\",\"cpu_ms\":132.723,\"last\":\"two\\nlines\"}\n",
		"and written soon, without a flush");
	is_uint(hooklog_dropped(l), 0, "nothing is dropped");
	hooklog_free(l);

	/* As many as rotate. */
	l = new_log(loop, dirfd);
	for (int i = 0; i < 100; i++)
		hooklog_record(l, record);
	hooklog_free(l);
	ok(logdir_size_at(dirfd, "hooks.jsonl.1") > 900 &&
			logdir_size_at(dirfd, "hooks.jsonl.1") <= 1000,
		"they rotate");
	{
		_cleanup_free_ char *old = logdir_read_at(dirfd, "hooks.jsonl.1");

		ok(str_starts_with(old, "{\"name\"") && str_ends_with(old, "}\n"), "whole");
	}
	json_decref(record);
	(void)close(dirfd);
}

static void test_many(struct loop *loop)
{
	int dirfd = logdir_new();
	struct hooklog *l = new_log(loop, dirfd);
	_cleanup_free_ char *text = xcalloc(1, 4097);

	memset(text, 'x', 4096);
	for (int i = 0; i < 9; i++)
		say(l, "pre-start/10-loud", text);
	ok(logdir_size_at(dirfd, "hooks.log") > 0, "not without bound");
	hooklog_free(l);

	l = new_log(NULL, dirfd);
	(void)unlinkat(dirfd, "hooks.log", 0);
	say(l, "pre-start/10-loud", "now");
	ok(logdir_size_at(dirfd, "hooks.log") > 0, "not at all without a loop");
	hooklog_free(l);
	(void)close(dirfd);
}

static void test_unusable(struct loop *loop)
{
	int dirfd = logdir_new();
	struct hooklog *l = new_log(loop, dirfd);

	if (symlinkat("target", dirfd, "hooks.log") != 0)
		bail("symlink: %s", strerror(errno));
	say(l, "pre-start/10-a", "text");
	hooklog_flush(l);
	say(l, "pre-start/10-a", "text");
	hooklog_flush(l);
	is_uint(logdir_messages.n, 1, "a planted link is said once");
	contains(logdir_messages.v[0], "'hooks.log': it is a symbolic link", "with the reason");
	ok(hooklog_dropped(l) > 2 * strlen("pre-start/10-a: text\n"),
		"what was to go there is counted");
	ok(logdir_size_at(dirfd, "target") < 0, "and does not go through it");
	hooklog_free(l);
	is_int((intptr_t)hooklog_free(NULL), 0, "freeing nothing");
	(void)close(dirfd);
}

int main(void)
{
	struct loop *loop;

	tempdir_make();
	logdir_catch_messages();
	loop = loop_new();
	if (!loop)
		bail("loop_new: %s", strerror(errno));
	test_lines(loop);
	test_records(loop);
	test_many(loop);
	test_unusable(loop);
	loop = loop_free(loop);
	strv_done(&logdir_messages);
	return done_testing();
}
