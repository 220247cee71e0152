#!/usr/bin/env bats
# Tasks in the background: start, stop, signal, wait.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# begin ARG...: `taskhook start` in the test's group
begin() { th start -g "$group" "$@" 3>&-; }

# The pid of the supervisor of a task that runs.
supervisor_of() { th status --json "$group/$1" | jq -e .supervisor.pid; }
is_state() { th status "$group/$1" | grep -q "state  $2"; }

@test "start prints GROUP/ID when the task runs, and stop brings it down" {
	for point in pre-start post-start pre-stop post-exit post-stop; do
		hook "$point/10-say" "echo $point \$STOP_REASON \$RESULT >>'$root/order'"
	done
	run -0 --separate-stderr begin -i t -- sleep 4711
	[ "$output" = "$group/t" ]
	[ "$(cat "$root/order")" = $'pre-start\npost-start' ]
	marked_runs 4711
	run -0 --separate-stderr th stop "$group/t"
	[ "$output$stderr" = "" ]
	! marked_runs 4711
	[ "$(cat "$root/order")" = $'pre-start\npost-start\npre-stop asked\npost-exit asked signal\npost-stop asked signal' ]
	assert_clean
	[ "$(field "$state/records/$group/t.json" stop_reason)" = asked ]
	# it is down: a second one is content
	run -0 th stop "$group/t"
}
