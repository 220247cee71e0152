#ifndef TH_BASE_TREELINK_H
#define TH_BASE_TREELINK_H

/*
 * Symbolic links inside a tree that somebody else has filled: does a link stay in it? Where all
 * links of a tree do, no chain of them leads outside either, as each is resolved from the directory
 * that it lies in.
 */

enum treelink {
	TREELINK_INSIDE,
	TREELINK_OUTSIDE, /* absolute, empty, or more ".." than there are directories */
	TREELINK_UNSURE,  /* inside as text, but a name is followed by "..": if that name is a link
			     itself, ".." is not where the text says; see treelink_check() */
};

/* Judges a link by its text: `path` is where it lies, relative to the tree's root and without "."
 * and ".." (with them: OUTSIDE), `target` what it holds. Touches nothing. */
enum treelink treelink_classify(const char *path, const char *target);

/* As treelink_classify(), with what is unsure looked up in the tree: each name that is followed by
 * ".." must be a directory below `treefd` now, reached over no link. 0: inside; -EXDEV: outside, or
 * not to be told; else -errno. The answer holds as long as nobody changes the tree. */
int treelink_check(int treefd, const char *path, const char *target);

#endif
