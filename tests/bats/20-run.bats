#!/usr/bin/env bats
# run: the life of one task, its process, and what is left of it.
# shellcheck disable=SC2016 # tasks expand their variables themselves
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by lib/tasks.bash

bats_require_minimum_version 1.8.0
load lib/tasks

setup() { tasks_setup; }
teardown() { tasks_teardown; }

@test "output, exit status and a clean host" {
	run -3 --separate-stderr th run -g "$group" -i a -- sh -c 'echo out; echo err >&2; exit 3'
	[ "$output" = out ]
	[ "$stderr" = err ]
	[ "$(cat "$state/tasks/$group/a/logs/stdout.log")" = out ]
	[ "$(cat "$state/tasks/$group/a/logs/stderr.log")" = err ]
	assert_clean
	# all that is left of the directory is its logs
	[ "$(ls -A "$state/tasks/$group/a")" = logs ]
}

@test "a signal is 128 + its number" {
	run -137 th run -g "$group" -- sh -c 'kill -KILL $$'
	run -143 th run -g "$group" -- sh -c 'kill -TERM $$'
}

@test "stdin is passed on, unless it says null" {
	run -0 th run -g "$group" -- cat <<<"through"
	[ "$output" = through ]
	run -0 th run -g "$group" --set task.stdin=null -- cat <<<"through"
	[ -z "$output" ]
	echo fromfile >"$root/in"
	run -0 th run -g "$group" --set "task.stdin=$root/in" -- cat
	[ "$output" = fromfile ]
}

# run's own end of $root/fifo, before anybody writes into it
waits_for_writer() { [ "$(readlink "/proc/$started/fd/"* 2>/dev/null | grep -c "$root/fifo")" -eq 1 ]; }

@test "stdin from a FIFO: the command begins with what is written; a stop does not wait for that" {
	mkfifo "$root/fifo"
	start -i f --set "task.stdin=$root/fifo" -- cat
	wait_for waits_for_writer
	echo written >"$root/fifo"
	wait "$started"
	[ "$(cat "$root/out")" = written ]
	start -i f --set "task.stdin=$root/fifo" -- sleep 60
	wait_for waits_for_writer
	kill -TERM "$started"
	status=0
	wait "$started" || status=$?
	[ "$status" -eq 143 ]
}

@test "a clean environment, with what was asked for" {
	SECRET=x KEEP_ME=1 run -0 th run -g "$group" -e A=b -e KEEP_ME -i env -- env
	[[ $output != *SECRET* ]]
	[[ $output == *KEEP_ME=1* ]]
	[[ $output == *A=b* ]]
	[[ $output == *TASK_ID=env* ]]
	[[ $output == *TASKGROUP=$group* ]]
	[[ $output == *PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin* ]]
	run -0 env -i SOME_A=1 SOME_B=2 OTHER=3 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" --set 'task.pass-env=SOME_*' -- env
	[[ $output == *SOME_A=1* && $output == *SOME_B=2* && $output != *OTHER* ]]
	# a variable that the caller does not have
	run -64 th run -g "$group" -e NOT_THERE -- true
}

@test "no shell: words are split as one would, and what needs one is refused" {
	printf '[task]\ncommand = printf %%s| "a b" '"'c d'"'\n' >"$root/t.ini"
	run -78 th run -g "$group" -f "$root/t.ini"
	[[ $output == *"t.ini:2"* && $output == *"/bin/sh -c"* ]]
	printf '[task]\ncommand = printf "%%s." "a b" '"'c d'"' e\\ f\n' >"$root/t.ini"
	run -0 th run -g "$group" -f "$root/t.ini"
	[ "$output" = "a b.c d.e f." ]
}

@test "126 and 127 with the reason, and the host as clean as before" {
	run -127 th run -g "$group" -i m -- no-such-command-here
	[[ $output == *"'no-such-command-here' not found"* ]]
	run -127 th run -g "$group" -i m -- ./here
	[[ $output == *"'./here' not found in the working directory '$state/tasks/$group/m'"* ]]
	: >"$root/plain"
	run -126 th run -g "$group" -i m -- "$root/plain"
	[[ $output == *"permission denied (it is not executable (mode 0644))"* ]]
	run -126 th run -g "$group" -i m -- "$root"
	[[ $output == *"permission denied (it is a directory)"* ]]
	chmod 755 "$root/plain"
	printf '#!/no/such/interpreter\n' >"$root/plain"
	run -126 th run -g "$group" -i m -- "$root/plain" || run -127 th run -g "$group" -i m -- "$root/plain"
	[[ $output == *"/no/such/interpreter"* ]]
	assert_clean
	# the evidence stays
	run -0 th list --all
	[[ $output == *"$group/m"*failed* ]]
}

