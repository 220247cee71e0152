/* taskhook-test: vm */
#include "config.h"

#include "os/cglimit.h"

#include "base/fileio.h"
#include "base/parse.h"
#include "os/cgstat.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/tempdir.h"

#include <sched.h>
#include <sys/mman.h>

static void free_format(char *text, const char *expected, const char *name)
{
	is_str(text, expected, "%s", name);
	free(text);
}

/* ---- without a kernel -------------------------------------------------------------------------
 */

static void test_format(void)
{
	_cleanup_cglimits_ struct cglimits l = CGLIMITS_INIT;

	free_format(cglimits_format(&l), "", "nothing is set");
	is_uint(cglimits_controllers(&l), 0, "no controller");
	l.has_memory = l.has_pids = true;
	l.memory = 1 << 30;
	l.pids = 64;
	free_format(cglimits_format(&l), "memory=1G pids=64", "two limits");
	is_uint(cglimits_controllers(&l), CGROUP_MEMORY | CGROUP_PIDS, "their controllers");
	l.has_memory_swap = l.has_cpu = l.has_cpu_weight = l.has_io_weight = true;
	l.cpu_ppm = 500000;
	l.cpu_weight = 50;
	l.io_weight = 200;
	l.pids = CGLIMIT_INFINITY;
	l.cpus = xstrdup("0-3,7");
	strv_add(&l.io_max, "/dev/sda rbps=10M");
	strv_add(&l.io_max, "8:16 wiops=100");
	free_format(cglimits_format(&l),
		"memory=1G memory-swap=0 cpu=50% cpu-weight=50 pids=infinity io-weight=200 "
		"cpus=0-3,7 "
		"io-max='/dev/sda rbps=10M' io-max='8:16 wiops=100'",
		"all kinds");
	is_uint(cglimits_controllers(&l),
		CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPU | CGROUP_IO | CGROUP_CPUSET,
		"all controllers");
	cglimits_done(&l);
	is_uint(cglimits_controllers(&l), 0, "empty again");

	l.has_cpu = true;
	l.cpu_ppm = 1500000;
	free_format(cglimits_format(&l), "cpu=150%", "more than one CPU");
	l.cpu_ppm = 12345;
	free_format(cglimits_format(&l), "cpu=1.2345%", "parts of a percent");
	l.cpu_ppm = 10050;
	free_format(cglimits_format(&l), "cpu=1.005%", "with zeros");
	l.cpu_ppm = CGLIMIT_INFINITY;
	free_format(cglimits_format(&l), "cpu=infinity", "no limit");
	l.has_cpu = false;
	strv_add(&l.io_max, "8:0 rbps=1");
	is_uint(cglimits_controllers(&l), CGROUP_IO, "io.max alone");
}

static void check_differ(const struct cglimits *a, const struct cglimits *b, const char *key)
{
	const char *got = NULL;

	ok(!cglimits_within(a, b, &got), "'%s' differs", key);
	is_str(got, key, "it is named");
}

static void check_cpus(const char *x, const char *y, bool equal)
{
	_cleanup_cglimits_ struct cglimits a = CGLIMITS_INIT, b = CGLIMITS_INIT;

	a.cpus = xstrdup(x);
	b.cpus = xstrdup(y);
	ok(cglimits_within(&a, &b, NULL) == equal, "CPUs '%s' and '%s' are %s", x, y,
		equal ? "the same" : "different");
}

