#include "config.h"

#include "conf/ini.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

/*
 * inih splits sections, keys and values; all it could misread is taken from its sight first. The
 * reader gives it lines of its own making, one for each call of the handler:
 *
 *	[NAME]		and behind it s=, as inih has no call for a section
 *	KEY=|PIECE|	the first piece of a value
 *	+=|PIECE|	the next ones, where the value is longer than inih's line
 *
 * The bars (BAR, a control byte) keep the blanks at a piece's ends from being stripped. A GUARD
 * stands before each byte that could begin a comment behind a blank, whatever comment signs the
 * build has; the handler takes it out again. Keys and section names have to stay as short as they
 * are (inih cuts names at 49 bytes), so there one byte takes another's place; those are control
 * bytes too, which names may not hold.
 *
 * Reader and handler take turns, so each knows what the other is at. A line that does not come
 * back as it was handed over is an error: a build of inih that reads in a way unknown here is found
 * out, not believed.
 */
#define GUARD	       '\001'
#define BAR	       '\003'
#define NAME_SEMICOLON '\001'
#define NAME_COLON     '\002'

/* KEY, "=|", "|\n" and the NUL, and room for one guarded byte. */
#define LINE_MIN (INI_KEY_MAX + 2 + 2 + 1 + 2)

/* Where the length of inih's line can be set: enough for all but rare values to go in one piece. */
#define LINE_WANTED 4096

#if defined(HAVE_INI_MAX_LINE) && defined(HAVE_INI_INITIAL_ALLOC) &&                               \
	defined(HAVE_INI_USE_STACK) && defined(HAVE_INI_ALLOW_REALLOC) &&                          \
	defined(HAVE_INI_ALLOW_MULTILINE) && defined(HAVE_INI_ALLOW_INLINE_COMMENTS) &&            \
	defined(HAVE_INI_ALLOW_BOM)
#define HAVE_SWITCHES 1
#else
#define HAVE_SWITCHES 0
#endif

enum expect {
	EXPECT_NOTHING,
	EXPECT_SECTION,
	EXPECT_PIECE,
};

struct span {
	const char *p;
	size_t n;
};

struct reading {
	const char *file;
	ini_item_fn fn;
	ini_report_fn report;
	void *arg;
	struct th_err *err;
	int rc;		   /* once not 0, the reading is over */
	int reported;	   /* errors given to `report` */
	bool in_section;   /* a section has begun */
	bool skip_section; /* its head was bad: its keys mean nothing */

	const char *next; /* the text not looked at yet */
	const char *end;
	unsigned line; /* of the text before `next` */

	/* The line in work: physical lines joined. */
	struct strbuf joined;
	unsigned item_line;
	bool section_pending; /* the head was handed over, its "s=" was not */
	struct span value;    /* not handed over yet */
	bool value_pending;

