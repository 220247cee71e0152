# shellcheck disable=SC2154,SC2034 # set by lib/tasks.bash; used by the tests that load it
# Shared by the tests of tasks in the background. Needs lib/tasks.bash.
# shellcheck shell=bash

# lose ID: its supervisor is killed. Its lock is free only when it has gone.
lose()
{
	local pid
	pid=$(supervisor_of "$1")
	kill -KILL "$pid"
	wait_for gone "$pid"
}

# begin ARG...: `taskhook start` in the test's group
begin() { th start -g "$group" "$@" 3>&-; }

# background ID ARG...: the same as a job: $started, $root/out, $root/err
background()
{
	local id=$1
	shift
	rm -f "$root/out" "$root/err"
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" start -g "$group" -i "$id" "$@" \
		>"$root/out" 2>"$root/err" 3>&- </dev/null &
	started=$!
	pids+=("$started")
	wait_for test -e "$root/err"
}

# ended STATUS: $started ends with it
ended()
{
	local got=0
	wait "$started" || got=$?
	[ "$got" -eq "$1" ] || {
		echo "ended with $got, not $1: $(cat "$root/err")" >&2
		return 1
	}
}

# The pid of the supervisor of a task that runs.
supervisor_of() { th status --json "$group/$1" | jq -e .supervisor_pid; }
# is_state ID WORD: as list shows it, or what it is at now
is_state() { th status --json "$group/$1" 2>/dev/null | jq -e --arg word "$2" '.state == $word or .phase == $word' >/dev/null; }
logs_hold() { th logs "$group/$1" 2>/dev/null | grep -q -- "$2"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# How often a process has gone to sleep of itself.
switches() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }

needs_cgroups()
{
	needs_root "cgroups"
	[ -n "$cgroups" ] || skip "no cgroup2 file system is mounted"
}
