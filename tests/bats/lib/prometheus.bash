# shellcheck disable=SC2034,SC2154 # used by the tests that load it; set by lib/tasks.bash
# A Prometheus of the test's own, on loopback. Needs lib/tasks.bash. It ends with prometheus_teardown, by
# its pid.
# shellcheck shell=bash

# prometheus_setup [TARGET...]: at $prometheus, and scrapes itself and the targets (HOST:PORT, /metrics) five
# times a second
prometheus_setup()
{
	command -v prometheus >/dev/null || skip "prometheus is not installed"
	unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
	prometheus_dir=$BATS_TEST_TMPDIR/prometheus
	mkdir "$prometheus_dir"
	local try port target
	for try in {1..20}; do
		port=$((10240 + (RANDOM * 32768 + RANDOM) % 22000))
		{
			printf '%s\n' 'global: {scrape_interval: 200ms, scrape_timeout: 200ms}' 'scrape_configs:' '- job_name: test' \
				'  static_configs:'
			for target in "127.0.0.1:$port" "$@"; do
				printf '%s\n' "  - targets: ['$target']"
			done
		} >"$prometheus_dir/conf"
		prometheus --config.file="$prometheus_dir/conf" --storage.tsdb.path="$prometheus_dir/data" \
			--web.listen-address="127.0.0.1:$port" --log.level=warn >"$prometheus_dir/log" 2>&1 </dev/null 3>&- &
		prometheus_pid=$!
		pids+=("$prometheus_pid")
		prometheus=http://127.0.0.1:$port
		wait_for prometheus_answers_or_is_gone
		! kill -0 "$prometheus_pid" 2>/dev/null || return 0
		wait "$prometheus_pid" || true
		grep -q 'address already in use' "$prometheus_dir/log" || break
	done
	cat "$prometheus_dir/log" >&2
	return 1
}

prometheus_answers_or_is_gone() { curl -fs "$prometheus/-/ready" >/dev/null || ! kill -0 "$prometheus_pid" 2>/dev/null; }

prometheus_teardown()
{
	[ -n "${prometheus_pid-}" ] || return 0
	kill -TERM "$prometheus_pid" 2>/dev/null || return 0
	wait "$prometheus_pid" || true
}

# asks QUERY VALUE: is that its value now?
asks() { [ "$(curl -fsG --data-urlencode "query=$1" "$prometheus/api/v1/query" | jq -r '.data.result[0].value[1]')" = "$2" ]; }
