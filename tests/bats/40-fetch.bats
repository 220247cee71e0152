#!/usr/bin/env bats
# taskhook fetch: sources, checksums, modes, limits, retries. A real nginx serves, rude-server misbehaves.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/nginx
load lib/fetch

setup() { fetch_setup; }
teardown() { fetch_teardown; }

# ---- where it goes --------------------------------------------------------------------------

@test "a file, into a directory under its name, and as a file" {
	nginx_setup
	echo content >"$www/app.txt"
	run -0 --separate-stderr th fetch "$http/app.txt" "$dest"
	[ "$(cat "$dest/app.txt")" = content ]
	[ "$(ls -A "$dest")" = app.txt ]
	run -0 th fetch --mode=file "$http/app.txt" "$work/one"
	[ "$(cat "$work/one")" = content ]
	run -0 th fetch --mode=dir "$http/app.txt" "$work/dir"
	[ "$(cat "$work/dir/app.txt")" = content ]
	run -0 th fetch "$http/app.txt?filename=other" "$work/named"
	[ "$(cat "$work/named/other")" = content ]
	run -0 th fetch --filename=third "$http/app.txt" "$work/named"
	[ "$(cat "$work/named/third")" = content ]
	# the query is the server's, but for the words that are taskhook's
	run -0 th fetch "$http/app.txt?a=b&filename=x&c=d&archive=false" "$work/q"
	[ -e "$work/q/x" ]
	[ "$(asked 'GET /app.txt\?a=b&c=d ')" -eq 1 ]
	[ "$(asked filename)" -eq 0 ]
	no_staging
}

@test "-q says nothing, --json tells what was fetched" {
	nginx_setup
	echo content >"$www/app.txt"
	run -0 th fetch -q "$http/app.txt" "$dest"
	[ -z "$output" ]
	rm -r "$dest"
	run -0 --separate-stderr th fetch --json "$http/app.txt" "$dest"
	[ "$(jq -r .format <<<"$output")" = 1 ]
	[ "$(jq -r .size <<<"$output")" = 8 ]
	[ "$(jq -r .digest <<<"$output")" = "sha256:$(sha256sum <"$www/app.txt" | cut -d' ' -f1)" ]
}

@test "an existing directory: others' files stay, a file is replaced whole, a reader keeps the old one" {
	nginx_setup
	mkdir -p "$dest/sub"
	echo mine >"$dest/mine"
	echo mine >"$dest/sub/mine"
	head -c 5000 /dev/zero | tr '\0' l >"$dest/app"
	exec 7<"$dest/app"
	mkdir -p "$BATS_TEST_TMPDIR/in/sub"
	echo short >"$BATS_TEST_TMPDIR/in/app"
	echo new >"$BATS_TEST_TMPDIR/in/sub/new"
	tar -C "$BATS_TEST_TMPDIR/in" -czf "$www/a.tgz" .
	run -0 th fetch "$http/a.tgz" "$dest"
	[ "$(cat "$dest/app")" = short ]
	[ "$(wc -c <&7)" -eq 5000 ]
	exec 7<&-
	[ "$(cat "$dest/mine" "$dest/sub/mine")" = $'mine\nmine' ]
	[ "$(cat "$dest/sub/new")" = new ]
	no_staging
	# as a single file too
	head -c 5000 /dev/zero >"$work/one"
	echo short >"$www/short"
	run -0 th fetch --mode=file "$http/short" "$work/one"
	[ "$(cat "$work/one")" = short ]
}

@test "a destination that cannot be: one line, and what is there stays" {
	nginx_setup
	echo content >"$www/file"
	echo mine >"$dest"
	fails '@(65|73)' "$dest" "$http/file" "$dest"
	fails 73 "'$dest' is no directory" "$http/file" "$dest/a/b"
	[ "$(cat "$dest")" = mine ]
	mkdir "$work/dir"
	fails '@(65|73)' "$work/dir" --mode=file "$http/file" "$work/dir"
	# a directory where the archive has a file, and the other way round
	mkdir -p "$work/d/x/y"
	mkarchive tar file x content >"$www/x.tar"
	fails '@(65|73)' "d/x" "$http/x.tar" "$work/d"
	rm -r "$work/d"
	mkdir "$work/d"
	echo mine >"$work/d/x"
	mkarchive tar dir x file x/y content >"$www/y.tar"
	fails '@(65|73)' "d/x" "$http/y.tar" "$work/d"
	[ "$(cat "$work/d/x")" = mine ]
}

@test "what is a link in the destination is not followed" {
	nginx_setup
	mkdir "$work/outside" "$dest"
	ln -s ../outside "$dest/sub"
	echo out >"$work/target"
	ln -s ../target "$dest/file"
	mkarchive tar dir sub file sub/x planted >"$www/a.tar"
	run th fetch "$http/a.tar" "$dest"
	[ -z "$(ls -A "$work/outside")" ]
	mkarchive tar file file planted >"$www/b.tar"
	run th fetch "$http/b.tar" "$dest"
	[ "$(cat "$work/target")" = out ]
	no_staging
}

