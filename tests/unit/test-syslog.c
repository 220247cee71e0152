#include "config.h"

#include "base/syslog.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char path[sizeof(sa.sun_path)], got[8192], tail[64];
	char longest[4096];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0, sent = 0;
	ssize_t n;

	tempdir_make();
	(void)snprintf(path, sizeof(path), "%s", tempdir_path("log"));
	is_int(syslog_send(path, LOG_ERR, "taskhook", "x"), -ENOENT, "nobody is there");
	memcpy(sa.sun_path, path, sizeof(path));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return 1;
	is_int(syslog_send(path, LOG_WARNING, "taskhook", "a/b: one\ntwo"), 0, "sent");
	n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n > 0 ? n : 0] = '\0';
	ok(strncmp(got, "<28>", 4) == 0, "daemon.warning: %s", got);
	(void)snprintf(tail, sizeof(tail), " taskhook[%d]: a/b: one\\ntwo", (int)getpid());
	ok(strstr(got, tail) && !strchr(got, '\n'), "tag, pid, one line");

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	is_int(syslog_send(path, LOG_INFO, "taskhook", longest), 0, "a long one");
	n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	ok(n > 1000 && n < 2200, "is cut");

	/* A daemon that hangs: its queue fills up. */
	while (r == 0 && sent++ < 100000)
		r = syslog_send(path, LOG_INFO, "taskhook", "again");
	is_int(r, -EAGAIN, "nobody waits for a daemon that does not read");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	is_int(syslog_send(longest, LOG_INFO, "taskhook", "x"), -ENAMETOOLONG, "a long path");
	(void)close(fd);
	return done_testing();
}
