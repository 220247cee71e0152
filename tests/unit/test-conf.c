#include "config.h"

#include "conf/conf.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int read_as(
	unsigned where, struct conf *c, const char *shown, const char *text, struct th_err *err)
{
	return conf_read_memory(c, text, strlen(text), shown, where, NULL, NULL, err);
}

static void must_read(unsigned where, struct conf *c, const char *shown, const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	if (read_as(where, c, shown, text, &err) != 0)
		bail("%s: %s", shown, err_text(&err));
}

/* ---- errors ---- */

struct fault {
	const char *text;
	const char *error; /* NULL: none */
};

static const struct fault task_faults[] = {
	{"[task]\ncomand = x\n",
		"f.ini:2: unknown key 'comand' in [task]; did you mean 'command'?"},
	{"[task]\nzzzzzz = x\n", "f.ini:2: unknown key 'zzzzzz' in [task]"},
	{"[task]\nmemory = 1G\n",
		"f.ini:2: unknown key 'memory' in [task]; 'memory' belongs in [limits]"},
	{"[limits]\nnice = 1\n",
		"f.ini:2: unknown key 'nice' in [limits]; 'nice' belongs in [task]"},
	{"[task]\nschedule = pre-start\n",
		"f.ini:2: unknown key 'schedule' in [task]; 'schedule' belongs in [hook NAME]"},
	{"[task]\nl\033m = x\n", "f.ini:2: the key 'l\\x1Bm' holds a control byte"},
	{"[tsak]\nuser = x\n", "f.ini:1: unknown section [tsak]; did you mean [task]?"},
	{"[hok 10-net]\n", "f.ini:1: unknown section [hok 10-net]; did you mean [hook NAME]?"},
	{"[rollback]\npolicy = always\n", "f.ini:1: unknown section [rollback]"},
	{"[artifact]\n",
		"f.ini:1: [artifact] needs the name of the artifact here: write [artifact NAME]"},
	{"[artifact -a]\n",
		"f.ini:1: '-a' is not the name of an artifact (letters, digits, '.', '_' and '-', "
		"neither '.' nor '-' first)"},
	{"[artifact a]\nheader-X = 1\nheader-x = 2\n",
		"f.ini:3: repeated key 'header-x'; it stands in line 2 already"},
	{"[artifact a]\nheader-X = 1\nheader-Y = 2\n", NULL},
	{"[artifact a]\nheader-X(1) = 2\n", "f.ini:2: 'header-X(1)': not the name of a header"},
	{"[artifact a]\nheader-X = secret\001\n",
		"f.ini:2: header-X: not the value of a header: it holds a control byte"},
	{"[artifact a]\nheader- = 1\n", "f.ini:2: unknown key 'header-' in [artifact a]"},
	{"[artifact a]\nmax-size = 0\n", "f.ini:2: max-size = 0: out of range (1 to 1E)"},
	{"[artifact a]\nmax-size = infinity\n",
		"f.ini:2: max-size = infinity: out of range (1 to 1E)"},
	{"[isolation]\n", "f.ini:1: unknown section [isolation]"},
	{"\n[cgroup]\nmode = off\n",
		"f.ini:2: section [cgroup] cannot stand in a task file; it belongs in "
		"taskhook.conf"},
	{"[hook]\n", "f.ini:1: [hook] needs the name of the hook here: write [hook NAME]"},
	{"[hook a/b]\n",
		"f.ini:1: 'a/b' is not the name of a hook (letters, digits, '.', '_' and '-', "
		"neither '.' nor '-' first)"},
	{"[hook .a]\n",
		"f.ini:1: '.a' is not the name of a hook (letters, digits, '.', '_' and '-', "
		"neither '.' nor '-' first)"},

	{"[task]\nstop-timeout = 5x\n",
		"f.ini:2: stop-timeout = 5x: not a duration (write it as 5s, 1m30s, or infinity)"},
	{"[task]\nstop-timeout =\n",
		"f.ini:2: stop-timeout = : not a duration (write it as 5s, 1m30s, or infinity)"},
	{"[task]\nstop-timeout = -1s\n",
		"f.ini:2: stop-timeout = -1s: out of range (0s to infinity)"},
	{"[task]\nmax-run-time = 0\n", "f.ini:2: max-run-time = 0: out of range (1ms to infinity)"},
	{"[hook a]\ntimeout = infinity\n", "f.ini:2: timeout = infinity: out of range (1ms to 1d)"},
	{"[hook a]\ntimeout = soon\n",
		"f.ini:2: timeout = soon: not a duration (write it as 5s or 1m30s)"},
	{"[limits]\npids = 0\n", "f.ini:2: pids = 0: out of range (1 to 4194304)"},
	{"[limits]\npids = 18446744073709551616\n",
		"f.ini:2: pids = 18446744073709551616: out of range (1 to 4194304)"},
	{"[limits]\npids = ten\n", "f.ini:2: pids = ten: not a whole number"},
	{"[limits]\nmemory = 512\n", "f.ini:2: memory = 512: out of range (64K to infinity)"},
	{"[limits]\nmemory = 10X\n",
		"f.ini:2: memory = 10X: not a size (write it as 512K, 10M, 1.5G, or infinity)"},
	{"[limits]\ncpu = 0.5%\n", "f.ini:2: cpu = 0.5%: out of range (1% to infinity)"},
	{"[limits]\ncpu = much\n",
		"f.ini:2: cpu = much: not an amount of CPU (write it as 50%, 1.5 (CPUs), or "
		"infinity)"},
	{"[limits]\ncpu = 99999999999999999\n",
		"f.ini:2: cpu = 99999999999999999: out of range (1% to infinity)"},
	{"[limits]\ncpus = 3-1\n", "f.ini:2: cpus = 3-1: not a list of CPUs (write it as 0-3,7)"},
	{"[limits]\ncpus = 1,\n", "f.ini:2: cpus = 1,: not a list of CPUs (write it as 0-3,7)"},
	{"[limits]\ncpus =\n", "f.ini:2: cpus = : not a list of CPUs (write it as 0-3,7)"},
	{"[limits]\nio-max = /dev/sda\n",
		"f.ini:2: io-max = /dev/sda: not a limit (write it as /dev/sda rbps=10M "
		"wiops=100)"},
	{"[limits]\nio-max = sda rbps=1\n",
		"f.ini:2: io-max = sda rbps=1: 'sda' is not a device (write it as /dev/sda or "
		"8:0)"},
	{"[limits]\nio-max = 8:x rbps=1\n",
		"f.ini:2: io-max = 8:x rbps=1: '8:x' is not a device (write it as /dev/sda or "
		"8:0)"},
	{"[limits]\nio-max = 8:0 bps=1\n",
		"f.ini:2: io-max = 8:0 bps=1: 'bps' is not one of rbps=, wbps=, riops= and "
		"wiops="},
	{"[limits]\nio-max = 8:0 rbps=1 rbps=2\n",
		"f.ini:2: io-max = 8:0 rbps=1 rbps=2: rbps= stands twice"},
	{"[limits]\nio-max = 8:0 rbps=0\n",
		"f.ini:2: io-max = 8:0 rbps=0: '0' of rbps= is not a number above 0 (write it as "
		"100, 10M, or max)"},
	{"[task]\nnice = -21\n", "f.ini:2: nice = -21: out of range (-20 to 19)"},
	{"[task]\noom-score-adj = 1001\n",
		"f.ini:2: oom-score-adj = 1001: out of range (-1000 to 1000)"},
	{"[task]\numask = 01000\n", "f.ini:2: umask = 01000: out of range (000 to 777)"},
	{"[task]\numask = 8\n", "f.ini:2: umask = 8: not a file mode (write it in octal, as 022)"},
	{"[task]\nstop-signal = SIGFOO\n",
		"f.ini:2: stop-signal = SIGFOO: not a signal (write it as SIGTERM, TERM or 15)"},
	{"[task]\nstop-signal = 99\n", "f.ini:2: stop-signal = 99: there is no such signal"},
	{"[task]\nkeep = some\n", "f.ini:2: keep = some: not a value (write logs, all or none)"},
	{"[task]\nkeep = LOGS\n", "f.ini:2: keep = LOGS: not a value (write logs, all or none)"},
	{"[task]\nworkdir = srv\n", "f.ini:2: workdir = srv: not an absolute path"},
	{"[task]\nstdin = x\n", "f.ini:2: stdin = x: not an absolute path, nor auto or null"},
	{"[task]\ngroup = a/b\n",
		"f.ini:2: group = a/b: not a name (at most 128 letters, digits, '.', '_' and '-', "
		"a letter or digit first, no '..')"},
	{"[task]\nuser = a:\n", "f.ini:2: user = a:: not a user (write it as NAME or NAME:GROUP)"},
	{"[task]\nuser = a b\n",
		"f.ini:2: user = a b: not a user (write it as NAME or NAME:GROUP)"},
	{"[task]\nuser = a:b:c\n",
		"f.ini:2: user = a:b:c: not a user (write it as NAME or NAME:GROUP)"},
	{"[task]\nlimit-nofile = 2:1\n",
		"f.ini:2: limit-nofile = 2:1: the soft limit is above the hard one"},
	{"[task]\nlimit-nofile = many\n",
		"f.ini:2: limit-nofile = many: not a limit (write it as 1024, 64K:1M, or "
		"infinity)"},
	{"[task]\nlimit-nofile = 1:\n",
		"f.ini:2: limit-nofile = 1:: not a limit (write it as 1024, 64K:1M, or infinity)"},
	{"[task]\ncommand =\n", "f.ini:2: command = : no command"},
	{"[task]\ncommand = '' a\n", "f.ini:2: command = '' a: no command"},
	{"[logs]\nmax-size = 1023\n", "f.ini:2: max-size = 1023: out of range (1K to infinity)"},
	{"[logs]\nmax-files = 0\n", "f.ini:2: max-files = 0: out of range (1 to 1000)"},
	{"[logs]\nmax-files = 1001\n", "f.ini:2: max-files = 1001: out of range (1 to 1000)"},
	{"[hook a]\npath =\n", "f.ini:2: path = : not a path"},
	{"[hook a]\nretries = 101\n", "f.ini:2: retries = 101: out of range (0 to 100)"},
	{"[logs]\nto = \033[1m\n", "f.ini:2: to = \\x1B[1m: not a value (write files or none)"},

	{"[task]\nuser = a\n\nuser = b\n",
		"f.ini:4: repeated key 'user'; it stands in line 2 already"},
	{"[task]\nuser = a\n[logs]\n[task]\nuser = a\n",
		"f.ini:5: repeated key 'user'; it stands in line 2 already"},
	{"[hook a]\npath = /a\n[hook a]\npath = /b\n",
		"f.ini:4: repeated key 'path'; it stands in line 2 already"},
	{"[hook a]\npath = /a\n[hook b]\npath = /b\n", NULL},
	{"[env]\nA = 1\nA = 1\n", "f.ini:3: repeated variable 'A'; it stands in line 2 already"},
	{"[env]\n1A = 1\n",
		"f.ini:2: '1A' is not the name of a variable (letters, digits and '_', no digit "
		"first)"},
	{"[env]\nA-B = 1\n",
		"f.ini:2: 'A-B' is not the name of a variable (letters, digits and '_', no digit "
		"first)"},
	{"[task]\npass-env = A\npass-env = B\n", NULL},
	{"[task]\nuser = web\nuser\n", "f.ini:3: 'user': no '=' (write KEY = VALUE)"},
};