@test "a destination that others own and cannot be written to" {
	[ "$EUID" -ne 0 ] || skip "root can write everywhere"
	nginx_setup
	echo content >"$www/file"
	mkdir "$work/closed"
	chmod 555 "$work/closed"
	run --separate-stderr th fetch "$http/file" "$work/closed/dest"
	[ "$status" -eq 77 ] || [ "$status" -eq 73 ]
	[[ $stderr == *"closed"* ]]
	[ -z "$(ls -A "$work/closed")" ]
}

@test "ownership: root's, or whose --chown says, after the fetcher is gone" {
	needs_root "only root can give files away"
	nginx_setup
	make_tree "$BATS_TEST_TMPDIR/in"
	tar -C "$BATS_TEST_TMPDIR/in" --owner=4711 --group=4711 -czf "$www/a.tgz" .
	run -0 th fetch "$http/a.tgz" "$dest"
	[ -z "$(find "$dest" ! -user root -o ! -group root)" ]
	run -0 th fetch --chown=daemon:bin "$http/a.tgz" "$work/given"
	[ -z "$(find "$work/given" ! -user daemon -o ! -group bin)" ]
	# a link is given away itself, never what it points to
	mkarchive tar file a x link l a link d nothere >"$www/l.tar"
	run -0 th fetch --chown=daemon "$http/l.tar" "$work/links"
	[ "$(stat -c %U "$work/links/l")" = daemon ]
	fails '@(64|78)' no-such-user --chown=no-such-user "$http/a.tgz" "$work/x"
}

# ---- archives -------------------------------------------------------------------------------

@test "archives of every kind, told by their content" {
	command -v bsdtar >/dev/null || skip "bsdtar is not installed"
	nginx_setup
	make_tree "$BATS_TEST_TMPDIR/in"
	cd "$BATS_TEST_TMPDIR/in"
	for kind in gzip bzip2 xz zstd lz4 lzma lzip compress; do
		bsdtar --"$kind" -cf "$www/a-$kind" . || skip "bsdtar has no $kind"
	done
	bsdtar -cf "$www/a-tar" .
	bsdtar --format=pax -czf "$www/a-pax" .
	bsdtar --format=gnutar -cf "$www/a-gnu" .
	bsdtar --format=newc -cf "$www/a-cpio" .
	bsdtar --format=newc -czf "$www/a-cpiogz" .
	for kind in gzip bzip2 xz zstd lz4 lzma lzip compress tar pax gnu cpio cpiogz; do
		run -0 th fetch "$http/a-$kind" "$work/$kind"
		same_tree "$BATS_TEST_TMPDIR/in" "$work/$kind"
		[ "$(stat -c %Y "$work/$kind/etc/app.conf")" = "$(stat -c %Y etc/app.conf)" ]
		[ "$(stat -c %Y "$work/$kind/empty")" = "$(stat -c %Y empty)" ]
		[ "$(stat -c %i "$work/$kind/bin/tool")" = "$(stat -c %i "$work/$kind/bin/hard")" ]
		rm -r "${work:?}/$kind"
	done
	# these know no hard links
	rm bin/hard
	bsdtar --format=zip -cf "$www/a-zip" .
	bsdtar --format=7zip -cf "$www/a-7z" .
	for kind in zip 7z; do
		run -0 th fetch "$http/a-$kind" "$work/$kind"
		diff -r --no-dereference . "$work/$kind"
		[ -x "$work/$kind/bin/tool" ]
		[ "$(readlink "$work/$kind/bin/alias")" = tool ]
	done
	no_staging
}

@test "single compressed files, in every mode" {
	nginx_setup
	seq 1000 >"$BATS_TEST_TMPDIR/in"
	gzip -c "$BATS_TEST_TMPDIR/in" >"$www/list.txt.gz"
	bzip2 -c "$BATS_TEST_TMPDIR/in" >"$www/list.txt.bz2"
	xz -c "$BATS_TEST_TMPDIR/in" >"$www/list.txt.xz"
	zstd -qc "$BATS_TEST_TMPDIR/in" >"$www/list.txt.zst"
	for kind in gz bz2 xz zst; do
		run -0 th fetch "$http/list.txt.$kind" "$work/any-$kind"
		diff "$BATS_TEST_TMPDIR/in" "$work/any-$kind/list.txt"
		run -0 th fetch --mode=dir "$http/list.txt.$kind" "$work/dir-$kind"
		diff "$BATS_TEST_TMPDIR/in" "$work/dir-$kind/list.txt"
		run -0 th fetch --mode=file "$http/list.txt.$kind" "$work/file-$kind"
		diff "$BATS_TEST_TMPDIR/in" "$work/file-$kind"
		[ "$(stat -c %a "$work/file-$kind")" = 644 ]
	done
	run -0 th fetch --extract=no "$http/list.txt.gz" "$work/kept"
	cmp "$www/list.txt.gz" "$work/kept/list.txt.gz"
}

