#!/usr/bin/env bats
# Archives that want to write elsewhere, never end, or are broken: one line, 65, and nothing left.
# helpers/mkarchive writes what no tar would.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/nginx
load lib/fetch

setup()
{
	fetch_setup
	nginx_setup
	outside=$BATS_TEST_TMPDIR/outside
	mkdir "$outside"
	echo untouched >"$outside/file"
	chmod 755 "$outside"
}

teardown()
{
	fetch_teardown
}

# refused WORDS KIND ENTRY...: an archive of these is
refused()
{
	local words=$1
	shift
	mkarchive "$@" >"$www/archive"
	fails 65 "$words" "$http/archive" "$dest"
	[ "$(ls -A "$outside")" = file ]
	[ "$(cat "$outside/file")" = untouched ]
	# and into a directory that is there
	mkdir "$dest"
	echo mine >"$dest/mine"
	fails 65 "$words" "$http/archive" "$dest"
	rm -r "$dest"
}

# taken KIND ENTRY...: an archive of these is unpacked into $dest, anew
taken()
{
	rm -rf "$dest"
	mkarchive "$@" >"$www/archive"
	run -0 --separate-stderr th fetch "$http/archive" "$dest"
	[ "$(ls -A "$outside")" = file ]
	[ "$(cat "$outside/file")" = untouched ]
	no_staging
}

# ---- out of the tree ------------------------------------------------------------------------

@test "absolute names and .. are refused" {
	for kind in tar zip; do
		refused "$outside/planted" $kind file "$outside/planted" x
		refused '..' $kind file ../planted x
		refused '..' $kind file a/../../planted x
		refused '..' $kind file a/b/.. x
		refused '..' $kind dir ..
	done
}

@test "links that lead outside are refused" {
	for kind in tar zip; do
		refused link $kind link l /etc/passwd
		refused link $kind link l ../x
		refused link $kind link a/b/l ../../../x
		refused link $kind link l "$outside"
	done
	refused '' tar link l "$outside" file l/planted x
	refused '' tar link l .. file l/planted x
	refused '' tar hard h /etc/passwd
	refused '' tar hard h ../../etc/passwd
	refused '' tar link l /etc/passwd hard h l
}

@test "chains of links that lead outside are refused" {
	refused link tar dir a link a/up .. link out a/up/.. file out/planted x
	refused link tar dir a dir a/b link a/b/up ../.. link x a/b/up/../y
	refused link tar link one two link two three link three ../outside
	refused link tar link x . link y x/..
}

@test "links inside the tree are kept" {
	taken tar dir a file a/f content link l a/f link a/up ../a/f link d a hard a/h a/f
	[ "$(cat "$dest/l" "$dest/a/up" "$dest/d/f" "$dest/a/h" | sort -u)" = content ]
	[ "$(readlink "$dest/l")" = a/f ]
	[ "$(stat -c %i "$dest/a/f")" = "$(stat -c %i "$dest/a/h")" ]
	# dangling, but inside
	taken tar link l not/there file x y
	[ "$(readlink "$dest/l")" = not/there ]
}

@test "a member that replaces a link by a directory and back" {
	run th fetch "$(hostile tar link d ../../outside dir d file d/planted x)" "$dest"
	untouched
	run th fetch "$(hostile tar dir d link d ../../outside file d/planted x)" "$dest"
	untouched
	run th fetch "$(hostile tar file d/x 1 link d "$outside" file d/planted x dir d file d/y 2)" "$dest"
	untouched
	run th fetch "$(hostile tar dir real link d real dir d file d/x 1 link d real file d/y 2)" "$dest"
	untouched
	run th fetch "$(hostile tar file f 1 link f "$outside/file" file f 2)" "$dest"
	untouched
	run th fetch "$(hostile tar file f 1 hard g f link f "$outside/file" file g 2 file f 3)" "$dest"
	untouched
}

hostile()
{
	mkarchive "$@" >"$www/archive"
	echo "$http/archive"
}

# whatever came of it, nothing outside changed and nothing is half there
untouched()
{
	echo "$status $output" >&2
	[ "$status" -eq 0 ] || [ "$status" -eq 65 ]
	[ "$status" -eq 0 ] || [ ! -e "$dest" ]
	[ "$(ls -A "$outside")" = file ]
	[ "$(cat "$outside/file")" = untouched ]
	[ "$(stat -c %a "$outside/file")" = 644 ]
	rm -rf "$dest"
	[ -z "$(ls -A "$work")" ]
	no_staging
}

