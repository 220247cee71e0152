/*
 *     mkarchive tar|zip [ENTRY]... >ARCHIVE
 *
 * Writes archives that no proper program would. It knows no compression and checks nothing: names,
 * targets and sizes are written as they are given.
 *
 *     file NAME TEXT       a regular file; \n at its end
 *     zeros NAME SIZE      a regular file of zeros
 *     claim NAME SIZE      a header that says SIZE bytes stand behind it, without them
 *     many NAME COUNT      COUNT files of one byte, NAME with a number behind it
 *     dir NAME             a directory
 *     link NAME TARGET     a symbolic link
 *     hard NAME TARGET     a hard link (tar only)
 *     char NAME            a device 1:3 (tar only)
 *     block NAME           a device 7:0 (tar only)
 *     fifo NAME            (tar only)
 *     mode OCTAL           of the entries behind it, instead of 644, 755
 *     mtime SECONDS        of the entries behind it
 *     deep COUNT           a file below COUNT directories d
 *     no-end               without what ends an archive
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	const char *name, *target, *text;
	char type; /* as in tar */
	unsigned mode;
	uint64_t size, shown;
};

/* What the central directory of a zip repeats. */
struct member {
	char *name;
	unsigned mode;
	uint32_t crc, size, offset;
	char type;
};

static bool zip;
static unsigned mode_next;
static uint64_t mtime = 1600000000;
static uint64_t written;
static struct member *members;
static size_t members_count, members_room;

static void put(const void *data, size_t size)
{
	if (size > 0 && fwrite(data, 1, size, stdout) != size) {
		fprintf(stderr, "mkarchive: %s\n", strerror(errno));
		exit(1);
	}
	written += size;
}

static void put_zeros(uint64_t size)
{
	static const char zeros[65536];

	while (size > 0) {
		size_t n = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);

		put(zeros, n);
		size -= n;
	}
}

/* ---- tar ------------------------------------------------------------------------------------ */

static void octal(char *field, size_t width, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)width - 1, (unsigned long long)value);
	memcpy(field, text + strlen(text) - (width - 1), width - 1);
}

static void tar_header(
	const char *name, const char *target, char type, unsigned mode, uint64_t size)
{
	char h[512] = "";
	unsigned sum = 0;

	memcpy(h, name, strnlen(name, 100));
	octal(h + 100, 8, mode);
	octal(h + 108, 8, 0);
	octal(h + 116, 8, 0);
	octal(h + 124, 12, size);
	octal(h + 136, 12, mtime);
	memset(h + 148, ' ', 8);
	h[156] = type;
	if (target)
		memcpy(h + 157, target, strnlen(target, 100));
	memcpy(h + 257,
		"ustar\0"
		"00",
		8);
	if (type == '3' || type == '4') {
		octal(h + 329, 8, type == '3' ? 1 : 7);
		octal(h + 337, 8, type == '3' ? 3 : 0);
	}
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum & 0777777);
	put(h, sizeof(h));
}

static void tar_pad(uint64_t size)
{
	put_zeros((512 - size % 512) % 512);
}

/* GNU's extension for what does not fit into a header. */
static void tar_long(const char *text, char type)
{
	size_t size = strlen(text) + 1;

	if (size <= 101)
		return;
	tar_header("././@LongLink", NULL, type, 0644, size);
	put(text, size);
	tar_pad(size);
}

static void tar_entry(const struct entry *e)
{
	tar_long(e->name, 'L');
	if (e->target)
		tar_long(e->target, 'K');
	tar_header(e->name, e->target, e->type, e->mode, e->shown);
	if (e->text)
		put(e->text, (size_t)e->size);
	else
		put_zeros(e->size);
	tar_pad(e->size);
}

/* ---- zip ------------------------------------------------------------------------------------ */

static uint32_t crc_add(uint32_t crc, const char *data, uint64_t size)
{
	crc = ~crc;
	for (uint64_t i = 0; i < size; i++) {
		crc ^= data ? (unsigned char)data[i] : 0;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

static void little(uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)(value >> (8 * i));

		put(&c, 1);
	}
}

static void zip_common(const struct member *m)
{
	little(20, 2);
	little(0, 2);
	little(0, 2);
	little(0, 2);
	little(0x5000, 2);
	little(m->crc, 4);
	little(m->size, 4);
	little(m->size, 4);
	little((uint32_t)strlen(m->name), 2);
	little(0, 2);
}

static void zip_entry(const struct entry *e)
{
	const char *text = e->type == '2' ? e->target : e->text;
	uint64_t size = e->type == '2' ? strlen(e->target) : e->size;
	struct member *m;

	if (members_count == members_room) {
		members_room = members_room ? members_room * 2 : 64;
		members = realloc(members, members_room * sizeof(*members));
		if (!members)
			exit(1);
	}
	m = &members[members_count++];
	*m = (struct member){
		.name = strdup(e->name),
		.mode = e->mode,
		.type = e->type,
		.crc = crc_add(0, text, size),
		.size = (uint32_t)(e->type == '2' ? size : e->shown),
		.offset = (uint32_t)written,
	};
	if (!m->name)
		exit(1);
	put("PK\3\4", 4);
	zip_common(m);
	put(m->name, strlen(m->name));
	if (text)
		put(text, (size_t)size);
	else
		put_zeros(size);
}

