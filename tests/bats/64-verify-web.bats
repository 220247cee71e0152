#!/usr/bin/env bats
# taskhook verify: what the provider 'web' sends and believes, with real web servers: nginx, and
# helpers/rude-server for what no proper server does.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/verify
load lib/nginx

setup()
{
	tasks_setup
	verify_setup
	unset SSL_CERT_FILE SSL_CERT_DIR "${!AWS_@}"
}
teardown()
{
	nginx_teardown
	tasks_teardown
}

# locations of nginx; requests with their bodies are in $bodies
#     /echo            the request as JSON
#     /NNN             a redirect with that status to /echo, /foreign/NNN to that of another host
#     /oauth           gives a token to the client 'id' with the secret 's/cret', /oauth-body to who
#                      sends them in the body, /oauth-other one of another type, /oauth-html none
#     /bearer          the request as JSON, for who has the token
#     /oauth-short     its token ends in 5 s; /oauth-now, /bearer-now: another token is the right one
#                      once there is a file www/revoked
#     /gzip/NAME       said to be compressed
server()
{
	bodies=$BATS_TEST_TMPDIR/nginx/bodies
	mkdir -p "${bodies%/*}"
	# shellcheck disable=SC2016 # nginx's variables
	{
		echo 'default_type application/json;'
		printf 'location %s { access_log %s all; access_log %s; client_max_body_size 9m; client_body_buffer_size 9m; %sproxy_pass http://127.0.0.1:$server_port/in%s; }\n' \
			/echo "$BATS_TEST_TMPDIR/nginx/requests" "$bodies bodies" '' /echo \
			/bearer "$BATS_TEST_TMPDIR/nginx/requests" "$bodies bodies" '' /bearer \
			/oauth "$BATS_TEST_TMPDIR/nginx/requests" "$bodies bodies" '' /oauth \
			/oauth-body "$BATS_TEST_TMPDIR/nginx/requests" "$bodies bodies" 'proxy_set_header X-Body $request_body; ' /oauth-body
		echo 'set $echo "{\"method\": \"$request_method\", \"type\": \"$content_type\", \"auth\": \"$http_authorization\", \"token\": \"$http_x_token\", \"accept\": \"$http_accept\"}";'
		echo 'location /in/echo { add_header X-Seen yes; return 200 $echo; }'
		echo 'location /in/bearer { if ($http_authorization != "Bearer t0k3n-of-the-test") { return 401; } return 200 $echo; }'
		echo 'location = /in/oauth { if ($http_authorization != "Basic aWQ6cyUyRmNyZXQ=") { return 401 "{\"error\": \"invalid_client\"}"; } return 200 "{\"access_token\": \"t0k3n-of-the-test\", \"token_type\": \"bearer\", \"expires_in\": 60}"; }'
		echo 'location = /in/oauth-body { if ($http_x_body !~ "client_id=id&client_secret=s%%2Fcret$") { return 400 "{\"error\": \"invalid_client\", \"error_description\": \"who are you?\"}"; } return 200 "{\"access_token\": \"t0k3n-of-the-test\"}"; }' | sed 's/%%/%/'
		echo 'location = /oauth-other { return 200 "{\"access_token\": \"x\", \"token_type\": \"mac\"}"; }'
		printf 'location = /%s { access_log %s bodies; proxy_pass http://127.0.0.1:$server_port/in/%s; }\n' \
			oauth-short "$bodies" oauth-short oauth-now "$bodies" oauth-now
		echo 'location = /in/oauth-short { return 200 "{\"access_token\": \"t0k3n-of-the-test\", \"expires_in\": \"5\"}"; }'
		echo 'set $now t0k3n-one; if (-f '"$BATS_TEST_TMPDIR"'/nginx/www/revoked) { set $now t0k3n-two; }'
		echo 'location = /in/oauth-now { return 200 "{\"access_token\": \"$now\"}"; }'
		echo 'location = /bearer-now { access_log '"$BATS_TEST_TMPDIR"'/nginx/now; if ($http_authorization != "Bearer $now") { return 401; } return 200 $echo; }'
		echo 'location = /oauth-html { return 200 "<html>"; }'
		printf 'location = /%s { return %s /echo; }\n' 301 301 302 302 303 303 307 307 308 308
		printf 'location = /foreign/%s { return %s http://localhost:$server_port/echo; }\n' 302 302 307 307
		echo 'location /gzip/ { alias '"$BATS_TEST_TMPDIR"'/nginx/www/; add_header Content-Encoding gzip; }'
	} >"$BATS_TEST_TMPDIR/nginx/more"
	nginx_setup "$@"
}

