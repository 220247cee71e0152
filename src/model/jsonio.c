#include "config.h"

#include "model/jsonio.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char hex_digits[] = "0123456789abcdef";

void json_seed(void)
{
	size_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		json_object_seed(seed);
}

json_t *json_from_text(const char *s)
{
	json_t *j = json_string(s);
	size_t n = strlen(s);
	_cleanup_free_ char *hex = NULL;

	if (j)
		return j;
	hex = xmalloc(2 * n + 1);
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = hex_digits[(unsigned char)s[i] >> 4];
		hex[2 * i + 1] = hex_digits[(unsigned char)s[i] & 15];
	}
	hex[2 * n] = '\0';
	return json_pack("{s:s}", "hex", hex);
}

static char *text_from_hex(const char *hex)
{
	size_t n = strlen(hex);
	_cleanup_free_ char *s = xmalloc(n / 2 + 1);

	if (n % 2 != 0)
		return NULL;
	for (size_t i = 0; i < n / 2; i++) {
		const char *high = memchr(hex_digits, hex[2 * i], 16);
		const char *low = memchr(hex_digits, hex[2 * i + 1], 16);

		if (!high || !low || (high == hex_digits && low == hex_digits))
			return NULL;
		s[i] = (char)((high - hex_digits) << 4 | (low - hex_digits));
	}
	s[n / 2] = '\0';
	return TAKE_PTR(s);
}

char *json_to_text(const json_t *value)
{
	const char *hex;

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	hex = json_string_value(json_object_get(value, "hex"));
	return hex ? text_from_hex(hex) : NULL;
}

json_t *json_from_strv(const struct strv *sv)
{
	json_t *j = json_array();

	for (size_t i = 0; i < sv->n; i++)
		(void)json_array_append_new(j, json_from_text(sv->v[i]));
	return j;
}

json_t *json_from_u64(uint64_t n)
{
	return n > INT64_MAX ? json_string("infinity") : json_integer((json_int_t)n);
}

void json_put(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

void json_put_text(json_t *object, const char *key, const char *s)
{
	if (s)
		json_put(object, key, json_from_text(s));
}

void json_put_strv(json_t *object, const char *key, const struct strv *sv)
{
	if (sv->n > 0)
		json_put(object, key, json_from_strv(sv));
}

void json_put_u64(json_t *object, const char *key, uint64_t n)
{
	json_put(object, key, json_from_u64(n));
}

void json_put_bool(json_t *object, const char *key, bool b)
{
	json_put(object, key, json_boolean(b));
}

void json_in_refuse(struct json_in *in, const char *key, const char *text)
{
	in->failed = err_set(in->err, EXIT_DATAERR, EINVAL, "'%s.%s' %s", in->what, key, text);
}

static const json_t *member(const struct json_in *in, const char *key)
{
	const json_t *j = in->object ? json_object_get(in->object, key) : NULL;

	return json_is_null(j) ? NULL : j;
}

void json_in_text(struct json_in *in, const char *key, char **ret)
{
	const json_t *j = member(in, key);
	char *s;

	if (!j)
		return;
	s = json_to_text(j);
	if (!s) {
		json_in_refuse(in, key, "is not a string");
		return;
	}
	free(*ret);
	*ret = s;
}

void json_in_strv(struct json_in *in, const char *key, struct strv *ret)
{
	const json_t *j = member(in, key);

	if (!j)
		return;
	strv_clear(ret);
	if (!json_is_array(j)) {
		json_in_refuse(in, key, "is not a list");
		return;
	}
	for (size_t i = 0; i < json_array_size(j); i++) {
		char *s = json_to_text(json_array_get(j, i));

		if (!s) {
			json_in_refuse(in, key, "is not a list of strings");
			return;
		}
		strv_take(ret, s);
	}
}

void json_in_u64(struct json_in *in, const char *key, uint64_t *ret)
{
	const json_t *j = member(in, key);

	if (!j)
		return;
	if (json_is_integer(j) && json_integer_value(j) >= 0)
		*ret = (uint64_t)json_integer_value(j);
	else if (json_is_string(j) && strcmp(json_string_value(j), "infinity") == 0)
		*ret = UINT64_MAX;
	else
		json_in_refuse(in, key, "is not a number from 0");
}

void json_in_int(struct json_in *in, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *j = member(in, key);

	if (!j)
		return;
	if (!json_is_integer(j) || json_integer_value(j) < min || json_integer_value(j) > max)
		json_in_refuse(in, key, "is not a number in its range");
	else
		*ret = (int64_t)json_integer_value(j);
}

void json_in_bool(struct json_in *in, const char *key, bool *ret)
{
	const json_t *j = member(in, key);

	if (!j)
		return;
	if (!json_is_boolean(j))
		json_in_refuse(in, key, "is not true or false");
	else
		*ret = json_is_true(j);
}

const char *json_in_word(struct json_in *in, const char *key)
{
	const json_t *j = member(in, key);

	if (j && !json_is_string(j))
		json_in_refuse(in, key, "is not a string");
	return json_string_value(j);
}

const json_t *json_in_object(struct json_in *in, const char *key)
{
	const json_t *j = member(in, key);

	if (j && !json_is_object(j)) {
		json_in_refuse(in, key, "is not an object");
		return NULL;
	}
	return j;
}

const json_t *json_in_array(struct json_in *in, const char *key)
{
	const json_t *j = member(in, key);

	if (j && !json_is_array(j)) {
		json_in_refuse(in, key, "is not a list");
		return NULL;
	}
	return j;
}
