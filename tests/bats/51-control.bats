#!/usr/bin/env bats
# The socket of a supervisor, and whatever somebody may send there.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# ask ID [ARG...]: sends stdin, prints the answers
ask()
{
	local id=$1
	shift
	"$TASKHOOK_HELPERS_DIR/ask-socket" "$runtime/$group/$id" control "$@" 3>&-
}

@test "requests and answers are lines of JSON" {
	begin -i t -- sleep "$nap"
	[ "$(stat -c %a "$runtime/$group/t/control")" = 600 ]
	[ "$(echo '{"format":1,"op":"ping"}' | ask t)" = '{"event":"end","status":0}' ]
	echo '{"format":1,"op":"stop"}' | ask t >"$root/answers"
	[ "$(head -n 1 "$root/answers")" = '{"event":"accepted","format":1}' ]
	[ "$(tail -n 1 "$root/answers")" = '{"event":"end","status":0}' ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "garbage, a newer format, half a request, 1 MiB: each is refused, and the task runs on" {
	begin -i t -- sleep "$nap"
	status_of() { ask t | jq .status; }
	[ "$(head -c 1000 /dev/urandom | tr '\n' x | { cat; echo; } | status_of)" = 65 ]
	[ "$(echo '[]' | status_of)" = 65 ]
	[ "$(echo '{"format":1,"op":"dance"}' | status_of)" = 65 ]
	[ "$(echo '{"format":1,"op":"stop","signal":"NONE"}' | status_of)" = 65 ]
	[ "$(echo '{"format":1,"op":"stop","timeout_usec":-1}' | status_of)" = 65 ]
	[ "$(echo '{"format":1,"op":"signal"}' | status_of)" = 65 ]
	[ "$(echo '{"format":2,"op":"stop"}' | status_of)" = 69 ]
	[ "$(echo | status_of)" = 65 ]
	[ "$(head -c 1048576 /dev/zero | tr '\0' '{' | status_of)" = 65 ]
	[ "$(head -c 1048576 /dev/zero | status_of)" = 65 ]
	printf '{"format":1,"op":"st' | ask t leave
	printf '' | ask t leave
	run -0 th signal -s CONT "$group/t"
	is_state t running
	run -0 th stop "$group/t"
}

@test "a client that is gone cancels nothing that has begun" {
	hook post-stop/10-say "echo down >>'$root/order'"
	begin -i t -- sleep "$nap"
	echo '{"format":1,"op":"stop"}' | ask t leave
	run -143 th wait "$group/t"
	[ "$(cat "$root/order")" = down ]
	assert_clean
}

@test "clients that say nothing keep nobody from asking for long" {
	begin -i t -- sleep "$nap"
	mkfifo "$root/hold"
	"$TASKHOOK_HELPERS_DIR/ask-socket" "$runtime/$group/t" control hold 20 <"$root/hold" >"$root/held" 3>&- &
	exec 8>"$root/hold"
	pids+=("$!")
	wait_for grep -q held "$root/held"
	# while they are there the next one is not heard for 10 s, and says so
	run -69 th stop "$group/t"
	[[ $output == *"does not answer"* ]]
	exec 8>&-
	# it is heard in the end
	run -0 th stop "$group/t"
	assert_clean
}

@test "another user is refused, by the socket's mode and by its supervisor" {
	needs_root "to be two users"
	begin -i t -- sleep "$nap"
	chmod 755 "$state/records" "$state/records/$group"
	chmod 644 "$state/records/$group/t.json"
	as_other() { setpriv --reuid nobody --regid nogroup --clear-groups -- "$@" 3>&-; }
	# the state of a user is elsewhere: it has to be told
	run -1 as_other "$TASKHOOK_HELPERS_DIR/ask-socket" "$runtime/$group/t" control <<<'{"format":1,"op":"stop"}'
	[[ $output == *"Permission denied"* ]]
	chmod 666 "$runtime/$group/t/control"
	run -0 as_other "$TASKHOOK_HELPERS_DIR/ask-socket" "$runtime/$group/t" control <<<'{"format":1,"op":"stop"}'
	[ "$output" = '{"event":"end","status":77,"text":"the task belongs to another user"}' ]
	is_state t running
	chmod 700 "$state"
	for command in "exec $group/t true" "stop $group/t" "cleanup $group" "cleanup --all" cleanup recover list "status $group/t"; do
		# shellcheck disable=SC2086 # words
		run -77 as_other "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" $command
		[ "$(wc -l <<<"$output")" -le 2 ]
	done
	chmod 755 "$state"
	run -0 th stop "$group/t"
}

@test "run has a socket too: it is stopped, signalled and waited for" {
	start -i t -- sh -c 'trap "echo hup" HUP; echo up; while :; do sleep 0.05; done'
	wait_for grep -q up "$root/out"
	run -0 th signal -s HUP "$group/t"
	wait_for grep -q hup "$root/out"
	th wait "$group/t" 3>&- &
	waiting=$!
	run -0 th stop "$group/t"
	ended 143
	got=0
	wait "$waiting" || got=$?
	[ "$got" -eq 143 ]
	assert_clean
}

@test "a suspended run is woken to be stopped; one that stands still is told" {
	start -i t -- sh -c 'echo up; sleep '"$nap"
	wait_for grep -q up "$root/out"
	kill -STOP "$started"
	run -0 th stop "$group/t"
	ended 143
	start -i t -- sh -c 'echo up; sleep '"$nap"
	wait_for grep -q up "$root/out"
	kill -STOP "$started"
	run -69 th signal -s HUP "$group/t"
	[[ $output == *"$group/t: its supervisor (process $started) does not answer: it is suspended (kill -CONT $started lets it go on)" ]]
	kill -CONT "$started"
	run -0 th stop "$group/t"
}

@test "what nobody waits for any more is not done later, but for a stop" {
	begin -i t -- sh -c 'trap "" HUP; sleep '"$nap"
	pid=$(supervisor_of t)
	kill -STOP "$pid"
	echo '{"format":1,"op":"restart"}' | ask t leave
	echo '{"format":1,"op":"signal","signal":"TERM"}' | ask t leave
	kill -CONT "$pid"
	# behind them in the queue
	run -0 th signal -s HUP "$group/t"
	is_state t running
	[ "$(th status --json "$group/t" | jq .restarts)" -eq 0 ]
	kill -STOP "$pid"
	echo '{"format":1,"op":"stop"}' | ask t leave
	kill -CONT "$pid"
	run -143 th wait "$group/t"
}

@test "one that is suspended before it listens is told" {
	start -i t -- sleep "$nap"
	wait_for test -S "$runtime/$group/t/control"
	rm "$runtime/$group/t/control"
	kill -STOP "$started"
	run -69 th signal -s HUP "$group/t"
	[[ $output == *"$group/t: its supervisor (process $started) does not answer"* ]]
	kill -CONT "$started"
	kill "$started"
	ended 143
}

@test "what waits for a start that fails is told" {
	mkfifo "$root/go"
	hook pre-start/10-no "echo >>'$root/reached'; read line <'$root/go'; exit 3"
	background t -- sleep "$nap"
	wait_for test -s "$root/reached"
	th wait "$group/t" 3>&- &
	waiting=$!
	has_client() { [ "$(find "/proc/$(supervisor_of t)/fd" -lname 'socket:*' | wc -l)" -ge 3 ]; }
	wait_for has_client
	echo >"$root/go"
	ended 120
	got=0
	wait "$waiting" || got=$?
	[ "$got" -eq 120 ]
}
