#!/usr/bin/env bats
# Tasks in the background: start, stop, signal, wait.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

@test "start prints GROUP/ID when the task runs, and stop brings it down" {
	for point in pre-start post-start pre-stop post-exit post-stop; do
		hook "$point/10-say" "echo $point \$STOP_REASON \$RESULT >>'$root/order'"
	done
	run -0 --separate-stderr begin -i t -- sleep "$nap"
	[ "$output" = "$group/t" ]
	is_state t running
	[ "$(cat "$root/order")" = $'pre-start\npost-start' ]
	marked_runs "$nap"
	run -0 --separate-stderr th stop "$group/t"
	[ "$output$stderr" = "" ]
	wait_for marked_gone "$nap"
	[ "$(cat "$root/order")" = $'pre-start\npost-start\npre-stop asked\npost-exit asked signal\npost-stop asked signal' ]
	assert_clean
	[ "$(field "$state/records/$group/t.json" stop_reason)" = asked ]
	# it is down: a second one is content
	run -0 th stop "$group/t"
}

@test "a start that fails says why, and leaves nothing" {
	hook pre-start/10-no 'echo "the disk is full"; exit 3'
	hook post-stop/10-undo "echo undone >>'$root/order'"
	run -120 --separate-stderr begin -i t -- sleep "$nap"
	[ -z "$output" ]
	[[ $stderr == *"[pre-start/10-no] the disk is full"* ]]
	[[ $stderr == *"taskhook: $group/t: pre-start/10-no:"* ]]
	[ "$(cat "$root/order")" = undone ]
	wait_for marked_gone "$nap"
	assert_clean
	rm "$hooks/pre-start/10-no"
	run -127 --separate-stderr begin -i t -- /no/such/program
	[ -z "$output" ]
	[[ $stderr == *"/no/such/program"* ]]
	assert_clean
}

@test "a start on a full disk says so, once" {
	needs_small_disk
	run -0 on_small_disk '
		th "$@" run -g "$3" -i u -- true
		head -c 2000000 /dev/zero >"$1/fill"
		th "$@" start -g "$3" -i t -- true
		[ $? -eq 73 ] || exit 99
		ls "$1/tasks/$3"'
	[ "$(grep -c "cannot write the record of '$group/t'" <<<"$output")" -eq 1 ]
	[ "$(tail -n 1 <<<"$output")" = u ] || [ "$(tail -n 2 <<<"$output")" = $'shared\nu' ]
}

@test "a limit of the caller for the size of files ends no supervisor" {
	limited() { (ulimit -f "$1" && shift && "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" "$@" 3>&-) 2>&1 | cat; }
	# 1 KiB: not even what is noted of it
	[[ $(limited 1 start -g "$group" -i t -- true) == *"File too large"* ]]
	[ ! -e "$runtime/$group/t" ]
	[ "$(limited 2048 start -g "$group" -i t -- sh -c 'head -c 3000000 /dev/zero | tr "\\0" "\\n"; echo through; sleep '"$nap")" = "$group/t" ]
	wait_for logs_hold t through
	is_state t running
	# the task itself has the default of the signal
	run -153 limited_status 64 run -g "$group" -i u -- sh -c 'head -c 100000 /dev/zero >"$1"' - "$root/large"
	run -0 th stop "$group/t"
}
limited_status() { (ulimit -f "$1" && shift && "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" "$@" 3>&- 2>/dev/null); }

