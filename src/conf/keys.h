#ifndef TH_CONF_KEYS_H
#define TH_CONF_KEYS_H

/*
 * The one table of all configuration keys: parsing, defaults, `config show`, `config check`, --set,
 * completion and the man page's test read it. Adding a key is one row in keys.c (and its use).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_STRING,
	CONF_BOOL,
	CONF_UINT,     /* min..max */
	CONF_INT,      /* min..max */
	CONF_SIZE,     /* bytes; "infinity" where max is UINT64_MAX */
	CONF_DURATION, /* usec; "infinity" where max is UINT64_MAX */
	CONF_CPU,      /* "50%" or "1.5" (CPUs): millionths of one CPU; "infinity" */
	CONF_SIGNAL,
	CONF_MODE,	/* octal */
	CONF_ENUM,	/* one of `words` */
	CONF_COMMAND,	/* words as in a shell (base/words.h) */
	CONF_PATH,	/* absolute path, or one of `words` */
	CONF_NEAR_PATH, /* path; a relative one is taken from the directory of its file */
	CONF_CGROUP,	/* path below the cgroup2 mount, relative, without "." and "..", or one of
			   `words` */
	CONF_NAME,    /* group or ID of a task: its form; reserved names are refused by model/name.h
		       */
	CONF_USER,    /* NAME[:GROUP], names or numbers; whether they exist is asked at the start */
	CONF_ADDRESS, /* IPv4 or IPv6 address (inet_pton(3)) */
	CONF_LIST,    /* words separated by blanks or commas; a repeated key adds */
	CONF_PATHS,   /* CONF_LIST of absolute paths */
	CONF_IO_MAX,  /* "DEVICE rbps=SIZE wbps=SIZE riops=N wiops=N", kept whole; a repeated key
			 adds */
	CONF_RLIMIT,  /* SOFT[:HARD], numbers, sizes or "infinity"; both are SOFT where HARD is
			 absent */
	CONF_CPUS,    /* list of CPUs as cpuset.cpus takes it: "0-3,7" */
	CONF_SOURCE,  /* of an artifact; one that begins with "./" or "../" is taken from the
			 directory  of its file */
	CONF_HEADERS, /* a family of keys "header-NAME", kept as a list of "NAME: VALUE"; their
			 values are secrets */
};

/* What the keys of CONF_HEADERS begin with. */
#define CONF_HEADER_PREFIX "header-"

/* In which files a key may stand. Task-file sections may all stand in taskhook.conf as defaults. */
enum {
	CONF_IN_MAIN = 1 << 0,	/* taskhook.conf, taskhook.conf.d */
	CONF_IN_GROUP = 1 << 1, /* group.ini */
	CONF_IN_TASK = 1 << 2,	/* task file, --set */
	CONF_IN_HOOK = 1 << 3,	/* NAME.conf beside a hook: [hook] */
};

