/*
 * Archives made by the test itself, byte by byte or by libarchive, and unpacked in the test's
 * directory. Include after tempdir.h.
 */
#ifndef TH_TESTS_ARCHIVES_H
#define TH_TESTS_ARCHIVES_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "fetch/unpack.h"

#include <archive.h>
#include <archive_entry.h>

#define MODE_A_FILE 0644

/* ---- tar by hand ---- */

static inline void tar_octal(char *field, size_t size, uint64_t value)
{
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

struct tar_member {
	const char *name;
	char type; /* 0: a file */
	const char *link;
	const char *data;
	size_t size; /* of the data; 0: its length as text */
	unsigned mode;
	uint64_t claimed; /* a size that the header tells instead; 0: the true one */
};

static inline void tar_raw(struct strbuf *b, const struct tar_member *m)
{
	size_t size = m->size ? m->size : m->data ? strlen(m->data) : 0;
	char header[512] = {0};
	unsigned sum = 0;

	memcpy(header, m->name, strlen(m->name) > 100 ? 100 : strlen(m->name));
	tar_octal(header + 100, 8, m->mode ? m->mode : m->type == '5' ? 0755 : MODE_A_FILE);
	tar_octal(header + 108, 8, 0);
	tar_octal(header + 116, 8, 0);
	tar_octal(header + 124, 12, m->claimed ? m->claimed : size);
	tar_octal(header + 136, 12, 1000000000);
	memset(header + 148, ' ', 8);
	header[156] = m->type ? m->type : '0';
	if (m->link)
		memcpy(header + 157, m->link, strlen(m->link) > 100 ? 100 : strlen(m->link));
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	tar_octal(header + 148, 7, sum);
	strbuf_add(b, header, sizeof(header));
	strbuf_add(b, m->data ? m->data : "", size);
	memset(header, 0, sizeof(header));
	strbuf_add(b, header, (512 - size % 512) % 512);
}

/* With the long names of GNU tar where they are needed. */
static inline void tar_add(struct strbuf *b, struct tar_member m)
{
	if (strlen(m.name) > 100)
		tar_raw(b, &(struct tar_member){.name = "././@LongLink",
				   .type = 'L',
				   .data = m.name,
				   .size = strlen(m.name) + 1});
	if (m.link && strlen(m.link) > 100)
		tar_raw(b, &(struct tar_member){.name = "././@LongLink",
				   .type = 'K',
				   .data = m.link,
				   .size = strlen(m.link) + 1});
	tar_raw(b, &m);
}

static inline void tar_end(struct strbuf *b)
{
	static const char zeros[1024];

	strbuf_add(b, zeros, sizeof(zeros));
}

#define TAR(b, path, ...) tar_add((b), (struct tar_member){.name = (path), ##__VA_ARGS__})

/* ---- by libarchive ---- */

static inline la_ssize_t append_written(struct archive *a, void *arg, const void *data, size_t n)
{
	(void)a;
	strbuf_add(arg, data, n);
	return (la_ssize_t)n;
}

/* An archive that goes to b; `filter` is ARCHIVE_FILTER_NONE for none, `options` may be NULL. */
static inline struct archive *writer_new(
	struct strbuf *b, int format, int filter, const char *options)
{
	struct archive *a = archive_write_new();

	if (archive_write_set_format(a, format) < ARCHIVE_WARN ||
		archive_write_add_filter(a, filter) != ARCHIVE_OK ||
		(options && archive_write_set_options(a, options) != ARCHIVE_OK) ||
		archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
		(options && archive_write_set_passphrase(a, "secret") != ARCHIVE_OK) ||
		archive_write_open(a, b, NULL, append_written, NULL) != ARCHIVE_OK)
		bail("libarchive: %s", archive_error_string(a));
	return a;
}

static inline void writer_add(struct archive *a, const char *name, unsigned type, unsigned mode,
	const char *link, const char *data)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, (mode_t)mode);
	archive_entry_set_mtime(e, 1000000000, 123456789);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	archive_entry_set_size(e, data ? (la_int64_t)strlen(data) : 0);
	if (archive_write_header(a, e) != ARCHIVE_OK)
		bail("libarchive: %s", archive_error_string(a));
	if (data && *data && archive_write_data(a, data, strlen(data)) != (la_ssize_t)strlen(data))
		bail("libarchive: %s", archive_error_string(a));
	archive_entry_free(e);
}

static inline void writer_end(struct archive *a)
{
	if (archive_write_close(a) != ARCHIVE_OK)
		bail("libarchive: %s", archive_error_string(a));
	archive_write_free(a);
}

