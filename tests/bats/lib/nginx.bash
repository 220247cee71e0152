# shellcheck disable=SC2034,SC2154 # used by the tests that load it; set by lib/tasks.bash
# A web server of the test's own, on loopback: nginx for what proper servers do, helpers/rude-server for
# what they do not. Needs lib/tasks.bash. Both end with nginx_teardown, by their pid.
# shellcheck shell=bash

# nginx_setup [tls]: serves $www at $http, and at $https with a certificate of $ca. What it was asked
# for is in $requests, one line each; see log_format below.
#
#     /NAME               a file, with ETag and ranges
#     /plain/NAME         without ETag, Last-Modified and ranges
#     /auth/NAME          for user:secret only
#     /token/NAME         with the header X-Token: s3cret only
#     /slow/NAME          64 KB a second
#     /status/N           that status
#     /busy               503 with Retry-After: 1
#     /chain/N/NAME       N redirects, up to 12, then the file
#     /loop  /to-file  /to-ftp  /to-scp  /to-long  /to-http (of TLS)
#     /cross/NAME         to /NAME of another host name
# Locations of a test's own stand in $BATS_TEST_TMPDIR/nginx/more before.
# $https_wrong has a certificate for another name, $https_client wants one of the client
# ($certs/client.pem, client.key), $https_self is signed by itself.
nginx_setup()
{
	command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || skip "nginx is not installed"
	# those of the machine are not for servers on loopback
	unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
	nginx_dir=$BATS_TEST_TMPDIR/nginx
	www=$nginx_dir/www
	requests=$nginx_dir/requests
	certs=$nginx_dir/certs
	mkdir -p "$www" "$nginx_dir/tmp" "$certs"
	chmod 755 "$nginx_dir" "$www"
	# shellcheck disable=SC2016 # the hash of "secret"
	printf 'user:{PLAIN}secret\n' >"$nginx_dir/passwords"
	[ "${1-}" != tls ] || make_certificates

	local try base
	for try in {1..20}; do
		base=$((10240 + (RANDOM * 32768 + RANDOM) % 22000))
		nginx_conf "$base" "${1-}" >"$nginx_dir/conf"
		PATH=$PATH:/usr/sbin nginx -p "$nginx_dir" -e "$nginx_dir/error" -c "$nginx_dir/conf" \
			>"$nginx_dir/out" 2>&1 </dev/null 3>&- &
		nginx_pid=$!
		pids+=("$nginx_pid")
		wait_for nginx_answers_or_is_gone
		if kill -0 "$nginx_pid" 2>/dev/null && grep -qx "$nginx_pid" "$nginx_dir/pid" 2>/dev/null; then
			http=http://127.0.0.1:$base
			http_name=http://localhost:$base
			https=https://localhost:$((base + 1))
			https_wrong=https://localhost:$((base + 2))
			https_client=https://localhost:$((base + 3))
			https_self=https://localhost:$((base + 4))
			http_port=$base
			return 0
		fi
		wait "$nginx_pid" || true
		grep -q 'Address already in use' "$nginx_dir/error" || break
		: >"$nginx_dir/error"
	done
	cat "$nginx_dir/out" "$nginx_dir/error" >&2
	return 1
}

# It writes the file once it listens.
nginx_answers_or_is_gone() { [ -s "$nginx_dir/pid" ] || ! kill -0 "$nginx_pid" 2>/dev/null; }

nginx_stop()
{
	kill -TERM "$nginx_pid"
	wait "$nginx_pid" || true
}

nginx_teardown()
{
	[ -z "${nginx_pid-}" ] || nginx_stop 2>/dev/null || true
	[ -z "${rude_pid-}" ] || kill -TERM "$rude_pid" 2>/dev/null || true
}

make_certificates()
{
	local name
	command -v openssl >/dev/null || skip "openssl is not installed"
	(
		cd "$certs" || exit 1
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=taskhook-test-ca \
			-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
			-keyout ca.key -out ca.pem
		for name in localhost wrong.example client; do
			openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
				-keyout "$name.key" -out "$name.csr"
			printf 'subjectAltName=DNS:%s\n' "$name" >"$name.ext"
			openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
				-extfile "$name.ext" -out "$name.pem"
		done
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
			-addext subjectAltName=DNS:localhost -keyout self.key -out self.pem
	) >"$nginx_dir/openssl" 2>&1 || {
		cat "$nginx_dir/openssl" >&2
		return 1
	}
	ca=$certs/ca.pem
}

