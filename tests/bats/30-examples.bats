#!/usr/bin/env bats
# What is shipped: examples/hello.ini, the hooks of examples/hooks, the directories of hooks.d.
# shellcheck disable=SC2016 # tasks expand their variables themselves
# shellcheck disable=SC2154 # set by run and by lib/tasks.bash

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/nginx

setup()
{
	tasks_setup
	examples=$TASKHOOK_SRCDIR/examples
}

teardown()
{
	nginx_teardown
	tasks_teardown
}

# All of the group that a host could still hold: cgroups, processes by their environment, locks on
# the files of the test's state.
held()
{
	local file inode

	find "${cgroups:-/nonexistent}" -type d -name "$group" 2>/dev/null || true
	grep -lsaF -- "TASKGROUP=$group" /proc/[0-9]*/environ || true
	find "$runtime" -type f 2>/dev/null | while IFS= read -r file; do
		inode=$(stat -c %i "$file")
		grep -E ":$inode [0-9]+ (EOF|[0-9]+)\$" /proc/locks || true
	done
}

# ---- hello ----------------------------------------------------------------------------------

# The example with a port of the test's own, in $root.
hello_setup()
{
	[ -x "$TASKHOOK_BUILDDIR/taskhook-fetch" ] || skip "taskhook-fetch was not built"
	command -v perl >/dev/null || skip "perl is not installed"
	unset http_proxy all_proxy HTTP_PROXY ALL_PROXY
	cp -R "$examples/hello" "$examples/hello.ini" "$root/"
	chmod -R go-w "$root"
	local port=$((20000 + RANDOM % 9000))
	sed -i "s/8731/$port/" "$root/hello.ini" "$root/hello/serve"
}

holds_nothing() { [ -z "$(held)" ]; }

@test "hello.ini: hooks and task are heard, the logs are named, the host is clean" {
	hello_setup
	[ -z "$(held)" ]
	run -0 --separate-stderr th -v run -g "$group" -f "$root/hello.ini"
	[ "$output" = "hello, world! I am run 1 of $group/hello." ]
	logs=$state/tasks/$group/hello/logs
	[[ $stderr == *"[pre-deploy/05-serve] serving http://127.0.0.1:"* ]]
	[[ $stderr == *"artifact 'greeting': 6B"* ]]
	[[ $stderr == *"[pre-start/10-greet] $group/hello is about to start, with greeting"* ]]
	[[ $stderr == *"[post-stop/90-farewell] $group/hello has ended: success, exit status 0"* ]]
	[[ $stderr == *" logs are in $logs"* ]]
	[ "$(cat "$logs/stdout.log")" = "$output" ]
	[ "$(grep -c '"verdict":"run"' "$logs/hooks.jsonl")" -eq 3 ]
	[ "$(cat "$state/tasks/$group/shared/local/greeting")" = hello ]
	# the server ends by itself when it has served
	wait_for holds_nothing
	assert_clean
}

