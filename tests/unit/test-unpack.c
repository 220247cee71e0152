#include "config.h"

#include "base/macro.h"

#include "tests/unit/refused.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/archives.h"

#include <sys/syscall.h>

static const struct {
	const char *name;
	int filter;
} filters[] = {
	{"gz", ARCHIVE_FILTER_GZIP},
	{"bz2", ARCHIVE_FILTER_BZIP2},
	{"xz", ARCHIVE_FILTER_XZ},
	{"lzma", ARCHIVE_FILTER_LZMA},
	{"lz", ARCHIVE_FILTER_LZIP},
	{"zst", ARCHIVE_FILTER_ZSTD},
	{"lz4", ARCHIVE_FILTER_LZ4},
	{"Z", ARCHIVE_FILTER_COMPRESS},
};

static struct stat stat_of(const char *name)
{
	struct stat st = {0};

	if (fstatat(tempdir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		diag("%s: %s", name, strerror(errno));
	return st;
}

/* What all formats can hold. */
static void make_archive(struct strbuf *b, int format, int filter)
{
	bool links = format != ARCHIVE_FORMAT_7ZIP;
	struct archive *a = writer_new(b, format, filter, NULL);

	writer_add(a, "dir", AE_IFDIR, 0750, NULL, NULL);
	writer_add(a, "dir/file", AE_IFREG, 0640, NULL, "content");
	writer_add(a, "dir/program", AE_IFREG, 0755, NULL, "#!");
	writer_add(a, "empty", AE_IFREG, 0600, NULL, "");
	if (links)
		writer_add(a, "link", AE_IFLNK, 0777, "dir/file", NULL);
	writer_end(a);
}

static void check_archive(const char *what, bool links)
{
	struct stat st = stat_of("tree/dir/file");

	file_holds("tree/dir/file", "content");
	file_holds("tree/empty", "");
	if (links)
		link_holds("tree/link", "dir/file");
	is_int(tempdir_mode("tree/dir/file"), 0640, "%s: a file's mode", what);
	is_int(tempdir_mode("tree/dir/program"), 0755, "%s: a program's mode", what);
	is_int(tempdir_mode("tree/dir"), 0750, "%s: a directory's mode", what);
	is_int(tempdir_mode("tree"), 0755, "%s: the top's mode", what);
	is_int(st.st_mtim.tv_sec, 1000000000, "%s: a file's time", what);
}

static void test_formats(void)
{
	static const struct {
		const char *name;
		int format;
		bool links;
	} formats[] = {
		{"ustar", ARCHIVE_FORMAT_TAR_USTAR, true},
		{"pax", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, true},
		{"gnutar", ARCHIVE_FORMAT_TAR_GNUTAR, true},
		{"cpio odc", ARCHIVE_FORMAT_CPIO_POSIX, true},
		{"cpio newc", ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, true},
		{"zip", ARCHIVE_FORMAT_ZIP, true},
		{"7zip", ARCHIVE_FORMAT_7ZIP, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_unpacking_ struct unpacking u = {.part = i % 2 ? 1 : 0};
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		make_archive(&b, formats[i].format, ARCHIVE_FILTER_NONE);
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && u.result.is_dir, "%s", formats[i].name);
		is_uint(u.result.files, formats[i].links ? 4 : 3, "files");
		is_uint(u.result.unpacked, 9, "bytes");
		check_archive(formats[i].name, formats[i].links);
	}
}

static void test_filters(void)
{
	static const size_t parts[] = {1, 511, 0};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		unsigned accepted = 0;

		make_archive(&b, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, filters[i].filter);
		for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
			u.part = parts[k];
			unpack_bytes(&u, &b);
			ok(unpacked_well(&u), "tar.%s in parts of %zu", filters[i].name, parts[k]);
			check_archive(filters[i].name, true);
		}
		is_int(stat_of("tree/dir/file").st_mtim.tv_nsec, 123456789, "with nanoseconds");
		is_int(stat_of("tree/dir").st_mtim.tv_nsec, 123456789, "a directory's too");
		is_int(stat_of("tree/link").st_mtim.tv_nsec, 123456789, "and a link's");

		/* What says neither its length nor its end cannot tell, and tar's own end is
		 * followed by zeros only. */
		if (filters[i].filter == ARCHIVE_FILTER_COMPRESS)
			continue;
		while (b.len > 0) {
			b.len--;
			unpack_bytes(&u, &b);
			if (u.r == 0 && u.result.is_dir)
				accepted++;
		}
		is_uint(accepted, 0, "tar.%s: no part of it is taken for the whole",
			filters[i].name);
	}
}