# template LINE...: one metric in INI, which may not fail once
template() { printf '%s\n' '[metric m]' 'consecutiveErrorLimit = 0' "$@" >"$t"; }
value() { jq -r '.status.metricResults[0].measurements[0].value' "$record"; }
verify() { run --separate-stderr "$1" th verify --output="$record" "${@:2}" "$t"; }
# with 500 MB of address space, where no sanitizer needs all of it
limited()
{
	grep -qa __asan_init "$TASKHOOK_PROGRAM" || ulimit -v 500000
	exec "$TASKHOOK_PROGRAM" "$@"
}
# as Successful, and then a member of the echoed request
echoed() { verify -0 && value | jq -r "$1"; }
bodies() { grep -c -- "$1" "$bodies" || true; }

@test "GET, POST and PUT, with a body and with JSON" {
	server
	template "web.url = $http/echo"
	[ "$(echoed .method)" = GET ]
	template "web.url = $http/echo" 'web.method = POST' 'web.body = a=1&b= 2'
	[ "$(echoed '.method + .type')" = POST ]
	[ "$(bodies '^POST /echo type=- body=a=1&b= 2$')" -eq 1 ]
	template "web.url = $http/echo" 'web.method = PUT' 'web.body = <x/>' 'web.headers.Content-Type = text/xml'
	[ "$(echoed '.method + .type')" = PUTtext/xml ]
	[ "$(bodies '^PUT /echo type=text/xml body=<x/>$')" -eq 1 ]
	# jsonBody decides the type
	template "web.url = $http/echo" 'web.method = POST' 'web.jsonBody = {"a": [1, "x"]}' 'web.headers.content-type = text/xml'
	[ "$(echoed '.method + .type')" = POSTapplication/json ]
	[ "$(bodies '^POST /echo type=application/json body={"a": \[1, "x"\]}$')" -eq 1 ]
	cat >"$t" <<-END
		kind: AnalysisTemplate
		metadata: {name: json}
		spec:
		  args: [{name: who, value: 'O"Neill'}]
		  metrics:
		  - name: m
		    provider:
		      web:
		        url: $http/echo
		        method: PUT
		        jsonBody:
		          who: "{{ args.who }}"
		          list: [1, true, null, 1.5]
	END
	[ "$(echoed .method)" = PUT ]
	[ "$(bodies '^PUT /echo type=application/json body={"who":"O\\"Neill","list":\[1,true,null,1.5\]}$')" -eq 1 ]
	template "web.url = $http/echo" 'web.method = POST'
	[ "$(echoed .method)" = POST ]
	template "web.url = $http/echo" 'web.body = x'
	verify -65
	template "web.url = $http/echo" 'web.method = POST' 'web.jsonBody = {"a": '
	verify -65
	[[ $stderr == *"jsonBody: no JSON"* ]]
	template "web.url = $http/echo" 'web.method = DELETE'
	verify -65
}

@test "a body of 192 KiB is sent as it is" {
	server
	{
		printf 'kind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  args: [{name: big}]\n  metrics:\n  - name: m\n'
		printf '    provider:\n      web: {url: "%s/echo", method: POST, body: "{{args.big}}{{args.big}}{{args.big}}"}\n' "$http"
	} >"$t"
	head -c 65535 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/big"
	verify -0 "--arg-file=big=$BATS_TEST_TMPDIR/big"
	[ "$(tail -n 1 "$bodies" | sed 's/.*body=//' | tr -d '\n' | wc -c)" -eq $((3 * 65535)) ]
}

