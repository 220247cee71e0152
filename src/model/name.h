#ifndef TH_MODEL_NAME_H
#define TH_MODEL_NAME_H

/* Names of task groups and tasks (taskhook(1)). */

#include "base/error.h"

#define NAME_LEN_MAX 128

/* 0 where `s` may name a group or task; else -EINVAL and err (EXIT_USAGE) with the reason. `what`
 * is "group" or "task ID", for the text. */
int name_check(const char *s, const char *what, struct th_err *err);

/* "GROUP/ID", or "ID" (then *ret_group is NULL). Both parts are checked. The caller frees both. */
int name_split(const char *s, char **ret_group, char **ret_id, struct th_err *err);

/* A short ID from a command's name and a number that differs each time: "sleep-3f9a". Always valid.
 * The caller frees it. */
char *name_make_id(const char *command, unsigned seed);

#endif