static void test_after_the_end(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		/* compress(1) has no end, lzma need not have one */
		if (filters[i].filter == ARCHIVE_FILTER_COMPRESS)
			continue;
		compress_text(&b, filters[i].filter, "text", 4);
		strbuf_adds(&b, "garbage!");
		for (u.part = 1; u.part < 1000; u.part += 998) {
			unpack_bytes(&u, &b);
			refused_with(&u, EXIT_DATAERR, filters[i].name, "garbage");
		}
	}
}

static void test_single(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		_cleanup_free_ char *name = xasprintf("data.txt.%s", filters[i].name);

		compress_text(&b, filters[i].filter, "text\n", 5);
		u.spec.source_name = name;
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && !u.result.is_dir, "a single %s", filters[i].name);
		file_holds("tree", "text\n");
		is_str(u.result.filename, "data.txt", "its name");
		is_uint(u.result.unpacked, 5, "its bytes");
		is_int(tempdir_mode("tree"), MODE_A_FILE, "its mode");

		u.spec.mode = UNPACK_MODE_FILE;
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && !u.result.is_dir, "as a file");

		u.spec.mode = UNPACK_MODE_DIR;
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && u.result.is_dir, "in a directory");
		file_holds("tree/data.txt", "text\n");
		ok(!u.result.filename, "which has no name");

		u.spec.filename = "mine.gz";
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u), "with a name of one's own");
		file_holds("tree/mine.gz", "text\n");

		u.spec.mode = UNPACK_MODE_ANY;
		unpack_bytes(&u, &b);
		is_str(u.result.filename, "mine.gz", "which is kept");

		u.spec.extract = "no";
		unpack_bytes(&u, &b);
		is_uint(u.result.unpacked, b.len, "not extracted");

		u.spec.extract = filters[i].name;
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u), "as what it is");
		file_holds("tree", "text\n");

		u.spec.extract = filters[i].filter == ARCHIVE_FILTER_XZ ? "gz" : "xz";
		if (filters[i].filter == ARCHIVE_FILTER_XZ)
			continue;
		unpack_bytes(&u, &b);
		refused_with(&u, EXIT_DATAERR, "is no xz", "as what it is not");
	}
}

static void test_gzip(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, empty = STRBUF_INIT;
	static const char zeros[2000];
	size_t len;

	compress_text(&empty, ARCHIVE_FILTER_GZIP, "", 0);
	unpack_bytes(&u, &empty);
	ok(unpacked_well(&u) && u.result.unpacked == 0, "a gz of nothing");
	file_holds("tree", "");

	compress_text(&b, ARCHIVE_FILTER_GZIP, "one ", 4);
	strbuf_add(&b, empty.s, empty.len);
	compress_text(&b, ARCHIVE_FILTER_GZIP, "two", 3);
	for (u.part = 1; u.part <= 64; u.part++) {
		unpack_bytes(&u, &b);
		if (u.r < 0)
			break;
	}
	ok(unpacked_well(&u), "members one after the other, however they come");
	file_holds("tree", "one two");

	len = b.len;
	strbuf_add(&b, zeros, sizeof(zeros));
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "filled up with zeros");
	strbuf_addc(&b, 'x');
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "after its end", "zeros and more");
	b.len = len - 1;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "cut short", "the last byte is missing");

	b.len = len;
	b.s[len - 5] = (char)(b.s[len - 5] ^ 1);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "incorrect data check", "a wrong CRC");
	b.s[len - 5] = (char)(b.s[len - 5] ^ 1);
	b.s[len - 1] = (char)(b.s[len - 1] ^ 1);
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "incorrect length check", "a wrong length");
}

