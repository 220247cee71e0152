#!/usr/bin/env bats
# What the parent makes of a helper that does not do what it should, and of several tasks at once.
# shellcheck disable=SC2016 # helpers and tasks expand their variables themselves
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/fake-helper
load lib/artifacts

setup()
{
	fake_setup
}

teardown()
{
	tasks_teardown
}

good='mkdir -p tree/bin; echo hello >tree/bin/app; ln -s bin/app tree/link; done_dir'
source='source = https://user:s3cret@host.invalid/app.tgz?token=s3cret'

# ---- the helper -----------------------------------------------------------------------------

@test "the helper is missing: 69, and the package that has it" {
	rm -f "$TASKHOOK_LIBEXECDIR/taskhook-fetch"
	fails 69 "is missing (install the package 'taskhook-fetch'"
}

@test "the helper: its own user, an environment without anything, its staging directory, no descriptors" {
	helper "$good"'; { env; echo "pwd=$PWD"; id -u; id -G; stat -c %a .; ls -l /proc/$$/fd; tr "\0" " " </proc/$$/cmdline; } >>"$notes"'
	SECRET=s3cret run -0 th fetch "https://user:s3cret@host.invalid/app.tgz" "$work/dest"
	[ "$(cat "$work/dest/bin/app")" = hello ]
	if [ "$EUID" -eq 0 ]; then
		uid=$(id -u taskhook-fetch 2>/dev/null || id -u nobody)
		gid=$(id -g taskhook-fetch 2>/dev/null || id -g nobody)
		grep -qx "$uid" "$notes"
		# its own group and no other
		grep -qx "$gid" "$notes"
		[ "$(stat -c %u "$work/dest" "$work/dest/bin/app" "$work/dest/link" | sort -u)" = 0 ]
	fi
	grep -qx 700 "$notes"
	grep -q '^pwd=.*/._fetch\.' "$notes"
	[ "$(noted s3cret)" -eq 0 ]
	[ "$(grep -cE '^[A-Za-z_]+=' "$notes")" -le 8 ]
	[ "$(grep -cE '^(PATH|HOME|LANG)=' "$notes")" -eq 3 ]
	grep -qx LANG=C.UTF-8 "$notes"
	no_staging
}

