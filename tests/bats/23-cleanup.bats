#!/usr/bin/env bats
# cleanup: the janitor, names, --force, --all, --dry-run.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

@test "nothing to do is silent and 0" {
	run -0 th cleanup
	[ -z "$output" ]
	run -0 th cleanup --all
	[ -z "$output" ]
}

@test "the janitor removes what is old, not what is young" {
	run -0 th run -g "$group" -i old -- true
	run -0 th cleanup
	[ -e "$state/records/$group/old.json" ]
	run -0 th cleanup --older-than=0
	[ ! -e "$state/records/$group/old.json" ]
	[ ! -e "$state/tasks/$group/old" ]
}

@test "failed ones are kept for longer" {
	printf '[cgroup]\nmode = %s\n[cleanup]\nolder-than = 0\nfailed-older-than = 1h\n' "$mode" >"$root/conf"
	run -0 th run -g "$group" -i good -- true
	run -1 th run -g "$group" -i bad -- false
	run -0 th cleanup
	[ ! -e "$state/records/$group/good.json" ]
	[ -e "$state/records/$group/bad.json" ]
}

@test "a group by name: hooks, directories, records; twice is an error that names it" {
	hook pre-cleanup/10-say "echo pre \$TASKGROUP \$OPERATOR \$(basename \"\$PWD\") >>'$root/said'"
	hook post-cleanup/10-say "echo post \$TASKGROUP >>'$root/said'"
	run -0 th run -g "$group" -i a -- true
	run -0 th cleanup "$group"
	[ "$(cat "$root/said")" = $'pre '"$group cleanup $group"$'\npost '"$group" ]
	[ ! -e "$state/tasks/$group" ]
	[ ! -e "$state/records/$group" ]
	[ ! -e "$runtime/$group" ]
	run -64 th cleanup "$group"
	[[ $output == *"no group '$group'"* ]]
}

@test "what runs is busy and named; --force stops it" {
	hook pre-stop/10-say "echo pre-stop \$STOP_REASON >>'$root/said'"
	hook post-stop/10-say "echo post-stop \$STOP_REASON >>'$root/said'"
	hook pre-cleanup/10-say "echo pre-cleanup >>'$root/said'"
	hook post-cleanup/10-say "echo post-cleanup >>'$root/said'"
	start -i r -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -75 th cleanup "$group"
	[[ $output == *"$group/r is running"* ]]
	run -75 th cleanup "$group/r"
	run -0 th cleanup --force "$group"
	wait "$started" && status=0 || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat "$root/said")" = $'pre-cleanup\npre-stop cleanup\npost-stop cleanup\npost-cleanup' ]
	[ ! -e "$state/tasks/$group" ]
	assert_clean
}

@test "one task with --force; the group stays" {
	start -i r -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -0 th cleanup --force "$group/r"
	[ ! -e "$state/records/$group/r.json" ]
	[ -d "$state/tasks/$group/shared" ]
	run -64 th cleanup "$group/none"
}

@test "a name that is nobody's is told, with the nearest" {
	run -0 th run -g "$group" -i front -- true
	run -64 th cleanup "${group}x"
	[[ $output == *"there is no group '${group}x'; did you mean '$group'?"* ]]
	run -64 th cleanup "$group/frnot"
	[[ $output == *"there is no task '$group/frnot'; did you mean '$group/front'?"* ]]
	run -64 th cleanup front
	[[ $output == *"there is no group 'front'; did you mean the task '$group/front'?"* ]]
	run -64 th cleanup quite-another
	[[ $output == *"there is no group 'quite-another' ('taskhook list --all' names them)"* ]]
	run -64 th cleanup "${group}x/front"
	[[ $output == *"there is no group '${group}x'; did you mean '$group'?"* ]]
	run -0 th cleanup "$group/front"
}

@test "all, with and without force" {
	run -0 th run -g "$group" -i a -- true
	run -0 th run -g "x$group" -i a -- true
	start -i r -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -75 th cleanup --all
	[ ! -e "$state/tasks/x$group" ]
	run -0 th cleanup --all --force
	[ ! -e "$state/tasks/$group" ]
	run -64 th cleanup --all "$group"
	run -64 th cleanup --force
}