static void test_as_it_is(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	u.spec.source_name = "notes.txt";
	u.spec.limits.max_unpacked = 1;
	for (size_t n = 0; n < 3000; n += 500) {
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && !u.result.is_dir && u.result.unpacked == b.len,
			"a file of %zu bytes", b.len);
		for (size_t i = 0; i < 500; i++)
			strbuf_addc(&b, 'x');
	}
	is_uint(u.warnings, 0, "without a warning");
	is_str(u.result.filename, "notes.txt", "its name");
	u.spec.source_name = "notes.tar.gz";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && u.warnings == 1, "a file with an archive's name: a warning");
	is_str(u.result.filename, "notes.tar.gz", "and its name is kept");
	b.len = 0;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "the archive is empty", "nothing with an archive's name");
	u.spec.extract = "no";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && u.warnings == 0, "unless it is not to be extracted");
	u.spec.extract = "rar";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_CONFIG, "'rar' cannot be extracted", "a type that is not known");
	u.spec.extract = "auto";
	u.spec.source_name = "x";
	u.spec.subdir = "a";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "no archive", "a part of a file");
	u.spec.subdir = NULL;
	u.spec.source_name = NULL;
	u.spec.mode = UNPACK_MODE_DIR;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_CONFIG, "set 'filename'", "no name for a file in a directory");
}

static void test_empty_archives(void)
{
	static const int formats[] = {
		ARCHIVE_FORMAT_ZIP, ARCHIVE_FORMAT_7ZIP, ARCHIVE_FORMAT_CPIO_SVR4_NOCRC};
	_cleanup_unpacking_ struct unpacking u = {.part = 0};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		writer_end(writer_new(&b, formats[i], ARCHIVE_FILTER_NONE, NULL));
		unpack_bytes(&u, &b);
		refused_with(&u, EXIT_DATAERR, "the archive is empty", "no members");
	}
	for (int i = 0; i < 2; i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		writer_end(writer_new(&b, ARCHIVE_FORMAT_TAR_USTAR,
			i ? ARCHIVE_FILTER_XZ : ARCHIVE_FILTER_NONE, NULL));
		u.spec.source_name = i ? "a.tar.xz" : "a.tar";
		unpack_bytes(&u, &b);
		refused_with(&u, EXIT_DATAERR, "the archive is empty", "tar without members");
		u.spec.source_name = "zeros";
		unpack_bytes(&u, &b);
		ok(unpacked_well(&u) && !u.result.is_dir, "which could be a file of zeros");
	}
}

static void test_links(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct stat a, h;

	TAR(&b, "d/file", .data = "x");
	TAR(&b, "hard", .type = '1', .link = "./d/file");
	TAR(&b, "d/up", .type = '2', .link = "../hard");
	TAR(&b, "dangling", .type = '2', .link = "nowhere/x");
	TAR(&b, "self", .type = '2', .link = "self");
	TAR(&b, "loop1", .type = '2', .link = "loop2");
	TAR(&b, "loop2", .type = '2', .link = "loop1");
	TAR(&b, "top", .type = '2', .link = ".");
	TAR(&b, "crooked", .type = '2', .link = "d/../hard");
	TAR(&b, "d/hardlink-of-link", .type = '1', .link = "dangling");
	tar_end(&b);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "links");
	a = stat_of("tree/d/file");
	h = stat_of("tree/hard");
	ok(a.st_ino == h.st_ino && h.st_nlink == 2, "hard");
	link_holds("tree/d/up", "../hard");
	link_holds("tree/dangling", "nowhere/x");
	link_holds("tree/self", "self");
	link_holds("tree/loop1", "loop2");
	link_holds("tree/top", ".");
	link_holds("tree/crooked", "d/../hard");
	link_holds("tree/d/hardlink-of-link", "nowhere/x");
	is_uint(u.result.files, 10, "all count as files");
}