static void test_equal(void)
{
	_cleanup_cglimits_ struct cglimits a = CGLIMITS_INIT, b = CGLIMITS_INIT;
	const char *key = "untouched";

	ok(cglimits_within(&a, &b, &key), "nothing equals nothing");
	is_str(key, "untouched", "no key is named");
	a.memory = 5;
	ok(cglimits_within(&a, &b, &key), "a value that is not set does not count");
	a.has_memory = true;
	check_differ(&a, &b, "memory");
	ok(cglimits_within(&b, &a, NULL), "what is not set differs from nothing");
	free_format(cglimits_value(&a, "memory"), "5", "a value as it is written");
	ok(!cglimits_value(&b, "memory"), "none where it is not set");
	b.has_memory = true;
	check_differ(&a, &b, "memory");
	b.memory = 5;
	ok(cglimits_within(&a, &b, NULL), "equal again");
	a.has_io_weight = true;
	check_differ(&a, &b, "io-weight");
	a.has_io_weight = false;
	a.cpus = xstrdup("0-1");
	free_format(cglimits_value(&a, "cpus"), "0-1", "CPUs");
	check_differ(&a, &b, "cpus");
	b.cpus = xstrdup("1,0");
	strv_add(&a.io_max, "8:0 rbps=1");
	strv_add(&a.io_max, "8:1 rbps=1");
	strv_add(&b.io_max, "8:1 rbps=1");
	check_differ(&a, &b, "io-max");
	strv_add(&b.io_max, "8:0 rbps=1");
	free_format(cglimits_value(&a, "io-max"), "8:0 rbps=1, 8:1 rbps=1", "devices");
	ok(cglimits_within(&a, &b, NULL), "the order of CPUs and devices means nothing");
	ok(cglimits_equal(&a, &b), "all of them");
	b.has_io_weight = true;
	ok(!cglimits_equal(&a, &b) && !cglimits_equal(&b, &a), "one sets more");

	check_cpus("0-3", "0,1,2,3", true);
	check_cpus("0-3,7", "7,2-3,0-1", true);
	check_cpus("0-3", "0-2,2-3", true);
	check_cpus("0-3", "0-4", false);
	check_cpus("63", "64", false);
	check_cpus("0-63,100", "0-63,101", false);
	check_cpus("0-8191", "0-4095,4096-8191", true);
	check_cpus("0-8192", "0-8191", false);
	check_cpus("x", "x", true);
	check_cpus("x", "0", false);
	check_cpus("3-1", "1-3", false);
	check_cpus("", "0", false);
}

static void test_either(void)
{
	_cleanup_cglimits_ struct cglimits a = CGLIMITS_INIT, b = CGLIMITS_INIT;
	struct cglimits c = CGLIMITS_INIT;
	const char *key = NULL;

	a.has_pids = b.has_pids = c.has_pids = true;
	a.has_cpu_weight = b.has_cpu_weight = c.has_cpu_weight = true;
	a.pids = c.pids = 5;
	b.pids = 6;
	a.cpu_weight = b.cpu_weight = 7;
	c.cpu_weight = 8;
	ok(cglimits_within_either(&a, &b, &c, &key), "one as here, one as there");
	a.pids = 9;
	ok(!cglimits_within_either(&a, &b, &c, &key), "as nowhere");
	is_str(key, "pids", "it is named");
}

/* A directory with plain files stands for a cgroup: what is written is what is read. */
static struct cglimits one(size_t has, size_t value, uint64_t number)
{
	struct cglimits l = CGLIMITS_INIT;

