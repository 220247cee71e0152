/*
 *     daemonize [close] [ignore]
 *
 * Forks away twice with a session of its own in between, as a daemon does, and exits 0. Prints the
 * daemon's pid in a line first. The daemon runs on; with `close` it keeps no standard streams, and
 * with `ignore` it ignores SIGTERM and SIGHUP.
 */
#include "config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

__attribute__((noreturn)) static void run_daemon(bool close_streams, bool ignore)
{
	/* Nothing stays behind where a test fails. */
	(void)alarm(60);
	if (ignore) {
		(void)signal(SIGTERM, SIG_IGN);
		(void)signal(SIGHUP, SIG_IGN);
	}
	printf("%d\n", (int)getpid());
	(void)fflush(stdout);
	for (int fd = 0; close_streams && fd < 3; fd++)
		(void)close(fd);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setsid() < 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			run_daemon(has_word(argc, argv, "close"), has_word(argc, argv, "ignore"));
		_exit(pid < 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WEXITSTATUS(status);
}
