#!/usr/bin/env bats
# taskhook fetch git::URL, from a repository that the test makes.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/nginx
load lib/fetch

setup()
{
	fetch_setup
	command -v git >/dev/null || skip "git is not installed"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_NOSYSTEM=1
	repo=$BATS_TEST_TMPDIR/repo
	git init -q -b main "$repo"
	git -C "$repo" config user.name t
	git -C "$repo" config user.email t@example.org
	mkdir "$repo/sub"
	echo one >"$repo/file"
	echo inner >"$repo/sub/inner"
	ln -s file "$repo/alias"
	printf '#!/bin/sh\n' >"$repo/tool"
	chmod 755 "$repo/tool"
	git -C "$repo" add -A
	git -C "$repo" commit -qm one
	git -C "$repo" tag v1
	first=$(git -C "$repo" rev-parse HEAD)
	echo two >"$repo/file"
	git -C "$repo" commit -qam two
	git -C "$repo" branch other v1
}

teardown()
{
	fetch_teardown
}

# over_http: the repository at $http/repo.git, as plain files ("dumb" HTTP)
over_http()
{
	nginx_setup
	git clone -q --bare "$repo" "$www/repo.git"
	git -C "$www/repo.git" update-server-info
	chmod -R a+rX "$www"
}

@test "a branch, a tag, a commit, over HTTP" {
	over_http
	run -0 --separate-stderr th fetch "git::$http/repo.git" "$dest"
	[ "$(cat "$dest/file")" = two ]
	[ "$(readlink "$dest/alias")" = file ]
	[ -x "$dest/tool" ]
	[ ! -e "$dest/.git" ]
	run -0 th fetch "git::$http/repo.git?ref=v1" "$work/tag"
	[ "$(cat "$work/tag/file")" = one ]
	run -0 th fetch "git::$http/repo.git?ref=other" "$work/branch"
	[ "$(cat "$work/branch/file")" = one ]
	run -0 th fetch "git::$http/repo.git?ref=$first" "$work/commit"
	[ "$(cat "$work/commit/file")" = one ]
	run -0 th fetch "git::$http/repo.git//sub?ref=v1" "$work/sub"
	[ "$(cat "$work/sub/inner")" = inner ]
	[ "$(ls -A "$work/sub")" = inner ]
	no_staging
}

@test "what cannot be had: 69, one line" {
	over_http
	fails 69 no-such-ref --retries=0 "git::$http/repo.git?ref=no-such-ref" "$work/x"
	fails 69 nothing.git --retries=0 "git::$http/nothing.git" "$work/x"
	fails 69 127.0.0.1 --retries=0 "git::${http/\/\////user:s3cret@}/nothing.git" "$work/x"
	fails '@(64|69)' '' --retries=0 "git::$http/repo.git?ref=--upload-pack=touch%20$work/planted" "$work/x"
	fails '@(64|69)' '' --retries=0 "git::ext::sh -c touch% $work/planted" "$work/x"
	fails '@(64|69)' '' --retries=0 "git::--upload-pack=touch" "$work/x"
	fails 65 '@(nowhere|match)' "git::$http/repo.git//nowhere" "$work/x"
	fails 64 checksum "--checksum=$(printf '%064d' 1)" "git::$http/repo.git" "$work/x"
}

@test "a repository's links that lead outside, and its hooks" {
	ln -s ../../../etc/passwd "$repo/escape"
	git -C "$repo" add -A
	git -C "$repo" commit -qm escape
	over_http
	fails 65 escape "git::$http/repo.git" "$work/x"
	run -0 th fetch "git::$http/repo.git?ref=v1" "$dest"
}

@test "limits hold for repositories" {
	over_http
	fails 65 max-files --max-files=2 "git::$http/repo.git" "$work/x"
	head -c 300000 /dev/zero >"$repo/zeros"
	git -C "$repo" add -A
	git -C "$repo" commit -qm zeros
	rm -r "$www/repo.git"
	git clone -q --bare "$repo" "$www/repo.git"
	git -C "$www/repo.git" update-server-info
	fails 65 max-unpacked --max-unpacked=100K "git::$http/repo.git" "$work/x"
}

# with_random: another commit, of a file that takes 2 MB also when it is packed
with_random()
{
	head -c 2000000 /dev/urandom >"$repo/random"
	git -C "$repo" add -A
	git -C "$repo" commit -qm random
}

@test "max-size is a limit of the whole transfer, which is ended" {
	with_random
	over_http
	fails 65 'the repository is larger than 1M (max-size' --max-size=1M "git::$http/repo.git" "$work/x"
	fails 65 'the repository is larger than 1M (max-size' --max-size=1M "git::$http/repo.git//sub" "$work/x"
	run -0 th fetch --max-size=2100K "git::$http/repo.git" "$work/x"
	# 64 KB a second: all of it would take half a minute
	fails 65 'the repository is larger than 200K (max-size' --max-size=200K --timeout=20s --retries=0 \
		"git::$http/slow/repo.git" "$work/y"
	[[ $stderr != *"in time"* ]]
}

@test "max-files and max-unpacked end the check-out" {
	for i in {1..300}; do
		printf '%s\n' "$i" >"$repo/sub/$i"
	done
	head -c 3000000 /dev/zero >"$repo/zeros"
	git -C "$repo" add -A
	git -C "$repo" commit -qm many
	over_http
	fails 65 'it holds more than 100 files' --max-files=100 "git::$http/repo.git" "$work/x"
	fails 65 'its files are larger than 1M (max-unpacked' --max-unpacked=1M "git::$http/repo.git" "$work/x"
	run -0 th fetch --max-files=306 --max-unpacked=3100K "git::$http/repo.git" "$work/x"
	[ "$(find "$work/x" -mindepth 1 | wc -l)" -eq 306 ]
	fails 65 max-files --max-files=305 "git::$http/repo.git" "$work/y"
}

@test "with basic auth, whose password no process shows" {
	over_http
	run -0 --separate-stderr th -v fetch "git::${http/\/\////user:secret@}/auth/repo.git" "$dest"
	[ "$(cat "$dest/file")" = two ]
	no_secrets
}

@test "without git(1): an error that says so" {
	over_http
	# taskhook gives its helper a fixed PATH, so another parent is needed
	local parent=$TASKHOOK_HELPERS_DIR/fetch-parent helper=$TASKHOOK_BUILDDIR/taskhook-fetch
	mkdir "$root/nogit" "$work/staging"
	printf '{"format":1,"source":"git::%s/repo.git","mode":"any","limits":{"max_size":1000000,"max_unpacked":1000000,"max_files":100,"max_depth":10,"max_redirects":3,"timeout_usec":60000000,"stall_timeout_usec":30000000}}\n' \
		"$http" >"$root/job"
	run -69 --separate-stderr env PATH="$root/nogit" "$parent" "$helper" "$work/staging" <"$root/job"
	[ "$(jq -r 'select(.event == "failed") | .status' <<<"$output")" -eq 69 ]
	[[ $(jq -r .text <<<"$output") == *"git is not installed"* ]]
	[ -z "$(ls -A "$work/staging")" ]
}
