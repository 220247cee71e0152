#!/usr/bin/env bats
# start of several tasks at once: --count, a group's task files, --all-or-none.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup()
{
	tasks_setup
	files=$root$(place config)/groups/$group/tasks
	mkdir -p "$files"
}
teardown() { tasks_teardown; }

# task_file NAME COMMAND [LINES]
task_file() { printf '[task]\ncommand = %s\n%s\n' "$2" "${3-}" >"$files/$1.ini"; }

@test "--count starts numbered tasks, with TASK_INDEX" {
	run -0 --separate-stderr begin -i web --count=3 -- sh -c 'echo "index $TASK_INDEX"; sleep "$0"' "$nap"
	[ "$(sort <<<"$output")" = "$group/web-0"$'\n'"$group/web-1"$'\n'"$group/web-2" ]
	for i in 0 1 2; do wait_for logs_hold web-$i "index $i"; done
	run -0 th stop -g "$group"
	# a task file has its name; what is made from the command's name is the same for all
	task_file site "sleep $nap"
	run -0 --separate-stderr th start -f "$group/site" --count=2 3>&-
	[ "$(sort <<<"$output")" = "$group/site-0"$'\n'"$group/site-1" ]
	run -0 --separate-stderr begin --count=2 -- sleep "$nap"
	[[ $(sort <<<"$output") =~ ^$group/(sleep-[0-9a-f]+)-0.$group/(sleep-[0-9a-f]+)-1$ ]]
	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
	run -64 begin --count=0 -- true
	run -64 begin --count=1001 -- true
}

@test "-g alone starts all task files of the group, with its group.ini" {
	hook pre-deploy/10-say "echo deploy >>'$root/order'"
	printf '[env]\nCOLOUR = red\n' >"$files/../group.ini"
	task_file a "sh -c 'echo \$COLOUR; sleep $nap'"
	task_file b "sh -c 'echo \$COLOUR; sleep $nap'"
	echo nonsense >"$files/c.ini.bak"
	run -0 --separate-stderr th start -g "$group" 3>&-
	[ "$(sort <<<"$output")" = "$group/a"$'\n'"$group/b" ]
	wait_for logs_hold a red
	wait_for logs_hold b red
	[ "$(cat "$root/order")" = deploy ]
	run -0 th stop -g "$group"
	# a file that is wrong: nothing is started
	task_file c "true" "colour = red"
	run -78 --separate-stderr th start -g "$group" 3>&-
	[ -z "$output" ]
	[[ $stderr == *"$files/c.ini:3:"* ]]
	[ -z "$(th list --json "$group" | jq -r '.tasks[] | select(.state == "running") | .task')" ]
	run -78 th start -g "nothing$group" 3>&-
	[[ $output == *"there are no task files in"* ]]
}

@test "one of several fails: the others run, unless --all-or-none" {
	hook pre-start/10-pick 'test "$TASK_ID" != b'
	for id in a b c; do task_file $id "sleep $nap"; done
	run -120 --separate-stderr th start -g "$group" 3>&-
	[ "$(sort <<<"$output")" = "$group/a"$'\n'"$group/c" ]
	[[ $stderr == *"$group/b: pre-start/10-pick"* ]]
	run -0 th stop -g "$group"
	run -120 --separate-stderr th start -g "$group" --all-or-none 3>&-
	[ -z "$output" ]
	[[ $stderr == *"$group/b: pre-start/10-pick"* ]]
	[[ $stderr == *"$group/a: stopping it, as not all could be started"* ]]
	wait_for marked_gone "$nap"
	assert_clean
	rm "$hooks/pre-start/10-pick"
	run -0 --separate-stderr th start -g "$group" --all-or-none 3>&-
	[ "$output" = "$group/a"$'\n'"$group/b"$'\n'"$group/c" ]
}

@test "those that wait for the group's deploy say so" {
	mkfifo "$root/go"
	hook pre-deploy/10-wait "echo >>'$root/reached'; read line <'$root/go'"
	for id in a b; do task_file $id "sleep $nap"; done
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" start -g "$group" >"$root/out" 2>"$root/err" 3>&- </dev/null &
	started=$!
	pids+=("$started")
	wait_for test -s "$root/reached"
	wait_for grep -q "waiting" "$root/err"
	echo >"$root/go"
	ended 0
	[ "$(sort "$root/out")" = "$group/a"$'\n'"$group/b" ]
}