@test "extract and archive=: unpacked or not, as they say" {
	nginx_setup
	mkarchive tar file a 1 >"$www/a.tar"
	echo "no archive" >"$www/b.tar.gz"
	run -0 th fetch --extract=no "$http/a.tar" "$work/no"
	cmp "$www/a.tar" "$work/no/a.tar"
	run -0 th fetch "$http/a.tar?archive=false" "$work/false"
	cmp "$www/a.tar" "$work/false/a.tar"
	run -0 th fetch "$http/b.tar.gz" "$work/plain"
	[ "$(cat "$work/plain/b.tar.gz")" = "no archive" ]
	fails 65 tar --extract=tar "$http/b.tar.gz" "$work/x"
	fails 65 zip "$http/a.tar?archive=zip" "$work/x"
	run -0 th fetch --mode=file --extract=no "$http/a.tar" "$work/a.tar"
	cmp "$www/a.tar" "$work/a.tar"
	fails '@(64|78)' extract --extract=nonsense "$http/a.tar" "$work/x"
	# one file is what mode=file needs
	mkarchive tar file a 1 file b 2 >"$www/two.tar"
	fails 65 two.tar --mode=file "$http/two.tar" "$work/x"
}

@test "modes and times are kept, setuid bits are not" {
	nginx_setup
	mkarchive tar mtime 1234567890 mode 0700 dir d mode 4755 file suid x mode 2755 file sgid x mode 1777 dir t mode 0400 file d/r x >"$www/a.tar"
	run -0 th fetch "$http/a.tar" "$dest"
	[ "$(stat -c %a "$dest/suid")" = 755 ]
	[ "$(stat -c %a "$dest/sgid")" = 755 ]
	[ "$(stat -c %a "$dest/d")" = 700 ]
	[ "$(stat -c %a "$dest/d/r")" = 400 ]
	[ "$(stat -c %Y "$dest/suid" "$dest/d" "$dest/d/r" | sort -u)" = 1234567890 ]
	[ -z "$(find "$dest" -perm /7000 ! -type d)" ]
}

@test "//subdir, also as a pattern that matches once" {
	nginx_setup
	mkarchive tar dir app-1.2 dir app-1.2/sub file app-1.2/sub/f inner file app-1.2/g outer dir doc file doc/x x >"$www/a.tar"
	run -0 th fetch "$http/a.tar//app-1.2" "$work/a"
	[ "$(cat "$work/a/sub/f" "$work/a/g")" = $'inner\nouter' ]
	[ "$(find "$work/a" -type f | wc -l)" -eq 2 ]
	run -0 th fetch "$http/a.tar//app-*/sub" "$work/b"
	[ "$(ls -A "$work/b")" = f ]
	run -0 th fetch "$http/a.tar//app-1.2/sub/f?mark=1" "$work/c"
	[ "$(cat "$work/c/f")" = inner ]
	[ "$(asked 'GET /a.tar\?mark=1 ')" -eq 1 ]
	fails 65 'nowhere' "$http/a.tar//nowhere" "$work/x"
	fails 65 '*' "$http/a.tar//*" "$work/x"
	fails 64 '..' "$http/a.tar//../x" "$work/x"
	# it is no subdirectory behind the question mark
	run -0 th fetch "$http/a.tar?u=http://x//y" "$work/d"
	[ -d "$work/d/doc" ]
}

# ---- checksums ------------------------------------------------------------------------------

@test "checksums of every kind, on the archive as it is" {
	nginx_setup
	mkarchive tar file a content | gzip -n >"$www/a.tgz"
	for kind in sha256 sha512; do
		sum=$(${kind}sum <"$www/a.tgz" | cut -d' ' -f1)
		run -0 --separate-stderr th fetch -q "--checksum=$kind:$sum" "$http/a.tgz" "$work/$kind"
		[ -z "$stderr" ]
		[ "$(cat "$work/$kind/a")" = content ]
		run -0 th fetch "--checksum=$sum" "$http/a.tgz" "$work/$kind-bare"
		run -0 th fetch "$http/a.tgz?checksum=$kind:${sum^^}" "$work/$kind-upper"
		[ "$(cat "$work/$kind-upper/a")" = content ]
	done
	[ "$(asked checksum)" -eq 0 ]
	for kind in sha1 md5; do
		sum=$(${kind}sum <"$www/a.tgz" | cut -d' ' -f1)
		run -0 --separate-stderr th fetch "--checksum=$kind:$sum" "$http/a.tgz" "$work/$kind"
		[[ $stderr == *$kind* ]]
		[ "$(cat "$work/$kind/a")" = content ]
	done
}

@test "a wrong checksum: 65, both sums, asked once, nothing left, what was there stays" {
	nginx_setup
	echo content >"$www/file"
	sum=$(sha256sum <"$www/file" | cut -d' ' -f1)
	wrong=$(printf '%064d' 7)
	fails 65 "$sum" "--checksum=sha256:$wrong" "$http/file" "$dest"
	[[ $stderr == *"$wrong"* ]]
	[ "$(asked 'GET /file')" -eq 1 ]
	mkdir "$dest"
	echo old >"$dest/file"
	fails 65 "$sum" "--checksum=sha256:$wrong" "$http/file" "$dest"
	[ "$(cat "$dest/file")" = old ]
	mkarchive tar file file new >"$www/a.tar"
	fails 65 '@(checksum|sha256)' "--checksum=sha256:$wrong" "$http/a.tar" "$dest"
	for bad in sha256:123 sha256:xyz 123 "sha3:$wrong" "sha256:${wrong}0" "sha512:$wrong" 'sha256:' ''; do
		fails 64 checksum "--checksum=$bad" "$http/file" "$dest"
	done
}

