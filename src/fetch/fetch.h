#ifndef TH_FETCH_FETCH_H
#define TH_FETCH_FETCH_H

/*
 * One job from its begin to its last event. Two threads: one downloads and digests, one unpacks
 * into `tree` below the working directory, with a ring between them. What is unpacked is `done`
 * only after the checksum held; before that it lies in the staging directory of the parent, who
 * throws it away.
 */

#include "fetch/job.h"

/* Sends the last event and returns the status to exit with. */
int fetch_run(const struct job *job);

#endif
