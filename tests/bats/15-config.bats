#!/usr/bin/env bats
# config show and config check.

bats_require_minimum_version 1.8.0

setup()
{
	root=$BATS_TEST_TMPDIR/root
	etc=$root$("$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "path" && $2 == "config" {print $3}')
	mkdir -p "$etc"/{taskhook.conf.d,tasks.d,groups,hooks.d}
}

th()
{
	"$TASKHOOK_PROGRAM" --root "$root" "$@"
}

# row KEY: the line of a key
row()
{
	th config show "${@:2}" | grep -F "$1 "
}

@test "show prints every key of the table" {
	th config show >"$BATS_TEST_TMPDIR/shown"
	while IFS=$'\t' read -r kind section name _; do
		[ "$kind" = key ] || continue
		# their sections have a name of their own
		[ "$section" != hook ] && [ "$section" != artifact ] || continue
		grep -q "^$section\\.$name " "$BATS_TEST_TMPDIR/shown"
	done < <("$TASKHOOK_PROGRAM" __tables)
}

@test "show tells defaults, and what is not set" {
	run -0 row logs.max-files
	[[ $output =~ ^logs.max-files\ +10\ +default$ ]]
	run -0 row task.user
	[[ $output =~ ^task.user\ +\(not\ set\)$ ]]
}

@test "show tells file and line; later files win" {
	printf '[logs]\nmax-files = 3\n' >"$etc/taskhook.conf"
	run -0 row logs.max-files
	[[ $output =~ \ 3\ +"$etc/taskhook.conf:2"$ ]]
	printf '\n\n[logs]\nmax-files = 4\n' >"$etc/taskhook.conf.d/10.conf"
	run -0 row logs.max-files
	[[ $output =~ \ 4\ +"$etc/taskhook.conf.d/10.conf:4"$ ]]
}

@test "show of a task file lies over group and configuration" {
	mkdir "$etc/groups/shop"
	printf '[group-limits]\npids = 50\n[env]\nTIER = front\nWHO = group\n' >"$etc/groups/shop/group.ini"
	printf '[task]\ngroup = shop\ncommand = true\n[env]\nWHO = task\n[hook 10-x]\nschedule = pre-start\npath = /x\n' \
		>"$etc/tasks.d/web.ini"
	run -0 row group-limits.pids web
	[[ $output =~ \ 50\ +"$etc/groups/shop/group.ini:2"$ ]]
	run -0 row task.group web
	[[ $output =~ \ shop\ +"$etc/tasks.d/web.ini:2"$ ]]
	run -0 row env.TIER web
	[[ $output =~ \ front\ +"$etc/groups/shop/group.ini:4"$ ]]
	run -0 row env.WHO "$etc/tasks.d/web.ini"
	[[ $output =~ \ task\ +"$etc/tasks.d/web.ini:5"$ ]]
	run -0 row 'hook 10-x.path' web
	[[ $output =~ \ /x\ +"$etc/tasks.d/web.ini:8"$ ]]
}

@test "show tells where state is with --root" {
	run -0 row paths.state
	[[ $output == *" $root/"*/lib/taskhook* ]]
}

@test "show --json has a format, all keys and null for what is not set" {
	printf '[node]\nroles = a, b\n' >"$etc/taskhook.conf"
	th config show --json >"$BATS_TEST_TMPDIR/json"
	run -0 grep -c '"format": 1' "$BATS_TEST_TMPDIR/json"
	command -v python3 >/dev/null || skip "python3 is not installed: the JSON is not parsed"
	run -0 python3 - "$BATS_TEST_TMPDIR/json" <<-'END'
		import json, sys
		j = json.load(open(sys.argv[1]))
		keys = {(k["section"], k["key"]): k for k in j["keys"]}
		assert keys["node", "roles"]["value"] == "a b", keys["node", "roles"]
		assert keys["node", "roles"]["line"] == 2
		assert keys["task", "user"]["value"] is None
		assert keys["logs", "max-files"]["origin"] == "default"
		assert len(j["files"]) == 1
	END
}

@test "show -v tells what each key means" {
	run -0 th config show -v
	[[ $output == *'; most memory of the task'* ]]
}

@test "show of a damaged file names the first error" {
	printf '[logs]\nmax-fles = 3\n' >"$etc/taskhook.conf"
	run -78 th config show
	[[ $output == *"$etc/taskhook.conf:2: "*"max-files"* ]]
}

@test "check counts the good files" {
	printf '[logs]\nmax-files = 3\n' >"$etc/taskhook.conf"
	printf '[task]\ncommand = true\n' >"$etc/tasks.d/a.ini"
	printf '[task]\nuser = root\n' >"$etc/tasks.d/b.ini"
	printf 'not looked at\n' >"$etc/tasks.d/README"
	mkdir -p "$etc/groups/shop/tasks" "$etc/hooks.d/pre-start"
	printf '[env]\nA = b\n' >"$etc/groups/shop/group.ini"
	printf '[task]\ncommand = true\n' >"$etc/groups/shop/tasks/c.ini"
	printf '[hook]\ntimeout = 5s\n' >"$etc/hooks.d/pre-start/10-x.conf"
	run --separate-stderr -0 th config check
	[ "$output" = '6 files are good' ]
	[ -z "$stderr" ]
	run -0 th -q config check
	[ -z "$output" ]
}

@test "check reports every error of every file, and ends with 78" {
	printf '[logs]\nmax-fles = 3\nmax-size = many\n' >"$etc/taskhook.conf"
	printf '[lgos]\nmax-files = 3\n' >"$etc/taskhook.conf.d/1.conf"
	printf '[task]\ncommand = a | b\nnice = 99\n[limits]\nmemory = 1\n' >"$etc/tasks.d/a.ini"
	mkdir -p "$etc/groups/shop/tasks" "$etc/groups/shop/hooks.d/post-stop" "$etc/hooks.d/pre"
	printf '[task]\ncommand = true\n' >"$etc/groups/shop/group.ini"
	printf 'stray\n' >"$etc/groups/shop/tasks/c.ini"
	printf '[hook]\non-failure = shrug\n' >"$etc/groups/shop/hooks.d/post-stop/1.conf"
	printf '[hook]\noperators = strat\n' >"$etc/hooks.d/pre/1.conf"
	run --separate-stderr -78 th config check
	[ -z "$output" ]
	for expected in taskhook.conf:2: taskhook.conf:3: taskhook.conf.d/1.conf:1: tasks.d/a.ini:2: \
		tasks.d/a.ini:3: tasks.d/a.ini:5: groups/shop/group.ini: groups/shop/tasks/c.ini:1: \
		groups/shop/hooks.d/post-stop/1.conf:2: hooks.d/pre/1.conf:2:; do
		[[ $stderr == *"taskhook: $etc/$expected"* ]] || { echo "missing: $expected"; echo "$stderr"; false; }
	done
	# shellcheck disable=SC2154
	[[ ${stderr_lines[-1]} =~ ^taskhook:\ [0-9]+\ errors\ in\ [0-9]+\ files$ ]]
}

@test "check finds what only shows when the layers lie on each other" {
	printf '[task]\ncommand = true\n[hook x]\nschedule = pre-strat\npath = /x\n' >"$etc/tasks.d/a.ini"
	printf '[task]\ncommand = true\nuser = no-such-user-here\n' >"$etc/tasks.d/b.ini"
	printf '[task]\ncommand = true\nid = shared\n' >"$etc/tasks.d/c.ini"
	printf '[task]\ncommand = true\n' >"$etc/tasks.d/d d.ini"
	run -78 th config check
	[[ $output == *"$etc/tasks.d/a.ini:4: "*"did you mean 'pre-start'?"* ]]
	[[ $output == *"$etc/tasks.d/b.ini:3: "*no-such-user-here* ]]
	[[ $output == *"$etc/tasks.d/c.ini:3: "*shared* ]]
	[[ $output == *"$etc/tasks.d/d d.ini: "* ]]
}

@test "check finds a misspelt hook point and a group that cannot be one" {
	mkdir "$etc/hooks.d/pre-strat" "$etc/groups/cpu.x"
	run -78 th config check
	[[ $output == *"$etc/hooks.d/pre-strat: no hook point has this name; did you mean 'pre-start'?"* ]]
	[[ $output == *"$etc/groups/cpu.x: "* ]]
}

@test "check of given files looks at these alone" {
	printf '[logs]\nmax-fles = 3\n' >"$etc/taskhook.conf"
	printf '[task]\ncommand = true\n' >"$BATS_TEST_TMPDIR/mine.ini"
	run -0 th config check "$BATS_TEST_TMPDIR/mine.ini"
	[ "$output" = '1 file is good' ]
	printf '[hook]\ntimeout = 1y\n' >"$BATS_TEST_TMPDIR/10-x.conf"
	run -78 th config check "$BATS_TEST_TMPDIR/mine.ini" "$BATS_TEST_TMPDIR/10-x.conf"
	[[ $output == *"10-x.conf:2: "* ]]
	run -78 th config check "$etc/taskhook.conf"
	[[ $output == *"taskhook.conf:2: "* ]]
	run -78 th config check "$root/nowhere.ini"
	[[ $output == *nowhere.ini* ]]
}

@test "check without any file" {
	run -0 th config check
	[ "$output" = 'there are no files to check; the defaults hold' ]
}

@test "a task file of a group belongs to it, by name and by path; one that says otherwise is refused" {
	mkdir -p "$etc/groups/shop/tasks"
	printf '[env]\nTIER = front\n' >"$etc/groups/shop/group.ini"
	file=$etc/groups/shop/tasks/till.ini
	printf '[task]\ncommand = true\n' >"$file"
	for name in shop/till "$file"; do
		run -0 th run --dry-run -f "$name"
		[[ $output == *shop/till* ]]
		run -0 row env.TIER "$name"
		run -0 th run --dry-run -g other -f "$name"
		[[ $output == *other/till* ]]
		run -0 th run --dry-run --set task.group=other -f "$name"
		[[ $output == *other/till* ]]
	done
	printf 'group = shop\n' >>"$file"
	run -0 th config check
	sed -i 's/group = shop/group = stall/' "$file"
	for name in shop/till "$file"; do
		run -78 th run --dry-run -f "$name"
		[[ $output == *"$file:3: group = stall: "*"group 'shop'"* ]]
	done
	run -78 th config check
	[[ $output == *"$file:3: group = stall: "* ]]
}
