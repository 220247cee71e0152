#ifndef TH_OS_CGLIMIT_H
#define TH_OS_CGLIMIT_H

/*
 * Limits written to a cgroup and read back (cgroup-v2.rst, Linux 6.1: "Interface Files" of each
 * controller). A limit that the host cannot enforce is an error that names the controller, never
 * dropped. One thing the kernel does not tell: io_weight has an effect only on disks with the bfq
 * scheduler or with io.cost.qos enabled.
 */

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define CGLIMIT_INFINITY UINT64_MAX

struct cglimits {
	/* Each has_ says whether it is set at all. Bytes; CGLIMIT_INFINITY is "max". */
	bool has_memory, has_memory_high, has_memory_low, has_memory_swap;
	uint64_t memory, memory_high, memory_low, memory_swap;
	bool has_cpu;
	uint64_t cpu_ppm; /* millionths of one CPU: 500000 is half of one */
	bool has_cpu_weight;
	uint64_t cpu_weight; /* 1..10000 */
	char *cpus;	     /* "0-3,7" or NULL; owned */
	bool has_pids;
	uint64_t pids;
	bool has_io_weight;
	uint64_t io_weight; /* 1..10000 */
	/* "DEVICE rbps=.. wbps=.. riops=.. wiops=..": at least one of them, sizes, "max" or
	 * "infinity"; DEVICE is /dev/x or MAJ:MIN; a partition stands for its disk. */
	struct strv io_max;
};
#define CGLIMITS_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void cglimits_done(struct cglimits *l);
#define _cleanup_cglimits_ _cleanup_(cglimits_done)

/* The controllers (CGROUP_* bits) that these limits need. */
unsigned cglimits_controllers(const struct cglimits *l);

/* The controller of one key; 0: there is no such key. */
unsigned cglimits_controller_of(const char *key);

/*
 * Writes them to the cgroup at dirfd and reads each back (the kernel may round sizes down to
 * pages). On failure: err names the key as in the task file ("limits.memory" with `section`
 * "limits"), the file and the controller; status EXIT_UNAVAILABLE where the controller, the file or
 * a CPU is missing, EXIT_CONFIG where the kernel refuses the value or a device is none, EXIT_NOPERM
 * where we may not write. 0 or -errno (-EOPNOTSUPP: missing; -EIO: the file says something else
 * than was written). What was written before the failure stays: the caller removes the cgroup.
 */
int cglimits_apply(int dirfd, const struct cglimits *l, const char *section, struct th_err *err);

/*
 * Writes what differs between the limits `from`, which the cgroup has, and `to`, and reads each
 * back; a limit that is not set any more gets the value of a new cgroup. Where one fails, all are
 * made what they were, and the failure is the result, as above; where even that fails, err says
 * so. `from` NULL: nobody knows what it has; then all are written, and nothing is undone.
 */
int cglimits_change(int dirfd, const struct cglimits *from, const struct cglimits *to,
	const char *section, struct th_err *err);

/* True where `b` sets all that `a` sets, to the same values: CPUs are compared as a set, io_max as
 * a set of texts. Else *ret_key (may be NULL; static memory) is the key of the first that differs,
 * as in the task file without its section. */
bool cglimits_within(const struct cglimits *a, const struct cglimits *b, const char **ret_key);

/* The same where each may also be as in `c`. */
bool cglimits_within_either(const struct cglimits *a, const struct cglimits *b,
	const struct cglimits *c, const char **ret_key);
/* Do both set the same? */
bool cglimits_equal(const struct cglimits *a, const struct cglimits *b);

/* The value of one key as a user writes it, several joined by ", "; NULL where it is not set. The
 * caller frees it. */
char *cglimits_value(const struct cglimits *l, const char *key);

/* One line for people and dry runs: "memory=1G pids=64"; "" where nothing is set. The caller frees
 * it. */
char *cglimits_format(const struct cglimits *l);

#endif
