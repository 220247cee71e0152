#include "config.h"

#include "fetch/unpack_internal.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/str.h"
#include "fetch/unpack.h"
#include "fetch/unpack_decode.h"
#include "fetch/unpack_refuse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What an archive has beside the content of its files: for each member a header with extensions,
 * and once what fills the last block. Far more than any needs; it ends a bomb of headers. */
#define OVERHEAD_PER_MEMBER ((uint64_t)16 << 10)
#define OVERHEAD_ONCE	    ((uint64_t)16 << 20)

#define TAR_TYPE_OFFSET	    156
#define TAR_BLOCK	    512
#define ZIP_END_SIGNATURE   "PK\5\6"
#define ZIP_SPLIT_SIGNATURE "PK\7\10"

int unpack_finish_content(struct unpack *u, struct th_err *err)
{
	struct unpack_decoder *d = TAKE_PTR(u->decoder);

	return d ? unpack_decoder_finish(d, err) : 0;
}

int unpack_content_failed(struct unpack *u, struct th_err *err)
{
	int r = unpack_finish_content(u, err);

	return r < 0 ? r : u->content->error;
}

PRINTF_ATTR(2, 3)
static void warn(struct unpack *u, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!u->spec->warning)
		return;
	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	u->spec->warning(u->spec->arg, text);
}

static bool is_zeros(const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static uint64_t decoded_max(const struct unpack_limits *limits)
{
	uint64_t max = OVERHEAD_ONCE, more;

	if (__builtin_mul_overflow(limits->max_files, OVERHEAD_PER_MEMBER, &more) ||
		__builtin_add_overflow(max, more, &max) ||
		__builtin_add_overflow(max, limits->max_unpacked, &max))
		return UINT64_MAX;
	return max;
}

/* What a tar without members is (zeros), and an empty file, does not tell; then the name, or who
 * asked for an archive, decides. Else the content does. */
static int judge_format(struct unpack *u, const struct detect_type *forced, const void *data,
	size_t n, struct th_err *err)
{
	const char *name = u->spec->source_name ? u->spec->source_name : u->spec->filename;
	struct detect_type named = {DETECT_FILTER_NONE, DETECT_FORMAT_NONE};
	bool nothing = is_zeros(data, MIN(n, (size_t)TAR_BLOCK));

	u->type.format = detect_format(data, n);
	/* Neither streams, so compressed they would need a second file on the disk. */
	if (u->type.filter != DETECT_FILTER_NONE &&
		(u->type.format == DETECT_FORMAT_ZIP || u->type.format == DETECT_FORMAT_7ZIP))
		u->type.format = DETECT_FORMAT_NONE;
	if (forced) {
		if (forced->format == DETECT_FORMAT_NONE)
			u->type.format = DETECT_FORMAT_NONE;
		named = *forced;
	} else if (name) {
		(void)detect_suffix(name, &named);
	}
	if (named.format == DETECT_FORMAT_NONE || u->type.format == named.format)
		return 0;
	if (u->type.format == DETECT_FORMAT_NONE && nothing)
		return err_set(err, EXIT_DATAERR, EBADMSG, "the archive is empty");
	if (forced)
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the content is no %s: it is a %s (see 'extract')",
			detect_type_name(*forced), detect_type_name(u->type));
	if (u->type.format == DETECT_FORMAT_NONE)
		warn(u,
			"the name ends as that of a %s archive, but the content is none: it is "
			"kept as a file",
			detect_type_name(named));
	return 0;
}

static int decode(struct unpack *u, struct th_err *err)
{
	int r = unpack_decoder_start(u->type.filter, &u->source, decoded_max(&u->spec->limits),
		u->spec->source.cancel, &u->decoder, err);

	if (r < 0)
		return r;
	u->decoded.read = unpack_decoder_read;
	u->decoded.arg = u->decoder;
	u->content = &u->decoded;
	return 0;
}

static bool begins_with(const void *data, const char *signature)
{
	return memcmp(data, signature, strlen(signature)) == 0;
}

/* Of what is an archive by its first bytes: a part of one, or one that holds nothing. */
static int refuse_partial(const struct unpack *u, const void *data, struct th_err *err)
{
	if (u->type.format == DETECT_FORMAT_TAR && ((const char *)data)[TAR_TYPE_OFFSET] == 'M')
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is a later part of one in several volumes: put them together "
			"first");
	if (u->type.format != DETECT_FORMAT_ZIP)
		return 0;
	/* which libarchive 3.6 does not take for one */
	if (begins_with(data, ZIP_END_SIGNATURE))
		return err_set(err, EXIT_DATAERR, EBADMSG, "the archive is empty");
	if (begins_with(data, ZIP_SPLIT_SIGNATURE))
		return err_set(err, EXIT_DATAERR, ENOTSUP,
			"the archive is split into several files: put them together first (zip -s "
			"0)");
	return 0;
}

/* `forced` is what 'extract' says; NULL: it says nothing. */
static int detect(struct unpack *u, const struct detect_type *forced, struct th_err *err)
{
	const void *data;
	ssize_t n;
	int r;

	n = unpack_feed_peek(&u->source, &data);
	if (n < 0)
		return (int)n;
	u->type.filter = detect_filter(data, (size_t)n);
	if (forced && u->type.filter != forced->filter) {
		u->type.format = detect_format(data, (size_t)n);
		return err_set(err, EXIT_DATAERR, EBADMSG,
			"the content is no %s: %s%s (see 'extract')", detect_type_name(*forced),
			n ? "it is a " : "it is empty", n ? detect_type_name(u->type) : "");
	}
	if (u->type.filter != DETECT_FILTER_NONE) {
		r = decode(u, err);
		if (r < 0)
			return r;
		n = unpack_feed_peek(&u->decoded, &data);
		if (n < 0)
			return unpack_content_failed(u, err);
	}
	r = judge_format(u, forced, data, (size_t)n, err);
	if (r < 0)
		return r;
	u->as_is = u->type.filter == DETECT_FILTER_NONE && u->type.format == DETECT_FORMAT_NONE;
	return refuse_partial(u, data, err);
}

int unpack_open_content(struct unpack *u, struct th_err *err)
{
	const char *extract = u->spec->extract;
	struct detect_type forced;

	u->source.read = u->spec->source.read;
	u->source.arg = u->spec->source.arg;
	u->content = &u->source;
	if (!extract || strcmp(extract, "auto") == 0)
		return detect(u, NULL, err);
	if (strcmp(extract, "no") == 0) {
		u->as_is = true;
		return 0;
	}
	if (detect_parse_type(extract, &forced) < 0) {
		_cleanup_free_ char *shown = str_escape(extract, UNPACK_SHOWN_MAX);

		return err_set(err, EXIT_CONFIG, EINVAL,
			"'%s' cannot be extracted: use auto, no, or one of %s", shown,
			detect_type_names());
	}
	return detect(u, &forced, err);
}
