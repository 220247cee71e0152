#!/usr/bin/env bats
# config check --unit and --kill-wait: who kills a task before its stop is through.
# shellcheck disable=SC2154 # set by lib/tasks

bats_require_minimum_version 1.8.0
load lib/tasks

setup()
{
	tasks_setup
	printf '[task]\ncommand = sleep 1\nstop-timeout = 35s\n' >"$root/web.ini"
}

# unit LINE...: in [Service]
unit()
{
	printf '[Unit]\nTimeoutStopSec=1\n[Service]\nExecStart=/bin/true\n' >"$root/web.service"
	printf '%s\n' "$@" >>"$root/web.service"
}

check() { run --separate-stderr th config check "$@" "$root/web.ini"; }

@test "a unit that gives a stop too little time" {
	unit 'TimeoutStopSec = 30s'
	check --unit="$root/web.service"
	[ "$status" -eq 0 ]
	[[ $stderr == *"$root/web.ini: a stop of 'default/web' takes up to 45s, and '$root/web.service' kills it after 30s (raise TimeoutStopSec,"* ]]
	for line in TimeoutStopSec=45 'TimeoutSec=1min' TimeoutStopSec=infinity TimeoutStopSec= ''; do
		unit TimeoutStopSec=3s "$line"
		[ -n "$line" ] || unit
		check --unit="$root/web.service"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
	done
	unit TimeoutStopSec=soon
	check --unit="$root/web.service"
	[ "$status" -eq 78 ]
	[[ $stderr == *"web.service:5: 'soon' is no time"* ]]
	check --unit="$root/none.service"
	[ "$status" -eq 64 ]
}

@test "Slurm's KillWait" {
	check --kill-wait=30s
	[ "$status" -eq 0 ]
	[[ $stderr == *"takes up to 45s, and Slurm kills it after 30s (raise KillWait,"* ]]
	check --kill-wait=45s
	[ -z "$stderr" ]
	check --kill-wait=never
	[ "$status" -eq 64 ]
}

@test "the units that are shipped give a stop its longest time, with as many hooks as there may be" {
	for point in pre-stop post-exit post-stop; do
		for i in {1..9}; do hook "$point/10-$i" true; done
	done
	printf '[task]\ncommand = sleep 1\n' >"$root/web.ini"
	unit TimeoutStopSec=15min
	check --unit="$root/web.service"
	[[ $stderr == *"takes up to 15m"* ]]
	for file in "$BATS_TEST_DIRNAME"/../../dist/taskhook{-shutdown,@}.service.in; do
		check --unit="$file"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
	done
}