/* Fixed keys. Sections with a name of their own ("hook NAME") are listed once, under "hook". */
enum conf_key {
	/* [paths] */
	KEY_PATHS_STATE, /* /var/lib/taskhook */
	KEY_PATHS_RUN,	 /* /run/taskhook */
	/* [cgroup] */
	KEY_CGROUP_PARENT, /* auto, or a path relative to the cgroup2 mount */
	KEY_CGROUP_MODE,   /* auto required off */
	/* [hooks] */
	KEY_HOOKS_TIMEOUT,	 /* 60s */
	KEY_HOOKS_KILL_AFTER,	 /* 5s */
	KEY_HOOKS_TOTAL_TIMEOUT, /* 5min */
	KEY_HOOKS_PASS_ENV,	 /* globs */
	KEY_HOOKS_PATH, /* more hook directories, searched like /etc/taskhook/hooks.d; LIST of
			   absolute paths; empty */
	/* [node] */
	KEY_NODE_NAME,
	KEY_NODE_IP,
	KEY_NODE_ROLES,
	KEY_NODE_CLUSTER_ENDPOINT,
	KEY_NODE_CLUSTER_CONFIG_DIR, /* /etc/kubernetes */
	/* [cleanup] */
	KEY_CLEANUP_OLDER_THAN,	       /* 7d */
	KEY_CLEANUP_FAILED_OLDER_THAN, /* 30d */
	/* [task] */
	KEY_TASK_GROUP, /* default */
	KEY_TASK_ID,
	KEY_TASK_COMMAND,
	KEY_TASK_USER,
	KEY_TASK_SUPPLEMENTARY_GROUPS,
	KEY_TASK_WORKDIR, /* default: the task directory */
	KEY_TASK_STDIN,	  /* auto (run passes its own on, a terminal only with -I), null, or an
			     absolute path */
	KEY_TASK_STOP_SIGNAL,
	KEY_TASK_STOP_TIMEOUT,	       /* 5s */
	KEY_TASK_MAX_RUN_TIME,	       /* infinity */
	KEY_TASK_KEEP,		       /* logs all none */
	KEY_TASK_WHEN_SUPERVISOR_DIES, /* end, keep */
	KEY_TASK_PASS_ENV,	       /* globs of the caller's environment */
	KEY_TASK_UMASK,		       /* 022 */
	KEY_TASK_NICE,
	KEY_TASK_OOM_SCORE_ADJ,
	KEY_TASK_LIMIT_AS, /* limit-as ... limit-stack: setrlimit(2), in this order */
	KEY_TASK_LIMIT_CORE,
	KEY_TASK_LIMIT_CPU,
	KEY_TASK_LIMIT_DATA,
	KEY_TASK_LIMIT_FSIZE,
	KEY_TASK_LIMIT_MEMLOCK,
	KEY_TASK_LIMIT_MSGQUEUE,
	KEY_TASK_LIMIT_NICE,
	KEY_TASK_LIMIT_NOFILE,
	KEY_TASK_LIMIT_NPROC,
	KEY_TASK_LIMIT_RSS,
	KEY_TASK_LIMIT_RTPRIO,
	KEY_TASK_LIMIT_RTTIME,
	KEY_TASK_LIMIT_SIGPENDING,
	KEY_TASK_LIMIT_STACK,
	/* [limits] and, in the same order, [group-limits] */
	KEY_LIMITS_MEMORY,
	KEY_LIMITS_MEMORY_HIGH,
	KEY_LIMITS_MEMORY_LOW,
	KEY_LIMITS_MEMORY_SWAP,
	KEY_LIMITS_CPU,
	KEY_LIMITS_CPU_WEIGHT,
	KEY_LIMITS_CPUS,
	KEY_LIMITS_PIDS,
	KEY_LIMITS_IO_WEIGHT,
	KEY_LIMITS_IO_MAX, /* "DEVICE rbps=10M wbps=10M riops=100 wiops=100"; DEVICE is /dev/x or
			      MAJ:MIN */
	KEY_GROUP_LIMITS_MEMORY,
	KEY_GROUP_LIMITS_MEMORY_HIGH,
	KEY_GROUP_LIMITS_MEMORY_LOW,
	KEY_GROUP_LIMITS_MEMORY_SWAP,
	KEY_GROUP_LIMITS_CPU,
	KEY_GROUP_LIMITS_CPU_WEIGHT,
	KEY_GROUP_LIMITS_CPUS,
	KEY_GROUP_LIMITS_PIDS,
	KEY_GROUP_LIMITS_IO_WEIGHT,
	KEY_GROUP_LIMITS_IO_MAX,
	/* [logs] */
	KEY_LOGS_TO, /* files none */
	KEY_LOGS_MAX_SIZE,
	KEY_LOGS_MAX_FILES,
	/* [restart]: numbers without a default depend on the policy (model/restart.h) */
	KEY_RESTART_POLICY, /* never on-failure always */
	KEY_RESTART_ATTEMPTS,
	KEY_RESTART_INTERVAL,
	KEY_RESTART_DELAY,     /* 15s */
	KEY_RESTART_MAX_DELAY, /* as delay */
	KEY_RESTART_MODE,      /* fail delay */
	KEY_RESTART_SUCCESS_CODES,
	/* [fetch] */
	KEY_FETCH_USER, /* auto, or the user that fetches */
	KEY_FETCH_PARALLEL,
	KEY_FETCH_RETRIES, /* this and what follows: where an [artifact NAME] says nothing else */
	KEY_FETCH_TIMEOUT,
	KEY_FETCH_STALL_TIMEOUT,
	KEY_FETCH_MAX_SIZE,
	KEY_FETCH_MAX_UNPACKED,
	KEY_FETCH_MAX_FILES,
	KEY_FETCH_MAX_DEPTH,
	KEY_FETCH_MAX_REDIRECTS,
	KEY_FETCH_CA_FILE,
	KEY_FETCH_NETRC_FILE,
	KEY_FETCH_LANDLOCK, /* auto required off */
	/* [artifact NAME] */
	KEY_ARTIFACT_SOURCE,
	KEY_ARTIFACT_CHECKSUM,
	KEY_ARTIFACT_DESTINATION, /* below shared/local */
	KEY_ARTIFACT_MODE,	  /* any file dir */
	KEY_ARTIFACT_EXTRACT,	  /* auto, no, or a type */
	KEY_ARTIFACT_FILENAME,
	KEY_ARTIFACT_HEADER, /* header-NAME */
	KEY_ARTIFACT_RETRIES,
	KEY_ARTIFACT_INSECURE,
	KEY_ARTIFACT_CA_FILE,
	KEY_ARTIFACT_CLIENT_CERT,
	KEY_ARTIFACT_CLIENT_KEY,
	KEY_ARTIFACT_NETRC_FILE,
	KEY_ARTIFACT_CHOWN,
	KEY_ARTIFACT_TIMEOUT,
	KEY_ARTIFACT_STALL_TIMEOUT,
	KEY_ARTIFACT_MAX_SIZE,
	KEY_ARTIFACT_MAX_UNPACKED,
	KEY_ARTIFACT_MAX_FILES,
	/* [hook NAME] of a task file, [hook] of NAME.conf */
	KEY_HOOK_SCHEDULE, /* LIST of hook points, also prejoin postjoin precleanup postcleanup;
			      task file only */
	KEY_HOOK_PATH,	   /* a file or a directory; task file only */
	KEY_HOOK_TIMEOUT,  /* task file: 30s where absent (eggo's addition); NAME.conf: [hooks]
			      timeout */
	KEY_HOOK_KILL_AFTER,
	KEY_HOOK_ON_FAILURE, /* fail warn ignore stop */
	KEY_HOOK_RETRIES,
	KEY_HOOK_RETRY_DELAY,
	KEY_HOOK_ROLE,	    /* LIST */
	KEY_HOOK_GROUPS,    /* LIST of patterns */
	KEY_HOOK_OPERATORS, /* LIST */
	KEY_HOOK_USER,
	KEY_HOOK_STDIN,	 /* null record */
	KEY_HOOK_RUN_IF, /* always success failure */
	CONF_KEY_COUNT,
};