@test "checksum files, in GNU and BSD form" {
	nginx_setup
	echo content >"$www/file"
	echo other >"$www/other"
	(cd "$www" && sha256sum other file >gnu && sha512sum -b file >gnu-binary && sha256sum --tag other file >bsd &&
		sha256sum ./file >dotted && cut -d' ' -f1 <dotted >bare && sha256sum other >without &&
		printf '# a comment\n\n%s\r\n' "$(sha256sum file)" >crlf && { sha256sum other | sed 's/other/file/'; } >wrong && seq 5 >junk)
	for list in gnu gnu-binary bsd dotted crlf; do
		run -0 th fetch "--checksum=file:$http/$list" "$http/file" "$work/$list"
		[ "$(cat "$work/$list/file")" = content ]
	done
	run -0 th fetch "$http/file?checksum=file:$http/gnu" "$work/query"
	run -0 th fetch "--checksum=file:file://$www/gnu" "$http/file" "$work/local"
	fails 65 '@(checksum|sha256)' "--checksum=file:$http/wrong" "$http/file" "$dest"
	fails 65 file "--checksum=file:$http/without" "$http/file" "$dest"
	fails 65 checksum "--checksum=file:$http/junk" "$http/file" "$dest"
	fails 69 404 "--checksum=file:$http/not-there" "$http/file" "$dest"
}

# ---- who may ask ----------------------------------------------------------------------------

@test "headers, and a final answer is not retried" {
	nginx_setup
	echo content >"$www/file"
	fails 69 403 "$http/token/file" "$dest"
	[ "$(asked 'GET /token/file')" -eq 1 ]
	run -0 --separate-stderr th fetch '--header=X-Token: s3cret' "$http/token/file" "$dest"
	no_secrets
	[ "$(cat "$dest/file")" = content ]
	printf 'X-Other: 1\nX-Token: s3cret\n' >"$root/headers"
	run -0 th fetch "--header=@$root/headers" "$http/token/file" "$work/again"
	fails 69 404 "$http/nothing" "$work/x"
	fails 69 410 "$http/status/410" "$work/x"
	[ "$(asked 'GET /nothing')" -eq 1 ]
	[ "$(asked 'GET /status/410')" -eq 1 ]
	[ "$(asked 'agent=taskhook')" -ge 1 ]
	for bad in X-Token ': x' $'X-A: b\nX-Token: s3cret' 'X Y: z'; do
		fails 64 header "--header=$bad" "$http/file" "$work/x"
	done
	fails '@(64|78)' no-such-file "--header=@$root/no-such-file" "$http/file" "$work/x"
}

@test "basic auth: in the URL, by netrc; no password is said" {
	nginx_setup
	echo content >"$www/file"
	fails 69 401 "$http/auth/file" "$dest"
	[ "$(asked 'GET /auth/file')" -eq 1 ]
	fails 69 401 "${http/\/\////user:wrong-s3cret@}/auth/file" "$dest"
	[[ $stderr == *"127.0.0.1"* ]]
	run -0 --separate-stderr th -v fetch "${http/\/\////user:secret@}/auth/file" "$dest"
	no_secrets
	printf 'machine 127.0.0.1\nlogin user\npassword secret\n' >"$root/netrc"
	chmod 600 "$root/netrc"
	run -0 --separate-stderr th -v fetch "--netrc-file=$root/netrc" "$http/auth/file" "$work/netrc"
	no_secrets
	# the caller's own
	cp "$root/netrc" "$root/.netrc"
	HOME=$root run -0 th fetch "$http/auth/file" "$work/home"
	[ "$(cat "$dest/file" "$work/netrc/file" | sort -u)" = content ]
}

@test "secrets in a query are not said" {
	nginx_setup
	fails 69 404 "$http/nothing?token=s3cret&X-Amz-Signature=s3cret&sig=s3cret" "$dest"
	echo content >"$www/file"
	fails 65 '@(checksum|sha256)' --checksum=sha256:"$(printf '%064d' 1)" "${http/\/\////user:secret@}/file?password=s3cret" "$dest"
}

# a file of what process $1 holds open is not empty
# What an ordinary user's helper has open is not for that user to see once it has shut itself in.
came() { if [ ! -r "/proc/$1/fd" ]; then grep -q '^NoNewPrivs:.1' "/proc/$1/status"; return; fi; find -L "/proc/$1/fd" -type f -size +0 2>/dev/null | grep -q . || find -L "/proc/$1/cwd/" -type f -size +0 2>/dev/null | grep -q .; }