@test "headers are sent, the last of one name, and an empty one" {
	server
	template "web.url = $http/echo" 'web.headers.X-Token = one' 'web.headers.Accept = text/plain'
	[ "$(echoed '.token + .accept')" = onetext/plain ]
	printf '%s\n' 'kind: AnalysisTemplate' 'metadata: {name: t}' 'spec:' '  metrics:' '  - name: m' '    provider:' \
		"      web: {url: '$http/echo', headers: [{key: X-Token, value: one}, {key: x-token, value: two}, {key: Accept, value: ''}]}" >"$t"
	[ "$(echoed '.token + .accept')" = two ]
	template "web.url = $http/echo" 'web.headers.X Token = one'
	verify -65
}

@test "accepted codes; the status and the headers of an answer are there in conditions" {
	server
	local code
	for code in 400 404 500 503; do
		template "web.url = $http/status/$code"
		verify -2
		[[ $stderr == *"$http/status/$code answered with status $code"* ]]
		template "web.url = $http/status/$code" 'web.acceptStatus = 200-299, 400-503' \
			"successCondition = response.code == $code"
		verify -0
		template "web.url = $http/status/$code" 'web.acceptStatus = 200, 204'
		verify -2
	done
	template "web.url = $http/echo" 'successCondition = response.headers["x-SEEN"] == "yes" and response.headers["Content-Type"] == "application/json"'
	verify -0
	template "web.url = $http/echo" 'successCondition = response.headers["X-None"] == "yes"'
	verify -1
	# not followed: it is wanted
	template "web.url = $http/302" 'web.acceptStatus = 302' 'successCondition = response.code == 302 and response.headers.Location endsWith "/echo"'
	verify -0
	# where codes are listed, 200 has to be one of them
	template "web.url = $http/echo" 'web.acceptStatus = 404'
	verify -2
}

@test "redirects: 307 and 308 keep method and body, others ask with GET" {
	server
	local code method
	for code in 301 302 303 307 308; do
		for method in POST PUT; do
			template "web.url = $http/$code" "web.method = $method" "web.body = $code"
			if [ "$code" -lt 307 ]; then
				[ "$(echoed .method)" = GET ]
			else
				[ "$(echoed .method)" = "$method" ]
				[ "$(bodies "^$method /echo type=- body=$code\$")" -eq 1 ]
			fi
		done
	done
	mkdir "$www/x"
	echo '"there"' >"$www/file"
	template "web.url = $http/chain/10/file" 'successCondition = result == "there"'
	verify -0
	template "web.url = $http/chain/11/file"
	verify -2
	[[ $stderr == *"$http/chain/11/file: more than 10 redirects, the last to $http/file"* ]]
	template "web.url = $http/to-file"
	verify -2
	[[ $stderr == *'"file"'* ]]
}

@test "redirects: another host is told no header of the template, and no password" {
	server
	local auth
	for auth in 'web.headers.Authorization = Bearer abc' 'web.authentication.basicAuth.username = u'; do
		template "web.url = $http/302" 'web.headers.X-Token = s3cret' "$auth" 'web.authentication.basicAuth.password = p'
		[ "${auth%Bearer*}" = "$auth" ] || sed -i /basicAuth/d "$t"
		[ "$(echoed '(.auth | length > 0 | tostring) + .token')" = trues3cret ]
		sed -i s,/302,/foreign/302, "$t"
		[ "$(echoed '.auth + .token')" = "" ]
		sed -i s,/foreign/302,/foreign/307, "$t"
		[ "$(echoed '.auth + .token')" = "" ]
	done
	[ "$(asked 'GET /foreign/307 .*auth=[BD].* token=s3cret')" -eq 2 ]
	[ "$(asked 'GET /echo host=localhost .*auth= token= ')" -eq 4 ]
}

@test "a timeout ends slow, stalling and silent servers, and those that trickle" {
	rude_setup
	local path begun
	for path in stall stall-silent trickle endless-file/none; do
		template "web.url = $rude/$path" 'web.timeoutSeconds = 1'
		begun=$EPOCHREALTIME
		verify -2
		[ $((${EPOCHREALTIME/./} - ${begun/./})) -lt 5000000 ]
		[[ $stderr == *"$rude/$path: "* ]]
		[[ $path == endless* || $stderr == *"no answer within 1s"* ]]
	done
	# one that stalls holds nobody else up
	printf '%s\n' '[metric stalls]' 'consecutiveErrorLimit = 0' "web.url = $rude/stall" 'web.timeoutSeconds = 2' \
		'[metric quick]' 'count = 5' 'interval = 50ms' "exec.command = true" >"$t"
	verify -2
	[ "$(jq '.status.metricResults[1].successful' "$record")" = 5 ]
}

