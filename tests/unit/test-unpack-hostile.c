#include "config.h"

#include "base/macro.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/archives.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/xattr.h>

static char long_name[300], long_path[4300];

static void test_members(void)
{
	static const struct {
		const char *what;
		struct tar_member members[4];
		const char *why;
	} cases[] = {
		{"an absolute path", {{.name = "/etc/x", .data = "x"}}, "has an absolute path"},
		{"a path that leads up", {{.name = "a/../../x"}}, "has '..' in its path"},
		{"a directory that leads up", {{.name = "../d", .type = '5'}}, "has '..'"},
		{"the top as a file", {{.name = ".", .data = "x"}}, "top directory"},
		{"the top as a link", {{.name = ".", .type = '2', .link = "x"}}, "top directory"},
		{"an absolute link", {{.name = "l", .type = '2', .link = "/etc"}},
			"member 'l' is a link to '/etc', which leads outside"},
		{"a link that leads up", {{.name = "d/l", .type = '2', .link = "../.."}},
			"which leads outside"},
		{"an empty link", {{.name = "l", .type = '2', .link = ""}}, "which leads outside"},
		{"a chain of links that leads up",
			{{.name = "d/e/up", .type = '2', .link = ".."},
				{.name = "l", .type = '2', .link = "d/e/up/../.."}},
			"member 'l' is a link to 'd/e/up/../..', which leads outside"},
		{"a chain that is made later",
			{{.name = "l", .type = '2', .link = "d/.."}, {.name = "x"},
				{.name = "d", .type = '2', .link = "."}},
			"which leads outside"},
		{"a link and a file through it",
			{{.name = "l", .type = '2', .link = "."}, {.name = "l/x", .data = "x"}},
			"member 'l/x' leads through 'l', which is a symbolic link"},
		{"a link and a directory through it",
			{{.name = "d", .type = '5'}, {.name = "l", .type = '2', .link = "d"},
				{.name = "l/x/", .type = '5'}},
			"leads through 'l'"},
		{"a file and a file below it", {{.name = "f"}, {.name = "f/x/y"}},
			"leads through 'f', which is a file"},
		{"a hard link to nothing", {{.name = "h", .type = '1', .link = "missing"}},
			"which the archive does not hold before it"},
		{"a hard link below nothing", {{.name = "h", .type = '1', .link = "missing/x"}},
			"which the archive does not hold before it"},
		{"a hard link to itself",
			{{.name = "h"}, {.name = "./h", .type = '1', .link = "h"}},
			"is a hard link to itself"},
		{"a hard link to the outside", {{.name = "h", .type = '1', .link = "/etc/passwd"}},
			"leads outside"},
		{"a hard link up", {{.name = "h", .type = '1', .link = "../x"}}, "leads outside"},
		{"a hard link through a link",
			{{.name = "d/x"}, {.name = "l", .type = '2', .link = "d"},
				{.name = "h", .type = '1', .link = "l/x"}},
			"does not hold before it"},
		{"a hard link to a directory",
			{{.name = "d", .type = '5'}, {.name = "h", .type = '1', .link = "d"}},
			"a directory"},
		{"a hard link that moves a link outside",
			{{.name = "a/b/l", .type = '2', .link = "../../x"},
				{.name = "h", .type = '1', .link = "a/b/l"}},
			"member 'h' is a link to '../../x', which leads outside"},
		{"a directory with members that becomes a link",
			{{.name = "d/x"}, {.name = "d", .type = '2', .link = "e"}},
			"member 'd' comes again as something else"},
		{"a directory with members that becomes a file", {{.name = "d/x"}, {.name = "d"}},
			"comes again as something else"},
		{"a character device", {{.name = "dev", .type = '3'}}, "member 'dev' is a device"},
		{"a block device", {{.name = "dev", .type = '4'}}, "is a device"},
		{"a FIFO", {{.name = "p", .type = '6'}}, "is a FIFO"},
		{"a name over 255 bytes", {{.name = long_name}}, "has a name of 299 bytes"},
		{"a path over 4095 bytes", {{.name = long_path}}, "has a path longer than 4095"},
		{"a control byte", {{.name = "/\x1b[2J\n"}}, "member '/\\x1B[2J\\n' has"},
		{"a later volume", {{.name = "f", .type = 'M', .data = "x"}}, "several volumes"},
	};

	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < sizeof(long_path) - 1; i++)
		long_path[i] = i % 100 == 99 ? '/' : 'p';
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		for (size_t k = 0; k < 4 && cases[i].members[k].name; k++)
			tar_add(&b, cases[i].members[k]);
		tar_end(&b);
		unpack_bytes(&u, &b);
		refused_with(&u, EXIT_DATAERR, cases[i].why, cases[i].what);
	}
}