/* Bytes of a default with its NUL: the directories that configure was told may be long. */
#define CONF_DEF_SIZE                                                                              \
	sizeof(union {                                                                             \
		char usual[64];                                                                    \
		char state[sizeof(TH_LOCALSTATEDIR "/lib/taskhook")];                              \
		char run[sizeof(TH_RUNSTATEDIR "/taskhook")];                                      \
	})

/* One row. The texts stand in it, not behind pointers: those would be written by the dynamic linker
 * at each start, into memory that each supervisor then has for its own. */
struct conf_key_info {
	enum conf_key id;
	enum conf_type type;
	unsigned where;		 /* CONF_IN_* */
	char section[16];	 /* "task"; "hook" for [hook NAME] */
	char name[28];		 /* "stop-timeout" */
	uint64_t min, max;	 /* for numbers, sizes, durations; CONF_INT: int64_t cast */
	char def[CONF_DEF_SIZE]; /* as text; "": no default */
	char words[32];		 /* CONF_ENUM, CONF_PATH, CONF_CGROUP: "file|dir"; else "" */
	char help[100];		 /* one line, for `config show -v` and completion */
};

/* The row of a key; the table is complete and in the order of the enum (checked by a unit test). */
const struct conf_key_info *conf_key_info(enum conf_key key);

/* Whether the key of that type holds several values, so that it may be repeated. */
bool conf_type_is_list(enum conf_type type);

/* Finds "SECTION", "KEY"; NULL where there is none. "hook NAME" is found under "hook", any
 * "header-X" under "header-NAME". */
const struct conf_key_info *conf_key_find(const char *section, const char *name);

/* The kinds of sections that have a name of their own, [KIND NAME]. */
enum conf_named {
	CONF_NAMED_ARTIFACT,
	CONF_NAMED_HOOK,
	CONF_NAMED_COUNT,
};
const char *conf_named_word(enum conf_named kind); /* "hook" */
/* The keys of such a section are all from the first to the last. */
enum conf_key conf_named_first_key(enum conf_named kind);
enum conf_key conf_named_last_key(enum conf_named kind);

/* The NAME of "hook NAME", "" for "hook" alone, with its kind in *ret_kind (may be NULL); NULL for
 * any other section. */
const char *conf_section_name(const char *section, enum conf_named *ret_kind);

/* Where a section may stand (CONF_IN_*), 0 for an unknown one. "hook NAME" and "hook" are two. */
unsigned conf_section_where(const char *section);

/* Whether a section is known in such files: fixed ("task"), named ("hook NAME") or free ("env"). */
bool conf_section_is_known(const char *section, unsigned where);

/* Nearest known section ("hook NAME" for any hook's) or key of that section for a message, or NULL.
 */
const char *conf_suggest_section(const char *section, unsigned where);
const char *conf_suggest_key(const char *section, const char *name, unsigned where);

#endif
