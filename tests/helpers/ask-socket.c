/*
 *	ask-socket DIRECTORY NAME [leave | hold N]
 *
 * Sends its standard input to the socket NAME of DIRECTORY, then prints what comes back, until the
 * end. With `leave` it ends as soon as it has sent it. With `hold` it makes N connections, prints
 * "held", says nothing, and ends with its standard input.
 *
 * The directory is entered first, as the path of a socket has at most 107 bytes.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(name) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, name, strlen(name));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("connect");
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int copy(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		/* Whoever has heard enough hangs up; what it said is to be read all the same. */
		if (send(to, buf, (size_t)n, MSG_NOSIGNAL) < 0 && write(to, buf, (size_t)n) < 0)
			return 0;
	return 0;
}

static int hold(const char *name, long n)
{
	char c;

	for (long i = 0; i < n; i++)
		if (connect_to(name) < 0)
			return 1;
	puts("held");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	(void)alarm(60);
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 3 || chdir(argv[1]) < 0) {
		fputs("usage: ask-socket DIRECTORY NAME [leave | hold N]\n", stderr);
		return 2;
	}
	if (argc == 5 && strcmp(argv[3], "hold") == 0)
		return hold(argv[2], strtol(argv[4], NULL, 10));
	fd = connect_to(argv[2]);
	if (fd < 0)
		return 1;
	(void)copy(STDIN_FILENO, fd);
	if (argc == 4 && strcmp(argv[3], "leave") == 0)
		return 0;
	(void)copy(fd, STDOUT_FILENO);
	return 0;
}
