#include "config.h"

#include "fetch/detect.h"

#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define TAR_BLOCK 512

static const struct {
	const char *name;
	struct detect_type type;
} types[] = {
	/* The first name of a type is what it is called. */
	{"tar", {DETECT_FILTER_NONE, DETECT_FORMAT_TAR}},
	{"tar.gz", {DETECT_FILTER_GZIP, DETECT_FORMAT_TAR}},
	{"tar.bz2", {DETECT_FILTER_BZIP2, DETECT_FORMAT_TAR}},
	{"tar.xz", {DETECT_FILTER_XZ, DETECT_FORMAT_TAR}},
	{"tar.zst", {DETECT_FILTER_ZSTD, DETECT_FORMAT_TAR}},
	{"tar.lz4", {DETECT_FILTER_LZ4, DETECT_FORMAT_TAR}},
	{"tar.lz", {DETECT_FILTER_LZIP, DETECT_FORMAT_TAR}},
	{"tar.lzma", {DETECT_FILTER_LZMA, DETECT_FORMAT_TAR}},
	{"tar.Z", {DETECT_FILTER_COMPRESS, DETECT_FORMAT_TAR}},
	{"cpio", {DETECT_FILTER_NONE, DETECT_FORMAT_CPIO}},
	{"cpio.gz", {DETECT_FILTER_GZIP, DETECT_FORMAT_CPIO}},
	{"cpio.bz2", {DETECT_FILTER_BZIP2, DETECT_FORMAT_CPIO}},
	{"cpio.xz", {DETECT_FILTER_XZ, DETECT_FORMAT_CPIO}},
	{"cpio.zst", {DETECT_FILTER_ZSTD, DETECT_FORMAT_CPIO}},
	{"cpio.lz4", {DETECT_FILTER_LZ4, DETECT_FORMAT_CPIO}},
	{"cpio.lz", {DETECT_FILTER_LZIP, DETECT_FORMAT_CPIO}},
	{"cpio.lzma", {DETECT_FILTER_LZMA, DETECT_FORMAT_CPIO}},
	{"cpio.Z", {DETECT_FILTER_COMPRESS, DETECT_FORMAT_CPIO}},
	{"zip", {DETECT_FILTER_NONE, DETECT_FORMAT_ZIP}},
	{"7z", {DETECT_FILTER_NONE, DETECT_FORMAT_7ZIP}},
	{"tgz", {DETECT_FILTER_GZIP, DETECT_FORMAT_TAR}},
	{"tbz2", {DETECT_FILTER_BZIP2, DETECT_FORMAT_TAR}},
	{"tbz", {DETECT_FILTER_BZIP2, DETECT_FORMAT_TAR}},
	{"txz", {DETECT_FILTER_XZ, DETECT_FORMAT_TAR}},
	{"tzst", {DETECT_FILTER_ZSTD, DETECT_FORMAT_TAR}},
	{"gz", {DETECT_FILTER_GZIP, DETECT_FORMAT_NONE}},
	{"bz2", {DETECT_FILTER_BZIP2, DETECT_FORMAT_NONE}},
	{"xz", {DETECT_FILTER_XZ, DETECT_FORMAT_NONE}},
	{"zst", {DETECT_FILTER_ZSTD, DETECT_FORMAT_NONE}},
	{"lz4", {DETECT_FILTER_LZ4, DETECT_FORMAT_NONE}},
	{"lz", {DETECT_FILTER_LZIP, DETECT_FORMAT_NONE}},
	{"lzma", {DETECT_FILTER_LZMA, DETECT_FORMAT_NONE}},
	{"Z", {DETECT_FILTER_COMPRESS, DETECT_FORMAT_NONE}},
};

int detect_parse_type(const char *word, struct detect_type *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, word) == 0) {
			*ret = types[i].type;
			return 0;
		}
	return -EINVAL;
}

const char *detect_type_names(void)
{
	return "tar, tar.gz, tar.bz2, tar.xz, tar.zst, tar.lz4, tar.lz, tar.lzma, tar.Z, zip, 7z, "
	       "cpio (with the suffixes of tar), gz, bz2, xz, zst, lz4, lz, lzma, Z";
}