@test "dry-run does nothing" {
	run -0 th run -g "$group" -i a -- true
	run -0 th cleanup --dry-run --older-than=0
	[[ $output == *"remove $group/a"* ]]
	run -0 th cleanup --dry-run "$group"
	[[ $output == *"$group"* ]]
	[ -e "$state/records/$group/a.json" ]
}

@test "a failing clean-up hook is a warning, the rest goes on, and the status says so" {
	hook pre-cleanup/10-bad 'exit 3'
	run -0 th run -g "$group" -i a -- true
	run -122 th cleanup "$group"
	[[ $output == *"pre-cleanup/10-bad: exit status 3"* ]]
	[ ! -e "$state/tasks/$group" ]
}

@test "a damaged record is set aside, its directory brought down by its name" {
	run -0 th run -g "$group" -i d -- true
	echo '{"format":' >"$state/records/$group/d.json"
	run th cleanup --older-than=0
	[[ $output == *"set aside"* ]]
	[ -n "$(ls "$state/records/$group"/d.json.damaged-* 2>/dev/null)" ]
	# younger than 10 s it might be a start under way
	touch -d '1 hour ago' "$state/tasks/$group/d"
	run -0 th cleanup --older-than=0
	[ ! -e "$state/tasks/$group/d" ]
}

@test "a damaged record is set aside also where there is no directory: the host went down as it was written" {
	th run -g "$group" -i good -- true
	echo '{' >"$state/records/$group/cut.json"
	run -0 th cleanup
	[[ $output == *"$group/cut: the record is set aside"* ]]
	[ ! -e "$state/records/$group/cut.json" ]
	run -0 th list --all
	[[ $output != *cut* ]]
	run -0 th cleanup
	[ -z "$output" ]
}

@test "a mount that a hook left is named, and what is in it survives" {
	needs_root "only root can mount"
	[ "$(unshare -m true && echo yes)" = yes ] || skip "no mount namespaces"
	mkdir "$root/precious"
	echo data >"$root/precious/file"
	run -122 unshare -m --propagation private sh -c "
		$TASKHOOK_PROGRAM --root '$root' --config '$root/conf' run -g $group -i m --set task.keep=all --hook=pre-start:$root/mounter -- true || exit 99
		$TASKHOOK_PROGRAM --root '$root' --config '$root/conf' cleanup $group" 3>&- || true
	[ "$(cat "$root/precious/file")" = data ]
	printf '#!/bin/sh\nmkdir -p "$TASK_DIR/mnt" && mount --bind %s "$TASK_DIR/mnt"\n' "$root/precious" >"$root/mounter"
	chmod 755 "$root/mounter"
	run unshare -m --propagation private sh -c "
		$TASKHOOK_PROGRAM --root '$root' --config '$root/conf' run -g $group -i m --hook=pre-start:$root/mounter -- true || exit 99
		$TASKHOOK_PROGRAM --root '$root' --config '$root/conf' cleanup $group" 3>&-
	[[ $output == *"something is mounted there"* ]]
	[ "$(cat "$root/precious/file")" = data ]
}

@test "many starts and clean-ups at once leave nothing" {
	local i all=()
	for i in $(seq 20); do
		"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q run -g "$group" -i "t$i" -- true 3>&- </dev/null >/dev/null 2>&1 &
		all+=("$!")
		"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q cleanup --older-than=0 3>&- </dev/null >/dev/null 2>&1 &
		all+=("$!")
	done
	for i in "${all[@]}"; do wait "$i" || true; done
	run -0 th cleanup --older-than=0
	assert_clean
	[ -z "$(find "$state/tasks/$group" -mindepth 1 -maxdepth 1 -name 't*' 2>/dev/null)" ]
}