@test "a name server that does not answer holds up neither commands nor the end" {
	[ "$EUID" -eq 0 ] || skip "needs root: a network namespace"
	unshare -mn true 2>/dev/null || skip "no network namespace can be made here"
	command -v perl >/dev/null || skip "perl is not installed"
	printf '%s\n' '[metric name]' 'consecutiveErrorLimit = 0' 'web.url = http://server.example/' 'web.timeoutSeconds = 2' \
		'[metric quick]' 'count = 10' 'interval = 10ms' 'exec.command = true' >"$t"
	echo 'nameserver 127.0.0.1' >"$BATS_TEST_TMPDIR/resolv.conf"
	cat >"$BATS_TEST_TMPDIR/in-namespace" <<-'END'
		ip link set lo up || exit 99
		mount --bind "$1" "$(readlink -f /etc/resolv.conf)" || exit 99
		perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 53, Proto => "udp") or exit 99;
			open my $f, ">", $ARGV[0]; close $f; sleep 60' "$1.ready" &
		server=$!
		for i in $(seq 400); do [ -e "$1.ready" ] && break; sleep 0.05; done
		begun=$(date +%s%N)
		"${@:2}"
		status=$?
		kill "$server"
		echo "$((($(date +%s%N) - begun) / 1000000))" >"$1.msec"
		exit "$status"
	END
	run -2 --separate-stderr unshare -mn bash "$BATS_TEST_TMPDIR/in-namespace" "$BATS_TEST_TMPDIR/resolv.conf" \
		"$TASKHOOK_PROGRAM" verify --output="$record" "$t"
	[[ $stderr == *"http://server.example/: no answer within 2s"* ]]
	[ "$(jq '.status.metricResults[1].successful' "$record")" = 10 ]
	# getaddrinfo would wait for 10 s
	[ "$(cat "$BATS_TEST_TMPDIR/resolv.conf.msec")" -lt 7000 ]
}

@test "answers that are none: each is an error with its reason, in bounded time and memory" {
	rude_setup
	local path
	for path in short two-lengths huge-length odd-length chunked-cut header-bomb garbage empty-reply reset; do
		template "web.url = $rude/$path" 'web.timeoutSeconds = 5'
		run -2 --separate-stderr limited verify "$t"
		[[ $stderr == *"$rude/$path: "* ]] || { echo "$path: $stderr" && false; }
	done
	for path in endless endless-chunked no-length/100000000 chunked/100000000; do
		template "web.url = $rude/$path"
		run -2 --separate-stderr limited verify "$t"
		[[ $stderr == *"$rude/$path: the answer is larger than 4 MiB"* ]]
	done
	template "web.url = $rude/no-length/0" 'successCondition = result == ""'
	verify -0
}

@test "a small answer that becomes a large one is not unpacked to its end" {
	server
	head -c 50M /dev/zero | gzip -9 >"$www/bomb"
	echo '{"a": 1}' | gzip >"$www/small"
	template "web.url = $http/gzip/small" 'web.jsonPath = {.a}' 'successCondition = result == 1'
	verify -0
	template "web.url = $http/gzip/bomb"
	verify -2
	[[ $stderr == *"larger than 4 MiB"* ]]
}

@test "bodies that are no JSON, are empty, hold what JSON has not; integers above 2^53" {
	server
	printf 'plain text' >"$www/plain"
	: >"$www/empty"
	printf '{"a": NaN}' >"$www/nan"
	printf 'null' >"$www/null"
	printf '{"n": 9007199254740993, "u": 18446744073709551616, "x": 1e400}' >"$www/large"
	template "web.url = $http/plain" 'web.jsonPath = {.a}' 'successCondition = result == "plain text"'
	verify -0
	verify -2 --dialect=bcs
	[[ $stderr == *"cannot read the answer as JSON"* ]]
	template "web.url = $http/empty" 'successCondition = result == ""'
	verify -0
	template "web.url = $http/nan" 'web.jsonPath = {.a}' 'successCondition = result > 1'
	verify -2
	template "web.url = $http/null" 'successCondition = isNil(result)'
	verify -0
	printf '{"n": 9007199254740993}' >"$www/large"
	template "web.url = $http/large" 'web.jsonPath = {.n}' 'successCondition = result == 9007199254740992'
	verify -0
	printf '{"x": 1e400}' >"$www/large"
	template "web.url = $http/large" 'web.jsonPath = {.x}' 'successCondition = result > 1'
	run --separate-stderr th verify "$t"
	[ "$status" -eq 2 ] || [ "$status" -eq 0 ]
}

