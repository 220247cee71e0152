#!/usr/bin/env bats
# taskhook verify with a real Prometheus, and the example that gates a task by one.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/verify
load lib/nginx
load lib/prometheus

setup()
{
	tasks_setup
	verify_setup
}
teardown()
{
	prometheus_teardown
	nginx_teardown
	tasks_teardown
}

# query STATUS VALUE QUERY LINE...: what becomes of one measurement
query()
{
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "prometheus.address = $prometheus" "prometheus.query = $3" "${@:4}" >"$t"
	run --separate-stderr "-$1" th verify --output="$record" ${dialect:+"--dialect=$dialect"} "$t"
	value=$(jq -r '.status.metricResults[0].measurements[0].value' "$record")
	[ "$value" = "$2" ] || { echo "'$value' is not '$2'" >&2 && false; }
}
range=('prometheus.rangeQuery.start = now() - duration("1m")' 'prometheus.rangeQuery.end = now()' 'prometheus.rangeQuery.step = 10s')

@test "instant queries: scalars, vectors, NaN, infinities, nothing" {
	prometheus_setup
	wait_for asks up 1
	query 0 '[1]' up 'successCondition = result[0] == 1'
	query 1 '[1]' up 'successCondition = result[0] > 1'
	[[ $stderr == *"result[0] > 1 (result[0] was 1)"* ]]
	query 0 10 'scalar(vector(10))' 'successCondition = result == 10'
	[ "$(jq -r '.status.metricResults[0].metadata.ResolvedPrometheusQuery' "$record")" = 'scalar(vector(10))' ]
	query 0 10.5 '10.5' 'successCondition = asInt(result) == 10'
	query 0 NaN '0/0' 'successCondition = isNaN(result)'
	query 1 NaN '0/0' 'successCondition = result > 1'
	query 3 '[NaN]' 'vector(0)/0' 'successCondition = result[0] > 1' 'failureCondition = result[0] <= 1'
	query 0 +Inf '1/0' 'successCondition = isInf(result)'
	query 0 '[-Inf]' 'vector(-1)/0' 'successCondition = result[0] < 0'
	query 0 '[]' nothing_there 'successCondition = len(result) == 0'
	query 2 '[]' nothing_there 'successCondition = result[0] > 1'
	[[ $stderr == *"the result is empty, and a condition that allows for it begins with 'len(result) == 0 or': "*"index out of range"* ]]
	query 0 '[1,2]' 'sort(label_replace(vector(1), "a", "b", "", "") or label_replace(vector(2), "a", "c", "", ""))' \
		'successCondition = sum(result) == 3'
	# more than a URL takes
	query 0 '[1,1]' "up or $(printf 'vector(1) or %.0s' {1..500})vector(2)"
}

@test "the dialect bcs: numbers too, and any NaN is inconclusive" {
	prometheus_setup
	dialect=bcs
	query 0 '[5]' 'vector(5)' 'successCondition = result[0] == 5.0'
	query 3 '[NaN]' 'vector(0)/0' 'successCondition = true'
	query 3 NaN '0/0' 'failureCondition = true'
}

@test "range queries" {
	prometheus_setup
	query 0 '[[3,3,3,3,3,3,3]]' 'vector(3)' "${range[@]}" 'successCondition = all(result[0], {# == 3})'
	query 0 '[]' nothing_there "${range[@]}" 'successCondition = len(result) == 0'
	query 0 '[[NaN,NaN,NaN,NaN,NaN,NaN,NaN]]' 'vector(0)/0' "${range[@]}" 'successCondition = isNaN(result[0][0])'
	query 2 null up 'prometheus.rangeQuery.start = now()' 'prometheus.rangeQuery.end = now() - duration("1h")' 'prometheus.rangeQuery.step = 10s'
	[[ $stderr == *"prometheus: "*"end timestamp must not be before start time"* ]]
	query 2 null up 'prometheus.rangeQuery.start = now() - duration("100h")' 'prometheus.rangeQuery.end = now()' 'prometheus.rangeQuery.step = 1s'
	[[ $stderr == *"exceeded maximum resolution"* ]]
	printf '%s\n' '[metric m]' "prometheus.address = $prometheus" 'prometheus.query = up' "${range[@]:0:2}" >"$t"
	run -65 th verify "$t"
}

@test "errors, in the words of Prometheus" {
	prometheus_setup
	query 2 null 'sum('
	[[ $stderr == *"prometheus: invalid parameter"*"parse error"* ]]
	query 2 null '"text"'
	[[ $stderr == *"results of type string are not supported"* ]]
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "prometheus.address = $prometheus/nowhere" 'prometheus.query = up' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"$prometheus/nowhere answered with status 404"* ]]
	prometheus_teardown
	printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "prometheus.address = $prometheus" 'prometheus.query = up' >"$t"
	run -2 --separate-stderr th verify "$t"
	[[ $stderr == *"$prometheus: "*onnect* ]]
}

