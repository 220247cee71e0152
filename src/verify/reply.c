#include "config.h"

#include "verify/reply.h"

#include "base/alloc.h"
#include "verify/load.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static json_t *clean(const struct args *args, const struct reply *a, const char *text)
{
	_cleanup_free_ char *redacted = args_redact(args, &a->secrets, text);

	return json_string(redacted);
}

json_t *reply_to_json(const struct reply *a, const struct args *args)
{
	_cleanup_json_ json_t *o = json_object();
	json_t *headers = json_array();

	(void)json_object_set_new(o, "headers", headers);
	if (a->error || a->size > REPLY_KEPT_MAX ||
		(a->body && memchr(a->body, '\0', a->size) != NULL))
		return NULL;
	if (a->status)
		(void)json_object_set_new(o, "code", json_integer((json_int_t)a->status));
	for (size_t i = 0; i < a->headers.n; i++)
		(void)json_array_append_new(headers, clean(args, a, a->headers.v[i]));
	if (a->body && json_object_set_new(o, "body", clean(args, a, a->body)) < 0)
		return NULL;
	if (a->exit_status >= 0)
		(void)json_object_set_new(o, "exitStatus", json_integer(a->exit_status));
	return TAKE_PTR(o);
}

static bool get_number(const json_t *o, const char *key, json_int_t *number)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return true;
	*number = json_integer_value(v);
	return json_is_integer(v) && *number >= 0 && *number <= INT_MAX;
}

int reply_from_json(const json_t *o, struct reply *ret)
{
	const json_t *body = json_object_get(o, "body"), *headers = json_object_get(o, "headers");
	const json_t *v;
	struct reply a = {.exit_status = -1};
	json_int_t code = 0, status = -1;
	size_t i;

	if (!json_is_object(o) || !get_number(o, "code", &code) ||
		!get_number(o, "exitStatus", &status) || (body && !json_is_string(body)) ||
		(headers && !json_is_array(headers)))
		return -EINVAL;
	json_array_foreach(headers, i, v)
	{
		if (!json_is_string(v))
			return -EINVAL;
	}
	json_array_foreach(headers, i, v)
	{
		strv_add(&a.headers, json_string_value(v));
	}
	if (body) {
		a.body = xstrdup(json_string_value(body));
		a.size = json_string_length(body);
	}
	a.status = (unsigned)code;
	a.exit_status = (int)status;
	*ret = a;
	return 0;
}
