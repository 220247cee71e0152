#include "config.h"

#include "conf/keys.h"

#include "base/clock.h"
#include "base/macro.h"
#include "base/suggest.h"

#include <assert.h>
#include <string.h>

#define KIB ((uint64_t)1024)

#define IN_MAIN	  CONF_IN_MAIN
#define IN_TASK	  CONF_IN_TASK
#define IN_TASKS  (CONF_IN_MAIN | CONF_IN_TASK)
#define IN_GROUPS (CONF_IN_MAIN | CONF_IN_GROUP | CONF_IN_TASK)
#define IN_HOOKS  (CONF_IN_MAIN | CONF_IN_TASK | CONF_IN_HOOK)

#define SIGNED(n) ((uint64_t)(int64_t)(n))

/* A hook never hangs: no timeout of one may be infinite. */
#define HOOK_TIME_MIN USEC_PER_MSEC
#define HOOK_TIME_MAX USEC_PER_DAY

/* Nor any of a fetch: whoever sends without end is cut off. */
#define FETCH_TIME_MIN USEC_PER_MSEC
#define FETCH_TIME_MAX (30 * USEC_PER_DAY)
#define FETCH_SIZE_MAX (KIB << 50)

#define WORDS_AUTO	    "auto"
#define WORDS_CGROUP_MODE   "auto|required|off"
#define WORDS_TASK_STDIN    "auto|null"
#define WORDS_KEEP	    "logs|all|none"
#define WORDS_SUPERVISOR    "end|keep"
#define WORDS_LOG_TO	    "files|none"
#define WORDS_RESTART	    "never|on-failure|always"
#define WORDS_RESTART_MODE  "fail|delay"
#define WORDS_ON_FAILURE    "fail|warn|ignore|stop"
#define WORDS_HOOK_STDIN    "null|record"
#define WORDS_LANDLOCK	    "auto|required|off"
#define WORDS_ARTIFACT_MODE "any|file|dir"
#define WORDS_RUN_IF	    "always|success|failure"

/* clang-format off */
#define ROW(KEY, SECTION, NAME, TYPE, MIN, MAX, DEF, WORDS, WHERE, HELP)                           \
	[KEY] = {KEY, TYPE, WHERE, SECTION, NAME, MIN, MAX, DEF, WORDS, HELP}

#define RLIMIT_ROW(KEY, NAME, HELP)                                                                \
	ROW(KEY, "task", NAME, CONF_RLIMIT, 0, UINT64_MAX, "", "", IN_TASKS, HELP)

/* [limits] and [group-limits]: the same keys for the task's cgroup and for the group's. A process
 * does not start in less than some ten KiB; a bare number without its unit is more likely. The
 * ranges of weights are cgroup-v2.rst's, of pids PID_MAX_LIMIT's; the kernel takes no CPU quota
 * below 1 ms in 100 ms. */
#define LIMIT_ROWS(PREFIX, SECTION, WHERE, WHOSE)                                                  \
	ROW(PREFIX##_MEMORY, SECTION, "memory", CONF_SIZE, 64 * KIB, UINT64_MAX, "", "",       \
		WHERE, "most memory of " WHOSE "; above it the kernel kills (memory.max)"),        \
	ROW(PREFIX##_MEMORY_HIGH, SECTION, "memory-high", CONF_SIZE, 64 * KIB, UINT64_MAX, "",   \
		"", WHERE, "memory of " WHOSE " above which it is slowed down (memory.high)"),   \
	ROW(PREFIX##_MEMORY_LOW, SECTION, "memory-low", CONF_SIZE, 0, UINT64_MAX, "", "",      \
		WHERE, "memory not taken from " WHOSE " while others can give (memory.low)"),      \
	ROW(PREFIX##_MEMORY_SWAP, SECTION, "memory-swap", CONF_SIZE, 0, UINT64_MAX, "", "",    \
		WHERE, "most swap of " WHOSE " (memory.swap.max)"),                                \
	ROW(PREFIX##_CPU, SECTION, "cpu", CONF_CPU, 10000, UINT64_MAX, "", "", WHERE,          \
		"most CPU time of " WHOSE ": 100% or 1 is one CPU (cpu.max)"),                     \
	ROW(PREFIX##_CPU_WEIGHT, SECTION, "cpu-weight", CONF_UINT, 1, 10000, "", "", WHERE,    \
		"share of " WHOSE " where CPU time is short; others have 100 (cpu.weight)"),       \
	ROW(PREFIX##_CPUS, SECTION, "cpus", CONF_CPUS, 0, 0, "", "", WHERE,                    \
		"the CPUs that " WHOSE " may run on (cpuset.cpus)"),                               \
	ROW(PREFIX##_PIDS, SECTION, "pids", CONF_UINT, 1, 4194304, "", "", WHERE,              \
		"most processes and threads of " WHOSE " (pids.max)"),                             \
	ROW(PREFIX##_IO_WEIGHT, SECTION, "io-weight", CONF_UINT, 1, 10000, "", "", WHERE,      \
		"share of " WHOSE " where a disk is busy; others have 100 (io.weight)"),           \
	ROW(PREFIX##_IO_MAX, SECTION, "io-max", CONF_IO_MAX, 0, 0, "", "", WHERE,              \
		"most traffic of " WHOSE " with one device (io.max)")