static const struct fault main_faults[] = {
	{"[task]\nid = x\n",
		"f.ini:2: 'id' of [task] cannot stand in taskhook.conf; it belongs in a task file"},
	{"[task]\ngroup = x\n[limits]\nmemory = 1G\n[hook a]\npath = /a\n[env]\nA = b\n", NULL},
	{"[cgroup]\nparent = /a/b\n",
		"f.ini:2: parent = /a/b: not a path below the cgroup mount (write it as "
		"a.slice/b.slice, or auto)"},
	{"[cgroup]\nparent = a/../b\n",
		"f.ini:2: parent = a/../b: not a path below the cgroup mount (write it as "
		"a.slice/b.slice, or auto)"},
	{"[cgroup]\nparent = a/..b/c.slice\n", NULL},
	{"[cgroup]\nparent = a//b\n",
		"f.ini:2: parent = a//b: not a path below the cgroup mount (write it as "
		"a.slice/b.slice, or auto)"},
	{"[hooks]\npath = /a b\n", "f.ini:2: path = /a b: 'b' is not an absolute path"},
	{"[hooks]\ntotal-timeout = infinity\n",
		"f.ini:2: total-timeout = infinity: out of range (1ms to 1d)"},
	{"[node]\nip = 1.2.3\n",
		"f.ini:2: ip = 1.2.3: not an address (write it as 192.0.2.1 or 2001:db8::1)"},
	{"[node]\nip = 2001:db8::1\n", NULL},
	{"[cleanup]\nolder-than = infinity\n", NULL},
};

