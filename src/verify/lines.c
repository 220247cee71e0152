#include "config.h"

#include "verify/lines.h"

json_t *lines_of_scalar(size_t line)
{
	return json_integer((json_int_t)line);
}

json_t *lines_of_group(size_t line, json_t *children)
{
	json_t *node = json_array();

	(void)json_array_append_new(node, lines_of_scalar(line));
	(void)json_array_append_new(node, children);
	return node;
}

void lines_set_place(json_t *node, const char *place)
{
	(void)json_array_append_new(node, json_string(place));
}

json_t *lines_children(const json_t *node)
{
	return json_array_get(node, 1);
}

const json_t *lines_member(const json_t *node, const char *key)
{
	return key ? json_object_get(lines_children(node), key) : NULL;
}

const json_t *lines_element(const json_t *node, size_t i)
{
	return json_array_get(lines_children(node), i);
}

const char *lines_place(const json_t *node)
{
	return json_string_value(json_array_get(node, 2));
}

size_t lines_number(const json_t *node)
{
	return (size_t)json_integer_value(json_is_array(node) ? json_array_get(node, 0) : node);
}