static void test_tar_sizes(void)
{
	static const uint64_t sizes[] = {2000, UINT64_C(1) << 30, UINT64_C(07777777777)};
	_cleanup_unpacking_ struct unpacking u = {.part = 0};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		TAR(&b, "f", .data = "x", .claimed = sizes[i]);
		tar_end(&b);
		unpack_bytes(&u, &b);
		refused_with(&u, EXIT_DATAERR, "member 'f'", "a file that is shorter than it says");
	}
	for (size_t cut = 1; cut < 1536; cut += 100) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		TAR(&b, "f", .data = "x");
		TAR(&b, "g", .data = "x");
		b.len -= cut;
		unpack_bytes(&u, &b);
		/* at the border of two members there is nothing to see */
		if (cut % 512)
			ok(u.r < 0 || cut < 512, "tar without its last %zu bytes", cut);
	}
}

/* A map of holes, 1.0 as in GNU tar: text in front of the data. */
static void add_sparse_map(struct strbuf *b, const char *map, size_t n)
{
	static const char pax[] = "22 GNU.sparse.major=1\n"
				  "22 GNU.sparse.minor=0\n"
				  "24 GNU.sparse.name=file\n"
				  "31 GNU.sparse.realsize=1000000\n";

	TAR(b, "x", .type = 'x', .data = pax);
	TAR(b, "GNUSparseFile/file", .data = map, .size = n);
	tar_end(b);
}

static void test_bombs(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, gz = STRBUF_INIT, map = STRBUF_INIT;
	static char zeros[1 << 20];
	struct archive *a;

	/* 64 MiB in one small file, over the limit */
	for (unsigned i = 0; i < 64; i++)
		strbuf_add(&b, zeros, sizeof(zeros));
	compress_text(&gz, ARCHIVE_FILTER_GZIP, b.s, b.len);
	u.spec.limits.max_unpacked = 1 << 20;
	unpack_bytes(&u, &gz);
	refused_with(&u, EXIT_DATAERR, "more than 1048576 bytes", "a gz bomb");
	ok(u.cancels > 0, "the source is told");

	/* the same behind the end of a tar, where nothing is written */
	strbuf_reset(&b);
	TAR(&b, "f", .data = "x");
	tar_end(&b);
	for (unsigned i = 0; i < 64; i++)
		strbuf_add(&b, zeros, sizeof(zeros));
	strbuf_reset(&gz);
	compress_text(&gz, ARCHIVE_FILTER_GZIP, b.s, b.len);
	u.spec.limits.max_files = 10;
	unpack_bytes(&u, &gz);
	refused_with(&u, EXIT_DATAERR, "far more", "a bomb after the end");

	/* a header that makes its reader keep all of it */
	for (unsigned i = 0; i < (12 << 20) / 4; i++)
		strbuf_adds(&map, i ? "0\n0\n" : "9999999\n");
	strbuf_reset(&b);
	add_sparse_map(&b, map.s, map.len);
	u.spec.limits = (struct unpack_limits){1 << 30, 10, 64};
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "too large", "a map of holes without end");
	map.len = 0;
	strbuf_adds(&map, "1\n4611686018427387904\n4611686018427387904\n");
	strbuf_add(&map, zeros, 512 - map.len);
	strbuf_adds(&map, "x");
	strbuf_reset(&b);
	add_sparse_map(&b, map.s, map.len);
	unpack_bytes(&u, &b);
	ok(u.r < 0 && count_entries(tempdir.path) == 0, "data far behind the end of the file");

	strbuf_reset(&b);
	TAR(&b, "x", .type = 'L', .data = zeros, .size = sizeof(zeros), .claimed = 1 << 30);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "tar archive", "a name of a gigabyte");

	strbuf_reset(&b);
	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL);
	memset(zeros, 'z', sizeof(zeros) - 1);
	writer_add(a, "bomb", AE_IFREG, 0644, NULL, zeros);
	writer_end(a);
	u.spec.limits.max_unpacked = sizeof(zeros) / 2;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "with member 'bomb'", "a zip bomb");
	memset(zeros, 0, sizeof(zeros));
}