	*(bool *)((char *)&l + has) = true;
	*(uint64_t *)(void *)((char *)&l + value) = number;
	return l;
}
#define ONE(FIELD, NUMBER)                                                                         \
	one(offsetof(struct cglimits, has_##FIELD), offsetof(struct cglimits, FIELD), NUMBER)
#define CPU(PPM) one(offsetof(struct cglimits, has_cpu), offsetof(struct cglimits, cpu_ppm), PPM)

static void check_written(struct cglimits l, const char *file, const char *expected)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *now = NULL;

	tempdir_write(file, "");
	is_int(cglimits_apply(tempdir.fd, &l, "limits", &err), 0, "%s is set", file);
	ok(!err_is_set(&err), "no error: %s", err_text(&err));
	ok(file_read_at(tempdir.fd, file, 0, 1000, &now, NULL) == 0, "read");
	is_str(now, expected, "%s", file);
	(void)unlinkat(tempdir.fd, file, 0);
}

/* Ends the life of `l`. */
static void check_refused(struct cglimits *l, int r, int status, const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	is_int(cglimits_apply(tempdir.fd, l, "limits", &err), r, "refused");
	is_int(err.status, status, "its exit status");
	contains(err.text, text, "its text");
	cglimits_done(l);
}

static void test_files(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cglimits l = CGLIMITS_INIT;

	is_int(cglimits_apply(tempdir.fd, &l, "limits", &err), 0, "nothing to set");
	check_written(ONE(memory, 1 << 30), "memory.max", "1073741824");
	check_written(ONE(memory, CGLIMIT_INFINITY), "memory.max", "max");
	check_written(ONE(memory_high, 1 << 20), "memory.high", "1048576");
	check_written(ONE(memory_low, 0), "memory.low", "0");
	check_written(ONE(memory_swap, 0), "memory.swap.max", "0");
	check_written(ONE(pids, 64), "pids.max", "64");
	check_written(ONE(pids, CGLIMIT_INFINITY), "pids.max", "max");
	check_written(ONE(cpu_weight, 10000), "cpu.weight", "10000");
	check_written(CPU(500000), "cpu.max", "50000 100000");
	check_written(CPU(2500000), "cpu.max", "250000 100000");
	check_written(CPU(10000), "cpu.max", "1000 100000");
	check_written(CPU(9990), "cpu.max", "9990 1000000");
	check_written(CPU(1000), "cpu.max", "1000 1000000");
	check_written(CPU(CGLIMIT_INFINITY), "cpu.max", "max 100000");
	check_written(ONE(io_weight, 200), "io.weight", "200");
	check_written(ONE(io_weight, 1), "io.bfq.weight", "1");
	check_written(ONE(io_weight, 100), "io.bfq.weight", "100");
	check_written(ONE(io_weight, 10000), "io.bfq.weight", "1000");

	tempdir_write("cpu.max", "");
	l = CPU(999);
	check_refused(&l, -ERANGE, EXIT_CONFIG, "limits.cpu = 0.0999%: the least");

	/* The controller is there, the file is not. */
	tempdir_write("cgroup.controllers", "cpu memory io cpuset\n");
	l = ONE(memory_swap, 0);
	check_refused(&l, -EOPNOTSUPP, EXIT_UNAVAILABLE,
		"limits.memory-swap = 0: the 'memory' controller of this kernel has no "
		"'memory.swap.max'");
	l = ONE(io_weight, 7);
	check_refused(&l, -EOPNOTSUPP, EXIT_UNAVAILABLE,
		"limits.io-weight = 7: the 'io' controller of this kernel has no 'io.weight'");
	l = ONE(pids, 5);
	check_refused(&l, -EOPNOTSUPP, EXIT_UNAVAILABLE,
		"limits.pids = 5: this host's cgroups have no 'pids' controller for taskhook (");

	/* A file that does not keep what is written. */
	tempdir_symlink("/dev/null", "memory.max");
	l = ONE(memory, 4096);
	check_refused(&l, -EIO, EXIT_UNAVAILABLE,
		"limits.memory = 4K: 'memory.max' of the 'memory' controller says '' after '4096' "
		"was "
		"written");
	tempdir_symlink("/dev/full", "memory.high");
	l = ONE(memory_high, 4096);
	check_refused(&l, -ENOSPC, EXIT_CANTCREAT,
		"limits.memory-high = 4K: cannot write '4096' to 'memory.high' of the 'memory' "
		"controller: ");

	tempdir_write("cpuset.cpus", "");
	tempdir_write("cpuset.cpus.effective", "1-2\n");
	l.cpus = xstrdup("1-3");
	is_int(cglimits_apply(tempdir.fd, &l, "limits", &err), 0, "CPUs of which some are missing");
	tempdir_write("cpuset.cpus", "");
	tempdir_write("cpuset.cpus.effective", "0-2\n");
	check_refused(&l, -EOPNOTSUPP, EXIT_UNAVAILABLE,
		"limits.cpus = 1-3: the 'cpuset' controller has none of these CPUs for taskhook; "
		"it has 0-2");
	l.cpus = xstrdup("1-");
	check_refused(&l, -EINVAL, EXIT_CONFIG, "limits.cpus = 1-: not a list of CPUs");

	tempdir_write("io.max", "");
	strv_add(&l.io_max, "/dev/null rbps=1M");
	check_refused(&l, -ENOTBLK, EXIT_CONFIG,
		"limits.io-max = /dev/null rbps=1M: '/dev/null' is not a block device (write it "
		"as");
	strv_add(&l.io_max, "/no/such rbps=1M");
	check_refused(&l, -ENOENT, EXIT_CONFIG, "'/no/such' cannot be found: No such file");
	strv_add(&l.io_max, "4000:77 rbps=1M");
	check_refused(&l, -ENOTBLK, EXIT_CONFIG, "'4000:77' is not a block device of this host");
	strv_add(&l.io_max, "sda rbps=1M");
	check_refused(&l, -ENOTBLK, EXIT_CONFIG, "'sda' is not a device");
	for (size_t i = 0; i < 6; i++) {
		static const char *const bad[] = {
			"", "8:0", "8:0 rbps", "8:0 rbps=0", "8:0 bps=1", "8:0 rbps=1 rbps=2"};

		strv_add(&l.io_max, bad[i]);
		check_refused(&l, -EINVAL, EXIT_CONFIG, "not a limit (write it as");
	}
}

/* ---- with a kernel ----------------------------------------------------------------------------
 */

static int limited(int base, const char *name, const struct cglimits *l)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	static unsigned explained;
	unsigned missing = 0;
	int fd, r = cgroup_enable(base, "", cglimits_controllers(l), false, &missing, NULL);

	if (r < 0 && r != -EOPNOTSUPP)
		bail("cannot enable controllers: %s", strerror(-r));
	fd = cgroup_make(base, name, CGTEST_MARK, NULL, NULL);
	if (fd < 0)
		bail("cannot make cgroup '%s': %s", name, strerror(-fd));
	r = cglimits_apply(fd, l, "limits", &err);
	if (!missing)
		is_int(r, 0, "limits are set: %s", err_text(&err));
	else if (is_int(r, -EOPNOTSUPP, "a limit that cannot be enforced is refused")) {
		is_int(err.status, EXIT_UNAVAILABLE, "its exit status");
		contains(err.text, cgroup_controller_name(missing), "it names the controller");
		if (!(explained & missing))
			diag("%s", err.text);
		explained |= missing;
	}
	return fd;
}

