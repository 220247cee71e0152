#include "config.h"

#include "base/suggest.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <string.h>

/* Costs are in parts of one edit, so that a difference in case can count as less than one. */
#define COST_EDIT 8
#define COST_CASE 1

/* Longer words are no slips of known ones; the time is the product of both lengths. */
#define WORD_LEN_MAX 256

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t replace_cost(char a, char b)
{
	if (a == b)
		return 0;
	return lower(a) == lower(b) ? COST_CASE : COST_EDIT;
}

/*
 * Optimal string alignment: like Levenshtein's distance, and swapped neighbours are one edit. Only
 * the last three rows of the table are ever looked at.
 */
static size_t word_distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
	_cleanup_free_ size_t *rows = xcalloc(3 * (len_b + 1), sizeof(*rows));
	size_t *before = rows, *last = rows + len_b + 1, *row = rows + 2 * (len_b + 1);

	for (size_t j = 0; j <= len_b; j++)
		last[j] = j * COST_EDIT;
	for (size_t i = 1; i <= len_a; i++) {
		size_t *spare;

		row[0] = i * COST_EDIT;
		for (size_t j = 1; j <= len_b; j++) {
			size_t best = last[j - 1] + replace_cost(a[i - 1], b[j - 1]);

			best = MIN(best, last[j] + COST_EDIT);
			best = MIN(best, row[j - 1] + COST_EDIT);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, before[j - 2] + COST_EDIT);
			row[j] = best;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[len_b];
}

const char *suggest_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word);
	size_t edits_max = MAX((size_t)1, MIN((size_t)4, len / 3));
	size_t best_cost = edits_max * COST_EDIT + 1;
	const char *best = NULL;

	if (!len || len > WORD_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(words[i]), cost;

		/* Their difference in length alone is as many edits. */
		if (other > len + edits_max || len > other + edits_max)
			continue;
		cost = word_distance(word, len, words[i], other);
		/* Two words that share no letter are not near, however short. */
		if (cost < best_cost && cost < MAX(len, other) * COST_EDIT) {
			best = words[i];
			best_cost = cost;
		}
	}
	return best;
}
