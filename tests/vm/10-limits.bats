#!/usr/bin/env bats
# Limits bite: every key of [limits] and [group-limits] is written, read back, and seen to hold.
# shellcheck disable=SC2016 # tasks expand their variables themselves
# shellcheck disable=SC2154 # set by run and by lib/tasks.bash

bats_require_minimum_version 1.8.0
load ../bats/lib/tasks

setup()
{
	tasks_setup
	config required
	cg=/sys/fs/cgroup/nomad.slice/share.slice/$group
}
teardown() { tasks_teardown; }

@test "memory: what is over it is killed, and told as such" {
	hook post-exit/10-say 'echo "$RESULT $OOM_KILLED $EXIT_CODE"'
	run -137 th -v run -g "$group" -i m --set limits.memory=24M --set limits.memory-swap=0 -- \
		dd if=/dev/zero of=/dev/null bs=64M count=1
	[[ $output == *"[post-exit/10-say] oom-kill 1 137"* ]]
	[ "$(field "$state/records/$group/m.json" result)" = oom-kill ]
	assert_clean
}

@test "memory of the group holds for its tasks together" {
	run -137 th run -g "$group" -i m --set group-limits.memory=24M --set group-limits.memory-swap=0 -- \
		dd if=/dev/zero of=/dev/null bs=64M count=1
}

@test "every value is written and read back" {
	run -0 th run -g "$group" -i v \
		--set limits.memory=64M --set limits.memory-high=48M --set limits.memory-low=8M --set limits.memory-swap=1M \
		--set limits.cpu=50% --set limits.cpu-weight=250 --set limits.cpus=0 --set limits.pids=33 --set limits.io-weight=77 \
		--set group-limits.memory=128M --set group-limits.pids=99 --set group-limits.cpu=1.5 -- \
		sh -c "cd $cg && cat v/memory.max v/memory.high v/memory.low v/memory.swap.max v/cpu.max v/cpu.weight v/cpuset.cpus v/pids.max memory.max pids.max cpu.max"
	[ "$output" = $'67108864\n50331648\n8388608\n1048576\n50000 100000\n250\n0\n33\n134217728\n99\n150000 100000' ]
	assert_clean
}

@test "pids: no more than that" {
	run th run -g "$group" -i p --set limits.pids=4 -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 0.5 & done; wait'
	[[ $output == *[Ff]ork* || $output == *"Resource temporarily unavailable"* ]]
	run th run -g "$group" -i p --set group-limits.pids=4 -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 0.5 & done; wait'
	# the group was started without this limit, and lives until it is cleaned up
	[ "$status" -eq 78 ]
	run -0 th cleanup "$group"
	run th run -g "$group" -i p --set group-limits.pids=4 -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 0.5 & done; wait'
	[[ $output == *[Ff]ork* || $output == *"Resource temporarily unavailable"* ]]
}

@test "cpu: throttled" {
	run -0 th run -g "$group" -i c --set limits.cpu=20% -- \
		sh -c "i=0; while [ \$i -lt 60000 ]; do i=\$((i + 1)); done; cat $cg/c/cpu.stat"
	[ "$(sed -n 's/^nr_throttled //p' <<<"$output")" -gt 0 ]
}

@test "cpus: the process may run there alone" {
	run -0 th run -g "$group" -i s --set limits.cpus=0 -- grep Cpus_allowed_list /proc/self/status
	[[ $output == *0 ]]
	run th run -g "$group" -i s --set limits.cpus=4095 -- true
	[ "$status" -ne 0 ]
	[[ $output == *limits.cpus* ]]
	assert_clean
}

@test "io: a device is slowed down, and its limit read back" {
	device=$(findmnt -n -o SOURCE /disk)
	run -0 th run -g "$group" -i io --set "limits.io-max=$device wbps=1M" -- \
		sh -c "cat $cg/io/io.max; dd if=/dev/zero of=/disk/$group bs=256k count=8 oflag=direct 2>&1 | tail -n 1; rm -f /disk/$group"
	[[ $output == *wbps=1048576* ]]
	run th run -g "$group" -i io --set "limits.io-max=/dev/no-such wbps=1M" -- true
	[ "$status" -ne 0 ]
	[[ $output == *"/dev/no-such"* ]]
}

@test "a hook is outside the task's limits, in a cgroup of its own" {
	hook pre-start/10-where 'cat /proc/self/cgroup; head -c 32000000 /dev/zero | tail -c 30000000 | wc -c'
	run -0 th -v run -g "$group" -i h --set limits.memory=16M --set limits.memory-swap=0 -- true
	[[ $output == *"/$group/_hooks/h:"* ]]
	[[ $output == *30000000* ]]
}

@test "the first start decides the group's limits; another value is refused with both" {
	start -i a --set group-limits.pids=50 -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -78 th run -g "$group" -i b --set group-limits.pids=60 -- true
	[[ $output == *pids*60*50* ]]
	run -0 th run -g "$group" -i b --set group-limits.pids=50 -- true
	run -0 th run -g "$group" -i c -- true
}

@test "what a task used is in its record" {
	run -0 th run -g "$group" -i u -- sh -c 'head -c 20000000 /dev/zero | tail -c 15000000 >/dev/null'
	peak=$(field "$state/records/$group/u.json" memory_peak)
	[ "$peak" -gt 10000000 ]
}

@test "a parent of one's own, made and removed" {
	printf '[cgroup]\nmode = required\nparent = mine.slice/sub\n' >"$root/conf"
	run -0 th run -g "$group" -i x --set limits.pids=10 -- cat /proc/self/cgroup
	[ "$output" = "0::/mine.slice/sub/$group/x" ]
	[ ! -e /sys/fs/cgroup/mine.slice ]
}

@test "below our own cgroup where it was delegated" {
	own=/sys/fs/cgroup/delegated-$$
	mkdir "$own"
	setfattr -n trusted.delegate -v 1 "$own" || skip "setfattr is not here"
	run bash -c "echo \$\$ >$own/cgroup.procs && exec '$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' run -g $group -i d --set limits.pids=10 -- cat /proc/self/cgroup"
	[ "$status" -eq 0 ]
	[ "$output" = "0::/${own##*/}/$group/d" ]
	rmdir "$own/_self" "$own"
}

@test "what a hook used is in its record, each hook for itself" {
	hook pre-start/10-small 'true'
	hook pre-start/20-large 'dd if=/dev/zero of=/dev/null bs=40M count=1 2>/dev/null'
	hook pre-start/30-small 'true'
	run -0 th run -g "$group" -i r -- true
	peak() { sed -n "s/.*\"name\":\"$1\".*\"memory_peak\":\([0-9]*\).*/\1/p" "$state/tasks/$group/r/logs/hooks.jsonl"; }
	[ "$(peak 20-large)" -gt 40000000 ]
	[ -z "$(peak 30-small)" ] || [ "$(peak 30-small)" -lt 20000000 ]
}

@test "the limits of a group hold until it is cleaned up, also for a task that sets none" {
	run -0 th run -g "$group" -i first --set group-limits.pids=99 -- cat "$cg/pids.max"
	[ "$output" = 99 ]
	run -0 th run -g "$group" -i second -- cat "$cg/pids.max"
	[ "$output" = 99 ]
	run -78 th run -g "$group" -i third --set group-limits.pids=98 -- true
	[[ $output == *98*99* ]]
	run -0 th cleanup "$group"
	run -0 th run -g "$group" -i first -- cat "$cg/pids.max"
	[ "$output" = max ]
}