/* One compressed file. */
static inline void compress_text(struct strbuf *b, int filter, const char *text, size_t n)
{
	struct archive *a = writer_new(b, ARCHIVE_FORMAT_RAW, filter, NULL);
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_filetype(e, AE_IFREG);
	if (archive_write_header(a, e) != ARCHIVE_OK ||
		archive_write_data(a, text, n) != (la_ssize_t)n)
		bail("libarchive: %s", archive_error_string(a));
	archive_entry_free(e);
	writer_end(a);
}

/* ---- unpacking ---- */

/* A source that frees what it has lent when the next bytes are asked for, so that a sanitizer sees
 * who holds on to them. */
struct memory_source {
	const char *data;
	size_t size, part;
	int error; /* in the end's place */
	char *lent;
	unsigned cancels;
};

static inline ssize_t read_memory(void *arg, const void **ret)
{
	struct memory_source *s = arg;
	size_t n = s->size < s->part ? s->size : s->part;

	free(s->lent);
	s->lent = NULL;
	if (!n)
		return s->error;
	s->lent = xmemdup(s->data, n);
	s->data += n;
	s->size -= n;
	*ret = s->lent;
	return (ssize_t)n;
}

static inline void cancel_memory(void *arg)
{
	struct memory_source *s = arg;

	__atomic_add_fetch(&s->cancels, 1, __ATOMIC_RELAXED);
}

struct unpacking {
	/* the caller's */
	struct unpack_spec spec;
	size_t part;
	int source_error;
	/* what came of it */
	int r;
	unsigned cancels, warnings;
	struct unpack_result result;
	struct th_err err;
};

static inline void count_warning(void *arg, const char *text)
{
	unsigned *warnings = arg;

	(void)text;
	(*warnings)++;
}

/* Unpacks to "tree" in the test's directory, from which what an earlier one made is removed. */
static inline void unpack_bytes(struct unpacking *u, const struct strbuf *b)
{
	struct memory_source source = {.data = strbuf_str(b),
		.size = b->len,
		.part = u->part ? u->part : 100000,
		.error = u->source_error};

	unpack_result_done(&u->result);
	err_clear(&u->err);
	(void)rmtree_at(tempdir.fd, "tree", NULL, NULL, NULL);
	u->spec.dirfd = tempdir.fd;
	u->spec.name = "tree";
	u->warnings = 0;
	u->spec.warning = count_warning;
	u->spec.arg = &u->warnings;
	if (!u->spec.limits.max_unpacked)
		u->spec.limits.max_unpacked = 1 << 30;
	if (!u->spec.limits.max_files)
		u->spec.limits.max_files = 1000;
	if (!u->spec.limits.max_depth)
		u->spec.limits.max_depth = 64;
	u->spec.source = (struct unpack_source){read_memory, cancel_memory, &source};
	u->r = unpack_run(&u->spec, &u->result, &u->err);
	u->cancels = source.cancels;
	free(source.lent);
}

static inline void unpacking_done(struct unpacking *u)
{
	unpack_result_done(&u->result);
	err_clear(&u->err);
	(void)rmtree_at(tempdir.fd, "tree", NULL, NULL, NULL);
}
#define _cleanup_unpacking_ _cleanup_(unpacking_done)

static inline bool unpacked_well(const struct unpacking *u)
{
	if (u->r < 0)
		diag("%d: %s", u->r, err_text(&u->err));
	return u->r == 0 && !err_is_set(&u->err);
}

/* It failed with this status, its one line holds `text`, and nothing is left. */
static inline void refused_with(
	const struct unpacking *u, int status, const char *text, const char *what)
{
	ok(u->r < 0, "%s: refused", what);
	is_int(u->err.status, status, "%s: status", what);
	contains(err_text(&u->err), text, "%s: why", what);
	ok(!strchr(err_text(&u->err), '\n'), "%s: in one line", what);
	is_int(count_entries(tempdir.path), 0, "%s: nothing is left", what);
}

/* A file's content, NULL where it cannot be read; the caller frees it. */
static inline char *content_of(const char *name)
{
	int fd = openat(tempdir.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct strbuf b = STRBUF_INIT;
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, part, sizeof(part))) > 0)
		strbuf_add(&b, part, (size_t)n);
	(void)close(fd);
	return strbuf_steal(&b);
}

static inline void file_holds(const char *name, const char *text)
{
	char *got = content_of(name), *shown = str_escape(name, 60);

	is_str(got, text, "%s", shown);
	free(shown);
	free(got);
}

static inline void link_holds(const char *name, const char *target)
{
	char got[PATH_MAX] = "";
	ssize_t n = readlinkat(tempdir.fd, name, got, sizeof(got) - 1);

	ok(n >= 0 && strcmp(got, target) == 0, "%s leads to %s", name, target);
}

#endif