static const struct conf_key_info keys[] = {
	ROW(KEY_PATHS_STATE, "paths", "state", CONF_PATH, 0, 0,
		TH_LOCALSTATEDIR "/lib/taskhook", "", IN_MAIN,
		"directory of tasks, logs and records"),
	ROW(KEY_PATHS_RUN, "paths", "run", CONF_PATH, 0, 0, TH_RUNSTATEDIR "/taskhook", "",
		IN_MAIN, "directory of locks and of what changes while tasks run"),

	ROW(KEY_CGROUP_PARENT, "cgroup", "parent", CONF_CGROUP, 0, 0, "auto", WORDS_AUTO, IN_MAIN,
		"cgroup that holds those of the task groups"),
	ROW(KEY_CGROUP_MODE, "cgroup", "mode", CONF_ENUM, 0, 0, "auto", WORDS_CGROUP_MODE, IN_MAIN,
		"whether tasks need a cgroup"),

	ROW(KEY_HOOKS_TIMEOUT, "hooks", "timeout", CONF_DURATION, HOOK_TIME_MIN, HOOK_TIME_MAX,
		"60s", "", IN_MAIN, "longest time of one hook"),
	ROW(KEY_HOOKS_KILL_AFTER, "hooks", "kill-after", CONF_DURATION, 0, HOOK_TIME_MAX, "5s",
		"", IN_MAIN, "time from SIGTERM to SIGKILL for a hook past its timeout"),
	ROW(KEY_HOOKS_TOTAL_TIMEOUT, "hooks", "total-timeout", CONF_DURATION, HOOK_TIME_MIN,
		HOOK_TIME_MAX, "5min", "", IN_MAIN,
		"longest time of all hooks of one hook point"),
	ROW(KEY_HOOKS_PASS_ENV, "hooks", "pass-env", CONF_LIST, 0, 0, "", "", IN_MAIN,
		"variables of the caller that hooks get (patterns)"),
	ROW(KEY_HOOKS_PATH, "hooks", "path", CONF_PATHS, 0, 0, "", "", IN_MAIN,
		"more hook directories, searched after the system's"),

	ROW(KEY_NODE_NAME, "node", "name", CONF_STRING, 0, 0, "", "", IN_MAIN,
		"name of this host for hooks; the host name where not set"),
	ROW(KEY_NODE_IP, "node", "ip", CONF_ADDRESS, 0, 0, "", "", IN_MAIN,
		"address of this host for hooks"),
	ROW(KEY_NODE_ROLES, "node", "roles", CONF_LIST, 0, 0, "", "", IN_MAIN,
		"roles of this host; a hook with a role runs where the host has it"),
	ROW(KEY_NODE_CLUSTER_ENDPOINT, "node", "cluster-endpoint", CONF_STRING, 0, 0, "", "",
		IN_MAIN, "EGGO_CLUSTER_API_ENDPOINT of hooks"),
	ROW(KEY_NODE_CLUSTER_CONFIG_DIR, "node", "cluster-config-dir", CONF_PATH, 0, 0,
		"/etc/kubernetes", "", IN_MAIN, "EGGO_CLUSTER_CONFIG_DIR of hooks"),

	ROW(KEY_CLEANUP_OLDER_THAN, "cleanup", "older-than", CONF_DURATION, 0, UINT64_MAX, "7d",
		"", IN_MAIN, "age at which the clean-up removes a task that ended"),
	ROW(KEY_CLEANUP_FAILED_OLDER_THAN, "cleanup", "failed-older-than", CONF_DURATION, 0,
		UINT64_MAX, "30d", "", IN_MAIN,
		"age at which the clean-up removes a task that failed"),

	ROW(KEY_TASK_GROUP, "task", "group", CONF_NAME, 0, 0, "default", "", IN_TASKS,
		"task group"),
	ROW(KEY_TASK_ID, "task", "id", CONF_NAME, 0, 0, "", "", IN_TASK,
		"name of the task within its group"),
	ROW(KEY_TASK_COMMAND, "task", "command", CONF_COMMAND, 0, 0, "", "", IN_TASK,
		"command and its arguments; no shell is run"),
	ROW(KEY_TASK_USER, "task", "user", CONF_USER, 0, 0, "", "", IN_TASKS,
		"user and group that the command runs as"),
	ROW(KEY_TASK_SUPPLEMENTARY_GROUPS, "task", "supplementary-groups", CONF_LIST, 0, 0, "",
		"", IN_TASKS, "supplementary groups, in place of the user's own"),
	ROW(KEY_TASK_WORKDIR, "task", "workdir", CONF_PATH, 0, 0, "", "", IN_TASKS,
		"working directory; the task directory where not set"),
	ROW(KEY_TASK_STDIN, "task", "stdin", CONF_PATH, 0, 0, "auto", WORDS_TASK_STDIN, IN_TASKS,
		"standard input of the command"),
	ROW(KEY_TASK_STOP_SIGNAL, "task", "stop-signal", CONF_SIGNAL, 0, 0, "SIGTERM", "",
		IN_TASKS, "signal that asks the command to end"),
	ROW(KEY_TASK_STOP_TIMEOUT, "task", "stop-timeout", CONF_DURATION, 0, UINT64_MAX, "5s", "",
		IN_TASKS, "time from the stop signal to the kill"),
	ROW(KEY_TASK_MAX_RUN_TIME, "task", "max-run-time", CONF_DURATION, USEC_PER_MSEC, UINT64_MAX,
		"infinity", "", IN_TASKS,
		"time after which the task is stopped, with status 124"),
	ROW(KEY_TASK_KEEP, "task", "keep", CONF_ENUM, 0, 0, "logs", WORDS_KEEP, IN_TASKS,
		"what is kept of the task directory when the task has ended"),
	ROW(KEY_TASK_WHEN_SUPERVISOR_DIES, "task", "when-supervisor-dies", CONF_ENUM, 0, 0, "end",
		WORDS_SUPERVISOR, IN_TASKS, "what becomes of the task of a killed supervisor (keep for start, unless told)"),
	ROW(KEY_TASK_PASS_ENV, "task", "pass-env", CONF_LIST, 0, 0, "", "", IN_TASKS,
		"variables of the caller that the command gets (patterns)"),
	ROW(KEY_TASK_UMASK, "task", "umask", CONF_MODE, 0, 0777, "022", "", IN_TASKS,
		"file mode creation mask of the command"),
	ROW(KEY_TASK_NICE, "task", "nice", CONF_INT, SIGNED(-20), SIGNED(19), "", "", IN_TASKS,
		"nice value of the command"),
	ROW(KEY_TASK_OOM_SCORE_ADJ, "task", "oom-score-adj", CONF_INT, SIGNED(-1000), SIGNED(1000),
		"", "", IN_TASKS,
		"how readily the kernel kills the command when out of memory"),
	RLIMIT_ROW(KEY_TASK_LIMIT_AS, "limit-as", "address space in bytes (RLIMIT_AS)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_CORE, "limit-core", "size of a core file (RLIMIT_CORE)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_CPU, "limit-cpu", "CPU time in seconds (RLIMIT_CPU)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_DATA, "limit-data", "data segment in bytes (RLIMIT_DATA)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_FSIZE, "limit-fsize", "size of a written file (RLIMIT_FSIZE)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_MEMLOCK, "limit-memlock", "locked memory (RLIMIT_MEMLOCK)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_MSGQUEUE, "limit-msgqueue",
		"bytes in POSIX message queues (RLIMIT_MSGQUEUE)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_NICE, "limit-nice",
		"20 minus the lowest nice value (RLIMIT_NICE)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_NOFILE, "limit-nofile", "open files (RLIMIT_NOFILE)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_NPROC, "limit-nproc", "processes of the user (RLIMIT_NPROC)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_RSS, "limit-rss", "resident memory; without effect (RLIMIT_RSS)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_RTPRIO, "limit-rtprio", "real-time priority (RLIMIT_RTPRIO)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_RTTIME, "limit-rttime",
		"microseconds without a blocking call under real-time scheduling (RLIMIT_RTTIME)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_SIGPENDING, "limit-sigpending",
		"queued signals of the user (RLIMIT_SIGPENDING)"),
	RLIMIT_ROW(KEY_TASK_LIMIT_STACK, "limit-stack", "stack in bytes (RLIMIT_STACK)"),

	LIMIT_ROWS(KEY_LIMITS, "limits", IN_TASKS, "the task"),
	LIMIT_ROWS(KEY_GROUP_LIMITS, "group-limits", IN_GROUPS, "the group"),

	ROW(KEY_LOGS_TO, "logs", "to", CONF_ENUM, 0, 0, "files", WORDS_LOG_TO, IN_TASKS,
		"where the command's output goes"),
	ROW(KEY_LOGS_MAX_SIZE, "logs", "max-size", CONF_SIZE, KIB, UINT64_MAX, "10M", "",
		IN_TASKS, "size at which a log file is rotated"),
	ROW(KEY_LOGS_MAX_FILES, "logs", "max-files", CONF_UINT, 1, 1000, "10", "", IN_TASKS,
		"number of files of one log, the active one included"),

	ROW(KEY_RESTART_POLICY, "restart", "policy", CONF_ENUM, 0, 0, "never", WORDS_RESTART,
		IN_TASKS, "after which ends the command is started once more"),
	ROW(KEY_RESTART_ATTEMPTS, "restart", "attempts", CONF_UINT, 0, 1000, "", "", IN_TASKS,
		"restarts in one interval; 3 for on-failure and 2 for always where not set"),
	ROW(KEY_RESTART_INTERVAL, "restart", "interval", CONF_DURATION, 5 * USEC_PER_SEC,
		UINT64_MAX, "", "", IN_TASKS,
		"time in which restarts are counted; 24h and 30min where not set"),
	ROW(KEY_RESTART_DELAY, "restart", "delay", CONF_DURATION, 0, UINT64_MAX, "15s", "",
		IN_TASKS, "time from an end to the restart"),
	ROW(KEY_RESTART_MAX_DELAY, "restart", "max-delay", CONF_DURATION, 0, UINT64_MAX, "",
		"", IN_TASKS, "up to which the delay doubles with each restart of an interval"),
	ROW(KEY_RESTART_MODE, "restart", "mode", CONF_ENUM, 0, 0, "fail", WORDS_RESTART_MODE,
		IN_TASKS, "what is done when the attempts are used up"),
	ROW(KEY_RESTART_SUCCESS_CODES, "restart", "success-codes", CONF_LIST, 0, 0, "", "",
		IN_TASKS, "exit codes besides 0 that are no failure (128+N for signal N)"),

	ROW(KEY_FETCH_USER, "fetch", "user", CONF_USER, 0, 0, "auto", "", IN_MAIN,
		"user that fetches artifacts; auto: taskhook-fetch where it exists, else nobody"),
	ROW(KEY_FETCH_PARALLEL, "fetch", "parallel", CONF_UINT, 1, 64, "3", "", IN_MAIN,
		"artifacts of one task that are fetched at the same time"),
	ROW(KEY_FETCH_RETRIES, "fetch", "retries", CONF_UINT, 0, 100, "3", "", IN_MAIN,
		"how often a failed download is tried again"),
	ROW(KEY_FETCH_TIMEOUT, "fetch", "timeout", CONF_DURATION, FETCH_TIME_MIN, FETCH_TIME_MAX,
		"30min", "", IN_MAIN, "longest time of one artifact, retries included"),
	ROW(KEY_FETCH_STALL_TIMEOUT, "fetch", "stall-timeout", CONF_DURATION, FETCH_TIME_MIN,
		FETCH_TIME_MAX, "30s", "", IN_MAIN, "longest time without a byte"),
	ROW(KEY_FETCH_MAX_SIZE, "fetch", "max-size", CONF_SIZE, 1, FETCH_SIZE_MAX, "10G", "",
		IN_MAIN, "most bytes of one artifact as downloaded"),
	ROW(KEY_FETCH_MAX_UNPACKED, "fetch", "max-unpacked", CONF_SIZE, 1, FETCH_SIZE_MAX, "20G",
		"", IN_MAIN, "most bytes of one artifact as unpacked"),
	ROW(KEY_FETCH_MAX_FILES, "fetch", "max-files", CONF_UINT, 1, 16777216, "65536", "",
		IN_MAIN, "most files, directories and links of one artifact"),
	ROW(KEY_FETCH_MAX_DEPTH, "fetch", "max-depth", CONF_UINT, 1, 256, "64", "", IN_MAIN,
		"most directories above a file of an artifact"),
	ROW(KEY_FETCH_MAX_REDIRECTS, "fetch", "max-redirects", CONF_UINT, 0, 100, "10", "",
		IN_MAIN, "most redirects of one download"),
	ROW(KEY_FETCH_CA_FILE, "fetch", "ca-file", CONF_NEAR_PATH, 0, 0, "", "", IN_MAIN,
		"certificates that servers are checked with; the system's where not set"),
	ROW(KEY_FETCH_NETRC_FILE, "fetch", "netrc-file", CONF_NEAR_PATH, 0, 0, "", "", IN_MAIN,
		"names and passwords for hosts, as netrc(5)"),
	ROW(KEY_FETCH_LANDLOCK, "fetch", "landlock", CONF_ENUM, 0, 0, "auto", WORDS_LANDLOCK,
		IN_MAIN, "whether the fetcher must be confined by Landlock"),

	ROW(KEY_ARTIFACT_SOURCE, "artifact", "source", CONF_SOURCE, 0, 0, "", "", IN_GROUPS,
		"where the artifact comes from, as go-getter writes it"),
	ROW(KEY_ARTIFACT_CHECKSUM, "artifact", "checksum", CONF_STRING, 0, 0, "", "", IN_GROUPS,
		"what it must be: TYPE:HEX, HEX, or file:URL"),
	ROW(KEY_ARTIFACT_DESTINATION, "artifact", "destination", CONF_STRING, 0, 0, "local/", "",
		IN_GROUPS, "where it goes, below the shared directory of the group"),
	ROW(KEY_ARTIFACT_MODE, "artifact", "mode", CONF_ENUM, 0, 0, "any", WORDS_ARTIFACT_MODE,
		IN_GROUPS, "what the destination is"),
	ROW(KEY_ARTIFACT_EXTRACT, "artifact", "extract", CONF_STRING, 0, 0, "auto", "", IN_GROUPS,
		"whether it is unpacked: auto, no, or the type of archive"),
	ROW(KEY_ARTIFACT_FILENAME, "artifact", "filename", CONF_STRING, 0, 0, "", "", IN_GROUPS,
		"name of a file that is not unpacked; the source's last part where not set"),
	ROW(KEY_ARTIFACT_HEADER, "artifact", "header-NAME", CONF_HEADERS, 0, 0, "", "",
		IN_GROUPS, "a header of the request"),
	ROW(KEY_ARTIFACT_RETRIES, "artifact", "retries", CONF_UINT, 0, 100, "", "", IN_GROUPS,
		"how often a failed download is tried again; that of [fetch] where not set"),
	ROW(KEY_ARTIFACT_INSECURE, "artifact", "insecure", CONF_BOOL, 0, 0, "no", "", IN_GROUPS,
		"whether the server's certificate is not checked"),
	ROW(KEY_ARTIFACT_CA_FILE, "artifact", "ca-file", CONF_NEAR_PATH, 0, 0, "", "", IN_GROUPS,
		"certificates that its server is checked with"),
	ROW(KEY_ARTIFACT_CLIENT_CERT, "artifact", "client-cert", CONF_NEAR_PATH, 0, 0, "", "",
		IN_GROUPS, "certificate that is shown to the server"),
	ROW(KEY_ARTIFACT_CLIENT_KEY, "artifact", "client-key", CONF_NEAR_PATH, 0, 0, "", "",
		IN_GROUPS, "key of the client's certificate"),
	ROW(KEY_ARTIFACT_NETRC_FILE, "artifact", "netrc-file", CONF_NEAR_PATH, 0, 0, "", "",
		IN_GROUPS, "names and passwords for hosts, as netrc(5)"),
	ROW(KEY_ARTIFACT_CHOWN, "artifact", "chown", CONF_USER, 0, 0, "", "", IN_GROUPS,
		"owner of what was fetched; that of the shared directory where not set"),
	ROW(KEY_ARTIFACT_TIMEOUT, "artifact", "timeout", CONF_DURATION, FETCH_TIME_MIN,
		FETCH_TIME_MAX, "", "", IN_GROUPS, "longest time, retries included"),
	ROW(KEY_ARTIFACT_STALL_TIMEOUT, "artifact", "stall-timeout", CONF_DURATION, FETCH_TIME_MIN,
		FETCH_TIME_MAX, "", "", IN_GROUPS, "longest time without a byte"),
	ROW(KEY_ARTIFACT_MAX_SIZE, "artifact", "max-size", CONF_SIZE, 1, FETCH_SIZE_MAX, "", "",
		IN_GROUPS, "most bytes as downloaded"),
	ROW(KEY_ARTIFACT_MAX_UNPACKED, "artifact", "max-unpacked", CONF_SIZE, 1, FETCH_SIZE_MAX, "",
		"", IN_GROUPS, "most bytes as unpacked"),
	ROW(KEY_ARTIFACT_MAX_FILES, "artifact", "max-files", CONF_UINT, 1, 16777216, "", "",
		IN_GROUPS, "most files, directories and links"),

	ROW(KEY_HOOK_SCHEDULE, "hook", "schedule", CONF_LIST, 0, 0, "", "", IN_TASKS,
		"hook points at which the hook runs"),
	ROW(KEY_HOOK_PATH, "hook", "path", CONF_NEAR_PATH, 0, 0, "", "", IN_TASKS,
		"the hook, or a directory of hooks"),
	ROW(KEY_HOOK_TIMEOUT, "hook", "timeout", CONF_DURATION, HOOK_TIME_MIN, HOOK_TIME_MAX, "",
		"", IN_HOOKS, "longest time of this hook"),
	ROW(KEY_HOOK_KILL_AFTER, "hook", "kill-after", CONF_DURATION, 0, HOOK_TIME_MAX, "", "",
		IN_HOOKS, "time from SIGTERM to SIGKILL; that of [hooks] where not set"),
	ROW(KEY_HOOK_ON_FAILURE, "hook", "on-failure", CONF_ENUM, 0, 0, "", WORDS_ON_FAILURE,
		IN_HOOKS,
		"what a failure of this hook means; the hook point decides where not set"),
	ROW(KEY_HOOK_RETRIES, "hook", "retries", CONF_UINT, 0, 100, "0", "", IN_HOOKS,
		"how often a failed hook is run again"),
	ROW(KEY_HOOK_RETRY_DELAY, "hook", "retry-delay", CONF_DURATION, 0, HOOK_TIME_MAX, "1s",
		"", IN_HOOKS, "time before a failed hook is run again"),
	ROW(KEY_HOOK_ROLE, "hook", "role", CONF_LIST, 0, 0, "", "", IN_HOOKS,
		"the hook runs on a host that has one of these roles"),
	ROW(KEY_HOOK_GROUPS, "hook", "groups", CONF_LIST, 0, 0, "", "", IN_HOOKS,
		"the hook runs for these task groups (patterns)"),
	ROW(KEY_HOOK_OPERATORS, "hook", "operators", CONF_LIST, 0, 0, "", "", IN_HOOKS,
		"the hook runs for these operators"),
	ROW(KEY_HOOK_USER, "hook", "user", CONF_USER, 0, 0, "", "", IN_HOOKS,
		"user and group that the hook runs as"),
	ROW(KEY_HOOK_STDIN, "hook", "stdin", CONF_ENUM, 0, 0, "null", WORDS_HOOK_STDIN, IN_HOOKS,
		"standard input of the hook"),
	ROW(KEY_HOOK_RUN_IF, "hook", "run-if", CONF_ENUM, 0, 0, "always", WORDS_RUN_IF, IN_HOOKS,
		"by how the task ended or its start failed"),
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(keys) == CONF_KEY_COUNT, "a key without a row");

