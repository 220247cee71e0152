#ifndef TH_RUN_HOOKRUN_H
#define TH_RUN_HOOKRUN_H

/*
 * Runs one hook to its end (taskhook-hooks(7), "How they run"). A hook ends when its process ends,
 *not when its pipe closes. Output goes line by line, bounded, to the sink. At the timeout: SIGTERM
 *to all that it started, kill-after later SIGKILL, 5 s later what is still there is given up and
 *named. What a failing hook left is killed at once; what a successful one left in the background
 *lives on and is reported. While it waits the caller's loop goes on being served.
 *
 *	struct hook_runner *runner = hook_runner_new(loop, on_background_line, arg);
 *	struct hook_run run = {.runner = runner, .loop = loop, .hook = h, ...};
 *	r = hook_run(&run, &err);
 *	... keep or kill run.tree ...
 *	proctree_done(&run.tree);
 *	hook_run_done(&run);
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "model/hook.h"
#include "os/cred.h"
#include "os/loop.h"
#include "os/proctree.h"

#include <jansson.h>
#include <stdbool.h>

#define HOOK_GIVE_UP_USEC (5 * USEC_PER_SEC)

/* One line of output, without the newline. */
typedef void (*hook_line_fn)(void *arg, const struct hook *h, const char *line, size_t n);

/*
 * What is worth keeping from one hook to the next: the open account files of a cgroup that is used
 * again (its fd must stay open under the same number meanwhile; one in which something was killed
 * or left cannot be used again), and the output of what hooks left
 * in the background, which goes on being read, as a closed pipe would end it (SIGPIPE). Its lines
 * come through `fn` whenever the loop runs, in the same bounds as a hook's own.
 */
struct hook_runner;
typedef void (*hook_background_fn)(
	void *arg, enum hook_point point, const char *name, const char *line, size_t n);
/* `fn` may be NULL: such lines are read and thrown away. */
struct hook_runner *hook_runner_new(struct loop *loop, hook_background_fn fn, void *arg);
/* Closes the pipes of the background too. NULL is fine; returns NULL. */
struct hook_runner *hook_runner_free(struct hook_runner *runner);

struct hook_run {
	/* in */
	struct hook_runner *runner; /* NULL: nothing is kept; a background loses its pipe */
	struct loop *loop;
	const struct hook *hook;
	enum hook_point point;
	const struct strv *env;	 /* complete */
	const char *cwd;	 /* task or group directory */
	int cgroup_fd;		 /* a cgroup of its own, empty; -1: a keeper */
	const struct cred *cred; /* NULL: as we are */
	const char *stdin_data;	 /* the record as JSON, or NULL: /dev/null */
	size_t stdin_size;
	hook_line_fn line;
	void *line_arg;
	const bool
		*interrupt; /* set by a signal handler of the loop: end the hook now; NULL: never */
	usec_t deadline;    /* of the whole point (total-timeout), monotonic */
	void (*started)(
		void *arg, const struct proctree *tree); /* for the live state; may be NULL */
	void *started_arg;
	/* out */
	struct proctree tree; /* the caller's: with children left it must be kept or killed */
	usec_t start_realtime, duration;
	bool failed;	  /* anything but exit status 0 */
	bool not_started; /* exec failed; reason says why */
	bool timed_out, interrupted, killed;
	bool given_up; /* something survived SIGKILL */
	int exit_code; /* -1: by signal */
	int exit_signal;
	bool children_left;
	usec_t cpu_usec;
	uint64_t memory_peak; /* 0: unknown */
	char *last_line;      /* owned; NULL: no output */
	char *reason; /* one line: "exit status 3", "timed out after 60s", "killed by SIGSEGV";
			 owned; NULL: fine */
	uint64_t output_bytes, output_dropped;
};

/* 0: it was run (whatever came of it) or could not be started (not_started); -errno: our own
 * failure. */
int hook_run(struct hook_run *r, struct th_err *err);
void hook_run_done(struct hook_run *r); /* not the processes */

/* The JSON line of logs/hooks.jsonl. */
json_t *hook_run_to_json(const struct hook_run *r, unsigned attempt);

/* A hook that was not run: skipped or unsafe, and why. */
json_t *hook_skip_to_json(const struct hook *h, enum hook_point point);
/* Of one that was begun at `since` (realtime) and killed just now, as its supervisor had been. */
json_t *hook_killed_to_json(enum hook_point point, const char *name, usec_t since);

#endif
