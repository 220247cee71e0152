#!/usr/bin/env bats
# Out-of-memory kills of tasks that are restarted: each is told of the process that it hit, and of no other.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load ../bats/lib/tasks

setup()
{
	tasks_setup
	config required
	cg=/sys/fs/cgroup/nomad.slice/share.slice/$group
	mapfile -t options < <(printf -- '--set=restart.policy=on-failure\n--set=restart.delay=0\n--set=limits.memory=24M\n--set=limits.memory-swap=0\n')
}
teardown() { tasks_teardown; }

eat='dd if=/dev/zero of=/dev/null bs=64M count=1'
record_of() { cat "$state/records/$group/$1.json"; }

@test "each process has its own account: killed, then ended, then killed" {
	hook post-exit/10-say "echo \$RESULT \$OOM_KILLED \$EXIT_CODE >>'$root/order'"
	hook post-stop/10-say "echo \$HOOK_POINT \$RESULT \$OOM_KILLED >>'$root/order'"
	run -137 th -q run -g "$group" -i m "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "[ \$RESTART_COUNT != 1 ] || exit 3; exec $eat"
	diff "$root/order" - <<-'END'
		oom-kill 1 137
		exit-code 0 3
		oom-kill 1 137
		post-stop oom-kill 1
	END
	[ "$(record_of m | jq -r '[.usage.oom_kills, .last_exit.oom_killed, .restarts] | @csv')" = 2,,2 ]
	assert_clean
}

@test "memory.oom.group: all of it is killed, and told as such" {
	hook post-exit/10-say "echo \$RESULT \$OOM_KILLED >>'$root/order'"
	run -137 th -q run -g "$group" -i m --set limits.memory=24M --set limits.memory-swap=0 -- \
		sh -c "echo 1 >$cg/m/memory.oom.group; $eat; exit 0"
	[ "$(cat "$root/order")" = "oom-kill 1" ]
	assert_clean
}

@test "a child that was killed is told of, though the main process ended by itself" {
	hook post-exit/10-say "echo \$RESULT \$OOM_KILLED \$EXIT_CODE >>'$root/order'"
	run -5 th -q run -g "$group" -i m --set limits.memory=24M --set limits.memory-swap=0 -- sh -c "$eat; exit 5"
	[ "$(cat "$root/order")" = "exit-code 1 5" ]
	assert_clean
}

@test "a task that we have killed was not killed by lack of memory, though a child of it was" {
	hook post-exit/10-say "echo \$RESULT \$OOM_KILLED >>'$root/order'"
	start -i m --set limits.memory=24M --set limits.memory-swap=0 --set task.stop-timeout=0 -- \
		sh -c "trap '' TERM; $eat; touch '$root/there'; while :; do sleep 1; done"
	wait_for test -e "$root/there"
	run -0 th stop "$group/m"
	[ "$(cat "$root/order")" = "signal 1" ]
	assert_clean
}

@test "fifty times in a row: the kill is never missed" {
	hook post-exit/10-say "echo \$RESULT \$OOM_KILLED >>'$root/order'"
	run -137 th -q run -g "$group" -i m "${options[@]}" --set=restart.attempts=49 -- sh -c "exec $eat"
	[ "$(sort "$root/order" | uniq -c | tr -s ' ')" = " 50 oom-kill 1" ]
	assert_clean
}

@test "limits are the same for each process" {
	run -1 th -q run -g "$group" -i m "${options[@]}" --set=restart.attempts=2 -- \
		sh -c "cat $cg/m/memory.max >>'$root/order'; exit 1"
	[ "$(uniq -c "$root/order" | tr -s ' ')" = " 3 25165824" ]
	assert_clean
}
