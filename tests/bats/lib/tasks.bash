# shellcheck disable=SC2034 # used by the tests that load it
# Shared by the tests that run tasks: a state directory of their own, hooks, waiting, and an end to all that was started.
# shellcheck shell=bash

# Every test has its own state and its own groups, so that files of tests may run side by side.
tasks_setup()
{
	umask 022
	# tasks of other users have to get there
	[ "$EUID" -ne 0 ] || chmod a+x "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR"
	root=$BATS_TEST_TMPDIR/root
	mkdir "$root"
	chmod 755 "$root"
	group=g$$-$BATS_TEST_NUMBER
	place() { "$TASKHOOK_PROGRAM" __tables | awk -F'\t' -v p="$1" '$1 == "path" && $2 == p { print $3 }'; }
	state=$root$(place state)
	hooks=$root$(place config)/hooks.d
	runtime=$root$(place run)
	pids=()
	# Seconds for sleep that no other test has, at the same time as another user neither.
	nap=4$$.$BATS_TEST_NUMBER
	other_nap=5$$.$BATS_TEST_NUMBER
	# A user's machine may have no cgroup that it can write to; the one warning is not what is tested here.
	if [ "$EUID" -eq 0 ]; then mode=auto; else mode=off; fi
	config "$mode"
	cgroups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
}

config() { printf '[cgroup]\nmode = %s\n' "$1" >"$root/conf"; }

tasks_teardown()
{
	local pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	# What a killed supervisor left.
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q cleanup --all --force >/dev/null 2>&1 || true
}

th() { "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" "$@"; }

# start ARG...: `taskhook run` in the background, of the test's group; its pid is $started. Output goes to $root/out, $root/err.
start()
{
	# what an earlier one said must not be taken for this one's
	rm -f "$root/out" "$root/err"
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" "$@" \
		>"$root/out" 2>"$root/err" 3>&- </dev/null &
	started=$!
	pids+=("$started")
	wait_for test -e "$root/err"
}

# hook POINT/NAME TEXT [SETTINGS]
hook()
{
	mkdir -p "$hooks/${1%/*}"
	printf '#!/bin/sh\n%s\n' "$2" >"$hooks/$1"
	chmod 755 "$hooks/$1"
	[ $# -lt 3 ] || printf '[hook]\n%s\n' "$3" >"$hooks/$1.conf"
}

# wait_for COMMAND...: at most 20 s until it succeeds
wait_for()
{
	local deadline=$((SECONDS + 20))
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || {
			echo "waited in vain for: $*" >&2
			return 1
		}
		sleep 0.02
	done
}

# A process that a test has marked by an argument of its own, such as a sleep of an odd time.
marked_runs() { grep -qsaF -- "$1" /proc/[0-9]*/cmdline; }
marked_gone() { ! marked_runs "$1"; }

# Nothing of the group is left: no lock, no cgroup, no live state.
assert_clean()
{
	[ -z "$(find "$runtime" -name lock -o -name live -o -name _lock -o -name _deploy 2>/dev/null)" ]
	[ -z "$(find "${cgroups:-/nonexistent}" -maxdepth 4 -name "$group" 2>/dev/null)" ]
}

# field FILE NAME: a member of a record
field() { sed -n "s/.*\"$2\": \{0,1\}\"\{0,1\}\([^\",}]*\).*/\1/p" "$1" | head -n 1; }

needs_root() { [ "$EUID" -eq 0 ] || skip "needs root: $1"; }

needs_small_disk()
{
	needs_root "only root can mount"
	unshare -m true || skip "no mount namespaces"
}

# on_small_disk SCRIPT: runs it with a disk of 1 MiB for the state directory, which is $1 there; the
# group is $3, and th "$@" COMMAND... runs taskhook.
on_small_disk()
{
	mkdir -p "$state"
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private bash -c '
		mount -t tmpfs -o size=1m,mode=755 none "$1"
		th() { "$TASKHOOK_PROGRAM" --root "$2" --config "$2/conf" "${@:4}"; }
		'"$1" - "$state" "$root" "$group" 3>&-
}
