#include "config.h"

#include "fetch/sandbox.h"

#include "base/fd.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * The kernel's interface, written down here (include/uapi/linux/landlock.h of Linux 6.12), as the
 * headers of a build are often older than the kernel that it runs on. Version 1: Linux 5.13; 2:
 * 5.19, REFER; 3: 6.2, TRUNCATE; 4: 6.7, network; 5: 6.10, IOCTL_DEV; 6: 6.12, scopes.
 */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

enum {
	RULE_PATH_BENEATH = 1,
	CREATE_VERSION = 1 << 0,
};

#define FS_EXECUTE     (1ULL << 0)
#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_MAKE_SYM    (1ULL << 12)
#define FS_REFER       (1ULL << 13)
#define FS_TRUNCATE    (1ULL << 14)
#define FS_VERSION_1   ((1ULL << 13) - 1)
#define FS_VERSION_2   ((1ULL << 14) - 1)
#define FS_VERSION_3   ((1ULL << 15) - 1)
#define FS_VERSION_5   ((1ULL << 16) - 1)
#define NET_BIND_TCP   (1ULL << 0)
#define SCOPE_ALL      (1ULL << 0 | 1ULL << 1) /* abstract sockets, signals */

#define READ	(FS_READ_FILE | FS_READ_DIR)
#define EXECUTE (READ | FS_EXECUTE)
#define WRITE                                                                                      \
	(READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |       \
		FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)
/* What makes sense of a file; the kernel refuses a rule for one that has more. */
#define OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

/* Those that are not there are passed over: distributions differ. A link counts as what it leads
 * to. */
static const struct {
	const char *path;
	uint64_t access;
} readable[] = {
	/* names: nsswitch.conf(5), resolv.conf(5), gai.conf(5) */
	{"/etc/resolv.conf", READ},
	{"/etc/hosts", READ},
	{"/etc/host.conf", READ},
	{"/etc/nsswitch.conf", READ},
	{"/etc/gai.conf", READ},
	{"/etc/services", READ},
	{"/etc/protocols", READ},
	{"/run/systemd/resolve", READ},
	{"/run/resolvconf", READ},
	{"/run/NetworkManager", READ},
	{"/etc/passwd", READ},
	{"/etc/group", READ},
	/* certificates and what says which to trust */
	{"/etc/ssl", READ},
	{"/etc/pki", READ},
	{"/etc/ca-certificates", READ},
	{"/etc/crypto-policies", READ},
	{"/usr/share/ca-certificates", READ},
	{"/usr/share/pki", READ},
	{"/usr/local/share/ca-certificates", READ},
	{"/usr/lib/ssl", READ},
	{"/etc/krb5.conf", READ},
	{"/etc/ssh/ssh_known_hosts", READ},
	/* dlopen(3): of nsswitch, of OpenSSL's providers, of iconv */
	{"/etc/ld.so.cache", READ},
	{"/lib", READ},
	{"/lib64", READ},
	{"/usr/lib", READ},
	{"/usr/lib64", READ},
	{"/usr/local/lib", READ},
	{"/etc/localtime", READ},
	{"/usr/share/zoneinfo", READ},
	{"/usr/share/locale", READ},
	{"/dev/null", READ | FS_WRITE_FILE},
	{"/dev/urandom", READ},
	{"/dev/random", READ},
	{"/proc/self", READ},
	{"/proc/sys/crypto", READ},
	{"/sys/devices/system/cpu", READ},
};

/* git is made of programs, some of them scripts. */
static const struct {
	const char *path;
	uint64_t access;
} executable[] = {
	{"/usr", EXECUTE},
	{"/bin", EXECUTE},
	{"/lib", EXECUTE},
	{"/lib64", EXECUTE},
	{"/etc/gitconfig", READ},
	{"/etc/ssh", READ},
	{"/etc/alternatives", READ},
	{"/dev/tty", READ},
};

/* ---- limits of old ---- */

static int set_limit(int resource, rlim_t value)
{
	struct rlimit limit;

	/* prlimit(2) itself: glibc's has an enum of its own for the resource, musl's an int */
	if (syscall(SYS_prlimit64, 0, resource, NULL, &limit) < 0)
		return -errno;
	limit.rlim_cur = MIN(limit.rlim_max, value);
	limit.rlim_max = limit.rlim_cur;
	return syscall(SYS_prlimit64, 0, resource, &limit, NULL) < 0 ? -errno : 0;
}

