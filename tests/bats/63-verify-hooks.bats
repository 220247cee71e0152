#!/usr/bin/env bats
# Templates of taskhook verify as hooks: their time, their phase, their end.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/verify
load lib/nginx

setup()
{
	tasks_setup
	verify_setup
}
teardown()
{
	nginx_teardown
	tasks_teardown
}

# template POINT/NAME LINE...: an INI template as a hook
template()
{
	local name=$1
	shift
	mkdir -p "$hooks/${name%/*}"
	printf '%s\n' '#!/usr/bin/env -S taskhook verify' "$@" >"$hooks/$name"
	chmod 755 "$hooks/$name"
}

# BlueKing's example, with another server and interval.
blueking()
{
	mkdir -p "$hooks/pre-start"
	cat >"$hooks/pre-start/50-gate" <<-END
		#!/usr/bin/env -S taskhook verify
		apiVersion: tkex.tencent.com/v1alpha1
		kind: HookTemplate
		metadata:
		  name: test
		spec:
		  args:
		  - name: service
		    value: $1
		  metrics:
		  - name: webtest
		    count: 2
		    interval: $2
		    failureLimit: 0
		    successCondition: "asInt(result) < 30"
		    provider:
		      web:
		        url: http://{{ args.service }}/{{ args.TASK_ID }}
		        jsonPath: "{\$.age}"
	END
	chmod 755 "$hooks/pre-start/50-gate"
}

timeout_ms() { th hooks list --json | jq ".points[].hooks[] | select(.name == \"$1\").timeout_ms"; }
records() { jq -r "$1" "$state/tasks/$group/$2/logs/hooks.jsonl"; }

@test "BlueKing's example: two measurements, 60s apart, have their longest time" {
	blueking test-svc.default.svc.cluster.local:9091 60s
	# two that count, each after four errors: 10 requests of 10s, 8 waits of 10s, 60s; and 5s
	[ "$(timeout_ms 50-gate)" = 245000 ]
	run -0 th hooks list
	[[ $output == *"50-gate  4m5s, fail"* ]]
	run -0 th run --dry-run -g "$group" -i one -- true
	[[ $output == *"50-gate, at most 4m5s)"* ]]
}

@test "BlueKing's example gates a start, by what a real server says of the task" {
	nginx_setup
	blueking "${http#http://}" 300ms
	echo '{"age": 20}' >"$www/young"
	echo '{"age": 40}' >"$www/old"
	run -0 th run -g "$group" -i young -- echo started
	[[ $output == *started* ]]
	[ "$(grep -c 'GET /young' "$requests")" = 2 ]
	run -120 --separate-stderr th run -g "$group" -i old -- echo started
	[[ $output != *started* ]]
	[[ $stderr == *"pre-start/50-gate: exit status 1 (Failed)"* ]]
	[ "$(grep -c 'GET /old' "$requests")" = 1 ]
	[ "$(records .reason old)" = "exit status 1 (Failed)" ]
	[[ $(records .last_line old) == *"test: Failed: Metric \"webtest\" assessed Failed"*"(result was 40)"* ]]
}

@test "every phase but Successful is a failed hook whose record names it" {
	template pre-start/10-check '[metric m]' 'exec.command = sh -c "exit {{ args.TASK_ID }}"' \
		'successCondition = result == 0' 'failureCondition = result == 1' 'consecutiveErrorLimit = 0'
	run -0 th run -g "$group" -i 0 -- true
	run -120 th run -g "$group" -i 1 -- true
	[ "$(records .reason 1)" = "exit status 1 (Failed)" ]
	run -120 th run -g "$group" -i 2 -- true
	[ "$(records .reason 2)" = "exit status 3 (Inconclusive)" ]
	sed -i 's/^successCondition.*/successCondition = result.x > 1/' "$hooks/pre-start/10-check"
	run -120 th run -g "$group" -i 3 -- true
	[ "$(records .reason 3)" = "exit status 2 (Error)" ]
	run -0 th why "$group/3"
	[[ $output == *"exit status 2 (Error)"* ]]
}

