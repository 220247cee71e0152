#!/usr/bin/env bats
# Log files of a task, and the command that prints them.
# shellcheck disable=SC2154 # set by lib/tasks

bats_require_minimum_version 1.8.0
load lib/tasks

setup()
{
	tasks_setup
	config off
	logs=$state/tasks/default/t/logs
}

teardown() { tasks_teardown; }

@test "both streams are kept in files of their own and shown" {
	run -0 --separate-stderr th run -i t -- sh -c 'echo to stdout; echo to stderr >&2'
	[ "$output" = 'to stdout' ]
	[ "$stderr" = 'to stderr' ]
	[ "$(cat "$logs/stdout.log")" = 'to stdout' ]
	[ "$(cat "$logs/stderr.log")" = 'to stderr' ]
	[ "$(stat -c %a "$logs/stdout.log")" = 640 ]
}

@test "logs prints each stream where it went" {
	th run -i t -- sh -c 'echo one; echo two >&2; echo three' >/dev/null 2>&1
	run -0 --separate-stderr th logs t
	[ "$output" = $'one\nthree' ]
	[ "$stderr" = two ]
	run -0 --separate-stderr th logs --stdout default/t
	[ "$output" = $'one\nthree' ]
	[ -z "$stderr" ]
	run -0 --separate-stderr th logs --stderr t
	[ "$output" = two ]
	[ -z "$stderr" ]
	run -0 --separate-stderr th logs --stdout --stderr t
	[ "$output" = $'one\nthree' ]
	[ "$stderr" = two ]
}

@test "only the last lines" {
	th run -i t -- seq 100 >/dev/null
	run -0 th logs -n 2 t
	[ "$output" = $'99\n100' ]
	run -0 th logs --lines=0 t
	[ -z "$output" ]
	run -64 th logs -n x t
	[[ $output == *"'x' is not a number of lines"* ]]
}

@test "files rotate at a line's end and keep to their number" {
	th run -i t --set logs.max-size=1K --set logs.max-files=3 -- seq 2000 >/dev/null
	[ "$(ls "$logs")" = $'index\nstderr.log\nstdout.log\nstdout.log.1\nstdout.log.2' ]
	for file in "$logs"/stdout.log*; do
		[ "$(stat -c %s "$file")" -le 1024 ]
		[[ $(tail -c 1 "$file" | od -An -c) == *'\n'* ]]
	done
	[ "$(cat "$logs"/stdout.log.2 "$logs"/stdout.log.1 "$logs"/stdout.log | tail -n 1)" = 2000 ]
	run -0 th logs t
	[ "$output" = "$(cat "$logs"/stdout.log.2 "$logs"/stdout.log.1 "$logs"/stdout.log)" ]
}

@test "a line longer than a file is split exactly at the size" {
	th run -i t --set logs.max-size=1K -- sh -c 'head -c 2500 /dev/zero | tr "\0" x; echo' >/dev/null
	[ "$(stat -c %s "$logs/stdout.log.2" "$logs/stdout.log.1" "$logs/stdout.log")" = $'1024\n1024\n453' ]
}

@test "logs to = none: shown, not kept" {
	run -0 th run -i t --set logs.to=none -- echo shown
	[ "$output" = shown ]
	[ ! -e "$logs/stdout.log" ]
	run -0 th logs t
	[ -z "$output" ]
}

@test "a planted link in the place of a log file is not followed" {
	mkdir -p "$logs"
	echo precious >"$BATS_TEST_TMPDIR/target"
	ln -s "$BATS_TEST_TMPDIR/target" "$logs/stdout.log"
	run -73 th run -i t -- echo text
	[[ $output == *"'stdout.log': it is a symbolic link"* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/target")" = precious ]
}

@test "the hooks' lines and records" {
	cat >"$BATS_TEST_TMPDIR/hook" <<'HOOK'
#!/bin/sh
echo "hello from $HOOK_POINT"
HOOK
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/hook"
	run -0 th run -i t --hook="pre-start:$BATS_TEST_TMPDIR/hook" -- true
	run -0 th logs --hooks t
	[[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\ pre-start/hook:\ hello\ from\ pre-start$ ]]
	run -0 th logs --json t
	[[ $output == '{'*'"pre-start"'*'}' ]]
	run -0 th logs t
	[ -z "$output" ]
}

@test "a start that failed: the hook, the reason, its last lines" {
	printf '#!/bin/sh\necho no space on it\nexit 3\n' >"$BATS_TEST_TMPDIR/hook"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/hook"
	run -120 th run -i t --hook="pre-start:$BATS_TEST_TMPDIR/hook" -- echo never
	run -0 --separate-stderr th logs t
	[ -z "$output" ]
	[[ $stderr == *'the start failed: pre-start/hook: '*3* ]]
	[[ $stderr == *'| no space on it'* ]]
}

@test "logs of a running task" {
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -i t -- \
		sh -c 'echo begun; exec sleep 60' >/dev/null 2>&1 3>&- </dev/null &
	pids+=("$!")
	wait_for grep -qs begun "$logs/stdout.log"
	run -0 th logs t
	[ "$output" = begun ]
}

@test "no task, no logs, a reader that leaves" {
	run -64 th logs nope
	[[ $output == *"no task 'nope'"* ]]
	th run -i t -- seq 100000 >/dev/null
	run -0 bash -c "set -o pipefail; { '$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' logs t 2>'$root/said' || true; } | head -n 1"
	[ "$output" = 1 ]
	[ ! -s "$root/said" ]
	rm -r "$logs"
	run -69 th logs t
	[[ $output == *"there are no logs in"* ]]
}

@test "a full standard output of run does not harm the log" {
	[ -w /dev/full ] || skip '/dev/full is not writable here'
	run --separate-stderr bash -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' run -i t -- seq 1000 >/dev/full"
	[[ $stderr == *'cannot write to standard output: No space left on device'* ]]
	[ "$(tail -n 1 "$logs/stdout.log")" = 1000 ]
}

@test "a reader of run that leaves does not end the task" {
	run --separate-stderr bash -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' run -i t -- \
		sh -c 'seq 200000; echo last >&2' | head -n 1"
	[ "$output" = 1 ]
	[[ $stderr == *last* ]]
	[ "$(tail -n 1 "$logs/stdout.log")" = 200000 ]
}
