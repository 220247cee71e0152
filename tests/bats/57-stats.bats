#!/usr/bin/env bats
# stats: where its figures come from, its forms, and the terminal under --watch.
# shellcheck disable=SC2016,SC2154 # for other shells; set by lib/tasks

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }

teardown() { tasks_teardown; }

busy='i=0; while :; do i=$((i+1)); done'

# json FILTER ARG...: of stats --json
json()
{
	local filter=$1
	shift
	th stats --json "$@" | jq -e "$filter" >/dev/null
}

@test "a task that runs: each figure says where it is from" {
	begin -i busy -- sh -c "$busy"
	run -0 th stats --json "$group/busy"
	jq -e '.format == 1 and (.tasks | length) == 1' <<<"$output"
	jq -e --arg group "$group" '.tasks[0] | .task == $group + "/busy" and .group == $group and .id == "busy" and .state == "running"' <<<"$output"
	jq -e '.tasks[0].cpu | (.from == "cgroup" or .from == "proc") and .percent > 0 and .user_usec >= 0 and .system_usec >= 0' <<<"$output"
	jq -e '.tasks[0].memory | (.from == "cgroup" or .from == "proc") and .current > 0 and .file >= 0 and .swap >= 0' <<<"$output"
	jq -e '.tasks[0].pids | .current >= 1 and (.from == "cgroup" or .from == "proc")' <<<"$output"
	jq -e '.tasks[0].io | .from == "cgroup" or (.from == "proc" and .rbytes >= 0 and .wbytes >= 0) or .from == "unknown"' <<<"$output"
	jq -e '.tasks[0].pressure | type == "object"' <<<"$output"
	run -0 th stats
	[[ ${lines[0]} == TASK*CPU%*MEMORY*PIDS*PRESSURE ]]
	[[ ${lines[1]} == "$group/busy "* ]]
}

@test "without cgroups it is /proc, of the whole tree, and it says so" {
	config off
	# the child that has ended counts, and so does the one that was orphaned
	begin -i tree -- sh -c "(sh -c 'i=0; while [ \$i -lt 300000 ]; do i=\$((i+1)); done'); (sleep $nap & sleep $nap &); sleep $nap; :"
	wait_for json '.tasks[0] | .pids.current == 4 and .cpu.user_usec > 50000' "$group/tree"
	run -0 th stats --json "$group/tree"
	jq -e '.tasks[0] | .cpu.from == "proc" and .memory.from == "proc" and .pids.from == "proc"' <<<"$output"
	run -0 th stats
	[[ $output == *'* from /proc, as no cgroup controller counts it'* ]]
}

@test "a finished task has its final figures" {
	th run -g "$group" -i one -- sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; (exit 0)'
	run -0 th stats
	[[ $output != *"$group/one"* ]]
	run -0 th stats --json "$group/one"
	jq -e '.tasks[0] | .state == "done" and .cpu.from == "record" and .cpu.user_usec > 20000 and .memory.peak > 100000' <<<"$output"
	jq -e '.tasks[0] | (.cpu | has("percent") | not) and .pids.from == "unknown"' <<<"$output"
}

@test "nothing that runs: a head alone, an empty list, an end of file" {
	run -0 th stats
	[ "${#lines[@]}" -eq 1 ]
	run -0 th stats --json
	jq -e '.tasks == []' <<<"$output"
	run -0 th stats --openmetrics
	[ "$output" = '# EOF' ]
	run -64 th stats nowhere
	run -64 th stats --json --openmetrics
	run -64 th stats --interval=1ms
}

# Each family once and whole, with its type and help before its samples; counters end in _total.
openmetrics_is_valid()
{
	awk '
	function bad(why) { print "line " NR ": " why ": " $0; failed = 1 }
	ended { bad("behind the end") }
	$0 == "# EOF" { ended = 1; next }
	$1 == "#" && $2 == "TYPE" {
		if ($3 in type) bad("twice")
		type[$3] = $4; family = $3; help = 0; next
	}
	$1 == "#" && $2 == "HELP" { if ($3 != family || help++) bad("help"); next }
	{
		name = $0; sub(/[{ ].*/, "", name)
		want = family (type[family] == "counter" ? "_total" : "")
		if (name != want) bad("not of " want)
		if (!help) bad("no help")
		if ($0 !~ /^[a-z_]+\{([a-z]+="([^"\\]|\\["n\\])*",?)*\} -?[0-9.]+(e[+-]?[0-9]+)?$/) bad("form")
		labels = $0; sub(/\} [^}]*$/, "}", labels)
		if (seen[labels]++) bad("twice")
	}
	END { if (!ended) bad("no end"); exit failed }'
}

