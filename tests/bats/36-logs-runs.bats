#!/usr/bin/env bats
# Runs of one task in the same log files, told apart.
# shellcheck disable=SC2154 # set by lib/tasks

bats_require_minimum_version 1.8.0
load lib/tasks

setup()
{
	tasks_setup
	config off
}

teardown() { tasks_teardown; }

@test "the run before, by number and from the end" {
	for i in one two three; do
		th run -i t -- echo "$i" >/dev/null
	done
	run -0 th logs t
	[ "$output" = three ]
	run -0 th logs --run=-1 t
	[ "$output" = two ]
	run -0 th logs --run=1 t
	[ "$output" = one ]
	run -0 th logs --run=0 t
	[ "$output" = three ]
	run -0 th logs --run=all t
	[ "$output" = $'one\ntwo\nthree' ]
	run -0 th logs --run=all -n 2 t
	[ "$output" = $'two\nthree' ]
	run -64 th logs --run=4 t
	[[ $output == *'there is no run 4 in its logs: they hold runs 1 to 3'* ]]
	run -64 th logs --run=-3 t
	run -64 th logs --run=yesterday t
	[[ $output == *"'yesterday' is not a run"* ]]
}

@test "over rotation, and when the beginning is gone" {
	th run -i t --set logs.max-size=1K --set logs.max-files=3 -- seq 100 >/dev/null
	th run -i t --set logs.max-size=1K --set logs.max-files=3 -- seq 1000 1400 >/dev/null
	run -0 th logs --run=1 t
	[ "$output" = "$(seq 100)" ]
	run -0 th logs t
	[ "$output" = "$(seq 1000 1400)" ]
	th run -i t --set logs.max-size=1K --set logs.max-files=3 -- seq 2000 2300 >/dev/null
	run -0 --separate-stderr th logs --run=2 t
	[[ $stderr == *'stdout.log: the beginning of run 2 was rotated away'* ]]
	[ "${lines[-1]}" = 1400 ]
	run -0 --separate-stderr th logs t
	[ -z "$stderr" ]
	[ "$output" = "$(seq 2000 2300)" ]
}

@test "a hook's lines belong to their run" {
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho "run $RUN_NUMBER"\n' >"$BATS_TEST_TMPDIR/hook"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/hook"
	for _ in 1 2; do
		th run -i t --hook="pre-start:$BATS_TEST_TMPDIR/hook" -- true 2>/dev/null
	done
	run -0 th logs --hooks t
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *'pre-start/hook: run 2' ]]
	run -0 th logs --hooks --run=-1 t
	[[ $output == *'pre-start/hook: run 1' ]]
}

@test "a slow reader of run gets all of it" {
	run bash -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' run -i t -- seq 20000 | { sleep 6; wc -l; }"
	[ "$output" = 20000 ]
}