@test "TLS: a certificate that fails is an error that says so; insecure, and SSL_CERT_FILE" {
	server tls
	echo '"tls"' >"$www/file"
	local url
	for url in "$https" "$https_wrong" "$https_self"; do
		template "web.url = $url/file"
		verify -2
		[[ $stderr == *"$url/file: "*certificate* ]]
		template "web.url = $url/file" 'web.insecure = true' 'successCondition = result == "tls"'
		verify -0
	done
	template "web.url = $https/file" 'successCondition = result == "tls"'
	SSL_CERT_FILE=$ca verify -0
	template "web.url = $https_wrong/file"
	SSL_CERT_FILE=$ca verify -2
	[[ $stderr == *"$https_wrong/file: "*name* ]]
	template "web.url = $https_client/file"
	SSL_CERT_FILE=$ca verify -2
	[[ $stderr == *"answered with status 400"* ]]
}

@test "basic authentication and a token in a header" {
	server
	echo '"in"' >"$www/file"
	template "web.url = $http/auth/file" 'successCondition = result == "in"'
	verify -2
	[[ $stderr == *"answered with status 401"* ]]
	template "web.url = $http/auth/file" 'web.authentication.basicAuth.username = user' \
		'web.authentication.basicAuth.password = secret' 'successCondition = result == "in"'
	verify -0
	template "web.url = ${http/\/\////user:secret@}/auth/file" 'successCondition = result == "in"'
	verify -0
	template "web.url = $http/bearer" 'web.headers.Authorization = Bearer {{ args.token }}'
	token=t0k3n-of-the-test verify -0 --arg-env=token=token
	run ! grep -q t0k3n "$record"
	template "web.url = $http/auth/file" 'web.authentication.basicAuth.username = user'
	verify -65
	[[ $stderr == *"needs username, without a colon, and password"* ]]
}

@test "oauth2: a token is got with id and secret, in the header or the body" {
	server
	local way
	for way in oauth oauth-body; do
		cat >"$t" <<-END
			kind: AnalysisTemplate
			metadata: {name: oauth}
			spec:
			  args: [{name: secret}]
			  metrics:
			  - name: m
			    successCondition: result.method == "GET"
			    consecutiveErrorLimit: 0
			    provider:
			      web:
			        url: $http/bearer
			        authentication:
			          oauth2:
			            tokenUrl: $http/$way
			            clientId: id
			            clientSecret: "{{ args.secret }}"
			            scopes: [one, two]
		END
		SECRET=s/cret verify -0 --arg-env=secret=SECRET
		# the server tells what it was sent
		[[ $(value) == *'"auth":"*****"'* || $(value) == *'"auth":"Bearer *****"'* ]]
		run ! grep -q t0k3n "$record"
		[[ $stderr != *t0k3n* ]]
	done
	[ "$(bodies '^POST /oauth type=application/x-www-form-urlencoded body=grant_type=client_credentials&scope=one%20two$')" -eq 1 ]
	[ "$(bodies '^POST /oauth-body .*body=grant_type=client_credentials&scope=one%20two&client_id=id&client_secret=s%2Fcret$')" -eq 1 ]
	SECRET=wrong verify -2 --arg-env=secret=SECRET
	[[ $stderr == *"cannot get a token: $http/oauth-body answered with status 400: who are you?"* ]]
	[[ $stderr != *wrong* ]]
}

# oauth2 TOKEN-PATH PATH LINE...: a metric
oauth2()
{
	printf '%s\n' "[metric m$1$2]" 'consecutiveErrorLimit = 0' "web.url = $http$2" \
		"web.authentication.oauth2.tokenUrl = $http$1" 'web.authentication.oauth2.clientId = id' \
		'web.authentication.oauth2.clientSecret = s/cret' "${@:3}"
}

