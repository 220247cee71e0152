#include "config.h"

#include "conf/value.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/words.h"
#include "conf/source.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_NAME_MAX 128 /* model/name.h */
#define CPU_NUMBER_MAX 65535

void conf_value_done(struct conf_value *v)
{
	free(v->text);
	strv_done(&v->list);
	*v = (struct conf_value){.text = NULL};
}

/* Says why a text is no value; -EINVAL. */
PRINTF_ATTR(2, 3)
static int refuse(char **ret_why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*ret_why = xvasprintf(fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *format_number(
	const struct conf_key_info *info, uint64_t number, char *buf, size_t size)
{
	if (info->type == CONF_DURATION)
		return format_duration(number, buf, size);
	if (info->type == CONF_SIZE)
		return format_size(number, buf, size);
	if (info->type == CONF_INT)
		(void)snprintf(buf, size, "%" PRId64, (int64_t)number);
	else if (info->type == CONF_MODE)
		(void)snprintf(buf, size, "%03" PRIo64, number);
	else if (info->type == CONF_CPU && number == UINT64_MAX)
		(void)snprintf(buf, size, "infinity");
	else if (info->type == CONF_CPU && number % 10000 == 0)
		(void)snprintf(buf, size, "%" PRIu64 "%%", number / 10000);
	else if (info->type == CONF_CPU)
		(void)snprintf(
			buf, size, "%" PRIu64 ".%04" PRIu64 "%%", number / 10000, number % 10000);
	else
		(void)snprintf(buf, size, "%" PRIu64, number);
	return buf;
}

static int refuse_range(const struct conf_key_info *info, char **ret_why)
{
	char min[64], max[64];

	return refuse(ret_why, "out of range (%s to %s)",
		format_number(info, info->min, min, sizeof(min)),
		format_number(info, info->max, max, sizeof(max)));
}

/* "50%", or a number of CPUs as "1.5", which is "150%". */
static int parse_cpu(const char *text, uint64_t *ret)
{
	_cleanup_free_ char *percent = NULL;
	uint64_t ppm;
	int rc;

	if (strcmp(text, "infinity") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	rc = parse_percent(text, &ppm);
	if (rc == -EINVAL) {
		percent = xasprintf("%s%%", text);
		rc = parse_percent(percent, &ppm);
		if (rc == 0 && __builtin_mul_overflow(ppm, (uint64_t)100, &ppm))
			rc = -ERANGE;
	}
	if (rc == 0)
		*ret = ppm;
	return rc;
}

/* Types that are one number. */
static int parse_number(
	const struct conf_key_info *info, const char *text, uint64_t *ret, char **ret_why)
{
	bool unbounded = info->max == UINT64_MAX;
	const char *what = NULL;
	uint64_t u = 0;
	int64_t i = 0;
	mode_t mode = 0;
	int sig = 0, rc = 0;
	bool yes = false;

	switch (info->type) {
	case CONF_BOOL:
		rc = parse_bool(text, &yes);
		u = yes;
		what = "not yes or no";
		break;
	case CONF_UINT:
		rc = parse_uint(text, info->min, info->max, &u);
		what = "not a whole number";
		break;
	case CONF_INT:
		rc = parse_int(text, (int64_t)info->min, (int64_t)info->max, &i);
		u = (uint64_t)i;
		what = "not a whole number";
		break;
	case CONF_SIZE:
		rc = parse_size(text, &u);
		what = unbounded ? "not a size (write it as 512K, 10M, 1.5G, or infinity)"
				 : "not a size (write it as 512K, 10M or 1.5G)";
		break;
	case CONF_DURATION:
		rc = parse_duration(text, &u);
		what = unbounded ? "not a duration (write it as 5s, 1m30s, or infinity)"
				 : "not a duration (write it as 5s or 1m30s)";
		break;
	case CONF_CPU:
		rc = parse_cpu(text, &u);
		what = "not an amount of CPU (write it as 50%, 1.5 (CPUs), or infinity)";
		break;
	case CONF_SIGNAL:
		rc = parse_signal(text, &sig);
		u = (uint64_t)sig;
		what = "not a signal (write it as SIGTERM, TERM or 15)";
		if (rc == -ERANGE)
			return refuse(ret_why, "there is no such signal");
		break;
	case CONF_MODE:
		rc = parse_mode(text, &mode);
		u = mode;
		what = "not a file mode (write it in octal, as 022)";
		break;
	case CONF_STRING:
	case CONF_ENUM:
	case CONF_COMMAND:
	case CONF_PATH:
	case CONF_NEAR_PATH:
	case CONF_CGROUP:
	case CONF_NAME:
	case CONF_USER:
	case CONF_ADDRESS:
	case CONF_LIST:
	case CONF_PATHS:
	case CONF_IO_MAX:
	case CONF_RLIMIT:
	case CONF_CPUS:
	case CONF_SOURCE:
	case CONF_HEADERS:
		assert(false); /* not one number */
	}
	if (rc == 0 && (info->type == CONF_SIZE || info->type == CONF_DURATION ||
			       info->type == CONF_CPU || info->type == CONF_MODE))
		rc = u < info->min || u > info->max ? -ERANGE : 0;
	if (rc == -ERANGE)
		return refuse_range(info, ret_why);
	if (rc < 0)
		return refuse(ret_why, "%s", what);
	*ret = u;
	return 0;
}

/* Index of `text` among words joined by '|', -1 where it is none. */
static int find_word(const char *words, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || strchr(text, '|'))
		return -1;
	for (int i = 0; *words; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && memcmp(words, text, n) == 0)
			return i;
		words += n + (words[n] == '|');
	}
	return -1;
}

char *conf_join_words(const char *words)
{
	struct strbuf b = STRBUF_INIT;

	while (*words) {
		size_t n = strcspn(words, "|");
		const char *next = words + n + (words[n] == '|');

		strbuf_add(&b, words, n);
		if (*next)
			strbuf_adds(&b, strchr(next, '|') ? ", " : " or ");
		words = next;
	}
	return strbuf_steal(&b);
}

bool conf_name_is_valid(const char *s, size_t max)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	return *s != '\0' && *s != '.' && *s != '-' && strlen(s) <= max &&
	       s[strspn(s, allowed)] == '\0';
}

