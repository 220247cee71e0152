#!/usr/bin/env bats
# Limits of tasks that run: written to their cgroup, read back, and undone.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031

bats_require_minimum_version 1.8.0
load ../bats/lib/tasks
load ../bats/lib/background

setup()
{
	tasks_setup
	config required
	cg=/sys/fs/cgroup/nomad.slice/share.slice/$group
}
teardown() { tasks_teardown; }

update() { th update "$@" 3>&-; }
record_of() { cat "$state/records/$group/$1.json"; }
is_short_of_memory() { th status --json "$group/$1" | jq -e '.oom_kills > 0'; }
value() { cat "$cg/$1"; }
# something that holds some 40 MiB
holds() { echo "{ head -c 42000000 /dev/zero; touch '$root/held'; exec sleep 1000; } | tail -c 40000000 >/dev/null"; }

@test "every limit is written to the cgroup, and taken away again" {
	begin -i t -- sleep "$nap"
	[ "$(value t/memory.max)" = max ]
	run -0 update "$group/t" --set limits.memory=64M --set limits.memory-high=48M --set limits.memory-low=8M --set limits.memory-swap=1M \
		--set limits.cpu=50% --set limits.cpu-weight=250 --set limits.cpus=0 --set limits.pids=33 --set limits.io-weight=77
	[[ $output == *"limits.memory: none -> 64M (in use "*")"* ]]
	[[ $output == *"limits.pids: none -> 33 (in use 1)"* ]]
	[[ $output == *"limits.cpus: none -> 0"* ]]
	run -0 bash -c "cd $cg/t && cat memory.max memory.high memory.low memory.swap.max cpu.max cpu.weight cpuset.cpus pids.max"
	[ "$output" = $'67108864\n50331648\n8388608\n1048576\n50000 100000\n250\n0\n33' ]
	run -0 update "$group/t" --set limits.memory=infinity --set limits.cpu=infinity --set limits.pids=99
	[ "$(value t/memory.max) $(value t/cpu.max) $(value t/pids.max)" = "max max 100000 99" ]
	[ "$(value t/cpu.weight)" = 250 ]
}

@test "the values hold for the next process, and for a supervisor that takes over" {
	begin -i t --set limits.pids=50 -- sleep "$nap"
	run -0 update "$group/t" --set limits.pids=40 --set limits.memory=64M
	run -0 th restart "$group/t"
	[ "$(value t/pids.max) $(value t/memory.max)" = "40 67108864" ]
	lose t
	run -0 th recover
	run -0 th restart "$group/t"
	[ "$(value t/pids.max) $(value t/memory.max)" = "40 67108864" ]
	run -0 th stop "$group/t"
	begin -i t --set limits.pids=50 -- sleep "$nap"
	[ "$(value t/pids.max) $(value t/memory.max)" = "50 max" ]
}

@test "a limit below what is in use is refused with 75, and set with --force" {
	begin -i t --set limits.memory=128M -- sh -c "$(holds)"
	wait_for test -e "$root/held"
	run -75 update "$group/t" --set limits.memory=16M --set limits.pids=60
	[[ $output =~ "limits.memory: 128M -> 16M (in use "[0-9.]+"M): it is below that (add --force" ]]
	[ "$(value t/memory.max) $(value t/pids.max)" = "134217728 max" ]
	run -75 update "$group/t" --set limits.pids=1
	[[ $output =~ "limits.pids: none -> 1 (in use "[1-9]")" ]]
	run -75 update "$group/t" --set limits.memory-high=16M --dry-run
	run -0 update "$group/t" --set limits.pids=1 --force
	[ "$(value t/pids.max)" = 1 ]
	# above what is in use nothing is asked
	run -0 update "$group/t" --set limits.memory=100M
	[ "$(value t/memory.max)" = 104857600 ]
	# what does not fit is killed
	run -0 update "$group/t" --set limits.memory=2M --set limits.memory-swap=0 --force
	wait_for is_short_of_memory t
}

@test "where one of them cannot be written, all are as they were" {
	begin -i t --set limits.memory=64M --set limits.pids=50 -- sleep "$nap"
	run update "$group/t" --set limits.memory=32M --set limits.pids=40 --set limits.cpu-weight=50 --set limits.cpus=4095 --set task.stop-timeout=9s
	[ "$status" -ne 0 ]
	[[ $output == *"nothing was changed: limits.cpus = 4095"* ]]
	[ "$(value t/memory.max) $(value t/pids.max) $(value t/cpu.weight)" = "67108864 50 100" ]
	[ -z "$(value t/cpuset.cpus)" ]
	[ "$(record_of t | jq -c '[.task.limits.memory, .task.limits.pids, .task.stop_timeout_usec, .updates]')" = "[67108864,50,5000000,null]" ]
	run -0 th restart "$group/t"
	[ "$(value t/memory.max) $(value t/pids.max)" = "67108864 50" ]
	run update "$group/t" --set limits.memory=32M --set "limits.io-max=/dev/no-such wbps=1M"
	[[ $output == *"/dev/no-such"* ]]
	[ "$(value t/memory.max)" = 67108864 ]
}

@test "a failing pre-restart hook takes the limits back too" {
	begin -i t --set limits.pids=50 -- sleep "$nap"
	hook pre-restart/10-no 'cat '"$cg"'/t/pids.max >'"'$root/seen'"'; exit 1'
	run -120 update "$group/t" --restart --set limits.pids=40 --set task.nice=1
	[ "$(cat "$root/seen")" = 40 ]
	[ "$(value t/pids.max)" = 50 ]
}