static void check_kernel(int base, struct cglimits l, const char *file, const char *expected)
{
	_cleanup_close_ int fd = limited(base, "k", &l);
	char now[4096];
	ssize_t n = cgroup_read_file(fd, file, now, sizeof(now));

	if (n < 0) {
		skip(1, "no '%s' here", file);
	} else {
		now[strcspn(now, "\n")] = '\0';
		is_str(now, expected, "%s of the kernel", file);
	}
	cglimits_done(&l);
	(void)cgroup_remove_tree(base, "k", CGTEST_MARK, cgtest_in(USEC_PER_SEC));
}

static void test_kernel(int base)
{
	_cleanup_free_ char *page = xasprintf("%ld", sysconf(_SC_PAGESIZE));
	struct cglimits l = CGLIMITS_INIT;

	check_kernel(base, ONE(memory, 64 << 20), "memory.max", "67108864");
	check_kernel(base, ONE(memory, (uint64_t)sysconf(_SC_PAGESIZE) + 1), "memory.max", page);
	check_kernel(base, ONE(memory, CGLIMIT_INFINITY), "memory.max", "max");
	check_kernel(base, ONE(memory, CGLIMIT_INFINITY - 1), "memory.max", "max");
	check_kernel(base, ONE(memory_high, 64 << 20), "memory.high", "67108864");
	check_kernel(base, ONE(memory_low, 1 << 20), "memory.low", "1048576");
	check_kernel(base, ONE(memory_swap, 0), "memory.swap.max", "0");
	check_kernel(base, ONE(pids, 64), "pids.max", "64");
	check_kernel(base, ONE(pids, CGLIMIT_INFINITY), "pids.max", "max");
	check_kernel(base, ONE(cpu_weight, 50), "cpu.weight", "50");
	check_kernel(base, CPU(500000), "cpu.max", "50000 100000");
	check_kernel(base, CPU(1000), "cpu.max", "1000 1000000");
	check_kernel(base, CPU(CGLIMIT_INFINITY), "cpu.max", "max 100000");
	check_kernel(base, ONE(io_weight, 200), "io.weight", "default 200");
	l.cpus = xstrdup("0,0");
	check_kernel(base, l, "cpuset.cpus", "0");
}

