#ifndef TH_FETCH_SANDBOX_H
#define TH_FETCH_SANDBOX_H

/*
 * What a broken parser of this process could reach: nothing but the staging directory to write to,
 * and to read what name resolution, TLS and the dynamic linker need. No privileges are gained by
 * execve(2), no other process is signalled, no port is listened on. By Landlock, Linux 5.13 and
 * later (Documentation/userspace-api/landlock.rst); of a newer kernel's rights the ones known here
 * are used. What is open already stays as it is.
 */

#include "base/error.h"
#include "fetch/job.h"

#include <stdbool.h>

struct sandbox {
	enum job_landlock landlock;
	int staging_fd;		/* a directory to write below */
	int source_fd;		/* a directory to read below; -1: none */
	bool runs_programs;	/* git(1) and what it executes, from the system's directories */
	uint64_t max_file_size; /* of a file that is written */
};

/*
 * For the calling thread and those it starts from then on, for good. 0: done; 1: the kernel has no
 * Landlock, the rest is done; -errno with err: EXIT_UNAVAILABLE where it is required and not there,
 * EXIT_INTERNAL.
 */
int sandbox_enter(const struct sandbox *sandbox, struct th_err *err);

#endif
