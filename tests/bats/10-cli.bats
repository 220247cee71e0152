#!/usr/bin/env bats
# The command line: commands, options, help, exit statuses, closed descriptors.

bats_require_minimum_version 1.8.0

setup()
{
	root=$BATS_TEST_TMPDIR/root
	mkdir "$root"
}

th()
{
	"$TASKHOOK_PROGRAM" --root "$root" "$@"
}

@test "without a command: the help on stderr, status 64" {
	run --separate-stderr "$TASKHOOK_PROGRAM"
	[ "$status" -eq 64 ]
	[ -z "$output" ]
	[[ $stderr == *'usage: taskhook'* ]]
}

@test "help, --help and -h print the same on stdout" {
	run --separate-stderr "$TASKHOOK_PROGRAM" help
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	help=$output
	run "$TASKHOOK_PROGRAM" --help
	[ "$status" -eq 0 ] && [ "$output" = "$help" ]
	run "$TASKHOOK_PROGRAM" -h
	[ "$status" -eq 0 ] && [ "$output" = "$help" ]
}

@test "the help of a command comes in three ways" {
	run "$TASKHOOK_PROGRAM" help list
	[ "$status" -eq 0 ]
	help=$output
	[[ $help == 'usage: taskhook list'* ]]
	run "$TASKHOOK_PROGRAM" list --help
	[ "$output" = "$help" ]
	run "$TASKHOOK_PROGRAM" --help list
	[ "$output" = "$help" ]
}

@test "the help of a command of a command" {
	run -0 "$TASKHOOK_PROGRAM" help config show
	[[ $output == 'usage: taskhook config show'* ]]
	run -0 "$TASKHOOK_PROGRAM" config --help
	[[ $output == *'config check'* ]]
	run -64 "$TASKHOOK_PROGRAM" config
	[[ $output == *"'config' needs one of its commands"* ]]
}

@test "the version" {
	run -0 "$TASKHOOK_PROGRAM" --version
	[[ $output =~ ^taskhook\ [0-9]+\.[0-9]+ ]]
	run -0 "$TASKHOOK_PROGRAM" list -V
	[[ $output =~ ^taskhook\ [0-9]+\.[0-9]+ ]]
}

@test "unknown commands and options are named with the nearest known one" {
	run -64 "$TASKHOOK_PROGRAM" rnu
	[[ ${lines[0]} == "taskhook: unknown command 'rnu'; did you mean 'run'?" ]]
	[[ ${lines[1]} == "try 'taskhook help'" ]]
	run -64 "$TASKHOOK_PROGRAM" config shwo
	[[ $output == *"unknown command 'config shwo'; did you mean 'show'?"* ]]
	run -64 "$TASKHOOK_PROGRAM" run --grop x
	[[ ${lines[0]} == "taskhook: unknown option '--grop'; did you mean '--group'?" ]]
	[[ ${lines[1]} == "try 'taskhook run --help'" ]]
	run -64 "$TASKHOOK_PROGRAM" list -z
	[[ $output == *"unknown option '-z'"* ]]
	run -64 "$TASKHOOK_PROGRAM" --rot / list
	[[ $output == *"did you mean '--root'?"* ]]
	run -64 "$TASKHOOK_PROGRAM" $'zz\nzz'
	[[ $output == *"unknown command 'zz\\nzz'"* ]]
}

@test "an abbreviated option is refused" {
	run -64 "$TASKHOOK_PROGRAM" list --al
	[[ $output == *"unknown option '--al'; did you mean '--all'?"* ]]
}

@test "a missing and a needless value" {
	run -64 "$TASKHOOK_PROGRAM" run --group
	[[ $output == *"option '--group' needs its GROUP"* ]]
	run -64 "$TASKHOOK_PROGRAM" run -g
	[[ $output == *"option '-g' needs its GROUP"* ]]
	run -64 "$TASKHOOK_PROGRAM" list --all=yes
	[[ $output == *"option '--all' takes no value"* ]]
}

@test "too few and too many operands" {
	run -64 th status
	[[ $output == *"'status' needs an argument"* ]]
	run -64 th status a b
	[[ $output == *"too many arguments for 'status'"* ]]
}

@test "values in every spelling: -g X, -gX, --group X, --group=X" {
	for spelling in '-g one' '-gone' '--group one' '--group=one'; do
		# shellcheck disable=SC2086
		run -0 th run --dry-run $spelling -i x -- true
		[ "${lines[0]}" = one/x ]
	done
}

@test "combined letters, and an option before and behind the command" {
	run -0 "$TASKHOOK_PROGRAM" -qvV
	run -0 "$TASKHOOK_PROGRAM" list -qa --root "$root"
	[ -z "$output" ]
	run -0 "$TASKHOOK_PROGRAM" -q --root="$root" list -a
	[ -z "$output" ]
}

@test "options of run end at the command, and at --" {
	run -0 th run --dry-run -i x true --help
	[[ $output == *'true --help'* ]]
	run -0 th run --dry-run -i x -- -odd
	[[ $output == *'-odd'* ]]
}

@test "a full disk at the standard output is an error" {
	[ -c /dev/full ] || skip "there is no /dev/full"
	# shellcheck disable=SC2016
	run -125 bash -c '"$1" help >/dev/full' - "$TASKHOOK_PROGRAM"
	[[ $output == *'cannot write to the standard output'* ]]
}

@test "a closed pipe is no message" {
	run bash -c '"$1" help | true; exit "${PIPESTATUS[0]}"' - "$TASKHOOK_PROGRAM"
	[ -z "$output" ]
	[ "$status" -eq 0 ] || [ "$status" -eq 125 ]
}

@test "closed standard descriptors harm nothing" {
	run bash -c '"$1" --root "$2" list <&- >&- 2>&-' - "$TASKHOOK_PROGRAM" "$root"
	[ "$status" -eq 0 ]
}

@test "no line of any help is longer than 80 columns" {
	while IFS=$'\t' read -r kind name _; do
		[ "$kind" = command ] || continue
		# shellcheck disable=SC2086
		"$TASKHOOK_PROGRAM" help $name >"$BATS_TEST_TMPDIR/help"
		run awk 'length($0) > 80' "$BATS_TEST_TMPDIR/help"
		[ -z "$output" ]
	done < <("$TASKHOOK_PROGRAM" __tables)
	"$TASKHOOK_PROGRAM" help >"$BATS_TEST_TMPDIR/help"
	run awk 'length($0) > 80' "$BATS_TEST_TMPDIR/help"
	[ -z "$output" ]
}

@test "a configuration that is named but missing" {
	run -78 th --config "$root/nowhere.conf" list
	[[ $output == *nowhere.conf* ]]
}
