#!/usr/bin/env bats
# [artifact NAME] of tasks and groups: fetched once, shared, told to hooks, recorded.
# shellcheck disable=SC2016 # tasks expand their variables themselves
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/nginx
load lib/fetch
load lib/artifacts

setup()
{
	fetch_setup
	shared=$state/tasks/$group/shared/local
}

teardown()
{
	fetch_teardown
}

nothing_left()
{
	no_staging
	[ -z "$(ls -A "$shared" 2>/dev/null)" ]
	assert_clean
}

# ---- one task -------------------------------------------------------------------------------

@test "an artifact is there before the hooks of pre-start, which know it" {
	nginx_setup
	echo content >"$www/app.txt"
	hook pre-start/10-see 'cat "$SHARED_DIR/local/app.txt"; env | grep "^ARTIFACT" | sort'
	task a '[artifact my-app]' "source = $http/app.txt"
	run -0 --separate-stderr th -v run -g "$group" -f "$root/a.ini"
	[ "$output" = app.txt ]
	sum=$(sha256sum <"$www/app.txt" | cut -d' ' -f1)
	[[ $stderr == *"[pre-start/10-see] content"* ]]
	[[ $stderr == *"[pre-start/10-see] ARTIFACTS=my-app"* ]]
	[[ $stderr == *"[pre-start/10-see] ARTIFACT_MY_APP_PATH=$shared"* ]]
	[[ $stderr == *"[pre-start/10-see] ARTIFACT_MY_APP_SIZE=8"* ]]
	[[ $stderr == *"[pre-start/10-see] ARTIFACT_MY_APP_DIGEST=sha256:$sum"* ]]
	[[ $stderr =~ ARTIFACT_MY_APP_USEC=[0-9]+ ]]
	[ "$(record a '.artifacts[0].name')" = my-app ]
	[ "$(record a '.artifacts[0].size')" = 8 ]
	[ "$(record a '.artifacts[0].digest')" = "sha256:$sum" ]
	[ "$(record a '.artifacts[0].result')" = fetched ]
	[ "$(record a '.artifacts[0].source')" = "$http/app.txt" ]
	assert_clean
	no_staging
}

@test "post-start hooks know size, time and digest" {
	nginx_setup
	echo content >"$www/app.txt"
	hook post-start/10-see 'echo "$ARTIFACTS $ARTIFACT_APP_SIZE $ARTIFACT_APP_DIGEST"; [ "$ARTIFACT_APP_USEC" -gt 0 ]'
	task a '[artifact app]' "source = $http/app.txt"
	run -0 --separate-stderr th -v run --strict -g "$group" -f "$root/a.ini"
	[[ $stderr == *"[post-start/10-see] app 8 sha256:"* ]]
}

@test "the keys: destination, mode, checksum, header, extract, filename, retries" {
	nginx_setup
	rude_setup
	mkarchive tar file bin/tool tool | gzip >"$www/a.tgz"
	echo content >"$www/file"
	task a '[artifact a]' "source = $http/a.tgz" 'destination = local/tools' "checksum = sha256:$(sha256sum <"$www/a.tgz" | cut -d' ' -f1)" \
		'[artifact b]' "source = $http/token/file" 'destination = one' 'mode = file' 'header-X-Token = s3cret' \
		'[artifact c]' "source = $http/a.tgz" 'extract = no' 'filename = kept.tgz' 'destination = local/' \
		'[artifact d]' "source = $rude/flaky/500/2" 'mode = file' 'retries = 2' 'destination = local/d'
	run -0 --separate-stderr go a
	[ "$(cat "$shared/tools/bin/tool")" = tool ]
	[ "$(cat "$shared/one")" = content ]
	cmp "$shared/kept.tgz" "$www/a.tgz"
	[ "$(cat "$shared/d")" = fine ]
	[ "$(record a '.artifacts | length')" -eq 4 ]
	no_secrets
	! grep -rqs s3cret "$state" "$runtime" || return 1
}