static void zip_end(void)
{
	uint32_t begin = (uint32_t)written;
	uint32_t end;

	for (size_t i = 0; i < members_count; i++) {
		const struct member *m = &members[i];
		uint32_t kind = m->type == '2' ? 0120000 : m->type == '5' ? 0040000 : 0100000;

		put("PK\1\2", 4);
		little(3 << 8 | 20, 2);
		zip_common(m);
		little(0, 2);
		little(0, 2);
		little(0, 2);
		little((kind | m->mode) << 16, 4);
		little(m->offset, 4);
		put(m->name, strlen(m->name));
		free(m->name);
	}
	end = (uint32_t)written;
	put("PK\5\6", 4);
	little(0, 4);
	little((uint32_t)members_count, 2);
	little((uint32_t)members_count, 2);
	little(end - begin, 4);
	little(begin, 4);
	little(0, 2);
	free(members);
}

/* ---- both ----------------------------------------------------------------------------------- */

static void add(struct entry e)
{
	if (!e.mode)
		e.mode = mode_next ? mode_next : e.type == '5' ? 0755 : 0644;
	if (zip)
		zip_entry(&e);
	else
		tar_entry(&e);
}

static void add_text(const char *name, const char *text)
{
	size_t size = strlen(text);

	add((struct entry){.name = name, .type = '0', .text = text, .size = size, .shown = size});
}

static void add_many(const char *name, unsigned long count)
{
	size_t size = strlen(name) + 24;
	char *numbered = malloc(size);

	if (!numbered)
		exit(1);
	for (unsigned long i = 0; i < count; i++) {
		snprintf(numbered, size, "%s%lu", name, i);
		add_text(numbered, "1");
	}
	free(numbered);
}

static void add_deep(unsigned long count)
{
	char *name = malloc(count * 2 + 2);

	if (!name)
		exit(1);
	for (unsigned long i = 0; i < count; i++)
		memcpy(name + i * 2, "d/", 2);
	memcpy(name + count * 2, "f", 2);
	add_text(name, "deep\n");
	free(name);
}

static int usage(void)
{
	fprintf(stderr, "usage: mkarchive tar|zip [ENTRY]..., see the head of its source\n");
	return 64;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		char type;
	} plain[] = {{"dir", '5'}, {"char", '3'}, {"block", '4'}, {"fifo", '6'}};
	bool end = true;
	int i = 2;

	if (argc < 2 || (strcmp(argv[1], "tar") != 0 && strcmp(argv[1], "zip") != 0))
		return usage();
	zip = strcmp(argv[1], "zip") == 0;
	while (i < argc) {
		const char *word = argv[i++], *name, *second;
		bool found = false;

		if (strcmp(word, "no-end") == 0) {
			end = false;
			continue;
		}
		if (i >= argc)
			return usage();
		name = argv[i++];
		for (size_t p = 0; p < sizeof(plain) / sizeof(plain[0]); p++)
			if (strcmp(word, plain[p].word) == 0) {
				add((struct entry){.name = name, .type = plain[p].type});
				found = true;
			}
		if (found)
			continue;
		if (strcmp(word, "mode") == 0) {
			mode_next = (unsigned)strtoul(name, NULL, 8);
			continue;
		}
		if (strcmp(word, "mtime") == 0) {
			mtime = strtoull(name, NULL, 10);
			continue;
		}
		if (strcmp(word, "deep") == 0) {
			add_deep(strtoul(name, NULL, 10));
			continue;
		}
		if (i >= argc)
			return usage();
		second = argv[i++];
		if (strcmp(word, "file") == 0) {
			size_t size = strlen(second);
			char *text = malloc(size + 2);

			if (!text)
				exit(1);
			memcpy(text, second, size);
			memcpy(text + size, "\n", 2);
			add_text(name, text);
			free(text);
		} else if (strcmp(word, "zeros") == 0) {
			uint64_t size = strtoull(second, NULL, 10);

			add((struct entry){.name = name, .type = '0', .size = size, .shown = size});
		} else if (strcmp(word, "claim") == 0) {
			add((struct entry){
				.name = name, .type = '0', .shown = strtoull(second, NULL, 10)});
		} else if (strcmp(word, "many") == 0) {
			add_many(name, strtoul(second, NULL, 10));
		} else if (strcmp(word, "link") == 0) {
			add((struct entry){
				.name = name, .type = '2', .target = second, .mode = 0777});
		} else if (strcmp(word, "hard") == 0) {
			add((struct entry){.name = name, .type = '1', .target = second});
		} else {
			return usage();
		}
	}
	if (zip)
		zip_end();
	else if (end)
		put_zeros(1024);
	return fflush(stdout) == 0 ? 0 : 1;
}