static void test_duplicates(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	TAR(&b, "a", .data = "a long content");
	TAR(&b, "keeps", .type = '1', .link = "a");
	TAR(&b, "a", .data = "short");
	TAR(&b, "A", .data = "another");
	TAR(&b, "l", .type = '2', .link = "a");
	TAR(&b, "l", .type = '5');
	TAR(&b, "l", .type = '2', .link = "A");
	TAR(&b, "l", .type = '5', .mode = 0700);
	TAR(&b, "l/x", .data = "below");
	TAR(&b, "d", .type = '5', .mode = 0700);
	TAR(&b, "d/x");
	TAR(&b, "d", .type = '5', .mode = 0711);
	TAR(&b, "e", .type = '5');
	TAR(&b, "e", .data = "was a directory");
	TAR(&b, "f", .data = "file");
	TAR(&b, "f", .type = '2', .link = "a");
	TAR(&b, "h", .data = "file");
	TAR(&b, "h", .type = '1', .link = "a");
	tar_end(&b);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "names that come again");
	file_holds("tree/a", "short");
	file_holds("tree/keeps", "a long content");
	file_holds("tree/A", "another");
	file_holds("tree/l/x", "below");
	is_int(tempdir_mode("tree/l"), 0700, "a link became a directory, and back, and again");
	is_int(tempdir_mode("tree/d"), 0711, "the last mode counts");
	file_holds("tree/e", "was a directory");
	link_holds("tree/f", "a");
	file_holds("tree/h", "short");
	is_uint(u.result.files, 8, "each counts once");
}

static void test_modes(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	mode_t before = umask(0777);

	TAR(&b, "./", .type = '5', .mode = 0700);
	TAR(&b, "s", .mode = 06755, .data = "x");
	TAR(&b, "t", .type = '5', .mode = 03777);
	TAR(&b, "closed", .type = '5', .mode = 01);
	TAR(&b, "closed/ro", .type = '5', .mode = 0500);
	TAR(&b, "closed/ro/x", .mode = 01, .data = "x");
	TAR(&b, "implied/x", .mode = 0666, .data = "x");
	tar_end(&b);
	unpack_bytes(&u, &b);
	umask(before);
	ok(unpacked_well(&u), "modes");
	is_int(tempdir_mode("tree"), 0755, "the top");
	is_int(tempdir_mode("tree/s"), 0755, "no set-user-ID");
	is_int(tempdir_mode("tree/t"), 0777, "no sticky");
	is_int(tempdir_mode("tree/closed"), 01, "a closed directory");
	is_int(tempdir_mode("tree/implied"), 0755, "one that no member made");
	is_int(tempdir_mode("tree/implied/x"), 0666, "the umask does not matter");
	is_int(stat_of("tree/closed").st_mtim.tv_sec, 1000000000, "its time");
	if (fchmodat(tempdir.fd, "tree/closed", 0700, 0) < 0)
		bail("chmod: %s", strerror(errno));
	is_int(tempdir_mode("tree/closed/ro"), 0500, "a directory below it");
	is_int(tempdir_mode("tree/closed/ro/x"), 01, "a file below that");
	is_int(rmtree_at(tempdir.fd, "tree", NULL, NULL, NULL), 0, "all can be removed");
}

static void test_names(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, name = STRBUF_INIT;
	static const char *const odd[] = {"new\nline", "\xff\xfe", "e\xcc\x81", "\xc3\xa9", " ",
		"...", "-rf", "a\\b", "*", "\x1b[31m"};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		TAR(&b, odd[i], .data = odd[i]);
	/* 4000 bytes in 16 components of 249 */
	for (size_t i = 0; i < 16; i++) {
		for (size_t k = 0; k < 249; k++)
			strbuf_addc(&name, (char)('a' + i));
		strbuf_addc(&name, i < 15 ? '/' : 'x');
	}
	TAR(&b, name.s, .data = "deep");
	tar_end(&b);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "odd names");
	is_uint(name.len, 4000, "one has 4000 bytes");
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		_cleanup_free_ char *path = xasprintf("tree/%s", odd[i]);

		file_holds(path, odd[i]);
	}
	is_uint(u.result.files, ARRAY_SIZE(odd) + 1, "no name became another");
}