@test "devices and FIFOs are refused" {
	refused zero tar char zero
	refused loop tar block loop
	refused pipe tar fifo pipe
}

# ---- names ----------------------------------------------------------------------------------

@test "names with newlines, escapes and bytes that are no UTF-8" {
	taken tar file $'a\nb' newline file $'\e[31mred' escape file $'\xff\xfe' bytes file $'\xc3\xa4' utf8
	[ "$(cat "$dest/"$'a\nb' "$dest/"$'\e[31mred' "$dest/"$'\xff\xfe' "$dest/"$'\xc3\xa4')" = $'newline\nescape\nbytes\nutf8' ]
	# what is refused is told on one line, without what a terminal would do
	rm -r "$dest"
	refused '' tar link $'x\ny\e[31m' /etc/passwd
	[[ $stderr != *$'\e'* ]]
	no_staging
}

@test "a name of 4000 bytes, a part of more than 255" {
	long=$(printf 'n%.0s' {1..4000})
	refused name tar file "$long" x
	parts=$(printf 'p%.0s' {1..200})
	run th fetch --max-files=100 "$(hostile tar file "$parts/$parts/$parts/$parts/$parts/f" x)" "$dest"
	[ "$status" -eq 0 ]
	[ "$(cat "$dest/$parts/$parts/$parts/$parts/$parts/f")" = x ]
	rm -r "$dest"
	run th fetch "$(hostile tar file "$(printf "%s/" "$parts"{1..25})f" x)" "$dest"
	untouched
}

@test "two members that differ in case only are two" {
	taken tar file Name one file name two
	[ "$(cat "$dest/Name" "$dest/name")" = $'one\ntwo' ]
}

@test "the same name twice: the last one counts, no tail of the first" {
	taken tar zeros f 100000 file f short
	[ "$(cat "$dest/f")" = short ]
}

@test "a file is in the way of a directory, and the other way round" {
	run th fetch "$(hostile tar file a 1 file a/b 2)" "$dest"
	untouched
	run th fetch "$(hostile tar file a/b 2 file a 1)" "$dest"
	untouched
}

@test "a name that taskhook uses itself, and names of nothing" {
	run -0 th fetch "$(hostile tar file tree x file tree.all y file .hidden z)" "$dest"
	[ "$(cat "$dest/tree" "$dest/tree.all" "$dest/.hidden")" = $'x\ny\nz' ]
	rm -r "$dest"
	run th fetch "$(hostile tar dir . file ./a x dir ./ )" "$dest"
	[ "$status" -eq 0 ]
	[ "$(ls -A "$dest")" = a ]
	rm -r "$dest"
	run th fetch "$(hostile tar file '' x)" "$dest"
	untouched
}

# ---- too much -------------------------------------------------------------------------------

@test "bombs of gzip, zip, xz and zstd end at the limit" {
	head -c 40000000 /dev/zero | gzip -1 >"$www/bomb.gz"
	mkarchive tar zeros big 40000000 | gzip -1 >"$www/bomb.tgz"
	mkarchive tar zeros big 40000000 | xz -0 >"$www/bomb.txz"
	mkarchive tar zeros big 40000000 | zstd -q >"$www/bomb.zst"
	for bomb in bomb.gz bomb.tgz bomb.txz bomb.zst; do
		fails 65 max-unpacked --max-unpacked=10M "$http/$bomb" "$dest"
	done
	head -c 40000000 /dev/zero >"$root/big"
	bsdtar -C "$root" --format=zip -cf "$www/bomb.zip" big
	fails 65 max-unpacked --max-unpacked=10M "$http/bomb.zip" "$dest"
	# an archive in an archive is a file
	gzip -c "$www/bomb.gz" >"$www/twice.gz"
	run th fetch --max-unpacked=10M "$http/twice.gz" "$dest"
	untouched
	# what it claims alone is no reason to reserve it
	mkarchive tar claim huge 8000000000 >"$www/claim.tar"
	fails 65 '' --max-unpacked=10M "$http/claim.tar" "$dest"
}

@test "100,000 tiny files: refused at the limit, taken where it is higher" {
	mkarchive tar many f 100000 | gzip -1 >"$www/many.tgz"
	fails 65 max-files "$http/many.tgz" "$dest"
	mkarchive tar many d/f 100000 >"$www/many"
	run -0 th fetch --max-files=100001 "$http/many" "$dest"
	[ "$(find "$dest" -type f | wc -l)" -eq 100000 ]
	no_staging
}