@test "a group whose tasks do not end in time stays, and what they use" {
	needs_root "a namespace of processes"
	unshare -p -f --mount-proc true || skip "no namespaces of processes"
	hook pre-cleanup/10-say "echo pre-cleanup >>'$root/said'"
	hook post-cleanup/10-say "echo post-cleanup >>'$root/said'"
	run -0 th run -g "$group" -i dead -- true
	start -i r -- sh -c 'echo up; until [ -e go ]; do sleep 0.05; done; cat local/data; echo >ended'
	wait_for grep -q up "$root/out"
	echo kept >"$state/tasks/$group/shared/local/data"
	# it does not answer, and from there it cannot be woken
	kill -STOP "$started"
	run -122 unshare -p -f --mount-proc "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" cleanup --force "$group" 3>&-
	[[ $output == *"the group '$group' is kept: 'r' did not end in time"* ]]
	[ ! -e "$state/records/$group/dead.json" ]
	[ "$(cat "$root/said")" = pre-cleanup ]
	touch "$state/tasks/$group/r/go"
	wait_for test -e "$state/tasks/$group/r/ended"
	kill -CONT "$started"
	wait "$started" || true
	grep -q kept "$root/out"
	run -0 th run -g "$group" -i r -- true
	run -0 th cleanup "$group"
	[ ! -e "$state/tasks/$group" ]
}

@test "what hooks of a clean-up say is kept for each group, until it is old" {
	hook pre-cleanup/10-say 'echo "of $TASKGROUP"'
	run -0 th run -g "$group" -i a -- true
	run -0 th run -g "x$group" -i a -- true
	run -0 th cleanup "$group" "x$group"
	[[ $(cat "$state/records/_groups/$group/hooks.log") == *"of $group" ]]
	[[ $(cat "$state/records/_groups/x$group/hooks.log") == *"of x$group" ]]
	find "$state/records/_groups/$group" -exec touch -d '31 days ago' {} +
	run -0 th cleanup
	[ ! -e "$state/records/_groups/$group" ]
	[ -e "$state/records/_groups/x$group/hooks.log" ]
}

@test "temporary files of killed writers go, those of living ones and of others stay" {
	local records=$state/records/$group
	run -0 th run -g "$group" -i t -- true
	# no process has the highest number that there can be
	touch "$records/.t.json.4194304.0" "$runtime/$group/._group.4194304.12" "$records/.t.json.$$.0" "$records/.t.json.x.0"
	run -0 th cleanup
	[ -e "$records/.t.json.4194304.0" ]
	touch -d '1 minute ago' "$records"/.t.json.* "$runtime/$group"/._group.*
	run -0 th cleanup
	[ ! -e "$records/.t.json.4194304.0" ]
	[ ! -e "$runtime/$group/._group.4194304.12" ]
	[ -e "$records/.t.json.$$.0" ]
	[ -e "$records/.t.json.x.0" ]
}

@test "a failed start that was stuck stays failed when it is finished" {
	hook pre-start/10-bad 'exit 3'
	run -120 th run -g "$group" -i t -- true
	sed -i 's/"state": *"failed"/"state": "stuck"/' "$state/records/$group/t.json"
	grep -q stuck "$state/records/$group/t.json"
	run -0 th cleanup
	[ "$(field "$state/records/$group/t.json" state)" = failed ]
	[ "$(field "$state/records/$group/t.json" result)" = hook-failed ]
}

@test "a group is removed from a disk that is full, also where the end of a task could not be written" {
	needs_small_disk
	run -0 on_small_disk '
		th "$@" run -g "$3" -i t -- sh -c "head -c 3000000 /dev/zero | tr \\\\0 \\\\n; exit 3" >/dev/null
		[ $? -eq 3 ] || exit 99
		th "$@" cleanup "$3"
		th "$@" cleanup --all
		find "$1/tasks" "$1/records" -name "t*" -not -name tasks'
	[[ $output == *"cannot write the record"* ]]
	[[ $output != *"is kept"* ]]
	[[ $output != *"$state/tasks"* ]]
	[[ $output != *"$state/records"* ]]
}
