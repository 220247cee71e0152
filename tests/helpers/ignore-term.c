/* A process that no polite signal ends. Prints "ready" and waits. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

int main(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

	/* Nothing stays behind where a test fails. */
	(void)alarm(60);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)!write(STDOUT_FILENO, "ready\n", 6);
	for (;;)
		(void)pause();
}
