#!/usr/bin/env bats
# taskhook verify: runs that were killed go on, and recorded measurements are judged again.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/verify
load lib/nginx

setup()
{
	tasks_setup
	verify_setup
	count=$BATS_TEST_TMPDIR/count
}
teardown()
{
	nginx_teardown
	tasks_teardown
}

# measured N: so often until now
measured() { [ "$(status .metricResults[0].count 2>/dev/null)" = "$1" ]; }

hangs() { [ "$(grep -c . "$count")" = 3 ]; }

# A template whose only metric adds a line to the file "count". The third measurement hangs until there
# is a file "go".
write_template()
{
	cat >"$BATS_TEST_TMPDIR/measure" <<-END
		#!/bin/sh
		echo x >>$count
		[ -e $count.go ] || [ "\$(grep -c . $count)" -ne 3 ] || exec sleep 1000
	END
	chmod +x "$BATS_TEST_TMPDIR/measure"
	printf '%s\n' '[template]' 'name = it' '[args]' 'limit = 0' '[metric m]' "count = 4" "interval = $1" \
		"exec.command = $BATS_TEST_TMPDIR/measure" 'exec.timeout = 1h' \
		'successCondition = result == asInt({{ args.limit }})' >"$t"
}

# A run of a template, killed when it has measured twice and takes the third.
killed_run()
{
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	wait_for measured 2
	wait_for hangs
	kill -KILL "$pid"
	wait "$pid" || true
	[ "$(status .phase)" = Running ]
	touch "$count.go"
}

@test "--resume goes on with what is missing, and once more tells the end" {
	write_template 10ms
	killed_run
	local began
	began=$(status .startedAt)
	run -0 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"it: going on with the run that began at $began"* ]]
	# the one that was under way was taken again
	[ "$(grep -c . "$count")" = 5 ]
	[ "$(status .metricResults[0].count)" = 4 ]
	[ "$(status .phase)" = Successful ]
	[ "$(status .startedAt)" = "$began" ]
	[ "$(status '.metricResults[0].measurements | length')" = 4 ]
	[ "$(jq .process "$record")" = null ]

	cp "$record" "$record.before"
	run -0 --separate-stderr th verify --output="$record" --json --resume "$t"
	[[ $stderr == *"this was the end of the run"*"it: Successful"* ]]
	cmp "$record" "$record.before"
	diff <(jq -S . <<<"$output") <(jq -S . "$record")
	[ "$(grep -c . "$count")" = 5 ]
}

@test "--resume of a run that failed gives its status again" {
	write_template 10ms
	run -1 th verify --output="$record" -a limit=1 "$t"
	run -1 --separate-stderr th verify --output="$record" -a limit=1 --resume "$t"
	[[ $stderr == *'it: Failed: Metric "m" assessed Failed'* ]]
	[ "$(grep -c . "$count")" = 1 ]
}

@test "--resume without a record begins" {
	write_template 10ms
	touch "$count.go"
	run -0 th verify --output="$record" --resume "$t"
	[ "$(status .metricResults[0].count)" = 4 ]
}

@test "--resume: the template's timeout counts from the beginning of the run" {
	write_template 10ms
	sed -i 's/^name = it/&\ntimeout = 1h/' "$t"
	killed_run
	jq '.status.startedAt = "2020-01-01T00:00:00.000Z"' "$record" >"$record.old"
	mv "$record.old" "$record"
	run -2 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"Run not finished within its timeout of 1h"* ]]
	[ "$(grep -c . "$count")" = 3 ]
}

@test "--resume: other arguments, another template, a damaged and a foreign record" {
	write_template 10ms
	killed_run
	cp "$record" "$record.before"
	run -65 --separate-stderr th verify --output="$record" --resume -a limit=1 "$t"
	[[ $stderr == *"'limit' differs"* ]]
	sed -i 's/^count = 4/count = 5/' "$t"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"before it was changed"* ]]
	sed -i 's/^name = it/name = other/' "$t"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"is of the template 'it', and this one is 'other'"* ]]
	cmp "$record" "$record.before"

	write_template 10ms
	head -c 300 "$record.before" >"$record"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"the record '$record' is damaged: line "* ]]
	jq '.status.metricResults[0].count = 7' "$record.before" >"$record"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"damaged: the results of metric 'm'"* ]]
	echo '{"kind": "Pod"}' >"$record"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"is no record of a run"* ]]
	jq 'del(.spec)' "$record.before" >"$record"
	run -65 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"taskhook did not write it"* ]]
	[ "$(grep -c . "$count")" = 3 ]
	run -73 th verify --output="$BATS_TEST_TMPDIR" --resume "$t"
}