@test "the helper: no secret in its arguments and environment, few rights, not root" {
	nginx_setup
	head -c 2000000 /dev/urandom >"$www/file"
	start_fetch '--header=X-Token: s3cret' "${http/\/\////user:s3cret@}/slow/file" "$dest"
	local fetch=$started helper
	wait_for helper_of "$fetch"
	helper=$(helper_of "$fetch")
	# it has its job, once something has come
	wait_for came "$helper"
	[ "$(tr '\0' ' ' <"/proc/$helper/cmdline")" = "taskhook-fetch " ]
	! tr '\0' '\n' <"/proc/$helper/environ" | grep -a s3cret || return 1
	[ "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$helper/status")" = 1 ]
	if [ "$EUID" -eq 0 ]; then
		[ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$helper/status")" -ne 0 ]
		[ "$(sed -n 's/^Gid:\t\([0-9]*\).*/\1/p' "/proc/$helper/status")" -ne 0 ]
		[ "$(sed -n 's/^CapEff:\t//p' "/proc/$helper/status")" = 0000000000000000 ]
		! grep -E '^Groups:.*\b0\b' "/proc/$helper/status" || return 1
	fi
	# asked to end, it leaves nothing
	kill -TERM "$fetch"
	wait "$fetch" && return 1
	[ ! -e "/proc/$helper" ]
	[ ! -e "$dest" ]
	no_staging
	! grep s3cret "$root/out" || return 1
}

@test "the helper started by hand says what it is" {
	run -64 "$TASKHOOK_BUILDDIR/taskhook-fetch"
	[[ $output == *"taskhook fetch"* ]]
	run -0 "$TASKHOOK_BUILDDIR/taskhook-fetch" --version
	run -0 "$TASKHOOK_BUILDDIR/taskhook-fetch" --help
}

@test "a helper that is killed, and a taskhook that is killed" {
	nginx_setup
	head -c 2000000 /dev/urandom >"$www/file"
	start_fetch "$http/slow/file" "$dest"
	local fetch=$started helper
	wait_for helper_of "$fetch"
	helper=$(helper_of "$fetch")
	kill -KILL "$helper"
	wait "$fetch" && return 1
	[ "$(grep -c '^taskhook: ' "$root/out")" -eq 1 ]
	[ ! -e "$dest" ]
	no_staging
	# the helper ends with its parent
	start_fetch "$http/slow/file" "$dest"
	fetch=$started
	wait_for helper_of "$fetch"
	helper=$(helper_of "$fetch")
	kill -KILL "$fetch"
	wait "$fetch" || true
	helper_gone() { [ ! -e "/proc/$helper" ] || grep -q '^State:.Z' "/proc/$helper/status"; }
	wait_for helper_gone
	[ ! -e "$dest" ]
	# and what it left goes with the next fetch to the same place
	run -0 th fetch --mode=file "$http/file" "$dest"
	cmp "$www/file" "$dest"
	no_staging
}

# ---- redirects and TLS ----------------------------------------------------------------------

@test "redirects: followed, up to the limit, to HTTP only" {
	nginx_setup
	echo content >"$www/file"
	run -0 th fetch "$http/chain/10/file" "$dest"
	[ "$(cat "$dest/file")" = content ]
	fails 69 redirect "$http/chain/11/file" "$work/x"
	fails 69 redirect "$http/loop" "$work/x"
	fails 69 file "$http/to-file" "$work/x"
	fails 69 ftp "$http/to-ftp" "$work/x"
	fails 69 scp "$http/to-scp" "$work/x"
	[ "$(asked 'GET /loop')" -eq 11 ]
	[ "$(asked 'GET /to-file')" -eq 1 ]
	printf '[cgroup]\nmode = %s\n[fetch]\nmax-redirects = 1\n' "$mode" >"$root/conf"
	run -0 th fetch "$http/chain/1/file" "$work/one"
	fails 69 redirect "$http/chain/2/file" "$work/x"
}

@test "another host gets neither password nor header" {
	nginx_setup
	echo content >"$www/file"
	run -0 th fetch '--header=X-Token: s3cret' '--header=Authorization: Bearer s3cret' "$http/cross/file" "$dest"
	[ "$(cat "$dest/file")" = content ]
	[ "$(asked 'GET /cross/file host=127.0.0.1 .*token=s3cret')" -eq 1 ]
	[ "$(asked 'GET /file host=localhost .*auth= token= ')" -eq 1 ]
	run -0 th fetch "${http/\/\////user:secret@}/cross/file" "$work/second"
	[ "$(asked 'GET /file host=localhost .*auth= ')" -eq 2 ]
	[ "$(asked 'host=localhost .*auth=[^ ]')" -eq 0 ]
}