@test "working directory: the task's own, or the one that is set" {
	run -0 th run -g "$group" -i w -- pwd
	[ "$output" = "$state/tasks/$group/w" ]
	run -0 th run -g "$group" -i w --set task.workdir=/tmp -- pwd
	[ "$output" = /tmp ]
	run -78 th run -g "$group" -i w --set task.workdir=/no/such/dir -- pwd
	[[ $output == *"/no/such/dir"* ]]
}

@test "umask, nice and limits of the child alone" {
	run -0 th run -g "$group" --set task.umask=077 --set task.nice=5 --set task.limit-nofile=64:128 -- \
		sh -c 'umask; nice; ulimit -n; ulimit -Hn'
	[ "$output" = $'0077\n5\n64\n128' ]
}

@test "a umask of the caller that takes from the owner too harms nothing" {
	for _ in 1 2; do
		[ "$(umask 777 && th run -g "$group" -i u -- sh -c umask 2>&1)" = 0022 ]
	done
	run -0 th logs --run=1 "$group/u"
	[ -z "$(find "$state" "$runtime" -perm 0)" ]
}

@test "a limit that cannot be had is named, with its line" {
	printf '[task]\ncommand = true\nlimit-core = 0\nlimit-nofile = infinity\n' >"$root/t.ini"
	run -77 th run -g "$group" -f "$root/t.ini"
	[[ $output == *"$root/t.ini:4: cannot raise limit-nofile from "*" to infinity: "* ]]
}

@test "the user: name, groups, HOME, and no stray group 0" {
	needs_root "only root can change the user"
	run -0 th run -g "$group" --set task.user=nobody -- sh -c 'id -un; id -gn; id -G; echo $HOME $USER $LOGNAME; touch here'
	[ "$output" = $'nobody\nnogroup\n65534\n/nonexistent nobody nobody' ]
	run -0 th run -g "$group" --set task.user=65534:65534 -- id -u
	[ "$output" = 65534 ]
	run -0 th run -g "$group" --set task.user=nobody:daemon --set 'task.supplementary-groups=bin' -- id -Gn
	[ "$output" = "daemon bin" ]
	run -78 th run -g "$group" --set task.user=no-such-user -- id
	[[ $output == *"'no-such-user' does not exist"* ]]
}

@test "a user of a directory is asked for by getent, which has a time limit" {
	needs_root "only root can change the user"
	unshare -m true || skip "no mount namespaces"
	command -v getent >/dev/null || skip "getent is not installed"
	[ -e /etc/nsswitch.conf ] || skip "the host has no nsswitch.conf to put another over"
	cat >"$root/getent" <<-'SH'
	#!/bin/sh
	case "$1 $2" in
	'passwd ann') echo 'ann:*:65500:65501:Ann:/home/ann:/bin/zsh' ;;
	'passwd sick') exit 3 ;;
	'initgroups ann') echo 'ann 65502' ;;
	*) exit 2 ;;
	esac
	SH
	chmod 755 "$root/getent"
	printf 'passwd: files ldap\ngroup: files ldap\n' >"$root/nsswitch.conf"
	with_directory() {
		unshare -m --propagation private sh -c 'mount --bind "$1/getent" "$(command -v getent)" &&
			mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf && shift && exec "$@"' \
			sh "$root" "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" "$@" 3>&-
	}
	run -0 with_directory --set task.user=ann -- sh -c 'id -u; id -g; id -G; echo $HOME $USER $LOGNAME'
	[ "$output" = $'65500\n65501\n65501 65502\n/home/ann ann ann' ]
	run -0 with_directory --set task.user=nobody:nogroup -- id -un
	[ "$output" = nobody ]
	run -78 with_directory --set task.user=bob -- id
	[[ $output == *"user 'bob' does not exist"* ]]
	run -69 with_directory --set task.user=sick -- id
	[[ $output == *"cannot look up user 'sick': '"*"getent passwd' failed"* ]]
}

