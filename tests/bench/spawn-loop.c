/*
 * The physical limit for a directory of hooks: spawn-loop DIR runs each file of DIR, by name, with
 * vfork and exec and waits with a time limit through a pidfd. No isolation, no output, no record.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int is_file(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int n = argc > 1 ? scandir(argv[1], &entries, is_file, alphasort) : -1;

	for (int i = 0; i < n; i++) {
		char path[4096];
		char *args[] = {path, NULL};
		struct pollfd p = {.events = POLLIN};
		pid_t pid;

		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): the limit
				  itself */
		if (pid == 0) {
			execve(path, args, environ);
			_exit(127);
		}
		if (pid < 0)
			return 1;
		p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (poll(&p, 1, 60000) != 1)
			return 1;
		close(p.fd);
		if (waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	return n <= 0;
}
