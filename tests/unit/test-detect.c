#include "config.h"

#include "base/macro.h"
#include "fetch/detect.h"

#include "tests/unit/tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

static void test_filters(void)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t n;
		enum detect_filter filter;
	} cases[] = {
#define BYTES(s) s, sizeof(s) - 1
		{"nothing", BYTES(""), DETECT_FILTER_NONE},
		{"gzip", BYTES("\x1f\x8b\x08\x08"), DETECT_FILTER_GZIP},
		{"gzip with reserved flags", BYTES("\x1f\x8b\x08\x20"), DETECT_FILTER_NONE},
		{"gzip with another method", BYTES("\x1f\x8b\x07\x00"), DETECT_FILTER_NONE},
		{"half of gzip", BYTES("\x1f\x8b"), DETECT_FILTER_NONE},
		{"bzip2", BYTES("BZh91AY&SY"), DETECT_FILTER_BZIP2},
		{"bzip2 of nothing", BYTES("BZh9\x17rE8P\x90"), DETECT_FILTER_BZIP2},
		{"text like bzip2", BYTES("BZh9 is not a block"), DETECT_FILTER_NONE},
		{"xz",
			BYTES("\xfd"
			      "7zXZ\0"),
			DETECT_FILTER_XZ},
		{"zstd", BYTES("\x28\xb5\x2f\xfd"), DETECT_FILTER_ZSTD},
		{"zstd after a frame to pass over",
			BYTES("\x50\x2a\x4d\x18\2\0\0\0xy\x28\xb5\x2f\xfd"), DETECT_FILTER_ZSTD},
		{"a frame to pass over alone", BYTES("\x50\x2a\x4d\x18\2\0\0\0xy"),
			DETECT_FILTER_NONE},
		{"a frame that is longer than all", BYTES("\x50\x2a\x4d\x18\xff\xff\xff\xff"),
			DETECT_FILTER_NONE},
		{"lz4", BYTES("\x04\x22\x4d\x18"), DETECT_FILTER_LZ4},
		{"lz4, legacy", BYTES("\x02\x21\x4c\x18"), DETECT_FILTER_LZ4},
		{"lzip", BYTES("LZIP\1\x17"), DETECT_FILTER_LZIP},
		{"text like lzip", BYTES("LZIP is a program"), DETECT_FILTER_NONE},
		{"lzma", BYTES("\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"),
			DETECT_FILTER_LZMA},
		{"lzma with a known size", BYTES("\x5d\0\0\x80\0\1\0\0\0\0\0\0\0\0"),
			DETECT_FILTER_LZMA},
		{"lzma with an odd dictionary", BYTES("\x5d\1\2\3\4\1\0\0\0\0\0\0\0\0"),
			DETECT_FILTER_NONE},
		{"text like lzma", BYTES("]no, this is text"), DETECT_FILTER_NONE},
		{"compress", BYTES("\x1f\x9d\x90"), DETECT_FILTER_COMPRESS},
		{"compress with 31 bits", BYTES("\x1f\x9d\x9f"), DETECT_FILTER_NONE},
		{"uuencoded", BYTES("begin 644 x\n"), DETECT_FILTER_NONE},
#undef BYTES
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(detect_filter(cases[i].bytes, cases[i].n), cases[i].filter, "%s",
			cases[i].what);
}

static size_t make_archive(int format, char *buffer, size_t size)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	archive_entry_set_pathname(e, "a");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, 1);
	if (archive_write_set_format(a, format) != ARCHIVE_OK ||
		archive_write_open_memory(a, buffer, size, &used) != ARCHIVE_OK ||
		archive_write_header(a, e) != ARCHIVE_OK || archive_write_data(a, "x", 1) != 1 ||
		archive_write_close(a) != ARCHIVE_OK)
		bail("libarchive: %s", archive_error_string(a));
	archive_entry_free(e);
	archive_write_free(a);
	return used;
}