static int set_limits(const struct sandbox *sandbox)
{
	int r = 0;

	/* a write beyond the limit is to fail and not to kill */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* an exact limit passes; git's own files may be a little larger than what is in them */
	if (sandbox->max_file_size < (uint64_t)1 << 62)
		r = set_limit(RLIMIT_FSIZE, sandbox->max_file_size + ((rlim_t)1 << 20));
	if (r == 0)
		r = set_limit(RLIMIT_CORE, 0);
	if (r == 0)
		r = set_limit(RLIMIT_NOFILE, 1024);
	return r;
}

/* ---- Landlock ---- */

static int add_fd(int ruleset, int fd, uint64_t access)
{
	struct path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

static int add_path(int ruleset, const char *path, uint64_t access)
{
	_cleanup_close_ int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
	int r;

	/* what is not there, or not for us, cannot be read without a rule either */
	if (fd < 0)
		return 0;
	r = add_fd(ruleset, fd, access);
	/* what has no file system of its own below it, as in /proc, cannot be in a rule */
	return r == -EBADFD ? 0 : r;
}

static int add_rules(int ruleset, const struct sandbox *sandbox, uint64_t handled)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	int r = add_fd(ruleset, sandbox->staging_fd, WRITE & handled);

	if (r == 0 && sandbox->source_fd >= 0)
		r = add_fd(ruleset, sandbox->source_fd, READ);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(readable); i++)
		r = add_path(ruleset, readable[i].path, readable[i].access);
	/* where this build of libcurl looks for certificates (since 7.70) */
	if (r == 0 && info->age >= CURLVERSION_SEVENTH) {
		r = add_path(ruleset, info->cainfo, READ);
		if (r == 0)
			r = add_path(ruleset, info->capath, READ);
	}
	for (size_t i = 0; r == 0 && sandbox->runs_programs && i < ARRAY_SIZE(executable); i++)
		r = add_path(ruleset, executable[i].path, executable[i].access);
	return r;
}

/* 0; 1: there is none; -errno */
static int enter_landlock(const struct sandbox *sandbox)
{
	struct ruleset_attr attr = {.handled_access_fs = FS_VERSION_1};
	_cleanup_close_ int ruleset = -1;
	size_t size = sizeof(attr.handled_access_fs);
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION);
	int r;

	if (version < 1)
		return 1;
	if (version >= 2)
		attr.handled_access_fs = FS_VERSION_2;
	if (version >= 3)
		attr.handled_access_fs = FS_VERSION_3;
	if (version >= 4) {
		attr.handled_access_net = NET_BIND_TCP;
		size += sizeof(attr.handled_access_net);
	}
	if (version >= 5)
		attr.handled_access_fs = FS_VERSION_5;
	if (version >= 6) {
		attr.scoped = SCOPE_ALL;
		size += sizeof(attr.scoped);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	r = add_rules(ruleset, sandbox, attr.handled_access_fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	return r;
}

int sandbox_enter(const struct sandbox *sandbox, struct th_err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(
			err, EXIT_INTERNAL, errno, "cannot set no_new_privs: %s", strerror(errno));
	r = set_limits(sandbox);
	if (r < 0)
		return err_set(
			err, EXIT_INTERNAL, -r, "cannot set resource limits: %s", strerror(-r));
#ifndef TH_SANITIZERS
	/* others with our user cannot read our memory; the leak checker could not either */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (sandbox->landlock == JOB_LANDLOCK_OFF)
		return 0;
	r = enter_landlock(sandbox);
	if (r == 1 && sandbox->landlock == JOB_LANDLOCK_REQUIRED)
		return err_set(err, EXIT_UNAVAILABLE, ENOSYS,
			"landlock=required, and this kernel has no Landlock (it is in Linux 5.13 "
			"and "
			"later, where 'lsm=' of its command line does not leave it out)");
	if (r < 0)
		return err_set(err, EXIT_INTERNAL, -r, "cannot enter Landlock: %s", strerror(-r));
	return r;
}
