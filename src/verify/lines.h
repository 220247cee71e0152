#ifndef TH_VERIFY_LINES_H
#define TH_VERIFY_LINES_H

/*
 * On which line of a file each value of a document stands: a tree beside it. A node is the line as
 * a number, or, of a mapping or a list, [line, children] with children of the same form and with
 * the same names or in the same order. A member stands where its name does. A node of a file whose
 * form is not that of the document, INI, also has its place in words: [line, children, place],
 * where children is null of what was written as one.
 */

#include <jansson.h>

/* Nodes to build with, the caller's. `children` is taken. */
json_t *lines_of_scalar(size_t line);
json_t *lines_of_group(size_t line, json_t *children);

/* Of a group: "[metric m] web". */
void lines_set_place(json_t *node, const char *place);

/* To put nodes into, the node's; NULL of one that has none. */
json_t *lines_children(const json_t *node);

/* What belongs to a member or an element; NULL where nothing is known, or `node` is NULL. */
const json_t *lines_member(const json_t *node, const char *key);
const json_t *lines_element(const json_t *node, size_t i);

/* NULL where it has none. */
const char *lines_place(const json_t *node);

/* From 1; 0 where nothing is known, or `node` is NULL. */
size_t lines_number(const json_t *node);

#endif