@test "other groups than our own: 77 where we are not root, never dropped" {
	[ "$EUID" -ne 0 ] || skip "root can have any groups"
	run -77 th run -g "$group" --set task.supplementary-groups=root -- id -G
	[[ $output == *"cannot run with other groups than our own: only root can change them (run taskhook as root, or drop 'supplementary-groups')"* ]]
	run -77 th run -g "$group" --set "task.user=$(id -un):root" -- id -g
	run -0 th run -g "$group" --set "task.user=$(id -un):$(id -gn)" --set "task.supplementary-groups=$(id -G)" -- id -g
	[ "$output" = "$(id -g)" ]
}

@test "a value that is wrong in itself: 64 and --set, 78 and the line of a file" {
	local what key
	for what in "task.id=memory.max" "task.group=shared" "restart.success-codes=300" "restart.max-delay=1ms" \
		"hook.h.path=/x" "hook.h.schedule=pre-sart" "hook.h.operators=sart" \
		"artifact.a.destination=/abs" "artifact.a.filename=x/y"; do
		case $what in
		restart.max*) set -- restart.policy=always "$what" ;;
		hook.h.sched*) set -- hook.h.path=/x "$what" ;;
		hook.h.oper*) set -- hook.h.path=/x hook.h.schedule=pre-start "$what" ;;
		artifact*) set -- artifact.a.source=https://example.org/x "$what" ;;
		*) set -- "$what" ;;
		esac
		printf '[task]\ncommand = true\n' >"$root/wrong.ini"
		sets=()
		for key; do
			sets+=(--set "$key")
			case $key in
			hook.h.* | artifact.a.*) printf '[%s %s]\n%s\n' "${key%%.*}" "$(cut -d. -f2 <<<"$key")" "${key#*.*.}" ;;
			*) printf '[%s]\n%s\n' "${key%%.*}" "${key#*.}" ;;
			esac >>"$root/wrong.ini"
		done
		echo "$what"
		own=(-g "$group")
		[ "$what" != task.group=shared ] || own=()
		run -64 th run "${own[@]}" "${sets[@]}" -- true
		[[ $output == "taskhook: --set: "* && $output != *$'\n'* ]]
		run -78 th run "${own[@]}" -f "$root/wrong.ini"
		[[ $output == "taskhook: $root/wrong.ini:"[0-9]* && $output != *$'\n'* ]]
	done
	[ ! -e "$state/records" ]
}

@test "run: what only this host can find wrong is named with its file and line" {
	local what
	for what in "user = no-such-user" "supplementary-groups = no-such-group" "workdir = /no/such" \
		"stdin = /no/such"; do
		printf '[task]\ncommand = true\n%s\n' "$what" >"$BATS_TEST_TMPDIR/wrong.ini"
		run -78 th run -g "$group" -f "$BATS_TEST_TMPDIR/wrong.ini"
		[[ $output == *"$BATS_TEST_TMPDIR/wrong.ini:3: "* ]]
	done
	printf '[task]\ncommand = no-such-command-here\n' >"$BATS_TEST_TMPDIR/wrong.ini"
	run -127 th run -g "$group" -f "$BATS_TEST_TMPDIR/wrong.ini"
	[[ $output == *"$BATS_TEST_TMPDIR/wrong.ini:2: command 'no-such-command-here' not found"* ]]
}

@test "the task's user can neither touch logs nor replace local" {
	needs_root "only root can change the user"
	run ! th run -g "$group" -i own --set task.user=nobody -- sh -c 'touch mine && ! rm local 2>/dev/null && ! mv logs x 2>/dev/null && ! touch logs/x 2>/dev/null && exit 9'
	[ "$status" -eq 9 ]
}

@test "the process has no descriptor but 0 to 2, no signal blocked or ignored, a session of its own" {
	run -0 th run -g "$group" -- sh -c 'ls /proc/self/fd | tr "\n" " "; grep -E "^Sig(Blk|Ign)" /proc/self/status | tr -d "\t\n"; [ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo " own"'
	# 3 is the directory that ls reads
	[ "$output" = "0 1 2 3 SigBlk:0000000000000000SigIgn:0000000000000000 own" ]
}

@test "double-forked and setsid children die with the task" {
	run -0 th run -g "$group" -- sh -c "(setsid sleep $nap &) ; exit 0"
	wait_for marked_gone "$nap"
	config off
	run -0 th run -g "$group" -- sh -c "(setsid sleep $other_nap &) ; exit 0"
	wait_for marked_gone "$other_nap"
	assert_clean
}

