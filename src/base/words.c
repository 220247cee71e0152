#include "config.h"

#include "base/words.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

static int refuse_shell(char c, size_t at, const char *where, struct th_err *err)
{
	return err_set(err, EXIT_CONFIG, EINVAL,
		"column %zu: '%c'%s is for a shell, and none is run: quote it, or write command = "
		"/bin/sh -c '...'",
		at + 1, c, where);
}

/* A double-quoted part, s[*i] being the byte behind the opening quote; *i ends behind the closing
 * one. */
static int take_double_quoted(const char *s, size_t *i, struct strbuf *word, struct th_err *err)
{
	size_t start = *i - 1;

	for (; s[*i]; (*i)++) {
		char c = s[*i];

		if (c == '"') {
			(*i)++;
			return 0;
		}
		if (c == '$' || c == '`')
			return refuse_shell(c, *i, " in double quotes", err);
		if (c == '\\' && s[*i + 1] == '\n') {
			(*i)++;
			continue;
		}
		if (c == '\\' && s[*i + 1] && strchr("\"\\$`", s[*i + 1]))
			c = s[++*i];
		strbuf_addc(word, c);
	}
	return err_set(err, EXIT_CONFIG, EINVAL,
		"column %zu: the double quote is never closed: close it, or write \\\" for the "
		"byte itself",
		start + 1);
}

static int take_single_quoted(const char *s, size_t *i, struct strbuf *word, struct th_err *err)
{
	const char *end = strchr(s + *i, '\'');

	if (!end)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"column %zu: the single quote is never closed: close it, or write \\' for "
			"the byte itself",
			*i);
	strbuf_add(word, s + *i, (size_t)(end - (s + *i)));
	*i = (size_t)(end - s) + 1;
	return 0;
}

int words_split(const char *s, struct strv *ret, struct th_err *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_strbuf_ struct strbuf word = STRBUF_INIT;
	bool in_word = false; /* '' is a word too */

	for (size_t i = 0; s[i];) {
		char c = s[i];
		int r = 0;

		if (c == ' ' || c == '\t' || c == '\n') {
			if (in_word)
				strv_take(&words, strbuf_steal(&word));
			in_word = false;
			i++;
			continue;
		}
		/* A line continued is no byte, and begins no word. */
		if (c == '\\' && s[i + 1] == '\n') {
			i += 2;
			continue;
		}
		in_word = true;
		i++;
		if (c == '\'') {
			r = take_single_quoted(s, &i, &word, err);
		} else if (c == '"') {
			r = take_double_quoted(s, &i, &word, err);
		} else if (strchr("|&;<>$`()", c)) {
			r = refuse_shell(c, i - 1, "", err);
		} else if (c == '\\' && !s[i]) {
			r = err_set(err, EXIT_CONFIG, EINVAL,
				"column %zu: nothing follows the backslash: write \\\\ for the "
				"byte itself",
				i);
		} else {
			strbuf_addc(&word, c == '\\' ? s[i++] : c);
		}
		if (r < 0)
			return r;
	}
	if (in_word)
		strv_take(&words, strbuf_steal(&word));
	for (size_t i = 0; i < words.n; i++)
		strv_take(ret, TAKE_PTR(words.v[i]));
	words.n = 0;
	return 0;
}