static const struct fault group_faults[] = {
	{"[group-limits]\nmemory = 1G\n[env]\nA = b\n", NULL},
	{"[limits]\nmemory = 1G\n",
		"f.ini:1: section [limits] cannot stand in group.ini; it belongs in taskhook.conf "
		"or a task file"},
	{"[hook a]\n",
		"f.ini:1: section [hook a] cannot stand in group.ini; it belongs in taskhook.conf "
		"or a task file"},
};

static const struct fault hook_faults[] = {
	{"[hook]\ntimeout = 3s\nrole = a b\n", NULL},
	{"[hook a]\ntimeout = 3s\n",
		"f.ini:1: [hook a]: this file is about one hook; write [hook]"},
	{"[hook]\nschedule = pre-start\n",
		"f.ini:2: 'schedule' of [hook] cannot stand in the .conf file of a hook; it "
		"belongs in taskhook.conf or a task file"},
	{"[env]\nA = b\n",
		"f.ini:1: section [env] cannot stand in the .conf file of a hook; it belongs in "
		"taskhook.conf, group.ini or a task file"},
};

static void test_faults(unsigned where, const char *name, const struct fault *faults, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_conf_ struct conf *c = conf_new();
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *shown = str_escape(faults[i].text, 0);

		is_int(read_as(where, c, "f.ini", faults[i].text, &err),
			faults[i].error ? -EINVAL : 0, "%s: result of %s", name, shown);
		is_str(err.text, faults[i].error, "%s: error of %s", name, shown);
		is_int(err.status, faults[i].error ? EXIT_CONFIG : 0, "%s: status of %s", name,
			shown);
	}
}

/* A command's own errors come from words_split(), with the place in front. */
static void test_command_fault(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	is_int(read_as(CONF_IN_TASK, c, "web.ini", "[task]\n\ncommand = a | b\n", &err), -EINVAL,
		"a pipe in a command");
	contains(err.text, "web.ini:3: command = a | b: ", "says where");
	contains(err.text, "write command = /bin/sh -c '...'", "and what to do");
}

static void add_line(void *arg, const struct th_err *err)
{
	strbuf_addf(arg, "%s\n", err_text(err));
}

static void test_all_errors(void)
{
	static const char text[] = "[task]\n"
				   "comand = x\n"
				   "user\n"
				   "stop-timeout = 5x\n"
				   "user = web\n"
				   "[nowhere]\n"
				   "a = b\n"
				   "b = c\n"
				   "[limits]\n"
				   "pids = 0\n"
				   "pids = 7\n";
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	is_int(conf_read_memory(
		       c, text, strlen(text), "f.ini", CONF_IN_TASK, add_line, &lines, &err),
		5, "errors of both floors are counted");
	is_str(strbuf_str(&lines),
		"f.ini:2: unknown key 'comand' in [task]; did you mean 'command'?\n"
		"f.ini:3: 'user': no '=' (write KEY = VALUE)\n"
		"f.ini:4: stop-timeout = 5x: not a duration (write it as 5s, 1m30s, or infinity)\n"
		"f.ini:6: unknown section [nowhere]\n"
		"f.ini:10: pids = 0: out of range (1 to 4194304)\n",
		"and reported in their order; an unknown section once");
	ok(!err_is_set(&err), "err is untouched");
	is_str(conf_string(c, KEY_TASK_USER), "web", "what is right is read");
	is_uint(conf_uint(c, KEY_LIMITS_PIDS), 7, "a value behind a wrong one is no repeated key");
}

