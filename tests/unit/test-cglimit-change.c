/* cglimits_change(): a directory with plain files stands for a cgroup. tests/vm asks a kernel. */
#include "config.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "os/cglimit.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

static void check_file(const char *file, const char *expected)
{
	_cleanup_free_ char *now = NULL;

	ok(file_read_at(tempdir.fd, file, 0, 1000, &now, NULL) == 0, "read");
	is_str(now, expected, "%s", file);
}

/* A plain file is not emptied by a write, so that all values of one file are equally long. */
static void make_files(void)
{
	tempdir_write("memory.max", "4096");
	tempdir_write("cpu.weight", "100");
	tempdir_write("pids.max", "100");
}

static void check_files(const char *memory, const char *cpu_weight, const char *pids)
{
	check_file("memory.max", memory);
	check_file("cpu.weight", cpu_weight);
	check_file("pids.max", pids);
}

/* As the files of make_files() say, without the weight. */
static struct cglimits before(void)
{
	return (struct cglimits){
		.has_memory = true,
		.memory = 4096,
		.has_pids = true,
		.pids = 100,
	};
}

static struct cglimits after(void)
{
	return (struct cglimits){
		.has_memory = true,
		.memory = 8192,
		.has_pids = true,
		.pids = 200,
		.has_cpu_weight = true,
		.cpu_weight = 300,
	};
}

static int change(const struct cglimits *from, const struct cglimits *to, struct th_err *err)
{
	return cglimits_change(tempdir.fd, from, to, "limits", err);
}

static void test_change(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cglimits from = before(), to = after();

	make_files();
	is_int(change(&from, &to, &err), 0, "changed: %s", err_text(&err));
	check_files("8192", "300", "200");

	/* What is the same is not touched, and what is not set any more has its default. */
	tempdir_write("pids.max", "xxx");
	from = to;
	from.cpu_weight = 100;
	is_int(change(&to, &from, &err), 0, "and back: %s", err_text(&err));
	check_file("cpu.weight", "100");
	check_file("pids.max", "xxx");
	from.has_cpu_weight = from.has_pids = false;
	tempdir_write("cpu.weight", "300");
	tempdir_write("pids.max", "200");
	is_int(change(&to, &from, &err), 0, "limits that are taken away: %s", err_text(&err));
	check_file("cpu.weight", "100");
	check_file("pids.max", "max");

	/* A file that is not there limits nothing; one that does not keep the default is told. */
	(void)unlinkat(tempdir.fd, "pids.max", 0);
	is_int(change(&to, &from, &err), 0, "nothing to take away: %s", err_text(&err));
	tempdir_symlink("/dev/null", "pids.max");
	(void)unlinkat(tempdir.fd, "memory.max", 0);
	is_int(change(NULL, &(struct cglimits)CGLIMITS_INIT, &err), -EIO, "it is read back");
	contains(err_text(&err), "limits.pids = unset: 'pids.max' of the 'pids' controller says ''",
		"its text");
	(void)unlinkat(tempdir.fd, "pids.max", 0);
}

static void test_change_devices(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_cglimits_ struct cglimits from = CGLIMITS_INIT;
	struct cglimits none = CGLIMITS_INIT;

	strv_add(&from.io_max, "8:0 rbps=1");
	tempdir_write("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n");
	is_int(change(&from, &none, &err), 0, "limits of a device: %s", err_text(&err));
	check_file("io.max", "8:0 rbps=max wbps=max riops=max wiops=max");
	(void)unlinkat(tempdir.fd, "io.max", 0);
	tempdir_symlink("/dev/full", "io.max");
	is_int(change(&from, &none, &err), -EFBIG, "no end: %s", err_text(&err));
	(void)unlinkat(tempdir.fd, "io.max", 0);
	err_clear(&err);

	from.cpus = xstrdup("1-3");
	tempdir_write("cpuset.cpus", "");
	is_int(change(&from, &none, &err), 0, "CPUs: %s", err_text(&err));
	check_file("cpuset.cpus", "\n");
	tempdir_write("cpuset.cpus", "");
	(void)unlinkat(tempdir.fd, "cpuset.cpus", 0);
	is_int(change(&from, &none, &err), 0, "no such file: %s", err_text(&err));
}

static void test_change_undone(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct cglimits from = before(), to = after();

	make_files();
	tempdir_symlink("/dev/full", "io.weight");
	to.has_io_weight = true;
	to.io_weight = 7;
	is_int(change(&from, &to, &err), -ENOSPC, "one fails");
	contains(err_text(&err), "limits.io-weight = 7: cannot write '7' to 'io.weight'",
		"its text");
	contains(err_text(&err), "; and it cannot be undone: limits.io-weight = unset",
		"the undo's");
	check_files("4096", "100", "100");
	(void)unlinkat(tempdir.fd, "io.weight", 0);
	err_clear(&err);

	/* Of a controller that is not there nothing has to be undone. */
	is_int(change(&from, &to, &err), -EOPNOTSUPP, "one is missing");
	is_int(err.status, EXIT_UNAVAILABLE, "its exit status");
	ok(!strstr(err_text(&err), "undone"), "all is as it was: %s", err_text(&err));
	check_files("4096", "100", "100");
	err_clear(&err);

	/* Where nobody knows what there was, nothing is undone. */
	is_int(change(NULL, &to, &err), -EOPNOTSUPP, "one is missing again");
	check_file("memory.max", "8192");
	check_file("pids.max", "200");
}

int main(void)
{
	tempdir_make();
	test_change();
	test_change_devices();
	test_change_undone();
	return done_testing();
}