/* pax says that its names are UTF-8, and zip can. */
static void test_charsets(void)
{
	static const char pax[] = "19 path=\xff\xfe"
				  "12345678\n",
			  nfd[] = "16 path=e\xcc\x81"
				  "1234\n";
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	TAR(&b, "x", .type = 'x', .data = pax);
	TAR(&b, "x", .data = "no UTF-8");
	TAR(&b, "x", .type = 'x', .data = nfd);
	TAR(&b, "x", .data = "not composed");
	tar_end(&b);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "pax names");
	file_holds("tree/\xff\xfe"
		   "12345678",
		"no UTF-8");
	file_holds("tree/e\xcc\x81"
		   "1234",
		"not composed");
}

static void test_limits(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, gz = STRBUF_INIT;
	struct archive *a;

	TAR(&b, "./", .type = '5');
	TAR(&b, "a/b/c", .data = "12345");
	TAR(&b, "d", .data = "678");
	TAR(&b, "l", .type = '2', .link = "d");
	TAR(&b, "h", .type = '1', .link = "d");
	tar_end(&b);
	for (unsigned less = 0; less < 2; less++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};

		u.spec.limits = (struct unpack_limits){8 - less, 1000, 64};
		unpack_bytes(&u, &b);
		if (less)
			refused_with(&u, EXIT_DATAERR, "more than 7 bytes", "one byte more");
		else
			ok(unpacked_well(&u), "as many bytes as are allowed");

		/* a, a/b, a/b/c, d, l, h */
		u.spec.limits = (struct unpack_limits){8, 6 - less, 64};
		unpack_bytes(&u, &b);
		if (less)
			refused_with(&u, EXIT_DATAERR, "more than 5 files", "one file more");
		else
			ok(unpacked_well(&u), "as many files as are allowed");

		u.spec.limits = (struct unpack_limits){8, 6, 3 - less};
		unpack_bytes(&u, &b);
		if (less)
			refused_with(&u, EXIT_DATAERR, "deeper than 2", "one level more");
		else
			ok(unpacked_well(&u), "as deep as is allowed");
	}
	compress_text(&gz, ARCHIVE_FILTER_ZSTD, "12345", 5);
	for (unsigned less = 0; less < 2; less++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};

		u.spec.limits.max_unpacked = 5 - less;
		unpack_bytes(&u, &gz);
		if (less)
			refused_with(&u, EXIT_DATAERR, "more than 4 bytes", "one byte more");
		else
			ok(unpacked_well(&u), "a single file as large as is allowed");
	}
	b.len = 0;
	a = writer_new(&b, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, NULL);
	writer_add(a, "a", AE_IFREG, 0644, NULL, "12345");
	writer_end(a);
	for (unsigned less = 0; less < 2; less++) {
		_cleanup_unpacking_ struct unpacking u = {.part = 0};

		u.spec.limits.max_unpacked = 5 - less;
		unpack_bytes(&u, &b);
		if (less)
			refused_with(&u, EXIT_DATAERR, "more than 4 bytes", "one byte more");
		else
			ok(unpacked_well(&u), "a zip as large as is allowed");
	}
}

static void test_sparse(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct archive *a =
		writer_new(&b, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_GZIP, NULL);
	struct archive_entry *e = archive_entry_new();
	static const char data[8 << 20];
	struct stat st;

	archive_entry_set_pathname(e, "sparse");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, sizeof(data));
	archive_entry_sparse_add_entry(e, 1 << 20, 512);
	if (archive_write_header(a, e) != ARCHIVE_OK ||
		archive_write_data(a, data, sizeof(data)) != sizeof(data))
		bail("libarchive: %s", archive_error_string(a));
	archive_entry_free(e);
	writer_end(a);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "a file with holes");
	st = stat_of("tree/sparse");
	is_int(st.st_size, sizeof(data), "is as long as it was");
	ok(st.st_blocks * 512 < 1 << 20, "and has its holes");
	is_uint(u.result.unpacked, sizeof(data), "which count");
	u.spec.limits.max_unpacked = sizeof(data) - 1;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "max-unpacked", "holes over the limit");
}