@test "max-run-time ends with 124 after the stop sequence" {
	hook pre-stop/10-say 'echo "reason $STOP_REASON"'
	run -124 th -v run -g "$group" --set task.max-run-time=300ms -- sleep 60
	[[ $output == *"[pre-stop/10-say] reason max-run-time"* ]]
	run -124 th run -g "$group" --set task.max-run-time=300ms -- sh -c 'trap "exit 0" TERM; sleep 60 & wait'
	assert_clean
}

@test "keep: logs, all, none" {
	run -0 th run -g "$group" -i k --set task.keep=all -- touch made
	[ -e "$state/tasks/$group/k/made" ]
	[ "$(readlink "$state/tasks/$group/k/local")" = ../shared/local ]
	run -0 th run -g "$group" -i n --set task.keep=none -- touch made
	[ ! -e "$state/tasks/$group/n" ]
	[ ! -e "$state/records/$group/n.json" ]
	# a start that fails keeps its evidence all the same
	run -127 th run -g "$group" -i n --set task.keep=none -- no-such-command-here
	[ -e "$state/records/$group/n.json" ]
}

@test "keep = none: logs of earlier runs stay, and their record" {
	run -0 th run -g "$group" -i k -- echo first
	run -0 th run -g "$group" -i k --set task.keep=none -- echo second
	run -0 th logs --run=1 "$group/k"
	[ "$output" = first ]
	run -0 th list --all
	[[ $output == *"$group/k"* ]]
	run -0 th run -g "$group" -i n --set task.keep=none -- true
	run -0 th run -g "$group" -i n --set task.keep=none -- true
	[ ! -e "$state/tasks/$group/n" ]
	[ ! -e "$state/records/$group/n.json" ]
}

@test "an ID may be started again: logs are appended to, RUN_NUMBER counts" {
	for _ in 1 2 3; do run -0 th run -g "$group" -i again -- sh -c 'echo run $RUN_NUMBER'; done
	[ "$(cat "$state/tasks/$group/again/logs/stdout.log")" = $'run 1\nrun 2\nrun 3' ]
}

@test "if-running: fail, skip, wait, replace" {
	start -i busy -- sleep 60
	wait_for test -e "$runtime/$group/busy/live"
	run -75 th run -g "$group" -i busy -- true
	[[ $output == *"is running already (process $started"* ]]
	run -0 th run -g "$group" -i busy --if-running=skip -- echo no
	[[ $output != *no$'\n'* && $output == *skipping* ]]
	run -75 th run -g "$group" -i busy --if-running=wait=100ms -- true
	run -0 --separate-stderr th run -g "$group" -i busy --if-running=replace -- echo replaced
	[ "$output" = replaced ]
	wait "$started" && status=0 || status=$?
	[ "$status" -eq 143 ]
	run -64 th run -g "$group" -i busy --if-running=maybe -- true
}

@test "a lock that a clean-up holds for a moment is waited for" {
	run -0 th run -g "$group" -i t -- true
	mkdir "$runtime/$group/t"
	"$TASKHOOK_HELPERS_DIR/hold-lock" "$runtime/$group/t/lock" 300 >"$root/held" 3>&- &
	pids+=("$!")
	wait_for test -s "$root/held"
	run -0 th run -g "$group" -i t -- echo again
	[ "$output" = again ]
}

@test "a task that waits for itself is refused at once" {
	run -75 th run -g "$group" -i self -- "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" -i self --if-running=wait -- true
	[[ $output == *"from within itself"* ]]
	run -75 th run -g "$group" -i self -- "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" cleanup --force "$group"
}

@test "result: how it ended, as JSON" {
	run -4 th run -g "$group" -i res --result "$root/result.json" -- sh -c 'exit 4'
	[ "$(field "$root/result.json" result)" = exit-code ]
	[ "$(field "$root/result.json" status)" = 4 ]
	[ "$(field "$root/result.json" decided_by)" = task ]
	run -127 th run -g "$group" -i res --result "$root/result.json" -- no-such-command-here
	[ "$(field "$root/result.json" result)" = start-failed ]
	run -73 th run -g "$group" -i res --result "$root/no/such/dir/x" -- true
}

@test "strict: a failure that stops nothing is 122" {
	hook post-exit/10-bad 'exit 1'
	run -0 th run -g "$group" -- true
	run -122 th run -g "$group" --strict -- true
	run -3 th run -g "$group" --strict -- sh -c 'exit 3'
}