/* A path that stays below where it begins, without empty parts, "." and "..". */
static bool path_is_plain(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

/* NAME or NAME:GROUP; a name holds no blank, control byte or colon. */
static bool user_is_valid(const char *s)
{
	size_t n = strcspn(s, ":");

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == ',' || *p == '/')
			return false;
	return n > 0 && (s[n] == '\0' || (s[n + 1] != '\0' && !strchr(s + n + 1, ':')));
}

/* cpuset(7), "List format", without strides. */
static bool cpus_are_valid(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ",");
		_cleanup_free_ char *part = xstrndup(s, n);
		char *dash = strchr(part, '-');
		uint64_t from, to;

		if (dash)
			*dash = '\0';
		if (parse_uint(part, 0, CPU_NUMBER_MAX, &from) < 0)
			return false;
		if (dash && (parse_uint(dash + 1, 0, CPU_NUMBER_MAX, &to) < 0 || to < from))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

static void split_list(const char *s, struct strv *ret)
{
	for (;;) {
		size_t n;

		s += strspn(s, " \t\v\f\r,");
		n = strcspn(s, " \t\v\f\r,");
		if (n == 0)
			return;
		strv_take(ret, xstrndup(s, n));
		s += n;
	}
}

/* "/dev/sda" or "8:0". */
static bool device_is_valid(const char *s)
{
	const char *colon = strchr(s, ':');
	_cleanup_free_ char *major = colon ? xstrndup(s, (size_t)(colon - s)) : NULL;
	uint64_t n;

	if (s[0] == '/')
		return true;
	return colon && parse_uint(major, 0, UINT32_MAX, &n) == 0 &&
	       parse_uint(colon + 1, 0, UINT32_MAX, &n) == 0;
}