# nginx_conf PORT [tls]
nginx_conf()
{
	local i
	cat <<-CONF
		daemon off;
		master_process off;
		pid $nginx_dir/pid;
		error_log $nginx_dir/error notice;
		events { worker_connections 512; }
		http {
			log_format all escape=none '\$status \$request_method \$request_uri host=\$host range=\$http_range if-none-match=\$http_if_none_match if-modified-since=\$http_if_modified_since if-range=\$http_if_range auth=\$http_authorization token=\$http_x_token agent=\$http_user_agent client=\$ssl_client_verify amz=\$http_x_amz_date';
			log_format bodies escape=none '\$request_method \$request_uri type=\$type_or_none body=\$request_body';
			map \$content_type \$type_or_none { default \$content_type; '' -; }
			access_log $requests all;
			client_body_temp_path $nginx_dir/tmp/body;
			proxy_temp_path $nginx_dir/tmp/proxy;
			fastcgi_temp_path $nginx_dir/tmp/fastcgi;
			uwsgi_temp_path $nginx_dir/tmp/uwsgi;
			scgi_temp_path $nginx_dir/tmp/scgi;
			default_type application/octet-stream;
			root $www;
			server {
				listen 127.0.0.1:$1;
				location /plain/ { alias $www/; max_ranges 0; etag off; if_modified_since off; add_header Last-Modified ""; }
				location /auth/ { alias $www/; auth_basic "the test"; auth_basic_user_file $nginx_dir/passwords; }
				location /token/ { if (\$http_x_token != s3cret) { return 403; } alias $www/; }
				location /slow/ { alias $www/; limit_rate 64k; }
				location /busy { add_header Retry-After 1 always; return 503; }
				location /loop { return 302 /loop; }
				location /to-file { return 302 file:///etc/hostname; }
				location /to-ftp { return 302 ftp://127.0.0.1/x; }
				location /to-scp { return 302 scp://127.0.0.1/x; }
				location ~ ^/cross/(.*)$ { return 302 http://localhost:$1/\$1; }
				location ~ ^/status/([0-9]+)$ { set \$wanted \$1; include $nginx_dir/statuses; }
				include $nginx_dir/chain;
				include $nginx_dir/more*;
			}
	CONF
	for i in 400 401 403 404 410 500 502 503; do
		# shellcheck disable=SC2016 # nginx's variable
		printf 'if ($wanted = %s) { return %s; }\n' "$i" "$i"
	done >"$nginx_dir/statuses"
	for i in {1..12}; do
		# shellcheck disable=SC2016
		printf 'location ~ ^/chain/%s/(.*)$ { return 302 %s; }\n' "$i" "$([ "$i" -eq 1 ] && echo '/$1' || echo "/chain/$((i - 1))/"'$1')"
	done >"$nginx_dir/chain"
	[ "${2-}" != tls ] || cat <<-CONF
			server {
				listen 127.0.0.1:$(($1 + 1)) ssl;
				ssl_certificate $certs/localhost.pem;
				ssl_certificate_key $certs/localhost.key;
				location /to-http { return 302 http://127.0.0.1:$1/file; }
				location /auth/ { alias $www/; auth_basic "the test"; auth_basic_user_file $nginx_dir/passwords; }
			}
			server {
				listen 127.0.0.1:$(($1 + 2)) ssl;
				ssl_certificate $certs/wrong.example.pem;
				ssl_certificate_key $certs/wrong.example.key;
			}
			server {
				listen 127.0.0.1:$(($1 + 3)) ssl;
				ssl_certificate $certs/localhost.pem;
				ssl_certificate_key $certs/localhost.key;
				ssl_client_certificate $certs/ca.pem;
				ssl_verify_client on;
			}
			server {
				listen 127.0.0.1:$(($1 + 4)) ssl;
				ssl_certificate $certs/self.pem;
				ssl_certificate_key $certs/self.key;
			}
	CONF
	echo '}'
}

# asked PATTERN: how many requests so far hold it
asked() { grep -cE -- "$1" "$requests" || true; }

# rude_setup [ftp]: helpers/rude-server, whose files are in $rude_dir, at $rude (http://... or 127.0.0.1:PORT);
# requests in $rude_dir/requests
rude_setup()
{
	unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
	rude_dir=$BATS_TEST_TMPDIR/rude
	mkdir "$rude_dir"
	"$TASKHOOK_HELPERS_DIR/rude-server" "$rude_dir" "$@" >"$rude_dir/out" 2>&1 </dev/null 3>&- &
	rude_pid=$!
	pids+=("$rude_pid")
	wait_for test -s "$rude_dir/port"
	rude=http://127.0.0.1:$(cat "$rude_dir/port")
	[ $# -eq 0 ] || rude=${rude#http://}
}

rude_asked() { grep -cE -- "$1" "$rude_dir/requests" || true; }
