#include "config.h"

#include "conf/ini.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <assert.h>
#include <ini.h>

/* Everything is read twice: with inih's run-time switches, where this build has them, and without.
 */
static unsigned mode;
static const char *mode_name;

/* What was read, a line for each item: "2 [task]" or "3 task.command=sleep 1". */
struct seen {
	struct strbuf items;
	struct strbuf reports;
	size_t last_len; /* of the last value */
	int stop_with;	 /* what the handler returns at a key "stop" */
};

static int see_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct seen *seen = arg;
	_cleanup_free_ char *value = NULL;

	if (!item->key) {
		strbuf_addf(&seen->items, "%u [%s]\n", item->line, item->section);
		return 0;
	}
	value = str_escape(item->value, 0);
	strbuf_addf(&seen->items, "%u %s.%s=%s\n", item->line, item->section, item->key, value);
	seen->last_len = strlen(item->value);
	if (strcmp(item->key, "stop") == 0)
		return err_set(err, EXIT_CONFIG, -seen->stop_with, "the handler said so");
	return 0;
}

static void see_report(void *arg, const struct th_err *err)
{
	struct seen *seen = arg;

	strbuf_addf(&seen->reports, "%s\n", err_text(err));
}

static void seen_done(struct seen *seen)
{
	strbuf_done(&seen->items);
	strbuf_done(&seen->reports);
}
#define _cleanup_seen_ _cleanup_(seen_done)

struct text {
	const char *name;
	const char *text;
	size_t size; /* 0: that of a string */
	const char *items;
	const char *error; /* NULL: none */
};

