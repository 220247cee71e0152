#ifndef TH_BASE_SUGGEST_H
#define TH_BASE_SUGGEST_H

/* "Did you mean": the nearest of some known words. */

#include <stddef.h>

/*
 * Of `n` words the one with the smallest edit distance (insert, delete, replace, swap of
 * neighbours, each 1; case counts less) to `word`, or NULL where none is near enough to be a
 * likely slip (more than a third of the length, at least 1 and at most 4 edits).
 */
const char *suggest_nearest(const char *word, const char *const *words, size_t n);

#endif