@test "a post-start hook that stops the task is the start's failure; one that fails is a warning" {
	hook post-start/10-no 'exit 3'
	run -0 --separate-stderr begin -i t -- sleep "$nap"
	[ "$output" = "$group/t" ]
	[[ $stderr == *"post-start/10-no"* ]]
	run -0 th stop "$group/t"
	hook post-start/10-no 'exit 3' 'on-failure = stop'
	run -120 --separate-stderr begin -i t -- sleep "$nap"
	[ -z "$output" ]
	[[ $stderr == *"post-start/10-no"* ]]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "once start is through, status and record tell what its hooks said, failed and handed on" {
	hook pre-start/10-say 'printf "[result]\nmessage = on its way\n" >"$HOOK_RESULT"'
	begin -i t -- sleep "$nap"
	[ "$(th status --json "$group/t" | jq -r .message)" = 'on its way' ]
	hook post-start/10-say 'printf "[env]\nPORT = 80\n[result]\nmessage = on port 80\n" >"$HOOK_RESULT"'
	hook post-start/20-no 'exit 3'
	for ((i = 0; i < 5; i++)); do
		begin -i "u$i" -- sleep "$nap"
		th status --json "$group/u$i" >"$root/status"
		[ "$(jq -r '[.state, .message, (.warnings | length)] | @csv' "$root/status")" = '"running","on port 80",1' ]
		[ "$(jq -r '.hook_state["post-start/10-say"].env.PORT' "$state/records/$group/u$i.json")" = 80 ]
	done
	run -0 th stop -g "$group"
}

@test "--no-wait returns at the launch" {
	mkfifo "$root/go"
	hook post-start/10-wait "read line <'$root/go'"
	run -0 --separate-stderr begin -i t --no-wait -- sleep "$nap"
	[ "$output" = "$group/t" ]
	is_state t post-starting
	echo >"$root/go"
	wait_for is_state t running
	run -0 th stop "$group/t"
}

@test "a task that is over before its post-start hooks was started" {
	hook post-start/10-wait 'while kill -0 "$TASK_PID" 2>/dev/null; do sleep 0.05; done'
	run -0 --separate-stderr begin -i t -- sh -c 'exit 9'
	[ "$output" = "$group/t" ]
	run -9 th wait "$group/t"
}

@test "nothing of the caller's stays open, its session and its directory are left" {
	# a shell that takes the output returns when the start does, and so does a reader of all of it
	begun=$SECONDS
	said=$(begin -i a -- sleep "$nap" 2>&1)
	[ "$said" = "$group/a" ]
	begin -i b -- sleep "$nap" 2>&1 9>"$root/other" | grep -qx "$group/b"
	[ $((SECONDS - begun)) -lt 20 ]
	for id in a b; do
		pid=$(supervisor_of $id)
		[ "$(readlink "/proc/$pid/cwd")" = / ]
		for fd in 0 1 2; do [ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]; done
		[ -z "$(find "/proc/$pid/fd" -lname "$root/other")" ]
		[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
		[ "$(ps -o tty= -p "$pid" | tr -d ' ')" = '?' ]
	done
	run -0 th stop "$group/a" "$group/b"
}

@test "the supervisor leaves its caller's cgroup" {
	needs_cgroups
	caller=$cgroups/th-caller-$$-$BATS_TEST_NUMBER
	mkdir "$caller"
	run -0 bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$caller" "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" \
		start -g "$group" -i t -- sleep "$nap"
	[ -z "$(cat "$caller/cgroup.procs")" ]
	rmdir "$caller"
	grep -q '/_supervisors$' "/proc/$(supervisor_of t)/cgroup"
	run -0 th stop "$group/t"
	assert_clean
}

@test "cleanup removes the cgroup of supervisors when nobody is in it" {
	needs_cgroups
	mkdir "$cgroups/th-parent-$$-$BATS_TEST_NUMBER"
	parent=$cgroups/th-parent-$$-$BATS_TEST_NUMBER
	printf 'parent = %s\n' "${parent##*/}" >>"$root/conf"
	begin -i t -- sleep "$nap"
	[ -n "$(cat "$parent/_supervisors/cgroup.procs")" ]
	run -0 th cleanup
	run -0 th stop "$group/t"
	empty() { [ -z "$(cat "$parent/_supervisors/cgroup.procs")" ]; }
	wait_for empty
	run -0 th cleanup
	[ ! -e "$parent/_supervisors" ]
	rmdir "$parent"
}

@test "a caller that is killed does not take the start along; INT to it undoes the start" {
	mkfifo "$root/go"
	hook pre-start/10-wait "echo >>'$root/reached'; read line <'$root/go'"
	hook post-stop/10-undo "echo undone >>'$root/order'"
	background t -- sleep "$nap"
	wait_for test -s "$root/reached"
	kill -KILL "$started"
	echo >"$root/go"
	wait_for is_state t running
	run -0 th stop "$group/t"
	rm "$root/reached" "$root/order"
	background t -- sleep "$nap"
	wait_for test -s "$root/reached"
	kill -INT "$started"
	ended 130
	grep -q "stopped before the launch" "$root/err"
	[ ! -s "$root/out" ]
	[ "$(cat "$root/order")" = undone ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "stop beside a stop: both return 0 when it is down; a shorter time counts" {
	hook post-stop/10-slow "sleep 0.5; echo down >>'$root/order'"
	begin -i t -- sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
	wait_for logs_hold t up
	th stop -t 1h "$group/t" 3>&- &
	first=$!
	wait_for is_state t stopping
	run -0 th stop -t 0.1s "$group/t"
	[ "$(cat "$root/order")" = down ]
	wait "$first"
	assert_clean
	[ "$(field "$state/records/$group/t.json" status)" = 137 ]
}

@test "stop -s sends another signal; what fails on the way is a warning, and status 122" {
	hook pre-stop/10-no 'echo "no such lease"; exit 4'
	begin -i t -- sh -c 'trap "exit 5" USR1; echo up; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	run -122 th stop -s USR1 "$group/t"
	[[ $output == *"taskhook: $group/t: pre-stop/10-no:"* ]]
	[ "$(field "$state/records/$group/t.json" status)" = 5 ]
}

@test "stop --prehook and --posthook run at their points, and stand in the record" {
	for name in pre post; do
		printf '#!/bin/sh\necho "$HOOK_POINT $HOOK_NAME" >>"%s/order"\n' "$root" >"$root/$name-hook"
		chmod 755 "$root/$name-hook"
	done
	hook pre-stop/10-own "echo own >>'$root/order'"
	begin -i t -- sleep "$nap"
	(cd "$root" && th stop --prehook=pre-hook --posthook="$root/post-hook" "$group/t")
	[ "$(cat "$root/order")" = $'own\npre-stop pre-hook\npost-stop post-hook' ]
	[ "$(jq -r '[.task.hooks.options[] | .point] | join(" ")' "$state/records/$group/t.json")" = "pre-stop post-stop" ]
}

@test "a stop while it starts undoes the start, and both say so" {
	hook pre-start/10-wait "echo >>'$root/reached'; sleep 600"
	hook post-stop/10-undo "echo undone >>'$root/order'"
	background t -- sleep "$nap"
	wait_for test -s "$root/reached"
	run -0 th stop "$group/t"
	ended 143
	grep -q "stopped before the launch" "$root/err"
	[ ! -s "$root/out" ]
	[ "$(cat "$root/order")" = undone ]
	assert_clean
}

@test "a start of what is being stopped: 75, or it waits" {
	mkfifo "$root/go"
	hook post-stop/10-wait "echo >>'$root/reached'; read line <'$root/go'"
	begin -i t -- sleep "$nap"
	th stop "$group/t" 3>&- &
	first=$!
	wait_for test -s "$root/reached"
	run -75 begin -i t -- sleep "$nap"
	[[ $output == *"is running already"* ]]
	background t --if-running=wait -- sleep "$nap"
	wait_for grep -q "waiting for its end" "$root/err"
	echo >"$root/go"
	wait "$first"
	ended 0
	[ "$(cat "$root/out")" = "$group/t" ]
	[ "$(field "$state/records/$group/t.json" run)" = 2 ]
	echo >"$root/go" &
	pids+=("$!")
	run -0 th stop "$group/t"
}

@test "a task whose supervisor was killed is brought down by stop" {
	hook post-stop/10-say "echo post-stop \$STOP_REASON >>'$root/order'"
	begin -i t -- sleep "$nap"
	pid=$(supervisor_of t)
	kill -KILL "$pid"
	wait_for gone "$pid"
	run -0 th stop "$group/t"
	wait_for marked_gone "$nap"
	[ "$(cat "$root/order")" = "post-stop asked" ]
	assert_clean
	run -0 th stop "$group/t"
	[ "$(cat "$root/order")" = "post-stop asked" ]
}

@test "a stop from within is refused at once" {
	hook post-start/10-stop "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' stop '$group/t'; echo \"hook \$?\" >>'$root/order'"
	run -0 begin -i t -- sh -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' stop '$group/t'; echo \"task \$?\" >>'$root/order'; sleep $nap"
	wait_for eval '[ "$(wc -l <"$root/order")" -eq 2 ]'
	[ "$(sort "$root/order")" = $'hook 75\ntask 75' ]
	run -75 th wait -t 0.1s "$group/t"
	run -0 th stop "$group/t"
}

@test "a stop from within by a process that has left its parents is refused too" {
	needs_cgroups
	run -0 begin -i t -- sh -c "setsid -f sh -c '\"\$0\" --root \"$root\" --config \"$root/conf\" stop \"$group/t\"; echo daemon \$? >\"$root/order\"' '$TASKHOOK_PROGRAM'; sleep $nap"
	wait_for test -s "$root/order"
	[ "$(cat "$root/order")" = "daemon 75" ]
}

@test "wait exits as the task did, also when it has ended" {
	begin -i t -- sh -c 'echo up; trap "exit 7" USR1; while :; do sleep 0.05; done'
	wait_for logs_hold t up
	run -75 th wait -t 100ms "$group/t"
	th wait "$group/t" 3>&- &
	waiting=$!
	run -0 th signal -s USR1 "$group/t"
	got=0
	wait "$waiting" || got=$?
	[ "$got" -eq 7 ]
	run -7 th wait "$group/t"
	[ -z "$output" ]
	run -64 th wait "$group/nobody"
	# of several the first that is not 0
	begin -i u -- true
	run -7 th wait "$group/u" "$group/t"
	# one that was stopped
	begin -i t -- sleep "$nap"
	th wait "$group/t" 3>&- &
	waiting=$!
	run -0 th stop "$group/t"
	got=0
	wait "$waiting" || got=$?
	[ "$got" -eq 143 ]
}

@test "a waiting command is told when the supervisor is killed" {
	begin -i t -- sleep "$nap"
	th wait "$group/t" 2>"$root/said" 3>&- &
	waiting=$!
	pid=$(supervisor_of t)
	has_client() { [ "$(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)" -ge 3 ]; }
	wait_for has_client
	kill -KILL "$pid"
	got=0
	wait "$waiting" || got=$?
	[ "$got" -eq 125 ]
	grep -q "its supervisor was killed" "$root/said"
	run -0 th stop "$group/t"
}

@test "signals: to the main process, to all, to what does not run" {
	begin -i t -- sh -c 'trap "echo main" HUP; (trap "echo child" HUP; echo up; while :; do sleep 0.05; done) & while :; do sleep 0.05; done'
	wait_for logs_hold t up
	run -0 th signal -s HUP "$group/t"
	wait_for logs_hold t main
	run ! logs_hold t child
	run -0 th signal -s SIGHUP --tree "$group/t"
	wait_for logs_hold t child
	run -64 th signal "$group/t"
	run -64 th signal -s NONE "$group/t"
	run -0 th stop -s KILL "$group/t"
	run -75 th signal -s HUP "$group/t"
	[[ $output == *"does not run"* ]]
}

@test "stop of several, of a group, of all" {
	for id in a b c; do begin -i $id -- sleep "$nap"; done
	th start -g "x$group" -i a -- sleep "$nap" 3>&-
	run -64 th stop
	run -64 th stop -g "$group" "$group/a"
	run -0 th stop "$group/a" "$group/b" "$group/a"
	is_state a "done"
	is_state c running
	run -0 th stop -g "$group"
	is_state c "done"
	[ "$(th status --json "x$group/a" | jq -r .state)" = running ]
	run -0 th stop --all
	wait_for marked_gone "$nap"
	run -0 th stop --all
	assert_clean
}

@test "a task in the background is kept when its supervisor dies, unless told" {
	begin -i a -- sleep "$nap"
	begin -i b --set task.when-supervisor-dies=end -- sleep "$other_nap"
	for id in a b; do kill -KILL "$(supervisor_of $id)"; done
	wait_for marked_gone "$other_nap"
	marked_runs "$nap"
}

@test "what comes later goes to taskhook.log" {
	hook post-exit/10-no 'exit 3'
	begin -i t -- true
	run -0 th wait "$group/t"
	grep -q "post-exit/10-no" "$state/tasks/$group/t/logs/taskhook.log"
}

@test "--result of a start is written in the end, where the caller was" {
	(cd "$root" && begin -i t --result=result.json -- sh -c 'exit 3')
	run -3 th wait "$group/t"
	[ "$(jq .status "$root/result.json")" = 3 ]
}

@test "a supervisor does not wake up while nothing happens, and is small" {
	begin -i t -- sleep "$nap"
	pid=$(supervisor_of t)
	# it gives memory back a second after the launch, and that is the last time
	settled() {
		local a b
		a=$(switches "$pid")
		sleep 2.5
		b=$(switches "$pid")
		[ -n "$a" ] && [ "$a" = "$b" ]
	}
	wait_for settled
	run -0 th stop "$group/t"
}

@test "a name that is nobody's is told, with the nearest; a group that is only configured has nothing to stop" {
	begin -i site -- sleep "$nap"
	run -64 th stop "$group/sites"
	[[ $output == *"there is no task '$group/sites'; did you mean '$group/site'?"* ]]
	run -64 th status sit
	[[ $output == *"there is no task 'sit'; did you mean 'site'?"* ]]
	run -64 th stop "$group"
	[[ $output == *"there is no task '$group', but a group ('taskhook list --all $group' names its tasks)"* ]]
	run -64 th signal -s HUP quite-another
	[[ $output == *"there is no task 'quite-another': 'taskhook list --all' shows"* ]]
	for command in stop restart; do
		run -64 th $command -g "${group}x"
		[[ $output == *"there is no group '${group}x'; did you mean '$group'?"* ]]
	done
	run -64 th list "${group}x"
	[[ $output == *"did you mean '$group'?"* ]]
	is_state site running
	mkdir -p "$root$(place config)/groups/other"
	run -0 th stop -g other
	[ -z "$output" ]
	run -0 th stop -g "$group"
}
