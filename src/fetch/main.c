#include "config.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "fetch/event.h"
#include "fetch/fetch.h"
#include "fetch/job.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char usage[] = "usage: taskhook-fetch\n"
			    "\n"
			    "A helper of 'taskhook fetch' and of tasks with artifacts, which start "
			    "it with a socket as\n"
			    "its standard input; see taskhook-fetch(1).\n";

/* Does anybody speak to us through descriptor 0? */
static bool has_parent(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_STREAM;
}

static int run_job(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_job_ struct job job;
	int r;

	job_init(&job);
	event_init(STDIN_FILENO);
	r = job_receive(STDIN_FILENO, &job, &err);
	if (r < 0)
		return event_failed(&err, false);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)err_set(&err, EXIT_INTERNAL, 0, "libcurl cannot be initialised");
		return event_failed(&err, false);
	}
	return fetch_run(&job);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("taskhook-fetch " PACKAGE_VERSION);
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_INTERNAL;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_INTERNAL;
	}
	if (argc > 1 || !has_parent()) {
		fputs("taskhook-fetch: is a helper of 'taskhook fetch' and not run by hand: use "
		      "'taskhook fetch SOURCE DEST'\n",
			stderr);
		return EXIT_USAGE;
	}
	if (fd_fill_standard() < 0)
		return EXIT_INTERNAL;
	/* a parent that has gone is seen where it is written to */
	(void)signal(SIGPIPE, SIG_IGN);
	return run_job();
}
