#!/usr/bin/env bats
# The commands of EXAMPLES in taskhook(1) work, in their order.

bats_require_minimum_version 1.8.0

setup()
{
	root=$BATS_TEST_TMPDIR/root
	mkdir "$root"
	printf '[cgroup]\nmode = off\n' >"$root/conf"
	mkdir "$root/bin"
	printf '#!/bin/sh\nexec "%s" --root "%s" --config "%s/conf" "$@"\n' "$TASKHOOK_PROGRAM" "$root" "$root" >"$root/bin/taskhook"
	chmod 755 "$root/bin/taskhook"
}

@test "every example of taskhook(1)" {
	local count=0

	PATH=$root/bin:$PATH
	while IFS= read -r line; do
		line=${line//\\&/}
		echo "# $line"
		run -0 bash -c "$line"
		count=$((count + 1))
		case $line in
		*'echo hello') [ "$output" = hello ] ;;
		*'echo '?PORT*) [ "$output" = 8080 ] ;;
		*'status hello') [[ $output == default/hello* ]] ;;
		esac
	done < <(awk '$1 == ".Sh" {inside = $2 == "EXAMPLES"} inside && $1 == ".Dl" {print substr($0, 5)}' \
		"$TASKHOOK_SRCDIR/man/taskhook.1")
	[ "$count" -ge 5 ]
}