@test "oauth2: a token is kept for as long as it is good, and for metrics alike" {
	server
	{
		oauth2 /oauth /bearer 'count = 4' 'interval = 20ms' 'web.authentication.oauth2.scopes = a'
		# at a moment when the first one has it
		oauth2 /oauth /bearer 'initialDelay = 300ms' 'web.authentication.oauth2.scopes = a' | sed 's/^\[metric m/&2/'
		oauth2 /oauth /bearer 'count = 2' 'interval = 20ms' 'web.authentication.oauth2.scopes = b' | sed 's/^\[metric m/&3/'
		oauth2 /oauth-body /bearer 'count = 3' 'interval = 20ms'
		oauth2 /oauth-short /bearer 'count = 3' 'interval = 20ms'
	} >"$t"
	verify -0
	[ "$(bodies '^POST /oauth .*scope=a$')" -eq 1 ]
	[ "$(bodies '^POST /oauth .*scope=b$')" -eq 1 ]
	[ "$(bodies '^POST /oauth-body .*client_secret')" -eq 1 ]
	# shorter than the time that a request may take
	[ "$(bodies '^POST /oauth-short')" -eq 3 ]
	[ "$(bodies '^GET /bearer')" -eq 13 ]
	run ! grep -q t0k3n "$record"
}

@test "oauth2: one that was revoked is got anew, once for a measurement" {
	server
	oauth2 /oauth-now /bearer-now 'count = 100000' 'interval = 20ms' >"$t"
	"$TASKHOOK_PROGRAM" verify --output="$record" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	measured() { [ "$(status .metricResults[0].count 2>/dev/null || echo 0)" -ge "$1" ]; }
	wait_for measured 3
	[ "$(bodies '^POST /oauth-now')" -eq 1 ]
	touch "$www/revoked"
	again() { [ "$(bodies '^POST /oauth-now')" -gt 1 ]; }
	wait_for again
	wait_for measured "$(($(status .metricResults[0].count) + 3))"
	kill -TERM "$pid"
	wait "$pid"
	[ "$(bodies '^POST /oauth-now')" -eq 2 ]
	[ "$(grep -c ' 401 ' "$BATS_TEST_TMPDIR/nginx/now")" -eq 1 ]
	[ "$(status .metricResults[0].error)" = null ]
	run ! grep -q t0k3n "$record" "$BATS_TEST_TMPDIR/err"

	# a new one that is refused is an answer
	rm "$www/revoked"
	oauth2 /oauth /bearer-now 'count = 2' 'interval = 20ms' | sed '/^consecutive/d' >"$t"
	echo 'errorInterval = 20ms' >>"$t"
	local before
	before=$(bodies '^POST /oauth ')
	sed -i '1s/.*/&\nconsecutiveErrorLimit = 2/' "$t"
	verify -2
	[[ $stderr == *"answered with status 401"* ]]
	[ "$(bodies '^POST /oauth ')" -eq $((before + 3)) ]
}

@test "oauth2: what is no token, and what is missing" {
	server
	oauth() { template "web.url = $http/bearer" "web.authentication.oauth2.tokenUrl = $1" 'web.authentication.oauth2.clientId = id' 'web.authentication.oauth2.clientSecret = x' 'web.timeoutSeconds = 1'; }
	oauth "$http/oauth-other"
	verify -2
	[[ $stderr == *"cannot get a token: $http/oauth-other gives a token whose token_type is not Bearer"* ]]
	oauth "$http/oauth-html"
	verify -2
	[[ $stderr == *"$http/oauth-html answered without an access_token"* ]]
	oauth "$http/302"
	verify -2
	[[ $stderr == *"answered with status 302"* ]]
	rude_setup
	oauth "$rude/stall"
	verify -2
	[[ $stderr == *"cannot get a token: $rude/stall: no answer within 1s"* ]]
	template "web.url = $http/bearer" "web.authentication.oauth2.tokenUrl = $http/oauth"
	verify -65
	[[ $stderr == *"authentication.oauth2 needs tokenUrl, clientId and clientSecret"* ]]
	oauth "$http/oauth"
	echo 'web.authentication.basicAuth.username = u' >>"$t"
	verify -65
	[[ $stderr == *"more than one of basicAuth, oauth2 and sigv4"* ]]
}

