#include "config.h"

#include "base/syslog.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

/* What daemons take of one line at least (RFC 5424, 6.1), and more than people read. */
#define TEXT_MAX 2048

/* The names of months are English whatever the locale. */
static void write_date(char *buf, size_t size)
{
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	struct tm tm;

	*buf = '\0';
	if (localtime_r(&now, &tm))
		(void)snprintf(buf, size, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int syslog_send(const char *path, int priority, const char *tag, const char *text)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_free_ char *shown = str_escape(text, TEXT_MAX), *line = NULL;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char date[64];
	size_t n = strlen(path);

	if (fd < 0)
		return -errno;
	if (n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, n);
	write_date(date, sizeof(date));
	line = xasprintf(
		"<%d>%s%s[%d]: %s", LOG_DAEMON | priority, date, tag, (int)getpid(), shown);
	if (sendto(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT,
		    (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return 0;
}