@test "what a task that runs holds is seen by this test" {
	start -i sleeper -- sleep 1000
	wait_for test -e "$state/tasks/$group/sleeper/logs/stdout.log"
	task_runs() { [ "$(grep -lsaF -- "TASKGROUP=$group" /proc/[0-9]*/environ | wc -l)" -ge 1 ]; }
	wait_for task_runs
	run -0 held
	[[ $output == */proc/* ]]
	[[ $output == *POSIX* ]]
	[ "$mode" = off ] || [[ $output == *"/$group"* ]]
}

@test "hello.ini: the second run is counted, and off a terminal hooks are silent" {
	hello_setup
	run -0 --separate-stderr th run -g "$group" -f "$root/hello.ini"
	! grep '^\[' <<<"$stderr" || return 1
	run -0 th run -g "$group" -f "$root/hello.ini"
	[ "$output" = "hello, world! I am run 2 of $group/hello." ]
}

# ---- hooks.d --------------------------------------------------------------------------------

@test "hooks.d has a directory for every hook point, and its README names them" {
	local name

	{
		"$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "point" { print $2 }'
		printf '%s\n' pre post
	} | sort >"$root/points"
	find "$TASKHOOK_SRCDIR/hooks.d" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | diff "$root/points" -
	while IFS= read -r name; do
		grep -qE "(^| )$name/ " "$TASKHOOK_SRCDIR/hooks.d/README"
	done <"$root/points"
}

@test "hooks.d holds no hook, as it stands in git and as it is installed" {
	local shipped
	shipped=$root$(place shipped)/hooks.d

	mkdir -p "${shipped%/*}"
	cp -R "$TASKHOOK_SRCDIR/hooks.d" "$shipped"
	run -0 --separate-stderr th -v run -g "$group" -- true
	[[ $stderr != *hooks.d* ]]
	find "$shipped" -name '.git*' -delete
	run -0 th hooks list
	[[ $output == *"no hooks"* ]]
	run -0 th hooks check
}

# ---- examples/hooks -------------------------------------------------------------------------

# put EXAMPLE POINT/NAME...: installs a hook and its settings as its README says
put()
{
	local example=$1 place

	shift
	for place; do
		install -D -m 755 "$examples/hooks/$example" "$hooks/$place"
		[ ! -e "$examples/hooks/$example.conf" ] ||
			install -m 644 "$examples/hooks/$example.conf" "$hooks/$place.conf"
	done
}

# A program that stands where hooks look first, in the directory of taskhook.
stub()
{
	mkdir -p "$root/bin"
	[ -e "$root/bin/taskhook" ] || cp "$TASKHOOK_PROGRAM" "$root/bin/taskhook"
	printf '#!/bin/sh\n%s\n' "$2" >"$root/bin/$1"
	chmod 755 "$root/bin/$1"
	TASKHOOK_PROGRAM=$root/bin/taskhook
}

pass_env() { printf '[hooks]\npass-env = %s\n' "$1" >>"$root/conf"; }

@test "the files of examples/hooks: a README that names each, and no others" {
	find "$examples/hooks" -type f -perm -100 -printf '%f\n' | sort >"$root/there"
	sed -n 's/^    \([a-z-]*\) .*/\1/p' "$examples/hooks/README" | grep -vx install | sort | diff - "$root/there"
	while IFS= read -r name; do
		[ "$(head -n 1 "$examples/hooks/$name")" = '#!/bin/sh' ]
		[ ! -e "$examples/hooks/$name.conf" ] || config_is_right "$name"
	done <"$root/there"
}

config_is_right()
{
	put "$1" pre-start/x
	run -0 th config check
	rm "$hooks/pre-start/x" "$hooks/pre-start/x.conf"
}

# -- port

port_setup()
{
	put port pre-start/20-port post-stop/20-port
	pass_env 'PORT_*'
	export PORT_FIRST=$((20000 + RANDOM % 9000)) PORT_DIR=$root/ports
	export PORT_LAST=$((PORT_FIRST + 9))
}

port_of() { grep -lx "$state/tasks/$group/$1" "$PORT_DIR"/* | sed 's|.*/||'; }

@test "port: the task gets one, and it is free again afterwards" {
	port_setup
	run -0 th run -g "$group" -i a -- sh -c 'echo "$PORT"; ls "$1"' sh "$PORT_DIR"
	[ "${lines[0]}" -ge "$PORT_FIRST" ] && [ "${lines[0]}" -le "$PORT_LAST" ]
	[ "${lines[1]}" = "${lines[0]}" ]
	[ -z "$(ls "$PORT_DIR")" ]
	port=${lines[0]}
	run -0 th status "$group/a"
	[[ $output == *"message  port $port"* ]]
}

@test "port: two tasks have two, and a range that is used up is said" {
	port_setup
	PORT_LAST=$((PORT_FIRST + 1))
	start -i a -- sleep 1000
	wait_for test -e "$PORT_DIR/$PORT_FIRST"
	start -i b -- sleep 1000
	wait_for test -e "$PORT_DIR/$PORT_LAST"
	[ "$(port_of a)" = "$PORT_FIRST" ]
	[ "$(port_of b)" = "$PORT_LAST" ]
	run -120 th run -g "$group" -i c -- true
	[[ $output == *"no port from $PORT_FIRST to $PORT_LAST is free"* ]]
	[ "$(find "$PORT_DIR" -type f | wc -l)" -eq 2 ]
}

@test "port: one that somebody listens on is passed over" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	port_setup
	python3 -c 'import signal, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open(sys.argv[2], "w")
signal.pause()' "$PORT_FIRST" "$root/listens" 3>&- &
	pids+=($!)
	wait_for test -e "$root/listens"
	run -0 th run -g "$group" -- sh -c 'echo "$PORT"'
	[ "$output" = $((PORT_FIRST + 1)) ]
}

@test "port: released when a later hook fails, and when the supervisor was killed" {
	port_setup
	hook pre-start/90-no 'exit 1'
	run -120 th run -g "$group" -- true
	[ -z "$(ls "$PORT_DIR")" ]
	rm "$hooks/pre-start/90-no"
	start -i a -- sleep 1000
	wait_for test -e "$state/tasks/$group/a/logs/stdout.log"
	[ -n "$(port_of a)" ]
	kill -KILL "$started"
	wait "$started" || true
	run -0 th cleanup "$group/a"
	[ -z "$(ls "$PORT_DIR")" ]
}

@test "port: twice is the same as once" {
	port_setup
	export TASK_DIR=$root/task HOOK_POINT=pre-start HOOK_RESULT=$root/result
	run -0 "$examples/hooks/port"
	first=$output
	run -0 "$examples/hooks/port"
	[ "$output" = "$first" ]
	[ "$(find "$PORT_DIR" -type f | wc -l)" -eq 1 ]
	HOOK_POINT=post-stop run -0 "$examples/hooks/port"
	HOOK_POINT=post-stop run -0 "$examples/hooks/port"
	[ -z "$(ls "$PORT_DIR")" ]
	HOOK_POINT=pre-stop run -1 "$examples/hooks/port"
}

# -- textfile

textfile_setup()
{
	put textfile post-start/90-textfile post-stop/90-textfile post-cleanup/90-textfile
	pass_env TEXTFILE_DIR
	export TEXTFILE_DIR=$root/metrics
	mkdir "$TEXTFILE_DIR"
	prom=$TEXTFILE_DIR/taskhook@$group@a.prom
}

# value NAME: the value of a metric; and the file is what Prometheus reads
value()
{
	! grep -vE '^(# (HELP|TYPE) taskhook_task_[a-z_]+ .+|taskhook_task_[a-z_]+\{group="[^"]+",id="[^"]+"\} [0-9.]+)$' "$prom" >&2 || return 1
	sed -n "s/^taskhook_task_$1{group=\"$group\",id=\"a\"} //p" "$prom"
}

@test "textfile: a task that runs, succeeds, fails" {
	textfile_setup
	start -i a -- sh -c 'until [ -e "$1" ]; do sleep 0.02; done' sh "$root/go"
	wait_for test -e "$prom"
	[ "$(value running)" = 1 ]
	[ -z "$(value last_success)" ]
	touch "$root/go"
	wait "$started"
	[ "$(value running)" = 0 ]
	[ "$(value last_success)" = 1 ]
	[ "$(value last_exit_code)" = 0 ]
	[ "$(value runs_total)" = 1 ]
	succeeded=$(value last_success_timestamp_seconds)
	[ "$succeeded" -gt 1700000000 ]

	run -3 th run -g "$group" -i a -- sh -c 'exit 3'
	[ "$(value last_success)" = 0 ]
	[ "$(value last_exit_code)" = 3 ]
	[ "$(value runs_total)" = 2 ]
	[ "$(value last_success_timestamp_seconds)" = "$succeeded" ]
	[ "$(ls "$TEXTFILE_DIR")" = "${prom##*/}" ]
}

@test "textfile: who reads the old file has all of it; a start that failed; a group that goes" {
	textfile_setup
	run -0 th run -g "$group" -i a -- true
	old=$(cat "$prom")
	exec 7<"$prom"
	hook pre-start/10-no 'exit 1'
	run -120 th run -g "$group" -i a -- true
	[ "$(cat <&7)" = "$old" ]
	exec 7<&-
	[ "$(value last_success)" = 0 ]
	[ -z "$(value last_exit_code)" ]
	touch "$TEXTFILE_DIR/taskhook@$group-other@a.prom"
	run -0 th cleanup --force "$group"
	[ "$(ls "$TEXTFILE_DIR")" = "taskhook@$group-other@a.prom" ]
}

@test "textfile: a directory that is missing is a warning" {
	textfile_setup
	rmdir "$TEXTFILE_DIR"
	run -0 --separate-stderr th run -g "$group" -i a -- echo fine
	[ "$output" = fine ]
	[[ $stderr == *post-stop/90-textfile* ]]
}

# -- forward-log

# forward_setup [FILE]
forward_setup()
{
	[ $# -eq 0 ] || export FORWARD_TO=$1
	put forward-log pre-start/80-forward-log post-stop/80-forward-log
	pass_env FORWARD_TO
}

@test "forward-log: every line reaches the file, of this run alone, and nothing stays" {
	forward_setup "$root/copy"
	run -0 --separate-stderr th run -g "$group" -i a -- sh -c 'seq 2000; echo oops >&2; printf unfinished'
	output=
	[ -z "$(held)" ]
	grep " stdout: [0-9]" "$root/copy" | sed 's/.*: //' | diff - <(seq 2000)
	run -0 th run -g "$group" -i a -- echo again
	# a last line without an end is ended
	[ "$(grep -cx "$group/a stdout: unfinished" "$root/copy")" -eq 1 ]
	[ "$(grep -cx "$group/a stderr: oops" "$root/copy")" -eq 1 ]
	[ "$(tail -n 1 "$root/copy")" = "$group/a stdout: again" ]
	[ "$(wc -l <"$root/copy")" -eq 2003 ]
}

@test "forward-log: lines come while the task runs, also behind a rotation" {
	forward_setup "$root/copy"
	start -i a --set=logs.max-size=1K -- sh -c '
		for i in 1 2 3 4; do
			seq -f "%040.0f" "${i}00" "${i}19"
			until grep -q "0${i}19\$" "$1"; do sleep 0.02; done
		done
		sleep 1000' sh "$root/copy"
	wait_for grep -q '0419$' "$root/copy"
	[ -e "$state/tasks/$group/a/logs/stdout.log.1" ]
	kill -TERM "$started"
	wait "$started" || true
	sed 's/.*: 0*//' "$root/copy" | diff - <(seq 100 119; seq 200 219; seq 300 319; seq 400 419)
	[ -z "$(held)" ]
}

@test "forward-log: to syslog, by name and priority" {
	# each stream has a logger of its own, so each writes to a file of its own
	stub logger "while IFS= read -r line; do echo \"\$*: \$line\"; done >'$root/logged.'\$\$"
	forward_setup
	run -0 th run -g "$group" -i a -- sh -c 'echo out; echo err >&2'
	cat "$root"/logged.* >"$root/logged"
	grep -qx -- "-t taskhook/$group/a -p user.info: out" "$root/logged"
	grep -qx -- "-t taskhook/$group/a -p user.warning: err" "$root/logged"
}

@test "forward-log: ends with a task whose supervisor was killed" {
	forward_setup "$root/copy"
	start -i a -- sh -c 'echo begun; exec sleep 1000'
	wait_for grep -q begun "$root/copy"
	kill -KILL "$started"
	wait "$started" || true
	run -0 th cleanup "$group/a"
	[ -z "$(held)" ]
}

# -- notify

notify_setup()
{
	put notify post-stop/90-notify
	pass_env NOTIFY_COMMAND
	printf '#!/bin/sh\n{ echo "said: $1"; cat; } >>"%s"\n' "$root/told" >"$root/tell"
	chmod 755 "$root/tell"
	export NOTIFY_COMMAND=$root/tell
}

@test "notify: a failure is told, a success is not" {
	notify_setup
	run -0 th run -g "$group" -i a -- true
	[ ! -e "$root/told" ]
	run -3 th run -g "$group" -i a -- sh -c 'echo "no space" >&2; exit 3'
	[ "$(grep -c "^said: $group/a on .*: exit-code 3\$" "$root/told")" -eq 1 ]
	grep -q '^run       2, after ' "$root/told"
	grep -qx 'no space' "$root/told"
	run -137 th run -g "$group" -i a -- sh -c 'kill -KILL $$'
	grep -q ': signal SIGKILL$' "$root/told"
}

@test "notify: a start that failed is told with its hook" {
	notify_setup
	hook pre-start/10-no 'echo "the disk is away"; exit 1'
	run -120 th run -g "$group" -i a -- true
	grep -q "^said: $group/a on .*: hook-failed in pre-start/10-no: " "$root/told"
	grep -q 'the disk is away' "$root/told"
	rm "$hooks/pre-start/10-no"
	run -127 th run -g "$group" -i a -- "$root/nothing"
	grep -q ': start-failed: ' "$root/told"
}

@test "notify: tried again while the command fails, and told once" {
	notify_setup
	printf '[hook]\nrun-if = failure\nretries = 2\nretry-delay = 10ms\n' >"$hooks/post-stop/90-notify.conf"
	cp "$root/tell" "$root/tell-later"
	printf '#!/bin/sh\necho try >>"%s"\n[ "$(wc -l <"%s")" -gt 1 ] && exec "%s" "$@"\n' \
		"$root/tries" "$root/tries" "$root/tell-later" >"$root/tell"
	run -1 th run -g "$group" -i a -- false
	[ "$(wc -l <"$root/tries")" -eq 2 ]
	[ "$(grep -c ^said "$root/told")" -eq 1 ]

	mkdir "$root/kept"
	export HOOK_STATE_DIR=$root/kept TASKGROUP=g TASK_ID=a NODE_NAME=n RESULT=signal EXIT_SIGNAL=SIGTERM \
		RUN_NUMBER=1 TASK_COMMAND=x TASK_LOG_DIR=$root
	run -0 "$examples/hooks/notify"
	run -0 "$examples/hooks/notify"
	[ "$(grep -c '^said: g/a on n: signal SIGTERM' "$root/told")" -eq 1 ]
}

@test "notify: to syslog where no command is set" {
	stub logger "echo \"\$*\" >>'$root/logged'"
	notify_setup
	unset NOTIFY_COMMAND
	run -3 th run -g "$group" -i a -- sh -c 'exit 3'
	grep -q "^-t taskhook -p user.err -- $group/a on .*: exit-code 3\$" "$root/logged"
}

# ---- examples/verify ------------------------------------------------------------------------

@test "the files of examples/verify: a README that names each, and no others; --lint finds nothing" {
	find "$examples/verify" -type f -perm -100 -printf '%f\n' | sort >"$root/there"
	sed -n 's/^    \([a-z-]*\) .*/\1/p' "$examples/verify/README" | grep -vx install | sort | diff - "$root/there"
	while IFS= read -r name; do
		[ "$(head -n 1 "$examples/verify/$name")" = '#!/usr/bin/env -S taskhook verify' ]
		[ -e "$examples/verify/$name.conf" ]
		run -0 --separate-stderr th verify --lint "$examples/verify/$name"
		[ "$(grep -c '' <<<"$stderr")" -eq 1 ]
	done <"$root/there"
}

# server BODY: the command of a task that answers on PORT
server()
{
	cat >"$root/nginx.conf" <<-CONF
		daemon off;
		master_process off;
		pid $root/www.pid;
		error_log stderr error;
		events { }
		http {
			access_log off;
			client_body_temp_path $root/www;
			proxy_temp_path $root/www;
			fastcgi_temp_path $root/www;
			uwsgi_temp_path $root/www;
			scgi_temp_path $root/www;
			server { listen 127.0.0.1:PORT; location = /health { return $1; } }
		}
	CONF
	# it listens late, as real ones do
	task=(sh -c 'PATH=$PATH:/usr/sbin; sed "s/:PORT/:$PORT/" "$1" >"$1.$PORT"; sleep 0.5; exec nginx -e stderr -c "$1.$PORT"' sh "$root/nginx.conf")
}

@test "answers: a web server that answers stays, one that does not is taken down again" {
	command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || skip "nginx is not installed"
	[ -x "$TASKHOOK_BUILDDIR/taskhook-verify" ] || skip "taskhook-verify was not built"
	unset http_proxy all_proxy HTTP_PROXY ALL_PROXY
	port_setup
	install -D -m 755 "$examples/verify/answers" "$hooks/post-start/50-answers"
	install -m 644 "$examples/verify/answers.conf" "$hooks/post-start/50-answers.conf"
	run -0 th hooks list
	[[ $output == *"50-answers  35s, stop"* ]]

	server "200 '{\"status\": \"ok\"}'"
	run -0 th start -g "$group" -i good -- "${task[@]}"
	is_running() { [ "$(th status --json "$group/good" | jq -r .state)" = running ]; }
	wait_for is_running
	run -0 curl -fs "http://127.0.0.1:$(port_of good)/health"
	[[ $output == *ok* ]]
	run -0 th stop "$group/good"

	server "503 'no'"
	run --separate-stderr th start -g "$group" -i bad -- "${task[@]}"
	[ "$status" -eq 120 ]
	[[ $stderr == *"post-start/50-answers: exit status 1 (Failed)"* ]]
	[ "$(th status --json "$group/bad" | jq -r .state)" != running ]
	jq -r .last_line "$state/tasks/$group/bad/logs/hooks.jsonl" | grep -q 'answers: Failed: Metric "health" .*response.code was 503'

	sed -i 's/^consecutiveErrorLimit.*/consecutiveErrorLimit = 2/' "$hooks/post-start/50-answers"
	run --separate-stderr th run -g "$group" -i silent -- sleep 1000
	[ "$status" -eq 120 ]
	[[ $stderr == *"post-start/50-answers: exit status 2 (Error)"* ]]
	wait_for holds_nothing
}