static const struct text texts[] = {
	{"an empty file", "", 0, "", NULL},
	{"a section and a key", "[task]\ncommand = sleep 1\n", 0,
		"1 [task]\n2 task.command=sleep 1\n", NULL},
	{"no final newline", "[task]\ncommand = sleep 1", 0, "1 [task]\n2 task.command=sleep 1\n",
		NULL},
	{"CRLF", "[task]\r\ncommand = sleep 1\r\nuser=web\r\n", 0,
		"1 [task]\n2 task.command=sleep 1\n3 task.user=web\n", NULL},
	{"a byte order mark", "\xef\xbb\xbf[task]\nuser = web\n", 0, "1 [task]\n2 task.user=web\n",
		NULL},
	{"a byte order mark and nothing else", "\xef\xbb\xbf", 0, "", NULL},
	{"a byte order mark further down is text", "[env]\nA = \xef\xbb\xbfx\n", 0,
		"1 [env]\n2 env.A=\xef\xbb\xbfx\n", NULL},
	{"comments and blank lines", "; one\n\n# two\n  ; three\n[task]\n\t# four\nuser = web\n", 0,
		"5 [task]\n7 task.user=web\n", NULL},
	{"' ;' within a command", "[task]\ncommand = sh -c 'a ; b ;c' ; d # e\n", 0,
		"1 [task]\n2 task.command=sh -c 'a ; b ;c' ; d # e\n", NULL},
	{"a value that begins with ';'", "[env]\nA = ; x\nB =#y\n", 0,
		"1 [env]\n2 env.A=; x\n3 env.B=#y\n", NULL},
	{"' ;' within a key and a section", "[a ;b]\nc ;d = 1\n", 0, "1 [a ;b]\n2 a ;b.c ;d=1\n",
		NULL},
	{"':' in a key", "[devices]\n/dev/bus/usb:1 = rw\n", 0,
		"1 [devices]\n2 devices./dev/bus/usb:1=rw\n", NULL},
	{"':' in a value and a section", "[a:b]\nurl = http://h:80/\n", 0,
		"1 [a:b]\n2 a:b.url=http://h:80/\n", NULL},
	{"'=' in a value", "[env]\nA = b=c==\nB == d\n", 0, "1 [env]\n2 env.A=b=c==\n3 env.B== d\n",
		NULL},
	{"an indented key is a key", "[task]\nuser = web\n  group = www\n\tid = a\n", 0,
		"1 [task]\n2 task.user=web\n3 task.group=www\n4 task.id=a\n", NULL},
	{"an indented section is a section", "[task]\nuser = web\n  [logs]\nto = none\n", 0,
		"1 [task]\n2 task.user=web\n3 [logs]\n4 logs.to=none\n", NULL},
	{"blanks around names and values", "[\ttask ]  \n  user \t=\t web x \t\n", 0,
		"1 [task]\n2 task.user=web x\n", NULL},
	{"a key twice", "[hooks]\npass-env = A\npass-env = B\n", 0,
		"1 [hooks]\n2 hooks.pass-env=A\n3 hooks.pass-env=B\n", NULL},
	{"a section twice", "[task]\nuser = a\n[logs]\n[task]\nid = b\n", 0,
		"1 [task]\n2 task.user=a\n3 [logs]\n4 [task]\n5 task.id=b\n", NULL},
	{"an empty value", "[env]\nA =\nB =   \n", 0, "1 [env]\n2 env.A=\n3 env.B=\n", NULL},
	{"control bytes in a value", "[env]\nA = a\001b\001;\001 \002\033[1m\n", 0,
		"1 [env]\n2 env.A=a\\x01b\\x01;\\x01 \\x02\\x1B[1m\n", NULL},
	{"what stands for a piece of a value", "[env]\n+ = \003\ns =\nx = \003+=\003a\003\n", 0,
		"1 [env]\n2 env.+=\\x03\n3 env.s=\n4 env.x=\\x03+=\\x03a\\x03\n", NULL},

	{"a backslash joins", "[task]\ncommand = a \\\n    b \\\n\tc\nuser = web\n", 0,
		"1 [task]\n2 task.command=a b c\n5 task.user=web\n", NULL},
	{"a backslash joins over CRLF", "[task]\r\ncommand = a \\\r\n b\r\nid = c\r\n", 0,
		"1 [task]\n2 task.command=a b\n4 task.id=c\n", NULL},
	{"a backslash joins without blanks", "[env]\nA = a\\\nb\n", 0, "1 [env]\n2 env.A=a b\n",
		NULL},
	{"a backslash with blanks behind it joins", "[env]\nA = a \\ \t\nb\n", 0,
		"1 [env]\n2 env.A=a b\n", NULL},
	{"a backslash joins an empty line", "[env]\nA = a \\\n\nB = b\n", 0,
		"1 [env]\n2 env.A=a\n4 env.B=b\n", NULL},
	{"a backslash joins what looks like a comment or a section",
		"[env]\nA = a \\\n ; b \\\n [c]\n", 0, "1 [env]\n2 env.A=a ; b [c]\n", NULL},
	{"a backslash at the end of a comment joins nothing", "[env]\n# a \\\nA = b\n", 0,
		"1 [env]\n3 env.A=b\n", NULL},
	{"a backslash elsewhere is text", "[env]\nA = a\\b\\\\c\n", 0,
		"1 [env]\n2 env.A=a\\b\\\\c\n", NULL},
	{"nothing but backslashes is a blank line", "[env]\n\\\n\\\n\nA = b\n", 0,
		"1 [env]\n5 env.A=b\n", NULL},
	{"two backslashes join too", "[env]\nA = b\\\\\nc\n", 0, "1 [env]\n2 env.A=b\\ c\n", NULL},
	{"a NUL in a joined line", "[env]\nA = b\\\n\0", sizeof("[env]\nA = b\\\n\0") - 1,
		"1 [env]\n", "f.ini:3: a NUL byte: this is not a text file"},
	{"a backslash at the end of the file", "[env]\nA = b \\\n", 0, "1 [env]\n",
		"f.ini:2: the backslash at the end of this line joins the next one, and there is "
		"none"},

	{"no ']'", "[task\nuser = web\n", 0, "", "f.ini:1: '[task': the section name has no ']'"},
	{"text behind ']'", "[task] ; web\n", 0, "",
		"f.ini:1: text behind the ']' of a section (a comment is a line of its own)"},
	{"two ']'", "[a]b]\n", 0, "",
		"f.ini:1: text behind the ']' of a section (a comment is a line of its own)"},
	{"an empty section name", "[ ]\n", 0, "", "f.ini:1: the section has no name"},
	{"a control byte in a section name", "[a\001]\n", 0, "",
		"f.ini:1: the section name holds a control byte"},
	{"a section name of 49 bytes", "[1234567890123456789012345678901234567890123456789]\n", 0,
		"1 [1234567890123456789012345678901234567890123456789]\n", NULL},
	{"a section name of 50 bytes", "[12345678901234567890123456789012345678901234567890]\n", 0,
		"",
		"f.ini:1: the section name '123456789012345678901234567...' has 50 bytes (at most "
		"49)"},
	{"a section name of 60 bytes",
		"[123456789012345678901234567890123456789012345678901234567890]\n", 0, "",
		"f.ini:1: the section name '123456789012345678901234567...' has 60 bytes (at most "
		"49)"},
	{"no '='", "[task]\nuser\n", 0, "1 [task]\n",
		"f.ini:2: 'user': no '=' (write KEY = VALUE)"},
	{"':' in place of '='", "[task]\nuser: web\n", 0, "1 [task]\n",
		"f.ini:2: 'user: web': no '=' (write KEY = VALUE; a ':' does not separate them)"},
	{"no key", "[task]\n = web\n", 0, "1 [task]\n", "f.ini:2: no key before the '='"},
	{"a control byte in a key", "[task]\nu\033ser = web\n", 0, "1 [task]\n",
		"f.ini:2: the key 'u\\x1Bser' holds a control byte"},
	{"a key before any section", "# x\nuser = web\n[task]\n", 0, "",
		"f.ini:2: 'user' stands before the first section (write [SECTION] above it)"},
	{"NUL", "[task]\nuser = w\0eb\n", sizeof("[task]\nuser = w\0eb\n") - 1, "1 [task]\n",
		"f.ini:2: a NUL byte: this is not a text file"},
	{"NUL in a comment", "[task]\n# \0\n", sizeof("[task]\n# \0\n") - 1, "1 [task]\n",
		"f.ini:2: a NUL byte: this is not a text file"},
};

