/*
 *     hold-lock FILE MILLISECONDS
 *
 * Makes FILE and holds an fcntl record lock on it for that long; prints "held" when it has it.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	long ms = argc == 3 ? strtol(argv[2], NULL, 10) : -1;
	int fd;

	if (ms < 0 || ms > 60000) {
		fprintf(stderr, "usage: hold-lock FILE MILLISECONDS\n");
		return 64;
	}
	fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0) {
		perror(argv[1]);
		return 73;
	}
	puts("held");
	(void)fflush(stdout);
	(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
	return 0;
}