const char *detect_type_name(struct detect_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type.filter == type.filter && types[i].type.format == type.format)
			return types[i].name;
	return "file";
}

size_t detect_suffix(const char *name, struct detect_type *ret)
{
	size_t len = strlen(name), best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t suffix = strlen(types[i].name);

		if (len < suffix + 2 || suffix + 1 <= best || name[len - suffix - 1] != '.' ||
			strcasecmp(name + len - suffix, types[i].name) != 0)
			continue;
		best = suffix + 1;
		*ret = types[i].type;
	}
	return best;
}

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool starts(const unsigned char *p, size_t n, const void *magic, size_t len)
{
	return n >= len && memcmp(p, magic, len) == 0;
}

static bool is_bzip2(const unsigned char *p, size_t n)
{
	static const unsigned char block[] = {0x31, 0x41, 0x59, 0x26, 0x53, 0x59};
	static const unsigned char end[] = {0x17, 0x72, 0x45, 0x38, 0x50, 0x90};

	return n >= 10 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' &&
	       (memcmp(p + 4, block, sizeof(block)) == 0 || memcmp(p + 4, end, sizeof(end)) == 0);
}

/* The format has no magic number. A header as the common programs write it: the usual lc, lp and
 * pb, a dictionary of 2^n or 2^n + 2^(n-1) bytes from 4 KiB up, and a size that is unknown or below
 * 256 GiB (XZ Utils, doc/lzma-file-format.txt). The first byte after it is 0 in every stream of a
 * range coder. */
