#!/usr/bin/env bats
# Tasks that outlive their supervisors get others.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

supervised() { th status --json "$group/$1" | jq -e '.supervisor_pid > 0' >/dev/null; }
record() { field "$state/records/$group/$1.json" "$2"; }
logs() { echo "$state/tasks/$group/$1/logs"; }

@test "a task whose supervisor was killed runs on, gets another, and ends as if nothing had been" {
	for point in pre-stop post-exit post-stop; do
		hook "$point/10-say" "echo $point \$STOP_REASON \$RESULT \$EXIT_CODE >>'$root/order'"
	done
	mkfifo "$root/go"
	run -0 begin -i t -- sh -c 'echo begun; read line <"$0"; echo "read $line"; exit 7' "$root/go"
	wait_for logs_hold t begun
	pid=$(th status --json "$group/t" | jq .pid)
	lose t
	is_state t lost
	run -125 th wait "$group/t"
	[[ $output == *"its supervisor was killed ('taskhook recover' gives it another: it runs on)" ]]
	kill -0 "$pid"
	run -0 --separate-stderr th recover
	[ "$output" = "$group/t" ]
	[ -z "$stderr" ]
	is_state t running
	[ "$(th status --json "$group/t" | jq .pid)" = "$pid" ]
	# there is nothing more to do
	run -0 th recover
	[ -z "$output" ]
	th wait "$group/t" 3>&- &
	waiter=$!
	echo on >"$root/go"
	status=0
	wait "$waiter" || status=$?
	[ "$status" -eq 7 ]
	[ "$(cat "$root/order")" = $'post-exit exited exit-code 7\npost-stop exited exit-code 7' ]
	[ "$(cat "$(logs t)/stdout.log")" = $'begun\nread on' ]
	grep -q "has taken over" "$(logs t)/taskhook.log"
	assert_clean
}

@test "it is stopped as any other, with its pre-stop hooks and its grace" {
	hook pre-stop/10-say "echo pre-stop \$STOP_REASON >>'$root/order'"
	run -0 begin -i t -- sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	lose t
	run -0 th recover
	run -0 th stop "$group/t"
	[ "$(cat "$root/order")" = 'pre-stop asked' ]
	[ "$(record t status)" = 3 ]
	logs_hold t bye
	assert_clean
}

@test "stop gives it a supervisor itself; a start is refused until it has one" {
	hook pre-stop/10-say "echo pre-stop \$STOP_REASON >>'$root/order'"
	run -0 begin -i t -- sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	lose t
	run -75 begin -i t -- true
	[[ $output == *"taskhook recover"* ]]
	is_state t lost
	run -0 th stop "$group/t"
	[ "$(cat "$root/order")" = 'pre-stop asked' ]
	[ "$(record t status)" = 3 ]
	assert_clean
}

@test "cleanup alone gives it a supervisor; --force stops it" {
	run -0 begin -i t -- sleep "$nap"
	lose t
	run -0 --separate-stderr th cleanup --dry-run
	[[ $output == *"recover $group/t"* ]]
	run -0 --separate-stderr th cleanup
	[ -z "$output$stderr" ]
	is_state t running
	lose t
	run -75 th cleanup "$group"
	[[ $output == *"$group/t is running"* ]]
	marked_runs "$nap"
	run -0 th cleanup --force "$group"
	wait_for marked_gone "$nap"
	assert_clean
}

@test "two at once, and beside a cleanup: one of them has it" {
	for id in a b c d; do run -0 begin -i $id -- sleep "$nap"; done
	for id in a b c d; do lose $id; done
	th recover >"$root/one" 2>&1 3>&- &
	one=$!
	th cleanup >"$root/two" 2>&1 3>&- &
	two=$!
	run -0 th recover
	wait "$one"
	wait "$two"
	run ! grep -hv "^$group/[abcd]$" "$root/one" "$root/two"
	for id in a b c d; do is_state $id running; done
	run -0 th stop -g "$group"
	wait_for marked_gone "$nap"
	assert_clean
}