@test "a zip of many entries, too" {
	mkarchive zip many f 2000 >"$www/many.zip"
	fails 65 max-files --max-files=1999 "$http/many.zip" "$dest"
	run -0 th fetch --max-files=2000 "$http/many.zip" "$dest"
	[ "$(find "$dest" -type f | wc -l)" -eq 2000 ]
}

@test "1,000 directories deep" {
	refused max-depth tar deep 1000
	refused max-depth zip deep 1000
}

@test "an endless body that begins like an archive" {
	rude_setup
	mkarchive tar file a x no-end | gzip >"$rude_dir/a.tgz"
	fails 65 '' --max-size=1M --retries=0 "$rude/endless-file/a.tgz" "$dest"
	mkarchive tar file a x zeros b 1000 no-end >"$rude_dir/a.tar"
	fails 65 '' --max-size=1M --retries=0 "$rude/endless-file/a.tar" "$dest"
}

# ---- broken ---------------------------------------------------------------------------------

@test "truncated archives" {
	make_tree "$root/in"
	tar -C "$root/in" -cf "$root/a.tar" .
	for kind in gzip bzip2 xz zstd; do
		$kind -c "$root/a.tar" >"$root/a.$kind"
		size=$(stat -c %s "$root/a.$kind")
		for part in $((size / 2)) $((size - 1)) 40; do
			head -c "$part" "$root/a.$kind" >"$www/part"
			fails 65 '' "$http/part" "$dest"
		done
	done
	head -c 100000 "$root/a.tar" >"$www/part"
	fails 65 '' "$http/part" "$dest"
	for format in zip 7zip; do
		bsdtar -C "$root/in" --format=$format -cf "$root/a.$format" .
		size=$(stat -c %s "$root/a.$format")
		for part in $((size / 2)) $((size - 1)); do
			head -c "$part" "$root/a.$format" >"$www/part"
			fails 65 '' "$http/part" "$dest"
		done
	done
}

@test "damaged archives" {
	make_tree "$root/in"
	tar -C "$root/in" -cf "$root/a.tar" .
	for kind in gzip bzip2 xz zstd; do
		$kind -c "$root/a.tar" >"$www/bad"
		size=$(stat -c %s "$www/bad")
		printf 'XXXXXXXX' | dd of="$www/bad" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
		if [ $kind = zstd ]; then
			# its blocks are stored as they are, and a checksum is not asked for by everybody
			run th fetch "$http/bad" "$dest"
			untouched
		else
			fails 65 '' "$http/bad" "$dest"
		fi
	done
	bsdtar -C "$root/in" --format=zip -cf "$www/bad" .
	size=$(stat -c %s "$www/bad")
	printf 'XXXXXXXX' | dd of="$www/bad" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
	fails 65 '' "$http/bad" "$dest"
	# behind a proper header
	mkarchive tar file a content claim b 1000 no-end >"$www/bad"
	fails 65 '' "$http/bad" "$dest"
}

@test "empty archives" {
	mkarchive tar | gzip >"$www/empty.tgz"
	mkarchive tar >"$www/empty.tar"
	mkarchive zip >"$www/empty.zip"
	gzip </dev/null >"$www/empty.gz"
	fails 65 empty "$http/empty.tgz" "$dest"
	fails 65 '@(empty|damaged)' "$http/empty.zip" "$dest"
	# nothing tells these zeros from others
	fails 65 empty --extract=tar "$http/empty.tar" "$dest"
	run -0 th fetch "$http/empty.gz" "$dest"
	[ -e "$dest/empty" ] && [ ! -s "$dest/empty" ]
}

@test "filename= and names that servers give lead nowhere else" {
	echo content >"$www/file"
	for name in ../x /tmp/x a/b .. . ''; do
		fails 64 filename "--filename=$name" "$http/file" "$dest"
	done
	fails 64 filename "$http/file?filename=../x" "$dest"
	# a URL without a name
	mkdir "$www/d"
	echo index >"$www/d/index.html"
	fails 78 filename "$http/d/" "$dest"
	run -0 th fetch --filename=index "$http/d/" "$dest"
	[ "$(cat "$dest/index")" = index ]
	rm -r "$dest"
	run th fetch "$http/d/..%2f..%2fx" "$dest"
	[ "$status" -ne 0 ]
	untouched || [ "$status" -eq 69 ]
}