/* "DEVICE rbps=10M wbps=10M riops=100 wiops=100" (cgroup-v2.rst, io.max). */
static int check_io_max(const char *text, char **ret_why)
{
	static const char *const names[] = {"rbps", "wbps", "riops", "wiops"};
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool seen[ARRAY_SIZE(names)] = {false};
	uint64_t number;

	split_list(text, &words);
	if (words.n < 2)
		return refuse(ret_why, "not a limit (write it as /dev/sda rbps=10M wiops=100)");
	if (!device_is_valid(words.v[0]))
		return refuse(
			ret_why, "'%s' is not a device (write it as /dev/sda or 8:0)", words.v[0]);
	for (size_t i = 1; i < words.n; i++) {
		char *value = strchr(words.v[i], '=');
		size_t k = 0;

		if (value)
			*value++ = '\0';
		while (k < ARRAY_SIZE(names) && strcmp(names[k], words.v[i]) != 0)
			k++;
		if (!value || k == ARRAY_SIZE(names))
			return refuse(ret_why,
				"'%s' is not one of rbps=, wbps=, riops= and wiops=", words.v[i]);
		if (seen[k])
			return refuse(ret_why, "%s= stands twice", names[k]);
		seen[k] = true;
		if (parse_size(value, &number) < 0 || number == 0)
			return refuse(ret_why,
				"'%s' of %s= is not a number above 0 (write it as 100, 10M, or "
				"max)",
				value, names[k]);
	}
	return 0;
}

static int parse_rlimit(const char *text, struct rlimit *ret, char **ret_why)
{
	size_t n = strcspn(text, ":");
	_cleanup_free_ char *first = xstrndup(text, n);
	uint64_t soft, hard;

	if (parse_size(first, &soft) < 0 || (text[n] && parse_size(text + n + 1, &hard) < 0))
		return refuse(ret_why, "not a limit (write it as 1024, 64K:1M, or infinity)");
	if (text[n] == '\0')
		hard = soft;
	if (soft > hard)
		return refuse(ret_why, "the soft limit is above the hard one");
	ret->rlim_cur = soft == UINT64_MAX ? RLIM_INFINITY : (rlim_t)soft;
	ret->rlim_max = hard == UINT64_MAX ? RLIM_INFINITY : (rlim_t)hard;
	return 0;
}

static bool address_is_valid(const char *text)
{
	struct in6_addr address; /* the larger of the two */

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* A path as the kernel is to take it. */
static int parse_near_path(const char *text, const char *dir, char **ret, char **ret_why)
{
	_cleanup_free_ char *joined = NULL;

	if (*text == '\0')
		return refuse(ret_why, "not a path");
	if (path_is_absolute(text)) {
		*ret = xstrdup(text);
		return 0;
	}
	joined = path_join(dir, text);
	*ret = path_make_absolute(joined);
	if (!*ret)
		return refuse(ret_why,
			"not an absolute path, and the current directory is not known: %s",
			strerror(errno));
	return 0;
}

static int parse_source(const char *text, const char *dir, char **ret, char **ret_why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *near = NULL;
	struct source source;

	if (str_starts_with(text, "./") || str_starts_with(text, "../")) {
		int r = parse_near_path(text, dir, &near, ret_why);

		if (r < 0)
			return r;
	}
	if (source_parse(near ? near : text, &source, &err) < 0)
		return refuse(ret_why, "%s", err_text(&err));
	source_done(&source);
	*ret = TAKE_PTR(near);
	return 0;
}

/* RFC 9110, 5.5: what would end the header, or begin another, cannot be sent. */
static int check_header(const char *text, char **ret_why)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return refuse(
				ret_why, "not the value of a header: it holds a control byte");
	return 0;
}

