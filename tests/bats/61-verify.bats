#!/usr/bin/env bats
# taskhook verify: templates that are run, with a real web server.
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


@test "web: the phase is the exit status, the reason has value and condition" {
	nginx_setup
	echo '{"age": 20, "data": {"ok": true}}' >"$www/a.json"
	cat >"$t" <<-END
		kind: HookTemplate
		metadata: {name: web}
		spec:
		  args:
		  - name: limit
		  metrics:
		  - name: age
		    successCondition: "asInt(result) < {{ args.limit }}"
		    provider:
		      web: {url: "$http/a.json", jsonPath: "{\$.age}"}
		  - name: ok
		    successCondition: "result && response.code == 200"
		    provider:
		      web: {url: "$http/a.json", jsonPath: "{\$.data.ok}"}
	END
	run -0 --separate-stderr th verify -a limit=30 --output="$record" "$t"
	[[ $stderr == *"web: Successful"* ]]
	[ "$(status .phase)" = Successful ]
	[ "$(status '.metricResults[0].measurements[0].value')" = 20 ]
	[ "$(status .runSummary.successful)" = 2 ]

	run -1 --separate-stderr th verify -a limit=10 --output="$record" "$t"
	[[ $stderr == *'Failed: Metric "age" assessed Failed due to failed (1) > failureLimit (0)'*"result was 20"* ]]
	[ "$(status .phase)" = Failed ]
	[ "$(status .metricResults[0].failed)" = 1 ]
}

@test "web: an error is no failure; both conditions false is inconclusive" {
	nginx_setup
	echo '{"v": 5}' >"$www/v"
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "web.url = $http/status/500" >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"/status/500 answered with status 500"* ]]

	printf '%s\n' '[metric m]' 'acceptStatus = x' >"$t"
	run -65 th verify "$t"

	printf '%s\n' '[metric m]' "web.url = $http/status/500" 'web.acceptStatus = 500' \
		'successCondition = response.code == 500' >"$t"
	run -0 th verify "$t"

	printf '%s\n' '[metric m]' "web.url = $http/v" 'web.jsonPath = {$.v}' \
		'successCondition = result > 7' 'failureCondition = result < 3' >"$t"
	run -3 --separate-stderr th verify --json "$t"
	[ "$(jq -r .status.phase <<<"$output")" = Inconclusive ]
}

@test "web: redirects that do not end, an answer without an end, a server that is not there" {
	nginx_setup
	truncate -s 5M "$www/large"
	local path
	for path in loop large; do
		printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "web.url = $http/$path" >"$t"
		run -2 --separate-stderr th verify "$t"
		[[ $stderr == *"more than 10 redirects"* || $stderr == *"larger than 4 MiB"* ]]
	done
	nginx_stop
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"Error: Metric \"m\" assessed Error due to consecutiveErrors (1) > consecutiveErrorLimit (0)"*onnect* ]]
}

@test "web: headers are sent, a secret is not told" {
	nginx_setup
	echo '"1"' >"$www/x"
	cat >"$t" <<-END
		kind: AnalysisTemplate
		metadata: {name: secret}
		spec:
		  args: [{name: token}]
		  metrics:
		  - name: m
		    successCondition: result == '1'
		    provider:
		      web:
		        url: $http/token/x
		        headers: [{key: X-Token, value: "{{ args.token }}"}]
	END
	s3cret=s3cret run -0 --separate-stderr th verify --arg-env token=s3cret --output="$record" "$t"
	grep -q 'token=s3cret' "$requests"
	[[ $stderr != *s3cret* ]]
	run -1 grep s3cret "$record"
	# what will be written to a FIFO is waited for, as with a shell's <(...)
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	run -0 th verify --arg-file token="$BATS_TEST_TMPDIR/fifo" "$t" \
		< <(printf 's3cret\n' >"$BATS_TEST_TMPDIR/fifo" 3>&-)
	grep -c 'token=s3cret' "$requests" | grep -qx 2
}

