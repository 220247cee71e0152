#!/usr/bin/env bats
# Both streams of a task in their order, as they come, since a time.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup()
{
	tasks_setup
	logs=$state/tasks/$group/t/logs
}
teardown() { tasks_teardown; }

# What one stream gets is in its log before the other gets something.
turns='n=0; while [ $n -lt 5 ]; do n=$((n + 1))
	echo "out $n"; until grep -qx "out $n" "$TASK_LOG_DIR/stdout.log"; do sleep 0.01; done
	echo "err $n" >&2; until grep -qx "err $n" "$TASK_LOG_DIR/stderr.log"; do sleep 0.01; done
done'
in_turns() { for n in 1 2 3 4 5; do printf '%sout %s\n%serr %s\n' "$1" "$n" "$2" "$n"; done; }

@test "both streams come in the order in which they were written" {
	run -0 th run -g "$group" -i t -- sh -c "$turns"
	run -0 th logs "$group/t"
	[ "$output" = "$(in_turns '' '')" ]
	run -0 --separate-stderr th logs "$group/t"
	[ "$output" = "$(printf 'out %s\n' 1 2 3 4 5)" ]
	[ "$stderr" = "$(printf 'err %s\n' 1 2 3 4 5)" ]
	run -0 --separate-stderr th logs --mark "$group/t"
	[ "$output" = "$(in_turns 'stdout: ' 'stderr: ')" ]
	run -0 --separate-stderr th logs --mark --stderr "$group/t"
	[ "$output" = "$(printf 'stderr: err %s\n' 1 2 3 4 5)" ]
	# the last of all
	run -0 --separate-stderr th logs --mark -n 3 "$group/t"
	[ "$output" = "$(in_turns 'stdout: ' 'stderr: ' | tail -n 3)" ]
	# without the index nothing is missing
	rm "$logs/index"
	run -0 th logs "$group/t"
	[ "$output" = "$(printf 'out %s\n' 1 2 3 4 5; printf 'err %s\n' 1 2 3 4 5)" ]
}

@test "a line that comes in pieces stays whole, and rotation changes nothing" {
	run -0 th run -g "$group" -i t --set logs.max-size=1K --set logs.max-files=100 -- sh -c '
		n=0; while [ $n -lt 300 ]; do n=$((n + 1))
			printf "out "; echo "err $n" >&2; echo "$n"; done'
	run -0 --separate-stderr th logs --mark "$group/t"
	[ "$(grep -c '^stdout: out [0-9]*$' <<<"$output")" -eq 300 ]
	[ "$(grep -c '^stderr: err [0-9]*$' <<<"$output")" -eq 300 ]
	[ "$(sed -n 's/^stdout: //p' <<<"$output")" = "$(seq -f 'out %g' 300)" ]
	[ "$(sed -n 's/^stderr: //p' <<<"$output")" = "$(seq -f 'err %g' 300)" ]
}

@test "since a time" {
	hook pre-start/10-say 'echo hook says'
	run -0 th run -g "$group" -i t -- echo early
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	run -0 th logs --since=1h "$group/t"
	[ "$output" = early ]
	run -0 th logs --since='2020-01-01 10:00' "$group/t"
	[ "$output" = early ]
	run -0 th logs --since=2020-01-01 --hooks "$group/t"
	[[ $output == *"hook says"* ]]
	next=$(date -u -d "$before + 1 hour" +%Y-%m-%dT%H:%M:%SZ)
	run -0 th logs --since="$next" "$group/t"
	[ -z "$output" ]
	run -0 th logs --since="$next" --hooks "$group/t"
	[ -z "$output" ]
	run -64 th logs --since=yesterday "$group/t"
	[[ $output == *"not a time"* ]]
}

@test "-f goes on with what comes, through rotation, and ends with the task" {
	mkfifo "$root/go" "$root/end"
	run -0 begin -i t --set logs.max-size=2K --set logs.max-files=100 -- \
		sh -c 'echo first; read line <"$0"; seq 2000; echo "to stderr" >&2; read line <"$1"; printf last' "$root/go" "$root/end"
	wait_for logs_hold t first
	th logs -f --mark "$group/t" >"$root/followed" 3>&- &
	follower=$!
	pids+=("$follower")
	wait_for grep -qx 'stdout: first' "$root/followed"
	echo >"$root/go"
	wait_for grep -qx 'stderr: to stderr' "$root/followed"
	wait_for grep -qx 'stdout: 2000' "$root/followed"
	kill -0 "$follower"
	echo >"$root/end"
	wait "$follower"
	[ "$(sed -n 's/^stdout: //p' "$root/followed")" = "$(echo first; seq 2000; echo last)" ]
	# one that has ended
	run -0 th logs -f -n 1 --stdout "$group/t"
	[ "$output" = last ]
}

@test "-f goes on while the supervisor is replaced" {
	mkfifo "$root/go"
	run -0 begin -i t -- sh -c 'echo first; read line <"$0"; echo second' "$root/go"
	wait_for logs_hold t first
	th logs -f "$group/t" >"$root/followed" 3>&- &
	follower=$!
	pids+=("$follower")
	wait_for grep -qx first "$root/followed"
	pid=$(supervisor_of t)
	kill -KILL "$pid"
	wait_for gone "$pid"
	run -0 th recover
	echo >"$root/go"
	wait "$follower"
	[ "$(cat "$root/followed")" = $'first\nsecond' ]
}

@test "the index is bounded, and what it does not tell is not missing" {
	run -0 th run -q -g "$group" -i t --set logs.max-files=1000 -- sh -c 'echo one; echo two >&2'
	[ "$(wc -l <"$logs/index")" -ge 2 ]
	head -c 600000 /dev/zero >>"$logs/index"
	run -0 th run -q -g "$group" -i t -- sh -c 'echo three'
	[ "$(stat -c %s "$logs/index")" -lt 1000 ]
	[ -e "$logs/index.1" ]
	run -0 th logs --run=all "$group/t"
	[[ $output == *one* && $output == *two* && $output == *three* ]]
}