@test "TLS: its own CA, a wrong name, none at all, a client certificate" {
	nginx_setup tls
	echo content >"$www/file"
	fails 69 certificate "$https/file" "$dest"
	run -0 th fetch "--ca-file=$ca" "$https/file" "$dest"
	[ "$(cat "$dest/file")" = content ]
	fails 69 '@(certificate|name)' "--ca-file=$ca" "$https_wrong/file" "$work/x"
	fails 69 certificate "--ca-file=$ca" "$https_self/file" "$work/x"
	run -0 --separate-stderr th fetch --insecure "$https_self/file" "$work/insecure"
	[ "$(cat "$work/insecure/file")" = content ]
	fails 69 400 "--ca-file=$ca" "$https_client/file" "$work/x"
	run -0 th fetch "--ca-file=$ca" "--client-cert=$certs/client.pem" "--client-key=$certs/client.key" "$https_client/file" "$work/client"
	[ "$(cat "$work/client/file")" = content ]
	# keys that only the caller can read
	chmod 600 "$certs/client.key" "$certs/client.pem"
	rm -r "$work/client"
	run -0 th fetch "--ca-file=$ca" "--client-cert=$certs/client.pem" "--client-key=$certs/client.key" "$https_client/file" "$work/client"
	# a password is not carried on from TLS to none
	run th fetch "--ca-file=$ca" "${https/\/\////user:secret@}/to-http" "$work/down"
	[ "$(asked 'GET /file host=127.0.0.1 .*auth=[^ ]')" -eq 0 ]
	[ "$(asked "GET /file host=localhost .*client=SUCCESS")" -eq 2 ]
	# once more, by the configuration
	printf '[cgroup]\nmode = %s\n[fetch]\nca-file = %s\n' "$mode" "$ca" >"$root/conf"
	run -0 th fetch "$https/file" "$work/conf"
}

# ---- retries --------------------------------------------------------------------------------

@test "what may pass is tried again, with what is left" {
	rude_setup
	run -0 --separate-stderr th fetch --mode=file --retries=2 "$rude/flaky/500/2" "$work/fine"
	[ "$(cat "$work/fine")" = fine ]
	[ "$(rude_asked 'GET /flaky/500/2 ')" -eq 3 ]
	fails 69 502 --retries=1 "$rude/flaky/502/5" "$work/x"
	[ "$(rude_asked 'GET /flaky/502/5 ')" -eq 2 ]
	fails 69 503 --retries=0 "$rude/flaky/503/5" "$work/x"
	[ "$(rude_asked 'GET /flaky/503/5 ')" -eq 1 ]
	for final in 400 401 403 404 410; do
		fails 69 "$final" --retries=3 "$rude/flaky/$final/9" "$work/x"
		[ "$(rude_asked "GET /flaky/$final/9 ")" -eq 1 ]
	done
	run -0 th fetch --mode=file --retries=1 "$rude/flaky/429/1" "$work/many"
}

@test "Retry-After is waited for" {
	rude_setup
	local begin=$EPOCHREALTIME
	run -0 th fetch --mode=file --retries=1 "$rude/later/2" "$work/fine"
	[ "$(cat "$work/fine")" = fine ]
	[ "$(((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) / 1000))" -ge 1900 ]
}

@test "no server, and no such host" {
	fails 69 127.0.0.1 --retries=0 http://127.0.0.1:1/x "$dest"
	fails 69 no-such-host.invalid --retries=0 http://no-such-host.invalid/x "$dest"
}

@test "an answer that was cut is gone on with where the server can" {
	rude_setup
	head -c 400000 /dev/urandom >"$rude_dir/blob"
	run -0 th fetch --retries=2 "$rude/cut/blob" "$dest"
	cmp "$rude_dir/blob" "$dest/blob"
	[ "$(rude_asked 'GET /cut/blob -')" -eq 1 ]
	[ "$(rude_asked 'GET /cut/blob [1-9][0-9]*-')" -eq 1 ]
	# in the middle of an archive
	make_tree "$BATS_TEST_TMPDIR/in"
	tar -C "$BATS_TEST_TMPDIR/in" -czf "$rude_dir/a.tgz" .
	run -0 th fetch --retries=2 "--checksum=$(sha256sum <"$rude_dir/a.tgz" | cut -d' ' -f1)" "$rude/cut/a.tgz" "$work/tree"
	same_tree "$BATS_TEST_TMPDIR/in" "$work/tree"
	no_staging
}

@test "parts of two files are never put together" {
	rude_setup
	LC_ALL=C tr -dc "[:lower:]" </dev/urandom 2>/dev/null | head -c 300000 >"$rude_dir/blob"
	for kind in cut-other cut-norange; do
		run -0 th fetch --retries=3 "$rude/$kind/blob" "$work/$kind"
		[ "$(wc -c <"$work/$kind/blob")" -eq 300000 ]
	done
	cmp "$rude_dir/blob" "$work/cut-norange/blob"
	tr "[:lower:]" "[:upper:]" <"$rude_dir/blob" | cmp - "$work/cut-other/blob"
	mkarchive tar file a abc zeros pad 200000 file b abc >"$rude_dir/a.tar"
	run -0 th fetch --retries=3 "$rude/cut-norange/a.tar" "$work/tree"
	[ "$(cat "$work/tree/a" "$work/tree/b")" = $'abc\nabc' ]
	# a range that was not asked for is not believed
	run th fetch --retries=2 "$rude/cut-shifted/blob" "$work/shifted"
	[ "$status" -eq 69 ] || cmp "$rude_dir/blob" "$work/shifted/blob"
	no_staging
}

# ---- limits ---------------------------------------------------------------------------------