/* Sections that are not made of rows alone. */
static const struct {
	const char *name;
	unsigned where;
} free_sections[] = {
	{"env", IN_GROUPS},
};

const struct conf_key_info *conf_key_info(enum conf_key key)
{
	assert(key < CONF_KEY_COUNT);
	return &keys[key];
}

bool conf_type_is_list(enum conf_type type)
{
	return type == CONF_LIST || type == CONF_PATHS || type == CONF_IO_MAX ||
	       type == CONF_HEADERS;
}

static const struct {
	const char *word;
	enum conf_key first, last;
	const char *shown; /* in suggestions */
} named[] = {
	[CONF_NAMED_ARTIFACT] = {"artifact", KEY_ARTIFACT_SOURCE, KEY_ARTIFACT_MAX_FILES,
		"artifact NAME"},
	[CONF_NAMED_HOOK] = {"hook", KEY_HOOK_SCHEDULE, KEY_HOOK_RUN_IF, "hook NAME"},
};
_Static_assert(ARRAY_SIZE(named) == CONF_NAMED_COUNT, "a kind without a row");

const char *conf_named_word(enum conf_named kind)
{
	return named[kind].word;
}

enum conf_key conf_named_first_key(enum conf_named kind)
{
	return named[kind].first;
}

enum conf_key conf_named_last_key(enum conf_named kind)
{
	return named[kind].last;
}

