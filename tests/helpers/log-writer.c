/*
 * Writes TOTAL bytes to standard output in writes of CHUNK bytes: log-writer TOTAL CHUNK [CPU_FILE]
 * Lines are 100 bytes long. The processor time that it took, in microseconds, goes to CPU_FILE, for
 * whoever can only measure it together with its own.
 */

#include "config.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define LINE_SIZE 100

int main(int argc, char **argv)
{
	_cleanup_free_ char *data = NULL;
	uint64_t total, chunk;
	struct rusage u;

	if (argc < 3 || parse_size(argv[1], &total) < 0 || parse_size(argv[2], &chunk) < 0 ||
		chunk == 0 || chunk > 64 * 1024 * 1024)
		return EXIT_USAGE;
	data = xmalloc(chunk + LINE_SIZE);
	for (size_t i = 0; i < chunk; i++)
		data[i] = i % LINE_SIZE == LINE_SIZE - 1 ? '\n' : (char)('a' + i % 26);
	data[chunk - 1] = '\n';
	while (total > 0) {
		uint64_t n = MIN(total, chunk);

		if (fd_write_all(STDOUT_FILENO, data, n) < 0)
			return EXIT_INTERNAL;
		total -= n;
	}
	if (argc > 3 && getrusage(RUSAGE_SELF, &u) == 0) {
		FILE *f = fopen(argv[3], "we");

		if (!f)
			return EXIT_CANTCREAT;
		fprintf(f, "%" PRIu64 "\n",
			(uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
				(uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec));
		if (fclose(f) != 0)
			return EXIT_CANTCREAT;
	}
	return EXIT_OK;
}