@test "bytes down: exactly as many pass, one more fails" {
	rude_setup
	for kind in no-length chunked; do
		run -0 th fetch --max-size=100000 --mode=file "$rude/$kind/100000" "$work/$kind"
		[ "$(wc -c <"$work/$kind")" -eq 100000 ]
		fails 65 max-size --max-size=99999 --mode=file "$rude/$kind/100000" "$work/x"
		[ "$(rude_asked "GET /$kind/100000 ")" -eq 2 ]
	done
	nginx_setup
	head -c 100000 /dev/urandom >"$www/file"
	run -0 th fetch --max-size=100000 "$http/file" "$dest"
	cmp "$www/file" "$dest/file"
	fails 65 max-size --max-size=99999 "$http/file" "$work/x"
	fails 65 max-size --max-size=100K "$rude/endless" "$work/x"
	fails 65 max-size --max-size=100K "$rude/endless-chunked" "$work/x"
}

@test "bytes unpacked, files, depth: exactly as many pass, one more fails" {
	nginx_setup
	mkarchive tar zeros a 60000 zeros b 40000 | gzip >"$www/z.tgz"
	run -0 th fetch --max-unpacked=100000 "$http/z.tgz" "$work/z"
	[ "$(cat "$work/z/a" "$work/z/b" | wc -c)" -eq 100000 ]
	fails 65 max-unpacked --max-unpacked=99999 "$http/z.tgz" "$work/x"
	mkarchive tar many f 100 | gzip >"$www/m.tgz"
	run -0 th fetch --max-files=100 "$http/m.tgz" "$work/m"
	[ "$(find "$work/m" -type f | wc -l)" -eq 100 ]
	fails 65 max-files --max-files=99 "$http/m.tgz" "$work/x"
	head -c 100000 /dev/zero | gzip >"$www/single.gz"
	run -0 th fetch --max-unpacked=100000 "$http/single.gz" "$work/s"
	[ "$(wc -c <"$work/s/single")" -eq 100000 ]
	fails 65 max-unpacked --max-unpacked=99999 "$http/single.gz" "$work/x"
	printf '[cgroup]\nmode = %s\n[fetch]\nmax-depth = 5\n' "$mode" >"$root/conf"
	mkarchive tar deep 4 >"$www/d4.tar"
	mkarchive tar deep 5 >"$www/d5.tar"
	run -0 th fetch "$http/d4.tar" "$work/deep"
	[ -e "$work/deep/d/d/d/d/f" ]
	fails 65 max-depth "$http/d5.tar" "$work/x"
}

@test "time without progress, and time in all" {
	rude_setup
	fails 69 stall-timeout --retries=0 --stall-timeout=500ms "$rude/stall" "$work/x"
	fails 69 stall-timeout --retries=0 --stall-timeout=500ms "$rude/stall-silent" "$work/x"
	fails 69 timeout --retries=0 --timeout=700ms "$rude/trickle" "$work/x"
	fails 69 '@(timeout|500)' --retries=5 --timeout=1s "$rude/flaky/500/100" "$work/x"
}

# ---- rude servers ---------------------------------------------------------------------------

@test "bodies that are not what was said" {
	rude_setup
	for path in short two-lengths huge-length odd-length chunked-cut header-bomb garbage empty-reply reset; do
		fails 69 "$path" --retries=0 "$rude/$path" "$work/x"
	done
	# more than was said is not read
	run th fetch --mode=file --retries=0 "$rude/long" "$work/long"
	[ "$status" -eq 69 ] || [ "$(wc -c <"$work/long")" -eq 10 ]
	rm -f "$work/long"
	fails '@(65|69)' '' --retries=0 "$rude/short/x?archive=tar" "$work/x"
}

@test "an empty body is an empty file, and no archive" {
	nginx_setup
	: >"$www/empty"
	run -0 th fetch "$http/empty" "$dest"
	[ -e "$dest/empty" ] && [ ! -s "$dest/empty" ]
	fails 65 empty --extract=tar "$http/empty" "$work/x"
}

# ---- other sources --------------------------------------------------------------------------

@test "file: what the caller may read" {
	make_tree "$root/in"
	echo content >"$root/private"
	chmod 600 "$root/private"
	run -0 th fetch "file://$root/private" "$work/a"
	[ "$(cat "$work/a/private")" = content ]
	run -0 th fetch "$root/private" "$work/b"
	[ "$(cat "$work/b/private")" = content ]
	tar -C "$root/in" -czf "$root/in.tgz" .
	chmod 600 "$root/in.tgz"
	run -0 th fetch "file://$root/in.tgz" "$work/c"
	same_tree "$root/in" "$work/c"
	fails 69 no-such-file "file://$root/no-such-file" "$work/x"
	[ "$EUID" -eq 0 ] || {
		chmod 000 "$root/private"
		run --separate-stderr th fetch "file://$root/private" "$work/x"
		[ "$status" -eq 77 ] || [ "$status" -eq 69 ]
		[[ $stderr == *ermission* ]]
	}
	mkfifo "$root/fifo"
	run --separate-stderr timeout 20 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch "file://$root/fifo" "$work/x"
	[ "$status" -ne 0 ] && [ "$status" -ne 124 ]
	[ ! -e "$work/x" ]
}