static int read_text(
	const char *text, size_t size, const char *file, struct seen *seen, struct th_err *err)
{
	return ini_read_memory_with(mode, text, size, file, see_item, NULL, seen, err);
}

static void test_texts(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct text *t = &texts[i];
		_cleanup_seen_ struct seen seen = {.last_len = 0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		int rc;

		rc = read_text(t->text, t->size ? t->size : strlen(t->text), "f.ini", &seen, &err);
		is_int(rc, t->error ? -EINVAL : 0, "%s: %s: result", mode_name, t->name);
		is_str(strbuf_str(&seen.items), t->items, "%s: %s: items", mode_name, t->name);
		is_str(err.text, t->error, "%s: %s: error", mode_name, t->name);
		is_int(err.status, t->error ? EXIT_CONFIG : 0, "%s: %s: status", mode_name,
			t->name);
	}
}

/* "[env]", a key of `key_len` bytes with `value` as it is, and a line behind. */
static char *make_text(size_t key_len, const char *value)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "[env]\n");
	for (size_t i = 0; i < key_len; i++)
		strbuf_addc(&b, 'k');
	strbuf_addf(&b, " = %s\nnext = 1\n", value);
	return strbuf_steal(&b);
}

/* `n` times `pattern`, cut to `n` bytes, without blanks at the ends. */
static char *make_value(size_t n, const char *pattern)
{
	struct strbuf b = STRBUF_INIT;

	while (b.len < n)
		strbuf_adds(&b, pattern);
	b.len = n;
	assert(b.s);
	b.s[n] = '\0';
	b.s[0] = 'a';
	b.s[n - 1] = 'z';
	return strbuf_steal(&b);
}

