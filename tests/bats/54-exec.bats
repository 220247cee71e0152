#!/usr/bin/env bats
# exec: another command in a running task.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

@test "exec has the task's environment, directory and limits, and the caller's streams" {
	hook pre-start/10-port 'printf "[env]\nPORT = 8080\n" >"$HOOK_RESULT"'
	begin -i t -e COLOUR=red --set task.umask=027 --set task.limit-nofile=123 -- sleep "$nap"
	run -0 th exec "$group/t" -- sh -c 'echo "$COLOUR $PORT $TASK_ID $RUN_NUMBER $(umask) $(ulimit -n) $(pwd) ${HOOK_POINT-none}"'
	[ "$output" = "red 8080 t 1 0027 123 $state/tasks/$group/t none" ]
	# what the task has and what a command in it has is the same
	run -0 bash -c '"$0" --root "$1" --config "$1/conf" exec "$2" cat /proc/self/environ | tr "\0" "\n" | grep -v ^_= | sort' \
		"$TASKHOOK_PROGRAM" "$root" "$group/t"
	pid=$(th status --json "$group/t" | jq .pid)
	if [ "$pid" != null ]; then
		[ "$output" = "$(tr '\0' '\n' <"/proc/$pid/environ" | sort)" ]
	fi
	[ "$(echo in | th exec "$group/t" cat)" = in ]
	run -0 --separate-stderr th exec "$group/t" sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "exec ends as the command does" {
	begin -i t -- sleep "$nap"
	run -7 th exec "$group/t" sh -c 'exit 7'
	run -137 th exec "$group/t" sh -c 'kill -9 $$'
	run -127 th exec "$group/t" /no/such/program
	[[ $output == *"$group/t:"*"/no/such/program"* ]]
	run -126 th exec "$group/t" /etc/passwd
	run -124 --separate-stderr th exec -t 0.2s "$group/t" sleep "$other_nap"
	[ "$output" = '' ]
	[ "$stderr" = "taskhook: $group/t: the command has not ended within 0.2s, and is ended now (--timeout)" ]
	run -124 th exec -t 0.2s "$group/t" sh -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
	run -64 th exec "$group/t"
	run -64 th exec "$group/nobody" true
	is_state t running
	run -0 th stop "$group/t"
	run -75 th exec "$group/t" true
	[[ $output == *"$group/t: does not run"* ]]
}

@test "what a command leaves behind is ended with it, the task goes on" {
	begin -i t -- sleep "$nap"
	run -0 th exec "$group/t" sh -c "setsid -f sleep $other_nap"
	marked_gone "$other_nap"
	is_state t running
	if [ "$EUID" -eq 0 ] && [ -n "$cgroups" ]; then
		[ -z "$(find "$cgroups" -maxdepth 6 -path "*/$group/t/*" -name '_exec*')" ]
	fi
}

@test "a command ends with the task, and signals reach it" {
	begin -i t -- sleep "$nap"
	th exec "$group/t" sh -c 'echo up; exec sleep "$0"' "$other_nap" >"$root/up" 2>"$root/said" 3>&- &
	running=$!
	pids+=("$running")
	wait_for grep -qs up "$root/up"
	run -0 th stop "$group/t"
	got=0
	wait "$running" || got=$?
	[ "$got" -eq 137 ]
	[ "$(cat "$root/said")" = "taskhook: $group/t: the task has ended, and the command with it" ]
	wait_for marked_gone "$other_nap"
	assert_clean
	begin -i t -- sleep "$nap"
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" exec "$group/t" \
		sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done' >"$root/said" 3>&- &
	running=$!
	pids+=("$running")
	wait_for grep -qs up "$root/said"
	kill -TERM "$running"
	got=0
	wait "$running" || got=$?
	[ "$got" -eq 9 ]
}

@test "beside restarts: a command runs, ends with the process, or is told that there is none" {
	begin -i t --set restart.policy=always --set restart.delay=0 --set restart.attempts=1000 -- sleep 0.01
	for _ in {1..150}; do
		got=0
		th exec "$group/t" true >"$root/said" 2>&1 3>&- || got=$?
		echo "$got $(cat "$root/said")"
		case $got in
		0) ;;
		75) [ "$(cat "$root/said")" = "taskhook: $group/t: does not run" ] ;;
		137) [ "$(cat "$root/said")" = "taskhook: $group/t: the task has ended, and the command with it" ] ;;
		*) false ;;
		esac
	done
	run -0 th stop "$group/t"
}

@test "exec is the task's user, and in its cgroup" {
	needs_cgroups
	begin -i t --set task.user=nobody -- sleep "$nap"
	run -0 th exec "$group/t" id -un
	[ "$output" = nobody ]
	run -0 th exec "$group/t" cat /proc/self/cgroup
	[[ $output == *"/$group/t/_exec:"* ]]
}
