#!/usr/bin/env bats
# Tasks that are changed while they run. Limits that bite are in tests/vm.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

update() { th update "$@" 3>&-; }
# waiting_update ARG...: one in the background that has asked; its pid is $updating, $root/said has what it says
waiting_update()
{
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" update "$@" >"$root/said" 2>&1 3>&- &
	updating=$!
	pids+=("$updating")
	wait_for has_asked "$updating"
}
has_asked() { find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | grep -q .; }
record_of() { cat "$state/records/$group/$1.json"; }
# what a task runs with, as its record has it: task_has ID JQ VALUE
task_has() { [ "$(record_of "$1" | jq -r ".task$2")" = "$3" ]; }
restarts_of() { th status --json "$group/$1" | jq -r .restarts; }

@test "a line for each key; the record and status have it; what is the value already is no change" {
	begin -i t -- sleep "$nap"
	run -0 --separate-stderr update "$group/t" --set task.stop-timeout=1m --set logs.max-size=2M --set task.keep=all
	[ "$output" = $'task.stop-timeout: 5s -> 1m\ntask.keep: logs -> all\nlogs.max-size: 10M -> 2M' ]
	[ -z "$stderr" ]
	task_has t .stop_timeout_usec 60000000
	task_has t .keep all
	run -0 th status "$group/t"
	[[ $output == *"updated  task.stop-timeout: 5s -> 1m, 2"* ]]
	run -0 bash -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' status --json $group/t | jq -r '.updates[\"logs.max-size\"] | [.from, .to] | @csv'"
	[ "$output" = '"10M","2M"' ]
	run -0 update "$group/t" --set task.stop-timeout=60s
	[ "$output" = "nothing to change" ]
	# as it was at the start: no mark is left
	run -0 update "$group/t" --set task.stop-timeout=5s
	[ "$(record_of t | jq -r '.updates | keys | @csv')" = '"logs.max-size","task.keep"' ]
}

@test "the values last over a restart of the task, and not over a new start" {
	begin -i t -- sleep "$nap"
	run -0 update "$group/t" --set task.stop-timeout=9s --set restart.policy=always
	run -0 th restart "$group/t"
	task_has t .stop_timeout_usec 9000000
	[ "$(record_of t | jq -r '.updates["task.stop-timeout"].to')" = 9s ]
	run -0 th stop "$group/t"
	begin -i t -- sleep "$nap"
	task_has t .stop_timeout_usec 5000000
	[ "$(record_of t | jq -r .updates)" = null ]
}

@test "what is set is what happens: stop signal, restart policy, max-run-time, sizes of logs" {
	begin -i a -- sh -c "trap 'echo usr1; exit 0' USR1; trap 'echo term' TERM; echo up; while :; do sleep 0.05; done"
	wait_for logs_hold a up
	run -0 update "$group/a" --set task.stop-signal=USR1 --set task.stop-timeout=20s
	run -0 th stop "$group/a"
	logs_hold a usr1

	begin -i b -- sh -c "[ \$RESTART_COUNT -gt 0 ] && exit 0; while [ ! -e '$root/go' ]; do sleep 0.05; done; exit 3"
	run -0 update "$group/b" --set restart.policy=on-failure --set restart.delay=0
	touch "$root/go"
	run -0 th wait "$group/b"
	[ "$(record_of b | jq -r .restarts)" = 1 ]

	begin -i c -- sleep "$nap"
	run -0 update "$group/c" --set task.max-run-time=1h
	[[ $output == "task.max-run-time: infinity -> 1h (runs for "*")" ]]
	run -75 update "$group/c" --set task.max-run-time=1ms
	[[ $output == *"task.max-run-time: 1h -> 1ms (runs for "*"): it is below that (add --force"* ]]
	run -0 update "$group/c" --set task.max-run-time=1ms --force
	run -124 th wait "$group/c"

	begin -i d -- sh -c 'while :; do echo 0123456789abcdef; sleep 0.01; done'
	run -0 update "$group/d" --set logs.max-size=1K --set logs.max-files=2
	# the first may have what was written before
	small() { [ "$(stat -c %s "$state/tasks/$group/d/logs/stdout.log.1" 2>/dev/null || echo 9999)" -le 1024 ]; }
	wait_for small
	run -0 th stop "$group/d"
}

@test "what needs a restart is refused without --restart, each key named, and nothing is changed" {
	hook pre-update/10-say "echo ran >>'$root/order'"
	begin -i t -- sleep "$nap"
	run -75 --separate-stderr update "$group/t" --set task.nice=3 --set env.TOKEN=hidden --set task.stop-timeout=9s
	[ -z "$output" ]
	[[ $stderr == *"$group/t: task.nice: none -> 3: needs a restart of the task (add --restart)"* ]]
	[[ $stderr == *"$group/t: env.TOKEN: changed: needs a restart"* ]]
	[[ $stderr != *hidden* && $stderr != *"stop-timeout: "* && $stderr == *"nothing was changed"* ]]
	task_has t .stop_timeout_usec 5000000
	[ ! -e "$root/order" ]
}

@test "--restart: the next process has the new values, the pid is another, status marks them" {
	begin -i t -- sh -c 'echo "first $FOO"; sleep 1000'
	wait_for logs_hold t first
	before=$(th status --json "$group/t" | jq .pid)
	run -0 update "$group/t" --restart --set "task.command=sh -c 'echo \"second \$FOO\"; umask; sleep 1000'" --set env.FOO=bar --set task.umask=077
	[[ $output == *"env.FOO: changed (with a restart)"* ]]
	wait_for logs_hold t 'second bar'
	wait_for logs_hold t 0077
	[ "$(th status --json "$group/t" | jq .pid)" != "$before" ]
	[ "$(restarts_of t)" = 1 ]
	run -0 th status "$group/t"
	[[ $output == *"env.FOO, 2"* && $output != *"-> bar"* ]]
	# without need none is done
	run -0 update "$group/t" --restart --set task.stop-timeout=8s
	[ "$(restarts_of t)" = 1 ]
	run -0 th stop "$group/t"
	assert_clean
}

@test "--dry-run prints the same, with the same status, runs no hook and changes nothing" {
	hook pre-update/10-say "echo ran >>'$root/order'"
	hook post-update/10-say "echo ran >>'$root/order'"
	begin -i t -- sleep "$nap"
	run -0 update "$group/t" --dry-run --restart --set task.nice=3 --set task.stop-timeout=9s
	[ "$output" = $'task.stop-timeout: 5s -> 9s\ntask.nice: none -> 3 (with a restart)' ]
	run -75 update "$group/t" --dry-run --set task.nice=3
	run -78 update "$group/t" --dry-run --set task.user=nobody
	[ "$(restarts_of t)" = 0 ]
	[ "$(record_of t | jq -r .updates)" = null ]
	task_has t .stop_timeout_usec 5000000
	[ ! -e "$root/order" ]
}

@test "hooks: before and after, with the keys, and once where nothing is refused" {
	for p in pre-update post-update; do
		hook "$p/10-say" "echo \$OPERATOR \$HOOK_TYPE \$HOOK_POINT \$UPDATE_KEYS \$TASK_PID >>'$root/order'"
	done
	hook post-start/10-say "echo \$HOOK_POINT >>'$root/order'"
	begin -i t -- sleep "$nap"
	pid=$(th status --json "$group/t" | jq .pid)
	run -0 update "$group/t" --set task.stop-timeout=9s --set task.keep=all
	diff "$root/order" - <<-END
		post-start
		update prehook pre-update task.stop-timeout task.keep $pid
		update posthook post-update task.stop-timeout task.keep $pid
	END
	rm "$root/order"
	run -0 update "$group/t" --restart --set task.nice=1
	[ "$(cut -d' ' -f1-4 "$root/order")" = $'update prehook pre-update task.nice\npost-start\nupdate posthook post-update task.nice' ]
	# nothing to change: no hook
	rm "$root/order"
	run -0 update "$group/t" --set task.nice=1
	[ ! -e "$root/order" ]
}

@test "hooks see old and new values, of variables none" {
	for p in pre-update post-update; do
		hook "$p/10-say" "env | grep ^UPDATE_ | sort >>'$root/order'; printf '<%s>\n' \"\$UPDATE_NEW_TASK_COMMAND\" >>'$root/order'"
	done
	begin -i t -e SECRET=old --set task.stop-timeout=9s -- sh -c 'echo run; sleep 1000'
	wait_for logs_hold t run
	values() {
		printf '%s\n' 'UPDATE_KEYS=task.stop-timeout task.nice' 'UPDATE_NEW_TASK_NICE=3' \
			'UPDATE_NEW_TASK_STOP_TIMEOUT=8s' 'UPDATE_OLD_TASK_STOP_TIMEOUT=9s' '<>'
	}
	run -0 update "$group/t" --restart --set task.stop-timeout=8s --set task.nice=3
	diff "$root/order" <(values; values)
	# the value before this update, not that of the start
	rm "$root/order"
	run -0 update "$group/t" --set task.stop-timeout=7s
	grep -qx 'UPDATE_OLD_TASK_STOP_TIMEOUT=8s' "$root/order"
	# a line feed is one value's
	rm "$root/order"
	run -0 update "$group/t" --restart --set env.SECRET=new --set task.command="sleep '1000
2'"
	run -1 grep -q 'SECRET=\|new' "$root/order"
	[ "$(tail -n 2 "$root/order")" = $'<sleep \'1000\n2\'>' ]
	run -0 th stop "$group/t"
}

@test "a failing pre-update hook: 120, a slow one 121, and nothing is changed" {
	hook pre-update/10-no 'echo "not today"; exit 3'
	begin -i t -- sleep "$nap"
	run -120 update "$group/t" --set task.stop-timeout=9s
	[[ $output == *"not updated: pre-update/10-no: exit status 3"* ]]
	task_has t .stop_timeout_usec 5000000
	hook pre-update/10-no 'sleep 60' 'timeout = 200ms'
	run -121 update "$group/t" --set task.stop-timeout=9s
	task_has t .stop_timeout_usec 5000000
	is_state t running
	hook pre-update/10-no 'exit 3' 'on-failure = warn'
	run -122 update "$group/t" --set task.stop-timeout=9s
	task_has t .stop_timeout_usec 9000000
}

@test "a failing post-update hook is a warning: 122, and the values hold" {
	hook post-update/10-no 'exit 3'
	begin -i t -- sleep "$nap"
	run -122 update "$group/t" --set task.stop-timeout=9s
	[[ $output == *"post-update/10-no: exit status 3"* && $output == *"task.stop-timeout: 5s -> 9s"* ]]
	task_has t .stop_timeout_usec 9000000
}

@test "--prehook and --posthook are for this update alone" {
	printf '#!/bin/sh\necho $HOOK_POINT >>%s/order\n' "$root" >"$root/hook"
	chmod 755 "$root/hook"
	begin -i t -- sleep "$nap"
	run -0 update "$group/t" --prehook "$root/hook" --posthook "$root/hook" --set task.stop-timeout=9s
	[ "$(cat "$root/order")" = $'pre-update\npost-update' ]
	run -0 update "$group/t" --set task.stop-timeout=8s
	[ "$(wc -l <"$root/order")" = 2 ]
	[ "$(record_of t | jq '.task.hooks.options | length')" = 0 ]
}

@test "a failing pre-restart hook undoes all of it, and the task runs on" {
	begin -i t -- sleep "$nap"
	hook pre-restart/10-no 'exit 4'
	pid=$(th status --json "$group/t" | jq .pid)
	run -120 update "$group/t" --restart --set task.nice=3 --set task.stop-timeout=9s
	[[ $output == *"pre-restart/10-no: exit status 4, the task runs on, nothing was changed"* ]]
	[[ $output != *"->"* ]]
	task_has t .stop_timeout_usec 5000000
	task_has t .nice null
	[ "$(record_of t | jq -r .updates)" = null ]
	[ "$(th status --json "$group/t" | jq .pid)" = "$pid" ]
	rm "$hooks/pre-restart/10-no"
	run -0 update "$group/t" --restart --set task.nice=3
}

@test "a command or a directory that is not there is found before anything is stopped" {
	begin -i t -- sleep "$nap"
	run -127 update "$group/t" --restart --set task.command=no-such-command-here
	[[ $output == *"nothing was changed: command 'no-such-command-here' not found"* ]]
	run -78 update "$group/t" --restart --set task.workdir=/no/such/place
	run -78 update "$group/t" --restart --set task.workdir=/etc/passwd
	run -78 update "$group/t" --restart --set task.stdin=/no/such/file
	# more than anybody may have
	run -77 update "$group/t" --restart --set task.limit-nofile=infinity --set task.stop-timeout=9s
	[[ $output == *"nothing was changed: cannot raise limit-nofile from "* ]]
	task_has t .stop_timeout_usec 5000000
	if [ "$EUID" -ne 0 ]; then
		run -77 update "$group/t" --restart --set task.nice=-2
		run -77 update "$group/t" --restart --set task.supplementary-groups=root
		[[ $output == *"nothing was changed: "*"cannot run with other groups than our own"* ]]
	fi
	[ "$(restarts_of t)" = 0 ]
	task_has t '.command[0]' sleep
	task_has t .workdir null
}

@test "a process that cannot be started anew, seen too late: the task has ended, and that is said" {
	cp /bin/sleep "$root/sleep"
	begin -i t -- sleep "$nap"
	hook pre-start/10-take "[ \$RESTART_COUNT = 0 ] || rm '$root/sleep'"
	run -127 update "$group/t" --restart --set "task.command=$root/sleep $nap"
	[[ $output == *"the restart failed, the task has ended: "*"sleep"* && $output != *"->"* ]]
	[ "$(record_of t | jq -r .state)" = failed ]
	assert_clean
}

@test "values are checked as those of a task file, with the nearest name" {
	begin -i t -- sleep "$nap"
	run -64 update "$group/t" --set limits.memry=1G
	[[ $output == *"unknown key 'memry' in [limits]; did you mean 'memory'?"* ]]
	run -64 update "$group/t" --set task.stop-timeout=soon
	[[ $output == *"not a duration (write it as 5s"* ]]
	run -64 update "$group/t" --set paths.state=/x
	run -64 update "$group/t" --set nonsense
	run -64 update "$group/t"
	[[ $output == *"what is to be changed?"* ]]
	run -64 update --set task.keep=all
	[[ $output == *"which task?"* ]]
	run -64 update -g "$group" "$group/t" --set task.keep=all
	run -64 update "$group/t" --set restart.policy=always --set restart.max-delay=1ms
	[[ $output == *max-delay* ]]
	printf '[task]\nstop-timeot = 3s\n' >"$root/t.ini"
	run -78 update "$group/t" -f "$root/t.ini"
	[[ $output == *"t.ini:2: unknown key 'stop-timeot' in [task]; did you mean 'stop-timeout'?"* ]]
	run -78 update "$group/t" -f no-such-file
}

@test "keys that never change are refused with the reason, 78" {
	begin -i t -- sleep "$nap"
	for key in task.user=nobody task.id=u task.group=other 'task.pass-env=A*' hook.10-x.timeout=3s artifact.a.source=/x; do
		run -78 update "$group/t" --restart --set "$key"
		[[ $output == *"cannot be changed while the task lives: "* ]]
	done
	# its own name is none
	run -0 update "$group/t" --set task.id=t --set "task.group=$group"
	run -78 update "$group/t" --set group-limits.pids=9
	[[ $output == *"it is the limit of the whole group (taskhook update -g $group)"* ]]
}

@test "-f: the keys of the file that differ; what it does not say stays; --set wins" {
	cat >"$root/t.ini" <<-END
		[task]
		command = sleep $nap
		stop-timeout = 7s
		nice = 2
		[env]
		PORT = 80
		[hook 10-x]
		schedule = post-stop
		path = /bin/true
		[logs]
		max-files = 3
	END
	begin -i t -f "$root/t.ini" -e EXTRA=1
	run -0 update "$group/t" -f "$root/t.ini"
	[ "$output" = "nothing to change" ]
	sed -i 's/stop-timeout = 7s/stop-timeout = 8s/; s/max-files = 3/max-files = 4/; /nice/d' "$root/t.ini"
	run -0 update "$group/t" -f "$root/t.ini" --set logs.max-files=5
	[ "$output" = $'task.stop-timeout: 7s -> 8s\nlogs.max-files: 3 -> 5' ]
	task_has t .nice 2
	sed -i 's/PORT = 80/PORT = 81/' "$root/t.ini"
	run -75 update "$group/t" -f "$root/t.ini"
	[[ $output == *"env.PORT: changed: needs a restart"* ]]
	run -0 update "$group/t" -f "$root/t.ini" --restart
	[ "$(record_of t | jq -r '.task.env | sort | @csv')" = '"EXTRA=1","PORT=81"' ]
	# a line more above the hook is no change of it, another path is
	sed -i 's/^nice.*//; s/^\[env\]/; a comment\n[env]/' "$root/t.ini"
	run -0 update "$group/t" -f "$root/t.ini"
	[ "$output" = "nothing to change" ]
	sed -i 's|/bin/true|/bin/false|' "$root/t.ini"
	run -78 update "$group/t" -f "$root/t.ini"
	[[ $output == *"[hook 10-x] of '$root/t.ini' is another: it cannot be changed while the task lives"* ]]
}

@test "-g: each task that runs, a line each; 122 where some failed" {
	begin -i a -- sleep "$nap"
	begin -i b -- sleep "$nap"
	run -0 th -q run -g "$group" -i over -- true
	run -0 bash -c "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' update -g $group --set task.stop-timeout=9s | sort"
	[ "$output" = "$group/a: task.stop-timeout: 5s -> 9s"$'\n'"$group/b: task.stop-timeout: 5s -> 9s" ]
	hook pre-update/10-not-b '[ $TASK_ID != b ]'
	run -122 --separate-stderr update -g "$group" --set task.stop-timeout=8s
	[ "$output" = "$group/a: task.stop-timeout: 9s -> 8s" ]
	[[ $stderr == *"$group/b: not updated: pre-update/10-not-b"* ]]
	task_has b .stop_timeout_usec 9000000
	hook pre-update/10-not-b 'false'
	run -120 update -g "$group" --set task.stop-timeout=7s
	run -0 th stop -g "$group"
	run -75 update -g "$group" --set task.stop-timeout=8s
	[[ $output == *"no task of the group '$group' runs"* ]]
}

@test "a limit that nothing can enforce is refused with 69, also by --dry-run, and nothing is changed" {
	config off
	begin -i t -- sleep "$nap"
	run -69 update "$group/t" --set limits.memory=1G --set task.stop-timeout=9s
	[[ $output == *"limits.memory = 1G: there is no cgroup to enforce it"* ]]
	run -69 update "$group/t" --set limits.memory=1G --dry-run
	task_has t .stop_timeout_usec 5000000
}

@test "a task that does not run, that another user owns, or that asks itself" {
	run -64 update "$group/none" --set task.keep=all
	run -0 th -q run -g "$group" -i over -- true
	run -75 update "$group/over" --set task.keep=all
	[[ $output == *"$group/over: does not run"* ]]
	hook pre-stop/10-self '"$TASKHOOK" --root '"'$root'"' --config '"'$root/conf'"' update $TASKGROUP/$TASK_ID --set task.keep=all; echo "status $?" >'"'$root/self'"
	begin -i t -- sleep "$nap"
	run th stop "$group/t"
	[ "$(cat "$root/self")" = "status 75" ]
}

@test "one that is being started is updated when it runs; one that is being stopped is not" {
	hook post-start/10-wait "touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done"
	hook pre-stop/10-wait "touch '$root/stops'; while [ ! -e '$root/end' ]; do sleep 0.05; done"
	background t -- sleep "$nap"
	wait_for test -e "$root/there"
	waiting_update "$group/t" --set task.stop-timeout=9s
	[ ! -s "$root/said" ]
	touch "$root/go"
	wait "$updating"
	[ "$(cat "$root/said")" = "task.stop-timeout: 5s -> 9s" ]
	ended 0
	th stop "$group/t" 3>&- &
	stopping=$!
	pids+=("$stopping")
	wait_for test -e "$root/stops"
	run -75 update "$group/t" --set task.stop-timeout=8s
	[[ $output == *"it is being stopped"* ]]
	touch "$root/end"
	wait "$stopping"
}

@test "a start that fails answers who waits to update it" {
	hook post-start/10-wait "touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done; exit 1" 'on-failure = stop'
	background t -- sleep "$nap"
	wait_for test -e "$root/there"
	waiting_update "$group/t" --set task.stop-timeout=9s
	touch "$root/go"
	got=0
	wait "$updating" || got=$?
	[ "$got" -eq 75 ]
	[[ $(cat "$root/said") == *"$group/t: the task has ended: "* ]]
}

@test "during the delay of the policy: at once, without --restart; with it the delay ends" {
	begin -i t --set=restart.policy=always --set=restart.delay=5m -- sh -c 'echo "run $FOO"'
	wait_for is_state t restarting
	run -0 update "$group/t" --set env.FOO=one --set task.stop-timeout=9s
	[[ $output == *"env.FOO: changed (from its next process on)"* ]]
	is_state t restarting
	[ "$(record_of t | jq -r '.task.env[0]')" = FOO=one ]
	run -0 update "$group/t" --set env.FOO=two --restart
	wait_for logs_hold t 'run two'
	run -0 th stop "$group/t"
}

@test "a supervisor that is killed: recover keeps the new values" {
	begin -i t -- sleep "$nap"
	run -0 update "$group/t" --set task.stop-timeout=9s --set task.keep=all
	lose t
	run -0 th recover
	is_state t running
	task_has t .stop_timeout_usec 9000000
	[ "$(th status --json "$group/t" | jq -r '.updates["task.stop-timeout"].to')" = 9s ]
	run -0 update "$group/t" --set task.stop-timeout=8s
	[ "$output" = "task.stop-timeout: 9s -> 8s" ]
	run -0 th restart "$group/t"
	task_has t .stop_timeout_usec 8000000
}

@test "a supervisor that is killed between the update and its restart: the restart follows" {
	begin -i t -- sh -c 'echo "run $FOO"; sleep 1000'
	wait_for logs_hold t run
	hook pre-restart/10-wait "touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done"
	waiting_update "$group/t" --restart --set env.FOO=new
	wait_for test -e "$root/there"
	lose t
	touch "$root/go"
	run -0 th recover
	wait_for logs_hold t 'run new'
	run -0 th stop "$group/t"
	wait "$updating" || true
}

@test "a supervisor that is killed during the restart: its hooks are in the record, and post-update follows" {
	printf '#!/bin/sh\necho own $HOOK_POINT $UPDATE_KEYS >>%s/order\n' "$root" >"$root/hook"
	chmod 755 "$root/hook"
	hook post-update/90-say "echo dir \$HOOK_POINT \$UPDATE_KEYS >>'$root/order'; echo \"\$UPDATE_OLD_TASK_KEEP \$UPDATE_NEW_TASK_KEEP\" >'$root/values'"
	begin -i t --hook "post-update:$root/hook" -- sh -c 'echo "run $FOO"; sleep 1000'
	wait_for logs_hold t run
	hook pre-restart/10-wait "touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done"
	waiting_update "$group/t" --restart --prehook "$root/hook" --posthook "$root/hook,nowhere" --set env.FOO=new --set task.keep=all
	wait_for test -e "$root/there"
	[ "$(record_of t | jq -c '[.task.hooks.options[] | [.point, .option]]')" = '[["post-update","--hook"],["pre-update","--prehook"],["post-update","--posthook"]]' ]
	lose t
	touch "$root/go"
	run -0 th recover
	wait_for logs_hold t 'run new'
	wait_for grep -qs dir "$root/order"
	[ "$(cat "$root/order")" = $'own pre-update task.keep env.FOO\ndir post-update task.keep env.FOO\n''own post-update task.keep env.FOO' ]
	[ "$(cat "$root/values")" = 'logs all' ]
	options_are() { [ "$(record_of t | jq -c '[.task.hooks.options[].option]')" = "$1" ]; }
	wait_for options_are '["--hook"]'
	rm "$root/order"
	run -0 update "$group/t" --set task.keep=none
	[ "$(cat "$root/order")" = $'dir post-update task.keep\n''own post-update task.keep' ]
	run -0 th stop "$group/t"
	wait "$updating" || true
}

@test "what a record says of artifacts is still there after a supervisor was replaced" {
	echo content >"$root/file"
	printf '[task]\ncommand = sleep %s\n[artifact a]\nsource = %s\nmode = file\ndestination = local/a\n' "$nap" "$root/file" >"$root/t.ini"
	begin -i t -f "$root/t.ini"
	before=$(record_of t | jq -c .task.artifacts)
	[ "$before" != null ]
	lose t
	run -0 th recover
	run -0 update "$group/t" -f "$root/t.ini" --set task.keep=all
	[ "$(record_of t | jq -c .task.artifacts)" = "$before" ]
	run -0 update "$group/t" -f "$root/t.ini"
	[ "$output" = "nothing to change" ]
}

@test "many at once: each is done, one after the other" {
	begin -i t -- sleep "$nap"
	for i in 11 12 13 14 15 16 17 18; do
		update "$group/t" --set "task.stop-timeout=${i}s" >/dev/null &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[[ $(record_of t | jq -r '.updates["task.stop-timeout"].to') == 1[1-8]s ]]
	[ "$(record_of t | jq -r '.updates["task.stop-timeout"].from')" = 5s ]
	run -0 th stop "$group/t"
	assert_clean
}
