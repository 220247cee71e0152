#ifndef TH_FETCH_UNPACK_DIRS_H
#define TH_FETCH_UNPACK_DIRS_H

/*
 * The table of the directories that an archive's members have made, found by the directory that
 * they lie in and their name. It is what tells a directory from a link to one, without a look at
 * the file system. Directory 0 is the root, whose name is empty; each other has a higher number
 * than the one it lies in. Numbers are never used again.
 */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define UNPACK_DIRS_NONE UINT32_MAX

struct unpack_dir {
	uint32_t parent;
	uint32_t next; /* private: of its bucket; 0 ends the list, as the root is in none */
	mode_t mode;   /* that it is to have; 0755 until somebody says otherwise */
	bool has_mtime, gone;
	struct timespec mtime;
	char *name;
};

struct unpack_dirs {
	struct unpack_dir *v;
	uint32_t n, cap;

	/* private */
	uint32_t *buckets; /* a power of 2 of them */
	uint32_t n_buckets;
	uint64_t seed;
};

/* With the root. */
void unpack_dirs_init(struct unpack_dirs *d);
void unpack_dirs_done(struct unpack_dirs *d);

/* `name` has len bytes and need not end there. UNPACK_DIRS_NONE where there is no such directory.
 */
uint32_t unpack_dirs_find(
	const struct unpack_dirs *d, uint32_t parent, const char *name, size_t len);

/* Adds one that is not there yet; its number. Pointers into v are void afterwards. */
uint32_t unpack_dirs_add(struct unpack_dirs *d, uint32_t parent, const char *name, size_t len);

/* It is found no more, and `gone`; not for the root. */
void unpack_dirs_forget(struct unpack_dirs *d, uint32_t i);

/* Appends the path of directory i below the directory `top` to b: nothing for `top` itself. False
 * where it does not lie there. */
bool unpack_dirs_path(const struct unpack_dirs *d, uint32_t i, uint32_t top, struct strbuf *b);

#endif
