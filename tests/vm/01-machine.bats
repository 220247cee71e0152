#!/usr/bin/env bats
# The virtual machine is what the tests in it lean on.

@test "cgroup v2 alone is mounted, with the controllers enabled" {
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	for controller in cpu cpuset io memory pids; do
		grep -qw "$controller" /sys/fs/cgroup/cgroup.subtree_control
	done
}

@test "a pids limit holds" {
	dir=/sys/fs/cgroup/machine-test
	mkdir "$dir"
	echo 1 >"$dir/pids.max"
	run bash -c "echo \$\$ >$dir/cgroup.procs && (true; true)"
	rmdir "$dir"
	[ "$status" -ne 0 ]
}

@test "taskhook starts" {
	"$TASKHOOK_PROGRAM" --version
}

@test "a disk is there for limits of input and output" {
	findmnt -n -o FSTYPE,SOURCE /disk
	[ "$(findmnt -n -o FSTYPE /disk)" = ext4 ]
}
