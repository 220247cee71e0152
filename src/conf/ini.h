#ifndef TH_CONF_INI_H
#define TH_CONF_INI_H

/*
 * INI as users know it (taskhook.conf(5)), read by inih. A comment is a whole line that begins with
 * ';' or
 * '#'; anywhere else both belong to the value. '=' alone separates key and value (a ':' belongs to
 * the key or value it stands in). Leading blanks mean nothing: an indented key is a key. A
 * backslash at the end of a line joins the next line: the two and the blanks around them become one
 * blank, and what begins a joined line is no comment. CRLF, a UTF-8 BOM and a missing final newline
 * are fine; blanks at the end of a line mean nothing, also behind a backslash. Values up to 64 KiB.
 * A section may stand more than once.
 *
 * Refused with FILE:LINE: NUL bytes, a line that is neither section, key nor comment, a key before
 * the first section, an empty key, control bytes in names, a section name over 49 or key over 127
 * bytes, a value over INI_VALUE_MAX, a file over INI_FILE_MAX.
 *
 * inih as Debian 12 builds it splits a line at 200 bytes, starts comments inside values, joins
 * indented lines and passes no line number. So the stream is fed to it by a reader of our own
 * (ini_parse_stream) that counts lines, refuses what cannot pass and hands long values on in
 * pieces that the handler joins. That holds for every build of inih from version 40 on. Debian's
 * builds have run-time switches beside (variables that the header declares, such as ini_max_line);
 * where configure found them they are set while reading, so that all but very long values go in one
 * piece.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define INI_VALUE_MAX	((size_t)64 * 1024)
#define INI_SECTION_MAX 49
#define INI_KEY_MAX	127
#define INI_FILE_MAX	((size_t)16 * 1024 * 1024)

struct ini_item {
	const char *file;    /* as given, for messages */
	unsigned line;	     /* 1-based line where the key begins */
	const char *section; /* without brackets and blanks around: "task", "hook 10-net" */
	const char *key;     /* NULL: the section itself begins here */
	const char *value;   /* "" where nothing follows '=' */
};

/*
 * Called for every section head and key. Returns 0 to go on, or -errno to stop with `err` set. A
 * handler that wants all errors collects them itself and returns 0.
 */
typedef int (*ini_item_fn)(void *arg, const struct ini_item *item, struct th_err *err);

/* Reads `size` bytes from `data`. `file` is for messages. Returns 0; -EINVAL with err->status
 * EXIT_CONFIG for bad syntax; what the handler returned. Syntax errors stop the reading unless
 * `report` is given: then each is reported, the reading goes on behind it, and the result is the
 * number of them. */
typedef void (*ini_report_fn)(void *arg, const struct th_err *err);
int ini_read_memory(const char *data, size_t size, const char *file, ini_item_fn fn,
	ini_report_fn report, void *arg, struct th_err *err);

/* For tests: the same with flags. */
enum {
	INI_NO_SWITCHES = 1 << 0, /* leave the library's run-time switches as they are */
};
int ini_read_memory_with(unsigned flags, const char *data, size_t size, const char *file,
	ini_item_fn fn, ini_report_fn report, void *arg, struct th_err *err);
bool ini_has_switches(void); /* this build uses them */

/* The same for a file below `dirfd` (AT_FDCWD). -ENOENT is returned with err set, like any -errno
 * of opening (EXIT_NOPERM for -EACCES, else EXIT_CONFIG). The null device is an empty file; what
 * else is not regular is -EMEDIUMTYPE, as a FIFO would stall us or look empty. */
int ini_read_file(int dirfd, const char *path, const char *shown, ini_item_fn fn,
	ini_report_fn report, void *arg, struct th_err *err);

#endif
