# shellcheck disable=SC2154,SC2034 # set by lib/tasks.bash; used by the tests that load it
# A taskhook-fetch of the test's own, which fetches nothing and misbehaves as it is told. Needs
# lib/tasks.bash.
# shellcheck shell=bash

digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

fake_setup()
{
	tasks_setup
	export TASKHOOK_LIBEXECDIR=$BATS_TEST_TMPDIR/libexec
	mkdir "$TASKHOOK_LIBEXECDIR"
	chmod 755 "$TASKHOOK_LIBEXECDIR"
	work=$BATS_TEST_TMPDIR/work
	mkdir "$work"
	chmod 755 "$work"
	# what helpers of whatever user tell the test
	notes=$BATS_TEST_TMPDIR/notes
	: >"$notes"
	chmod 666 "$notes"
	shared=$state/tasks/$group/shared/local
	# how long helpers sleep, by which their processes are told from those of other tests
	mark=43219.$$
}

# helper TEXT: what it does with its job in $job. say sends an event, done_dir and done_file the last one.
helper()
{
	cat >"$TASKHOOK_LIBEXECDIR/taskhook-fetch" <<-END
		#!/bin/bash
		notes='$notes'
		mark='$mark'
		note() { echo "\$*" >>"\$notes"; }
		say() { printf '%s\n' "\$1" >&0; }
		done_dir() { say '{"event":"done","kind":"dir","size":100,"unpacked":6,"files":2,"digest":"$digest"}'; }
		done_file() { say '{"event":"done","kind":"file","filename":"'"\$1"'","size":100,"unpacked":6,"files":1,"digest":"$digest"}'; }
		IFS= read -r job
		$1
	END
	chmod 755 "$TASKHOOK_LIBEXECDIR/taskhook-fetch"
}

# fails STATUS WORDS: a fetch with this helper ends so, with one line and nothing left
fails()
{
	run --separate-stderr th fetch --timeout=1s "https://user:s3cret@host.invalid/app.tgz?token=s3cret" "$work/dest"
	echo "status $status, wanted $1: $stderr" >&2
	[ "$status" -eq "$1" ]
	[[ $stderr == *"$2"* ]]
	[[ $stderr != *s3cret* ]]
	[ "$(grep -c '' <<<"$stderr")" -eq 1 ]
	[ -z "$(ls -A "$work")" ]
}

noted() { grep -c -- "$1" "$notes" || true; }
is_noted() { grep -q -- "$1" "$notes"; }

no_staging() { [ -z "$(find "$work" "$root" -name '*_fetch.*' 2>/dev/null)" ]; }