@test "without cgroups" {
	config off
	mkfifo "$root/go"
	run -0 begin -i t -- sh -c "sleep $nap & echo begun; read line <\"\$0\"; exit 5" "$root/go"
	wait_for logs_hold t begun
	lose t
	run -0 --separate-stderr th recover
	[ "$output" = "$group/t" ]
	marked_runs "$nap"
	th wait "$group/t" 3>&- &
	waiter=$!
	echo >"$root/go"
	status=0
	wait "$waiter" || status=$?
	[ "$status" -eq 5 ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "a task of another user can open its /dev/stdout again" {
	needs_root "another user"
	run -0 begin -i t --set task.user=nobody -- sh -c 'echo one >/dev/stdout; read line <"$0"; echo two >/dev/stderr' "$root/go"
	wait_for logs_hold t one
	run -0 th stop "$group/t"
	[ "$(cat "$(logs t)/stdout.log")" = one ]
}

@test "a process that has ended without its supervisor: the task is lost, its last output is not" {
	hook post-stop/10-say "echo post-stop \$STOP_REASON \$RESULT >>'$root/order'"
	mkfifo "$root/go"
	# whatever the policy
	run -0 begin -i u --set restart.policy=always -- sh -c 'sh -c "sleep 1000" & echo begun; read line <"$0"; echo last' "$root/go"
	wait_for logs_hold u begun
	pid=$(th status --json "$group/u" | jq .pid)
	lose u
	echo >"$root/go"
	wait_for ended_or_zombie "$pid"
	is_state u lost
	run -125 th wait "$group/u"
	[[ $output == *"$group/u: its supervisor was killed ('taskhook recover' brings it to its end)" ]]
	run -0 th recover
	[ -z "$output" ]
	[ "$(cat "$root/order")" = 'post-stop lost lost' ]
	is_state u "done"
	[ "$(th status --json "$group/u" | jq -c '[.result, .exit_code, .status, .decided_by, .stop_reason]')" = '["lost",null,125,"taskhook","lost"]' ]
	[[ $(th status "$group/u") == *"ended before it had another: how is not known"* ]]
	run -125 th wait "$group/u"
	run -0 th list --all "$group"
	[[ $output == *"$group/u"*done*lost ]]
	# what it left held the FIFO open
	[ "$(cat "$(logs u)/stdout.log")" = $'begun\nlast' ]
	assert_clean
}
is_ended() { [ -n "$(record "$1" ended)" ]; }
ended_or_zombie() { [ ! -e "/proc/$1" ] || [ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = Z ]; }

@test "a post-start hook that ran is killed; those behind it are not run" {
	hook post-start/10-slow "echo >>'$root/reached'; sleep $other_nap"
	hook post-start/20-next "echo next >>'$root/order'"
	run -0 begin -i t --no-wait -- sleep "$nap"
	wait_for test -s "$root/reached"
	lose t
	run -0 th recover
	is_state t running
	wait_for marked_gone "$other_nap"
	[ ! -e "$root/order" ]
	grep -q "post-start/10-slow: was killed" "$(logs t)/taskhook.log"
	run -0 th stop "$group/t"
	assert_clean
}

@test "a stop that was under way goes on, and pre-stop hooks are not run again" {
	hook pre-stop/10-slow "echo >>'$root/reached'; sleep $other_nap"
	run -0 begin -i t -- sleep "$nap"
	th stop "$group/t" >/dev/null 2>&1 3>&- &
	wait_for test -s "$root/reached"
	lose t
	run -0 th recover
	wait_for is_ended t
	wait_for marked_gone "$nap"
	marked_gone "$other_nap"
	[ "$(wc -l <"$root/reached")" -eq 1 ]
	[ "$(record t stop_reason)" = asked ]
	assert_clean
}

@test "one that waits for its restart gets it" {
	mkfifo "$root/go"
	run -0 begin -i t --set restart.policy=on-failure --set restart.delay=2s --set restart.attempts=5 --set restart.interval=1h -- \
		sh -c 'echo "run $RESTART_COUNT"; [ "$RESTART_COUNT" -gt 0 ] || exit 3; read line <"$0"; exit 4' "$root/go"
	wait_for is_state t restart-delay
	lose t
	run -0 --separate-stderr th recover
	[ "$output" = "$group/t" ]
	wait_for logs_hold t 'run 1'
	wait_for is_state t running
	lose t
	run -0 th recover
	[ "$(th status --json "$group/t" | jq .restarts)" = 1 ]
	# a stop while it waits for the next
	echo >"$root/go"
	wait_for is_state t restart-delay
	lose t
	run -0 th stop "$group/t"
	[ "$(record t stop_reason)" = asked ]
	assert_clean
}

# slow_hook POINT: the first of its runs says so and waits, the others only say so
slow_hook()
{
	hook "$1/10-slow" "echo $1 \$STOP_REASON \$RESULT \$EXIT_CODE >>'$root/order'
		[ ! -e '$root/slow' ] || { rm '$root/slow'; echo >>'$root/reached'; sleep $other_nap; }"
}
often='--set restart.policy=on-failure --set restart.delay=0 --set restart.attempts=5 --set restart.interval=1h'

@test "killed while post-exit hooks ran: how the process ended is known, and the task ends as it would have" {
	hook post-exit/05-once "echo once >>'$root/order'; printf '[state]\\nn = 1\\n' >\"\$HOOK_RESULT\""
	slow_hook post-exit
	hook post-exit/20-last "echo last >>'$root/order'"
	slow_hook post-stop
	mkfifo "$root/go"
	touch "$root/slow"
	run -0 begin -i t -- sh -c 'read line <"$0"; exit 5' "$root/go"
	echo >"$root/go"
	wait_for test -s "$root/reached"
	is_state t exited
	lose t
	is_state t lost
	run -0 --separate-stderr th recover
	[ "$output" = "$group/t" ]
	run -5 th wait "$group/t"
	[ "$(jq -c 'select(.signal == "SIGKILL") | [.point, .name, .verdict]' "$(logs t)/hooks.jsonl")" = '["post-exit","10-slow","run"]' ]
	[[ $stderr == *"post-exit/10-slow: was killed, as its supervisor was"* ]]
	marked_gone "$other_nap"
	[ "$(cat "$root/order")" = $'once\npost-exit exited exit-code 5\npost-exit exited exit-code 5\nlast\npost-stop exited exit-code 5' ]
	# what it handed back is kept, as it did not run again
	[ "$(jq -r '.hook_state["post-exit/05-once"].state.n' "$state/records/$group/t.json")" = 1 ]
	[ "$(record t stop_reason)" = exited ]
	[ "$(record t result)" = exit-code ]
	grep -q "post-exit/10-slow: was killed, as its supervisor was" "$(logs t)/taskhook.log"
	assert_clean
}

@test "killed while post-exit hooks ran: a stop that was asked for stays one, and the policy does not restart" {
	slow_hook post-exit
	touch "$root/slow"
	# shellcheck disable=SC2086 # several words
	run -0 begin -i t $often -- sleep "$nap"
	th stop "$group/t" >"$root/out" 2>&1 3>&- &
	stopping=$!
	wait_for test -s "$root/reached"
	lose t
	# the stop that is under way gives it a supervisor itself, and names what failed
	status=0
	wait "$stopping" || status=$?
	[ "$status" -eq 122 ]
	grep -q "post-exit/10-slow: was killed, as its supervisor was" "$root/out"
	[ "$(record t stop_reason)" = asked ]
	[ "$(record t result)" = signal ]
	[ "$(record t restarts)" = 0 ]
	assert_clean
}

@test "killed while post-exit hooks ran: a restart that was asked for takes place" {
	slow_hook post-exit
	touch "$root/slow"
	run -0 begin -i t -- sh -c 'echo "run $RESTART_COUNT"; exec sleep "$0"' "$nap"
	th restart "$group/t" >"$root/out" 2>&1 3>&- &
	pids+=("$!")
	wait_for test -s "$root/reached"
	lose t
	run -0 th recover
	wait_for logs_hold t 'run 1'
	[ "$(th status --json "$group/t" | jq .restarts)" = 1 ]
	run -0 th stop "$group/t"
	assert_clean
}

@test "killed while pre-restart hooks ran: a restart that was asked for takes place, and none runs twice that was through" {
	hook pre-restart/05-once "echo once >>'$root/order'"
	slow_hook pre-restart
	run -0 begin -i t -- sh -c 'echo "run $RESTART_COUNT"; exec sleep "$0"' "$nap"
	for round in 1 2; do
		: >"$root/order"
		: >"$root/reached"
		touch "$root/slow"
		th restart "$group/t" >"$root/out" 2>&1 3>&- &
		pids+=("$!")
		wait_for test -s "$root/reached"
		is_state t restart-asked
		lose t
		run -0 th recover
		wait_for logs_hold t "run $round"
		wait_for is_state t running
		[ "$(cut -d' ' -f1 "$root/order")" = $'once\npre-restart\npre-restart' ]
		# another one begins with the first
		run -0 th restart "$group/t"
		[ "$(cut -d' ' -f1 "$root/order")" = $'once\npre-restart\npre-restart\nonce\npre-restart' ]
		run -0 th stop "$group/t"
		run -0 begin -i t -- sh -c 'echo "run $((RESTART_COUNT + 1))"; exec sleep "$0"' "$nap"
	done
	# one of them fails now
	hook pre-restart/10-slow "echo >>'$root/failing'; [ -e '$root/no' ] || exec sleep $other_nap; exit 3"
	th restart "$group/t" >"$root/out" 2>&1 3>&- &
	pids+=("$!")
	wait_for test -s "$root/failing"
	pid=$(th status --json "$group/t" | jq .pid)
	lose t
	touch "$root/no"
	run -0 th recover
	wait_for is_state t running
	[ "$(th status --json "$group/t" | jq -c '[.pid, .restarts]')" = "[$pid,0]" ]
	run -0 th stop "$group/t"
	assert_clean
}

@test "killed while a restart is prepared, by pre-restart or pre-start hooks: it takes place, once" {
	for point in pre-restart pre-start post-stop; do slow_hook $point; done
	hook pre-restart/05-once "echo once >>'$root/order'"
	mkfifo "$root/go"
	# shellcheck disable=SC2086 # several words
	run -0 begin -i t $often -- sh -c 'echo "run $RESTART_COUNT"; read line <"$0"; exit 5' "$root/go"
	for point in pre-restart pre-start; do
		: >"$root/reached"
		: >"$root/order"
		if [ $point = pre-restart ]; then touch "$root/slow"; else
			hook pre-restart/10-slow "echo pre-restart >>'$root/order'; touch '$root/slow'"
		fi
		echo >"$root/go"
		wait_for test -s "$root/reached"
		lose t
		is_state t lost
		run -75 begin -i t -- true
		run -0 --separate-stderr th recover
		[ "$output" = "$group/t" ]
		wait_for is_state t running
		marked_gone "$other_nap"
		run ! grep post-stop "$root/order"
		[ "$(grep -c once "$root/order")" -eq 1 ]
	done
	wait_for logs_hold t 'run 2'
	[ "$(th status --json "$group/t" | jq -c '[.restarts, .last_exit.exit_code]')" = '[2,5]' ]
	run -0 th stop "$group/t"
	assert_clean
}

@test "killed while post-stop hooks ran: the result is that of the process" {
	slow_hook post-stop
	touch "$root/slow"
	run -0 begin -i t -- sh -c 'exit 5'
	wait_for test -s "$root/reached"
	lose t
	run -0 th recover
	wait_for is_ended t
	[ "$(record t status)" = 5 ]
	[ "$(record t stop_reason)" = lost ]
	[ "$(jq -c 'select(.signal == "SIGKILL") | [.point, .name]' "$(logs t)/hooks.jsonl")" = '["post-stop","10-slow"]' ]
	[ "$(tail -n 1 "$root/order")" = "post-stop lost exit-code 5" ]
	assert_clean
}

@test "signal, grace and hooks of a stop that was under way are not forgotten" {
	hook pre-stop/10-slow "echo >>'$root/reached'; sleep $other_nap"
	printf '#!/bin/sh\necho posthook >>%s\n' "$root/order" >"$root/own"
	chmod 755 "$root/own"
	run -0 begin -i t -- sh -c 'trap "" TERM; trap "echo usr; exit 9" USR1; echo up; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	th stop -s USR1 -t 1h --posthook="$root/own" "$group/t" >"$root/out" 2>&1 3>&- &
	stopping=$!
	wait_for test -s "$root/reached"
	kill -KILL "$stopping"
	lose t
	run -0 th recover
	wait_for is_ended t
	[ "$(record t status)" = 9 ]
	[ "$(cat "$root/order")" = posthook ]
	assert_clean
}

@test "--result of the start is written, by whoever brings the task to its end" {
	mkfifo "$root/go"
	run -0 begin -i t --result="$root/result" -- sh -c 'read line <"$0"; exit 5' "$root/go"
	lose t
	run -0 th recover
	[ ! -e "$root/result" ]
	echo >"$root/go"
	wait_for test -s "$root/result"
	[ "$(jq -c '[.status, .decided_by, has("task"), has("result_file")]' "$root/result")" = '[5,"task",false,false]' ]
	run -0 begin -i u --result="$root/lost" -- sh -c 'read line <"$0"' "$root/go"
	pid=$(th status --json "$group/u" | jq .pid)
	lose u
	echo >"$root/go"
	wait_for ended_or_zombie "$pid"
	run -0 th recover
	[ "$(jq -c '[.status, .result]' "$root/lost")" = '[125,"lost"]' ]
	assert_clean
}

@test "signals to the new supervisor mean what they meant to the first" {
	run -0 begin -i t -- sh -c 'trap "echo hup" USR1; trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	lose t
	run -0 th recover
	kill -USR1 "$(supervisor_of t)"
	wait_for logs_hold t hup
	kill -TERM "$(supervisor_of t)"
	wait_for is_ended t
	[ "$(record t status)" = 3 ]
	[ "$(record t stop_reason)" = signal ]
	assert_clean
}

@test "its run time is limited from its launch on" {
	run -0 begin -i t --set task.max-run-time=3s -- sleep "$nap"
	lose t
	run -0 th recover
	run -124 th wait "$group/t"
	assert_clean
}

@test "supervisors killed again and again under load: each byte is in the logs, once and in its place" {
	mkfifo "$root/go"
	run -0 begin -i t --set logs.max-size=300K --set logs.max-files=1000 -- \
		sh -c 'n=0; until [ -e "$0/enough" ]; do n=$((n + 1)); seq 20000; seq 20000 | sed "s/^/to stderr: /" >&2; done
			echo "$n" >"$0/rounds"; read line <"$0/go"' "$root"
	for ((kills = 0; kills < 10; kills++)); do
		lose t
		run -0 th recover
		[ "$output" = "$group/t" ]
	done
	# what is in a FIFO that nobody holds open is gone: it has a supervisor when it ends
	echo >"$root/enough"
	wait_for test -s "$root/rounds"
	echo >"$root/go"
	run -0 th wait "$group/t"
	for stream in stdout stderr; do
		# oldest first
		find "$(logs t)" -name "$stream.log.*" | awk -F. '{ print $NF "\t" $0 }' | sort -rn | cut -f2 |
			xargs -r cat >"$root/$stream"
		cat "$(logs t)/$stream.log" >>"$root/$stream"
	done
	rounds=$(cat "$root/rounds")
	for ((i = 0; i < rounds; i++)); do seq 20000; done | cmp - "$root/stdout"
	for ((i = 0; i < rounds; i++)); do seq 20000 | sed 's/^/to stderr: /'; done | cmp - "$root/stderr"
}
