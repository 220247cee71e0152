/* taskhook-test: vm */
#include "config.h"

#include "os/cgstat.h"

#include "base/fileio.h"
#include "tests/unit/cgtest.h"
#include "tests/unit/tempdir.h"

static void test_details(void)
{
	struct cgstat_details d;

	cgstat_read_details(tempdir.fd, &d);
	ok(d.memory_file == 0 && d.memory_swap == 0 && !d.pressure[CGSTAT_CPU].known,
		"no files, no details");
	tempdir_write("memory.stat", "anon 1\nfile 4096\nkernel 77\nkernel_stack 5\n");
	tempdir_write("memory.swap.current", "12\n");
	tempdir_write("cpu.pressure", "some avg10=1.25 avg60=0.50 avg300=0.10 total=12345\n");
	tempdir_write("memory.pressure", "some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n"
					 "full avg10=0.07 avg60=0.00 avg300=0.00 total=2\n");
	tempdir_write("io.pressure", "nothing\n");
	cgstat_read_details(tempdir.fd, &d);
	ok(d.memory_file == 4096 && d.memory_kernel == 77 && d.memory_swap == 12, "of memory");
	ok(d.pressure[CGSTAT_CPU].known && d.pressure[CGSTAT_CPU].some_avg10 == 125 &&
			d.pressure[CGSTAT_CPU].some_usec == 12345 &&
			d.pressure[CGSTAT_CPU].full_usec == 0,
		"before Linux 5.13 the CPU has no full pressure");
	ok(d.pressure[CGSTAT_MEMORY].some_avg10 == 10000 &&
			d.pressure[CGSTAT_MEMORY].full_avg10 == 7 &&
			d.pressure[CGSTAT_MEMORY].full_usec == 2,
		"both");
	ok(!d.pressure[CGSTAT_IO].known, "a file that is something else");
}

static void test_files(void)
{
	struct cgstat s = {.cpu_usec = 42};
	usec_t cpu = 42;

	is_int(cgstat_read(tempdir.fd, ~0U, &s), -ENOENT, "no such cgroup");
	is_int(cgstat_read_cpu(tempdir.fd, &cpu), -ENOENT, "also for the CPU time alone");
	tempdir_write("cpu.stat", "nothing\n");
	is_int(cgstat_read(tempdir.fd, ~0U, &s), -EBADMSG, "a file that is something else");
	ok(s.cpu_usec == 42 && cpu == 42, "the results are left alone");

	tempdir_write("cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
	is_int(cgstat_read(tempdir.fd, ~0U, &s), 0, "a host without controllers");
	ok(s.has_cpu && s.cpu_usec == 1500 && s.cpu_user_usec == 1000 && s.cpu_system_usec == 500,
		"has CPU time");
	ok(!s.has_memory && !s.has_pids && !s.has_io && s.throttled_usec == 0 && s.oom_kill == 0,
		"and nothing else");
	is_int(cgstat_read_cpu(tempdir.fd, &cpu), 0, "the CPU time alone");
	is_uint(cpu, 1500, "its value");

	tempdir_write("cpu.stat",
		"usage_usec 1\nuser_usec 1\nsystem_usec 0\ncore_sched.force_idle_usec 0\n"
		"nr_periods 19\nnr_throttled 18\nthrottled_usec 900\n");
	tempdir_write("memory.current", "4096\n");
	tempdir_write("pids.current", "3\n");
	is_int(cgstat_read(tempdir.fd, ~0U, &s), 0, "before Linux 5.19");
	ok(s.has_memory && s.memory_current == 4096 && s.memory_peak == 0, "no peak of memory");
	ok(s.has_pids && s.pids_current == 3 && s.pids_peak == 0, "no peak of pids");
	is_uint(s.throttled_usec, 900, "how long it was held back");

	tempdir_write("memory.peak", "8192\n");
	tempdir_write(
		"memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n");
	tempdir_write("pids.peak", "7\n");
	tempdir_write("io.stat",
		"8:0 rbytes=100 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n"
		"253:1\n"
		"8:16 rbytes=11 wbytes=2 rios=1 wios=1 dbytes=9 dios=9 cost.vrate=100.00\n");
	is_int(cgstat_read(tempdir.fd, ~0U, &s), 0, "all there is");
	ok(s.memory_peak == 8192 && s.oom_kill == 1, "memory");
	is_uint(s.pids_peak, 7, "pids");
	ok(s.has_io && s.io_rbytes == 111 && s.io_wbytes == 9, "all devices together");
	tempdir_write("io.stat", "");
	ok(cgstat_read(tempdir.fd, ~0U, &s) == 0 && s.has_io && s.io_rbytes == 0, "no traffic yet");
	tempdir_write("memory.current", "many\n");
	ok(cgstat_read(tempdir.fd, ~0U, &s) == 0 && !s.has_memory, "a number that is none is none");
	ok(cgstat_read(tempdir.fd, 0, &s) == 0 && s.has_cpu && !s.has_memory && !s.has_pids &&
			!s.has_io,
		"CPU time alone, where nothing else was asked for");
}

static void burn(void)
{
	usec_t until = cgtest_in(50 * USEC_PER_MSEC);

	while (clock_monotonic_usec() < until)
		;
	_exit(0);
}

static void test_cgroup(int base)
{
	_cleanup_close_ int a = -1;
	struct cgstat s = {0};
	unsigned have = 0;
	usec_t cpu = 0;

	if (base < 0) {
		skip(6, "%s", cgtest_why);
		return;
	}
	(void)cgroup_enable(
		base, "", CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO, true, NULL, NULL);
	a = cgroup_make(base, "a", CGTEST_MARK, NULL, NULL);
	if (a < 0 || cgroup_controllers(a, &have) < 0)
		bail("cannot make a cgroup: %s", strerror(errno));
	is_int(cgstat_read_cpu(a, &cpu), 0, "a new cgroup");
	is_uint(cpu, 0, "has used no CPU time");
	(void)cgtest_reap(cgtest_fork_in(a, burn), false);
	is_int(cgstat_read(a, ~0U, &s), 0, "after a process ran in it");
	ok(s.has_cpu && s.cpu_usec > 5000, "the time of a process that has ended counts");
	ok(s.has_memory == !!(have & CGROUP_MEMORY) && s.has_pids == !!(have & CGROUP_PIDS) &&
			s.has_io == !!(have & CGROUP_IO),
		"each controller that is there tells something");
	if (!(have & CGROUP_MEMORY))
		skip(1, "no 'memory' controller here: %s", cgroup_explain_missing(CGROUP_MEMORY));
	else
		ok(s.memory_peak > 0 && s.memory_peak >= s.memory_current, "the peak of memory");
	(void)cgroup_remove_tree(base, "a", NULL, cgtest_in(USEC_PER_SEC));
	is_int(cgstat_read(a, ~0U, &s), -ENOENT, "a cgroup that was removed");
}

static void run_checks(int base)
{
	int fds;

	tempdir_make();
	fds = cgtest_count_fds();
	test_details();
	test_files();
	test_cgroup(base);
	is_int(cgtest_count_fds(), fds, "no descriptor is left open");
}

int main(void)
{
	return cgtest_main(run_checks);
}