@test "OpenMetrics of tasks and hooks" {
	hook pre-start/10-good 'exit 0'
	hook post-stop/20-bad 'exit 3'
	hook post-stop/30-slow "exec sleep $nap" 'timeout = 100ms
kill-after = 100ms'
	th run -q -g "$group" -i one -- true 2>/dev/null
	th run -q -g "$group" -i one -- true 2>/dev/null
	begin -i two -- sleep "$nap"
	th stats --openmetrics "$group/one" "$group/two" >"$BATS_TEST_TMPDIR/om"
	openmetrics_is_valid <"$BATS_TEST_TMPDIR/om"
	run -0 cat "$BATS_TEST_TMPDIR/om"
	[[ $output == *"taskhook_task_running{group=\"$group\",id=\"two\"} 1"* ]]
	[[ $output == *"taskhook_task_running{group=\"$group\",id=\"one\"} 0"* ]]
	[[ $output == *"taskhook_task_runs_total{group=\"$group\",id=\"one\"} 2"* ]]
	local of="group=\"$group\",id=\"one\""
	[[ $output == *"taskhook_hook_runs_total{$of,point=\"pre-start\",hook=\"10-good\"} 2"* ]]
	[[ $output == *"taskhook_hook_failures_total{$of,point=\"pre-start\",hook=\"10-good\"} 0"* ]]
	[[ $output == *"taskhook_hook_failures_total{$of,point=\"post-stop\",hook=\"20-bad\"} 2"* ]]
	[[ $output == *"taskhook_hook_timeouts_total{$of,point=\"post-stop\",hook=\"30-slow\"} 2"* ]]
	[[ $output == *"taskhook_hook_timeouts_total{$of,point=\"post-stop\",hook=\"20-bad\"} 0"* ]]
	[[ $output =~ taskhook_hook_last_duration_seconds\{$of,point=\"post-stop\",hook=\"30-slow\"\}\ (0\.[1-9]|[1-9]) ]]
	[[ $output == *"taskhook_hook_last_success_timestamp_seconds{$of,point=\"pre-start\",hook=\"10-good\"} 1"* ]]
	[[ $output != *"taskhook_hook_last_success_timestamp_seconds{$of,point=\"post-stop\",hook=\"20-bad\"}"* ]]
	command -v promtool >/dev/null || return 0
	# The older text format, in which textfiles are read too, has no families of counters: promtool knows no more of it,
	# and misses the help of NAME_total alone (3: it reads all of it and finds fault with the style).
	promtool check metrics <"$BATS_TEST_TMPDIR/om" >"$BATS_TEST_TMPDIR/said" 2>&1 || [ $? -eq 3 ]
	run -1 grep -v '_total no help text$' "$BATS_TEST_TMPDIR/said"
}

# watch ENVIRONMENT ARG...: `stats --watch` on a terminal of its own, whose input is the FIFO $BATS_TEST_TMPDIR/in and
# whose output, with what stty said before and after, is in $BATS_TEST_TMPDIR/screen. It notes its pid in $root/pid.
watch()
{
	local env=$1
	shift
	command -v script >/dev/null || skip "script(1) is not installed"
	SHELL=/bin/sh script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "this user cannot make a pseudo-terminal"
	mkfifo "$BATS_TEST_TMPDIR/in"
	cat >"$root/watch" <<-END
		#!/bin/bash
		stty -g >"$root/before"
		stty rows 30 cols 150
		stty -g >"$root/before"
		$env "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" stats --watch --interval=100ms $* &
		echo \$! >"$root/pid.new"
		mv "$root/pid.new" "$root/pid"
		wait \$!
		echo \$? >"$root/status"
		stty -g >"$root/after"
	END
	# in the background a job of bash reads /dev/null
	sed -i 's| &$| <\&0 \&|' "$root/watch"
	chmod 755 "$root/watch"
	# that of an account without a login would run nothing
	SHELL=/bin/sh script -qefc "$root/watch" "$BATS_TEST_TMPDIR/screen" <"$BATS_TEST_TMPDIR/in" >/dev/null 2>&1 3>&- &
	pids+=($!)
	exec 7>"$BATS_TEST_TMPDIR/in"
}

shows() { grep -qsaF -- "$1" "$BATS_TEST_TMPDIR/screen"; }

# The last picture, whole, has its head and not this.
shows_less()
{
	local last
	last=$(tr -d '\0' <"$BATS_TEST_TMPDIR/screen" | awk 'BEGIN { RS = "\033\\[H" } { last = $0 } END { print last }')
	[[ $last == *'every'*$'\033[J'* && $last != *"$1"* ]]
}

restored()
{
	wait_for test -s "$root/after"
	[ "$(cat "$root/before")" = "$(cat "$root/after")" ]
	# the other screen is left, the cursor is there again
	shows $'\033[?1049l'
	shows $'\033[?25h'
}

@test "--watch: bars, and q leaves the terminal as it was" {
	begin -i busy -- sh -c "$busy"
	watch "LC_ALL=C.UTF-8"
	wait_for shows "$group/busy"
	wait_for shows $'\u2588'
	shows 'q quits'
	printf q >&7
	restored
	[ "$(cat "$root/status")" -eq 0 ]
}

@test "--watch without UTF-8 has ASCII bars, and a signal leaves the terminal as it was" {
	begin -i busy -- sh -c "$busy"
	watch "LC_ALL=C"
	wait_for shows "|#"
	run ! shows $'\u2588'
	kill -TERM "$(cat "$root/pid")"
	restored
	[ "$(cat "$root/status")" -eq 143 ]
}

@test "--watch follows the size of the terminal" {
	for i in 1 2 3 4 5 6 7 8; do begin -i "t$i" -- sleep "$nap"; done
	watch "LC_ALL=C" "$(printf "$group/t%s " 1 2 3 4 5 6 7 8)"
	wait_for shows "$group/t8"
	stty rows 5 -F "/proc/$(cat "$root/pid")/fd/1"
	wait_for shows_less t8
	printf q >&7
	restored
}

@test "--watch needs a terminal" {
	run -64 th stats --watch </dev/null
	[[ $output == *'--watch needs a terminal'* ]]
}
