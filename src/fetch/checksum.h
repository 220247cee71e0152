#ifndef TH_FETCH_CHECKSUM_H
#define TH_FETCH_CHECKSUM_H

/*
 * Checksums as go-getter's users write them, files of checksums, and digests of what comes down.
 *
 *	TYPE:HEX	TYPE is md5, sha1, sha256 or sha512, in upper or lower case
 *	HEX		its length tells the type: 32, 40, 64 or 128 digits
 *	file:URL	a file of checksums, as sha256sum(1) ("HEX  NAME", "HEX *NAME") or
 *			sha256(1) of BSD ("SHA256 (NAME) = HEX") write it, or with one digest alone
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum checksum_type {
	CHECKSUM_MD5,
	CHECKSUM_SHA1,
	CHECKSUM_SHA256,
	CHECKSUM_SHA512,
};

#define CHECKSUM_HEX_MAX 129 /* with the NUL */

struct checksum {
	enum checksum_type type;
	char hex[CHECKSUM_HEX_MAX]; /* in lower case */
};

const char *checksum_type_name(enum checksum_type type);
/* Can two different files with it be made? True of md5 and sha1. */
bool checksum_is_weak(enum checksum_type type);

/* 0 with *ret, or 1 with *ret_url, the URL of a file of checksums, which the caller frees. -EINVAL
 * with err (EXIT_USAGE). */
int checksum_parse(const char *text, struct checksum *ret, char **ret_url, struct th_err *err);

/*
 * The checksum of `name` in a file of checksums; the strongest type where there are several. A line
 * is of the file when its name is that, or its last component is. 0; -EINVAL with err
 * (EXIT_DATAERR): there is none, or two that differ.
 */
int checksum_find(
	const char *sums, size_t len, const char *name, struct checksum *ret, struct th_err *err);

/* Takes bytes as they come. SHA-256 always, and one other type where that is wanted. */
struct digest;
/* NULL with err (EXIT_UNAVAILABLE) where libcrypto has no such digest, as in FIPS mode. */
struct digest *digest_new(const struct checksum *want, struct th_err *err);
void digest_add(struct digest *d, const void *data, size_t n);
/* Of all so far; more may follow. */
void digest_get(const struct digest *d, enum checksum_type type, struct checksum *ret);
void digest_free(struct digest **d);
#define _cleanup_digest_ _cleanup_(digest_free)

#endif