const char *conf_section_name(const char *section, enum conf_named *ret_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		size_t n = strlen(named[i].word);

		if (strncmp(section, named[i].word, n) != 0 || !strchr(" \t", section[n]))
			continue;
		if (ret_kind)
			*ret_kind = (enum conf_named)i;
		return section + n + strspn(section + n, " \t");
	}
	return NULL;
}

static const char *section_of_rows(const char *section)
{
	enum conf_named kind;

	return conf_section_name(section, &kind) ? named[kind].word : section;
}

static bool is_name_of(const struct conf_key_info *info, const char *name)
{
	if (info->type == CONF_HEADERS)
		return strncmp(name, info->name, strlen(CONF_HEADER_PREFIX)) == 0 &&
		       name[strlen(CONF_HEADER_PREFIX)] != '\0';
	return strcmp(info->name, name) == 0;
}

const struct conf_key_info *conf_key_find(const char *section, const char *name)
{
	section = section_of_rows(section);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (is_name_of(&keys[i], name) && strcmp(keys[i].section, section) == 0)
			return &keys[i];
	return NULL;
}

unsigned conf_section_where(const char *section)
{
	enum conf_named kind;
	const char *name = conf_section_name(section, &kind);
	unsigned where = 0;

	for (size_t i = 0; i < ARRAY_SIZE(free_sections); i++)
		if (strcmp(free_sections[i].name, section) == 0)
			return free_sections[i].where;
	section = section_of_rows(section);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].section, section) == 0)
			where |= keys[i].where;
	/* A hook's own file is about that hook, everywhere else it has to be named. */
	if (name)
		where &= *name ? ~(unsigned)CONF_IN_HOOK : (unsigned)CONF_IN_HOOK;
	return where;
}

