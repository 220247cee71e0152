/*
 * taskhook-fetch with a parser that the archive has taken over: what is called for the first member
 * of an archive tries what such code would, from within the real program and whatever confines it,
 * says on stderr what came of it, and ends.
 *
 * It reads "../secret" and makes "../planted", beside the staging directory, and executes
 * /bin/true.
 */

#include "config.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS 9

static const char *come_of(int r)
{
	return r < 0 ? strerror(errno) : "done";
}

static int execute(const char *path)
{
	char *const argv[] = {(char *)(uintptr_t)path, NULL};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)execv(path, argv);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

/* In the place of libarchive's: the linker finds this one first. */
int archive_read_next_header(struct archive *a, struct archive_entry **entry)
{
	(void)a;
	(void)entry;
	(void)fprintf(stderr, "the archive's code: read: %s, ",
		come_of(open("../secret", O_RDONLY | O_CLOEXEC)));
	(void)fprintf(stderr, "write: %s, ",
		come_of(open("../planted", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	(void)fprintf(stderr, "execute: %s\n", come_of(execute("/bin/true")));
	_exit(STATUS);
}