@test "--resume: not while the run is under way" {
	write_template 1h
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	wait_for measured 1
	run -75 --separate-stderr th verify --output="$record" --resume "$t"
	[[ $stderr == *"is still under way, in process $pid"* ]]
	kill -TERM "$pid"
	wait "$pid"
}

@test "a record belongs to one run at a time" {
	write_template 1h
	mkdir "$BATS_TEST_TMPDIR/records"
	record=$BATS_TEST_TMPDIR/records/it
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	wait_for measured 1
	cp "$record" "$record.before"
	run -75 --separate-stderr th verify --output="$record" "$t"
	[[ $stderr == *"the run of '$record' is still under way, in process $pid (wait for its end"* ]]
	# also where the record tells of no process
	jq 'del(.process)' "$record.before" >"$BATS_TEST_TMPDIR/recorded"
	run -75 --separate-stderr th verify --output="$record" --replay="$BATS_TEST_TMPDIR/recorded" "$t"
	cmp "$record" "$record.before"
	kill -TERM "$pid"
	wait "$pid"
	rm "$record.before"
	run -0 th verify --output="$record" --replay="$record" "$t"
	[ "$(ls -A "$BATS_TEST_TMPDIR/records")" = it ]
}

@test "of several that go on with one run at once, one does" {
	write_template 10ms
	killed_run
	local status i ended=()
	for i in {1..6}; do
		# whoever comes when the run has ended tells its end
		(
			status=0
			"$TASKHOOK_PROGRAM" verify --output="$record" --resume "$t" 2>"$BATS_TEST_TMPDIR/err.$i" || status=$?
			echo "$status" >"$BATS_TEST_TMPDIR/status.$i"
		) 3>&- &
		ended+=("$!")
	done
	wait "${ended[@]}"
	[ "$(cat "$BATS_TEST_TMPDIR"/err.? | grep -c 'going on with')" = 1 ]
	for i in {1..6}; do
		status=$(<"$BATS_TEST_TMPDIR/status.$i")
		[ "$status" = 0 ] || grep "is still under way" "$BATS_TEST_TMPDIR/err.$i"
		[ "$status" = 0 ] || [ "$status" = 75 ]
	done
	[ "$(status .metricResults[0].count)" = 4 ]
	[ "$(grep -c . "$count")" = 5 ]
}

@test "of several that begin one run at once, one does" {
	write_template 10ms
	touch "$count.go"
	local i ended=()
	for i in {1..6}; do
		"$TASKHOOK_PROGRAM" verify --output="$record" --resume "$t" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
		ended+=("$!")
	done
	wait "${ended[@]}" || true
	[ "$(grep -c . "$count")" = 4 ]
	[ "$(status .phase)" = Successful ]
}

@test "a secret does not stand in the record, and may be another one when a run goes on" {
	write_template 10ms
	# shellcheck disable=SC2016 # for the script
	sed -i 's/echo x/echo "$S3"/' "$BATS_TEST_TMPDIR/measure"
	sed -i -e 's/^\[metric m\]/[arg token]\nenv = S3\n&/' \
		-e 's/^successCondition.*/successCondition = result == 0 and "{{ args.token }}" != ""/' "$t"
	S3=hush-hush killed_run
	run -1 grep hush "$record"
	S3=new-one run -0 th verify --output="$record" --resume "$t"
	run -1 grep -e hush -e new-one "$record"
	[ "$(tail -n 1 "$count")" = new-one ]
}

