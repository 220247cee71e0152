# shellcheck shell=bash
# shellcheck disable=SC2154 # root, group and state are of lib/tasks.bash
# Tasks with artifacts, for the tests of the real helper and of one that misbehaves. `pids` is emptied by
# their set-up and ended by their teardown.

# task ID LINE...: a task file $root/ID.ini
task()
{
	local id=$1
	shift
	{
		printf '[task]\nid = %s\ncommand = /bin/sh -c '"'%s'"'\n' "$id" "${command:-ls local}"
		printf '%s\n' "$@"
	} >"$root/$id.ini"
}

go() { th run -g "$group" -f "$root/$1.ini" "${@:2}"; }

# go_background ID: output to $root/ID.out and ID.err, its pid is $!
go_background()
{
	"$TASKHOOK_PROGRAM" --root "$root" --config "$root/conf" run -g "$group" -f "$root/$1.ini" "${@:2}" \
		>"$root/$1.out" 2>"$root/$1.err" 3>&- </dev/null &
	pids+=($!)
}

record() { jq -r "$2" "$state/records/$group/$1.json"; }
