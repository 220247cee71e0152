#include "config.h"

#include "model/name.h"
#include "tests/unit/tap.h"

static void good(const char *s)
{
	struct th_err err = TH_ERR_INIT;

	is_int(name_check(s, "group", &err), 0, "'%s' is a name", s);
	ok(!err_is_set(&err), "and nothing is said");
	err_clear(&err);
}

static void bad(const char *s, const char *why)
{
	struct th_err err = TH_ERR_INIT;

	ok(name_check(s, "task ID", &err) < 0, "'%.40s' is refused", s);
	is_int(err.status, EXIT_USAGE, "as usage");
	contains(err_text(&err), why, "and the reason is said");
	ok(!strpbrk(err_text(&err), "\n\t\033"), "in one line");
	err_clear(&err);
}

static void check_names(void)
{
	char longest[NAME_LEN_MAX + 2];

	good("web");
	good("1");
	good("A.b_c-9");
	good("cpu");
	good("cgroup");
	good("memoryx.y");
	good("shared2");
	good("a.b.c");
	memset(longest, 'x', sizeof(longest));
	longest[NAME_LEN_MAX] = '\0';
	good(longest);
	longest[NAME_LEN_MAX] = 'x';
	longest[NAME_LEN_MAX + 1] = '\0';
	bad(longest, "129 characters; at most 128");
	bad("", "empty");
	bad("a/b", "letters, digits");
	bad("a b", "letters, digits");
	bad("a\nb", "a\\nb");
	bad("\303\244", "letters, digits");
	bad(".hidden", "begin with a letter");
	bad("_hooks", "begin with a letter");
	bad("-x", "begin with a letter");
	bad("..", "begin with a letter");
	bad("a..b", "'..'");
	bad("shared", "shared directory");
	bad("cgroup.procs", "'cgroup.'");
	bad("memory.max", "'memory.'");
	bad("cpu.max", "'cpu.'");
	bad("cpuset.cpus", "'cpuset.'");
	bad("io.stat", "'io.'");
	bad("pids.max", "'pids.'");
	bad("hugetlb.2MB.max", "'hugetlb.'");
	bad("irq.pressure", "'irq.'");
	bad("misc.max", "'misc.'");
	bad("rdma.max", "'rdma.'");
}

static void check_split(void)
{
	struct th_err err = TH_ERR_INIT;
	char *group = NULL, *id = NULL;

	is_int(name_split("web/front", &group, &id, &err), 0, "GROUP/ID");
	is_str(group, "web", "the group");
	is_str(id, "front", "the ID");
	free(group);
	free(id);
	is_int(name_split("front", &group, &id, &err), 0, "an ID alone");
	is_str(group, NULL, "has no group");
	is_str(id, "front", "the ID");
	free(id);
	group = id = NULL;
	ok(name_split("a/b/c", &group, &id, &err) < 0, "two slashes");
	contains(err_text(&err), "task ID 'b/c'", "and what is wrong");
	err_clear(&err);
	ok(name_split("/x", &group, &id, &err) < 0, "no group before the slash");
	contains(err_text(&err), "group is empty", "is told");
	err_clear(&err);
	ok(name_split("x/", &group, &id, &err) < 0, "no ID behind it");
	err_clear(&err);
	ok(name_split("x/..", &group, &id, NULL) < 0, "no way up");
	ok(!group && !id, "what failed sets nothing");
}

static void made(const char *command, unsigned int seed, const char *expected)
{
	char *id = name_make_id(command, seed);

	is_str(id, expected, "an ID for '%s'", command);
	is_int(name_check(id, "task ID", NULL), 0, "it is valid");
	free(id);
}

static void check_made(void)
{
	made("/usr/bin/sleep", 0x3f9a, "sleep-3f9a");
	made("sleep", 0x12003f9a, "sleep-3f9a");
	made("sleep", 1, "sleep-0001");
	made("/opt/my app.sh", 0xabcdef, "my-app-sh-abcdef");
	made("cpu.max", 2, "cpu-max-0002");
	made("..", 3, "task-0003");
	made("/", 4, "task-0004");
	made("", 5, "task-0005");
	made("shared", 6, "shared-0006");
	made("__x__", 7, "x-0007");
	made("a-program-whose-name-is-much-longer-than-anybody-wants", 8,
		"a-program-whose-name-is-much-lon-0008");
	made("\303\244\303\266", 9, "task-0009");
}

int main(void)
{
	check_names();
	check_split();
	check_made();
	return done_testing();
}
