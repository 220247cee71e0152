#ifndef TH_FETCH_DETECT_H
#define TH_FETCH_DETECT_H

/*
 * What some bytes are, told by themselves and by no name. Decided here and not by libarchive, which
 * knows more formats than we want to take (it sees uuencoded text and RPM packages, and starts
 * programs for what it was not built with), and which must not see an archive in every file.
 */

#include <stdbool.h>
#include <stddef.h>

enum detect_filter {
	DETECT_FILTER_NONE,
	DETECT_FILTER_GZIP, /* RFC 1952 */
	DETECT_FILTER_BZIP2,
	DETECT_FILTER_XZ,
	DETECT_FILTER_ZSTD, /* RFC 8878 */
	DETECT_FILTER_LZ4,
	DETECT_FILTER_LZIP,
	DETECT_FILTER_LZMA,
	DETECT_FILTER_COMPRESS, /* compress(1), .Z */
};

enum detect_format {
	DETECT_FORMAT_NONE, /* a file */
	DETECT_FORMAT_TAR,
	DETECT_FORMAT_CPIO,
	DETECT_FORMAT_ZIP,
	DETECT_FORMAT_7ZIP,
};

struct detect_type {
	enum detect_filter filter;
	enum detect_format format;
};

/* With this many bytes (or all, where there are less) the answer does not change any more. */
#define DETECT_BYTES 1024

/* From the first bytes of the whole. */
enum detect_filter detect_filter(const void *data, size_t n);
/* From the first bytes after decompression. */
enum detect_format detect_format(const void *data, size_t n);

/* A type by the name that `extract` and `?archive=` have for it, as "tar.gz", "tgz", "gz", "zip".
 * 0 or -EINVAL. */
int detect_parse_type(const char *word, struct detect_type *ret);
/* Those names, for messages. */
const char *detect_type_names(void);
/* "tar.gz", "zip", "file". */
const char *detect_type_name(struct detect_type type);

/* The length of a type's suffix at the end of a file name, its dot included; 0 where there is none
 * or nothing would be left. */
size_t detect_suffix(const char *name, struct detect_type *ret);

#endif
