#ifndef TH_VERIFY_EXPR_PARSE_H
#define TH_VERIFY_EXPR_PARSE_H

/*
 * The grammar of conditions: expr-lang 1.17, which Argo Rollouts evaluates. [A] is not in the
 * dialect of BlueKing, expr 1.8.
 *
 *	condition  = sequence .
 *	sequence   = expression { ";" expression } [ ";" ] .	[A] for ";"
 *	expression = "let" name "=" expression ";" sequence	[A]
 *	           | "if" expression braced "else" ( expression | braced )	[A]
 *	           | operation [ "?" [ expression ] ":" expression ] .
 *	braced     = "{" sequence "}" .
 *	operation  = unary operation | primary | operation binary operation .
 *	primary    = operand { postfix } .
 *	operand    = literal | array | map | name | call | pointer | "(" sequence ")" .
 *	postfix    = "." name | "?." name	[A] for "?."
 *	           | "." name arguments
 *	           | "[" expression "]" | "?.[" expression "]"	[A] for "?."
 *	           | "[" [ expression ] ":" [ expression ] "]" .
 *	call       = [ "::" ] name arguments .	[A] for "::"
 *	arguments  = "(" [ expression { "," expression } [ "," ] ] ")" .
 *	closure    = expression | braced .	an argument of all() and its kin; BlueKing: braced
 *	pointer    = "#" [ name ] | "." name .	in closures: the element; #index, #acc
 *	array      = "[" [ expression { "," expression } [ "," ] ] "]" .
 *	map        = "{" [ pair { "," pair } [ "," ] ] "}" .
 *	pair       = ( name | string | number | "(" expression ")" ) ":" expression .
 *	literal    = number | string | "true" | "false" | "nil" .
 *	number     = decimal, with "_" between digits, "." and exponent
 *	           | "0x" … | "0b" … | "0o" … .
 *	string     = "'" … "'" | '"' … '"'	with \a \b \f \n \r \t \v \\ \' \" \NNN \xNN
 *	                              	\uNNNN \u{N…} \UNNNNNNNN
 *	           | "`" … "`" .	[A] `` is one, and nothing else has a meaning
 *	comment    = "//" to the end of the line | "/" "*" … "*" "/" .	[A]
 *
 * Binary operators, weakest first; all but ** group from the left:
 *
 *	|  [A] the left side becomes the first argument of the call on the right
 *	or ||
 *	and &&
 *	== != < > <= >= in matches contains startsWith endsWith
 *	   "not" before a word; [A] a < b < c
 *	..
 *	+ -
 *	(unary: not !)
 *	* / %
 *	(unary: - +)
 *	** ^  BlueKing: below unary -, and no ^
 *	??  [A] not mixed with others without brackets
 *
 * Not supported: literals of bytes (b'…') and $env.
 */

#include "verify/expr_tree.h"

#define EXPR_SIZE_MAX	((size_t)64 * 1024) /* bytes of a condition */
#define EXPR_NODES_MAX	10000		    /* as in expr-lang */
#define EXPR_NESTED_MAX 200 /* brackets, operands of operators and the like in one another */
#define EXPR_DEPTH_MAX	500 /* of the tree: also a or b or c … */

/* -EINVAL: not of this form; -E2BIG: over a limit. */
int expr_parse(const char *text, enum expr_dialect dialect, struct expr **ret, struct th_err *err);

#endif
