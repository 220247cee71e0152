#!/usr/bin/env bats
# taskhook-test: vm
# Groups: deployed once, shared by their tasks, limits that the first start decides.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

run_all() # COUNT COMMAND: COUNT tasks at once; the exit statuses in $statuses
{
	local i count=$1
	shift
	all=()
	for ((i = 0; i < count; i++)); do
		"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" -i "t$i" -- "$@" \
			>"$root/out$i" 2>"$root/err$i" 3>&- </dev/null &
		all+=("$!")
	done
	statuses=
	for i in "${all[@]}"; do
		wait "$i" && statuses+="0 " || statuses+="$? "
	done
}

@test "however many start at once, one deploys, the others wait and are told" {
	# takes until all others wait, however slow the machine is
	hook pre-deploy/10-once "echo x >>'$root/deploys'; i=0
		while [ \$i -lt 300 ] && [ \"\$(cat '$root'/err* | grep -c 'is deploying')\" -lt 11 ]; do
			i=\$((i + 1)); sleep 0.1; done"
	hook post-deploy/10-once "[ -d \"\$SHARED_DIR/local\" ] && echo x >>'$root/after'"
	run_all 12 true
	[ "$statuses" = "$(printf '0 %.0s' {1..12})" ]
	[ "$(wc -l <"$root/deploys")" -eq 1 ]
	[ "$(wc -l <"$root/after")" -eq 1 ]
	[ "$(grep -l 'is deploying' "$root"/err* | wc -l)" -eq 11 ]
	assert_clean
}

@test "who waits fails with the reason of the one that failed; a later start tries anew" {
	hook pre-deploy/10-once 'sleep 0.5; echo no database; exit 5'
	run_all 4 true
	[ "$statuses" = "120 120 120 120 " ]
	[ "$(grep -l 'pre-deploy/10-once: exit status 5' "$root"/err* | wc -l)" -eq 4 ]
	hook pre-deploy/10-once true
	run -0 th run -g "$group" -i later -- true
	assert_clean
}

@test "when the one that deploys is killed the next takes over" {
	# the first has looked before it tells that it is there
	hook pre-deploy/10-once "nap=60; [ ! -e '$root/go' ] || nap=0; echo x >>'$root/deploys'; sleep \$nap"
	start -i first -- true
	wait_for test -e "$root/deploys"
	first=$started
	: >"$root/go"
	start -i second -- true
	wait_for grep -q 'is deploying' "$root/err"
	kill -KILL "$first"
	wait "$started"
	[ "$(wc -l <"$root/deploys")" -eq 2 ]
}

@test "who waits for a clean-up of the group to end keeps what its hooks say then" {
	hook pre-deploy/10-say 'echo deployed anew'
	hook pre-cleanup/10-slow "touch '$root/begun'; until [ -e '$root/go' ]; do sleep 0.02; done"
	th run -g "$group" -i one -- true
	th cleanup "$group" 3>&- &
	cleaner=$!
	wait_for test -e "$root/begun"
	start -i two -- true
	wait_for grep -q 'waiting for the group' "$root/err"
	: >"$root/go"
	wait "$started"
	wait "$cleaner"
	run ! grep 'cannot open log file' "$root/err"
	run -0 th logs --hooks "$group/two"
	[[ $output == *"pre-deploy/10-say: deployed anew"* ]]
}

@test "tasks share a directory, and each has its link" {
	run -0 th run -g "$group" -i one -- sh -c 'echo shared >local/file; readlink local'
	[ "$output" = ../shared/local ]
	run -0 th run -g "$group" -i two -- cat local/file
	[ "$output" = shared ]
}

@test "shared belongs to the one user of all tasks, else to root" {
	needs_root "only root has tasks of several users"
	run -0 th run -g "$group" -i one --set task.user=nobody -- touch local/by-nobody
	[ "$(stat -c %U "$state/tasks/$group/shared/local")" = nobody ]
	run -0 th run -g "$group" -i two --set task.user=daemon -- true
	[ "$(stat -c %U "$state/tasks/$group/shared/local")" = root ]
	run -1 th run -g "$group" -i one --set task.user=nobody -- touch local/again
}

@test "group.ini: env below the task's own" {
	mkdir -p "$root/etc/taskhook/groups/$group"
	groups=${hooks%/hooks.d}/groups/$group
	mkdir -p "$groups"
	printf '[env]\nA = group\nB = group\n' >"$groups/group.ini"
	run -0 th run -g "$group" --set env.B=task -- sh -c 'echo $A $B'
	[ "$output" = "group task" ]
}

@test "hooks of the group replace those of the same name" {
	hook pre-start/10-a 'echo system'
	groups=${hooks%/hooks.d}/groups/$group/hooks.d/pre-start
	mkdir -p "$groups"
	printf '#!/bin/sh\necho group\n' >"$groups/10-a"
	chmod 755 "$groups/10-a"
	run -0 th -v run -g "$group" -- true
	[[ $output == *"[pre-start/10-a] group"* && $output != *"] system"* ]]
}

@test "what a hook of the group leaves ends with the task where there are no cgroups, and that is said" {
	config off
	hook pre-deploy/10-left "sleep 4711.$$ >/dev/null 2>&1 &"
	run -0 th run -g "$group" -- true
	[[ $output == *"pre-deploy/10-left left processes running; they end with the task"* ]]
	wait_for marked_gone "4711.$$"
}

@test "both layers of cgroups, marked, removed with the last task" {
	needs_root "cgroups are root's here"
	[ -n "$cgroups" ] || skip "no cgroup2 file system is mounted"
	start -i one -- sleep 60
	wait_for grep -q . "$cgroups/nomad.slice/share.slice/$group/one/cgroup.procs"
	one=$started
	start -i two -- sleep 60
	wait_for grep -q . "$cgroups/nomad.slice/share.slice/$group/two/cgroup.procs"
	getfattr -n trusted.taskhook "$cgroups/nomad.slice/share.slice/$group" 2>/dev/null | grep -q "$state" ||
		command -v getfattr >/dev/null || true
	kill -TERM "$one"
	wait "$one" || true
	[ ! -e "$cgroups/nomad.slice/share.slice/$group/one" ]
	[ -e "$cgroups/nomad.slice/share.slice/$group/two" ]
	kill -TERM "$started"
	wait "$started" || true
	assert_clean
}

@test "a cgroup that is not ours is left alone and named" {
	needs_root "cgroups are root's here"
	[ -n "$cgroups" ] || skip "no cgroup2 file system is mounted"
	mkdir -p "$cgroups/th-test-$$/$group"
	printf '[cgroup]\nparent = th-test-%s\n' "$$" >"$root/conf"
	run th run -g "$group" -i x -- true
	rmdir "$cgroups/th-test-$$/$group" "$cgroups/th-test-$$"
	[ "$status" -eq 75 ]
	[[ $output == *"th-test-$$/$group"*"was not made by taskhook"* ]]
}

@test "cgroups that the task made inside its own go too" {
	needs_root "cgroups are root's here"
	[ -n "$cgroups" ] || skip "no cgroup2 file system is mounted"
	run -0 th run -g "$group" -i nest -- sh -c "
		c=$cgroups/nomad.slice/share.slice/$group/nest
		mkdir -p \$c/x/y \$c/z && echo \$\$ >\$c/x/y/cgroup.procs && (setsid sleep $nap &)"
	wait_for marked_gone "$nap"
	assert_clean
}

@test "mode = required where none can be made is an error; auto warns once" {
	[ "$EUID" -ne 0 ] || skip "root can make cgroups"
	config required
	run -69 th run -g "$group" -i x -- true
	[[ $output == *"cgroup.mode is 'required'"* ]]
	[ ! -e "$state/tasks/$group" ]
	config auto
	run -0 th run -g "$group" -i x -- true
	[ "$(grep -c 'tracked through /proc' <<<"$output")" -eq 1 ]
}

@test "limits without the controller name it" {
	needs_root "cgroups are root's here"
	grep -qw memory "$cgroups/cgroup.controllers" && skip "the controller is here"
	run -69 th run -g "$group" -i x --set limits.memory=1G -- true
	[[ $output == *"limits.memory"*"'memory' controller"* ]]
	assert_clean
	printf '[task]\ncommand = true\n[limits]\nmemory = 1G\n' >"$root/t.ini"
	run -69 th run -g "$group" -i x -f "$root/t.ini"
	[[ $output == *"$root/t.ini:4: limits.memory = 1G: "* ]]
	config off
	run -69 th run -g "$group" -i x --set limits.pids=10 -- true
}

@test "limits where no cgroup can be made are one error, with the line" {
	printf '[task]\ncommand = true\n[limits]\npids = 10\n' >"$root/t.ini"
	config off
	run -69 --separate-stderr th run -g "$group" -i x -f "$root/t.ini"
	[[ ${stderr_lines[0]} == *"$root/t.ini:4: limits are set, but there is no cgroup to enforce them: [cgroup] mode is 'off'" ]]
	[ "$EUID" -ne 0 ] || return 0
	config auto
	run -69 --separate-stderr th run -g "$group" -i x -f "$root/t.ini"
	[[ ${stderr_lines[0]} == *"$root/t.ini:4: limits are set, but there is no cgroup to enforce them: "* ]] ||
		[[ ${stderr_lines[0]} == *"$root/t.ini:4: limits.pids = 10: "* ]]
	[[ $stderr != *"silences this"* ]]
}

@test "another limit for the group is refused, in the words of the task file" {
	printf '[group-limits]\nmemory-high = 32M\n' >"$root/a.ini"
	run th run -g "$group" -i a -f "$root/a.ini" -- true
	run -78 th run -g "$group" -i b --set group-limits.memory-high=64M -- true
	[[ $output == *"group-limits.memory-high is 64M in "*"started with 32M from $root/a.ini:2 "* ]]
}
