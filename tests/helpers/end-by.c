/*
 *     end-by exit N      exits with status N
 *     end-by signal N    is ended by signal N
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc == 3 ? (int)strtol(argv[2], NULL, 10) : -1;
	sigset_t none;

	(void)alarm(60);
	if (n >= 0 && strcmp(argv[1], "exit") == 0)
		return n;
	if (n > 0 && strcmp(argv[1], "signal") == 0) {
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		(void)signal(n, SIG_DFL);
		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)kill(getpid(), n);
		for (;;)
			(void)pause();
	}
	fprintf(stderr, "usage: end-by exit|signal N\n");
	return 64;
}