@test "ftp, with and without a password" {
	rude_setup ftp
	head -c 100000 /dev/urandom >"$rude_dir/blob"
	run -0 th fetch "ftp://$rude/blob" "$dest"
	cmp "$rude_dir/blob" "$dest/blob"
	run -0 --separate-stderr th -v fetch "ftp://user:secret@$rude/blob" "$work/user"
	no_secrets
	[ "$(rude_asked '^PASS secret')" -eq 1 ]
	fails 69 530 "ftp://user:s3cret@$rude/blob" "$work/x"
	fails 69 nothing "ftp://$rude/nothing" "$work/x"
	[ "$(rude_asked nothing)" -le 2 ]
}

@test "s3 is signed, gcs and hg are told what to use instead" {
	nginx_setup
	mkdir -p "$www/bucket"
	echo content >"$www/bucket/key"
	export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=s3cret AWS_REGION=eu-west-1
	run -0 --separate-stderr th -v fetch "s3::$http/bucket/key" "$dest"
	no_secrets
	[ "$(cat "$dest/key")" = content ]
	[ "$(asked 'GET /bucket/key .*auth=AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/[0-9]{8}/eu-west-1/s3/aws4_request')" -eq 1 ]
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION
	fails 64 gcs gcs::https://www.googleapis.com/storage/v1/b/x "$work/x"
	fails 64 hg hg::http://example.org/x "$work/x"
	fails 64 gopher gopher://127.0.0.1/x "$work/x"
	fails 64 '' 'http://' "$work/x"
	fails 64 '' '' "$work/x"
}

@test "a proxy is used, and passed by where no_proxy says" {
	nginx_setup
	echo content >"$www/file"
	run -0 env http_proxy="$http" "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch http://files.example/file "$dest"
	[ "$(cat "$dest/file")" = content ]
	[ "$(asked 'host=files.example')" -eq 1 ]
	run -69 --separate-stderr env http_proxy=http://user:s3cret@127.0.0.1:1 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch --retries=0 "$http/file" "$work/x"
	no_secrets
	run -0 env http_proxy=http://127.0.0.1:1 no_proxy=127.0.0.1 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch "$http/file" "$work/direct"
	# libcurl's message has it as it was written
	run -69 --separate-stderr env http_proxy=gibberish://user:s3cret@127.0.0.1:1 "$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch --retries=0 "$http/file" "$work/x"
	no_secrets
	[[ $stderr == *"gibberish://***@127.0.0.1:1"* ]]
}

@test "a terminal gets a bar, all else does not" {
	script -qec true /dev/null >/dev/null 2>&1 || skip "no pseudo-terminal can be made with script(1)"
	nginx_setup
	head -c 300000 /dev/urandom >"$www/file"
	run -0 script -qec "'$TASKHOOK_PROGRAM' --root '$root' --config '$root/conf' fetch '$http/slow/file' '$dest'" /dev/null
	[[ $output == *%* ]]
	[[ $output == *$'\r'* ]]
	run -0 th fetch "$http/file" "$work/off"
	[[ $output != *$'\r'* ]]
	[ "${#lines[@]}" -le 1 ]
}

@test "a full disk: 73, nothing left" {
	needs_root "only root can mount"
	nginx_setup
	head -c 3000000 /dev/urandom >"$www/file"
	mkarchive tar zeros a 3000000 | gzip >"$www/z.tgz"
	mkdir "$work/small"
	# shellcheck disable=SC2016 # for the inner shell
	for name in file z.tgz; do
		run --separate-stderr unshare -m sh -c 'mount -t tmpfs -o size=1m,mode=755 tmpfs "$1" || exit 99
			shift; "$@"; s=$?; [ -z "$(find "$0" -mindepth 1)" ] || exit 98; exit $s' "$work/small" "$work/small" \
			"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch "$http/$name" "$work/small/dest"
		echo "$status $stderr" >&2
		[ "$status" -eq 73 ]
		[ "$(grep -c '' <<<"$stderr")" -eq 1 ]
	done
	no_staging
}

@test "usage" {
	run -64 th fetch
	run -64 th fetch http://127.0.0.1/x
	run -64 th fetch a b c
	fails 64 mode --mode=bad http://127.0.0.1/x "$dest"
	fails 64 retries --retries=-1 http://127.0.0.1/x "$dest"
	fails 64 max-size --max-size=0 http://127.0.0.1/x "$dest"
	# the option is named as it was written, and not a key of the configuration
	run -64 --separate-stderr th fetch --timeout=5x http://127.0.0.1/x "$dest"
	[ "${stderr_lines[0]}" = "taskhook: --timeout: 5x: not a duration (write it as 5s or 1m30s)" ]
	run -64 --separate-stderr th fetch http://u:hidden@h:1x/a "$dest"
	[[ $stderr == "taskhook: source 'http://***@h:1x/a': its port is "* ]]
	run -64 --separate-stderr th fetch --filename=a/b http://127.0.0.1/x "$dest"
	[ "$stderr" = "taskhook: --filename is not the name of a file" ]
}