/* The kernel refuses these, or would take them and not keep to them. */
static void test_kernel_refuses(int base)
{
	unsigned have = 0;

	(void)cgroup_controllers(base, &have);
	if (!(have & CGROUP_PIDS) || !(have & CGROUP_CPUSET)) {
		skip(6, "no 'pids' and 'cpuset' controllers here");
		return;
	}
	for (int i = 0; i < 3; i++) {
		static const char *const texts[] = {
			"limits.pids = 99999999: cannot write '99999999' to 'pids.max'",
			"limits.cpu-weight = 10001: cannot write '10001' to 'cpu.weight'",
			"limits.cpus = 8000: "};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_cglimits_ struct cglimits l = CGLIMITS_INIT;
		_cleanup_close_ int fd = -1;

		if (i == 0)
			l = ONE(pids, 99999999);
		else if (i == 1)
			l = ONE(cpu_weight, 10001);
		else
			l.cpus = xstrdup("8000");
		(void)cgroup_enable(base, "", cglimits_controllers(&l), true, NULL, NULL);
		fd = cgroup_make(base, "k", CGTEST_MARK, NULL, NULL);
		ok(cglimits_apply(fd, &l, "limits", &err) < 0, "refused");
		contains(err.text, texts[i], "the reason");
		(void)cgroup_remove_tree(base, "k", CGTEST_MARK, cgtest_in(USEC_PER_SEC));
	}
}

static volatile int *told; /* by a child */

static void eat_memory(void)
{
	size_t size = 64 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(2);
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	_exit(0);
}

static void fork_many(void)
{
	while (*told < 100 && fork() > 0)
		++*told;
	if (*told < 100 && errno == EAGAIN)
		_exit(11);
	pause();
}

static void burn(void)
{
	usec_t until = cgtest_in(300 * USEC_PER_MSEC);

	while (clock_monotonic_usec() < until)
		;
	_exit(0);
}