/* ---- values ---- */

static void test_defaults(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	struct rlimit limit;
	unsigned line = 7;

	is_uint(conf_duration(c, KEY_TASK_STOP_TIMEOUT), 5 * USEC_PER_SEC, "stop-timeout");
	is_uint(conf_duration(c, KEY_TASK_MAX_RUN_TIME), USEC_INFINITY, "max-run-time");
	is_uint(conf_duration(c, KEY_HOOKS_TIMEOUT), 60 * USEC_PER_SEC, "hooks.timeout");
	is_uint(conf_duration(c, KEY_HOOKS_TOTAL_TIMEOUT), 300 * USEC_PER_SEC, "total-timeout");
	is_uint(conf_duration(c, KEY_CLEANUP_OLDER_THAN), 7 * USEC_PER_DAY, "older-than");
	is_uint(conf_duration(c, KEY_CLEANUP_FAILED_OLDER_THAN), 30 * USEC_PER_DAY,
		"failed-older-than");
	is_uint(conf_uint(c, KEY_LOGS_MAX_SIZE), UINT64_C(10) * 1024 * 1024, "max-size");
	is_uint(conf_uint(c, KEY_LOGS_MAX_FILES), 10, "max-files");
	is_int(conf_signal(c, KEY_TASK_STOP_SIGNAL), SIGTERM, "stop-signal");
	is_int((int)conf_mode(c, KEY_TASK_UMASK), 022, "umask");
	is_int(conf_enum(c, KEY_TASK_KEEP), 0, "keep");
	is_str(conf_string(c, KEY_TASK_GROUP), "default", "group");
	is_str(conf_string(c, KEY_CGROUP_PARENT), "auto", "parent");
	is_str(conf_string(c, KEY_PATHS_STATE), TH_LOCALSTATEDIR "/lib/taskhook", "state");

	is_str(conf_string(c, KEY_TASK_USER), NULL, "no default: text");
	is_uint(conf_uint(c, KEY_LIMITS_MEMORY), UINT64_MAX, "no default: size");
	is_uint(conf_uint(c, KEY_LIMITS_PIDS), 0, "no default: number");
	is_int(conf_int(c, KEY_TASK_NICE), 0, "no default: signed number");
	is_int(conf_enum(c, KEY_HOOK_ON_FAILURE), -1, "no default: word");
	is_uint(conf_duration(c, KEY_HOOK_TIMEOUT), USEC_INFINITY, "no default: duration");
	is_uint(conf_list(c, KEY_TASK_COMMAND)->n, 0, "no default: command");
	ok(!conf_rlimit(c, KEY_TASK_LIMIT_NOFILE, &limit), "no default: limit");

	ok(!conf_is_set(c, KEY_TASK_STOP_TIMEOUT), "a default is not set");
	is_str(conf_origin(c, KEY_TASK_STOP_TIMEOUT, &line), "default", "its origin");
	is_uint(line, 0, "without a line");
	is_uint(conf_env(c)->n, 0, "no environment");
	is_str(conf_env_origin(c, "A"), NULL, "no origin of it");
	is_uint(conf_named_count(c, CONF_NAMED_HOOK), 0, "no hooks");
	is_uint(conf_files(c)->n, 0, "no files");
	ok(conf_free(NULL) == NULL, "nothing can be freed");
}

static void test_types(void)
{
	static const char text[] = "[task]\n"
				   "command = /bin/echo 'a ; b' \"c\" d\\ e\n"
				   "user = web:www\n"
				   "supplementary-groups = a, b\tc,,d\n"
				   "workdir = /srv/web\n"
				   "stdin = /dev/zero\n"
				   "stop-signal = rtmin+1\n"
				   "stop-timeout = 1m30s\n"
				   "umask = 0077\n"
				   "nice = -5\n"
				   "limit-nofile = 64K:infinity\n"
				   "limit-core = 0\n"
				   "keep = none\n"
				   "[limits]\n"
				   "memory = 1.5G\n"
				   "memory-swap = infinity\n"
				   "cpu = 50%\n"
				   "cpus = 0-3,7\n"
				   "io-max = /dev/sda rbps=10M\n"
				   "io-max = 8:0 wiops=max riops=5\n"
				   "[group-limits]\n"
				   "cpu = 1.5\n";
	_cleanup_conf_ struct conf *c = conf_new();
	const struct strv *list;
	struct rlimit limit = {1, 1};
	unsigned line = 0;

	must_read(CONF_IN_TASK, c, "web.ini", text);
	list = conf_list(c, KEY_TASK_COMMAND);
	is_uint(list->n, 4, "command: words");
	is_str(list->v[1], "a ; b", "command: a quoted word");
	is_str(list->v[3], "d e", "command: an escaped blank");
	is_str(conf_string(c, KEY_TASK_USER), "web:www", "user");
	list = conf_list(c, KEY_TASK_SUPPLEMENTARY_GROUPS);
	is_uint(list->n, 4, "a list by blanks and commas");
	is_str(list->v[3], "d", "its last entry");
	is_str(conf_string(c, KEY_TASK_WORKDIR), "/srv/web", "path");
	is_str(conf_string(c, KEY_TASK_STDIN), "/dev/zero", "path, where words may stand too");
	is_int(conf_signal(c, KEY_TASK_STOP_SIGNAL), SIGRTMIN + 1, "signal");
	is_uint(conf_duration(c, KEY_TASK_STOP_TIMEOUT), 90 * USEC_PER_SEC, "duration");
	is_int((int)conf_mode(c, KEY_TASK_UMASK), 077, "mode");
	is_int(conf_int(c, KEY_TASK_NICE), -5, "signed number");
	ok(conf_rlimit(c, KEY_TASK_LIMIT_NOFILE, &limit), "limit");
	ok(limit.rlim_cur == 65536 && limit.rlim_max == RLIM_INFINITY, "soft and hard");
	ok(conf_rlimit(c, KEY_TASK_LIMIT_CORE, &limit) && limit.rlim_cur == 0 &&
			limit.rlim_max == 0,
		"one value sets both");
	is_int(conf_enum(c, KEY_TASK_KEEP), 2, "word");
	is_uint(conf_uint(c, KEY_LIMITS_MEMORY), UINT64_C(1536) * 1024 * 1024, "size");
	is_uint(conf_uint(c, KEY_LIMITS_MEMORY_SWAP), UINT64_MAX, "infinite size");
	is_uint(conf_uint(c, KEY_LIMITS_CPU), 500000, "percent of a CPU");
	is_uint(conf_uint(c, KEY_GROUP_LIMITS_CPU), 1500000, "number of CPUs");
	is_str(conf_string(c, KEY_LIMITS_CPUS), "0-3,7", "list of CPUs");
	list = conf_list(c, KEY_LIMITS_IO_MAX);
	is_uint(list->n, 2, "limits of two devices");
	is_str(list->v[1], "8:0 wiops=max riops=5", "each as it stands");
	is_str(conf_origin(c, KEY_LIMITS_MEMORY, &line), "web.ini", "origin");
	is_uint(line, 15, "and line");
	ok(conf_is_set(c, KEY_TASK_KEEP), "what a file sets is set");
}