@test "a destination outside the shared directory: 78, and nothing is made" {
	nginx_setup
	for bad in /etc/x ../x a/../../x local/../../x; do
		task a '[artifact a]' "source = $http/file" "destination = $bad"
		run -78 --separate-stderr go a
		[[ $stderr == *"a.ini:"*"destination"* ]]
		[ ! -e "$state/tasks/$group" ]
	done
	task a '[artifact a]' 'checksum = sha256:12'
	run -78 go a
	task a '[artifact a]' "source = $http/file" 'checksum = sha256:12'
	run -78 go a
	[[ $output == *"a.ini:5: artifact 'a'"*checksum* ]]
	run -64 th run -g "$group" -i b --set artifact.a.source="$http/file" --set artifact.a.checksum=sha256:12 -- true
	[[ $output == *"--set: artifact 'a'"*checksum* ]]
	task a '[artifact a]' 'source = gcs::x/y'
	run -78 go a
	[[ $output == *gcs* ]]
	task a '[artifact a]' "source = $http/file" 'chekcsum = x'
	run -78 go a
	[[ $output == *"a.ini:6"*checksum* ]]
	task a '[artifact a/b]' "source = $http/file"
	run -78 go a
	[ ! -e "$requests" ] || [ ! -s "$requests" ]
}

@test "a source that fails: 69, one line with task, artifact and URL, hooks do not begin, nothing is left" {
	nginx_setup
	hook pre-start/10-no 'echo began >"$TASK_LOG_DIR/began"'
	hook post-stop/10-no 'echo ended >>"$TASK_LOG_DIR/ended"'
	task a '[artifact app]' "source = ${http/\/\////user:s3cret@}/nothing?token=s3cret"
	run -69 --separate-stderr go a
	one_line
	[[ $stderr == "taskhook: $group/a: artifact 'app' ("*"127.0.0.1"*/nothing*"404"* ]]
	no_secrets
	[ ! -e "$state/tasks/$group/a/logs/began" ]
	nothing_left
	run -0 th status "$group/a"
	[[ $output == *failed* && $output == *404* ]]
	[[ $output != *s3cret* ]]
	run -0 th status --json "$group/a"
	[[ $output != *s3cret* ]]
	run -0 th logs "$group/a"
	[[ $output != *s3cret* ]]
	# what is kept for the next start may hold it, for root alone; what people read does not
	! grep -rqs s3cret "$state/tasks" "$runtime" || return 1
}

@test "what is wrong in the data: 65" {
	nginx_setup
	mkarchive tar file ../x y >"$www/a.tar"
	task a '[artifact app]' "source = $http/a.tar"
	run -65 --separate-stderr go a
	[[ $stderr == "taskhook: $group/a: artifact 'app' ($http/a.tar): "* ]]
	one_line
	nothing_left
	echo content >"$www/file"
	task a '[artifact app]' "source = $http/file" "checksum = $(printf '%064d' 1)"
	run -65 --separate-stderr go a
	[[ $stderr == *@(checksum|sha256)* ]]
	nothing_left
}

@test "no password in any process, record or log" {
	nginx_setup
	head -c 2000000 /dev/urandom >"$www/file"
	task a '[artifact app]' "source = ${http/\/\////user:s3cret1@}/slow/file" 'header-X-Token = s3cret2'
	go_background a
	fetch=$!
	wait_for helper_of "$fetch"
	wait_for test -s "$nginx_dir/requests" || true
	run ! grep -saE 's3cret[12]' /proc/[0-9]*/cmdline
	run ! grep -saE 's3cret[12]' /proc/[0-9]*/environ
	kill -TERM "$fetch"
	wait "$fetch" && return 1
	! grep -sE 's3cret' "$root/a.err" "$root/a.out" || return 1
	! grep -rqsE 's3cret' "$state/tasks" "$runtime" || return 1
	nothing_left
}

@test "--dry-run names it without password, config show too; nothing is asked" {
	nginx_setup
	task a '[artifact app]' "source = ${http/\/\////user:s3cret@}/file" 'header-X-Token = s3cret'
	run -0 go a --dry-run
	[[ $output == *app* && $output == *127.0.0.1* ]]
	[[ $output != *s3cret* ]]
	run -0 th config show "$root/a.ini"
	[[ $output == *app* ]]
	[[ $output != *s3cret* ]]
	run -0 th config show --json "$root/a.ini"
	[[ $output != *s3cret* ]]
	run -0 th config check "$root/a.ini"
	[ ! -s "$requests" ]
}