struct want {
	const char *value;
	bool found;
	unsigned next_line;
	size_t calls;
};

static int find_value(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct want *want = arg;

	(void)err;
	if (!item->key)
		return 0;
	want->calls++;
	if (strcmp(item->key, "next") == 0)
		want->next_line = item->line;
	else
		want->found = item->line == 2 && strcmp(item->value, want->value) == 0;
	return 0;
}

static bool value_arrives(size_t key_len, size_t n, const char *pattern)
{
	_cleanup_free_ char *value = make_value(n, pattern);
	_cleanup_free_ char *text = make_text(key_len, value);
	struct want want = {.value = value};
	int rc = ini_read_memory_with(
		mode, text, strlen(text), "f.ini", find_value, NULL, &want, NULL);

	return rc == 0 && want.found && want.calls == 2 && want.next_line == 3;
}

/* Long values: whatever stands where a line is split, the value comes back as it was. */
static void test_long_values(void)
{
	static const char *const patterns[] = {
		"x",
		"user = root ",
		"[hooks] ",
		" ;#",
		"= : ",
		"a\tb \v",
		"|",
		"\001",
		"\001;",
		"\\ ",
		"\303\244 ",
		"+=\003x\003",
	};
	/* inih cuts names at 49 bytes. */
	static const size_t key_lens[] = {1, 49, 50, INI_KEY_MAX};
	/* Around the places where lines of 200 and of 4096 bytes are split, guards or not. */
	static const struct {
		size_t from, to;
	} ranges[] = {{2, 270}, {2030, 2050}, {3950, 4100}};

	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
		_cleanup_free_ char *name = str_escape(patterns[p], 0);
		size_t bad = 0;

		for (size_t k = 0; k < ARRAY_SIZE(key_lens); k++)
			/* Each key where the lines are short, the shortest everywhere. */
			for (size_t r = 0; r < (k == 0 ? ARRAY_SIZE(ranges) : 1); r++)
				for (size_t n = ranges[r].from; n <= ranges[r].to; n++)
					if (!value_arrives(key_lens[k], n, patterns[p]))
						bad = n;
		is_uint(bad, 0, "%s: '%s' of every length arrives whole", mode_name, name);
	}
}

