#!/usr/bin/env bats
# What is shipped: examples/hello.ini, the hooks of examples/hooks, the directories of hooks.d.
# shellcheck disable=SC2016 # tasks expand their variables themselves
# shellcheck disable=SC2154 # set by run and by lib/tasks.bash

bats_require_minimum_version 1.8.0
load lib/tasks

setup()
{
	tasks_setup
	examples=$TASKHOOK_SRCDIR/examples
}

teardown()
{
	tasks_teardown
}

# All of the group that a host could still hold: cgroups, processes by their environment, locks on
# the files of the test's state.
held()
{
	local file inode

	find "${cgroups:-/nonexistent}" -type d -name "$group" 2>/dev/null || true
	grep -lsaF -- "TASKGROUP=$group" /proc/[0-9]*/environ || true
	find "$runtime" -type f 2>/dev/null | while IFS= read -r file; do
		inode=$(stat -c %i "$file")
		grep -E ":$inode [0-9]+ (EOF|[0-9]+)\$" /proc/locks || true
	done
}

# ---- hello ----------------------------------------------------------------------------------

@test "hello.ini: hooks and task are heard, the logs are named, the host is clean" {
	[ -z "$(held)" ]
	run -0 --separate-stderr th -v run -g "$group" -f "$examples/hello.ini"
	[ "$output" = "hello, world! I am run 1 of $group/hello." ]
	logs=$state/tasks/$group/hello/logs
	[[ $stderr == *"[pre-start/10-greet] $group/hello is about to start"* ]]
	[[ $stderr == *"[post-stop/90-farewell] $group/hello has ended: success, exit status 0"* ]]
	[[ $stderr == *" logs are in $logs"* ]]
	[ "$(cat "$logs/stdout.log")" = "$output" ]
	[ "$(grep -c '"verdict":"run"' "$logs/hooks.jsonl")" -eq 2 ]
	[ -z "$(held)" ]
	assert_clean
}

@test "what a task that runs holds is seen by this test" {
	start -i sleeper -- sleep 1000
	wait_for test -e "$state/tasks/$group/sleeper/logs/stdout.log"
	task_runs() { [ "$(grep -lsaF -- "TASKGROUP=$group" /proc/[0-9]*/environ | wc -l)" -ge 1 ]; }
	wait_for task_runs
	run -0 held
	[[ $output == */proc/* ]]
	[[ $output == *POSIX* ]]
	[ "$mode" = off ] || [[ $output == *"/$group"* ]]
}

@test "hello.ini: the second run is counted, and off a terminal hooks are silent" {
	run -0 --separate-stderr th run -g "$group" -f "$examples/hello.ini"
	[ -z "$stderr" ]
	run -0 th run -g "$group" -f "$examples/hello.ini"
	[ "$output" = "hello, world! I am run 2 of $group/hello." ]
}

# ---- hooks.d --------------------------------------------------------------------------------

@test "hooks.d has a directory for every hook point, and its README names them" {
	local name

	{
		"$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "point" { print $2 }'
		printf '%s\n' pre post
	} | sort >"$root/points"
	find "$TASKHOOK_SRCDIR/hooks.d" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | diff "$root/points" -
	while IFS= read -r name; do
		grep -qE "(^| )$name/ " "$TASKHOOK_SRCDIR/hooks.d/README"
	done <"$root/points"
}

@test "hooks.d holds no hook, as it stands in git and as it is installed" {
	local shipped
	shipped=$root$(place shipped)/hooks.d

	mkdir -p "${shipped%/*}"
	cp -R "$TASKHOOK_SRCDIR/hooks.d" "$shipped"
	run -0 --separate-stderr th -v run -g "$group" -- true
	[[ $stderr != *hooks.d* ]]
	find "$shipped" -name '.git*' -delete
	run -0 th hooks list
	[[ $output == *"no hooks"* ]]
	run -0 th hooks check
}
