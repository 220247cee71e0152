#!/usr/bin/env bats
# Many starts and stops in one group at once, from processes of their own.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup() { tasks_setup; }
teardown() { tasks_teardown; }

# at_once COMMAND...: for each word on stdin in a process of its own; fails where one does
at_once()
{
	local word all=() bad=0 pid
	while read -r word; do
		"$@" "$word" 3>&- </dev/null &
		all+=("$!")
	done
	for pid in "${all[@]}"; do wait "$pid" || bad=$((bad + 1)); done
	[ "$bad" -eq 0 ]
}

start_one() { th -q start -g "$group" -i "$1" -- sleep "$nap" >"$root/out.$1"; }
stop_one() { th stop "$group/$1"; }
members() { th list --json "$group" | jq -r '.tasks[] | select(.state == "running") | .task' | sort; }
names() { seq -f "$group/t%02g" 1 "$1" | sort; }

@test "50 starts at once: each is a member, deploy ran once; 50 stops: none is left, each hook once" {
	for point in pre-deploy post-deploy; do hook "$point/10-say" "echo $point >>'$root/deploys'"; done
	for point in pre-start post-start pre-stop post-stop; do hook "$point/10-say" "echo $point \$TASK_ID >>'$root/said'"; done
	seq -f t%02g 1 50 | at_once start_one
	[ "$(cat "$root"/out.* | sort)" = "$(names 50)" ]
	[ "$(members)" = "$(names 50)" ]
	[ "$(cat "$root/deploys")" = $'pre-deploy\npost-deploy' ]
	if [ "$EUID" -eq 0 ] && [ -n "$cgroups" ]; then
		[ "$(find "$cgroups" -maxdepth 4 -path "*/$group/t*" | wc -l)" -eq 50 ]
	fi
	seq -f t%02g 1 50 | at_once stop_one
	[ -z "$(members)" ]
	[ "$(cat "$root/deploys")" = $'pre-deploy\npost-deploy' ]
	[ "$(sort "$root/said" | uniq -c | awk '$1 != 1')" = "" ]
	[ "$(wc -l <"$root/said")" -eq 200 ]
	wait_for marked_gone "$nap"
	assert_clean
}

@test "starts and stops of the same IDs at once: one of each wins, nothing is lost or doubled" {
	churn()
	{
		local _
		for _ in 1 2 3; do
			th -q start --if-running=wait=30s -g "$group" -i "$1" -- sleep "$nap" >/dev/null || return 1
			th stop "$group/$1" || return 1
		done
	}
	hook pre-start/10-say "echo + >>'$root/said.'\$TASK_ID"
	hook post-stop/10-say "echo - >>'$root/said.'\$TASK_ID"
	for _ in 1 2 3 4 5; do for id in a b c d e; do echo $id; done; done | at_once churn
	for id in a b c d e; do
		# never two at a time: up and down in turns
		[ "$(uniq -c "$root/said.$id" | awk '$1 != 1')" = "" ]
		[ "$(grep -c + "$root/said.$id")" -eq 15 ]
		[ "$(grep -c - "$root/said.$id")" -eq 15 ]
	done
	[ -z "$(members)" ]
	assert_clean
}

@test "hooks that call taskhook themselves do not wait for each other for ever" {
	# the group is deployed by the first; hooks start, look at and stop tasks of the same group
	hook post-start/10-child "case \$TASK_ID in t*)
		'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' -q start -g '$group' -i \"c\$TASK_ID\" -- sleep $nap &&
		'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' list '$group' >/dev/null;; esac"
	hook pre-stop/10-child "case \$TASK_ID in t*)
		'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' stop '$group/c'\"\$TASK_ID\";; esac"
	seq -f t%02g 1 10 | at_once start_one
	[ "$(members | wc -l)" -eq 20 ]
	seq -f t%02g 1 10 | at_once stop_one
	[ -z "$(members)" ]
	assert_clean
}
