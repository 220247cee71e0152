/*
 * A log pump and nothing else, for benchmarks: log-pump DIRECTORY MAX_SIZE MAX_FILES [copy]
 * Standard input goes to DIRECTORY/stdout.log, with "copy" to standard output too.
 */

#include "config.h"

#include "base/parse.h"
#include "run/logpump.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct logpump_spec spec = {.source_fd = STDIN_FILENO, .copy_fd = -1};
	struct logpump *pump = NULL;
	uint64_t max_size, max_files, dropped;
	int dirfd;

	if (argc < 4 || parse_size(argv[2], &max_size) < 0 || parse_size(argv[3], &max_files) < 0 ||
		max_files > 1000)
		return EXIT_USAGE;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.loop = loop_new();
	if (dirfd < 0 || !spec.loop)
		return EXIT_INTERNAL;
	if (argc > 4 && strcmp(argv[4], "copy") == 0) {
		spec.copy_fd = STDOUT_FILENO;
		spec.copy_name = "standard output";
	}
	if (logfile_open(dirfd, "stdout.log", max_size, (unsigned)max_files, &spec.file, &err) <
			0 ||
		logpump_new(&spec, &pump, &err) < 0) {
		fprintf(stderr, "log-pump: %s\n", err_text(&err));
		return err.status;
	}
	while (!logpump_is_done(pump))
		if (loop_run(spec.loop, USEC_INFINITY) < 0)
			return EXIT_INTERNAL;
	dropped = logpump_dropped(pump);
	pump = logpump_free(pump);
	spec.loop = loop_free(spec.loop);
	(void)close(dirfd);
	return dropped ? EXIT_WITH_FAILURES : EXIT_OK;
}
