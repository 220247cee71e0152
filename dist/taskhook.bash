# bash completion for taskhook. -*- sh -*-
#
# Commands, options and keys come from the tables of the program itself (taskhook __tables), read once
# in a shell; groups and tasks from its files each time.
# shellcheck shell=bash

# Of __taskhook_tables those rows of a kind: __taskhook_rows KIND
__taskhook_rows()
{
	local line
	while IFS= read -r line; do
		[[ $line != "$1"$'\t'* ]] || printf '%s\n' "${line#*$'\t'}"
	done <<<"$__taskhook_tables"
}

# It fails where no completion is under way, as in a test.
__taskhook_compopt() { compopt -o "$1" 2>/dev/null || true; }

# Names of tasks that run; with -a of all.
__taskhook_tasks() { "${taskhook[@]}" list -q ${1+"$1"} 2>/dev/null; }

__taskhook_groups()
{
	local task
	while IFS= read -r task; do printf '%s\n' "${task%%/*}"; done < <(__taskhook_tasks -a) | sort -u
}

# What may stand for the argument of an option: __taskhook_argument NAME-IN-THE-HELP
__taskhook_argument()
{
	local rows
	case $1 in
	GROUP) candidates=$(__taskhook_groups) ;;
	SECTION.KEY=*)
		[[ $cur != *=* ]] || return
		rows=key
		[[ $command != update ]] || rows=update
		candidates=$(while IFS=$'\t' read -r section key _; do printf '%s.%s=\n' "$section" "$key"; done < <(__taskhook_rows "$rows"))
		__taskhook_compopt nospace
		;;
	SIGNAL) candidates=$(compgen -A signal SIG | sed 's/^SIG//') ;;
	POINT:*)
		[[ $cur != *:* ]] || { __taskhook_compopt default; return; }
		candidates=$(while IFS=$'\t' read -r point _; do printf '%s:\n' "$point"; done < <(__taskhook_rows point))
		__taskhook_compopt nospace
		;;
	*FILE* | *PATH* | DIR) __taskhook_compopt default ;;
	esac
}

# Operands of the command, by its synopsis.
__taskhook_operand()
{
	case "$command $synopsis" in
	help*) candidates=$(while IFS=$'\t' read -r name _; do printf '%s\n' "${name%% *}"; done < <(__taskhook_rows command) | sort -u) ;;
	cleanup*) candidates=$(__taskhook_groups; __taskhook_tasks -a) ;;
	stop* | signal* | wait* | restart* | update*) candidates=$(__taskhook_tasks) ;;
	exec*)
		if ((operands)); then __taskhook_compopt default; else candidates=$(__taskhook_tasks); fi
		;;
	list*) candidates=$(__taskhook_groups) ;;
	*TASKFILE* | *FILE* | *COMMAND* | *SOURCE* | *TEMPLATE*) __taskhook_compopt default ;;
	*TASK*) candidates=$(__taskhook_tasks -a) ;;
	esac
}

_taskhook()
{
	local cur line word command='' synopsis='' argument='' candidates='' option='' name letter takes
	local -i i=1 operands=0 only_operands=0
	local -a words taskhook=("${COMP_WORDS[0]}")
	COMPREPLY=()

	# One word for what bash has cut at '=' and ':'.
	line=${COMP_LINE:0:COMP_POINT}
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=('')
	cur=${words[${#words[@]} - 1]}

	if [[ -z ${__taskhook_tables-} ]]; then
		__taskhook_tables=$("${COMP_WORDS[0]}" __tables 2>/dev/null) || return
	fi
	local options commands
	options=$'\n'$(__taskhook_rows option)$'\n'
	commands=$'\n'$(__taskhook_rows command)$'\n'

	for ((; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		if [[ -n $argument ]]; then
			[[ $option != --root && $option != --config ]] || taskhook+=("$option" "$word")
			argument=''
		elif ((only_operands)); then
			operands+=1
		elif [[ $word == -- ]]; then
			only_operands=1
		elif [[ $word == --*=* ]]; then
			[[ $word != --root=* && $word != --config=* ]] || taskhook+=("$word")
		elif [[ $word == -?* ]]; then
			option=$word
			while IFS='|' read -r name letter word takes; do
				[[ -z $name || $name == "$command" ]] || continue
				[[ $option != "$word" && $option != "$letter" ]] || argument=$takes
				[[ $option != "$word" && $option != "$letter" ]] || option=$word
			done < <(__taskhook_options)
		elif [[ $commands == *$'\n'"${command:+$command }$word"[$'\t ']* && $operands -eq 0 ]]; then
			command=${command:+$command }$word
		else
			operands+=1
			# options end at the first operand
			[[ $command != run && $command != start && $command != exec ]] || only_operands=1
		fi
	done
	while IFS='|' read -r name synopsis; do
		[[ $name != "$command" ]] || break
	done < <(__taskhook_rows command | tr '\t' '|' | cut -d'|' -f1,2)

	if [[ -n $argument ]]; then
		__taskhook_argument "$argument"
	elif ((only_operands)); then
		__taskhook_operand
	elif [[ $cur == --*=* ]]; then
		option=${cur%%=*} cur=${cur#*=}
		while IFS='|' read -r name letter word takes; do
			[[ -z $name || $name == "$command" ]] || continue
			[[ $option != "$word" ]] || argument=$takes
		done < <(__taskhook_options)
		__taskhook_argument "$argument"
	elif [[ $cur == -* ]]; then
		while IFS='|' read -r name letter word takes; do
			[[ -z $name || $name == "$command" ]] || continue
			candidates+=$word${takes:+=}$'\n'
		done < <(__taskhook_options)
		candidates=$(compgen -W "$candidates" -- "$cur")
		[[ $candidates != *= || $candidates == *$'\n'* ]] || __taskhook_compopt nospace
	else
		# a command, or one of this command's own
		candidates=$(
			while IFS=$'\t' read -r name _; do
				[[ -n $command || $name == *' '* ]] || printf '%s\n' "$name"
				[[ -z $command || $name != "$command "* ]] || printf '%s\n' "${name#"$command "}"
			done < <(__taskhook_rows command)
		)
		[[ -n $candidates || -z $command ]] || __taskhook_operand
	fi
	# Names of groups, tasks and keys hold no blanks.
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
	# bash replaces what is behind its last '=' or ':'.
	if [[ $cur == *[=:]* && $COMP_WORDBREAKS == *[=:]* ]]; then
		local before=${cur%"${cur##*[=:]}"}
		COMPREPLY=("${COMPREPLY[@]#"$before"}")
	fi
}

# Options as COMMAND|-x|--name|ARGUMENT, for read joins empty fields that tabs divide.
__taskhook_options() { tr '\t' '|' <<<"$options" | cut -d'|' -f1-4; }

complete -F _taskhook taskhook
