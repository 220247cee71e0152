#include "config.h"

#include "base/alloc.h"
#include "run/hookresult.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <errno.h>

static struct hook_result good(const char *text, const char *what)
{
	struct hook_result r = {0};
	struct th_err err = TH_ERR_INIT;

	if (!ok(hook_result_parse(text, strlen(text), "RESULT", &r, &err) == 0, "%s", what))
		diag("%s", err_text(&err));
	err_clear(&err);
	return r;
}

static void bad(const char *text, const char *why, const char *what)
{
	struct hook_result r = {.done = true};
	struct th_err err = TH_ERR_INIT;

	ok(hook_result_parse(text, strlen(text), "RESULT", &r, &err) < 0, "%s", what);
	contains(err_text(&err), why, "is told with its place");
	ok(r.done && !r.env.v, "and nothing is returned");
	err_clear(&err);
}

static void check_good(void)
{
	struct hook_result r;

	r = good("", "nothing");
	ok(!r.env.n && !r.state.n && !r.mounts.n && !r.devices.n && !r.done && !r.message,
		"hands nothing back");
	hook_result_done(&r);

	r = good(
		"# a comment\n[env]\nPORT = 8080\nEMPTY =\nTEXT = a ; b # c\n[state]\nlease = abc\n"
		"PATH = /x\n[mounts]\n/data = /srv/data:ro\n/rw = /srv/rw\n[devices]\n"
		"/dev/fuse = rw\n/dev/net/tun = rwm\n[result]\ndone = yes\nmessage = all is well\n",
		"every section");
	is_uint(r.env.n, 3, "three variables");
	is_str(r.env.v[0], "PORT=8080", "a variable");
	is_str(r.env.v[1], "EMPTY=", "an empty one");
	is_str(r.env.v[2], "TEXT=a ; b # c", "a value with comment signs");
	is_str(r.state.v[0], "lease=abc", "a piece of state");
	is_str(r.state.v[1], "PATH=/x", "whose name is free, as it becomes STATE_PATH");
	is_str(r.mounts.v[0], "/data=/srv/data:ro", "a mount that is read-only");
	is_str(r.mounts.v[1], "/rw=/srv/rw", "and one that is not");
	is_str(r.devices.v[0], "/dev/fuse=rw", "a device");
	is_str(r.devices.v[1], "/dev/net/tun=rwm", "in a directory");
	ok(r.done, "done");
	is_str(r.message, "all is well", "the message");
	hook_result_done(&r);

	r = good("[result]\ndone = no\nmessage =\n", "not done, no message");
	ok(!r.done && !r.message, "is as if nothing was said");
	hook_result_done(&r);
}

