#ifndef TH_MODEL_RECORD_H
#define TH_MODEL_RECORD_H

/*
 * Records: STATE/records/GROUP/ID.json, one for each task, its intent (the task as started) and, in
 *the end, its result. Format version 1, JSON, 0600. Written whole to a temporary name and renamed,
 *no fsync. A record that cannot be read is set aside as ID.json.damaged-TIME by the janitor.
 *
 *	{ "format": 1, "taskhook": "0.1.0", "group": ..., "id": ..., "run": 3, "boot_id": ...,
 *"uid": 0, "started": "RFC 3339", "started_usec": N, "supervisor": {"pid", "start_ticks"}, "task":
 *{task_to_json}, "state": "running", ... and once ended: "ended", "ended_usec", "result",
 *"exit_code", "signal", "oom_killed", "stop_reason", "status", "decided_by", "failed":
 *{"point","hook","reason","output":[...]}, "usage": {...}, "artifacts": [{"name", "source",
 *"destination", "result", "size", "files", "usec", "digest"}] }; "restarts" counts them all,
 *"restart_window": {"begun_usec", "attempts"} what the policy counts (monotonic clock of that
 *boot), "last_exit": {...} how the process before this one ended; "updates": {"limits.memory":
 *{"from", "previous", "to", "at", "at_usec"}} what has been changed since the start, variables
 *without their values.
 */

#include "base/clock.h"
#include "base/error.h"
#include "model/result.h"
#include "model/state.h"
#include "model/task.h"

#include <stdint.h>

#define RECORD_FORMAT 1
#define RECORD_MAX    (4 * 1024 * 1024)

struct usage {
	bool known;
	usec_t cpu_user_usec, cpu_system_usec;
	uint64_t memory_peak; /* bytes; 0 unknown */
	uint64_t io_rbytes, io_wbytes;
	bool has_io;
	uint64_t oom_kills;
};

/* How a process ended that was started once more. */
struct last_exit {
	bool known;
	enum task_result result;
	bool has_exit_code;
	int exit_code, exit_signal;
	bool oom_killed;
	usec_t at;	      /* realtime */
	usec_t duration_usec; /* of the process */
};

struct record {
	int format;
	char *group, *id;
	unsigned run_number; /* counts starts of this ID */
	unsigned restart_count;
	char boot_id[37];
	uid_t uid;
	pid_t supervisor_pid;
	uint64_t supervisor_start_ticks;
	usec_t started, launched, ended; /* realtime; 0: not yet */
	struct restart_counters counters;
	struct last_exit last_exit; /* of the process before this one */
	usec_t duration_usec;	    /* of the process, monotonic */
	enum task_state state;	    /* at the time of writing; the live state is in RUN */
	struct outcome outcome;
	struct strv output; /* last lines of the failing hook */
	struct usage usage;
	char *message;	      /* of a hook's [result], or NULL */
	char *result_file;    /* --result of `start`, absolute, or NULL */
	uint64_t log_dropped; /* bytes */
	struct strv warnings; /* failures that did not stop it, one line each */
	struct artifact_results artifacts;
	json_t *task;	    /* as task_to_json() made it; see record_set_task() */
	char *task_text;    /* the same as record_write() wrote it, for the next time; or NULL */
	json_t *updates;    /* {"limits.memory": {"from": "2G", "to": "1G", "at_usec": N}}: what
			       `update` has changed since the start; or NULL */
	json_t *hook_state; /* {"POINT/NAME": {"state":{}, "done":true, "env":{}, "mounts":{},
			       "devices":{}}}; or NULL */
};

void record_done(struct record *r);
#define _cleanup_record_ _cleanup_(record_done)

/* Takes the reference; NULL: none. */
void record_set_task(struct record *r, json_t *task);

json_t *record_to_json(const struct record *r);
int record_from_json(const json_t *j, struct record *ret, struct th_err *err);

/* Below the directory STATE/records/GROUP, opened by the caller. Whoever writes holds the task's
 * lock. The record before stays as .ID.json.before (file_alternate_at()). */
int record_write(int dirfd, struct record *r, struct th_err *err);
/* -ENOENT: none. -EBADMSG: damaged, or of a newer format (err says which). */
int record_read(int dirfd, const char *id, struct record *ret, struct th_err *err);

/* For the start of the same ID again: the run number of a record as this version writes it, of a
 * run that has ended and owes nothing, read without parsing all of it. -ENOENT: none; any other
 * error: record_read() has to tell. */
int record_read_settled(int dirfd, const char *id, unsigned *ret_run_number);

/* Sets a record that cannot be read aside, as ID.json.damaged-TIME (microseconds), so that it is
 * neither read again nor lost. 0, or -errno with err. */
int record_set_aside(int dirfd, const char *id, struct th_err *err);

/* Removes it and the one before. 0 also where there is none, or -errno. */
int record_remove(int dirfd, const char *id);

#endif