@test "what is no JSON: the path is not looked at, which is told, without a part of a secret" {
	server
	echo 's3cret-token and more' >"$www/text"
	printf '%s\n' '[arg token]' 'env = TOKEN' '[metric m]' 'consecutiveErrorLimit = 0' "web.url = $http/text" \
		'web.jsonPath = {$.age}' 'web.headers.X = {{ args.token }}' 'successCondition = asInt(result) < 30' >"$t"
	TOKEN=s3cret-token verify -2
	[[ $stderr == *"'***** and more"*"is no integer (jsonPath was not looked at: not JSON: line 1, column "* ]]
	[[ $stderr != *s3cret* ]]
	TOKEN=s3cret-token verify -2 --dialect=bcs
	[[ $stderr == *"cannot read the answer as JSON: not JSON: line 1"* ]]
	[[ $stderr != *s3cret* ]]
	run ! grep -q s3cret "$record"
	# a condition of the whole is as it was
	sed -i -e '/jsonPath/d' -e 's/^successCondition.*/successCondition = result == "x"/' "$t"
	TOKEN=s3cret-token verify -1
	[[ $stderr != *jsonPath* ]]
}

@test "a secret is told nowhere, in whatever form it comes back" {
	server
	local secret='p"a\ss/w&rd '\''x'
	cat >"$t" <<-END
		kind: AnalysisTemplate
		metadata: {name: secret}
		spec:
		  args: [{name: s}]
		  metrics:
		  - name: body
		    consecutiveErrorLimit: 0
		    failureLimit: -1
		    successCondition: result.token == "{{ args.s }}" and result.method == "X" and args.s == "1"
		    provider:
		      web: {url: "$http/echo?t={{ args.s | url }}", headers: [{key: X-Token, value: "{{ args.s }}"}]}
	END
	S=$secret verify -2 --arg-env=s=S --json
	local form
	for form in "$secret" 'a\\ss' 'ss/w' 'p%22a' 'w%26rd' 'p\"a'; do
		[[ $stderr$output != *"$form"* ]] || { echo "$form: $stderr$output" && false; }
		run ! grep -qF -- "$form" "$record"
	done
	# what is cut shows no beginning
	printf '"%s"' "$(printf 'x%.0s' {1..4090})0123456789abcdef" >"$www/long"
	template "web.url = $http/long" 'successCondition = result == "{{ args.s }}"'
	S=0123456789abcdef verify -1 --arg-env=s=S
	run ! grep -q 0123 "$record"
	[[ $stderr != *0123* ]]
	# errors have the URL
	template "web.url = $http/status/404?t={{ args.s | url }}"
	S='a b/c' verify -2 --arg-env=s=S
	[[ $stderr == *"/status/404?t=***** answered"* ]]
	template "web.url = ${http/\/\////user:hunter22@}/status/404"
	verify -2
	[[ $stderr != *hunter22* ]]
}

@test "no secret is in the arguments of a process" {
	rude_setup
	echo s3cret-of-mine >"$BATS_TEST_TMPDIR/secret"
	template "web.url = $rude/stall-silent" 'web.timeoutSeconds = 60' 'web.headers.Authorization = Bearer {{ args.s }}' \
		'web.authentication.oauth2.tokenUrl = '"$rude/stall-silent" 'web.authentication.oauth2.clientId = i' \
		'web.authentication.oauth2.clientSecret = {{ args.s }}'
	"$TASKHOOK_PROGRAM" verify "--arg-file=s=$BATS_TEST_TMPDIR/secret" "$t" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$!
	pids+=("$pid")
	is_asked() { [ "$(rude_asked 'POST /stall-silent')" -ge 1 ]; }
	wait_for is_asked
	run -0 grep -qa taskhook-verify "/proc/$pid/cmdline"
	run ! marked_runs s3cret-of-mine
	kill -TERM "$pid"
	wait "$pid" || true

	template 'exec.command = curl -u {{ args.s }} http://127.0.0.1/'
	run -65 --separate-stderr th verify "--arg-file=s=$BATS_TEST_TMPDIR/secret" "$t"
	[[ $stderr == *"command: every user sees it in /proc"* ]]
	run -65 th verify --lint "--arg-file=s=$BATS_TEST_TMPDIR/secret" "$t"
}