@test "--replay judges recorded values, and asks nothing" {
	nginx_setup
	echo '{"v": 5}' >"$www/v"
	printf '%s\n' '[template]' 'name = it' '[args]' 'limit = 3' '[metric m]' "web.url = $http/v" \
		'web.jsonPath = {$.v}' 'successCondition = result > {{ args.limit }}' 'count = 3' 'interval = 20ms' >"$t"
	run -0 th verify --output="$record" "$t"
	nginx_stop
	run -0 --separate-stderr th verify --replay="$record" --json "$t"
	diff <(jq -S .status <<<"$output") <(jq -S .status "$record")
	run -1 --separate-stderr th verify --replay="$record" -a limit=7 "$t"
	[[ $stderr == *"result > 7 (result was 5)"* ]]

	# without the answer there is no code of it, and no other path
	sed -i 's/^successCondition.*/successCondition = response.code == 200\nconsecutiveErrorLimit = 0/' "$t"
	run -2 th verify --replay="$record" "$t"
}

@test "--responses: answers are judged again, with their path, code and headers" {
	nginx_setup
	echo '{"v": 5, "w": 6}' >"$www/v"
	printf '%s\n' '[metric m]' "web.url = $http/v" 'web.jsonPath = {$.v}' >"$t"
	run -0 th verify --output="$record" --responses "$t"
	nginx_stop
	printf '%s\n' '[metric m]' "web.url = $http/v" 'web.jsonPath = {$.w}' \
		'successCondition = result == 6 && response.code == 200 && response.headers["server"] startsWith "nginx"' >"$t"
	run -0 th verify --replay="$record" "$t"
	run -64 th verify --responses "$t"
}

@test "--replay: values of each kind" {
	cat >"$record" <<-'END'
		{"kind": "AnalysisRun", "status": {"metricResults": [
		{"name": "p", "measurements": [{"phase": "Successful", "finishedAt": "2022-05-05T10:00:00Z", "value": "[NaN,+Inf,1e+06]"}]},
		{"name": "s", "measurements": [{"phase": "Successful", "finishedAt": "2022-05-05T10:00:01Z", "value": "a plain text"}]},
		{"name": "e", "measurements": [{"phase": "Failed", "finishedAt": "2022-05-05T10:00:02Z", "value": "3"}]},
		{"name": "other", "measurements": []}]}}
	END
	printf '%s\n' '[metric p]' 'prometheus.address = http://h' 'prometheus.query = x' \
		'successCondition = isNaN(result[0]) && isInf(result[1]) && result[2] == 1000000' \
		'[metric s]' 'web.url = http://h/' "successCondition = result == 'a plain text'" \
		'[metric e]' 'exec.command = true' 'successCondition = result % 2 == 1' >"$t"
	run -0 th verify --replay="$record" "$t"
	# a record that ends before the run would
	sed -i 's/^.metric e.$/&\ncount = 2\ninterval = 1s/' "$t"
	run -3 --separate-stderr th verify --replay="$record" "$t"
	[[ $stderr == *'the record ends before the run: metric "e" has 1 '* ]]
	printf '%s\n' '[metric none]' 'exec.command = true' >"$t"
	run -65 --separate-stderr th verify --replay="$record" "$t"
	[[ $stderr == *"no measurements of the metrics"* ]]
	run -78 th verify --replay="$BATS_TEST_TMPDIR/none" "$t"
	echo 'x' >"$record"
	run -65 th verify --replay="$record" "$t"
}

@test "--replay: a run that was terminated ends as it did, one that timed out too" {
	write_template 10ms
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	wait_for measured 2
	kill -TERM "$pid"
	wait "$pid"
	run -0 --separate-stderr th verify --replay="$record" "$t"
	[[ $stderr == *"Run Terminated"* ]]
	rm "$count"

	sed -i 's/^name = it/&\ntimeout = 300ms/' "$t"
	run -2 th verify --output="$record" "$t"
	run -2 --separate-stderr th verify --replay="$record" "$t"
	[[ $stderr == *"Run not finished within its timeout"* ]]
}

@test "options that do not go together" {
	write_template 1s
	run -64 --separate-stderr th verify --resume "$t"
	[[ $stderr == *"--resume needs --output"* ]]
	run -64 th verify --resume --output="$record" --replay="$record" "$t"
	run -64 th verify --lint --replay="$record" "$t"
}