static void test_formats(void)
{
	static const struct {
		const char *section, *key, *text, *want;
		enum conf_key id;
	} cases[] = {
		{"task", "stop-timeout", "90", "1m30s", KEY_TASK_STOP_TIMEOUT},
		{"task", "max-run-time", "infinity", "infinity", KEY_TASK_MAX_RUN_TIME},
		{"task", "stop-signal", "15", "SIGTERM", KEY_TASK_STOP_SIGNAL},
		{"task", "umask", "27", "027", KEY_TASK_UMASK},
		{"task", "nice", "-5", "-5", KEY_TASK_NICE},
		{"task", "command", "echo 'a  b'", "echo 'a  b'", KEY_TASK_COMMAND},
		{"task", "pass-env", "A,B\tC", "A B C", KEY_TASK_PASS_ENV},
		{"task", "pass-env", "", "", KEY_TASK_PASS_ENV},
		{"limits", "memory", "1048576", "1M", KEY_LIMITS_MEMORY},
		{"limits", "cpu", "1.5", "150%", KEY_LIMITS_CPU},
		{"limits", "cpu", "12.5%", "12.5000%", KEY_LIMITS_CPU},
		{"limits", "pids", "007", "7", KEY_LIMITS_PIDS},
		{"limits", "io-max", "8:0 rbps=1\nio-max = 8:1 rbps=2", "8:0 rbps=1, 8:1 rbps=2",
			KEY_LIMITS_IO_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_conf_ struct conf *c = conf_new();
		_cleanup_free_ char *text = xasprintf("[%s]\n%s = %s\n", cases[i].section,
					    cases[i].key, cases[i].text),
				    *got = NULL;

		must_read(CONF_IN_TASK, c, "f.ini", text);
		got = conf_format(c, cases[i].id);
		is_str(got, cases[i].want, "%s is shown", cases[i].key);
	}
	{
		_cleanup_conf_ struct conf *c = conf_new();
		_cleanup_free_ char *none = conf_format(c, KEY_TASK_USER),
				    *stop = conf_format(c, KEY_TASK_STOP_SIGNAL);

		is_str(none, NULL, "what is not set is not shown");
		is_str(stop, "SIGTERM", "a default is shown");
	}
}

/* ---- layers ---- */

static void test_layers(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	unsigned line = 0;

	must_read(CONF_IN_MAIN, c, "main.conf",
		"[task]\nuser = a\npass-env = A B\npass-env = C\n[limits]\nmemory = 1G\n"
		"io-max = 8:0 rbps=1\n");
	must_read(CONF_IN_TASK, c, "web.ini",
		"[task]\nuser = b\npass-env = D\n\n[limits]\npids = 7\nio-max =\n");
	is_str(conf_string(c, KEY_TASK_USER), "b", "a later layer wins");
	is_str(conf_origin(c, KEY_TASK_USER, &line), "web.ini", "and is the origin");
	is_uint(line, 2, "with its line");
	is_uint(conf_list(c, KEY_TASK_PASS_ENV)->n, 1, "a list replaces");
	is_str(conf_string(c, KEY_TASK_PASS_ENV), "D", "also as text");
	is_uint(conf_list(c, KEY_LIMITS_IO_MAX)->n, 0, "an empty value empties a list");
	ok(conf_is_set(c, KEY_LIMITS_IO_MAX), "which is set");
	is_uint(conf_uint(c, KEY_LIMITS_MEMORY), UINT64_C(1) << 30, "other keys stay");
	is_str(conf_origin(c, KEY_LIMITS_MEMORY, &line), "main.conf", "with their origin");
	is_uint(conf_files(c)->n, 2, "both files are known");
	is_str(conf_files(c)->v[0], "main.conf", "in their order");
}

static void test_lists_add(void)
{
	_cleanup_conf_ struct conf *c = conf_new();

	must_read(CONF_IN_MAIN, c, "main.conf",
		"[hooks]\npass-env = A B\npath = /x\npass-env = C,D\npath = /y /z\n");
	is_uint(conf_list(c, KEY_HOOKS_PASS_ENV)->n, 4, "a repeated list adds");
	is_str(conf_string(c, KEY_HOOKS_PASS_ENV), "A B C,D", "its text");
	is_uint(conf_list(c, KEY_HOOKS_PATH)->n, 3, "so do paths");
}

static void test_environment(void)
{
	_cleanup_conf_ struct conf *c = conf_new();

	must_read(CONF_IN_MAIN, c, "main.conf", "[env]\nA = 1\nB = 2 ; 3 # 4\nC =\n");
	must_read(CONF_IN_TASK, c, "web.ini", "[task]\n[env]\n\nB = \"x\" \xff\nD=d\n");
	is_uint(conf_env(c)->n, 4, "variables of both layers");
	is_str(env_get(conf_env(c), "A"), "1", "of the lower");
	is_str(env_get(conf_env(c), "B"), "\"x\" \xff", "of the upper, byte for byte");
	is_str(env_get(conf_env(c), "C"), "", "empty");
	is_str(conf_env_origin(c, "A"), "main.conf:2", "origin of the lower");
	is_str(conf_env_origin(c, "B"), "web.ini:4", "origin of the upper");
	is_str(conf_env_origin(c, "E"), NULL, "no origin");
}

static void test_hooks(void)
{
	_cleanup_conf_ struct conf *c = conf_new(), *beside = conf_new();
	unsigned line = 0;

	must_read(CONF_IN_MAIN, c, "main.conf",
		"[hook 20-b]\npath = /b\ntimeout = 7s\n[hooks]\ntimeout = 8s\n");
	must_read(CONF_IN_TASK, c, "web.ini",
		"[hook 10-a]\nschedule = pre-start post-stop\npath = /a\n"
		"[hook\t20-b ]\ntimeout = 9s\n");
	is_uint(conf_named_count(c, CONF_NAMED_HOOK), 2, "two hooks");
	is_str(conf_named_name(c, CONF_NAMED_HOOK, 0), "20-b", "in order of their appearance");
	is_str(conf_named_name(c, CONF_NAMED_HOOK, 1), "10-a", "and the second");
	is_uint(conf_duration(conf_named(c, CONF_NAMED_HOOK, 0), KEY_HOOK_TIMEOUT),
		9 * USEC_PER_SEC, "a later layer wins in a hook too");
	is_str(conf_origin(conf_named(c, CONF_NAMED_HOOK, 0), KEY_HOOK_TIMEOUT, &line), "web.ini",
		"its origin");
	is_uint(line, 5, "and line");
	is_str(conf_string(conf_named(c, CONF_NAMED_HOOK, 0), KEY_HOOK_PATH), "/b",
		"other keys stay");
	is_uint(conf_list(conf_named(c, CONF_NAMED_HOOK, 1), KEY_HOOK_SCHEDULE)->n, 2,
		"a list of a hook");
	ok(!conf_is_set(conf_named(c, CONF_NAMED_HOOK, 1), KEY_HOOK_TIMEOUT), "hooks do not mix");
	is_uint(conf_uint(conf_named(c, CONF_NAMED_HOOK, 1), KEY_HOOK_RETRIES), 0,
		"a default of a hook");
	is_uint(conf_duration(c, KEY_HOOKS_TIMEOUT), 8 * USEC_PER_SEC, "nor with [hooks]");

	must_read(CONF_IN_HOOK, beside, "10-a.conf", "[hook]\nrun-if = failure\nstdin = record\n");
	is_int(conf_enum(beside, KEY_HOOK_RUN_IF), 2, "the settings beside a hook");
	is_uint(conf_named_count(beside, CONF_NAMED_HOOK), 0, "are no hook of their own");
}

static void test_headers(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *shown = NULL;
	const struct strv *headers;
	const struct conf *a;

	must_read(CONF_IN_GROUP, c, "group.ini",
		"[artifact app]\nheader-Authorization = Bearer a=b:c\nheader-X-A = 1\n");
	must_read(CONF_IN_TASK, c, "web.ini", "[artifact app]\nheader-x-a = 2\nretries = 7\n");
	is_int(conf_set_text(c, "artifact.app.header-X-B", "", "--set", &err), 0,
		"--set of a header");
	is_int(conf_set_text(c, "artifact app.header-X-B", "3", "--set", &err), 0, "and once more");
	is_uint(conf_named_count(c, CONF_NAMED_ARTIFACT), 1, "one artifact");
	is_uint(conf_named_count(c, CONF_NAMED_HOOK), 0, "which is no hook");
	a = conf_named(c, CONF_NAMED_ARTIFACT, 0);
	headers = conf_list(a, KEY_ARTIFACT_HEADER);
	is_uint(headers->n, 3, "headers of all layers");
	is_str(headers->v[0], "Authorization: Bearer a=b:c", "one of the lower layer stays");
	is_str(headers->v[1], "x-a: 2", "a later layer replaces, whatever the case");
	is_str(headers->v[2], "X-B: 3", "the command line adds, and replaces its own");
	is_uint(conf_uint(a, KEY_ARTIFACT_RETRIES), 7, "other keys");
	shown = conf_format(a, KEY_ARTIFACT_HEADER);
	is_str(shown, "***", "values are not shown");
}

static void test_set(void)
{
	static const struct {
		const char *key, *value, *error;
	} faults[] = {
		{"stop-timeout", "5s",
			"--set: 'stop-timeout': write it with its section, task.stop-timeout"},
		{"schedule", "x",
			"--set: 'schedule': write it with its section, hook.NAME.schedule"},
		{"nothing", "x", "--set: 'nothing': write SECTION.KEY=VALUE"},
		{"task.stop-timeout", "5x",
			"--set: task.stop-timeout = 5x: not a duration (write it as 5s, 1m30s, or "
			"infinity)"},
		{"task.comand", "x",
			"--set: unknown key 'comand' in [task]; did you mean 'command'?"},
		{"tsk.command", "x", "--set: unknown section [tsk]; did you mean [task]?"},
		{"cgroup.mode", "off",
			"--set: section [cgroup] cannot stand in a task file; it belongs in "
			"taskhook.conf"},
		{"hook.timeout", "1s",
			"--set: [hook] needs the name of the hook here: write [hook NAME]"},
		{"env.1", "x",
			"--set: '1' is not the name of a variable (letters, digits and '_', no "
			"digit first)"},
		{"env.A.B", "x",
			"--set: 'A.B' is not the name of a variable (letters, digits and '_', no "
			"digit first)"},
		{".x", "x", "--set: unknown section []"},
		{"task.", "x", "--set: unknown key '' in [task]"},
	};
	_cleanup_conf_ struct conf *c = conf_new();
	unsigned line = 7;

	must_read(CONF_IN_TASK, c, "web.ini",
		"[task]\nuser = a\npass-env = A\n[env]\nA = 1\n[hook 10.net]\ntimeout = 1s\n");
	is_int(conf_set_text(c, "task.user", "b", "--set", NULL), 0, "--set task.user");
	is_str(conf_string(c, KEY_TASK_USER), "b", "wins over the file");
	is_str(conf_origin(c, KEY_TASK_USER, &line), "--set", "its origin");
	is_uint(line, 0, "without a line");
	is_int(conf_set_text(c, "task.user", "c", "--set", NULL), 0, "again");
	is_str(conf_string(c, KEY_TASK_USER), "c", "the later one wins");
	is_int(conf_set_text(c, "task.pass-env", "B", "--set", NULL), 0, "a list");
	is_int(conf_set_text(c, "task.pass-env", "C", "--set", NULL), 0, "and more of it");
	is_str(conf_string(c, KEY_TASK_PASS_ENV), "B C", "replace the file's, and add up");
	is_int(conf_set_text(c, "hook 10.net.timeout", "2s", "--set", NULL), 0,
		"a hook with a dot in its name");
	is_uint(conf_duration(conf_named(c, CONF_NAMED_HOOK, 0), KEY_HOOK_TIMEOUT),
		2 * USEC_PER_SEC, "is the file's");
	is_int(conf_set_text(c, "env.A", "2", "-e", NULL), 0, "a variable");
	is_int(conf_set_text(c, "env.A", "3", "-e", NULL), 0, "again");
	is_str(env_get(conf_env(c), "A"), "3", "the later one wins");
	is_str(conf_env_origin(c, "A"), "-e", "origin of a variable");
	is_uint(conf_files(c)->n, 1, "the command line is no file");

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		is_int(conf_set_text(c, faults[i].key, faults[i].value, "--set", &err), -EINVAL,
			"--set %s=%s", faults[i].key, faults[i].value);
		is_str(err.text, faults[i].error, "its error");
		is_int(err.status, EXIT_USAGE, "its status");
	}
}