@test "a start that is asked to end while it fetches" {
	nginx_setup
	head -c 2000000 /dev/urandom >"$www/file"
	task a '[artifact app]' "source = $http/slow/file"
	go_background a
	fetch=$!
	wait_for helper_of "$fetch"
	helper=$(helper_of "$fetch")
	kill -TERM "$fetch"
	wait "$fetch" && return 1
	[ ! -e "/proc/$helper" ]
	nothing_left
}

@test "a supervisor that is killed while it fetches: the next one finds a clean place" {
	nginx_setup
	head -c 500000 /dev/urandom >"$www/file"
	task a '[artifact app]' "source = $http/slow/file"
	go_background a
	fetch=$!
	wait_for helper_of "$fetch"
	helper=$(helper_of "$fetch")
	kill -KILL "$fetch"
	wait "$fetch" || true
	helper_gone() { [ ! -e "/proc/$helper" ] || grep -q '^State:.Z' "/proc/$helper/status"; }
	wait_for helper_gone
	run -0 th cleanup
	no_staging
	task a '[artifact app]' "source = $http/file"
	run -0 go a
	cmp "$www/file" "$shared/file"
	no_staging
}

# ---- once per group -------------------------------------------------------------------------

@test "ten tasks at once: one fetches, the others wait and are told so" {
	nginx_setup
	head -c 200000 /dev/urandom >"$www/file"
	local n waiting=()
	for n in {1..10}; do
		command='cksum <local/file' task "t$n" '[artifact app]' "source = $http/slow/file"
		go_background "t$n"
		waiting+=($!)
	done
	for n in "${waiting[@]}"; do wait "$n"; done
	[ "$(asked 'GET /slow/file')" -eq 1 ]
	[ "$(cat "$root"/t*.out | sort -u)" = "$(cksum <"$www/file")" ]
	[ "$(cat "$root"/t*.out | wc -l)" -eq 10 ]
	grep -l "artifact 'app'" "$root"/t*.err | grep -q .
	[ "$(jq -r '.artifacts[0].result' "$state/records/$group"/t*.json | sort | uniq -c | tr -s ' ')" = $' 1 fetched\n 9 present' ]
	no_staging
}

@test "who waits takes over when the one that fetches is killed" {
	nginx_setup
	head -c 400000 /dev/urandom >"$www/file"
	task a '[artifact app]' "source = $http/slow/file"
	task b '[artifact app]' "source = $http/slow/file"
	go_background a
	first=$!
	wait_for helper_of "$first"
	go_background b
	second=$!
	wait_for grep -q "artifact 'app'" "$root/b.err"
	kill -KILL "$first"
	wait "$first" || true
	wait "$second"
	cmp "$www/file" "$shared/file"
	[ "$(asked 'GET /slow/file')" -eq 2 ]
	no_staging
}

@test "a second start asks nobody: same boot, all there" {
	nginx_setup
	echo content >"$www/file"
	task a '[artifact app]' "source = $http/file"
	run -0 go a
	run -0 go a
	[ "$(asked 'GET /file')" -eq 1 ]
	[ "$(record a '.artifacts[0].result')" = present ]
	# a file that was changed or removed is fetched again
	rm "$shared/file"
	run -0 go a
	[ "$(cat "$shared/file")" = content ]
	# restarted on purpose: cleaned up, all anew
	run -0 th cleanup --force "$group"
	run -0 go a
	[ "$(record a '.artifacts[0].result')" = fetched ]
}

# What is of one boot lies in the run directory, and what outlives it bears the boot's id.
reboot()
{
	rm -rf "$runtime"
	sed -i "s/$(cat /proc/sys/kernel/random/boot_id)/00000000-0000-0000-0000-000000000000/" \
		"$state/tasks/$group/_artifacts/"*.json
}

