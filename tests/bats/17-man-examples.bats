#!/usr/bin/env bats
# The commands of EXAMPLES in the pages of section 1 work, in their order.

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

teardown() { "$root/bin/taskhook" -q cleanup --all --force >/dev/null 2>&1 || true; }

# examples PAGE: runs them; $count is how many there were
examples()
{
	PATH=$root/bin:$PATH
	count=0
	while IFS= read -r line; do
		line=${line//\\&/}
		echo "# $line"
		run -0 bash -c "$line" 3>&-
		count=$((count + 1))
		case $line in
		*'echo hello') [ "$output" = hello ] ;;
		*'echo '?PORT*) [ "$output" = 8080 ] ;;
		*'status hello') [[ $output == default/hello* ]] ;;
		*'start -g web -i site '*) [ "$output" = web/site ] ;;
		esac
	done < <(awk '$1 == ".Sh" {inside = $2 == "EXAMPLES"} inside && $1 == ".Dl" {print substr($0, 5)}' \
		"$TASKHOOK_SRCDIR/man/$1")
}

@test "every example of taskhook(1)" {
	examples taskhook.1
	[ "$count" -ge 5 ]
}

@test "every example of taskhook-exec(1)" {
	examples taskhook-exec.1
	[ "$count" -ge 3 ]
}

@test "every example of taskhook-start(1)" {
	examples taskhook-start.1
	[ "$count" -ge 3 ]
}

@test "every example of taskhook-update(1)" {
	examples taskhook-update.1
	[ "$count" -ge 5 ]
}

@test "every example of taskhook-status(1)" {
	cd "$BATS_TEST_TMPDIR"
	examples taskhook-status.1
	[ "$count" -ge 5 ]
}
