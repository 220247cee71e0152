#ifndef TH_VERIFY_EXPR_TREE_H
#define TH_VERIFY_EXPR_TREE_H

/* The tree of a condition: what verify/expr_parse.h makes, and the others walk. */

#include "verify/regex.h"
#include "verify/value.h"

#include <stdarg.h>

enum expr_dialect {
	EXPR_ARGO, /* AnalysisTemplate: expr-lang 1.17 */
	EXPR_BCS,  /* HookTemplate of BlueKing: expr 1.8 */
	EXPR_TIME, /* start and end of a range query of Prometheus: as Argo, without a result */
};

enum expr_kind {
	EXPR_LITERAL, /* value */
	EXPR_NAME,    /* value: the name */
	EXPR_NOT,
	EXPR_MINUS,
	EXPR_PLUS,
	EXPR_BINARY,	  /* op, a, b */
	EXPR_CHAIN,	  /* a: ends where a ?. in it meets nil */
	EXPR_MEMBER,	  /* a[b] and a.b */
	EXPR_SLICE,	  /* a[b:c], both may be NULL */
	EXPR_CALL,	  /* value: the name; list */
	EXPR_METHOD,	  /* a, value: the name; list */
	EXPR_BUILTIN,	  /* value: the name; list */
	EXPR_POINTER,	  /* value: what stands behind #, may be empty */
	EXPR_LET,	  /* value: the name; a, b */
	EXPR_SEQUENCE,	  /* list */
	EXPR_CONDITIONAL, /* a ? b : c */
	EXPR_ARRAY,	  /* list */
	EXPR_MAP,	  /* list: key, value, key, value */
};

enum expr_op {
	EXPR_OP_NONE,
	EXPR_OP_OR,
	EXPR_OP_AND,
	EXPR_OP_EQUAL,
	EXPR_OP_NOT_EQUAL,
	EXPR_OP_LESS,
	EXPR_OP_GREATER,
	EXPR_OP_LESS_EQUAL,
	EXPR_OP_GREATER_EQUAL,
	EXPR_OP_IN,
	EXPR_OP_MATCHES,
	EXPR_OP_CONTAINS,
	EXPR_OP_STARTS_WITH,
	EXPR_OP_ENDS_WITH,
	EXPR_OP_RANGE,
	EXPR_OP_ADD,
	EXPR_OP_SUBTRACT,
	EXPR_OP_MULTIPLY,
	EXPR_OP_DIVIDE,
	EXPR_OP_MODULO,
	EXPR_OP_POWER,
	EXPR_OP_COALESCE,
};

struct expr_node {
	enum expr_kind kind;
	enum expr_op op;
	uint32_t at;	   /* byte of the source that an error points at */
	uint32_t from, to; /* bytes of the source that it was made of */
	uint16_t depth;	   /* of the tree below, 1 for a leaf */
	bool optional;	   /* ?. */
	int8_t truth;	   /* 1 or 0 where it is true or false by literals alone, else -1 */
	struct value value;
	struct expr_node *a, *b, *c;
	struct expr_node **list;
	size_t n;
	const struct regex *regex; /* of 'matches' with a literal */
};

struct expr {
	enum expr_dialect dialect;
	char *text;
	size_t len;
	struct expr_node *root;
	struct value_pool pool; /* has the nodes */
	struct regex **regexes;
	size_t n_regexes;
};

/* What names in a condition stand for. A pointer that is NULL: not known yet, as when a template is
 * only looked at; everything is possible then. */
struct expr_env {
	const struct value *result;
	const struct value *response; /* a map: code, headers; not in the dialect of BlueKing */
	const struct value *args;     /* a map of strings; likewise */
	int64_t now_nsec;	      /* what now() is, since 1970; 0: ask the clock */
};

/* Frees it with all nodes; NULL does nothing. */
void expr_free(struct expr *expr);

/* An error of a condition: "column 8: TEXT", "line 2, column 8: TEXT" where it has several. Gives
 * -errnum, by a macro so that who reads one file alone sees that it is negative. */
#define expr_error(expr, at, errnum, err, ...)                                                     \
	(expr_error_set(expr, at, errnum, err, __VA_ARGS__), -(errnum))
void expr_error_set(const struct expr *expr, uint32_t at, int errnum, struct th_err *err,
	const char *fmt, ...) PRINTF_ATTR(5, 6);

/* The same of what a condition does with the values that it got (EINVAL): a text that holds some of
 * them, hence escaped and cut to `max` bytes. */
void expr_complain(const struct expr *expr, uint32_t at, struct th_err *err, size_t max,
	const char *fmt, va_list args) __attribute__((format(printf, 5, 0)));

/* The source of a node, blanks and comments as one blank each, at most `max` bytes. The caller
 * frees it. */
char *expr_node_text(const struct expr *expr, const struct expr_node *node, size_t max);

/* "==", "in" and so on. */
const char *expr_op_name(enum expr_op op);

#endif
