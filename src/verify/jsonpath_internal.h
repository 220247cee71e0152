#ifndef TH_VERIFY_JSONPATH_INTERNAL_H
#define TH_VERIFY_JSONPATH_INTERNAL_H

/* What a path is parsed to, between jsonpath.c and jsonpath_find.c. */

#include "verify/value.h"

enum jsonpath_node_type {
	NODE_TEXT,
	NODE_NUMBER,
	NODE_BOOL,
	NODE_FIELD,
	NODE_WILDCARD,
	NODE_RECURSIVE,
	NODE_SLICE,
	NODE_UNION,
	NODE_FILTER,
	NODE_IDENTIFIER,
};

enum jsonpath_op {
	OP_EXISTS,
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_UNKNOWN, /* such as "<>": said when it is used, as Kubernetes does */
};

struct jsonpath_bound {
	int64_t value;
	bool known;
	bool derived; /* the end that [i] has without naming it */
};

struct jsonpath_list {
	struct jsonpath_node *nodes;
	size_t n, cap;
};

struct jsonpath_node {
	enum jsonpath_node_type type;
	char *text; /* text, name, or the operator of a filter */
	size_t len;
	struct value value; /* number or bool */
	struct jsonpath_bound params[3];
	struct jsonpath_list *lists; /* parts of a union; left and right of a filter */
	size_t n_lists;
	enum jsonpath_op op;
};

struct jsonpath {
	struct jsonpath_list *blocks; /* of a text outside of braces one with that text alone */
	size_t n, cap;
	bool has_path;
};

#endif