@test "after a reboot: the server is asked with ETag, or the checksum suffices" {
	nginx_setup
	echo content >"$www/file"
	task a '[artifact app]' "source = $http/file"
	run -0 go a
	reboot
	run -0 go a
	[ "$(asked '^304 GET /file .*if-none-match="')" -eq 1 ]
	[ "$(record a '.artifacts[0].result')" = unchanged ]
	# another content is fetched, and nothing of the longer one stays
	echo new >"$www/file"
	reboot
	run -0 go a
	[ "$(cat "$shared/file")" = new ]
	[ "$(record a '.artifacts[0].result')" = fetched ]
	run -0 th cleanup --force "$group"
	task b '[artifact app]' "source = $http/file" "checksum = $(sha256sum <"$www/file" | cut -d' ' -f1)"
	run -0 go b
	asked_before=$(asked 'GET /file')
	reboot
	run -0 go b
	[ "$(asked 'GET /file')" -eq "$asked_before" ]
	[ "$(record b '.artifacts[0].result')" = unchanged ]
}

@test "several artifacts side by side; those done are not fetched again when another fails" {
	nginx_setup
	echo one >"$www/one"
	echo two >"$www/two"
	task a '[artifact one]' "source = $http/one" '[artifact two]' "source = $http/two" '[artifact three]' "source = $http/three"
	run -69 --separate-stderr go a
	[[ $stderr == *"artifact 'three'"* ]]
	echo three >"$www/three"
	run -0 go a
	[ "$(cat "$shared/one" "$shared/two" "$shared/three")" = $'one\ntwo\nthree' ]
	[ "$(asked 'GET /one')" -eq 1 ]
	[ "$(asked 'GET /two')" -eq 1 ]
	[ "$(asked 'GET /three')" -eq 2 ]
}

@test "side by side means at the same time" {
	nginx_setup
	rude_setup
	task a '[artifact one]' "source = $rude/stall/1" '[artifact two]' "source = $rude/stall/2" '[artifact three]' "source = $rude/stall/3" \
		'[artifact four]' "source = $rude/stall/4"
	go_background a
	fetch=$!
	three_asked() { [ "$(rude_asked 'GET /stall')" -ge 3 ]; }
	wait_for three_asked
	# parallel = 3
	[ "$(rude_asked 'GET /stall')" -eq 3 ]
	kill -TERM "$fetch"
	wait "$fetch" && return 1
	nothing_left
}

@test "two artifacts into one destination merge" {
	nginx_setup
	mkarchive tar file bin/one 1 file share/x x >"$www/1.tar"
	mkarchive tar file bin/two 2 file share/y y >"$www/2.tar"
	task a '[artifact one]' "source = $http/1.tar" '[artifact two]' "source = $http/2.tar"
	run -0 go a
	[ "$(cat "$shared/bin/one" "$shared/bin/two" "$shared/share/x" "$shared/share/y")" = $'1\n2\nx\ny' ]
}

@test "another source for the same path is an error that names both tasks" {
	nginx_setup
	echo one >"$www/one"
	echo two >"$www/two"
	task a '[artifact app]' "source = $http/one" 'mode = file' 'destination = app'
	task b '[artifact app]' "source = $http/two" 'mode = file' 'destination = app'
	run -0 go a
	run -78 --separate-stderr go b
	[[ $stderr == *"$group/b"* && $stderr == *"$group/a"* && $stderr == *app* ]]
	[ "$(cat "$shared/app")" = one ]
	[ "$(asked 'GET /two')" -eq 0 ]
}

@test "a file where another artifact has a directory, and the other way round: both tasks are named" {
	nginx_setup
	echo one >"$www/file"
	mkarchive tar dir x file x/a content >"$www/a.tar"
	mkarchive tar dir a file a/b content >"$www/b.tar"
	task a '[artifact app]' "source = $http/a.tar" 'destination = local/m'
	go a
	task b '[artifact other]' "source = $http/file" 'mode = file' 'destination = local/m'
	run -78 --separate-stderr go b
	[[ $stderr == *"/b: artifact 'other' ($http/file): "*"was put there by the artifact 'app' of '$group/a'"* ]]
	task b '[artifact other]' "source = $http/file" 'mode = file' 'destination = local/m/x'
	run -78 --separate-stderr go b
	[[ $stderr == *"was put there by the artifact 'app' of '$group/a'"* ]]
	task b '[artifact other]' "source = $http/b.tar" 'destination = local/m/x'
	run -78 --separate-stderr go b
	[[ $stderr == *"m/x/a' was put there by the artifact 'app' of '$group/a'"* ]]
	# a neighbour whose name begins alike is none of them
	task c '[artifact third]' "source = $http/file" 'mode = file' 'destination = local/m/x/a.b'
	go c
	[ "$(cat "$shared/m/x/a")" = content ]
	no_staging
}

@test "another value in the query is another source, though it is not told" {
	nginx_setup
	echo one >"$www/file"
	task a '[artifact app]' "source = $http/file?id=hidden1" 'destination = local/x'
	go a
	task b '[artifact app]' "source = $http/file?id=hidden2" 'destination = local/x'
	run -78 --separate-stderr go b
	[[ $stderr == *"source is '$http/file?id=***'"*"another query"* ]]
	[[ $stderr != *hidden* ]]
	task c '[artifact other]' "source = $http/file?id=hidden2" 'destination = local/x'
	run -78 --separate-stderr go c
	[[ $stderr == *"was put there by the artifact 'app'"* ]]
	# a signature is no part of what it is
	task e '[artifact signed]' "source = $http/file?sig=hidden1" 'destination = local/y'
	go e
	task e '[artifact signed]' "source = $http/file?sig=hidden2" 'destination = local/y'
	go e
	[ "$(record e '.artifacts[0].result')" = present ]
	run ! grep -rlF hidden "$root" --include='*.json' --include='*.log' --include='*.err'
}

@test "tasks of the group see it, another group does not" {
	nginx_setup
	echo content >"$www/file"
	task a '[artifact app]' "source = $http/file"
	run -0 go a
	run -0 th run -g "$group" -i other -- cat local/file
	[ "$output" = content ]
	run -1 th run -g "$group-2" -i other -- cat local/file
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" -q cleanup --force "$group-2"
}

@test "[artifact] of a group file" {
	nginx_setup
	echo content >"$www/file"
	mkdir -p "$root$(place config)/groups/$group"
	printf '[artifact app]\nsource = %s/file\n' "$http" >"$root$(place config)/groups/$group/group.ini"
	run -0 --separate-stderr th run -g "$group" -i a -- cat local/file
	[ "$output" = content ]
}

@test "who owns it: root; the one user of all tasks; whom chown names" {
	needs_root "only root can change the user"
	nginx_setup
	mkarchive tar file d/f x >"$www/a.tar"
	task a '[artifact app]' "source = $http/a.tar"
	run -0 go a
	[ "$(stat -c %U "$shared/d" "$shared/d/f" | sort -u)" = root ]
	run -0 th cleanup --force "$group"
	task b '[artifact app]' "source = $http/a.tar"
	sed -i 's/^id = .*/&\nuser = daemon/' "$root/b.ini"
	run -0 go b
	[ "$(stat -c %U "$shared/d" "$shared/d/f" | sort -u)" = daemon ]
	run -0 th cleanup --force "$group"
	task c '[artifact app]' "source = $http/a.tar" 'chown = bin:sys'
	run -0 go c
	[ "$(stat -c %U:%G "$shared/d" "$shared/d/f" | sort -u)" = bin:sys ]
}

@test "what a task's user planted in the shared directory is not followed" {
	needs_root "only root can change the user"
	nginx_setup
	echo untouched >"$work/file"
	mkdir "$work/dir"
	chmod 755 "$work"
	mkarchive tar file dir/f planted file file planted >"$www/a.tar"
	run -0 th run -g "$group" -i plant --set task.user=daemon -- sh -c "ln -s $work/dir local/dir; ln -s $work/file local/file; ls -l local/"
	task a '[artifact app]' "source = $http/a.tar"
	sed -i 's/^id = .*/&\nuser = daemon/' "$root/a.ini"
	run go a
	echo "$status $output" >&2
	[ "$(cat "$work/file")" = untouched ]
	[ -z "$(ls -A "$work/dir")" ]
	[ "$(stat -c %U "$work/file" "$work/dir" | sort -u)" = root ]
	no_staging
}

@test "off a terminal one line per artifact with -v, none without" {
	nginx_setup
	echo content >"$www/file"
	task a '[artifact app]' "source = $http/file"
	run -0 --separate-stderr go a
	[ "$(grep -c "artifact 'app'" <<<"$stderr")" -le 1 ]
	[[ $stderr != *$'\r'* ]]
}

@test "a helper that is not there" {
	nginx_setup
	task a '[artifact app]' "source = $http/file"
	mkdir "$root/libexec"
	TASKHOOK_LIBEXECDIR=$root/libexec run --separate-stderr go a
	[ "$status" -eq 69 ] || [ "$status" -eq 125 ]
	[[ $stderr == *taskhook-fetch* ]]
	nothing_left
}