	enum expect expect;
	struct strbuf key;
	struct strbuf got; /* pieces that came back */
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static struct span span_trim(struct span s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* An error in the text: reported, or the end of the reading. */
PRINTF_ATTR(3, 4)
static void reading_complain(struct reading *r, unsigned line, const char *fmt, ...)
{
	_cleanup_free_ char *file = str_escape(r->file, 0), *text = NULL;
	_cleanup_err_ struct th_err e = TH_ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	(void)err_set(&e, EXIT_CONFIG, 0, "%s:%u: %s", file, line, text);
	if (r->report && r->reported < INT_MAX) {
		r->report(r->arg, &e);
		r->reported++;
		return;
	}
	r->rc = err_set(r->err, e.status, 0, "%s", e.text);
}

/* What inih made of a line is not what it was given. */
static void reading_mistrust(struct reading *r)
{
	_cleanup_free_ char *file = str_escape(r->file, 0);

	if (r->rc == 0)
		r->rc = err_set(r->err, EXIT_INTERNAL, EPROTO,
			"%s:%u: this build of inih does not read the line as it stands; please "
			"report it with the version of libinih",
			file, r->item_line);
}

static bool reading_next_physical(struct reading *r, struct span *ret)
{
	const char *newline;

	if (r->next == r->end)
		return false;
	newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
	ret->p = r->next;
	ret->n = (size_t)((newline ? newline : r->end) - r->next);
	r->next = newline ? newline + 1 : r->end;
	r->line++;
	if (memchr(ret->p, '\0', ret->n)) {
		reading_complain(r, r->line, "a NUL byte: this is not a text file");
		/* Nothing sensible can follow in what is not text. */
		r->next = r->end;
		return false;
	}
	return true;
}

static bool is_nothing(struct span s)
{
	return s.n == 0 || s.p[0] == ';' || s.p[0] == '#';
}

/* Joins to `first`, which ends in a backslash, what follows. False: nothing to go on with. */
static bool reading_join(struct reading *r, struct span first, struct span *ret)
{
	struct span s = first;

	strbuf_reset(&r->joined);
	for (;;) {
		bool more = s.n > 0 && s.p[s.n - 1] == '\\';

		if (more)
			s.n--;
		s = span_trim(s);
		if (r->joined.len > 0 && s.n > 0)
			strbuf_addc(&r->joined, ' ');
		strbuf_add(&r->joined, s.p, s.n);
		if (!more)
			break;
		if (r->next == r->end) {
			reading_complain(r, r->line,
				"the backslash at the end of this line joins the next one, and "
				"there is none");
			return false;
		}
		if (!reading_next_physical(r, &s))
			return false;
		s = span_trim(s);
	}
	*ret = (struct span){strbuf_str(&r->joined), r->joined.len};
	return true;
}

/* The next line that is neither blank nor a comment, joined and without the blanks around it. */
static bool reading_next_logical(struct reading *r, struct span *ret)
{
	struct span s;

	for (;;) {
		if (!reading_next_physical(r, &s))
			return false;
		s = span_trim(s);
		r->item_line = r->line;
		/* A comment first: its backslash joins nothing. */
		if (is_nothing(s))
			continue;
		if (s.p[s.n - 1] == '\\' && !reading_join(r, s, &s))
			return false;
		if (is_nothing(s))
			continue;
		*ret = s;
		return true;
	}
}

static bool name_is_clean(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_control(s.p[i]))
			return false;
	return true;
}

/* Writes a name with the bytes replaced that mean something to inih. */
static char *name_encode(char *to, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		*to++ = s.p[i] == ';' ? NAME_SEMICOLON : s.p[i] == ':' ? NAME_COLON : s.p[i];
	return to;
}

static void name_decode(const char *from, struct strbuf *ret)
{
	strbuf_reset(ret);
	for (; *from; from++)
		strbuf_addc(ret, *from == NAME_SEMICOLON ? ';' : *from == NAME_COLON ? ':' : *from);
}

static bool reading_hand_section(struct reading *r, struct span s, char *to)
{
	const char *close = memchr(s.p, ']', s.n);
	struct span name;

	r->skip_section = true;
	if (!close) {
		_cleanup_free_ char *shown = str_escape_n(s.p, s.n, 60);

		reading_complain(r, r->item_line, "'%s': the section name has no ']'", shown);
		return false;
	}
	name = span_trim((struct span){s.p + 1, (size_t)(close - s.p) - 1});
	if (close + 1 != s.p + s.n) {
		reading_complain(r, r->item_line,
			"text behind the ']' of a section (a comment is a line of its own)");
		return false;
	}
	if (name.n == 0) {
		reading_complain(r, r->item_line, "the section has no name");
		return false;
	}
	if (!name_is_clean(name)) {
		reading_complain(r, r->item_line, "the section name holds a control byte");
		return false;
	}
	if (name.n > INI_SECTION_MAX) {
		_cleanup_free_ char *shown = str_escape_n(name.p, name.n, 30);

		reading_complain(r, r->item_line,
			"the section name '%s' has %zu bytes (at most %d)", shown, name.n,
			INI_SECTION_MAX);
		return false;
	}
	*to++ = '[';
	to = name_encode(to, name);
	*to++ = ']';
	*to++ = '\n';
	*to = '\0';
	r->skip_section = false;
	r->section_pending = true;
	return true;
}

/* Checks "KEY = VALUE" and keeps both for handing over. */
static bool reading_take_key(struct reading *r, struct span s)
{
	const char *equals = memchr(s.p, '=', s.n);
	struct span key;

	if (!equals) {
		_cleanup_free_ char *shown = str_escape_n(s.p, s.n, 60);

		reading_complain(r, r->item_line, "'%s': no '=' (write KEY = VALUE%s)", shown,
			memchr(s.p, ':', s.n) ? "; a ':' does not separate them" : "");
		return false;
	}
	key = span_trim((struct span){s.p, (size_t)(equals - s.p)});
	if (key.n == 0) {
		reading_complain(r, r->item_line, "no key before the '='");
		return false;
	}
	if (key.n > INI_KEY_MAX || !name_is_clean(key)) {
		_cleanup_free_ char *shown = str_escape_n(key.p, key.n, 30);

		if (key.n > INI_KEY_MAX)
			reading_complain(r, r->item_line, "the key '%s' has %zu bytes (at most %d)",
				shown, key.n, INI_KEY_MAX);
		else
			reading_complain(
				r, r->item_line, "the key '%s' holds a control byte", shown);
		return false;
	}
	if (!r->in_section) {
		_cleanup_free_ char *shown = str_escape_n(key.p, key.n, 60);

		reading_complain(r, r->item_line,
			"'%s' stands before the first section (write [SECTION] above it)", shown);
		return false;
	}
	r->value = span_trim((struct span){equals + 1, (size_t)(s.p + s.n - equals) - 1});
	if (r->value.n > INI_VALUE_MAX) {
		_cleanup_free_ char *shown = str_escape_n(key.p, key.n, 60);

		reading_complain(r, r->item_line, "the value of '%s' has %zu bytes (at most %zu)",
			shown, r->value.n, INI_VALUE_MAX);
		return false;
	}
	strbuf_reset(&r->key);
	strbuf_add(&r->key, key.p, key.n);
	strbuf_reset(&r->got);
	r->value_pending = true;
	return true;
}

/* Writes the next line of a value. */
static void reading_hand_piece(struct reading *r, bool first, char *to, size_t size)
{
	const char *end = to + size, *limit = end - 3; /* BAR, newline, NUL */
	bool blank_before = false;

	if (first)
		to = name_encode(to, (struct span){r->key.s, r->key.len});
	else
		*to++ = '+';
	*to++ = '=';
	*to++ = BAR;
	while (r->value.n > 0) {
		char c = *r->value.p;
		/* Inside a value all of it is text; only behind a blank a byte may look to inih
		 * like a comment, and GUARD itself must be told from text. */
		bool guard = c == GUARD || (blank_before && c > ' ');

		if (to + (guard ? 2 : 1) > limit)
			break;
		if (guard)
			*to++ = GUARD;
		*to++ = c;
		blank_before = is_blank(c);
		r->value.p++;
		r->value.n--;
	}
	*to++ = BAR;
	*to++ = '\n';
	assert(to < end);
	*to = '\0';
	r->value_pending = r->value.n > 0;
	r->expect = EXPECT_PIECE;
}

/* The ini_reader: writes one line to `to`, like fgets(3). */
static char *reading_read(char *to, int size, void *stream)
{
	struct reading *r = stream;
	struct span s;

	if (r->expect != EXPECT_NOTHING)
		reading_mistrust(r);
	if (r->rc == 0 && size < LINE_MIN)
		r->rc = err_set(r->err, EXIT_INTERNAL, EPROTO,
			"this build of inih reads lines of %d bytes; %d are needed", size,
			LINE_MIN);
	if (r->rc != 0)
		return NULL;

	if (r->section_pending) {
		memcpy(to, "s=\n", sizeof("s=\n"));
		r->section_pending = false;
		r->expect = EXPECT_SECTION;
		return to;
	}
	if (r->value_pending) {
		reading_hand_piece(r, false, to, (size_t)size);
		return to;
	}
	while (r->rc == 0 && reading_next_logical(r, &s)) {
		if (s.p[0] == '[') {
			if (reading_hand_section(r, s, to))
				return to;
		} else if (!r->skip_section && reading_take_key(r, s)) {
			reading_hand_piece(r, true, to, (size_t)size);
			return to;
		}
	}
	return NULL;
}

/* Takes a piece out of its bars and guards. False where that is not what was handed over. */
static bool reading_take_piece(struct reading *r, const char *piece)
{
	size_t n = strlen(piece);
	const char *p, *end, *guard;

	if (n < 2 || piece[0] != BAR || piece[n - 1] != BAR)
		return false;
	p = piece + 1;
	end = piece + n - 1;
	while ((guard = memchr(p, GUARD, (size_t)(end - p)))) {
		strbuf_add(&r->got, p, (size_t)(guard - p));
		if (guard + 1 == end)
			return false;
		strbuf_addc(&r->got, guard[1]);
		p = guard + 2;
	}
	strbuf_add(&r->got, p, (size_t)(end - p));
	return true;
}

static int reading_handle(
	struct reading *r, const char *section, const char *key, const char *value)
{
	_cleanup_strbuf_ struct strbuf section_name = STRBUF_INIT, key_name = STRBUF_INIT;
	struct ini_item item = {.file = r->file, .line = r->item_line};
	enum expect expect = r->expect;