/* In these forms of cpio the content comes with the last of the links. */
static void test_cpio_links(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	static const struct {
		const char *name, *data;
	} members[] = {{"first", ""}, {"second", "content"}, {"TRAILER!!!", ""}};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		bool trailer = i == ARRAY_SIZE(members) - 1;

		strbuf_addf(&b, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 7U,
			trailer ? 0 : 0100444, 0U, 0U, trailer ? 1 : 2, 1000000000U,
			strlen(members[i].data), 1U, 1U, 0U, 0U, strlen(members[i].name) + 1, 0U);
		strbuf_add(&b, members[i].name, strlen(members[i].name) + 1);
		while (b.len % 4)
			strbuf_addc(&b, '\0');
		strbuf_adds(&b, members[i].data);
		while (b.len % 4)
			strbuf_addc(&b, '\0');
	}
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "cpio with hard links");
	file_holds("tree/first", "content");
	is_int(tempdir_mode("tree/second"), 0444, "with their mode");
	is_uint(stat_of("tree/first").st_nlink, 2, "are links");
}

static void test_select(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	TAR(&b, "app-1.2/bin/", .type = '5', .mode = 0711);
	TAR(&b, "app-1.2/bin/app", .mode = 0755, .data = "app");
	TAR(&b, "app-1.2/bin/again", .type = '1', .link = "other/outside");
	TAR(&b, "app-1.2/bin/a[b]", .data = "brackets");
	TAR(&b, "app-1.2/link", .type = '2', .link = "../other/outside");
	TAR(&b, "other/outside", .data = "o");
	TAR(&b, "other/lib/x", .data = "x");
	TAR(&b, "current", .type = '2', .link = "app-1.2");
	tar_end(&b);
	u.spec.subdir = "app-1.2/bin";
	unpack_bytes(&u, &b);
	refused_with(
		&u, EXIT_DATAERR, "does not hold before it", "a hard link to what comes later");

	b.len = 0;
	TAR(&b, "other/outside", .data = "o");
	TAR(&b, "app-1.2/bin/", .type = '5', .mode = 0711);
	TAR(&b, "app-1.2/bin/app", .mode = 0755, .data = "app");
	TAR(&b, "app-1.2/bin/again", .type = '1', .link = "other/outside");
	TAR(&b, "app-1.2/bin/a[b]", .data = "brackets");
	TAR(&b, "app-1.2/bin/sub/x", .data = "sub");
	TAR(&b, "app-1.2/bin/inside", .type = '2', .link = "sub/../app");
	TAR(&b, "app-1.2/link", .type = '2', .link = "../other/outside");
	TAR(&b, "other/lib/x", .data = "x");
	TAR(&b, "current", .type = '2', .link = "app-1.2");
	tar_end(&b);
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && u.result.is_dir, "a part");
	file_holds("tree/app", "app");
	file_holds("tree/again", "o");
	file_holds("tree/sub/x", "sub");
	is_int(count_entries(tempdir.path), 1, "and nothing else");
	is_int(tempdir_mode("tree"), 0755, "its top has the mode of a top");

	u.spec.subdir = "app-*/b?n/";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "by a pattern");
	file_holds("tree/app", "app");

	u.spec.subdir = "*/lib";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u), "by a pattern whose first part matches more");
	file_holds("tree/x", "x");

	u.spec.subdir = "*/bin/a[b]";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && !u.result.is_dir, "a file, by a pattern that is a name");
	file_holds("tree", "brackets");
	is_str(u.result.filename, "a[b]", "its name");
	u.spec.mode = UNPACK_MODE_DIR;
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is a file", "a directory is wanted");

	u.spec.mode = UNPACK_MODE_FILE;
	u.spec.subdir = "*/bin/app";
	u.spec.filename = "mine";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && !u.result.is_dir, "a file is wanted");
	is_int(tempdir_mode("tree"), 0755, "its mode");
	is_str(u.result.filename, "mine", "its name");
	u.spec.subdir = "*/bin";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is a directory", "a file is wanted");

	u.spec.mode = UNPACK_MODE_ANY;
	u.spec.subdir = "*/bin/a*";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "must match one thing", "more matches");
	u.spec.subdir = "missing/*";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "holds no 'missing/*'", "no match");
	u.spec.subdir = "current";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is a symbolic link", "a link");
	u.spec.subdir = "current/bin";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "holds no", "through a link");
	u.spec.subdir = "../other";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "'..'", "outside");
	u.spec.subdir = "app-1.2";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "member 'link' is a link to '../other/outside'",
		"a link that leads out of the part");
}

