#ifndef TH_RUN_LIVE_H
#define TH_RUN_LIVE_H

/*
 * The changing state of a running task: RUN/GROUP/ID/live, a small file of fixed layout that its
 * supervisor has mapped. A change is a few stores, so it is noted before each step at no cost, and
 * it outlives a SIGKILL of the supervisor. Readers copy it under a sequence count. The space is
 * allocated when the file is made (posix_fallocate(3)), so a full file system is an error then and
 * no SIGBUS later. Valid for one boot (boot_id inside).
 */

#include "base/clock.h"
#include "base/error.h"
#include "model/point.h"
#include "model/record.h"
#include "model/state.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LIVE_VERSION 2

/* How far the making of cgroups has come. What is being made is noted only where nothing of that
 * name was there, so that an empty one without a mark, which a SIGKILL has left, is known as ours.
 */
enum live_cgroups {
	LIVE_CGROUPS_NONE,
	LIVE_CGROUPS_BEGUN,
	LIVE_CGROUPS_MAKING_GROUP,
	LIVE_CGROUPS_MAKING_TASK,
};

/* How the process ended: noted before the first post-exit hook, as whoever takes over has no other
 * source; it holds until the next launch. */
struct live_exit {
	uint8_t known;
	uint8_t result; /* enum task_result */
	uint8_t has_exit_code;
	uint8_t oom_killed;
	int32_t exit_code, exit_signal, status;
	uint64_t duration_usec;
	struct usage usage; /* of all processes so far */
};

/* The record has the new values of an update: the cgroup may have them or not; the process gets the
 * rest with a restart. */
enum {
	LIVE_UPDATE_NONE = 0,
	LIVE_UPDATE_CGROUP = 1 << 0,
	LIVE_UPDATE_RESTART = 1 << 1,
	LIVE_UPDATE_HOOKS = 1 << 2, /* of post-update */
};

struct live_state {
	char boot_id[40];
	int32_t supervisor_pid;
	uint64_t supervisor_start_ticks;
	int32_t state;	     /* enum task_state */
	uint64_t since_usec; /* realtime, of the state */
	int32_t main_pid;    /* 0: none; -1: is being started right now */
	uint64_t main_start_ticks;
	int32_t keeper_pid; /* without a cgroup: os/proctree.h; 0: none */
	uint64_t keeper_start_ticks;
	uint32_t run_number, restart_count;
	/* What is owed, noted before it is done. */
	uint8_t deploy_begun;
	uint8_t dirs_begun;	 /* task directory */
	uint8_t cgroup_begun;	 /* enum live_cgroups */
	uint8_t pre_start_begun; /* then all post-stop hooks are owed */
	uint8_t pre_stop_begun;	 /* then no pre-stop hook is run again */
	uint8_t post_exit_done;
	uint8_t post_stop_begun;
	uint8_t stop_reason;  /* enum stop_reason */
	uint8_t is_run;	      /* foreground: the task ends with its supervisor */
	uint8_t update_begun; /* LIVE_UPDATE_* */
	/* The hook that runs right now. */
	int32_t hook_point; /* enum hook_point; POINT_NONE: none */
	uint64_t hook_since_usec, hook_timeout_usec;
	int32_t hook_pid;
	uint64_t hook_start_ticks;
	int32_t hook_keeper_pid;
	uint64_t hook_keeper_start_ticks;
	char hook_name[256];
	/* The last one that has come to its end in this state, where its point is gone on with
	 * (run/hooksession.h); "": none. */
	char hook_done[256];
	char cgroup[1024]; /* absolute path of the task's cgroup; "": none */
	uint64_t log_dropped;
	/* Restarts: what the policy has counted (monotonic clock), when the next one is (realtime;
	 * 0: none is waited for), and when max-run-time is over (monotonic; 0: never). */
	uint64_t restart_window_usec;
	uint32_t restart_attempts;
	uint64_t retry_at_usec;
	uint64_t max_run_at_usec;
	struct live_exit exit;
	/* What a stop that is under way was asked for, instead of what the task says. */
	int32_t stop_signal; /* 0: the task's */
	uint8_t has_stop_timeout;
	uint64_t stop_timeout_usec;
};

struct live; /* the writer's end */

/* Makes (replaces) the file in dirfd = RUN/GROUP/ID. It has its name only once it says `first`:
 * what an earlier file noted as owed can be handed on without a moment in which nothing tells of
 * it. */
int live_create(int dirfd, const struct live_state *first, struct live **ret, struct th_err *err);
struct live *live_free(struct live *l); /* unmaps; the file stays */
/* The same in a process that is about to end, and takes the mapping along. To unmap a page when the
 * process has run on two processors, as one does that shares its memory with a child until exec,
 * interrupts the other: a hundredth of a short run. */
struct live *live_leave(struct live *l);
/* Between begin and end the fields of the returned state may be changed. */
struct live_state *live_begin(struct live *l);
void live_end(struct live *l);
const struct live_state *live_get(const struct live *l);

/* A consistent copy for readers. -ENOENT: no file; -EBADMSG: another version or torn. Of another
 * boot: 0, the caller compares boot_id. */
int live_read(int dirfd, struct live_state *ret);

#endif