static bool is_lzma(const unsigned char *p, size_t n)
{
	static const unsigned char unknown[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t dict, low;

	if (n < 14 || p[0] != 0x5d || p[13] != 0)
		return false;
	dict = le32(p + 1);
	if (dict < 4096)
		return false;
	low = dict & (~dict + 1);
	if (dict != low && dict != (low | low << 1) && dict != UINT32_MAX)
		return false;
	return memcmp(p + 5, unknown, sizeof(unknown)) == 0 || (p[10] < 0x40 && !p[11] && !p[12]);
}

/* compress(1): "block mode" and 9 to 16 bits; 0x60 are reserved bits. */
static bool is_compress(const unsigned char *p, size_t n)
{
	unsigned bits;

	if (n < 3 || p[0] != 0x1f || p[1] != 0x9d || p[2] & 0x60)
		return false;
	bits = p[2] & 0x1f;
	return bits >= 9 && bits <= 16;
}

enum detect_filter detect_filter(const void *data, size_t n)
{
	static const unsigned char zstd[] = {0x28, 0xb5, 0x2f, 0xfd}, lz4[] = {4, 0x22, 0x4d, 0x18},
				   lz4_legacy[] = {2, 0x21, 0x4c, 0x18},
				   xz[] = {0xfd, '7', 'z', 'X', 'Z', 0}, gzip[] = {0x1f, 0x8b, 8};
	const unsigned char *p = data;

	/* zstd and lz4 may start with frames to be passed over (RFC 8878, 3.1.2). */
	if (n >= 8 && (le32(p) & 0xfffffff0) == 0x184d2a50) {
		uint32_t len = le32(p + 4);

		if (len <= n - 8) {
			enum detect_filter filter = detect_filter(p + 8 + len, n - 8 - len);

			if (filter == DETECT_FILTER_ZSTD || filter == DETECT_FILTER_LZ4)
				return filter;
		}
		return DETECT_FILTER_NONE;
	}
	if (starts(p, n, gzip, sizeof(gzip)) && n >= 4 && !(p[3] & 0xe0))
		return DETECT_FILTER_GZIP;
	if (starts(p, n, xz, sizeof(xz)))
		return DETECT_FILTER_XZ;
	if (starts(p, n, zstd, sizeof(zstd)))
		return DETECT_FILTER_ZSTD;
	if (starts(p, n, lz4, sizeof(lz4)) || starts(p, n, lz4_legacy, sizeof(lz4_legacy)))
		return DETECT_FILTER_LZ4;
	if (starts(p, n, "LZIP", 4) && n >= 6 && p[4] <= 1)
		return DETECT_FILTER_LZIP;
	if (is_bzip2(p, n))
		return DETECT_FILTER_BZIP2;
	if (is_compress(p, n))
		return DETECT_FILTER_COMPRESS;
	if (is_lzma(p, n))
		return DETECT_FILTER_LZMA;
	return DETECT_FILTER_NONE;
}

/* A header whose checksum holds: the sum of all bytes, with blanks for the checksum itself; some
 * old programs summed signed bytes (POSIX.1-2017 pax, ustar interchange format). */
static bool is_tar(const unsigned char *p, size_t n)
{
	long unsigned_sum = 0, signed_sum = 0, stored = 0;
	size_t i = 148;

	if (n < TAR_BLOCK || !p[0])
		return false;
	while (i < 156 && p[i] == ' ')
		i++;
	if (i == 156 || p[i] < '0' || p[i] > '7')
		return false;
	for (; i < 156 && p[i] >= '0' && p[i] <= '7'; i++)
		stored = stored * 8 + (p[i] - '0');
	if (i < 156 && p[i] != ' ' && p[i] != '\0')
		return false;
	for (i = 0; i < TAR_BLOCK; i++) {
		unsigned char c = i >= 148 && i < 156 ? ' ' : p[i];

		unsigned_sum += c;
		signed_sum += (signed char)c;
	}
	return stored == unsigned_sum || stored == signed_sum;
}

static bool is_digits(const unsigned char *p, size_t n, const char *digits)
{
	for (size_t i = 0; i < n; i++)
		if (!p[i] || !strchr(digits, p[i]))
			return false;
	return true;
}

/* The old binary header has a magic number of two bytes only, so its file type and the length of
 * its name have to make sense too (FreeBSD cpio(5)). */
static bool is_binary_cpio(const unsigned char *p, size_t n)
{
	bool big = n >= 28 && p[0] == 0x71 && p[1] == 0xc7;
	bool little = n >= 28 && p[0] == 0xc7 && p[1] == 0x71;
	unsigned mode, name;

	if (!big && !little)
		return false;
	mode = big ? (unsigned)p[6] << 8 | p[7] : (unsigned)p[7] << 8 | p[6];
	name = big ? (unsigned)p[20] << 8 | p[21] : (unsigned)p[21] << 8 | p[20];
	mode &= 0170000;
	return (mode == 0100000 || mode == 0040000 || mode == 0120000 || mode == 0010000 ||
		       mode == 0020000 || mode == 0060000 || mode == 0140000 ||
		       (mode == 0 && name == sizeof("TRAILER!!!"))) &&
	       name >= 2 && (26 + name > n || p[26 + name - 1] == '\0');
}

static bool is_cpio(const unsigned char *p, size_t n)
{
	if (starts(p, n, "070707", 6))
		return n >= 76 && is_digits(p + 6, 70, "01234567");
	if (starts(p, n, "070701", 6) || starts(p, n, "070702", 6))
		return n >= 110 && is_digits(p + 6, 104, "0123456789abcdefABCDEF");
	return is_binary_cpio(p, n);
}

enum detect_format detect_format(const void *data, size_t n)
{
	static const unsigned char sevenzip[] = {'7', 'z', 0xbc, 0xaf, 0x27, 0x1c};
	const unsigned char *p = data;

	/* A member, the end of one without members, or the mark of one in several parts (APPNOTE
	 * 6.3, 4.3.7, 4.3.16 and 8.5). */
	if (starts(p, n, "PK\3\4", 4) || starts(p, n, "PK\5\6", 4) || starts(p, n, "PK\7\10", 4) ||
		starts(p, n, "PK00PK\3\4", 8))
		return DETECT_FORMAT_ZIP;
	if (starts(p, n, sevenzip, sizeof(sevenzip)))
		return DETECT_FORMAT_7ZIP;
	if (is_cpio(p, n))
		return DETECT_FORMAT_CPIO;
	if (is_tar(p, n))
		return DETECT_FORMAT_TAR;
	return DETECT_FORMAT_NONE;
}