@test "sigv4: the signature is the one that AWS computes" {
	server
	export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
	template "web.url = $http/echo?a=1&b=%2F" 'web.authentication.sigv4.region = eu-west-1'
	[[ $(echoed .auth) == 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/'*/eu-west-1/execute-api/aws4_request,* ]]
	local line date signed signature
	line=$(grep 'GET /echo' "$requests" | tail -n 1)
	date=${line##*amz=}
	[[ $date =~ ^[0-9]{8}T[0-9]{6}Z$ ]]
	signed=${line##*SignedHeaders=}
	signed=${signed%%,*}
	[ "$signed" = "host;x-amz-date" ]
	signature=${line##*Signature=}
	hmac() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" | sed 's/.* //'; }
	sha() { openssl dgst -sha256 | sed 's/.* //'; }
	local key canonical empty
	empty=$(printf '' | sha)
	canonical=$(printf 'GET\n/echo\na=1&b=%%2F\nhost:%s\nx-amz-date:%s\n\nhost;x-amz-date\n%s' "${http#http://}" "$date" "$empty" | sha)
	key=$(printf AWS4%s "$AWS_SECRET_ACCESS_KEY" | od -An -tx1 | tr -d ' \n')
	key=$(printf %s "${date%T*}" | hmac "$key")
	key=$(printf eu-west-1 | hmac "$key")
	key=$(printf execute-api | hmac "$key")
	key=$(printf aws4_request | hmac "$key")
	[ "$(printf 'AWS4-HMAC-SHA256\n%s\n%s/eu-west-1/execute-api/aws4_request\n%s' "$date" "${date%T*}" "$canonical" | hmac "$key")" = \
		"${signature%% *}" ]
	run ! grep -q wJalr "$record"
}

@test "sigv4: keys from a profile, and what is missing" {
	server
	template "web.url = $http/echo" 'web.authentication.sigv4.region = eu-west-1'
	HOME=$BATS_TEST_TMPDIR verify -2
	[[ $stderr == *"authentication.sigv4: no keys of AWS: "*"$BATS_TEST_TMPDIR/.aws/credentials"* ]]
	mkdir "$BATS_TEST_TMPDIR/.aws"
	printf '%s\n' '[default]' 'aws_access_key_id = AKDEFAULT' 'aws_secret_access_key = one' \
		'[other]' 'aws_access_key_id = AKOTHER' 'aws_secret_access_key = two' 'aws_session_token = three' \
		'[half]' 'aws_access_key_id = AKHALF' >"$BATS_TEST_TMPDIR/.aws/credentials"
	[[ $(HOME=$BATS_TEST_TMPDIR echoed .auth) == *Credential=AKDEFAULT/* ]]
	[[ $(HOME=$BATS_TEST_TMPDIR AWS_PROFILE=other echoed .auth) == *Credential=AKOTHER/*x-amz-security-token* ]]
	echo 'web.authentication.sigv4.profile = half' >>"$t"
	AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b HOME=$BATS_TEST_TMPDIR verify -2
	[[ $stderr == *"the profile 'half' has no aws_access_key_id and aws_secret_access_key"* ]]
	template "web.url = $http/echo" 'web.authentication.sigv4.profile = x'
	verify -65
	[[ $stderr == *"needs region"* ]]
	template "web.url = $http/echo" 'web.authentication.sigv4.roleArn = x' 'web.authentication.sigv4.region = r'
	verify -65
	[[ $stderr == *"roleArn is not supported"* ]]
}

@test "a proxy of the environment is asked, but not for this host" {
	server
	echo '"direct"' >"$www/file"
	template "web.url = $http/file" 'successCondition = result == "direct"'
	http_proxy=http://127.0.0.1:1/ verify -0
	template 'web.url = http://server.example/file'
	http_proxy=$http verify -0
	[ "$(asked 'GET /file host=server.example|GET http://server.example/file')" -eq 1 ]
	http_proxy=$http no_proxy=server.example verify -2
}