@test "io-max: devices that are not named any more have no limit" {
	device=$(findmnt -n -o SOURCE /disk)
	begin -i t --set "limits.io-max=$device wbps=1M riops=100" -- sleep "$nap"
	[[ $(value t/io.max) == *"wbps=1048576"* ]]
	run -0 update "$group/t" --set "limits.io-max=$device wbps=2M"
	[[ $(value t/io.max) == *"wbps=2097152 riops=max"* ]]
}

@test "a start beside an update of the group, whose last task ends meanwhile, has the new limits" {
	begin -i a --set group-limits.pids=50 -- sleep "$nap"
	pid=$(th status --json "$group/a" | jq .pid)
	"$TASKHOOK_HELPERS_DIR/hold-lock" "$runtime/$group/_lock" 30000 >"$root/lock" 3>&- &
	holder=$!
	pids+=("$holder")
	wait_for grep -qs held "$root/lock"
	background b -- sleep "$nap"
	wait_for is_state b preparing
	# it waits for the lock, and answers nobody
	run -122 update -g "$group" --set group-limits.pids=40
	# The end of another task, of which nothing but the lock keeps the rest away.
	lose a
	kill -KILL "$pid"
	gone_from_group() { rmdir "$cg/a" && rmdir "$cg"; }
	wait_for gone_from_group
	kill -KILL "$holder"
	ended 0
	[ "$(value pids.max)" = 40 ]
	run -0 th stop "$group/b"
}

@test "the group's limits: with -g alone; for all its tasks, and until it is cleaned up" {
	begin -i a --set group-limits.pids=50 -- sleep "$nap"
	begin -i b -- sleep "$nap"
	run -78 update "$group/a" --set group-limits.pids=40
	[ "$(value pids.max)" = 50 ]
	run -0 update -g "$group" --set group-limits.pids=40 --set limits.pids=30
	[[ $output == *"group-limits.pids: 50 -> 40 (in use 2)"* ]]
	[ "$(grep -c 'group-limits.pids: 50 -> 40' <<<"$output")" = 1 ]
	[ "$(value pids.max) $(value a/pids.max) $(value b/pids.max)" = "40 30 30" ]
	run -75 update -g "$group" --set group-limits.pids=1
	[ "$(value pids.max)" = 40 ]
	# who starts later says what the first start said, or the new value; nothing else
	run -78 th run -g "$group" -i c --set group-limits.pids=45 -- true
	[[ $output == *"group-limits.pids is 45 in --set, but the group '$group' was started with 50 from --set, and has 40 by 'taskhook update'"* ]]
	run -0 --separate-stderr th run -g "$group" -i c --set group-limits.pids=40 -- cat "$cg/pids.max"
	[ "$output $stderr" = "40 " ]
	run -0 --separate-stderr th run -g "$group" -i c --set group-limits.pids=50 -- cat "$cg/pids.max"
	[ "$output" = 40 ]
	[[ $stderr == *"the group '$group' has other limits than --set says, by 'taskhook update': pids=40"* ]]
	run -0 update -g "$group" --set group-limits.pids=60
	run -78 th run -g "$group" -i c --set group-limits.pids=40 -- true
	run -0 th -q run -g "$group" -i c --set group-limits.pids=50 -- true
	run -0 update -g "$group" --set group-limits.pids=40
	# the last task that restarts makes the cgroup anew
	run -0 th stop "$group/a" "$group/b"
	[ ! -e "$cg" ]
	run -0 th run -g "$group" -i d -- cat "$cg/pids.max"
	[ "$output" = 40 ]
}

@test "a group limit that fails in the middle leaves the task's as they were" {
	begin -i a --set limits.pids=20 -- sleep "$nap"
	run update -g "$group" --set limits.pids=10 --set group-limits.cpus=4095
	[ "$status" -ne 0 ]
	[ "$(value a/pids.max) $(value pids.max)" = "20 max" ]
}

@test "killed in the middle: whoever takes over puts the record's limits in place" {
	begin -i t --set limits.pids=50 --set limits.memory=64M -- sleep "$nap"
	hook post-update/10-wait "touch '$root/there'; while [ ! -e '$root/go' ]; do sleep 0.05; done"
	update "$group/t" --set limits.pids=40 >"$root/said" 2>&1 &
	pids+=("$!")
	wait_for test -e "$root/there"
	lose t
	touch "$root/go"
	run -0 th recover
	[ "$(value t/pids.max)" = 40 ]
	[ "$(record_of t | jq .task.limits.pids)" = 40 ]
}

@test "supervisors that are killed at any moment: the record and the cgroup always agree" {
	begin -i t --set limits.pids=50 --set limits.memory=64M -- sleep "$nap"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		supervisor=$(supervisor_of t)
		timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" update "$group/t" --set "limits.pids=$((100 + i))" --set "limits.memory=$((64 + i))M" >/dev/null 2>&1 3>&- &
		asked=$!
		sleep "0.0$((i * 7))"
		kill -KILL "$supervisor"
		wait_for gone "$supervisor"
		run -0 th recover
		wait "$asked" || true
		[ "$(record_of t | jq .task.limits.pids)" = "$(value t/pids.max)" ]
		[ "$(record_of t | jq .task.limits.memory)" = "$(value t/memory.max)" ]
	done
}