@test "prometheus: a vector, and an error in its own words" {
	nginx_setup
	mkdir -p "$www/api/v1"
	echo '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.97"]}]}}' \
		>"$www/api/v1/query"
	cat >"$t" <<-END
		kind: AnalysisTemplate
		metadata: {name: prom}
		spec:
		  metrics:
		  - name: rate
		    consecutiveErrorLimit: 0
		    successCondition: result[0] >= 0.95
		    provider:
		      prometheus: {address: "$http/", query: 'sum(rate(x{job="a"}[5m]))'}
	END
	run -0 th verify --output="$record" "$t"
	[ "$(status '.metricResults[0].measurements[0].value')" = '[0.97]' ]
	grep -q 'GET /api/v1/query?query=sum%28rate%28x%7Bjob%3D%22a%22%7D%5B5m%5D%29%29' "$requests"
	echo '{"status":"error","errorType":"bad_data","error":"parse error: x"}' >"$www/api/v1/query"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"prometheus: parse error: x"* ]]
}

@test "exec, file and tcp" {
	nginx_setup
	echo '{"n": [1, 2]}' >"$BATS_TEST_TMPDIR/f"
	printf '%s\n' '[metric status]' "exec.command = sh -c 'exit 3'" 'successCondition = result == 3' \
		'[metric output]' "exec.command = echo '{\"a\": 1}'" 'exec.jsonPath = {.a}' 'successCondition = result == 1' \
		'[metric text]' "exec.command = echo 'all is well'" 'exec.jsonPath = {$}' 'successCondition = result == "all is well"' \
		'[metric file]' "file.path = $BATS_TEST_TMPDIR/f" 'file.jsonPath = {.n[1]}' 'successCondition = result == 2' \
		'[metric port]' "tcp.address = 127.0.0.1:$http_port" >"$t"
	run -0 th verify --output="$record" "$t"
	[ "$(status '.metricResults | length')" = 5 ]

	printf '%s\n' '[metric slow]' 'consecutiveErrorLimit = 0' 'exec.command = sleep 100' 'exec.timeout = 200ms' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"the command did not end within "* ]]

	# the value of an argument is one word, or a part of one
	printf '%s\n' '[metric m]' "exec.command = printf %s, '{{ args.a }}' {{ args.a }} x{{args.b}}{{ args.a | url }}\"y {{args.b}}\" {{ args.b }} z" \
		'exec.jsonPath = {$}' >"$t"
	run -0 th verify --output="$record" -a "a=1' 2 \$(x)" -a b= "$t"
	[ "$(status '.metricResults[0].measurements[0].value')" = "\"1' 2 \$(x),1' 2 \$(x),x1%27%202%20%24%28x%29y ,,z,\"" ]

	nginx_stop
	printf '%s\n' '[metric port]' 'consecutiveErrorLimit = 0' "tcp.address = 127.0.0.1:$http_port" >"$t"
	run -2 th verify "$t"
}

@test "task: a figure of a running task" {
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" -i one -- sleep 1000 \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pids+=("$!")
	is_running() { [ "$(th status --json "$group/one" 2>/dev/null | jq -r .state)" = running ]; }
	wait_for is_running
	printf '%s\n' '[metric state]' "task.task = $group/one" 'task.field = state' \
		'successCondition = result == "running"' >"$t"
	run -0 --separate-stderr th verify "$t"
	local field
	for field in 'memory = result > 1000' 'memory.current = result > 1000' 'cpu = result >= 0' 'cpu.user_usec = result >= 0' \
		'pids = result == 1' 'restarts = result == 0' 'oom_kills = result == 0'; do
		printf '%s\n' '[metric m]' "task.task = $group/one" "task.field = ${field%% *}" 'consecutiveErrorLimit = 0' \
			"successCondition = ${field#*= }" >"$t"
		run -0 th verify "$t"
	done
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "task.task = $group/one" 'task.field = memory.none' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"the task '$group/one' has no field 'memory.none' now (see taskhook stats --json)"* ]]
	th stop "$group/one"
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "task.task = $group/two" 'task.field = state' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"the task '$group/two' has no status"* ]]
}

