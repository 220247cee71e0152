#ifndef TH_CONF_VALUE_H
#define TH_CONF_VALUE_H

/*
 * One value of the configuration: its text as the type of its key (conf/keys.h) reads it, and back.
 * For conf/conf.c, which keeps values in layers and gives typed access; nothing else needs this.
 *
 *	struct conf_value v = {.text = NULL};
 *	if (conf_value_parse(conf_key_info(KEY_LIMITS_CPU), "50%", ".", &v, &why) < 0)
 *		... why: "not an amount of CPU (...)"
 */

#include "base/str.h"
#include "conf/keys.h"

#include <sys/resource.h>

struct conf_value {
	char *text;	 /* as written, a CONF_NEAR_PATH absolute; NULL: not set */
	uint64_t number; /* of every type that is one number, an index for CONF_ENUM; signed ones
			    cast */
	struct strv list;
	struct rlimit rlimit;
};

/* Frees the contents; the value is empty again. */
void conf_value_done(struct conf_value *v);

/*
 * Parses `text` into *ret, which is empty before. `dir` is the directory that a CONF_NEAR_PATH is
 * relative to; itself it may be relative to the current one. 0, or -EINVAL: then *ret is still
 * empty, and *ret_why says what the text is not, in words that stand behind "KEY = TEXT: ". The
 * caller frees it; `text` may be repeated in it as it is, control bytes included.
 */
int conf_value_parse(const struct conf_key_info *info, const char *text, const char *dir,
	struct conf_value *ret, char **ret_why);

/* The text of a value that is set, in the form that `config show` prints: "1m30s" for "90", and no
 * secrets. The caller frees it. */
char *conf_value_format(const struct conf_key_info *info, const struct conf_value *v);

/* Letters, digits, '.', '_' and '-', neither '.' nor '-' first, 1 to `max` bytes. */
bool conf_name_is_valid(const char *s, size_t max);

/* "logs, all or none" of "logs|all|none". The caller frees it. */
char *conf_join_words(const char *words);

#endif
