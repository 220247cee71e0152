# shellcheck shell=bash
# Shared by the linters beside it. Each is a TAP test: a missing tool is a skip, a finding a failure
# with the tool's words below it.
set -u
src=${TASKHOOK_SRCDIR:?is not set: call make lint}
build=${TASKHOOK_BUILDDIR:?is not set: call make lint}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf -- "$scratch"' EXIT
cd "$src" || exit 2
number=0

# need TOOL: ends the linter as skipped where TOOL is not installed
need()
{
	command -v "$1" >/dev/null && return 0
	echo "1..0 # SKIP $1 is not installed"
	exit 0
}

# lint NAME COMMAND...: one check
lint()
{
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$scratch/log" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/#   /' "$scratch/log"
	fi
}

done_linting()
{
	if [ $number -eq 0 ]; then
		echo "1..0 # SKIP there is nothing to look at"
	else
		echo "1..$number"
	fi
}

# Files of the tree, one a line, without what builds and git made. Arguments as find(1) takes them.
tree_files()
{
	find . \( -name .git -o -name 'build*' -o -name autom4te.cache -o -path "./${build#"$src/"}" \
		-o -name 'taskhook-[0-9]*' \) -prune -o -type f \( "$@" \) -print |
		grep -vxE '\./(configure|config\.status|libtool|aclocal\.m4|Makefile\.in|Makefile|config\.log)~?' |
		sed 's|^\./||' | LC_ALL=C sort
}

# Files with a first line that names sh, dash or bash, and *.bash.
shell_scripts()
{
	tree_files -name '*' | while read -r file; do
		case $file in
		*.bash) echo "$file" ;;
		*.bats) ;;
		*)
			if head -c 100 "$file" | head -n 1 | grep -qaE '^#!.*(/| )(ba|da)?sh( |$)'; then
				echo "$file"
			fi
			;;
		esac
	done
}