@test "as a hook: values come from the environment, the second operand is the hook point" {
	printf '%s\n' '#!/usr/bin/env -S taskhook verify' '[metric m]' \
		"exec.command = test '{{ args.TASK_ID }}' = web" 'successCondition = result == 0' >"$t"
	chmod +x "$t"
	ln -s "$TASKHOOK_PROGRAM" "$BATS_TEST_TMPDIR/taskhook"
	PATH=$BATS_TEST_TMPDIR:$PATH HOOK_POINT=pre-start TASK_ID=web run -0 "$t" pre-start
	PATH=$BATS_TEST_TMPDIR:$PATH HOOK_POINT=pre-start TASK_ID=db run -1 "$t" pre-start
	PATH=$BATS_TEST_TMPDIR:$PATH HOOK_POINT=post-stop TASK_ID=web run -64 "$t" pre-start
}

@test "count and interval; a metric that fails ends its siblings" {
	printf '%s\n' '[metric twice]' 'count = 3' 'interval = 50ms' 'exec.command = true' \
		'successCondition = result == 0' >"$t"
	run -0 th verify --output="$record" "$t"
	[ "$(status .metricResults[0].count)" = 3 ]

	printf '%s\n' '[metric endless]' 'interval = 50ms' 'exec.command = true' '[metric bad]' \
		'initialDelay = 200ms' 'exec.command = false' 'successCondition = result == 0' \
		'[metric late]' 'initialDelay = 1h' 'exec.command = true' >"$t"
	run -1 --separate-stderr th verify --output="$record" "$t"
	[[ $stderr == *"metric 'late': Successful (not measured)"* ]]
	[ "$(status '.metricResults[0].phase')" = Successful ]

	printf '%s\n' '[template]' 'timeout = 200ms' '[metric endless]' 'interval = 50ms' 'exec.command = true' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"Run not finished within its timeout"* ]]
}

@test "SIGTERM ends a run as terminate does, and what it started" {
	printf '%s\n' '[metric m]' "exec.command = sh -c 'echo \$\$ >$BATS_TEST_TMPDIR/pid; sleep 1000'" \
		'exec.timeout = 1h' >"$t"
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	wait_for test -s "$BATS_TEST_TMPDIR/pid"
	kill -TERM "$pid"
	wait "$pid"
	[ "$(status .message)" = "Run Terminated" ]
	run ! kill -0 "$(<"$BATS_TEST_TMPDIR/pid")"
}

@test "a killed run leaves its record" {
	printf '%s\n' '[metric m]' 'interval = 20ms' 'exec.command = true' >"$t"
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	has_two() { [ "$(status .metricResults[0].count 2>/dev/null)" -ge 2 ] 2>/dev/null; }
	wait_for has_two
	kill -KILL "$pid"
	wait "$pid" || true
	[ "$(status .phase)" = Running ]
	[ "$(status .completedAt)" = null ]
}

@test "a record that cannot be written" {
	printf '%s\n' '[metric m]' 'exec.command = true' >"$t"
	run -73 --separate-stderr th verify --output="$BATS_TEST_TMPDIR/none/record" "$t"
	[[ $stderr == *"cannot write the record"* ]]
	# a link to a device, a pipe: they are not replaced
	ln -s /dev/null "$BATS_TEST_TMPDIR/null"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	local name
	for name in null fifo; do
		run -73 --separate-stderr th verify --output="$BATS_TEST_TMPDIR/$name" "$t"
		[[ $stderr == *"not a regular file"* ]]
	done
	[ -L "$BATS_TEST_TMPDIR/null" ] && [ -p "$BATS_TEST_TMPDIR/fifo" ]
}