bool conf_section_is_known(const char *section, unsigned where)
{
	return (conf_section_where(section) & where) != 0;
}

const char *conf_suggest_section(const char *section, unsigned where)
{
	const char *words[ARRAY_SIZE(keys) + ARRAY_SIZE(free_sections)];
	const char *nearest;
	size_t n = 0, len = strcspn(section, " \t");
	char first[16];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if ((keys[i].where & where) != 0 &&
			(n == 0 || strcmp(words[n - 1], keys[i].section) != 0))
			words[n++] = keys[i].section;
	for (size_t i = 0; i < ARRAY_SIZE(free_sections); i++)
		if ((free_sections[i].where & where) != 0)
			words[n++] = free_sections[i].name;

	/* Of "hok 10-net" the first word is to be compared. */
	if (len < sizeof(first) && section[len] != '\0') {
		memcpy(first, section, len);
		first[len] = '\0';
		section = first;
	}
	nearest = suggest_nearest(section, words, n);
	for (size_t i = 0; nearest && i < ARRAY_SIZE(named); i++)
		if (strcmp(nearest, named[i].word) == 0 && (where & CONF_IN_HOOK) == 0)
			return named[i].shown;
	return nearest;
}

const char *conf_suggest_key(const char *section, const char *name, unsigned where)
{
	const char *words[ARRAY_SIZE(keys)];
	size_t n = 0;

	section = section_of_rows(section);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if ((keys[i].where & where) != 0 && strcmp(keys[i].section, section) == 0)
			words[n++] = keys[i].name;
	return suggest_nearest(name, words, n);
}
