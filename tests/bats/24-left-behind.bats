#!/usr/bin/env bats
# What killed supervisors leave, and clean-ups beside other starts: nothing is lost, nothing is done to others.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# killed ID: its task runs, and its supervisor is killed.
killed()
{
	start -i "$1" -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	kill -KILL "$started"
	wait "$started" || true
}

@test "a clean-up that fails half-way leaves what is owed noted for the next" {
	hook post-stop/10-say "echo post-stop >>'$root/said'"
	killed t
	mv "$state/tasks/$group/t" "$root/aside"
	echo in the way >"$state/tasks/$group/t"
	run -122 th cleanup
	[[ $output == *"$group/t"*"a file is in the way"* ]]
	[ ! -e "$root/said" ]
	rm "$state/tasks/$group/t"
	run -0 th cleanup
	[ "$(cat "$root/said")" = post-stop ]
	assert_clean
}

@test "a task may be named as a file that a hook of the group needs" {
	hook pre-cleanup/10-say 'echo pre-cleanup'
	hook post-stop/10-say "echo post-stop \$RESULT >>'$root/said'"
	killed result
	run -0 th cleanup "$group"
	[ "$(cat "$root/said")" = "post-stop lost" ]
	[ ! -e "$runtime/$group" ]
}

@test "what is left of a live state goes with the task, and does not reach the next run" {
	run -0 th run -g "$group" -i t -- true
	mkdir -p "$runtime/$group/t/hook-state/10-look"
	touch "$runtime/$group/t/live" "$runtime/$group/t/hook-state/10-look/old"
	hook pre-start/10-look 'ls "$HOOK_STATE_DIR"; true'
	run -0 th -v run -g "$group" -i t -- true
	[[ $output != *"[pre-start/10-look] old"* ]]
	mkdir -p "$runtime/$group/t"
	touch "$runtime/$group/t/live"
	run -0 th cleanup --older-than=0
	[ ! -e "$runtime/$group/t" ]
}

@test "finishing a killed deployer leaves the hooks of who took over alone" {
	hook pre-deploy/10-slow "echo \$TASK_ID >>'$root/deploying'; until [ -e '$root/go' ]; do sleep 0.05; done"
	start -i a -- true
	wait_for grep -q a "$root/deploying"
	kill -KILL "$started"
	wait "$started" || true
	start -i b -- true
	wait_for grep -q b "$root/deploying"
	run -0 th cleanup
	touch "$root/go"
	wait "$started"
	[ "$(field "$state/records/$group/a.json" result)" = lost ]
}

@test "a suspended run is stopped as any other" {
	start -i t -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	kill -TSTP "$started"
	wait_for grep -q '^State:.*T' "/proc/$started/status"
	run -0 timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" cleanup --force "$group"
	[ ! -e "$state/tasks/$group" ]
	assert_clean
}

@test "what is owed is done also when the task's user is gone" {
	needs_root "only root can run as another user"
	hook post-stop/10-say "echo post-stop >>'$root/said'"
	killed t
	sed -i 's/"id": "t"/"id": "t"/; s/"stop_timeout/"user": "gone-since", "stop_timeout/' "$state/records/$group/t.json"
	grep -q gone-since "$state/records/$group/t.json"
	run -122 th cleanup
	[[ $output == *gone-since*continuing* ]]
	[ "$(cat "$root/said")" = post-stop ]
	run -0 th cleanup
	assert_clean
}

@test "one name that is wrong does not keep the others from being cleaned" {
	run -0 th run -g "$group" -i t -- true
	run -64 th cleanup "none$group" "$group"
	[[ $output == *"no group 'none$group'"* ]]
	[ ! -e "$state/tasks/$group" ]
}

@test "dry-run sets no record aside, and names what is busy" {
	run -0 th run -g "$group" -i d -- true
	echo '{"format":' >"$state/records/$group/d.json"
	touch -d '1 hour ago' "$state/tasks/$group/d"
	run th cleanup --dry-run --older-than=0
	[ -e "$state/records/$group/d.json" ]
	start -i r -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -75 th cleanup --dry-run "$group"
	[[ $output == *"$group/r is running"* ]]
}

@test "a start that brings down an earlier run goes on to name its task in messages" {
	killed t
	hook pre-start/10-bad 'exit 3'
	run -120 th run -g "$group" -i t -- true
	[[ $output == *"taskhook: $group/t: pre-start/10-bad: exit status 3"* ]]
}

@test "processes of a task whose record is damaged are found by its name" {
	needs_root "cgroups are needed"
	[ -n "$cgroups" ] || skip "no cgroup2 is mounted"
	start -i t -- setsid -w sh -c "echo up; exec sleep $nap"
	wait_for grep -q up "$root/out"
	kill -KILL "$started"
	wait "$started" || true
	echo '{"format":' >"$state/records/$group/t.json"
	run th cleanup
	[[ $output == *"set aside"* ]]
	find "$state/tasks/$group/t" "$runtime/$group/t" -exec touch -d '1 hour ago' {} +
	run -0 th cleanup --older-than=0
	marked_gone "$nap"
	[ ! -e "$state/tasks/$group/t" ]
	assert_clean
}

@test "what has no record goes when its directory is old, whatever else of it is left" {
	mkdir -p "$state/tasks/$group/lost/logs" "$state/tasks/$group/new" "$runtime/$group/lost" "$runtime/$group/new"
	touch "$runtime/$group/lost/live"
	find "$state/tasks/$group/lost" "$runtime/$group/lost" -exec touch -d '8 days ago' {} +
	touch -d '6 days ago' "$state/tasks/$group/new" "$runtime/$group/new"
	run -0 th cleanup
	[ ! -e "$state/tasks/$group/lost" ]
	[ ! -e "$runtime/$group/lost" ]
	[ -e "$state/tasks/$group/new" ]
}

