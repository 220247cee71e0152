# shellcheck disable=SC2154,SC2034 # set by run and by lib/tasks.bash; used by the tests that load it
# Shared by the tests of artifacts: a place to fetch to, and what must hold after a failure. Needs
# lib/tasks.bash and lib/nginx.bash.
# shellcheck shell=bash

fetch_setup()
{
	tasks_setup
	[ -x "$TASKHOOK_BUILDDIR/taskhook-fetch" ] || skip "taskhook-fetch was not built"
	"$TASKHOOK_PROGRAM" help fetch >/dev/null 2>&1 || skip "taskhook has no command 'fetch'"
	work=$BATS_TEST_TMPDIR/work
	dest=$work/dest
	mkdir "$work"
	chmod 755 "$work"
}

fetch_teardown()
{
	nginx_teardown
	tasks_teardown
}

mkarchive() { "$TASKHOOK_HELPERS_DIR/mkarchive" "$@"; }

# Lines of all that taskhook said.
said() { printf '%s\n' "${stderr-}" "${output-}"; }

# Lines that may stand beside the one that tells the failure: what is tried again, where help is, where logs are.
beside="; attempt [0-9]+ of [0-9]+ in |^try 'taskhook |: logs are in "
one_line() { [ "$(grep -cvE "$beside" <<<"$stderr")" -eq 1 ]; }

# fails STATUS WORDS [ARG...]: 'taskhook fetch ARG...' ends so, says one line that holds WORDS (both patterns
# of bash), and leaves nothing.
fails()
{
	local wanted=$1 words=$2 before
	shift 2
	before=$(find "$work" -mindepth 1 -printf '%p %y %s %T@ %i\n' | sort)
	run --separate-stderr th fetch "$@"
	echo "status $status, wanted $wanted: $stderr" >&2
	# shellcheck disable=SC2053 # a pattern, and so are the words
	[[ $status == $wanted ]]
	[ -z "$output" ]
	one_line
	[[ $stderr == taskhook:\ * ]]
	# shellcheck disable=SC2053
	[[ $stderr == *$words* ]]
	no_secrets
	# the directory's own time may have changed by what came and went
	[ "$(find "$work" -mindepth 1 -printf '%p %y %s %T@ %i\n' | sort)" = "$before" ]
	no_staging
}

# What a fetch has on its way lies here; afterwards nothing does.
no_staging()
{
	local left
	left=$(find "$work" "$root" -name '*_fetch.*' 2>/dev/null)
	[ -z "$left" ] || {
		echo "left: $left" >&2
		return 1
	}
}

no_secrets() { [[ ${stderr-}${output-} != *s3cret* && ${stderr-}${output-} != *secret* ]]; }

# start_fetch ARG...: 'taskhook fetch' in the background; its pid is $started, its output in $root/out
start_fetch()
{
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" fetch "$@" >"$root/out" 2>&1 3>&- </dev/null &
	started=$!
	pids+=("$started")
}

# helper_of PID: of the one taskhook-fetch that was started below process PID
helper_of()
{
	local child
	for child in $(pgrep -P "$1"); do
		if [ "$(cat "/proc/$child/comm" 2>/dev/null)" = taskhook-fetch ]; then
			echo "$child"
			return
		fi
		helper_of "$child" && return
	done
	return 1
}

# tree DIRECTORY: names, kinds, modes, sizes and targets
tree() { (cd "$1" && find . -mindepth 1 -printf '%P %y %m %l\n' | LC_ALL=C sort); }

same_tree() { diff -r --no-dereference "$1" "$2" && diff <(tree "$1") <(tree "$2"); }

# make_tree DIRECTORY: files, directories, links
make_tree()
{
	mkdir -p "$1/bin" "$1/etc/conf.d" "$1/empty"
	printf '#!/bin/sh\necho tool\n' >"$1/bin/tool"
	chmod 755 "$1/bin/tool"
	ln -s tool "$1/bin/alias"
	ln "$1/bin/tool" "$1/bin/hard"
	echo "key = 1" >"$1/etc/app.conf"
	chmod 640 "$1/etc/app.conf"
	ln -s ../app.conf "$1/etc/conf.d/10-app"
	head -c 300000 /dev/urandom >"$1/data"
	: >"$1/nothing"
	touch -d '2020-02-02 02:02:02Z' "$1/etc/app.conf" "$1/empty"
	chmod 700 "$1/empty"
	touch -d '2020-02-02 02:02:02Z' "$1/empty"
}