@test "what it says that it should not: 125, killed, nothing left" {
	helper 'mkdir tree; say garbage; exec sleep $mark'
	fails 125 "the helper said what it should not: garbage"
	marked_gone "$mark"
	helper 'mkdir tree; say "{\"event\":\"unheard-of\"}"; exec sleep $mark'
	fails 125 "said what it should not"
	helper 'mkdir tree; while :; do say "{\"event\":\"warning\",\"text\":\"again\"}"; done 2>/dev/null'
	run --separate-stderr th fetch https://host.invalid/x "$work/dest"
	[ "$status" -eq 125 ]
	[[ ${stderr##*$'\n'} == *"does not stop talking"* ]]
	helper 'mkdir tree; exec 3>&0; head -c 1000000 /dev/zero | tr "\0" x >&3; exec sleep $mark'
	fails 125 "a line of more than"
	helper "$good"'; say "{\"event\":\"progress\"}"; exec sleep $mark'
	fails 125 "after its last word"
	marked_gone "$mark"
	no_staging
}

# landlock WORD: fetches an archive whose bytes take over the process that reads them
taken_over()
{
	config auto
	printf '[fetch]\nlandlock = %s\n' "$1" >>"$root/conf"
	run --separate-stderr th fetch "$work/a.tar" "$work/dest"
}

@test "what takes over the helper reads, writes and executes nothing: Landlock denies it" {
	ln -s "$TASKHOOK_HELPERS_DIR/broken-fetch" "$TASKHOOK_LIBEXECDIR/taskhook-fetch"
	# open to all, so that nothing but Landlock is in its way
	chmod 1777 "$work"
	echo s3cret >"$work/secret"
	chmod 644 "$work/secret"
	tar -cf "$work/a.tar" -C "$work" secret
	taken_over required
	[[ $stderr != *"this kernel has no Landlock"* ]] || skip "this kernel has no Landlock"
	[ "$status" -eq 125 ]
	[[ $stderr == *"the helper ended with status 9 and no word of why: the archive's code: read: Permission denied, write: Permission denied, execute: Permission denied" ]]
	[ ! -e "$work/planted" ]
	taken_over auto
	[[ $stderr == *"read: Permission denied, write: Permission denied, execute: Permission denied" ]]
	no_staging
	# without it all of that is possible
	taken_over off
	[[ $stderr == *"the archive's code: read: done, write: done, execute: done" ]]
	[ -e "$work/planted" ]
}

@test "it dies in the middle, or ends without a word: 125" {
	helper 'mkdir tree; say "{\"event\":\"start\",\"total\":5,\"resumed\":0}"; kill -KILL $$'
	fails 125 "was killed by signal 9"
	helper 'mkdir tree; echo "out of luck" >&2; exit 3'
	fails 125 "ended with status 3 and no word of why: out of luck"
	helper 'exit 0'
	fails 125 "ended with status 0 and no word of why"
	helper "$good"'; exit 9'
	fails 125 "ended with status 9"
}

@test "what it gives as its reason is told, with its status" {
	helper 'mkdir tree; say "{\"event\":\"failed\",\"status\":69,\"text\":\"no \\u001b[1m such host\"}"; exit 69'
	fails 69 'no \x1B[1m such host'
	helper 'say "{\"event\":\"failed\",\"status\":65,\"text\":\"bad checksum\"}"; exit 65'
	fails 65 "bad checksum"
	[[ $stderr == "taskhook: artifact 'app.tgz' (https://***@host.invalid/app.tgz?token=***): bad checksum" ]]
}

@test "it hangs: killed some time behind its own timeout, with all that it has started" {
	helper 'mkdir tree; (setsid sleep $mark &) ; trap "" TERM INT; sleep $mark'
	fails 69 "did not keep its time"
	marked_gone "$mark"
}

@test "what it leaves running is killed" {
	helper "$good"'; (setsid sleep $mark </dev/null >/dev/null 2>&1 &)'
	run -0 th fetch https://host.invalid/x "$work/dest"
	marked_gone "$mark"
	[ -e "$work/dest/bin/app" ]
}

@test "what may not be in a tree: 65 or 125, and nothing of it is published" {
	helper "mkdir tree; mkfifo tree/fifo; done_dir"
	fails 65 "'fifo' is neither a file, a directory nor a symbolic link"
	helper "mkdir tree; cp /bin/true tree/x; chmod 4755 tree/x; done_dir"
	fails 65 "'x' has its set-user-ID"
	helper "mkdir -p tree/a; ln -s ../../../etc tree/a/l; done_dir"
	fails 65 "leads outside"
	helper "mkdir tree; ln -s /etc/passwd tree/l; done_dir"
	fails 65 "leads outside"
	helper "mkdir -p tree/a/b; ln -s ../.. tree/a/b/c; ln -s a/b/c/.. tree/e; done_dir"
	fails 65 "leads outside"
	helper "mkdir tree; echo x >other; ln other tree/x; done_dir"
	fails 65 "hard link"
	helper "ln -s /etc tree; done_dir"
	fails 65 "neither a file nor a directory"
	helper "done_dir"
	fails 125 "left no 'tree' behind"
	helper "echo x >tree; done_dir"
	fails 125 "left something else"
	helper "echo x >tree; done_file ../x"
	fails 125 "said what it should not"
	helper "mkdir tree; for i in 1 2 3; do : >tree/\$i; done; done_dir"
	run --separate-stderr th fetch --max-files=2 https://host.invalid/x "$work/dest"
	[ "$status" -eq 65 ]
	[[ $stderr == *max-files* ]]
	run -0 th fetch --max-files=3 https://host.invalid/x "$work/dest"
}

@test "devices of a helper that can make them are refused" {
	needs_root "mknod"
	config auto
	printf '[fetch]\nuser = root\n' >>"$root/conf"
	helper "mkdir tree; mknod tree/null c 1 3; done_dir"
	fails 65 "'null' is neither"
}

@test "INT: the helper's tree is killed, nothing is left, 130" {
	helper 'mkdir tree; (setsid sleep $mark &); note began; sleep $mark'
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch https://host.invalid/x "$work/dest" 3>&- </dev/null &
	pid=$!
	pids+=("$pid")
	wait_for is_noted began
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 130 ]
	marked_gone "$mark"
	[ -z "$(ls -A "$work")" ]
}

@test "a command that was killed: its directory goes with the next one" {
	helper 'mkdir tree; note began; sleep $mark'
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch https://host.invalid/x "$work/dest" 3>&- </dev/null &
	pid=$!
	pids+=("$pid")
	wait_for is_noted began
	kill -KILL "$pid"
	wait "$pid" || true
	wait_for marked_gone "$mark"
	[ -n "$(ls -A "$work")" ]
	helper "$good"
	run -0 th fetch https://host.invalid/x "$work/dest"
	[ "$(ls -A "$work")" = dest ]
}

# ---- tasks ----------------------------------------------------------------------------------

@test "an artifact: hooks, status and record know it, and no password is anywhere" {
	helper 'note job "$job"; echo "from the helper" >&2; '"$good"
	hook pre-start/10-see 'env | grep ^ARTIFACT | sort; ls "$SHARED_DIR/local"'
	hook post-stop/10-see 'env | grep ^ARTIFACTS='
	task a '[artifact my-app]' "$source" 'destination = local/app' 'header-X-Token = s3cret'
	run -0 --separate-stderr go a --result="$root/result"
	[ "$output" = app ]
	# the job has it
	[ "$(noted s3cret)" -eq 1 ]
	run -0 th status "$group/a"
	[[ $output == *"artifact  my-app: fetched, 100B in "*"sha256:0123456789ab"* ]]
	run -0 th logs --hooks "$group/a"
	[[ $output == *"ARTIFACTS=my-app"* ]]
	[[ $output == *"ARTIFACT_MY_APP_PATH=$shared/app"* ]]
	[[ $output == *"ARTIFACT_MY_APP_SIZE=100"* ]]
	[[ $output == *"ARTIFACT_MY_APP_DIGEST=$digest"* ]]
	[[ $output == *"post-stop/10-see: ARTIFACTS=my-app"* ]]
	[[ $output == *"artifact/my-app: from the helper"* ]]
	[ "$(jq -r '.artifacts[0].result' "$root/result")" = fetched ]
	run ! grep -rlF s3cret "$root" --include='*' --exclude='*.ini' --exclude-dir=libexec
	assert_clean
	no_staging
}

@test "twenty tasks at once: one fetch, the others wait and are told so" {
	helper 'note fetch; sleep 1; '"$good"
	for i in {1..20}; do
		task "t$i" '[artifact app]' "$source"
		go_background "t$i"
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	[ "$(noted fetch)" -eq 1 ]
	[ "$(cat "$root"/t*.out | sort | uniq -c | awk '{ print $1 }' | sort -u)" = 20 ]
	grep -q "waiting for the artifact 'app', which process [0-9]* is fetching" "$root"/t*.err
	[ "$(cat "$root"/t*.err | grep -c "waiting for the artifact")" -le 19 ]
	assert_clean
	no_staging
}

@test "a lock that was given up is not taken for the group's, whose file has its inode" {
	helper "$good"
	command="sleep $mark" task b
	go_background b
	wait_for test -e "$runtime/$group/b/live"
	for lock in _publish _artifact.app; do
		command="until [ -e $root/end$lock ]; do sleep 0.05; done" task "a$lock" '[artifact app]' "$source"
		rm -rf "$state/tasks/$group/shared/local/bin" "$state/tasks/$group/_artifacts"
		# the fetcher finds this file and removes its name; the inode lives on
		: >"$runtime/$group/$lock"
		ln "$runtime/$group/$lock" "$root/$lock"
		go_background "a$lock"
		wait_for grep -q "artifact 'app': .* in " "$root/a$lock.err"
		wait_for test ! -e "$runtime/$group/$lock"
		mv "$root/$lock" "$runtime/$group/_lock"
		: >"$root/end$lock"
		wait "${pids[-1]}"
		run ! grep "cannot take the lock" "$root/a$lock.err"
	done
}

@test "the fetcher is killed: another one takes over" {
	helper 'note fetch; if [ ! -e "$notes.go" ]; then (setsid sleep $mark &); sleep $mark; fi; '"$good"
	task a '[artifact app]' "$source"
	task b '[artifact app]' "$source"
	go_background a
	first=$!
	wait_for is_noted fetch
	go_background b
	second=$!
	wait_for grep -q "waiting for the artifact" "$root/b.err"
	: >"$notes.go"
	kill -KILL "$first"
	wait "$second"
	[ "$(noted fetch)" -eq 2 ]
	[ "$(record b '.artifacts[0].result')" = fetched ]
	no_staging
	run th cleanup
	marked_gone "$mark"
}

@test "the helper is killed: that task fails, another one takes over" {
	helper 'note fetch; if [ ! -e "$notes.go" ]; then while [ ! -e "$notes.go" ]; do sleep 0.05; done; kill -KILL $$; fi; '"$good"
	printf '[artifact app]\n%s\n' "$source" >"$root/group.part"
	mkdir -p "$root$(place config)/groups/$group"
	cp "$root/group.part" "$root$(place config)/groups/$group/group.ini"
	task a
	task b
	go_background a
	first=$!
	wait_for is_noted fetch
	go_background b
	second=$!
	wait_for grep -q "waiting for the artifact" "$root/b.err"
	: >"$notes.go"
	wait "$second"
	status=0
	wait "$first" || status=$?
	[ "$status" -eq 125 ]
	[ "$(noted fetch)" -eq 2 ]
	[ "$(record b '.artifacts[0].result')" = fetched ]
	no_staging
}

@test "who waited for one that fails does not ask the same again" {
	helper 'note fetch; sleep 1; say "{\"event\":\"failed\",\"status\":69,\"text\":\"no such host\"}"; exit 69'
	printf '[artifact app]\n%s\n' "$source" >"$root/group.part"
	mkdir -p "$root$(place config)/groups/$group"
	cp "$root/group.part" "$root$(place config)/groups/$group/group.ini"
	task a
	task b
	go_background a
	first=$!
	wait_for is_noted fetch
	go_background b
	second=$!
	status=0
	wait "$second" || status=$?
	[ "$status" -eq 69 ]
	status=0
	wait "$first" || status=$?
	[ "$status" -eq 69 ]
	[ "$(noted fetch)" -eq 1 ]
	grep -q "could not be fetched by the task that came first" "$root/b.err"
	# who comes later tries
	run ! go a
	[ "$(noted fetch)" -eq 2 ]
}

@test "INT during a fetch: all is undone, 130" {
	helper 'note fetch; mkdir tree; (setsid sleep $mark &); sleep $mark'
	task a '[artifact app]' "$source"
	go_background a
	pid=$!
	wait_for is_noted fetch
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 130 ]
	marked_gone "$mark"
	assert_clean
	no_staging
	[ -z "$(ls -A "$shared")" ]
}

@test "another definition later: 78, with both values and both files" {
	helper "$good"
	task a '[artifact app]' "$source" 'destination = one'
	task b '[artifact app]' "$source" 'destination = two'
	task c '[artifact app]' 'source = https://user:other@host.invalid/app.tgz?token=other' 'destination = one'
	run -0 go a
	run --separate-stderr go b
	[ "$status" -eq 78 ]
	[[ $stderr == *"destination is 'two' in $root/b.ini:"*"the task '$group/a' has fetched it with 'one' from $root/a.ini:"* ]]
	# another password is no other artifact
	run -0 go c
	run -0 th cleanup "$group"
	run -0 go b
}

@test "two artifacts of different sources for one path: 78, both are named; for different paths they merge" {
	helper 'case $job in *one.tgz*) f=1;; *two.tgz*) f=2;; *) f=1;; esac; mkdir -p tree/bin; echo "$f" >"tree/bin/$f"; done_dir'
	task a '[artifact one]' 'source = https://host.invalid/one.tgz' '[artifact two]' 'source = https://host.invalid/two.tgz'
	run -0 go a
	[ "$(ls "$shared/bin")" = $'1\n2' ]
	task b '[artifact three]' 'source = https://host.invalid/three.tgz'
	run --separate-stderr go b
	[ "$status" -eq 78 ]
	[[ $stderr == *"artifact 'three'"*"bin/1' was put there by the artifact 'one' of '$group/a'"* ]]
	no_staging
}

@test "what was changed, or left half done, is fetched again; what is there is not" {
	helper "note fetch; $good"
	task a '[artifact app]' "$source"
	run -0 go a
	run -0 go a
	[ "$(noted fetch)" -eq 1 ]
	[ "$(record a '.artifacts[0].result')" = present ]
	echo changed >"$shared/bin/app"
	run -0 go a
	[ "$(noted fetch)" -eq 2 ]
	[ "$(cat "$shared/bin/app")" = hello ]
	sed -i 's/"published"/"publishing"/' "$state/tasks/$group/_artifacts/app.json"
	run -0 go a
	[ "$(noted fetch)" -eq 3 ]
	[ "$(record a '.artifacts[0].result')" = fetched ]
}

@test "a link that a task has planted in the shared directory is not gone through" {
	helper "$good"
	mkdir "$work/elsewhere"
	# shellcheck disable=SC2034 # of task()
	command='ln -s '"$work/elsewhere"' local/app'
	lines=()
	if [ "$EUID" -eq 0 ]; then
		chown nobody "$work/elsewhere"
		lines=('user = nobody')
	fi
	task plant "${lines[@]}"
	run -0 go plant
	[ -L "$shared/app" ]
	unset command
	task a "${lines[@]}" '[artifact app]' "$source" 'destination = app/x'
	run --separate-stderr go a
	[ "$status" -eq 73 ]
	[[ $stderr == *"a file or a link is in the way"* ]]
	[ -z "$(ls -A "$work/elsewhere")" ]
	no_staging
}

@test "owners: the one user of a group, else root; chown" {
	needs_root "owners"
	helper "$good"
	task a 'user = nobody' '[artifact app]' "$source" 'destination = app' '[artifact own]' "$source" 'destination = own' 'chown = daemon'
	run -0 go a
	[ "$(stat -c %U "$shared/app" "$shared/app/bin" "$shared/app/bin/app" "$shared/app/link" | sort -u)" = nobody ]
	[ "$(stat -c %U "$shared/own/bin/app")" = daemon ]
	# a second user: now it is root's, and so are the artifacts
	task b 'user = daemon' '[artifact app]' "$source" 'destination = app'
	run -0 go b
	[ "$(stat -c %U "$shared/app/bin/app")" = root ]
}

@test "the janitor removes what a killed supervisor has left" {
	helper 'note fetch; mkdir tree; sleep $mark'
	task a '[artifact app]' "$source"
	go_background a
	pid=$!
	wait_for is_noted fetch
	kill -KILL "$pid"
	wait "$pid" || true
	[ -n "$(find "$state/tasks/$group" -name '_fetch.app.*')" ]
	# a record that is younger than 10 s is left alone while its pid lives, and this one does not
	run th cleanup
	no_staging
	marked_gone "$mark"
	assert_clean
}

@test "a task without artifacts starts no helper and leaves no notes" {
	helper 'note fetch'
	task a
	run -0 go a
	[ ! -e "$state/tasks/$group/_artifacts" ]
	[ "$(noted fetch)" -eq 0 ]
}

@test "the end of the group takes all of it along" {
	helper "$good"
	task a '[artifact app]' "$source"
	run -0 go a
	run -0 th cleanup "$group"
	[ ! -e "$state/tasks/$group" ]
	[ ! -e "$runtime/$group" ]
}

@test "neither config show, a dry run nor an error repeats a password" {
	task a '[artifact app]' "$source" 'header-Authorization = Bearer s3cret'
	run -0 th config show "$root/a.ini"
	[[ $output == *"artifact app.source"*"https://***@host.invalid/app.tgz?token=***"* ]]
	[[ $output == *"artifact app.header-Authorization ***"* ]]
	[[ $output != *s3cret* ]]
	run -0 go a --dry-run
	[[ $output == *"fetch the artifact 'app' to "*"at most 30m"* ]]
	[[ $output != *s3cret* ]]
	task b '[artifact app]' 'source = gcs::https://user:s3cret@host.invalid/x'
	run go b
	[ "$status" -eq 78 ]
	[[ $output == *"$root/b.ini:5: source = "* ]]
	[[ $output != *s3cret* ]]
	[ ! -e "$state/tasks/$group" ]
}
