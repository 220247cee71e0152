/*
 *     fill-pipe [BYTES [CHUNK [FD]]]
 *
 * Writes BYTES (0: without end) to FD (1), CHUNK (4096) at a time, in lines of 64 bytes. Exits 0
 * when all is written, 1 where a write fails.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
	return i < argc ? (size_t)strtoull(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	size_t left = number(argc, argv, 1, 0), chunk = number(argc, argv, 2, 4096);
	int fd = (int)number(argc, argv, 3, STDOUT_FILENO);
	char *data = malloc(chunk + 1);

	(void)alarm(60);
	if (!data)
		return 1;
	memset(data, 'x', chunk);
	for (size_t i = 63; i < chunk; i += 64)
		data[i] = '\n';
	if (left == 0)
		left = SIZE_MAX;
	while (left) {
		ssize_t n = write(fd, data, left < chunk ? left : chunk);

		if (n <= 0) {
			free(data);
			return 1;
		}
		left -= (size_t)n;
	}
	free(data);
	return 0;
}