	/* INI_CALL_HANDLER_ON_NEW_SECTION: the call that "s=" brings will do. */
	if (!key)
		return 1;
	if (r->rc != 0)
		return 0;
	r->expect = EXPECT_NOTHING;
	name_decode(section, &section_name);
	item.section = strbuf_str(&section_name);
	switch (expect) {
	case EXPECT_SECTION:
		if (strcmp(key, "s") != 0 || !value || *value) {
			reading_mistrust(r);
			return 0;
		}
		r->in_section = true;
		break;
	case EXPECT_PIECE:
		name_decode(key, &key_name);
		if ((strcmp(strbuf_str(&key_name), "+") != 0 &&
			    strcmp(strbuf_str(&key_name), strbuf_str(&r->key)) != 0) ||
			!value || !reading_take_piece(r, value)) {
			reading_mistrust(r);
			return 0;
		}
		if (r->value_pending)
			return 1;
		item.key = strbuf_str(&r->key);
		item.value = strbuf_str(&r->got);
		break;
	case EXPECT_NOTHING:
		reading_mistrust(r);
		return 0;
	}
	r->rc = r->fn(r->arg, &item, r->err);
	return r->rc == 0;
}

#if INI_HANDLER_LINENO
static int reading_handle_line(
	void *user, const char *section, const char *key, const char *value, int line)
{
	(void)line; /* of the lines that the reader made up */
	return reading_handle(user, section, key, value);
}
#else
static int reading_handle_line(void *user, const char *section, const char *key, const char *value)
{
	return reading_handle(user, section, key, value);
}
#endif

bool ini_has_switches(void)
{
	return HAVE_SWITCHES;
}

/* Runs inih. The switches are variables of the library, so they are put back. */
static int parse_stream(struct reading *r, unsigned flags)
{
#if HAVE_SWITCHES
	const int max_line = ini_max_line, initial_alloc = ini_initial_alloc;
	const bool use_stack = ini_use_stack, allow_realloc = ini_allow_realloc;
	const bool multiline = ini_allow_multiline, comments = ini_allow_inline_comments;
	const bool bom = ini_allow_bom;
	int rc;

	if (flags & INI_NO_SWITCHES)
		return ini_parse_stream(reading_read, r, reading_handle_line, r);
	ini_max_line = LINE_WANTED;
	ini_initial_alloc = LINE_WANTED;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_bom = false;
	rc = ini_parse_stream(reading_read, r, reading_handle_line, r);
	ini_max_line = max_line;
	ini_initial_alloc = initial_alloc;
	ini_use_stack = use_stack;
	ini_allow_realloc = allow_realloc;
	ini_allow_multiline = multiline;
	ini_allow_inline_comments = comments;
	ini_allow_bom = bom;
	return rc;
#else
	(void)flags;
	return ini_parse_stream(reading_read, r, reading_handle_line, r);
#endif
}

int ini_read_memory_with(unsigned flags, const char *data, size_t size, const char *file,
	ini_item_fn fn, ini_report_fn report, void *arg, struct th_err *err)
{
	struct reading r = {
		.file = file,
		.fn = fn,
		.report = report,
		.arg = arg,
		.err = err,
		.next = data,
		.end = size > 0 ? data + size : data,
	};
	int rc;

	if (size > INI_FILE_MAX) {
		_cleanup_free_ char *shown = str_escape(file, 0);

		return err_set(err, EXIT_CONFIG, 0, "'%s' has %zu bytes (at most %zu)", shown, size,
			INI_FILE_MAX);
	}
	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		r.next += 3;
	rc = parse_stream(&r, flags);
	/* A line that inih did not like is one that was not handed back. */
	if (r.rc == 0 && rc == -2)
		r.rc = err_set(err, EXIT_INTERNAL, ENOMEM, "out of memory");
	else if (r.rc == 0 && (rc != 0 || r.expect != EXPECT_NOTHING))
		reading_mistrust(&r);
	strbuf_done(&r.joined);
	strbuf_done(&r.key);
	strbuf_done(&r.got);
	return r.rc != 0 ? r.rc : r.reported;
}

int ini_read_memory(const char *data, size_t size, const char *file, ini_item_fn fn,
	ini_report_fn report, void *arg, struct th_err *err)
{
	return ini_read_memory_with(0, data, size, file, fn, report, arg, err);
}

/* A link to /dev/null masks a file, and --config=/dev/null means none. */
static bool is_null_device(int dirfd, const char *path)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_PATH | O_CLOEXEC);

	return fd >= 0 && fd_is_null(fd);
}

int ini_read_file(int dirfd, const char *path, const char *shown, ini_item_fn fn,
	ini_report_fn report, void *arg, struct th_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	int rc;

	rc = file_read_at(dirfd, path, FILEIO_REGULAR, INI_FILE_MAX, &data, &size);
	if (rc == -EMEDIUMTYPE && is_null_device(dirfd, path))
		return 0;
	if (rc < 0) {
		_cleanup_free_ char *name = str_escape(shown, 0);

		if (rc == -EFBIG)
			return err_set(err, EXIT_CONFIG, EFBIG, "'%s' is larger than %zu MiB", name,
				INI_FILE_MAX >> 20);
		if (rc == -EMEDIUMTYPE)
			return err_set(err, EXIT_CONFIG, EMEDIUMTYPE,
				"cannot read '%s': not a regular file", name);
		return err_set(err, rc == -EACCES || rc == -EPERM ? EXIT_NOPERM : EXIT_CONFIG, -rc,
			"cannot read '%s': %s", name, strerror(-rc));
	}
	return ini_read_memory(data, size, shown, fn, report, arg, err);
}
