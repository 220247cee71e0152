#include "config.h"

#include "os/procstat.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CPU time in user mode until the process has used so much of it. */
static void burn(clock_t until)
{
	while (clock() < until)
		;
}

int main(void)
{
	struct procstat sum = {0}, before, none = {0};
	pid_t child;

	is_int(procstat_add(INT_MAX, &none), -ESRCH, "no such process");
	ok(none.processes == 0, "counts for nothing");
	is_int(procstat_add(getpid(), &sum), 0, "this one");
	ok(sum.processes == 1 && sum.threads >= 1, "is one");
	ok(sum.rss_bytes >= 64 * 1024 && sum.file_bytes > 0 && sum.file_bytes <= sum.rss_bytes,
		"memory in bytes");
	before = sum;
	child = fork();
	if (child == 0) {
		burn(CLOCKS_PER_SEC / 5);
		_exit(0);
	}
	(void)waitpid(child, NULL, 0);
	sum = (struct procstat){0};
	(void)procstat_add(getpid(), &sum);
	ok(sum.cpu_user_usec + sum.cpu_system_usec >=
			before.cpu_user_usec + before.cpu_system_usec + 150 * USEC_PER_MSEC,
		"a child that has ended and was waited for counts");
	ok(sum.cpu_user_usec + sum.cpu_system_usec < 100 * USEC_PER_SEC, "in microseconds");
	(void)procstat_add(getpid(), &sum);
	ok(sum.processes == 2, "they add up");
	return done_testing();
}