@test "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS stands in for an address" {
	prometheus_setup
	printf '%s\n' '[metric m]' 'prometheus.query = vector(1)' >"$t"
	ARGO_ROLLOUTS_PROMETHEUS_ADDRESS=$prometheus run -0 th verify "$t"
	run -65 --separate-stderr th verify "$t"
	[[ $stderr == *"address is needed"* ]]
}

# in front of it: who needs a password, a token, a signature, and the query in a body
@test "behind nginx: headers, basic authentication, oauth2 and sigv4" {
	prometheus_setup
	mkdir -p "$BATS_TEST_TMPDIR/nginx"
	# shellcheck disable=SC2016 # nginx's variables
	{
		printf 'location /basic/ { auth_basic x; auth_basic_user_file %s/nginx/passwords; proxy_pass %s/; }\n' "$BATS_TEST_TMPDIR" "$prometheus"
		printf 'location /header/ { if ($http_x_token != s3cret) { return 403; } proxy_pass %s/; }\n' "$prometheus"
		printf 'location /bearer/ { if ($http_authorization != "Bearer t0k3n") { return 401; } proxy_pass %s/; }\n' "$prometheus"
		printf 'location /any/ { proxy_pass %s/; }\n' "$prometheus"
		echo 'location = /oauth { return 200 "{\"access_token\": \"t0k3n\", \"token_type\": \"Bearer\"}"; }'
	} >"$BATS_TEST_TMPDIR/nginx/more"
	nginx_setup
	local direct=$prometheus
	prometheus=$http/basic query 2 null 'vector(1)'
	[[ $stderr == *"answered with status 401"* ]]
	prometheus=$http/basic query 0 '[1]' 'vector(1)' 'prometheus.authentication.basicAuth.username = user' 'prometheus.authentication.basicAuth.password = secret'
	prometheus=$http/header query 0 '[1]' 'vector(1)' 'prometheus.headers.X-Token = s3cret'
	prometheus=$http/bearer query 0 '[1]' 'vector(1)' "prometheus.authentication.oauth2.tokenUrl = $http/oauth" \
		'prometheus.authentication.oauth2.clientId = a' 'prometheus.authentication.oauth2.clientSecret = b'
	AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK prometheus=$http/any query 0 '[[1]]' 'vector(1)' \
		'prometheus.rangeQuery.start = now()' 'prometheus.rangeQuery.end = now()' 'prometheus.rangeQuery.step = 1s' \
		'prometheus.authentication.sigv4.region = eu-west-1'
	[ "$(asked 'GET /any/api/v1/query_range\?end=.*&query=.*&start=.*&step=.*AWS4-HMAC-SHA256 Credential=AK/[0-9]*/eu-west-1/aps/aws4_request')" -eq 1 ]
	# a proxy that answers for it
	prometheus=$http/status/503 query 2 null 'vector(1)'
	[ "$direct" ]
}

@test "one that stalls is given up" {
	rude_setup
	prometheus=$rude/stall query 2 null up 'prometheus.timeout = 500ms'
	[[ $stderr == *"$rude/stall: no answer within 500ms"* || $stderr == *"no answer within"* ]]
}

# ---- examples/verify/error-rate -------------------------------------------------------------------

# counts GOOD BAD: what the service says that it has counted
counts()
{
	printf 'http_requests_total{task="svc",code="%s"} %s\n' 200 "$1" 503 "$2" >"$www/metrics.new"
	mv "$www/metrics.new" "$www/metrics"
}

@test "examples/verify/error-rate takes a service down again that fails too often" {
	nginx_setup
	counts 0 0
	prometheus_setup "127.0.0.1:$http_port"
	wait_for asks 'sum(http_requests_total)' 0
	counts 980 20
	wait_for asks 'sum(http_requests_total)' 1000
	install -D -m 755 "$TASKHOOK_SRCDIR/examples/verify/error-rate" "$hooks/post-start/60-error-rate"
	install -m 644 "$TASKHOOK_SRCDIR/examples/verify/error-rate.conf" "$hooks/post-start/60-error-rate.conf"
	printf '[hooks]\npass-env = PROMETHEUS\n' >>"$root/conf"
	export PROMETHEUS=$prometheus
	run -0 th hooks check
	sed -i 's/interval: 5s/interval: 100ms/' "$hooks/post-start/60-error-rate"
	# two in a hundred
	run -0 th start -g "$group" -i svc -- sleep 1000
	is_running() { [ "$(th status --json "$group/svc" | jq -r .state)" = running ]; }
	wait_for is_running
	th stop "$group/svc"
	counts 2000 2000
	wait_for asks 'sum(http_requests_total)' 4000
	run --separate-stderr th start -g "$group" -i svc -- sleep 1000
	[ "$status" -eq 120 ]
	[[ $stderr == *"post-start/60-error-rate: exit status 1 (Failed)"* ]]
	[ "$(th status --json "$group/svc" | jq -r .state)" != running ]
	jq -r .last_line "$state/tasks/$group/svc/logs/hooks.jsonl" | grep -q 'error-rate: Failed: Metric "errors" assessed Failed due to failed (2) > failureLimit (1)'
	# without any request there is no error
	run -0 th start -g "$group" -i other -- sleep 1000
	th stop "$group/other"
}