/* ---- files ---- */

static int read_main(struct conf *c, const char *file, bool must_exist, const char *dropins,
	struct strbuf *lines, struct th_err *err)
{
	return conf_read_main(c, file ? tempdir_path("%s", file) : NULL, must_exist,
		dropins ? tempdir_path("%s", dropins) : NULL, lines ? add_line : NULL, lines, err);
}

static void test_main_files(void)
{
	_cleanup_conf_ struct conf *c = conf_new(), *empty = conf_new(), *bad = conf_new();
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *want = NULL;

	tempdir_make();
	is_int(read_main(empty, "missing.conf", false, "missing.d", NULL, &err), 0,
		"no configuration at all");
	is_int(read_main(empty, "missing.conf", true, "missing.d", NULL, &err), -ENOENT,
		"a named one must exist");
	is_int(err.status, EXIT_CONFIG, "its status");
	contains(err.text, "missing.conf': No such file or directory", "its error");
	err_clear(&err);

	tempdir_write("main.conf", "[task]\nuser = main\nnice = 1\n[node]\nroles = a\n");
	tempdir_mkdir("d");
	tempdir_write("d/10-b.conf", "[task]\nuser = ten\n[node]\nroles = b\nroles = c\n");
	tempdir_write("d/9-a.conf", "[task]\nuser = nine\n");
	tempdir_write("d/.hidden.conf", "[task]\nuser = hidden\n");
	tempdir_write("d/95-c.conf.bak", "[task]\nuser = bak\n");
	tempdir_symlink("/dev/null", "d/99-masked.conf");
	is_int(read_main(c, "main.conf", true, "d", NULL, &err), 0, "a file and its drop-ins");
	is_str(err.text, NULL, "without an error");
	is_str(conf_string(c, KEY_TASK_USER), "nine", "bytewise by name, the last wins");
	is_int(conf_int(c, KEY_TASK_NICE), 1, "what no drop-in sets stays");
	is_uint(conf_list(c, KEY_NODE_ROLES)->n, 2, "each file is a layer");
	is_uint(conf_files(c)->n, 4, "the masked one counts as read");
	is_str(conf_origin(c, KEY_TASK_USER, NULL), tempdir_path("d/9-a.conf"), "origin");

	tempdir_write("d/20-bad.conf", "[task]\nniec = x\nnice = 99\n");
	tempdir_mkdir("d/30-dir.conf");
	tempdir_write("d/40-bad.conf", "[nowhere]\n");
	is_int(read_main(bad, "main.conf", true, "d", NULL, &err), -EINVAL, "a bad drop-in");
	contains(err.text, "d/20-bad.conf:2: unknown key 'niec'", "is named");
	err_clear(&err);
	is_int(read_main(bad, "main.conf", true, "d", &lines, &err), 4, "all errors are counted");
	want = xasprintf("%s:2: unknown key 'niec' in [task]; did you mean 'nice'?\n"
			 "%s:3: nice = 99: out of range (-20 to 19)\n"
			 "cannot read '%s': not a regular file\n"
			 "%s:1: unknown section [nowhere]\n",
		tempdir_path("d/20-bad.conf"), tempdir_path("d/20-bad.conf"),
		tempdir_path("d/30-dir.conf"), tempdir_path("d/40-bad.conf"));
	is_str(strbuf_str(&lines), want, "and reported, one file after another");
	ok(!err_is_set(&err), "err is untouched");
}