static void check_bad(void)
{
	static const char *const steering[] = {"LD_PRELOAD", "LD_", "GCONV_PATH", "BASH_ENV", "ENV",
		"IFS", "PATH", "SHELLOPTS", "HOOK_RESULT", "HOOK_", "TASK", "TASK_ID", "TASKHOOK",
		"TASKGROUP", "EGGO_NODE_IP"};
	static const char *const harmless[] = {
		"LD", "LDX", "PATHS", "MY_PATH", "ENVX", "HOOK", "EGGO", "PORT", "task_id"};
	_cleanup_free_ char *long_message = NULL;
	char *m;

	for (size_t i = 0; i < ARRAY_SIZE(steering); i++) {
		_cleanup_free_ char *text = xasprintf("[env]\n%s = x\n", steering[i]);

		ok(hook_result_env_is_refused(steering[i]), "'%s' is refused", steering[i]);
		bad(text, "RESULT:2: '", steering[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		ok(!hook_result_env_is_refused(harmless[i]), "'%s' is not", harmless[i]);

	bad("[env]\n1A = x\n", "RESULT:2: '1A' is no variable name", "a digit first");
	bad("[env]\nA-B = x\n", "'A-B' is no variable name", "a dash");
	bad("[state]\na b = x\n", "'a b' is no variable name", "a blank in a state's name");
	bad("[env]\nA = 1\nB = 2\nA = 3\n", "RESULT:4: 'A' stands twice", "a name twice");
	bad("[evn]\nA = 1\n", "RESULT:1: unknown section [evn]; did you mean [env]?",
		"an unknown section");
	bad("[result]\ndome = yes\n", "unknown key 'dome' in [result]; did you mean 'done'?",
		"an unknown key");
	bad("[result]\ndone = maybe\n", "done is yes or no", "done that is neither");
	bad("A = 1\n", "RESULT:1: ", "a key before the first section");
	bad("[env]\nnonsense\n", "RESULT:2: ", "a line that is nothing");
	bad("[mounts]\ndata = /srv\n", "mount target 'data'", "a relative target");
	bad("[mounts]\n/data = srv\n", "mount source 'srv'", "a relative source");
	bad("[mounts]\n/data = :ro\n", "mount source ':ro'", "no source");
	bad("[mounts]\n/a/../b = /srv\n", "without '..'", "a target with ..");
	bad("[mounts]\n/a = /srv/..\n", "without '..'", "a source with ..");
	bad("[devices]\n/etc/passwd = rw\n", "is no device below /dev", "a file elsewhere");
	bad("[devices]\n/dev/ = rw\n", "is no device below /dev", "/dev itself");
	bad("[devices]\n/dev/../etc/shadow = rw\n", "is no device below /dev", "a way out of /dev");
	bad("[devices]\n/dev/fuse =\n", "access to '/dev/fuse'", "no access");
	bad("[devices]\n/dev/fuse = rx\n", "made of r, w and m", "another letter");
	bad("[devices]\n/dev/fuse = rwmr\n", "made of r, w and m", "too many letters");

	m = xmalloc(1100);
	memset(m, 'x', 1099);
	m[1099] = '\0';
	long_message = xasprintf("[result]\nmessage = %s\n", m);
	free(m);
	bad(long_message, "message has more than 1024 bytes", "a message too long");
}

static void check_files(void)
{
	struct hook_result r = {0};
	struct th_err err = TH_ERR_INIT;
	size_t size = HOOK_RESULT_MAX + 1;
	char *big = xmalloc(size + 1);

	is_int(hook_result_read(tempdir.fd, "none", "none", &r, &err), 0, "no file");
	ok(!r.env.n && !r.done, "is an empty result");
	tempdir_write("empty", "");
	is_int(hook_result_read(tempdir.fd, "empty", "empty", &r, &err), 0, "an empty file too");
	tempdir_write("good", "[env]\nA = 1\n");
	is_int(hook_result_read(tempdir.fd, "good", "good", &r, &err), 0, "a file");
	is_str(r.env.v[0], "A=1", "is read");
	hook_result_done(&r);
	tempdir_symlink("good", "link");
	ok(hook_result_read(tempdir.fd, "link", "the link", &r, &err) < 0,
		"a link is not followed");
	contains(err_text(&err), "the link: is no regular file", "and told");
	err_clear(&err);
	if (mkfifoat(tempdir.fd, "fifo", 0600) < 0)
		bail("mkfifo: %s", strerror(errno));
	ok(hook_result_read(tempdir.fd, "fifo", "fifo", &r, &err) < 0, "a FIFO does not stall us");
	contains(err_text(&err), "is no regular file", "and is told");
	err_clear(&err);
	tempdir_mkdir("dir");
	ok(hook_result_read(tempdir.fd, "dir", "dir", &r, &err) < 0, "a directory");
	contains(err_text(&err), "is no regular file", "is told");
	err_clear(&err);
	memset(big, '\n', size);
	big[size] = '\0';
	tempdir_write("big", big);
	ok(hook_result_read(tempdir.fd, "big", "big", &r, &err) < 0, "more than 64 KiB");
	contains(err_text(&err), "has more than 65536 bytes", "is told");
	err_clear(&err);
	big[size - 1] = '\0';
	tempdir_write("big", big);
	is_int(hook_result_read(tempdir.fd, "big", "big", &r, &err), 0, "64 KiB are fine");
	hook_result_done(&r);
	free(big);
}

int main(void)
{
	tempdir_make();
	check_good();
	check_bad();
	check_files();
	return done_testing();
}
