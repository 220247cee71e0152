#!/usr/bin/env bats
# Tasks that are started once more: by their policy, and because somebody asks.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# A command that counts its runs in $root/runs and ends with a status of its own in each.
counting() { printf 'echo run $RESTART_COUNT >>"%s/runs"; %s' "$root" "$1"; }
fast() { printf -- '--set=restart.policy=%s\n--set=restart.delay=0\n' "$1"; }
runs() { wc -l <"$root/runs"; }
ran() { [ "$(runs)" -ge "$1" ]; }
field() { th status --json "$group/$1" | jq -r "$2"; }
options_of() { record_of "$1" | jq -c '[.task.hooks.options[].point]'; }
record_of() { cat "$state/records/$group/$1.json"; }

@test "never is the policy unless told" {
	touch "$root/runs"
	run -3 th -q run -g "$group" -i t -- sh -c "$(counting 'exit 3')"
	[ "$(runs)" -eq 1 ]
	assert_clean
}

@test "on-failure: restarted until the attempts are used up, then the last exit counts" {
	mapfile -t options < <(fast on-failure)
	run -7 th run -g "$group" -i t "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "$(counting 'exit 7')"
	[ "$(cat "$root/runs")" = "$(printf 'run 0\nrun 1\nrun 2')" ]
	[[ $output == *"ended with exit code 7: restarting in 0"*"(1 of 2 in 1d)"* ]]
	[[ $output == *"ended with exit code 7: not restarted: its attempts are used up (2 in 1d)"* ]]
	[ "$(record_of t | jq -r '[.restarts, .result, .exit_code, .restart_window.attempts] | @csv')" = '2,"exit-code",7,2' ]
	assert_clean
}

@test "on-failure: a success ends, a success code too, and the status stays the task's" {
	mapfile -t options < <(fast on-failure)
	run -0 th -q run -g "$group" -i t "${options[@]}" -- \
		sh -c "$(counting '[ $RESTART_COUNT = 2 ] || exit 1')"
	[ "$(runs)" -eq 3 ]
	rm "$root/runs"
	run -9 th -q run -g "$group" -i u "${options[@]}" --set=restart.success-codes='4, 9' -- \
		sh -c "$(counting 'exit 9')"
	[ "$(runs)" -eq 1 ]
	assert_clean
}

@test "always: also after a success; a stop ends it for good" {
	mapfile -t options < <(fast always)
	begin -i t "${options[@]}" --set=restart.attempts=1000 -- sh -c "$(counting 'exit 0')"
	wait_for ran 5
	run -0 th stop "$group/t"
	assert_clean
}

@test "the order of hooks: post-exit, pre-restart, pre-start, post-start; post-stop once, at the end" {
	for p in pre-start post-start post-exit pre-restart pre-stop post-stop; do
		hook "$p/10-say" "echo \$HOOK_POINT \$RESTART_COUNT \$RESULT >>'$root/order'"
	done
	mapfile -t options < <(fast on-failure)
	run -5 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=1 -- sh -c 'exit 5'
	diff "$root/order" - <<-'END'
		pre-start 0
		post-start 0
		post-exit 0 exit-code
		pre-restart 0 exit-code
		pre-start 1
		post-start 1
		post-exit 1 exit-code
		post-stop 1 exit-code
	END
	assert_clean
}

@test "a failing pre-restart hook ends the task, with its post-stop hooks" {
	hook pre-restart/10-no 'echo not again; exit 1'
	hook post-stop/10-say "echo down >>'$root/order'"
	mapfile -t options < <(fast on-failure)
	run -120 th run -g "$group" -i t "${options[@]}" -- sh -c "$(counting 'exit 5')"
	[ "$(runs)" -eq 1 ]
	[ "$(cat "$root/order")" = down ]
	[[ $output == *"pre-restart/10-no: exited with status 1"* ]] || [[ $output == *"pre-restart/10-no"* ]]
	assert_clean
}