static void test_bite(int base)
{
	struct cglimits l = CGLIMITS_INIT;
	struct cgstat stat = {0};
	unsigned have = 0;
	int fd, status;

	(void)cgroup_controllers(base, &have);
	if (!(have & CGROUP_MEMORY)) {
		skip(4, "no 'memory' controller here");
	} else {
		l = ONE(memory, 16 << 20);
		l.has_memory_swap = true;
		fd = limited(base, "m", &l);
		status = cgtest_reap(cgtest_fork_in(fd, eat_memory), false);
		ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "too much memory is fatal");
		ok(cgstat_read(fd, ~0U, &stat) == 0 && stat.oom_kill == 1, "the kill is counted");
		ok(stat.memory_peak > (8 << 20) && stat.memory_peak <= (16 << 20),
			"the peak is below it");
		fd_close(fd);
	}
	if (!(have & CGROUP_PIDS)) {
		skip(3, "no 'pids' controller here");
	} else {
		*told = 0;
		l = ONE(pids, 5);
		fd = limited(base, "p", &l);
		status = cgtest_reap(cgtest_fork_in(fd, fork_many), false);
		is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 11, "fork fails at the limit");
		is_int(*told, 4, "after as many as it allows");
		(void)cgroup_kill(fd, cgtest_in(USEC_PER_SEC));
		fd_close(fd);
	}
	if (!(have & CGROUP_CPU)) {
		skip(3, "no 'cpu' controller here");
	} else {
		l = CPU(200000);
		fd = limited(base, "c", &l);
		(void)cgtest_reap(cgtest_fork_in(fd, burn), false);
		ok(cgstat_read(fd, ~0U, &stat) == 0 && stat.throttled_usec > 0,
			"too much CPU time is withheld");
		ok(stat.cpu_usec < 200000, "it got less than it wanted");
		fd_close(fd);
	}
	if (!(have & CGROUP_CPUSET)) {
		skip(2, "no 'cpuset' controller here");
	} else {
		cpu_set_t set;
		pid_t pid;

		l = (struct cglimits)CGLIMITS_INIT;
		l.cpus = xstrdup("0");
		fd = limited(base, "s", &l);
		pid = cgtest_fork_in(fd, NULL);
		ok(sched_getaffinity(pid, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 &&
				CPU_ISSET(0, &set),
			"it may run on CPU 0 alone");
		(void)cgtest_reap(pid, true);
		cglimits_done(&l);
		fd_close(fd);
	}
}

/* A disk and, where there is one, a partition of it. */
static bool find_block_device(bool want_partition, char **ret_name)
{
	DIR *d = opendir("/sys/class/block");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		_cleanup_free_ char *partition = NULL, *node = NULL;

		if (e->d_name[0] == '.')
			continue;
		partition = xasprintf("/sys/class/block/%s/partition", e->d_name);
		node = xasprintf("/dev/%s", e->d_name);
		found = access(node, F_OK) == 0 && (access(partition, F_OK) == 0) == want_partition;
		if (found)
			*ret_name = TAKE_PTR(node);
	}
	if (d)
		closedir(d);
	return found;
}

static void test_io_max(int base)
{
	unsigned have = 0;

	(void)cgroup_controllers(base, &have);
	for (int partition = 0; partition < 2; partition++) {
		_cleanup_cglimits_ struct cglimits l = CGLIMITS_INIT;
		_cleanup_free_ char *name = NULL;
		_cleanup_close_ int fd = -1;
		char now[4096];

		if (!(have & CGROUP_IO)) {
			skip(3, "no 'io' controller here: %s", cgroup_explain_missing(CGROUP_IO));
			continue;
		}
		if (!find_block_device(partition, &name)) {
			skip(3, "no %s here", partition ? "partition" : "disk");
			continue;
		}
		strv_addf(&l.io_max, "%s rbps=10M wiops=100", name);
		strv_addf(&l.io_max, "%s rbps=infinity, wbps=1M", name);
		fd = limited(base, "io", &l);
		(void)cgroup_read_file(fd, "io.max", now, sizeof(now));
		now[strcspn(now, "\n")] = '\0';
		contains(now, " rbps=max wbps=1048576 riops=max wiops=100", "io.max of %s", name);
		ok(now[0] >= '0' && now[0] <= '9' &&
				strspn(now, "0123456789:") == strcspn(now, " "),
			"for one device");
		diag("%s: %s", name, now);
		(void)cgroup_remove_tree(base, "io", CGTEST_MARK, cgtest_in(USEC_PER_SEC));
	}
}

static void run_checks(int base)
{
	int fds;

	tempdir_make();
	fds = cgtest_count_fds();
	test_format();
	test_equal();
	test_either();
	test_files();
	if (base < 0) {
		skip(1, "%s", cgtest_why);
		return;
	}
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	test_kernel(base);
	test_kernel_refuses(base);
	test_bite(base);
	test_io_max(base);
	is_int(cgtest_count_fds(), fds, "no descriptor is left open");
}

int main(void)
{
	return cgtest_main(run_checks);
}