@test "a template without an end is refused before anything is made" {
	template pre-start/10-endless '[metric m]' 'interval = 1s' 'exec.command = true'
	run -78 --separate-stderr th run -g "$group" -i one -- true
	[[ $stderr == *"10-endless' is a template without an end, and cannot be a hook: "*"(give it a timeout, or each metric a count)"* ]]
	[ ! -e "$state/tasks/$group/one" ]
	run -0 th hooks list
	[[ $output == *"unsafe"*"is a template without an end"* ]]
	run th hooks check
	[ "$status" -ne 0 ]
	# a timeout of the settings is not an end: it would time out each time
	printf '[hook]\ntimeout = 10s\n' >"$hooks/pre-start/10-endless.conf"
	run -78 th run -g "$group" -i one -- true

	template pre-start/10-endless '[template]' 'timeout = 2s' '[metric m]' 'interval = 1s' 'exec.command = true'
	rm "$hooks/pre-start/10-endless.conf"
	[ "$(timeout_ms 10-endless)" = 7000 ]
}

@test "a template whose numbers are not known before, and one that is wrong" {
	template pre-start/10-open '[metric m]' 'count = {{ args.TASK_COUNT }}' 'interval = 1s' 'exec.command = true'
	run -78 --separate-stderr th run -g "$group" -i one -e TASK_COUNT=1 -- true
	[[ $stderr == *"10-open' is a template without an end"*"an argument without a value"* ]]
	sed -i '1s/$/ -a TASK_COUNT=2/' "$hooks/pre-start/10-open"
	# 10 commands of 30s, 8 waits of 10s, 1s; and 5s
	[ "$(timeout_ms 10-open)" = 386000 ]
	run -0 th run -g "$group" -i one -- true

	template pre-start/10-open '[metric m]' 'counts = 1' 'exec.command = true'
	run -78 --separate-stderr th run -g "$group" -i two -- true
	[[ $stderr == *"10-open:3: [metric m] counts: unknown field (did you mean 'count'?)"*"(try 'taskhook verify --lint $hooks/pre-start/10-open')"* ]]
}

@test "timeout of the settings wins; total-timeout is told where it comes first" {
	template pre-start/10-slow '[metric m]' 'exec.command = sleep 1000' 'exec.timeout = 1h' 'consecutiveErrorLimit = 0'
	[ "$(timeout_ms 10-slow)" = 3605000 ]
	run -0 th hooks list
	[[ $output == *"10-slow  1h, fail, ended by total-timeout after 5m"* ]]
	# time enough to begin
	printf '[hook]\ntimeout = 2s\n' >"$hooks/pre-start/10-slow.conf"
	[ "$(timeout_ms 10-slow)" = 2000 ]
	run -121 --separate-stderr th run -g "$group" -i one -- true
	[[ $stderr == *"10-slow: Successful: Run Terminated"*"timed out after 2s"* ]]
	[ "$(records .timed_out one)" = true ]
}

@test "a start that is stopped ends its template as a signal does, with what it runs" {
	# the same test may run for another user at the same time
	local mark=9877.$$
	template pre-start/10-slow '[metric m]' "exec.command = sleep $mark" 'exec.timeout = 1h'
	start -i one -- true
	wait_for marked_runs "$mark"
	kill -TERM "$started"
	wait "$started" || ended=$?
	[ "$ended" -gt 0 ]
	marked_gone "$mark"
	[[ $(records .last_line one) == *"10-slow: Successful: Run Terminated" ]]
	[ "$(records .interrupted one)" = true ]
}

@test "what others could change is not read for root" {
	[ "$EUID" -eq 0 ] || skip "for root"
	template pre-start/10-open '[metric m]' 'interval = 1s' 'exec.command = true'
	chmod o+w "$hooks/pre-start/10-open"
	run -0 th hooks list
	[[ $output == *unsafe*"10-open"*"writable"* ]]
	[[ $output != *"without an end"* ]]
}

@test "the helper is missing" {
	template pre-start/10-check '[metric m]' 'exec.command = true'
	mkdir "$BATS_TEST_TMPDIR/none"
	TASKHOOK_LIBEXECDIR=$BATS_TEST_TMPDIR/none run --separate-stderr th run -g "$group" -i one -- true
	[ "$status" -ne 0 ]
	[[ $stderr == *"the helper program '$BATS_TEST_TMPDIR/none/taskhook-verify' is missing"* ]]
}

@test "--lint of a hook does not miss what its environment will hold" {
	template pre-start/10-check '[metric m]' 'exec.command = echo {{ args.TASK_ID }}'
	run -0 th verify --lint "$hooks/pre-start/10-check"
	sed -i 1d "$hooks/pre-start/10-check"
	run -65 --separate-stderr th verify --lint "$hooks/pre-start/10-check"
	[[ $stderr == *"no such argument"* ]]
}