/* Everything of a value but its text, unless that is not the one in the file. */
static int parse_value(const struct conf_key_info *info, const char *text, const char *dir,
	struct conf_value *ret, char **ret_why)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *words = NULL;
	int i;

	switch (info->type) {
	case CONF_STRING:
		return 0;
	case CONF_BOOL:
	case CONF_UINT:
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_CPU:
	case CONF_SIGNAL:
	case CONF_MODE:
		return parse_number(info, text, &ret->number, ret_why);
	case CONF_ENUM:
		i = find_word(info->words, text);
		words = conf_join_words(info->words);
		if (i < 0)
			return refuse(ret_why, "not a value (write %s)", words);
		ret->number = (uint64_t)i;
		return 0;
	case CONF_COMMAND:
		if (words_split(text, &ret->list, &err) < 0) {
			strv_done(&ret->list);
			return refuse(ret_why, "%s", err_text(&err));
		}
		if (ret->list.n == 0 || ret->list.v[0][0] == '\0') {
			strv_done(&ret->list);
			return refuse(ret_why, "no command");
		}
		return 0;
	case CONF_PATH:
		words = conf_join_words(info->words);
		if (text[0] != '/' && find_word(info->words, text) < 0)
			return refuse(ret_why, "not an absolute path%s%s",
				*info->words ? ", nor " : "", words);
		return 0;
	case CONF_NEAR_PATH:
		return parse_near_path(text, dir, &ret->text, ret_why);
	case CONF_SOURCE:
		return parse_source(text, dir, &ret->text, ret_why);
	case CONF_HEADERS:
		return check_header(text, ret_why);
	case CONF_CGROUP:
		words = conf_join_words(info->words);
		if (find_word(info->words, text) < 0 && !path_is_plain(text))
			return refuse(ret_why,
				"not a path below the cgroup mount (write it as a.slice/b.slice, "
				"or %s)",
				words);
		return 0;
	case CONF_NAME:
		if (!conf_name_is_valid(text, GROUP_NAME_MAX) || text[0] == '_' ||
			strstr(text, ".."))
			return refuse(ret_why,
				"not a name (at most %d letters, digits, '.', '_' and '-', "
				"a letter or digit first, no '..')",
				GROUP_NAME_MAX);
		return 0;
	case CONF_USER:
		if (!user_is_valid(text))
			return refuse(ret_why, "not a user (write it as NAME or NAME:GROUP)");
		return 0;
	case CONF_ADDRESS:
		if (!address_is_valid(text))
			return refuse(
				ret_why, "not an address (write it as 192.0.2.1 or 2001:db8::1)");
		return 0;
	case CONF_LIST:
		split_list(text, &ret->list);
		return 0;
	case CONF_PATHS:
		split_list(text, &ret->list);
		for (size_t k = 0; k < ret->list.n; k++)
			if (ret->list.v[k][0] != '/') {
				refuse(ret_why, "'%s' is not an absolute path", ret->list.v[k]);
				strv_done(&ret->list);
				return -EINVAL;
			}
		return 0;
	case CONF_IO_MAX:
		if (*text == '\0')
			return 0;
		if (check_io_max(text, ret_why) < 0)
			return -EINVAL;
		strv_add(&ret->list, text);
		return 0;
	case CONF_RLIMIT:
		return parse_rlimit(text, &ret->rlimit, ret_why);
	case CONF_CPUS:
		if (!cpus_are_valid(text))
			return refuse(ret_why, "not a list of CPUs (write it as 0-3,7)");
		return 0;
	}
	assert(false);
	return -EINVAL;
}

int conf_value_parse(const struct conf_key_info *info, const char *text, const char *dir,
	struct conf_value *ret, char **ret_why)
{
	int rc = parse_value(info, text, dir, ret, ret_why);

	if (rc < 0)
		return rc;
	if (!ret->text)
		ret->text = xstrdup(text);
	return 0;
}

char *conf_value_format(const struct conf_key_info *info, const struct conf_value *v)
{
	struct strbuf b = STRBUF_INIT;
	char buf[64];

	switch (info->type) {
	case CONF_BOOL:
		return xstrdup(v->number ? "yes" : "no");
	case CONF_UINT:
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_CPU:
	case CONF_MODE:
		return xstrdup(format_number(info, v->number, buf, sizeof(buf)));
	case CONF_SIGNAL:
		return xasprintf("SIG%s", signal_name((int)v->number));
	case CONF_LIST:
	case CONF_PATHS:
	case CONF_IO_MAX:
		for (size_t i = 0; i < v->list.n; i++) {
			if (i > 0)
				strbuf_adds(&b, info->type == CONF_IO_MAX ? ", " : " ");
			strbuf_adds(&b, v->list.v[i]);
		}
		return strbuf_steal(&b);
	case CONF_SOURCE:
		return source_redact(v->text);
	case CONF_HEADERS:
		return xstrdup("***");
	case CONF_STRING:
	case CONF_ENUM:
	case CONF_COMMAND:
	case CONF_PATH:
	case CONF_NEAR_PATH:
	case CONF_CGROUP:
	case CONF_NAME:
	case CONF_USER:
	case CONF_ADDRESS:
	case CONF_RLIMIT:
	case CONF_CPUS:
		break;
	}
	return xstrdup(v->text);
}
