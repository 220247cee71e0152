#!/usr/bin/env bats
# hooks list, check, new and run.
# shellcheck disable=SC2016 # hooks expand their variables themselves
# shellcheck disable=SC2154 # stderr is set by run

bats_require_minimum_version 1.8.0

setup()
{
	umask 022
	root=$BATS_TEST_TMPDIR/root
	hooks=$root$("$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "path" && $2 == "config" {print $3}')/hooks.d
	shipped=$root$("$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "path" && $2 == "shipped" {print $3}')/hooks.d
	groups=${hooks%/hooks.d}/groups
	mkdir "$root"
	printf '[cgroup]\nmode = auto\n' >"$root/conf"
}

th()
{
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" "$@"
}

# hook PATH TEXT: an executable script
hook()
{
	mkdir -p "${1%/*}"
	printf '#!/bin/sh\n%s\n' "$2" >"$1"
	chmod 755 "$1"
}

needs_root()
{
	[ "$EUID" -eq 0 ] || skip "needs root: an ordinary user's hooks are not refused"
}

@test "list: nothing, and what to do" {
	run -0 th hooks list
	[[ $output == *"no hooks; 'taskhook hooks new POINT NAME' makes one"* ]]
	[[ $output == *"worst case: start 0s"* ]]
}

@test "list: each file in order with the rule that decided" {
	hook "$shipped/pre-start/10-net" true
	hook "$shipped/pre-start/20-b" true
	hook "$shipped/pre-start/30-c" true
	hook "$hooks/pre-start/10-net" true
	ln -s /dev/null "$hooks/pre-start/20-b"
	hook "$hooks/pre-start/40-d.bak" true
	hook "$hooks/pre-start/50-e" true
	chmod 644 "$hooks/pre-start/50-e"
	hook "$hooks/pre/15-all" true
	hook "$groups/web/hooks.d/pre-start/05-group" true
	hook "$hooks/post-stop/90-tell" true
	printf '[hook]\nrole = etcd\n' >"$hooks/pre-start/30-c.conf"
	mkdir "$hooks/pre-start/10-net.d" "$hooks/pre-start/30-c"
	printf '[hook]\nrun-if = failure\ntimeout = 7s\nretries = 2\n' >"$hooks/post-stop/90-tell.conf"
	run -0 th hooks list -g web
	diff -u - <(sed -n '/^pre-start/,/^pre-restart/p' <<<"$output" | sed "s|$root||; s/  */ /g") <<-EOT
		pre-start
		 masked ${shipped#"$root"}/pre-start/10-net replaced by $root${hooks#"$root"}/pre-start/10-net
		 run ${hooks#"$root"}/pre-start/10-net 1m, fail
		 run ${hooks#"$root"}/pre/15-all 1m, fail
		 masked ${shipped#"$root"}/pre-start/20-b masked by $root${hooks#"$root"}/pre-start/20-b, a link to /dev/null
		 masked ${hooks#"$root"}/pre-start/20-b a link to /dev/null
		 skip ${shipped#"$root"}/pre-start/30-c role = etcd; this node has none
		 skip ${hooks#"$root"}/pre-start/30-c.conf settings of '30-c'
		 skip ${hooks#"$root"}/pre-start/40-d.bak ends in '.bak'
		 skip ${hooks#"$root"}/pre-start/50-e not executable
		 run ${groups#"$root"}/web/hooks.d/pre-start/05-group 1m, fail
		 skip ${hooks#"$root"}/pre-start/10-net.d a directory, which is not entered
		 skip ${hooks#"$root"}/pre-start/30-c a directory, which is not entered
		pre-restart
	EOT
	[[ $output == *"90-tell"*"7s, warn, 2 retries, after a failure"* ]]
	run -0 th hooks list
	[[ $output != *05-group* ]]
}

@test "list: of a task file, with its own hooks and the command line's" {
	hook "$root/own/addition" true
	hook "$root/own/named" true
	cat >"$root/web.ini" <<-EOT
		[task]
		command = true
		[hook 10-add]
		path = $root/own/addition
		schedule = prejoin postcleanup
	EOT
	run -0 th hooks list --hook="post-exit:$root/own/named" "$root/web.ini"
	[[ $output == *"pre-start"*"$root/own/addition"*"30s, fail"*"post-exit"*"$root/own/named"*"post-stop"*"addition"*"30s, warn"* ]]
	run -0 th hooks list --hook="post-exit:$root/own/missing" "$root/web.ini"
	[[ $output == *"unsafe"*"hook '$root/own/missing' does not exist"* ]]
}

@test "list: JSON" {
	hook "$hooks/pre-start/10-a" true
	run -0 th hooks list --json -g web
	python3 - "$output" <<-'EOT'
		import json, sys
		j = json.loads(sys.argv[1])
		assert j["format"] == 1 and j["group"] == "web"
		assert len(j["points"]) == 12
		p = [p for p in j["points"] if p["point"] == "pre-start"][0]
		assert p["fatal"] and p["budget_ms"] == 70000
		h = p["hooks"][0]
		assert h["name"] == "10-a" and h["verdict"] == "run" and h["timeout_ms"] == 60000, h
		assert j["start_ms"] == 70000 and j["stop_ms"] >= 5000
	EOT
}

@test "check: an unsafe hook is 77, and the command mends it" {
	needs_root
	hook "$hooks/pre-start/10-a" true
	printf '[hook]\nrole = nowhere\n' >"$hooks/pre-start/10-a.conf"
	run -0 --separate-stderr th hooks check
	[[ $stderr == *"1 hook, all fit to run"* ]]
	chmod 775 "$hooks/pre-start/10-a"
	run -77 --separate-stderr th hooks check
	[[ $stderr == *"'$hooks/pre-start/10-a' is unsafe"*"mode 0775, owner root"* ]]
	[ "$output" = "chmod go-w $hooks/pre-start/10-a" ]
	eval "$output"
	run -0 th hooks check
}

@test "check: hooks of groups, and each file once" {
	needs_root
	hook "$hooks/pre/10-a" true
	hook "$groups/web/hooks.d/pre-start/10-b" true
	chmod 777 "$hooks/pre/10-a" "$groups/web/hooks.d"
	run -77 --separate-stderr th hooks check
	[ "$output" = "$(printf 'chmod go-w %s\n' "$hooks/pre/10-a" "$groups/web/hooks.d")" ]
	run -77 --separate-stderr th hooks check -g db
	[ "$output" = "chmod go-w $hooks/pre/10-a" ]
}

@test "check: settings that are wrong are 78" {
	hook "$hooks/pre-start/10-a" true
	printf '[hook]\ntimeuot = 3s\n' >"$hooks/pre-start/10-a.conf"
	run -78 --separate-stderr th hooks check
	[[ $stderr == *"10-a.conf:2: "*"timeout"* ]]
	[ -z "$output" ]
}

# broken NAME TEXT: an executable pre-start hook
broken()
{
	printf '%b' "$2" >"$hooks/pre-start/$1"
	chmod 755 "$hooks/pre-start/$1"
}

@test "check and list: hooks that cannot be executed, and users that are not there" {
	mkdir -p "$hooks/pre-start"
	broken 10-empty ''
	broken 20-no-line 'echo hello\n'
	broken 30-missing '#!/no/such/sh\n'
	broken 40-windows '#!/bin/sh\r\n'
	run -78 --separate-stderr th hooks check
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 4 ]
	[[ $stderr == *"hook '$hooks/pre-start/10-empty' cannot be executed: it is empty"* ]]
	[[ $stderr == *"20-no-line' cannot be executed: it has no '#!' line"* ]]
	[[ $stderr == *"30-missing' cannot be executed: its interpreter '/no/such/sh' does not exist"* ]]
	[[ $stderr == *"40-windows' cannot be executed: "*"CR LF"* ]]
	run -0 th hooks list
	[[ $output == *"10-empty "*"1m, fail; will fail: "*"it is empty"* ]]
	run -0 th hooks list --json
	[ "$(jq '[.points[].hooks[] | select(.problem)] | length' <<<"$output")" -eq 4 ]
	rm "$hooks"/pre-start/*
	hook "$hooks/pre-start/10-a" true
	printf '[hook]\n\nuser = no-such-user\n' >"$hooks/pre-start/10-a.conf"
	run -78 th hooks check
	[[ $output == *"$hooks/pre-start/10-a.conf:3: user 'no-such-user' does not exist"* ]]
	run -78 th run -- true
	[[ $output == *"$hooks/pre-start/10-a.conf:3: user 'no-such-user' does not exist"* ]]
}

@test "check and run: settings that others can write are as unsafe as the hook, whatever they say" {
	[ "$EUID" -eq 0 ] || skip "only what root runs is checked"
	hook "$hooks/pre-start/10-a" 'echo ran'
	printf '[hook]\nrole = nobody-has-it\n' >"$hooks/pre-start/10-a.conf"
	run -0 th run -g web -- true
	chmod 666 "$hooks/pre-start/10-a.conf"
	run -120 th run -g web -- true
	[[ $output == *"pre-start/10-a: refused: '$hooks/pre-start/10-a.conf' is unsafe: "*"mode 0666"* ]]
	run -77 --separate-stderr th hooks check
	[ "$output" = "chmod go-w $hooks/pre-start/10-a.conf" ]
	sh -c "$output"
	run -0 th hooks check
}

@test "new: a hook that runs" {
	run -0 --separate-stderr th hooks new pre-start 10-hello
	[ "$output" = "$hooks/pre-start/10-hello" ]
	[ "$(stat -c %a "$output")" = 755 ]
	[[ $stderr == *"taskhook hooks run pre-start --only=10-hello"* ]]
	run -0 --separate-stderr th hooks run pre-start --only=10-hello
	[[ $stderr == *"[pre-start/10-hello] hello from pre-start for default/"* ]]
	run -0 --separate-stderr th -v run -g web -i front -- true
	[[ $stderr == *"[pre-start/10-hello] hello from pre-start for web/front"* ]]
}

@test "new: for every point and both types, with a strict umask, each runs" {
	umask 077
	for point in pre post $("$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "point" {print $2}'); do
		run -0 th hooks new "$point" 50-x
		[ "$(stat -c %a "$hooks/$point/50-x")" = 755 ]
		sh -n "$hooks/$point/50-x"
		case $point in
		pre | post) ;;
		*) run -0 th hooks run "$point" ;;
		esac
	done
}

@test "new: a group's hook" {
	run -0 th hooks new -g web pre-start 10-x
	[ -x "$groups/web/hooks.d/pre-start/10-x" ]
	run -64 th hooks new -g ../web pre-start 10-x
}

@test "new: what is refused" {
	run -64 th hooks new pre-strat 10-x
	[[ $output == *"'pre-strat' is no hook point; did you mean 'pre-start'?"* ]]
	for name in 'a b' .a a.conf a.bak 'a~' '' ../a; do
		run -64 th hooks new pre-start "$name"
		[[ $output == *"would never run"* ]]
	done
	run -0 th hooks new pre-start 10-x
	echo mine >"$hooks/pre-start/10-x"
	run -73 th hooks new pre-start 10-x
	[[ $output == *"exists already"* ]]
	[ "$(cat "$hooks/pre-start/10-x")" = mine ]
	run -64 th hooks new pre-start
	[ ! -e "$root/etc/passwd" ]
}

@test "run: the true environment, a place of its own, and nothing left" {
	hook "$hooks/pre-start/10-env" 'env; pwd; printf "[env]\nPORT = 8080\n[result]\nmessage = well\n" >"$HOOK_RESULT"
		[ -d "$TASK_DIR" ] && [ -d "$TASK_LOG_DIR" ] && [ -d "$SHARED_DIR" ] && [ -d "$HOOK_STATE_DIR" ] || exit 9'
	hook "$hooks/pre-start/20-next" 'echo "port $PORT"'
	run -0 --separate-stderr th hooks run pre-start -g web
	[ "$output" = PORT=8080 ]
	[[ $stderr == *"TASKGROUP=web"* ]]
	[[ $stderr == *"[pre-start/20-next] port 8080"* ]]
	[[ $stderr == *"message: well"* ]]
	run find "$root" -path '*_try-*'
	[ -z "$output" ]
}

@test "run: failures have the statuses of a start" {
	hook "$hooks/pre-start/10-bad" 'exit 3'
	hook "$hooks/post-stop/10-bad" 'exit 3'
	hook "$hooks/pre-stop/10-slow" 'sleep 60'
	printf '[hook]\ntimeout = 200ms\non-failure = fail\n' >"$hooks/pre-stop/10-slow.conf"
	run -120 th hooks run pre-start
	[[ $output == *"pre-start/10-bad: exit status 3"* ]]
	run -122 th hooks run post-stop
	[[ $output == *"post-stop/10-bad: exit status 3, continuing"* ]]
	run -121 th hooks run pre-stop
	[[ $output == *"timed out after 0.2s"* ]]
}

@test "run: how the task ended" {
	hook "$hooks/post-stop/10-a" 'echo "$RESULT ${EXIT_CODE:-none}"'
	run -0 th hooks run post-stop
	[[ $output == *"success 0"* ]]
	run -0 th hooks run post-stop --outcome=oom-kill
	[[ $output == *"oom-kill 137"* ]]
	run -0 th hooks run post-stop --outcome=hook-failed
	[[ $output == *"hook-failed none"* ]]
	run -64 th hooks run post-stop --outcome=nonsense
	[[ $output == *"use success, exit-code"* ]]
	printf '[hook]\nrun-if = failure\n' >"$hooks/post-stop/10-a.conf"
	run -0 th hooks run post-stop
	[[ $output == *"no hook runs at post-stop"* ]]
	run -64 th hooks run post-stop --only=10-a
	[[ $output == *"run-if = failure; the task succeeded"* ]]
}

@test "run: a hook that does not exist, a point that does not exist" {
	hook "$hooks/pre-start/10-good" true
	run -64 th hooks run pre-start --only=10-god
	[[ $output == *"there is no hook '10-god' at pre-start; did you mean '10-good'?"* ]]
	run -64 th hooks run pre-strat
	[[ $output == *"did you mean 'pre-start'"* ]]
}

@test "run: an ID that is in use is refused" {
	hook "$hooks/pre-start/10-a" true
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g web -i front -- sleep 60 3>&- </dev/null &
	pid=$!
	deadline=$((SECONDS + 10))
	until th list | grep -q '^web/front *running'; do
		((SECONDS < deadline))
		sleep 0.02
	done
	run -75 th hooks run -g web -i front pre-start
	[[ $output == *"web/front is running"* ]]
	run -0 th hooks run -g web pre-start
	th list | grep -q '^web/front *running'
	kill -TERM "$pid"
	wait "$pid" || true
}

@test "run: an interrupt ends the hook and leaves nothing" {
	hook "$hooks/pre-start/10-slow" 'echo $$ >'"$root/pid"'; exec sleep 60'
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" hooks run pre-start 3>&- </dev/null &
	pid=$!
	deadline=$((SECONDS + 10))
	until [ -s "$root/pid" ]; do
		((SECONDS < deadline))
		sleep 0.02
	done
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	run ! kill -0 "$(cat "$root/pid")"
	run find "$root" -path '*_try-*'
	[ -z "$output" ]
}
