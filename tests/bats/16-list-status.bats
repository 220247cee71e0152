#!/usr/bin/env bats
# list and status: tasks that run, have ended, failed, were lost, or cannot be read.
# shellcheck disable=SC2154,SC2030,SC2031 # set by lib/tasks; a test is a shell of its own

bats_require_minimum_version 1.8.0
load lib/tasks

setup()
{
	tasks_setup
	config off
}

teardown() { tasks_teardown; }

# start ARG...: a run in the background
start()
{
	# not th, whose shell would have the pid
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run "$@" >/dev/null 2>&1 3>&- </dev/null &
	pids+=("$!")
}

# until_says PATTERN COMMAND...: at most 10 s until the output matches
until_says()
{
	local pattern=$1 deadline=$((SECONDS + 10))

	shift
	while ((SECONDS < deadline)); do
		output=$("$@" 2>&1) || true
		# shellcheck disable=SC2053
		[[ $output == $pattern ]] && return 0
		sleep 0.02
	done
	echo "never said '$pattern':"
	echo "$output"
	return 1
}

@test "a supervisor that has written the end and still holds its lock is over, not starting" {
	run -0 th run -g "$group" -i t -- true
	mkdir -p "$runtime/$group/t"
	"$TASKHOOK_HELPERS_DIR/hold-lock" "$runtime/$group/t/lock" 30000 >"$root/held" 3>&- &
	pids+=("$!")
	wait_for grep -qs held "$root/held"
	# another one than that of the record: the next run begins
	[ "$(th status --json "$group/t" | jq -r .state)" = starting ]
	record=$state/records/$group/t.json
	jq ".supervisor.pid = ${pids[-1]}" "$record" >"$root/record"
	cat "$root/record" >"$record"
	[ "$(th status --json "$group/t" | jq -r .state)" = "done" ]
	run -0 th list "$group"
	[[ $output != *"$group/t"* ]]
	run -0 th list -a "$group"
	[[ $output == *"$group/t"*"done"* ]]
}

@test "nothing there: a head and no row" {
	run -0 th list
	[[ $output =~ ^TASK\ +STATE\ +FOR\ +PID\ +RUN\ +RESTARTS\ +RESULT$ ]]
	run -0 th list --json
	[[ $output == *'"tasks": []'* ]]
}

