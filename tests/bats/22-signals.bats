#!/usr/bin/env bats
# Signals to run, and what becomes of a task whose supervisor is killed.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# ended STATUS: $started ends with it
ended()
{
	local got=0
	wait "$started" || got=$?
	[ "$got" -eq "$1" ] || {
		echo "ended with $got, not $1" >&2
		return 1
	}
}

@test "TERM: pre-stop, the stop signal, post-exit, post-stop, in this order" {
	for point in pre-stop post-exit post-stop; do
		hook "$point/10-say" "echo $point \$STOP_REASON \$RESULT >>'$root/order'"
	done
	start -i t -- sh -c "trap 'echo task >>$root/order; exit 7' TERM; echo up; sleep 60 & wait"
	wait_for grep -q up "$root/out"
	kill -TERM "$started"
	ended 7
	[ "$(cat "$root/order")" = $'pre-stop signal\ntask\npost-exit signal exit-code\npost-stop signal exit-code' ]
	assert_clean
}

@test "the grace, then SIGKILL; a second signal at least a second later cuts the grace short" {
	start -i t --set task.stop-timeout=500ms -- sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
	wait_for grep -q up "$root/out"
	kill -TERM "$started"
	ended 137
	start -i t --set task.stop-timeout=60s -- sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
	wait_for grep -q up "$root/out"
	kill -INT "$started"
	begin=$SECONDS
	# pressed until it counts: those within the first second do not
	while kill -INT "$started" 2>/dev/null && [ $((SECONDS - begin)) -lt 30 ]; do sleep 0.1; done
	[ $((SECONDS - begin)) -lt 10 ]
	ended 137
}

@test "HUP twice is one stop" {
	start -i t --set task.stop-timeout=1m -- sh -c 'trap "sleep 1.5; exit 5" TERM; echo up; while :; do sleep 0.05; done'
	wait_for grep -q up "$root/out"
	kill -HUP "$started"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do kill -HUP "$started" 2>/dev/null || true; sleep 0.1; done
	ended 5
}

@test "USR1, USR2, QUIT, WINCH and CONT go to the main process" {
	start -i t -- sh -c 'for s in USR1 USR2 QUIT WINCH CONT; do trap "echo got $s" $s; done; echo up; while :; do sleep 0.05; done'
	wait_for grep -q up "$root/out"
	for s in USR1 USR2 QUIT WINCH CONT; do
		kill -s "$s" "$started"
		wait_for grep -q "got $s" "$root/out"
	done
	kill -KILL "$started"
}

@test "TSTP freezes the task and stops run; CONT lets both go on" {
	start -i t -- sh -c 'echo up; while :; do echo >>count; sleep 0.02; done'
	wait_for grep -q up "$root/out"
	count=$state/tasks/$group/t/count
	wait_for test -s "$count"
	kill -TSTP "$started"
	stopped() { grep -q '^State:.T' "/proc/$started/status"; }
	wait_for stopped
	settled() { local a; a=$(wc -c <"$count"); sleep 0.2; [ "$a" = "$(wc -c <"$count")" ]; }
	wait_for settled
	before=$(wc -c <"$count")
	kill -CONT "$started"
	went_on() { [ "$(wc -c <"$count")" -gt "$before" ]; }
	wait_for went_on
	kill -TERM "$started"
	ended 143
}

@test "INT during a pre-start hook ends the hook and undoes" {
	hook pre-start/10-slow "echo up >'$root/up'; sleep $nap"
	hook post-stop/10-say "echo \$RESULT \$STOP_REASON >'$root/said'"
	start -i t -- touch "$root/ran"
	wait_for test -e "$root/up"
	kill -INT "$started"
	ended 130
	[ "$(cat "$root/said")" = "start-failed signal" ]
	[ ! -e "$root/ran" ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "a killed run takes its task along, and the next clean-up pays what is owed" {
	hook pre-start/10-say 'true'
	for point in post-exit post-stop; do
		hook "$point/10-say" "echo $point \$STOP_REASON \$RESULT >>'$root/order'"
	done
	for mode in "$mode" off; do
		config "$mode"
		rm -f "$root/order"
		start -i t -- sh -c "(setsid sleep $nap &); echo up; sleep $nap"
		wait_for grep -q up "$root/out"
		kill -KILL "$started"
		ended 137
		run -0 th cleanup
		wait_for marked_gone "$nap"
		[ "$(cat "$root/order")" = $'post-exit lost lost\npost-stop lost lost' ]
		[ "$(field "$state/records/$group/t.json" result)" = lost ]
		assert_clean
		# twice is the same as once
		run -0 th cleanup
		[ -z "$output" ]
		[ "$(wc -l <"$root/order")" -eq 2 ]
	done
}

@test "a start of the same ID pays what is owed first" {
	hook pre-start/10-say 'true'
	hook post-stop/10-say "echo post-stop \$STOP_REASON >>'$root/order'"
	start -i t -- sh -c "echo up; exec sleep $nap"
	wait_for grep -q up "$root/out"
	kill -KILL "$started"
	ended 137
	run -0 th run -g "$group" -i t -- sh -c 'echo $RUN_NUMBER'
	[[ $output == *2 ]]
	[ "$(head -n 1 "$root/order")" = "post-stop lost" ]
}

@test "killed at any hook point, cleanup brings it down" {
	for point in pre-deploy pre-start post-start pre-stop post-exit post-stop; do
		rm -rf "$hooks"
		hook "$point/10-slow" "echo up >'$root/up'; sleep $nap"
		rm -f "$root/up"
		start -i "at-$point" --set task.max-run-time=200ms -- sleep 60
		wait_for test -e "$root/up"
		kill -KILL "$started"
		ended 137
		rm -rf "$hooks"
		run -0 th cleanup
		wait_for marked_gone "$nap"
		assert_clean
		run -0 th list
		[[ $output != *"at-$point"* ]]
	done
}