static void test_limits(void)
{
	static const struct {
		size_t value, key;
		const char *error;
	} cases[] = {
		{10000, 1, NULL},
		{INI_VALUE_MAX, 1, NULL},
		{INI_VALUE_MAX, INI_KEY_MAX, NULL},
		{INI_VALUE_MAX + 1, 1, "f.ini:2: the value of 'k' has 65537 bytes (at most 65536)"},
		{(size_t)1024 * 1024, 1,
			"f.ini:2: the value of 'k' has 1048576 bytes (at most 65536)"},
		{8, INI_KEY_MAX + 1,
			"f.ini:2: the key 'kkkkkkkkkkkkkkkkkkkkkkkkkkk...' has 128 bytes (at most "
			"127)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *value = make_value(cases[i].value, "long ; [value] = : ");
		_cleanup_free_ char *text = make_text(cases[i].key, value);
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		struct want want = {.value = value};
		int rc = ini_read_memory_with(
			mode, text, strlen(text), "f.ini", find_value, NULL, &want, &err);

		is_int(rc, cases[i].error ? -EINVAL : 0, "%s: value of %zu, key of %zu: result",
			mode_name, cases[i].value, cases[i].key);
		is_str(err.text, cases[i].error, "%s: value of %zu, key of %zu: error", mode_name,
			cases[i].value, cases[i].key);
		ok(want.found == !cases[i].error, "%s: value of %zu, key of %zu: arrives",
			mode_name, cases[i].value, cases[i].key);
	}
}

/* A value is measured as it is handed on: joined lines together. */
static void test_joined_limit(void)
{
	for (int over = 0; over < 2; over++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_seen_ struct seen seen = {.last_len = 0};

		strbuf_adds(&b, "[env]\nA = ");
		for (size_t i = 0; i < INI_VALUE_MAX / 2 - 1; i++)
			strbuf_adds(&b, "x \\\n ");
		strbuf_adds(&b, over ? "xyz\n" : "xy\n");
		is_int(read_text(b.s, b.len, "f.ini", &seen, &err), over ? -EINVAL : 0,
			"%s: 32,768 joined lines: %s", mode_name, over ? "too long" : "fit");
		is_uint(seen.last_len, over ? 0 : INI_VALUE_MAX, "%s: their length", mode_name);
	}
}

static void test_file_limit(void)
{
	_cleanup_free_ char *text = xmalloc(INI_FILE_MAX + 1);
	_cleanup_seen_ struct seen seen = {.last_len = 0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	memset(text, '#', INI_FILE_MAX + 1);
	is_int(read_text(text, INI_FILE_MAX, "f.ini", &seen, &err), 0, "%s: a file of 16 MiB",
		mode_name);
	is_int(read_text(text, INI_FILE_MAX + 1, "f.ini", &seen, &err), -EINVAL,
		"%s: one byte more", mode_name);
	is_str(err.text, "'f.ini' has 16777217 bytes (at most 16777216)", "%s: and its error",
		mode_name);
}

static void test_reports(void)
{
	static const char text[] = "lost = 1\n"
				   "[task]\n"
				   "user\n"
				   "[bad\n"
				   "skipped = 1\n"
				   "[logs]\n"
				   "= x\n"
				   "to = none\n";
	_cleanup_seen_ struct seen seen = {.last_len = 0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	is_int(ini_read_memory_with(
		       mode, text, strlen(text), "f.ini", see_item, see_report, &seen, &err),
		4, "%s: all errors are counted", mode_name);
	is_str(strbuf_str(&seen.reports),
		"f.ini:1: 'lost' stands before the first section (write [SECTION] above it)\n"
		"f.ini:3: 'user': no '=' (write KEY = VALUE)\n"
		"f.ini:4: '[bad': the section name has no ']'\n"
		"f.ini:7: no key before the '='\n",
		"%s: and reported", mode_name);
	is_str(strbuf_str(&seen.items), "2 [task]\n6 [logs]\n8 logs.to=none\n",
		"%s: what is good is read, a bad section's keys are not", mode_name);
	ok(!err_is_set(&err), "%s: err is untouched", mode_name);
}

static void test_handler_stops(void)
{
	static const char text[] = "[task]\nstop = 1\nuser = web\n";

	for (int reporting = 0; reporting < 2; reporting++) {
		_cleanup_seen_ struct seen seen = {.stop_with = -EEXIST};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		is_int(ini_read_memory_with(mode, text, strlen(text), "f.ini", see_item,
			       reporting ? see_report : NULL, &seen, &err),
			-EEXIST, "%s: the handler's error is the result", mode_name);
		is_str(strbuf_str(&seen.items), "1 [task]\n2 task.stop=1\n",
			"%s: and nothing is read behind it", mode_name);
		is_str(err.text, "the handler said so", "%s: with its text", mode_name);
	}
}

static void test_escaped_name(void)
{
	_cleanup_seen_ struct seen seen = {.last_len = 0};
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	(void)read_text("x", 1, "a\nb\033.ini", &seen, &err);
	is_str(err.text, "a\\nb\\x1B.ini:1: 'x': no '=' (write KEY = VALUE)",
		"%s: control bytes of a file's name are escaped", mode_name);
}

static void test_files(void)
{
	static const struct {
		const char *name;
		int rc;
		const char *error;
	} cases[] = {
		{"good.ini", 0, NULL},
		{"null.ini", 0, NULL},
		{"missing.ini", -ENOENT, "cannot read 'x/missing.ini': No such file or directory"},
		{"fifo.ini", -EMEDIUMTYPE, "cannot read 'x/fifo.ini': not a regular file"},
		{"dir.ini", -EMEDIUMTYPE, "cannot read 'x/dir.ini': not a regular file"},
		{"zero.ini", -EMEDIUMTYPE, "cannot read 'x/zero.ini': not a regular file"},
		{"loop.ini", -ELOOP, "cannot read 'x/loop.ini': Too many levels of symbolic links"},
		{"big.ini", -EFBIG, "'x/big.ini' is larger than 16 MiB"},
	};
	_cleanup_close_ int big = -1;

	tempdir_make();
	tempdir_write("good.ini", "[task]\nuser = web\n");
	tempdir_write("secret.ini", "[task]\nuser = web\n");
	tempdir_symlink("/dev/null", "null.ini");
	tempdir_symlink("/dev/zero", "zero.ini");
	tempdir_symlink("loop.ini", "loop.ini");
	tempdir_mkdir("dir.ini");
	big = openat(tempdir.fd, "big.ini", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (big < 0 || ftruncate(big, INI_FILE_MAX + 1) < 0 ||
		mkfifoat(tempdir.fd, "fifo.ini", 0600) < 0 ||
		fchmodat(tempdir.fd, "secret.ini", 0, 0) < 0)
		bail("cannot make the files: %m");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_seen_ struct seen seen = {.last_len = 0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *shown = xasprintf("x/%s", cases[i].name);

		is_int(ini_read_file(tempdir.fd, cases[i].name, shown, see_item, NULL, &seen, &err),
			cases[i].rc, "reading %s: result", cases[i].name);
		is_str(err.text, cases[i].error, "reading %s: error", cases[i].name);
		is_int(err.status, cases[i].error ? EXIT_CONFIG : 0, "reading %s: status",
			cases[i].name);
		is_str(strbuf_str(&seen.items), i == 0 ? "1 [task]\n2 task.user=web\n" : "",
			"reading %s: items", cases[i].name);
	}
	if (geteuid() == 0) {
		skip(2, "root may read every file");
	} else {
		_cleanup_seen_ struct seen seen = {.last_len = 0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		is_int(ini_read_file(
			       tempdir.fd, "secret.ini", "secret.ini", see_item, NULL, &seen, &err),
			-EACCES, "a file that may not be read");
		is_int(err.status, EXIT_NOPERM, "and its status");
	}
}

/* The traps themselves are there: inih, asked plainly, falls into them. Were this to change, the
 * reader could become simpler. */
static int count_calls(void *user, const char *section, const char *name, const char *value
#if INI_HANDLER_LINENO
	,
	int line
#endif
)
{
	unsigned *calls = user;

#if INI_HANDLER_LINENO
	(void)line;
#endif
	(void)section;
	(void)name;
	(void)value;
	(*calls)++;
	return 1;
}

static void test_switches_are_put_back(void)
{
	unsigned before = 0, after = 0;
	static const char text[] = "[s]\na = 1\n b = 2\n";
	_cleanup_seen_ struct seen seen = {.last_len = 0};

	(void)ini_parse_string(text, count_calls, &before);
	(void)ini_read_memory("[task]\nuser = web\n", 18, "f.ini", see_item, NULL, &seen, NULL);
	(void)ini_parse_string(text, count_calls, &after);
	is_uint(after, before, "inih reads plain text after a reading as it did before");
#ifdef HAVE_INI_MAX_LINE
	ok(ini_has_switches(), "the switches that configure found are used");
	is_int(ini_max_line, 200, "the switches have their first values again");
#else
	skip(2, "this build of inih has no run-time switches");
#endif
}

int main(void)
{
	for (int pass = 0; pass < 2; pass++) {
		mode = pass == 0 ? 0 : INI_NO_SWITCHES;
		mode_name = pass == 1 ? "plain" : ini_has_switches() ? "switches" : "default";
		test_texts();
		test_long_values();
		test_limits();
		test_joined_limit();
		test_file_limit();
		test_reports();
		test_handler_stops();
		test_escaped_name();
	}
	test_files();
	test_switches_are_put_back();
	return done_testing();
}