static void test_one_file(void)
{
	_cleanup_unpacking_ struct unpacking u = {.spec.mode = UNPACK_MODE_FILE};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	TAR(&b, "d/", .type = '5');
	TAR(&b, "d/app", .mode = 0700, .data = "app");
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && !u.result.is_dir, "an archive of one file");
	file_holds("tree", "app");
	is_int(tempdir_mode("tree"), 0700, "its mode");
	is_str(u.result.filename, "app", "its name");
	is_int(count_entries(tempdir.path), 1, "and nothing else");
	TAR(&b, "more", .data = "more");
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "holds 2 files", "of two");
	b.len = 0;
	TAR(&b, "d/", .type = '5');
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "holds 0 files", "of none");
	TAR(&b, "l", .type = '2', .link = "d");
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "one file is wanted", "of a link");
	b.len = 0;
	TAR(&b, "l", .data = "x");
	TAR(&b, "l", .type = '2', .link = "d");
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "one file is wanted", "of a file that became a link");
}

static void test_forced(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	make_archive(&b, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
	u.spec.extract = "tgz";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && u.result.is_dir, "a tar.gz");
	u.spec.extract = "gz";
	u.spec.source_name = "x.tar.gz";
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && !u.result.is_dir, "a gz");
	is_str(u.result.filename, "x.tar", "of a tar");
	u.spec.extract = "tar";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is no tar", "no tar");
	u.spec.extract = "zip";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is no zip", "no zip");
	u.spec.extract = "cpio.gz";
	unpack_bytes(&u, &b);
	refused_with(&u, EXIT_DATAERR, "is no cpio.gz: it is a tar.gz", "no cpio");
	u.spec.extract = "no";
	u.spec.mode = UNPACK_MODE_FILE;
	unpack_bytes(&u, &b);
	ok(unpacked_well(&u) && u.result.unpacked == b.len, "a file");
}

static void test_without_openat2(void)
{
	test_links();
	test_modes();
	test_select();
}

static void test_many(void)
{
	_cleanup_unpacking_ struct unpacking u = {.part = 0};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, gz = STRBUF_INIT;
	const unsigned n = tempdir.in_memory ? 100000 : 5000;

	for (unsigned i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%u/%u", i % 1000, i);
		TAR(&b, name, .data = "x");
	}
	tar_end(&b);
	compress_text(&gz, ARCHIVE_FILTER_GZIP, b.s, b.len);
	u.spec.limits.max_files = n + 1000;
	unpack_bytes(&u, &gz);
	ok(unpacked_well(&u), "%u small files in 1000 directories", n);
	is_uint(u.result.files, n, "are all there");
	file_holds("tree/999/4999", "x");
}

int main(void)
{
	tempdir_make();
	if (tempdir_private_mounts())
		tempdir_use_memory();
	test_formats();
	test_filters();
	test_after_the_end();
	test_single();
	test_gzip();
	test_as_it_is();
	test_empty_archives();
	test_links();
	test_duplicates();
	test_modes();
	test_names();
	test_charsets();
	test_limits();
	test_sparse();
	test_cpio_links();
	test_select();
	test_one_file();
	test_forced();
	test_many();
	refused_run(SYS_openat2, ENOSYS, test_without_openat2);
	return done_testing();
}