static void test_zip(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct archive *a;
	unsigned accepted = 0;
	size_t at;

	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "zip:encryption=zipcrypt");
	writer_add(a, "secret", AE_IFREG, 0644, NULL, "text");
	writer_end(a);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "the archive is encrypted", "an encrypted zip");

	strbuf_reset(&b);
	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL);
	writer_add(a, "../x", AE_IFREG, 0644, NULL, "text");
	writer_end(a);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "'..'", "a zip that leads up");

	strbuf_reset(&b);
	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL);
	writer_add(a, "l", AE_IFLNK, 0777, "/etc", NULL);
	writer_end(a);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "leads outside", "a zip with an absolute link");

	strbuf_reset(&b);
	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL);
	writer_add(a, "x", AE_IFREG, 0644, NULL, "text that is long enough to be damaged");
	writer_end(a);
	/* behind the local header, its name and its extra fields (APPNOTE 6.3, 4.3.7) */
	at = 30 + (size_t)b.s[26] + (size_t)b.s[28] + 5;
	b.s[at] = (char)(b.s[at] ^ 1);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "member 'x': the zip archive is damaged", "damaged");
	b.s[at] = (char)(b.s[at] ^ 1);
	while (--b.len > 4) {
		unpack_bytes(&u, &b);
		accepted += u.r == 0;
	}
	is_uint(accepted, 0, "no part of a zip is taken for the whole");

	strbuf_reset(&b);
	strbuf_adds(&b, "PK\7\10PK\3\4 and so on");
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "split into several files", "a split zip");
}

static void test_7zip(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct archive *a = writer_new(&b, ARCHIVE_FORMAT_7ZIP, ARCHIVE_FILTER_NONE, NULL);
	unsigned accepted = 0;

	writer_add(a, "x", AE_IFREG, 0644, NULL, "text that is long enough to be damaged");
	writer_end(a);
	while (--b.len > 6) {
		unpack_bytes(&u, &b);
		accepted += u.r == 0;
	}
	is_uint(accepted, 0, "no part of a 7z is taken for the whole");
}

static void test_attributes(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct archive *a =
		writer_new(&b, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE, NULL);
	struct archive_entry *e = archive_entry_new();
	static const unsigned char all_capabilities[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};
	const char *path;
	char names[256];

	archive_entry_set_pathname(e, "f");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0755);
	archive_entry_set_size(e, 0);
	archive_entry_xattr_add_entry(
		e, "security.capability", all_capabilities, sizeof(all_capabilities));
	archive_entry_xattr_add_entry(e, "user.note", "x", 1);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
		ARCHIVE_ENTRY_ACL_READ | ARCHIVE_ENTRY_ACL_WRITE, ARCHIVE_ENTRY_ACL_USER, 12345,
		"");
	if (archive_write_header(a, e) != ARCHIVE_OK)
		bail("libarchive: %s", archive_error_string(a));
	archive_entry_free(e);
	writer_end(a);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "attributes, capabilities and ACLs");
	path = tempdir_path("tree/f");
	ok(llistxattr(path, names, sizeof(names)) <= 0 ||
			(!strstr(names, "security.capability") && !strstr(names, "user.") &&
				!strstr(names, "posix_acl")),
		"are not taken");
	is_int(tempdir_mode("tree/f"), 0755, "nor do they change the mode");
}

