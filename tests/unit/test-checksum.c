#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "fetch/checksum.h"

#include "tests/unit/tap.h"

#include <errno.h>

#define MD5    "0123456789abcdef0123456789ABCDEF"
#define SHA1   "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER  "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA512 SHA256 SHA256

static const struct {
	const char *text;
	enum checksum_type type;
} good[] = {
	{"md5:" MD5, CHECKSUM_MD5},
	{"SHA1:" SHA1, CHECKSUM_SHA1},
	{"sha256:" SHA256, CHECKSUM_SHA256},
	{"sha512:" SHA512, CHECKSUM_SHA512},
	{MD5, CHECKSUM_MD5},
	{SHA1, CHECKSUM_SHA1},
	{SHA256, CHECKSUM_SHA256},
	{SHA512, CHECKSUM_SHA512},
};

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "neither TYPE:HEX nor"},
	{"sha256:", "sha256 has 64 hexadecimal digits"},
	{"sha256:" SHA1, "sha256 has 64 hexadecimal digits"},
	{"sha256:" SHA256 " ", "sha256 has 64 hexadecimal digits"},
	{"sha224:" SHA256, "'sha224' is not one of md5, sha1, sha256, sha512, file"},
	{"file:", "names no file"},
	{SHA256 "0", "neither TYPE:HEX nor"},
	{"g123456789abcdef0123456789abcdef", "neither TYPE:HEX nor"},
};

static const struct {
	const char *sums;
	const char *found; /* TYPE:HEX, or a part of the message */
} files[] = {
	{SHA256 "  a.tgz\n", "sha256:" SHA256},
	{SHA256 "  a.tgz", "sha256:" SHA256},
	{SHA256 " *a.tgz\r\n", "sha256:" SHA256},
	{SHA256 "\ta.tgz\n", "sha256:" SHA256},
	{SHA256 "  ./a.tgz\n", "sha256:" SHA256},
	{OTHER "  b.tgz\n" SHA256 "  dist/a.tgz\n", "sha256:" SHA256},
	{OTHER "  old/a.tgz\n" SHA256 "  a.tgz\n", "sha256:" SHA256},
	{"\\" SHA256 "  x/a.tgz\n", "sha256:" SHA256},
	{"SHA256 (a.tgz) = " SHA256 "\n", "sha256:" SHA256},
	{"# by hand\n\nMD5 (a.tgz) = " MD5 "\nSHA512 (a.tgz) = " SHA512 "\nSHA1 (a.tgz) = " SHA1,
		"sha512:" SHA512},
	{"SHA256 (a.tgz) = " SHA256 "\nSHA256 (a.tgz) = " SHA256 "\n", "sha256:" SHA256},
	{SHA256 "\n", "sha256:" SHA256},
	{"", "has no line for 'a.tgz'"},
	{SHA256 "\n" OTHER "\n", "has no line for 'a.tgz'"},
	{SHA256 "  xa.tgz\n" SHA256 "  a.tgz.sig\n" SHA256 "a.tgz\n", "has no line for 'a.tgz'"},
	{SHA256 "0  a.tgz\n", "has no line for 'a.tgz'"},
	{"SHA256 (a.tgz) = " SHA1 "\n", "has no line for 'a.tgz'"},
	{"SHA256 (", "has no line for 'a.tgz'"},
	{"SHA256 () = " SHA256, "has no line for 'a.tgz'"},
	{SHA256 "  a.tgz\n" OTHER "  a.tgz\n", "has different ones for 'a.tgz'"},
	{SHA256 "  x/a.tgz\n" OTHER "  y/a.tgz\n", "has different ones for 'a.tgz'"},
};

static void test_parse(void)
{
	char *url = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct checksum sum;

		ok(checksum_parse(good[i].text, &sum, &url, NULL) == 0 &&
				sum.type == good[i].type && !strpbrk(sum.hex, "ABCDEF"),
			"%s", good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		struct checksum sum;

		ok(checksum_parse(bad[i].text, &sum, &url, &err) == -EINVAL &&
				err.status == EXIT_USAGE && strstr(err_text(&err), bad[i].why),
			"refused: %s", bad[i].why);
	}
	ok(!url, "none of these is a file");
	is_int(checksum_parse("FILE:https://h/sums", NULL, &url, NULL), 1, "a file");
	is_str(url, "https://h/sums", "its URL");
	free(url);
}

static void test_find(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *found = NULL;
		struct checksum sum;
		int r = checksum_find(files[i].sums, strlen(files[i].sums), "a.tgz", &sum, &err);

		found = r == 0 ? xasprintf("%s:%s", checksum_type_name(sum.type), sum.hex)
			       : xstrdup(err_text(&err));
		if (!ok(strstr(found, files[i].found) != NULL, "file %zu", i))
			printf("# got %s\n", found);
	}
	ok(checksum_find(SHA256 "  a\0b", 69, "a", &(struct checksum){0}, NULL) == 0,
		"a NUL ends a name");
}

static void test_digest(void)
{
	static const char abc_sha256[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char a_sha256[] =
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
	static const char abc_md5[] = "900150983cd24fb0d6963f7d28e17f72";
	struct checksum want = {.type = CHECKSUM_MD5};
	struct checksum got;
	struct digest *d = digest_new(&want, NULL);

	/* FIPS 180-4 and RFC 1321 have these */
	digest_add(d, "a", 1);
	digest_get(d, CHECKSUM_SHA256, &got);
	is_str(got.hex, a_sha256, "sha256 on the way");
	digest_add(d, "bc", 2);
	digest_get(d, CHECKSUM_SHA256, &got);
	is_str(got.hex, abc_sha256, "sha256 at the end");
	digest_get(d, CHECKSUM_MD5, &got);
	is_str(got.hex, abc_md5, "md5 beside it");
	digest_free(&d);
	ok(!d, "freed");
	ok(checksum_is_weak(CHECKSUM_MD5) && checksum_is_weak(CHECKSUM_SHA1) &&
			!checksum_is_weak(CHECKSUM_SHA256),
		"md5 and sha1 are weak");
}

int main(void)
{
	test_parse();
	test_find();
	test_digest();
	return done_testing();
}