@test "a start that was killed when it had no more than its lock leaves nothing that lasts" {
	mkdir -p "$runtime/$group/begun" "$runtime/$group/young"
	touch "$runtime/$group/begun/lock" "$runtime/$group/young/lock"
	find "$runtime/$group/begun" -exec touch -d '1 minute ago' {} +
	run -0 th cleanup
	[ -z "$output" ]
	[ ! -e "$runtime/$group/begun" ]
	[ -e "$runtime/$group/young" ]
}

# killed_at WHEN SYSCALL N ARG...: `taskhook run ARG...`, killed there
killed_at()
{
	local when=$1 call=$2 n=$3
	shift 3
	run -137 "$TASKHOOK_HELPERS_DIR/die-at" "$when" "$call" "$n" "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" \
		run -g "$group" "$@"
}

# A parent of the test's own, kept in being by a task of another group: what is made below it is made by the test.
own_parent()
{
	needs_root "cgroups are needed"
	[ -n "$cgroups" ] || skip "no cgroup2 is mounted"
	parent=$cgroups/p$group
	printf '[cgroup]\nparent = %s\n' "p$group" >"$root/conf"
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q run -g "k$group" -i keep -- sh -c "echo up >'$root/kept'; sleep 60" \
		</dev/null >/dev/null 2>&1 3>&- &
	pids+=("$!")
	wait_for test -s "$root/kept"
}

@test "killed between making a group's cgroup and marking it: clean-up removes it" {
	own_parent
	killed_at entry fsetxattr 1 -i t -- true
	[ -d "$parent/$group" ]
	run -0 th cleanup
	[ ! -e "$parent/$group" ]
	run -0 th run -g "$group" -i t -- true
}

@test "killed between making a group's cgroup and marking it: another task of the group removes it" {
	own_parent
	killed_at entry fsetxattr 1 -i t -- true
	[ -d "$parent/$group" ]
	run -0 th run -g "$group" -i other -- true
	run -0 th run -g "$group" -i t -- true
	[ ! -e "$parent/$group" ]
}

@test "killed between making a task's cgroup and marking it: clean-up removes it" {
	own_parent
	killed_at entry fsetxattr 2 -i t -- true
	[ -d "$parent/$group/t" ]
	run -0 th cleanup
	[ ! -e "$parent/$group" ]
	run -0 th run -g "$group" -i t -- true
}

@test "killed between making a hook's cgroup and marking it: clean-up removes it" {
	own_parent
	hook pre-start/10-one true
	killed_at entry fsetxattr 4 -i t -- true
	[ -d "$parent/$group/_hooks/t:0" ]
	run -0 th cleanup
	[ ! -e "$parent/$group" ]
}

@test "an empty cgroup that somebody else made is left alone, whatever an earlier start was about to make" {
	own_parent
	mkdir "$parent/$group"
	run -75 th run -g "$group" -i t -- true
	[[ $output == *"was not made by taskhook"* ]]
	killed_at entry fgetxattr 1 -i u -- true
	run th cleanup
	[ -d "$parent/$group" ]
	run -75 th run -g "$group" -i t -- true
	rmdir "$parent/$group"
}

@test "killed between the start of the process and the note of it: post-exit is owed" {
	own_parent
	hook post-exit/10-say "echo post-exit \$RESULT >>'$root/said'"
	hook post-stop/10-say "echo post-stop >>'$root/said'"
	killed_at exit clone3 1 -i t -- true
	run -0 th cleanup
	[ "$(cat "$root/said")" = $'post-exit lost\npost-stop' ]
}

@test "what hooks of a killed clean-up of a group left is ended by the next clean-up" {
	own_parent
	hook pre-cleanup/10-slow "[ ! -e '$root/said' ] || exit 0; setsid sleep $nap & echo up >'$root/said'; sleep 60"
	run -0 th run -g "$group" -i t -- true
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" cleanup "$group" >/dev/null 2>&1 3>&- &
	pids+=("$!")
	wait_for test -s "$root/said"
	wait_for marked_runs "$nap"
	kill -KILL "$!"
	wait "$!" || true
	marked_runs "$nap"
	run -0 th cleanup
	marked_gone "$nap"
	[ ! -e "$parent/$group" ]
	[ -e "$state/records/$group/t.json" ]
	[ -z "$(ls "$runtime/$group")" ]
}

@test "hooks of a clean-up have a directory to run in, whatever is left of the group" {
	hook pre-cleanup/10-say "pwd >'$root/said'"
	run -0 th run -g "$group" -i t -- true
	rm -r "${state:?}/tasks/$group"
	run -0 th cleanup "$group"
	[ "$(cat "$root/said")" = "$state/tasks/$group" ]
	[ ! -e "$state/tasks/$group" ]
	[ ! -e "$runtime/$group" ]
}

@test "a supervisor that was killed is dead, also where nobody has asked how it ended" {
	# whoever started it never waits
	sh -c '"$@" >/dev/null 2>&1 & echo "$!" >"$0"; exec sleep 1000' "$root/pid" \
		"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" -i a -- sleep 1000 3>&- &
	pids+=("$!")
	wait_for test -s "$root/pid"
	pid=$(cat "$root/pid")
	is_running() { th list "$group" 2>/dev/null | grep -q "a *running"; }
	wait_for is_running
	kill -KILL "$pid"
	is_zombie() { grep -q '^State:.Z' "/proc/$pid/status"; }
	wait_for is_zombie
	run -0 th cleanup
	run -0 th list --all "$group"
	[[ $output == *"a  done"* ]]
	is_zombie
}
