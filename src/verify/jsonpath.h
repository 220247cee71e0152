#ifndef TH_VERIFY_JSONPATH_H
#define TH_VERIFY_JSONPATH_H

/*
 * JSONPath in the template dialect of Kubernetes (kubectl get -o jsonpath), which both HookTemplate
 * and AnalysisTemplate use. Text outside of braces stands for itself, so "$.age" is that text
 * and not a path: jsonpath_has_path() tells.
 *
 *	template = { text | "{" { step } "}" } .
 *	step     = "$" | "@" | " "                          nothing: a path begins at what there is
 *	         | "." name | ".*"                          a member; all members or elements
 *	         | ".." [ name ]                            all values below, outermost first
 *	         | "[" "'" path "'" "]"                     members, as ."path" without braces
 *	         | "[" index "]" | "[*]"
 *	         | "[" [ int ] ":" [ int ] [ ":" int ] "]"  from, to (without), step
 *	         | "[" part "," part { "," part } "]"       union: each part as if alone in brackets
 *	         | "[?(" { step } [ op { step } ] ")]"      elements for which it holds, or exists
 *	         | quoted | number | "true" | "false"       a value, whatever was before
 *	         | "range" { step } "}" … "{end" .          the rest once for each value
 *	op       = "==" | "!=" | "<" | "<=" | ">" | ">=" .
 *	index    = int .                                    negative: from the end
 *	name     = any bytes but blank, line end, . , [ ] $ @ { }, which "\" before them allows .
 *	quoted   = '"' … '"' | "'" … "'" .                  with the escapes of Go
 *
 * Facts that surprise, all of them Kubernetes' own (client-go 0.34): keys in brackets take single
 * quotes only, and a dot in them goes one level down; ".*" of a string gives its bytes as numbers;
 * a filter whose path ends in an error of an index counts as existing; an empty range still walks
 * its steps once, so a name in it "is not found".
 *
 * Where Kubernetes visits maps in random order, the order of the document is kept. Where it fails
 * on a number written without a point in a filter ([?(@.code == 200)]: "incompatible types"), the
 * comparison is made. A body null gives null, where upstream code panics.
 */

#include "verify/value.h"

#define JSONPATH_SIZE_MAX   ((size_t)16 * 1024) /* bytes of a template */
#define JSONPATH_VALUES_MAX 1000000		/* that one step may select */

struct jsonpath;

/* Values of one text or brace, in order. Those of all blocks that are inside of a range follow each
 * other as they are met. */
struct jsonpath_block {
	struct value *values;
	size_t n;
};

struct jsonpath_result {
	struct jsonpath_block *blocks;
	size_t n;
};
#define JSONPATH_RESULT_INIT                                                                       \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* -EINVAL: not of the form above; the text says where. -E2BIG: over a limit. */
int jsonpath_parse(const char *text, struct jsonpath **ret, struct th_err *err);
void jsonpath_free(struct jsonpath *path);
static inline void jsonpath_freep(struct jsonpath **path)
{
	jsonpath_free(*path);
}
#define _cleanup_jsonpath_ _cleanup_(jsonpath_freep)

/* Whether there is anything in braces. */
bool jsonpath_has_path(const struct jsonpath *path);

/*
 * Selects from `root`. The values point into the pools of `root` and into `path`. -ENOENT: a member
 * is not there ("x is not found"); -EINVAL: the step does not fit what was found; -E2BIG: more than
 * JSONPATH_VALUES_MAX values. *ret is JSONPATH_RESULT_INIT before.
 */
int jsonpath_find(const struct jsonpath *path, const struct value *root,
	struct jsonpath_result *ret, struct th_err *err);
void jsonpath_result_done(struct jsonpath_result *result);
#define _cleanup_jsonpath_result_ _cleanup_(jsonpath_result_done)

/* What Argo takes: the first value of all. NULL where there is none, as of [*] of an empty array.
 */
const struct value *jsonpath_first(const struct jsonpath_result *result);

/* What BlueKing takes: all as text, values of one block with blanks between. The caller frees it.
 */
char *jsonpath_text(const struct jsonpath_result *result);

#endif
