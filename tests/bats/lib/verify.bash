# shellcheck disable=SC2154,SC2034 # set by lib/tasks.bash; used by the tests that load it
# Shared by the tests of taskhook verify. Needs lib/tasks.bash.
# shellcheck shell=bash

# Sets $t, for a template, and $record, for its --output.
verify_setup()
{
	[ -x "$TASKHOOK_BUILDDIR/taskhook-verify" ] || skip "taskhook-verify was not built"
	t=$BATS_TEST_TMPDIR/template
	record=$BATS_TEST_TMPDIR/record
}

# status JQ: of the run in $record
status() { jq -r ".status$1" "$record"; }
