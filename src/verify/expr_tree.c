#include "config.h"

#include "verify/expr_tree.h"

#include "base/alloc.h"
#include "base/macro.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void expr_free(struct expr *expr)
{
	if (!expr)
		return;
	for (size_t i = 0; i < expr->n_regexes; i++)
		regex_free(expr->regexes[i]);
	free(expr->regexes);
	value_pool_done(&expr->pool);
	free(expr->text);
	free(expr);
}

void expr_error_set(
	const struct expr *expr, uint32_t at, int errnum, struct th_err *err, const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL;
	unsigned line = 1, column = 1;
	va_list args;

	va_start(args, fmt);
	why = xvasprintf(fmt, args);
	va_end(args);
	for (size_t i = 0; i < MIN((size_t)at, expr->len); i++) {
		/* Bytes that continue a character have no column of their own. */
		if (expr->text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)expr->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	if (memchr(expr->text, '\n', expr->len))
		(void)err_set(
			err, EXIT_DATAERR, errnum, "line %u, column %u: %s", line, column, why);
	else
		(void)err_set(err, EXIT_DATAERR, errnum, "column %u: %s", column, why);
}

void expr_complain(const struct expr *expr, uint32_t at, struct th_err *err, size_t max,
	const char *fmt, va_list args)
{
	_cleanup_free_ char *why = NULL, *shown = NULL;

	why = xvasprintf(fmt, args);
	shown = str_escape(why, max);
	expr_error_set(expr, at, EINVAL, err, "%s", shown);
}

char *expr_node_text(const struct expr *expr, const struct expr_node *node, size_t max)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char quote = '\0';

	for (uint32_t i = node->from; i < node->to; i++) {
		char c = expr->text[i];

		if (quote) {
			if (c == '\\' && quote != '`' && i + 1 < node->to)
				strbuf_addc(&b, expr->text[i++]);
			else if (c == quote)
				quote = '\0';
			strbuf_addc(&b, expr->text[i]);
			continue;
		}
		if (c == '/' && i + 1 < node->to && expr->text[i + 1] == '/') {
			while (i + 1 < node->to && expr->text[i + 1] != '\n')
				i++;
			c = ' ';
		} else if (c == '/' && i + 1 < node->to && expr->text[i + 1] == '*') {
			for (i += 2; i + 1 < node->to &&
				     !(expr->text[i] == '*' && expr->text[i + 1] == '/');
				i++)
				;
			i++;
			c = ' ';
		}
		if (c == '\'' || c == '"' || c == '`')
			quote = c;
		if (c == '\n' || c == '\t' || c == '\r')
			c = ' ';
		if (c == ' ' && (b.len == 0 || b.s[b.len - 1] == ' '))
			continue;
		strbuf_addc(&b, c);
	}
	while (b.len > 0 && b.s[b.len - 1] == ' ')
		b.len--;
	return str_escape_n(strbuf_str(&b), b.len, max);
}

const char *expr_op_name(enum expr_op op)
{
	static const char *const names[] = {
		[EXPR_OP_NONE] = "",
		[EXPR_OP_OR] = "or",
		[EXPR_OP_AND] = "and",
		[EXPR_OP_EQUAL] = "==",
		[EXPR_OP_NOT_EQUAL] = "!=",
		[EXPR_OP_LESS] = "<",
		[EXPR_OP_GREATER] = ">",
		[EXPR_OP_LESS_EQUAL] = "<=",
		[EXPR_OP_GREATER_EQUAL] = ">=",
		[EXPR_OP_IN] = "in",
		[EXPR_OP_MATCHES] = "matches",
		[EXPR_OP_CONTAINS] = "contains",
		[EXPR_OP_STARTS_WITH] = "startsWith",
		[EXPR_OP_ENDS_WITH] = "endsWith",
		[EXPR_OP_RANGE] = "..",
		[EXPR_OP_ADD] = "+",
		[EXPR_OP_SUBTRACT] = "-",
		[EXPR_OP_MULTIPLY] = "*",
		[EXPR_OP_DIVIDE] = "/",
		[EXPR_OP_MODULO] = "%",
		[EXPR_OP_POWER] = "**",
		[EXPR_OP_COALESCE] = "??",
	};

	return names[op];
}