@test "a pre-start hook that fails at a restart counts as an attempt" {
	hook pre-start/10-flaky "[ \$RESTART_COUNT != 1 ]"
	mapfile -t options < <(fast on-failure)
	run -0 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=3 -- \
		sh -c "$(counting '[ $RESTART_COUNT = 2 ] || exit 1')"
	[ "$(cat "$root/runs")" = "$(printf 'run 0\nrun 2')" ]
	assert_clean
}

@test "a stop during the delay ends the wait; the state is restarting until then" {
	begin -i t --set=restart.policy=always --set=restart.delay=5m -- true
	wait_for is_state t restarting
	[ "$(record_of t | jq -r '[.last_exit.result, .last_exit.exit_code, .restart_window.attempts] | @csv')" = '"success",0,1' ]
	run -0 timeout 10 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" stop "$group/t"
	assert_clean
}

@test "max-run-time is counted from the first launch, over all restarts" {
	run -124 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q run -g "$group" -i t \
		--set=restart.policy=always --set=restart.delay=5m --set=task.max-run-time=1s -- true
	assert_clean
}

@test "a hook that is done is passed over at a restart, and what it handed on stays" {
	hook pre-start/10-once "echo once >>'$root/order'; printf '[env]\nPORT = 80\n[result]\ndone = yes\n' >\"\$HOOK_RESULT\""
	hook pre-start/20-each "echo each \$PORT \$STATE_n >>'$root/order'; printf '[env]\nROUND = %s\n[state]\nn = %s\n' \$RESTART_COUNT \$((STATE_n + 1)) >\"\$HOOK_RESULT\""
	mapfile -t options < <(fast on-failure)
	run -1 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "echo \$PORT \$ROUND >>'$root/seen'; exit 1"
	[ "$(cat "$root/order")" = "$(printf 'once\neach 80\neach 80 1\neach 80 2')" ]
	[ "$(cat "$root/seen")" = "$(printf '80 0\n80 1\n80 2')" ]
	# a new start is another task
	run -1 th -q run -g "$group" -i t -- sh -c 'exit 1'
	[ "$(grep -c once "$root/order")" -eq 2 ]
	assert_clean
}

@test "HOOK_STATE_DIR is kept over restarts, and goes with the task" {
	hook pre-start/10-keep "echo x >>\$HOOK_STATE_DIR/n; wc -l <\$HOOK_STATE_DIR/n >>'$root/order'"
	mapfile -t options < <(fast on-failure)
	run -1 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=1 -- sh -c 'exit 1'
	run -0 th -q run -g "$group" -i t -- true
	[ "$(tr -d ' ' <"$root/order" | tr '\n' ,)" = 1,2,1, ]
}