static void test_source_errors(void)
{
	static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ};
	_cleanup_unpacking_ struct unpacking u = {.source_error = -ECONNRESET};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		static const int formats[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_ZIP};

		for (size_t k = 0; k < (i ? 1 : ARRAY_SIZE(formats)); k++) {
			_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
			struct archive *a = writer_new(&b, formats[k], filters[i], NULL);
			unsigned wrong = 0;

			writer_add(a, "x", AE_IFREG, 0644, NULL, "text");
			writer_end(a);
			for (;;) {
				unpack_bytes(&u, &b);
				wrong += u.r != -ECONNRESET || err_is_set(&u.err) ||
					 count_entries(tempdir.path) != 0;
				if (!b.len)
					break;
				b.len -= b.len > 100 ? b.len / 10 : 1;
			}
			is_uint(wrong, 0, "where the source fails, it has the word (%zu, %zu)", i,
				k);
		}
	}
}

static void test_no_room(void)
{
	static const struct rlimit one_mib = {1 << 20, 1 << 20};
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, gz = STRBUF_INIT;
	static char data[3 << 20];
	struct rlimit before, lowered;

	memset(data, 'x', sizeof(data));
	TAR(&b, "big", .data = data, .size = sizeof(data));
	tar_end(&b);
	compress_text(&gz, ARCHIVE_FILTER_GZIP, data, sizeof(data));
	if (getrlimit(RLIMIT_FSIZE, &before) < 0)
		bail("getrlimit: %s", strerror(errno));
	lowered = before;
	lowered.rlim_cur = one_mib.rlim_cur;
	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &lowered) < 0)
		bail("setrlimit: %s", strerror(errno));
	unpack_bytes(&u, &b);
	refused_with(
		&u, EXIT_CANTCREAT, "member 'big' cannot be written: File too large", "a member");
	unpack_bytes(&u, &gz);
	refused_with(&u, EXIT_CANTCREAT, "the file cannot be written: File too large", "a file");
	if (setrlimit(RLIMIT_FSIZE, &before) < 0)
		bail("setrlimit: %s", strerror(errno));

	/* without any rights to the directory nothing can be made */
	if (geteuid() == 0) {
		skip(1, "root may write everywhere");
		return;
	}
	if (fchmod(tempdir.fd, 0500) < 0)
		bail("chmod: %s", strerror(errno));
	unpack_bytes(&u, &b);
	is_int(u.err.status, EXIT_CANTCREAT, "a directory that is closed to us");
	if (fchmod(tempdir.fd, 0700) < 0)
		bail("chmod: %s", strerror(errno));
}

static void test_full_disk(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	static char data[3 << 20];

	if (!tempdir.in_memory) {
		skip(5, "needs root for a small file system of its own");
		return;
	}
	if (mount(NULL, tempdir.path, NULL, MS_REMOUNT, "size=1m") < 0)
		bail("remount: %s", strerror(errno));
	memset(data, 'x', sizeof(data));
	TAR(&b, "big", .data = data, .size = sizeof(data));
	tar_end(&b);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_CANTCREAT, "member 'big' cannot be written: No space left on device",
		"a full disk");
	if (mount(NULL, tempdir.path, NULL, MS_REMOUNT, "size=0,nr_inodes=100") < 0)
		bail("remount: %s", strerror(errno));
	strbuf_reset(&b);
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i);
		TAR(&b, name);
	}
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_CANTCREAT, "No space left on device", "no inodes left");
}

int main(void)
{
	tempdir_make();
	if (tempdir_private_mounts())
		tempdir_use_memory();
	test_members();
	test_tar_sizes();
	test_bombs();
	test_zip();
	test_7zip();
	test_attributes();
	test_source_errors();
	test_no_room();
	test_full_disk();
	return done_testing();
}