@test "a running task" {
	start -g shop -i web -- sleep 60
	until_says '*shop/web*running*' th list
	run -0 th list -q
	[ "$output" = shop/web ]
	run -0 th status web
	[ "${lines[0]}" = shop/web ]
	[[ $output == *'state  running since '* ]]
	[[ $output == *'command  sleep 60'* ]]
	[[ $output =~ supervisor\ \ ([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" = "${pids[0]}" ]
	[[ $output =~ [[:space:]]pid\ \ ([0-9]+) ]]
	[[ $(tr '\0' ' ' <"/proc/${BASH_REMATCH[1]}/cmdline") == 'sleep 60 ' ]]
	run -0 th status shop/web --json
	[[ $output == *'"format": 1'*'"state": "running"'* ]]
}

@test "an ended task is shown with --all only" {
	run -3 th run -i one -e SECRET=hush -- sh -c 'exit 3'
	run -0 th list
	[[ $output != *default/one* ]]
	run -0 th list --all
	[[ ${lines[1]} =~ ^default/one\ +done\ .*\ exit\ 3$ ]]
	run -0 th status one
	[[ $output == *'result  exit 3, after '* ]]
	[[ $output == *'status  3, decided by task'* ]]
	run -0 th status one --json
	[[ $output == *'"exit_code": 3'* ]]
	[[ $output != *hush* ]]
}

@test "a signal is named" {
	run th run -i one -- sh -c 'kill -KILL $$'
	run -0 th list -a
	[[ ${lines[1]} == *SIGKILL ]]
}

@test "a failed start is shown with point, hook, reason and last lines" {
	printf '#!/bin/sh\necho no medium\nexit 7\n' >"$BATS_TEST_TMPDIR/20-mount"
	chmod 755 "$BATS_TEST_TMPDIR/20-mount"
	run -120 th run -i one --prehook "$BATS_TEST_TMPDIR/20-mount" -- true
	run -0 th list --all
	[[ ${lines[1]} =~ ^default/one\ +failed\ .*\ pre-start/20-mount\ failed$ ]]
	run -0 th status one
	[[ $output == *'failed  pre-start/20-mount: '*7* ]]
	[[ $output == *'|  no medium'* ]]
	run -0 th status one --json
	[[ $output == *'"hook": "20-mount"'* ]]
}

@test "the hook that runs right now, and for how long" {
	printf '#!/bin/sh\nexec sleep 60\n' >"$BATS_TEST_TMPDIR/10-wait"
	chmod 755 "$BATS_TEST_TMPDIR/10-wait"
	start -i one --hook "pre-start:$BATS_TEST_TMPDIR/10-wait" -- true
	until_says '*hook  pre-start/10-wait: *s of 1m*' th status one
	[[ $output == *'state  starting (preparing) since'* ]]
	run -0 th status one --json
	[[ $output == *'"timeout_usec": 60000000'* ]]
}

@test "a task whose supervisor was killed is lost" {
	start -i one -- sleep 60
	until_says '*running*' th list
	kill -KILL "${pids[0]}"
	wait "${pids[0]}" || true
	run -0 th list
	[[ ${lines[1]} =~ ^default/one\ +lost ]]
	run -0 th status one
	[[ $output == *"its supervisor is gone; 'taskhook recover' brings down what it left"* ]]
	run -0 th status one --json
	[[ $output == *'"state": "lost"'* ]]
}

@test "an ID alone must be unique, and there must be one" {
	th run -g a -i one -- true
	th run -g b -i one -- true
	run -64 th status one
	[[ $output == *"'one' stands for a/one, b/one: name one of them"* ]]
	run -0 th status b/one
	[ "${lines[0]}" = b/one ]
	run -64 th status two
	[[ $output == *"there is no task 'two'"* ]]
	run -64 th status c/one
	[[ $output == *"there is no task 'c/one'"* ]]
	run -64 th status '../x'
}

@test "list of some groups" {
	th run -g a -i one -- true
	th run -g b -i one -- true
	run -0 th list -aq b
	[ "$output" = b/one ]
	run -64 th list nowhere
	[[ $output == *"there is no group 'nowhere'"* ]]
}

@test "a damaged record is told, and does not hide the others" {
	th run -i one -- true
	th run -i two -- true
	printf '{"format": 1, "gr' >"$state/records/default/one.json"
	run -0 th list -a
	[[ $output == *default/one*damaged* ]]
	[[ $output == *default/two*done* ]]
	run -0 th status one
	[[ $output == *'record  '*damaged* ]]
	printf '{"format": 99}' >"$state/records/default/one.json"
	run -0 th status one
	[[ $output == *'its format is 99'* ]]
}

@test "control bytes of a hook's output do not reach the terminal" {
	printf '#!/bin/sh\nprintf "\\033[31mred\\n"\nexit 1\n' >"$BATS_TEST_TMPDIR/10-red"
	chmod 755 "$BATS_TEST_TMPDIR/10-red"
	run -120 th run -q -i one --prehook "$BATS_TEST_TMPDIR/10-red" -- true
	run -0 th status one
	[[ $output != *$'\033'* ]]
	[[ $output == *'red'* ]]
}

@test "a NUL in a hook's output hides nothing behind it" {
	printf '#!/bin/sh\nprintf "a\\000behind\\n"\nexit 1\n' >"$BATS_TEST_TMPDIR/10-nul"
	chmod 755 "$BATS_TEST_TMPDIR/10-nul"
	run -120 th run -i one --prehook "$BATS_TEST_TMPDIR/10-nul" -- true
	[[ $output == *'[pre-start/10-nul] a\x00behind'* ]]
	run -0 th status one
	[[ $output == *'a\x00behind'* ]]
}