static void test_one_file(void)
{
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;

	tempdir_write("web.ini", "[task]\nuser = web\n");
	is_int(conf_read_file(
		       c, tempdir.fd, "web.ini", "tasks.d/web.ini", CONF_IN_TASK, NULL, NULL, &err),
		0, "a file below a directory");
	is_str(conf_origin(c, KEY_TASK_USER, NULL), "tasks.d/web.ini", "is named as it was told");
	is_int(conf_read_file(
		       c, tempdir.fd, "none.ini", "none.ini", CONF_IN_TASK, add_line, &lines, &err),
		-ENOENT, "a missing file is a result, not a report");
	is_str(strbuf_str(&lines), "", "so nothing is reported");
	is_str(err.text, "cannot read 'none.ini': No such file or directory", "its error");
	is_uint(conf_files(c)->n, 1, "and it is no file that was read");
}

/* ---- paths near their file ---- */

static const char *hook_path(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < conf_named_count(c, CONF_NAMED_HOOK); i++)
		if (strcmp(conf_named_name(c, CONF_NAMED_HOOK, i), name) == 0)
			return conf_string(conf_named(c, CONF_NAMED_HOOK, i), KEY_HOOK_PATH);
	return NULL;
}

static void test_near_paths(void)
{
	static const char text[] = "[hook near]\npath = hello/greet\n"
				   "[hook dots]\npath = .././hooks//a\n"
				   "[hook absolute]\npath = /srv/../x\n";
	_cleanup_conf_ struct conf *c = conf_new(), *here = conf_new(), *root = conf_new();
	_cleanup_free_ char *cwd = getcwd(NULL, 0), *shown = NULL, *want = NULL, *format = NULL;

	must_read(CONF_IN_TASK, c, "/etc/t/web.ini", text);
	is_str(hook_path(c, "near"), "/etc/t/hello/greet", "from the directory of its file");
	is_str(hook_path(c, "dots"), "/etc/hooks/a", "without dots and double slashes");
	is_str(hook_path(c, "absolute"), "/srv/../x", "an absolute one as it is");
	format = conf_format(conf_named(c, CONF_NAMED_HOOK, 0), KEY_HOOK_PATH);
	is_str(format, "/etc/t/hello/greet", "is shown absolute");

	must_read(CONF_IN_MAIN, c, "/etc/main.conf", "[hook near]\npath = a\n");
	is_str(hook_path(c, "near"), "/etc/a", "each layer from its own file");
	want = xasprintf("%s/b", cwd);
	is_int(conf_set_text(c, "hook near.path", "b", "--set", NULL), 0, "from the command line");
	is_str(hook_path(c, "near"), want, "from the current directory");

	must_read(CONF_IN_TASK, here, "web.ini", "[hook near]\npath = b\n");
	is_str(hook_path(here, "near"), want, "a file that is named by a relative path");
	must_read(CONF_IN_TASK, root, "/web.ini", "[hook near]\npath = b\n");
	is_str(hook_path(root, "near"), "/b", "a file in the root directory");

	/* The path is what it was when the file was read, wherever the process goes. */
	shown = xstrdup(tempdir_path("web.ini"));
	tempdir_write("web.ini", "[hook near]\npath = greet\n");
	str_replace(&want, tempdir_path("greet"));
	is_int(conf_read_file(c, AT_FDCWD, shown, shown, CONF_IN_TASK, NULL, NULL, NULL), 0,
		"a real file");
	if (chdir("/") < 0)
		bail("chdir");
	is_str(hook_path(c, "near"), want, "is taken by its own directory");
	if (chdir(cwd) < 0)
		bail("chdir back");
}

int main(void)
{
	test_faults(CONF_IN_TASK, "task file", task_faults, ARRAY_SIZE(task_faults));
	test_faults(CONF_IN_MAIN, "taskhook.conf", main_faults, ARRAY_SIZE(main_faults));
	test_faults(CONF_IN_GROUP, "group.ini", group_faults, ARRAY_SIZE(group_faults));
	test_faults(CONF_IN_HOOK, "hook.conf", hook_faults, ARRAY_SIZE(hook_faults));
	test_command_fault();
	test_all_errors();
	test_defaults();
	test_types();
	test_formats();
	test_layers();
	test_lists_add();
	test_environment();
	test_hooks();
	test_headers();
	test_set();
	test_main_files();
	test_one_file();
	test_near_paths();
	return done_testing();
}