@test "what a hook left running is ended before it runs again" {
	hook pre-start/10-leave "sleep $nap & echo left"
	mapfile -t options < <(fast on-failure)
	begin -i t "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "$(counting "[ \$RESTART_COUNT = 2 ] || exit 1; exec sleep $other_nap")"
	wait_for ran 3
	wait_for is_state t running
	# the pattern does not match itself
	[ "$(grep -lsa -- "[4]${nap#4}" /proc/[0-9]*/cmdline | wc -l)" -eq 1 ]
	run -0 th stop "$group/t"
	wait_for marked_gone "$nap"
	assert_clean
}

@test "what a process left behind is gone before the next one begins" {
	mapfile -t options < <(fast on-failure)
	run -1 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=1 -- \
		sh -c "grep -lsa -- '[4]${nap#4}$' /proc/[0-9]*/cmdline | wc -l >>'$root/others'; setsid sleep $nap & exit 1"
	[ "$(tr -d ' ' <"$root/others" | tr '\n' ,)" = 0,0, ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "logs of all runs are one, and nothing of them is lost" {
	mapfile -t options < <(fast on-failure)
	run -1 th -q run -g "$group" -i t "${options[@]}" --set=restart.attempts=3 -- \
		sh -c 'echo out $RESTART_COUNT; echo err $RESTART_COUNT >&2; exit 1'
	[ "$(grep -h out "$state/tasks/$group/t/logs/stdout.log")" = "$(printf 'out 0\nout 1\nout 2\nout 3')" ]
	[ "$(grep -h err "$state/tasks/$group/t/logs/stderr.log")" = "$(printf 'err 0\nerr 1\nerr 2\nerr 3')" ]
}

@test "kept tasks too: each run has its own streams" {
	mapfile -t options < <(fast on-failure)
	begin -i t "${options[@]}" --set=restart.attempts=3 -- sh -c 'echo out $RESTART_COUNT; exit 1'
	run -1 th wait "$group/t"
	[ "$(cat "$state/tasks/$group/t/logs/stdout.log")" = "$(printf 'out 0\nout 1\nout 2\nout 3')" ]
}

@test "numbers that do not fit together are refused, and nothing is made" {
	run -64 th run -g "$group" -i t --set=restart.policy=always --set=restart.interval=1m --set=restart.delay=50s -- true
	[[ $output == *"do not fit into restart.interval"* ]]
	run -64 th run -g "$group" -i t --set=restart.policy=always --set=restart.attempts=0 --set=restart.mode=delay -- true
	run -64 th run -g "$group" -i t --set=restart.policy=always --set=restart.success-codes=256 -- true
	[[ $output == *"'256' is no exit code"* ]]
	[ ! -e "$state/records/$group/t.json" ]
}

# ---- a restart that is asked for ----

@test "restart: a new process in the same task, with its hooks, and no attempt is counted" {
	for p in pre-start post-start post-exit pre-restart pre-stop post-stop; do
		hook "$p/10-say" "echo \$HOOK_POINT \$RESTART_COUNT \$STOP_REASON >>'$root/order'"
	done
	begin -i t -- sleep "$nap"
	first=$(field t .pid)
	: >"$root/order"
	run -0 th restart "$group/t"
	second=$(field t .pid)
	[ "$first" != "$second" ]
	gone "$first"
	kill -0 "$second"
	diff "$root/order" - <<-'END'
		pre-restart 0
		pre-stop 0 restart
		post-exit 0 restart
		pre-start 1
		post-start 1
	END
	[ "$(record_of t | jq -r '[.restarts, .restart_window, .last_exit.result] | @json')" = '[1,null,"signal"]' ]
	run -0 th restart "$group/t"
	run -0 th stop "$group/t"
	assert_clean
}

@test "restart: a pre-restart hook that fails leaves the task running" {
	hook pre-restart/10-no 'echo the disk is full; exit 1'
	begin -i t -- sleep "$nap"
	first=$(field t .pid)
	run -120 th restart "$group/t"
	[[ $output == *"$group/t: not restarted: pre-restart/10-no: "*"the task runs on"* ]]
	is_state t running
	[ "$(field t .pid)" = "$first" ]
	run -0 th stop "$group/t"
	assert_clean
}

@test "whoever has an answer sees a state that agrees with it" {
	hook pre-restart/10-maybe "[ ! -e '$root/no' ]"
	hook pre-update/10-maybe "[ ! -e '$root/no-update' ]"
	hook post-start/10-warn '[ "$RESTART_COUNT" = 0 ]'
	for round in 1 2 3; do
		begin -i t -- sleep "$nap"
		is_state t running
		run -122 th restart "$group/t"
		[ "$(field t '[.state, .restarts, (.warnings | length)] | @csv')" = '"running",1,1' ]
		touch "$root/no"
		run -120 th restart "$group/t"
		is_state t running
		run -120 th update --restart --set task.nice=1 "$group/t"
		[ "$(field t '[.state, .restarts, .updates] | @csv')" = '"running",1,' ]
		rm "$root/no"
		run -0 th update --set restart.attempts=1$round "$group/t"
		[ "$(field t '[.state, .updates["restart.attempts"].to] | @csv')" = "\"running\",\"1$round\"" ]
		touch "$root/no-update"
		run -120 th update --set restart.attempts=9 "$group/t"
		is_state t running
		rm "$root/no-update"
		run -0 th stop "$group/t"
		is_state t "done"
	done
	begin -i t -- sleep "$nap"
	for round in 1 2 3; do
		lose t
		run -0 th -q recover 3>&-
		is_state t running
	done
	run -0 th stop "$group/t"
	is_state t "done"
	assert_clean
}

@test "restart: a pre-start hook that fails then ends the task, and that is said" {
	hook pre-start/10-once '[ "$RESTART_COUNT" = 0 ]'
	begin -i t -- sleep "$nap"
	run -120 th restart "$group/t"
	[[ $output == *"the restart failed, the task has ended: pre-start/10-once"* ]]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "restart: one whose pre-start hook fails waits as the policy says, and another ends the wait" {
	hook pre-start/10-not-once '[ "$RESTART_COUNT" != 1 ]'
	begin -i t --set=restart.policy=on-failure --set=restart.delay=5m -- sleep "$nap"
	th restart "$group/t" 3>&- & first=$!
	pids+=("$first")
	wait_for is_state t restart-delay
	[ "$(record_of t | jq .restarts)" = 1 ]
	# both are through, and a hook has failed since the first was asked for
	run -122 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" restart "$group/t"
	got=0
	wait "$first" || got=$?
	[ "$got" -eq 122 ]
	[ "$(record_of t | jq .restarts)" = 2 ]
	is_state t running
	run -0 th stop "$group/t"
	assert_clean
}

@test "restart: a process that is over before the post-start hooks is restarted once, not for ever" {
	hook post-start/10-slow 'while [ "$RESTART_COUNT" != 0 ] && kill -0 "$TASK_PID" 2>/dev/null; do sleep 0.02; done'
	begin -i t -- sh -c "[ \$RESTART_COUNT = 0 ] || exit 3; exec sleep $nap"
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" restart "$group/t"
	run -3 th wait "$group/t"
	[ "$(record_of t | jq .restarts)" = 1 ]
	begin -i u -- sh -c "[ \$RESTART_COUNT = 0 ] || exit 3; exec sleep $nap"
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" update --restart --set task.nice=1 "$group/u" 3>&-
	[ "$output" = "task.nice: none -> 1 (with a restart)" ]
	run -3 th wait "$group/u"
	assert_clean
}

@test "restart: of a whole group; one that does not run is refused" {
	begin -i a -- sleep "$nap"
	begin -i b -- sleep "$nap"
	a=$(field a .pid) b=$(field b .pid)
	run -0 th restart -g "$group"
	[ "$(field a .pid)" != "$a" ]
	[ "$(field b .pid)" != "$b" ]
	run -0 th stop -g "$group"
	run -75 th restart "$group/a"
	[[ $output == *"$group/a: does not run"* ]]
	run -64 th restart
	assert_clean
}

@test "restart: two at once are one; in the delay it waits no longer" {
	begin -i t -- sleep "$nap"
	th restart "$group/t" & one=$!
	th restart "$group/t" & two=$!
	wait "$one"
	wait "$two"
	is_state t running
	run -0 th stop "$group/t"
	begin -i u --set=restart.policy=always --set=restart.delay=5m -- \
		sh -c "[ \$RESTART_COUNT = 0 ] || exec sleep $nap"
	wait_for is_state u restarting
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" restart "$group/u"
	is_state u running
	run -0 th stop "$group/u"
	assert_clean
}

@test "restart: a stop that comes meanwhile wins" {
	hook pre-restart/10-wait "touch '$root/there'; exec sleep $other_nap"
	begin -i t -- sleep "$nap"
	th restart "$group/t" 2>"$root/said" & one=$!
	wait_for test -e "$root/there"
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" stop "$group/t"
	got=0
	wait "$one" || got=$?
	[ "$got" -eq 75 ]
	grep -q 'was stopped meanwhile' "$root/said"
	assert_clean
}

@test "a stop that comes while a restart stops the process: it is stopped, for the reason of the stop" {
	hook post-stop/10-say "echo \$STOP_REASON >>'$root/order'"
	begin -i t --set=task.stop-timeout=1m -- sh -c "trap '' TERM; touch '$root/there'; while :; do sleep 0.1; done"
	wait_for test -e "$root/there"
	th restart "$group/t" 2>/dev/null & one=$!
	wait_for is_state t restart-stopping
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" stop -t 0 "$group/t"
	got=0
	wait "$one" || got=$?
	[ "$got" -eq 75 ]
	[ "$(cat "$root/order")" = asked ]
	assert_clean
}

@test "a killed supervisor's task that waits for a restart is taken over, and can be stopped" {
	hook post-stop/10-say "echo down \$RESULT \$STOP_REASON >>'$root/order'"
	begin -i t --set=restart.policy=always --set=restart.delay=5m -- true
	wait_for is_state t restarting
	kill -KILL "$(supervisor_of t)"
	wait_for th -q cleanup
	run -0 th stop "$group/t"
	[ "$(cat "$root/order")" = 'down success asked' ]
	assert_clean
}

@test "a supervisor that takes over knows what the policy has counted" {
	hook pre-start/10-hand "printf '[env]\\nROUND = %s\\n' \$RESTART_COUNT >\"\$HOOK_RESULT\""
	mapfile -t options < <(fast on-failure)
	begin -i t "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "$(counting "[ \$RESTART_COUNT = 1 ] || exit 1; echo \$ROUND >>'$root/seen'; exec sleep $nap")"
	wait_for ran 2
	wait_for is_state t running
	pid=$(supervisor_of t)
	kill -KILL "$pid"
	wait_for gone "$pid"
	run -0 th -q recover
	wait_for is_state t running
	[ "$(field t .restarts)" = 1 ]
	run -0 th signal -s KILL "$group/t"
	run th wait "$group/t"
	# one attempt was left
	[ "$(cat "$root/runs")" = "$(printf 'run 0\nrun 1\nrun 2')" ]
	[ "$(cat "$root/seen")" = 1 ]
	[ "$(record_of t | jq -r '[.restarts, .restart_window.attempts] | @csv')" = 2,2 ]
	assert_clean
}

@test "restart --prehook and --posthook: at pre-restart and post-start of that restart alone" {
	for name in one two; do
		printf '#!/bin/sh\necho "%s $HOOK_POINT $RESTART_COUNT" >>%s\n' $name "$root/order" >"$root/$name"
		chmod 755 "$root/$name"
	done
	begin -i t -- sleep "$nap"
	run -0 th restart --prehook="$root/one" --posthook="$root/two" "$group/t"
	[ "$(cat "$root/order")" = $'one pre-restart 0\ntwo post-start 1' ]
	[ "$(options_of t)" = '[]' ]
	run -0 th restart "$group/t"
	[ "$(wc -l <"$root/order")" -eq 2 ]
	# a fatal one leaves it running
	printf '#!/bin/sh\nexit 3\n' >"$root/no"
	chmod 755 "$root/no"
	run -120 th restart --prehook="$root/no" "$group/t"
	[[ $output == *"not restarted: pre-restart/no"* ]]
	is_state t running
	[ "$(options_of t)" = '[]' ]
	run -0 th restart "$group/t"
	run -0 th stop "$group/t"
}

@test "restart --posthook: the start's own hook is not another, and stays" {
	printf '#!/bin/sh\necho "$HOOK_POINT $RESTART_COUNT" >>%s/order\n' "$root" >"$root/own"
	chmod 755 "$root/own"
	begin -i t --posthook "$root/own" -- sleep "$nap"
	run -0 th restart --posthook "$root/own" "$group/t"
	[ "$(cat "$root/order")" = $'post-start 0\npost-start 1' ]
	run -0 th restart "$group/t"
	[ "$(tail -n 1 "$root/order")" = 'post-start 2' ]
	[ "$(options_of t)" = '["post-start"]' ]
	run -0 th stop "$group/t"
}

@test "restart --posthook: whoever takes over runs it, and forgets it" {
	printf '#!/bin/sh\necho "$HOOK_POINT $RESTART_COUNT" >>%s/order\n' "$root" >"$root/own"
	chmod 755 "$root/own"
	hook pre-start/10-wait "[ \$RESTART_COUNT != 1 ] || { touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done; }"
	begin -i t -- sleep "$nap"
	th restart --posthook "$root/own" "$group/t" 3>&- 2>/dev/null &
	pids+=($!)
	wait_for test -e "$root/there"
	[ "$(options_of t)" = '["post-start"]' ]
	lose t
	touch "$root/go"
	run -0 th recover
	wait_for is_state t running
	[ "$(cat "$root/order")" = 'post-start 1' ]
	dropped() { [ "$(options_of t)" = '[]' ]; }
	wait_for dropped
	run -0 th restart "$group/t"
	[ "$(wc -l <"$root/order")" -eq 1 ]
	run -0 th stop "$group/t"
}

@test "dry-run tells what the restart policy would do" {
	run -0 th start --dry-run -g "$group" -i t -- sleep 1
	[[ $output != *$'\nrestart'* && $output != *$'\npre-restart'* ]]
	hook pre-restart/10-say "echo say"
	run -0 th start --dry-run -g "$group" -i t --set restart.policy=on-failure --set restart.attempts=4 --set restart.interval=1h \
		--set restart.delay=5s --set restart.max-delay=1m -- sleep 1
	[[ $output == *"restart: on-failure, at most 4 times in 1h"*"after 5s, twice as long each time up to 1m"*"on to post-stop"*"pre-restart: at most 1m10s"*10-say*post-stop* ]]
	run -0 th start --dry-run -g "$group" -i t --set restart.policy=always --set restart.mode=delay -- sleep 1
	[[ $output == *"restart: always, at most 2 times in 30m"*"after 15s, and at most a quarter more"*"after the rest of the interval"* ]]
}

@test "state goes with the hook to its other hook points, and to no other hook or user" {
	put='printf "[state]\nlease = %s\n" "$HOOK_POINT-$RESTART_COUNT" >"$HOOK_RESULT"'
	hook pre-deploy/50-lease "$put"
	say="echo \$HOOK_POINT \$STATE_lease >>'$root/order'"
	hook pre-start/50-lease "$say; $put"
	hook pre-start/60-other "$say"
	hook post-start/50-lease "$say; printf '[env]\nA = 1\n' >\"\$HOOK_RESULT\""
	hook pre-restart/50-lease "$say; $put"
	hook pre-stop/50-lease "$say"
	hook post-stop/50-lease "$say"
	user=()
	if [ "$EUID" -eq 0 ]; then
		hook post-exit/50-lease "echo \$HOOK_POINT \$STATE_lease" 'user = nobody'
		user=(--set=task.user=nobody)
	fi
	begin -i t "${user[@]}" -- sleep "$nap"
	run -0 th restart "$group/t"
	run -0 th stop "$group/t"
	[ "$(cat "$root/order")" = "pre-start
pre-start
post-start pre-start-0
pre-restart pre-start-0
pre-stop pre-restart-0
pre-start pre-restart-0
pre-start
post-start pre-start-1
pre-stop pre-start-1
post-stop pre-start-1" ]
	run ! grep -r 'post-exit pre-' "$state/tasks/$group/t/logs"
}
