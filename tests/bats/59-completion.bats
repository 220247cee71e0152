#!/usr/bin/env bats
# The completions of bash and of zsh against the tables of the program.
# taskhook-test: user (what it completes is the same for root)
# shellcheck disable=SC2016,SC2034,SC2154 # for awk; set by lib/tasks; COMP_* are read by the completion

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/background

setup()
{
	tasks_setup
	mkdir "$root/bin"
	printf '#!/bin/sh\nexec "%s" --root "%s" --config "%s/conf" "$@"\n' "$TASKHOOK_PROGRAM" "$root" "$root" >"$root/bin/taskhook"
	chmod 755 "$root/bin/taskhook"
	PATH=$root/bin:$PATH
	source "$TASKHOOK_SRCDIR/dist/taskhook.bash"
}

teardown() { tasks_teardown; }

# completes LINE: $output is what bash would offer, one a line
completes()
{
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(taskhook) COMP_CWORD=1
	_taskhook taskhook
	output=$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort)
}

# tables AWK-PROGRAM
tables() { "$TASKHOOK_PROGRAM" __tables | awk -F'\t' "$1" | LC_ALL=C sort; }

@test "it is registered for taskhook" {
	[[ $(complete -p taskhook) == *'-F _taskhook'* ]]
}

@test "every command, and those of commands" {
	completes 'taskhook '
	[ "$output" = "$(tables '$1 == "command" && $2 !~ / / {print $2}')" ]
	completes 'taskhook hooks '
	[ "$output" = "$(tables '$1 == "command" && $2 ~ /^hooks / {sub(/^hooks /, "", $2); print $2}')" ]
	completes 'taskhook sta'
	[ "$output" = $'start\nstats\nstatus' ]
	completes 'taskhook --root /x -v sto'
	[ "$output" = stop ]
}

@test "every option of every command" {
	while IFS= read -r command; do
		completes "taskhook $command --"
		[ "$output" = "$(tables "\$1 == \"option\" && (\$2 == \"\" || \$2 == \"$command\") {print \$4 (\$5 == \"\" ? \"\" : \"=\")}" | uniq)" ] || {
			echo "of '$command': $output" >&2
			return 1
		}
	done < <("$TASKHOOK_PROGRAM" __tables | awk -F'\t' '$1 == "command" {print $2}' | grep -vx -e hooks -e config)
}

@test "every key after --set" {
	completes 'taskhook run --set '
	[ "$output" = "$(tables '$1 == "key" {print $2 "." $3 "="}' | uniq)" ]
	completes 'taskhook run --set limits.mem'
	[[ $output == *limits.memory-high=*limits.memory=* && $output != *task.* ]]
	completes 'taskhook start --set=task.com'
	[ "$output" = 'task.command=' ]
	completes 'taskhook update --set '
	[ "$output" = "$(tables '$1 == "update" {print $2 "." $3 "="}')" ]
	[[ $output == *limits.memory=* && $output == *task.command=* && $output != *hook.* && $output != *task.user=* ]]
}

@test "groups and tasks" {
	th run -q -g "$group" -i old -- true
	begin -i runs -- sleep "$nap"
	completes 'taskhook stop '
	[ "$output" = "$group/runs" ]
	completes "taskhook status $group/"
	[ "$output" = "$group/old"$'\n'"$group/runs" ]
	completes 'taskhook list '
	[ "$output" = "$group" ]
	completes 'taskhook run -g '
	[ "$output" = "$group" ]
	completes 'taskhook run --group='
	[ "$output" = "$group" ]
	completes 'taskhook cleanup '
	[ "$output" = "$group"$'\n'"$group/old"$'\n'"$group/runs" ]
	completes 'taskhook logs --stdout '
	[ "$output" = "$group/old"$'\n'"$group/runs" ]
}

@test "behind the command of a task nothing is taskhook's" {
	completes 'taskhook run -- ls --'
	[ -z "$output" ]
	completes 'taskhook run ls --'
	[ -z "$output" ]
}

@test "signals and hook points" {
	completes 'taskhook stop --signal=HU'
	[ "$output" = HUP ]
	completes 'taskhook run --hook pre-sta'
	[ "$output" = pre-start: ]
}

# zsh_completes WORD...: $output is what the function hands to zsh, whose part is played here
zsh_completes()
{
	command -v zsh >/dev/null || skip "zsh is not installed"
	output=$(zsh -fc '
		compadd() { while [[ $1 == -* && $1 != -a ]]; do [[ $1 != -S ]] || shift; shift; done; shift; for n; do print -l -- "${(@P)n}"; done }
		_describe() { while [[ $1 == -* ]]; do shift; done; print -l -- "${(@)${(@P)2}%%:*}"; }
		_files() { print files; }
		_signals() { print signals; }
		compset() { :; }
		file=$1
		shift
		words=("$@") CURRENT=$# PREFIX=${@[-1]}
		set --
		source $file' zsh "$TASKHOOK_SRCDIR/dist/_taskhook" "$@" | LC_ALL=C sort)
}

@test "zsh: commands, options, keys, groups and tasks" {
	zsh_completes taskhook ''
	[ "$output" = "$(tables '$1 == "command" && $2 !~ / / {print $2}')" ]
	zsh_completes taskhook hooks ''
	[ "$output" = "$(tables '$1 == "command" && $2 ~ /^hooks / {sub(/^hooks /, "", $2); print $2}')" ]
	zsh_completes taskhook stop --
	[ "$output" = "$(tables '$1 == "option" && ($2 == "" || $2 == "stop") {print $4 ($5 == "" ? "" : "=")}')" ]
	zsh_completes taskhook run --set ''
	[ "$output" = "$(tables '$1 == "key" {print $2 "." $3 "="}')" ]
	zsh_completes taskhook update --set ''
	[ "$output" = "$(tables '$1 == "update" {print $2 "." $3 "="}')" ]
	th run -q -g "$group" -i old -- true
	begin -i runs -- sleep "$nap"
	zsh_completes taskhook stop ''
	[ "$output" = "$group/runs" ]
	zsh_completes taskhook run -g ''
	[ "$output" = "$group" ]
	zsh_completes taskhook status ''
	[ "$output" = "$group/old"$'\n'"$group/runs" ]
	zsh_completes taskhook run -- ls ''
	[ "$output" = files ]
}
