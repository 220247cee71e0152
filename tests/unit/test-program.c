#include "config.h"

#include "os/program.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "os/spawn.h"
#include "tests/unit/helper.h"
#include "tests/unit/tempdir.h"

static void make_executable(const char *name)
{
	if (fchmodat(tempdir.fd, name, 0755, 0) < 0)
		bail("chmod %s: %s", name, strerror(errno));
}

static void check_found(const char *name, const char *path_env, const char *cwd, int expected,
	const char *expected_path)
{
	_cleanup_free_ char *path = NULL;

	is_int(program_find(name, path_env, cwd, &path), expected, "find '%s' in '%s'", name,
		path_env ? path_env : "the standard path");
	is_str(path, expected_path, "what is found for '%s'", name);
}

static void test_find(void)
{
	_cleanup_free_ char *env = NULL, *one = NULL, *two = NULL, *sub = NULL, *standard = NULL;

	tempdir_mkdir("one");
	tempdir_mkdir("two");
	tempdir_mkdir("two/dir");
	tempdir_write("one/tool", "#!/bin/sh\n");
	tempdir_write("two/tool", "#!/bin/sh\n");
	tempdir_write("one/plain", "text");
	make_executable("two/tool");
	one = xstrdup(tempdir_path("one"));
	two = xstrdup(tempdir_path("two"));
	env = xasprintf("/nonexistent:%s:%s", one, two);
	sub = xasprintf("%s/tool", two);

	check_found("tool", env, NULL, 0, sub);
	check_found("plain", env, NULL, -EACCES, NULL);
	check_found("dir", env, NULL, -EACCES, NULL);
	check_found("absent", env, NULL, -ENOENT, NULL);
	check_found("", env, NULL, -ENOENT, NULL);
	check_found("tool", "", two, 0, sub);
	check_found("tool", "two", tempdir.path, 0, sub);
	check_found("two/tool", env, tempdir.path, 0, sub);
	check_found("./tool", env, one, -EACCES, NULL);
	check_found(sub, "/nonexistent", "/", 0, sub);
	check_found("plain/tool", env, one, -ENOENT, NULL);
	is_int(program_find("sh", NULL, NULL, &standard), 0, "find 'sh' without a path");
	ok(standard && *standard == '/', "it is absolute");
}

static void check_explained(const char *name, const char *content, int errnum, const char *expected)
{
	_cleanup_free_ char *why = NULL;

	if (content) {
		tempdir_write(name, content);
		make_executable(name);
	}
	why = program_explain_exec(tempdir_path("%s", name), errnum);
	is_str(why, expected, "why '%s' cannot be executed (%s)", name, strerror(errnum));
}

static void test_explain(void)
{
	check_explained("no-interpreter", "#!/nonexistent/sh -e\n", ENOENT,
		"its interpreter '/nonexistent/sh' does not exist");
	check_explained("blanks", "#! \t/nonexistent/sh\t-e\n", ENOENT,
		"its interpreter '/nonexistent/sh' does not exist");
	check_explained("from-windows", "#!/bin/sh\r\nexit\r\n", ENOENT,
		"its interpreter '/bin/sh\\x0D' does not exist: its lines end in CR LF, as on "
		"Windows");
	check_explained("bad-interpreter", "#!/etc/passwd\n", EACCES,
		"its interpreter '/etc/passwd' is not executable");
	check_explained(
		"no-line", "echo hello\n", ENOEXEC, "it has no '#!' line and is no program");
	check_explained("empty", "", ENOEXEC, "it is empty");
	check_explained("bare", "#!\n", ENOEXEC, "its '#!' line names no interpreter");
	check_explained("elf", "\177ELF\1", ENOEXEC,
		"it was made for another kind of machine, or is damaged");
	check_explained("elf", NULL, ENOENT, "the dynamic loader that it asks for does not exist");
	check_explained("absent", NULL, ENOENT, strerror(ENOENT));
	check_explained("one", NULL, EACCES, "it is a directory");
	check_explained("one/plain", NULL, EACCES, "it is not executable (mode 0644)");
	check_explained("no-line", NULL, ETXTBSY, strerror(ETXTBSY));
}

static void check_problem(const char *name, const char *expected)
{
	_cleanup_free_ char *why = program_problem(tempdir_path("%s", name));

	is_str(why, expected, "what a look at '%s' tells", name);
}

static void test_problem(void)
{
	tempdir_write("good", "#!/bin/sh -e\n");
	tempdir_write("relative", "#!sh\n");
	check_problem("good", NULL);
	check_problem("relative", NULL);
	check_problem("absent", NULL);
	check_problem("elf", NULL);
	check_problem("no-interpreter", "its interpreter '/nonexistent/sh' does not exist");
	check_problem("from-windows",
		"its interpreter '/bin/sh\\x0D' does not exist: its lines end in CR LF, as on "
		"Windows");
	check_problem("bad-interpreter", "its interpreter '/etc/passwd' is not executable");
	check_problem("no-line", "it has no '#!' line and is no program");
	check_problem("empty", "it is empty");
	check_problem("bare", "its '#!' line names no interpreter");
}

/* The errors that are explained are those of the kernel. */
static void test_kernel(void)
{
	char word[] = "x", *argv[] = {word, NULL}, *no_env[] = {NULL};
	struct spawn_spec spec = SPAWN_SPEC_INIT;
	struct spawn_result result;

	if (!helper_has_pidfd()) {
		skip(1, "no pidfd_open here (Linux 5.3; valgrind 3.19 has none either)");
		return;
	}
	spec.path = tempdir_path("from-windows");
	spec.argv = argv;
	spec.envp = no_env;
	is_int(spawn_process(&spec, &result), -ENOENT, "the kernel on a missing interpreter");
	spec.path = tempdir_path("no-line");
	is_int(spawn_process(&spec, &result), -ENOEXEC, "the kernel on a script without '#!'");
	spec.path = tempdir_path("bare");
	is_int(spawn_process(&spec, &result), -ENOEXEC, "the kernel on a bare '#!'");
}

int main(void)
{
	tempdir_make();
	test_find();
	test_explain();
	test_problem();
	test_kernel();
	return done_testing();
}
