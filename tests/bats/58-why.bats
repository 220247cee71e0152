#!/usr/bin/env bats
# why: what failed, what was undone, what is left, what to type; and what status tells beside.
# shellcheck disable=SC2016,SC2154 # for other shells; set by lib/tasks

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }

teardown() { tasks_teardown; }

# why FILTER TASK: a member of what why --json says of it
why() { th why --json "$group/$2" | jq -e ".format == 1 and (.tasks[0] | $1)" >/dev/null; }

@test "a hook that failed: point, command, lines, what was undone, what to type" {
	hook pre-start/20-mount 'for i in 1 2 3; do echo line $i; done; exit 7'
	hook post-stop/20-umount 'exit 0'
	run -120 th run -q -g "$group" -i one -- true
	run -0 th why "$group/one"
	[ "${lines[0]}" = "$group/one" ]
	[[ $output == *'what  pre-start/20-mount failed'* ]]
	[[ $output == *'point  pre-start/20-mount'* ]]
	[[ $output == *'reason  '*7* ]]
	[[ $output == *"command  $hooks/pre-start/20-mount"* ]]
	[[ $output == *'hook  line 1'*'|  line 2'*'|  line 3'* ]]
	[[ $output == *'by  post-stop/20-umount: ok'* ]]
	[[ $output == *'left  nothing'* ]]
	[[ $output == *"next  taskhook logs --hooks $group/one"* ]]
	why '.failed and .point == "pre-start" and .hook == "20-mount" and .status == 120 and (.output | length) == 3 and .undone == ["post-stop/20-umount: ok"]' one
}

@test "a command that failed: its last 20 lines, of its last run only" {
	run -3 th run -q -g "$group" -i one -- sh -c 'echo of an earlier run >&2; exit 3'
	run -4 th run -q -g "$group" -i one -- sh -c 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i >&2; done; exit 4'
	run -0 th why "$group/one"
	[[ $output == *'what  exit 4'* ]]
	[[ $output == *'stderr  line 11'*'|  line 30'* ]]
	[[ $output != *'line 10'* && $output != *earlier* ]]
	run -5 th run -q -g "$group" -i two -- sh -c 'echo on stdout; exit 5'
	run -0 th why "$group/two"
	[[ $output == *'stdout  on stdout'* ]]
	run -5 th run -q -g "$group" -i three -- sh -c 'printf "\033[31mred\n" >&2; exit 5'
	run -0 th why "$group/three"
	[[ $output == *red* && $output != *$'\033'* ]]
}

@test "a supervisor that was killed: what still lies about" {
	begin -i one -- sleep "$nap"
	pid=$(supervisor_of one)
	kill -KILL "$pid"
	wait_for gone "$pid"
	run -0 th status "$group/one"
	[[ $output == *"its supervisor is gone; 'taskhook recover' gives it another"* ]]
	run -0 th why "$group/one"
	[[ $output == *'what  its supervisor was killed, it runs on without one'* ]]
	[[ $output == *"next  taskhook recover"* ]]
	if [ "$mode" = auto ] && [ -n "$cgroups" ]; then
		[[ $output == *"left  cgroup $cgroups"*"$group/one"* ]]
		[[ $output =~ processes\ \ [0-9]+\ \(sleep,\ state\ S\) ]]
		why '.left.processes[0].name == "sleep"' one
		[ -d "$(th why --json "$group/one" | jq -r '.tasks[0].left.cgroup')" ]
	fi
}

@test "a mount that a hook has left, and a download that was cut off" {
	needs_root mounts
	run -3 th run -q -g "$group" -i one -- sh -c 'exit 3'
	mkdir -p "$state/tasks/$group/one/mnt" "$state/tasks/$group/shared/_fetch.tool.12345678"
	mount --bind "$BATS_TEST_TMPDIR" "$state/tasks/$group/one/mnt"
	run th why "$group/one"
	umount "$state/tasks/$group/one/mnt"
	[[ $output == *"mounts  $state/tasks/$group/one/mnt"* ]]
	[[ $output == *"umount '$state/tasks/$group/one/mnt'"* ]]
	[[ $output == *"staging  $state/tasks/$group/shared/_fetch.tool.12345678"* ]]
}

@test "without a task: all that failed, and not what did not" {
	run -0 th why
	[ "$output" = 'nothing failed in 1d' ]
	th run -q -g "$group" -i good -- true
	run -3 th run -q -g "$group" -i bad -- sh -c 'exit 3'
	begin -i stopped -- sleep "$nap"
	th -q stop "$group/stopped"
	begin -i runs -- sleep "$nap"
	run -0 th why
	[[ ${lines[0]} == TASK*SINCE*WHAT*REASON ]]
	[[ ${lines[1]} == "$group/bad "*'exit 3' ]]
	[ "${#lines[@]}" -eq 3 ]
	run -0 th why --since=1us
	[ "$output" = 'nothing failed in 0ms' ]
	run -0 th why --json --since=1h
	jq -e --arg task "$group/bad" '.format == 1 and (.tasks | map(.task)) == [$task]' <<<"$output"
	run -0 th why "$group/runs"
	[[ $output == *'what  no failure: running'* ]]
	[[ $output != *'left  '* ]]
	run -64 th why --since=yesterday
	run -64 th why --since=1h "$group/bad"
	run -64 th why nowhere/x
}

@test "status: the last hooks, and how long a stop takes at most" {
	hook pre-start/10-good 'exit 0'
	hook pre-stop/10-slow 'exit 0' 'timeout = 20s
kill-after = 1s'
	hook post-start/10-bad 'exit 3'
	begin --set task.stop-timeout=7s -i one -- sleep "$nap"
	run -0 th status --json "$group/one"
	jq -e '.format == 1 and .state == "running" and (.since | type) == "string" and .pid > 0 and .supervisor_pid > 0' <<<"$output"
	jq -e '.run == 1 and .restarts == 0 and .oom_kills == 0' <<<"$output"
	jq -e '[.hooks[] | .point + "/" + .name] == ["pre-start/10-good", "post-start/10-bad"]' <<<"$output"
	# the hook, its kill and what may be left of it; the grace; the kill
	jq -e '.stop_at_most_usec == (20 + 1 + 5 + 7 + 10) * 1000000' <<<"$output"
	run -0 th status "$group/one"
	[[ $output == *'stop  takes at most 43s'* ]]
	[[ $output =~ hooks\ \ [0-9TZ:.-]+\ pre-start/10-good:\ ok, ]]
	[[ $output == *'post-start/10-bad: exit 3'* ]]
	th -q stop "$group/one"
	run -0 th status "$group/one"
	[[ $output != *'stop  takes'* ]]
}