@test "dry-run: the sequence with its budgets, and nothing is made" {
	hook pre-start/10-a 'touch ran' 'timeout = 7s'
	run -0 th run -g "$group" -i dry --dry-run --set task.stop-timeout=3s -- sleep 1
	[[ $output == *"hook 10-a"*"at most 7s"* ]]
	[[ $output == *"3s of grace"* ]]
	[[ $output == *"worst case:"* ]]
	[ ! -e "$state" ]
	[ ! -e "$runtime" ]
}

@test "names that are no names" {
	for bad in '' . .. a/b 'a b' -x _x $'a\nb' shared cgroup.procs memory.max cpu.x irq.pressure "$(printf 'x%.0s' {1..300})"; do
		run -64 th run -g "$bad" -i ok -- true
		run -64 th run -g ok "--id=$bad" -- true
	done
	[ ! -e "$state" ]
}

@test "a file where a directory is due" {
	mkdir -p "$state"
	: >"$state/tasks"
	run -73 th run -g "$group" -i x -- true
	[[ $output == *"$state/tasks"* ]]
	[ "$(find "$root" -name '*.json')" = "" ] || [ "$(field "$state/records/$group/x.json" state)" = failed ]
}

@test "a file where a directory of the task or the group is due is named, once" {
	for due in tasks/$group tasks/$group/x tasks/$group/x/logs tasks/$group/shared tasks/$group/shared/local \
		records/$group; do
		mkdir -p "$state/${due%/*}"
		: >"$state/$due"
		run -73 --separate-stderr th run -g "$group" -i x -- true
		[[ ${stderr_lines[0]} == *"cannot make '$state/$due': a file is in the way" ]]
		[ "${#stderr_lines[@]}" -eq 1 ] ||
			[[ ${#stderr_lines[@]} -eq 2 && ${stderr_lines[1]} == *"logs are in"* ]]
		[ -f "$state/$due" ]
		rm -rf "$state" "$runtime"
	done
	mkdir -p "$runtime/$group/x"
	mkfifo "$runtime/$group/x/lock"
	run -73 th run -g "$group" -i x -- true
	[[ $output == *"x/lock': it is no regular file" ]]
}

@test "a planted link is not followed" {
	mkdir -p "$state/tasks/$group" "$root/elsewhere"
	ln -s "$root/elsewhere" "$state/tasks/$group/planted"
	run -73 th run -g "$group" -i planted -- touch made
	[ -z "$(ls -A "$root/elsewhere")" ]
	rm "$state/tasks/$group/planted"
	# and a log file that is a link
	mkdir -p "$state/tasks/$group/planted/logs"
	ln -s "$root/elsewhere/log" "$state/tasks/$group/planted/logs/stdout.log"
	run -73 th run -g "$group" -i planted -- echo x
	[ ! -e "$root/elsewhere/log" ]
}

@test "without an operand or a file there is nothing to run" {
	run -64 th run
	[[ $output == *"-f"* ]]
	run -78 th run -f no-such-task
	[[ $output == *"no-such-task"* ]]
	mkdir -p "$root/etc/taskhook/tasks.d"
}

@test "result: also of a start that was refused, without what hooks handed on, and into what is no file" {
	hook pre-start/10-hand 'printf "[env]\nTOKEN = s3cret\n[state]\nlease = s3cret\n" >"$HOOK_RESULT"'
	run -0 th run -g "$group" -i t --result="$root/r" -- true
	run ! grep -q s3cret "$root/r"
	start -i busy -- sh -c 'echo up; sleep 60'
	wait_for grep -q up "$root/out"
	run -75 th run -g "$group" -i busy --result="$root/busy" -- true
	[ "$(field "$root/busy" decided_by)" = taskhook ]
	[ "$(field "$root/busy" status)" = 75 ]
	mkfifo "$root/fifo"
	cat "$root/fifo" >"$root/read" 3>&- &
	pids+=("$!")
	run -0 th run -g "$group" -i t --result="$root/fifo" -- true
	[ -p "$root/fifo" ]
	wait_for grep -q '"status"' "$root/read"
}

@test "result: a FIFO that nobody reads holds nothing up, a file gets it behind the output" {
	mkfifo "$root/fifo"
	run -73 timeout -s KILL 10 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" --result="$root/fifo" -- true
	[[ $output == *"cannot write '$root/fifo': nobody reads from it"* ]]
	th run -g "$group" --result=/dev/stdout -- echo first >"$root/both"
	[ "$(head -n 1 "$root/both")" = first ]
	grep -q '"decided_by"' "$root/both"
}