static void test_formats(void)
{
	static const struct {
		const char *what;
		int made;
		enum detect_format format;
	} cases[] = {
		{"ustar", ARCHIVE_FORMAT_TAR_USTAR, DETECT_FORMAT_TAR},
		{"pax", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, DETECT_FORMAT_TAR},
		{"gnutar", ARCHIVE_FORMAT_TAR_GNUTAR, DETECT_FORMAT_TAR},
		{"cpio odc", ARCHIVE_FORMAT_CPIO_POSIX, DETECT_FORMAT_CPIO},
		{"cpio newc", ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, DETECT_FORMAT_CPIO},
		{"zip", ARCHIVE_FORMAT_ZIP, DETECT_FORMAT_ZIP},
		{"7zip", ARCHIVE_FORMAT_7ZIP, DETECT_FORMAT_7ZIP},
	};
	static const char little[] =
		"\xc7\x71\0\0\0\0\xa4\x81\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0a\0";
	static const char big[] = "\x71\xc7\0\0\0\0\x81\xa4\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0a\0";
	static char buffer[64 * 1024], zeros[DETECT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = make_archive(cases[i].made, buffer, sizeof(buffer));

		is_int(detect_format(buffer, n), cases[i].format, "%s", cases[i].what);
		is_int(detect_filter(buffer, n), DETECT_FILTER_NONE, "%s is not compressed",
			cases[i].what);
	}
	(void)make_archive(ARCHIVE_FORMAT_TAR_USTAR, buffer, sizeof(buffer));
	is_int(detect_format(buffer, 511), DETECT_FORMAT_NONE, "half a tar header");
	buffer[0]++;
	is_int(detect_format(buffer, 512), DETECT_FORMAT_NONE, "a tar header whose sum is wrong");
	buffer[0]--;
	memset(buffer + 257, 0, 8);
	is_int(detect_format(buffer, 512), DETECT_FORMAT_NONE,
		"without its magic the sum is another");
	is_int(detect_format(zeros, sizeof(zeros)), DETECT_FORMAT_NONE, "zeros");
	is_int(detect_format("070707 is how it starts, and then comes text, and more of this text"
			     "so that it is long enough",
		       90),
		DETECT_FORMAT_NONE, "text like cpio");
	is_int(detect_format(little, sizeof(little) - 1), DETECT_FORMAT_CPIO, "binary cpio");
	is_int(detect_format(big, sizeof(big) - 1), DETECT_FORMAT_CPIO, "binary cpio, big endian");
	is_int(detect_format("\xc7\x71zzzzzzzzzzzzzzzzzzzzzzzzzzzz", 30), DETECT_FORMAT_NONE,
		"two bytes like binary cpio");
	is_int(detect_format("PK\5\6", 4), DETECT_FORMAT_ZIP, "an empty zip");
	is_int(detect_format("Rar!\x1a\7\0", 7), DETECT_FORMAT_NONE, "rar is a file");
	is_int(detect_format("", 0), DETECT_FORMAT_NONE, "nothing");
}

static void test_names(void)
{
	struct detect_type type = {DETECT_FILTER_NONE, DETECT_FORMAT_NONE};

	ok(detect_parse_type("tar.zst", &type) == 0 && type.filter == DETECT_FILTER_ZSTD &&
			type.format == DETECT_FORMAT_TAR,
		"tar.zst");
	is_str(detect_type_name(type), "tar.zst", "and back");
	ok(detect_parse_type("tgz", &type) == 0, "tgz");
	is_str(detect_type_name(type), "tar.gz", "is tar.gz");
	ok(detect_parse_type("gz", &type) == 0 && type.format == DETECT_FORMAT_NONE, "gz");
	is_int(detect_parse_type("rar", &type), -EINVAL, "rar");
	is_int(detect_parse_type("", &type), -EINVAL, "nothing");
	type.filter = DETECT_FILTER_NONE;
	type.format = DETECT_FORMAT_NONE;
	is_str(detect_type_name(type), "file", "a file");
	is_uint(detect_suffix("a.tar.gz", &type), 7, "the longest suffix");
	ok(type.format == DETECT_FORMAT_TAR, "is the archive's");
	is_uint(detect_suffix("a.b.gz", &type), 3, "a suffix");
	is_uint(detect_suffix("A.GZ", &type), 3, "in capitals");
	is_uint(detect_suffix(".gz", &type), 0, "nothing would be left");
	is_uint(detect_suffix(".tar.gz", &type), 3, "something is left");
	is_uint(detect_suffix("agz", &type), 0, "no dot");
	is_uint(detect_suffix("", &type), 0, "no name");
}

int main(void)
{
	test_filters();
	test_formats();
	test_names();
	return done_testing();
}
