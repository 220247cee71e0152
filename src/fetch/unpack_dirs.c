#include "config.h"

#include "fetch/unpack_dirs.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define IMPLIED_MODE  0755
#define BUCKETS_FIRST 64

static uint32_t bucket_of(
	const struct unpack_dirs *d, uint32_t parent, const char *name, size_t len)
{
	uint64_t hash = d->seed ^ parent;

	/* FNV-1a, from a start that the maker of an archive does not know. */
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return (uint32_t)hash & (d->n_buckets - 1);
}

uint32_t unpack_dirs_find(
	const struct unpack_dirs *d, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = d->buckets[bucket_of(d, parent, name, len)];

	while (i) {
		const struct unpack_dir *dir = &d->v[i];

		if (dir->parent == parent && strlen(dir->name) == len &&
			memcmp(dir->name, name, len) == 0)
			return i;
		i = dir->next;
	}
	return UNPACK_DIRS_NONE;
}

static void put_in_bucket(struct unpack_dirs *d, uint32_t i)
{
	struct unpack_dir *dir = &d->v[i];
	uint32_t b = bucket_of(d, dir->parent, dir->name, strlen(dir->name));

	dir->next = d->buckets[b];
	d->buckets[b] = i;
}

static void grow_buckets(struct unpack_dirs *d)
{
	d->n_buckets = d->n_buckets ? d->n_buckets * 2 : BUCKETS_FIRST;
	free(d->buckets);
	d->buckets = xcalloc(d->n_buckets, sizeof(*d->buckets));
	for (uint32_t i = 1; i < d->n; i++)
		if (!d->v[i].gone)
			put_in_bucket(d, i);
}

uint32_t unpack_dirs_add(struct unpack_dirs *d, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = d->n;

	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 16;
		d->v = xreallocarray(d->v, d->cap, sizeof(*d->v));
	}
	d->v[d->n++] = (struct unpack_dir){
		.parent = parent,
		.mode = IMPLIED_MODE,
		.name = xstrndup(name, len),
	};
	if (i && d->n > d->n_buckets)
		grow_buckets(d);
	else if (i)
		put_in_bucket(d, i);
	return i;
}

void unpack_dirs_forget(struct unpack_dirs *d, uint32_t i)
{
	struct unpack_dir *dir = &d->v[i];
	uint32_t *link = &d->buckets[bucket_of(d, dir->parent, dir->name, strlen(dir->name))];

	while (*link != i)
		link = &d->v[*link].next;
	*link = dir->next;
	dir->gone = true;
}

bool unpack_dirs_path(const struct unpack_dirs *d, uint32_t i, uint32_t top, struct strbuf *b)
{
	const struct unpack_dir *dir = &d->v[i];

	if (i == top)
		return true;
	if (i == 0 || !unpack_dirs_path(d, dir->parent, top, b))
		return false;
	if (b->len)
		strbuf_addc(b, '/');
	strbuf_adds(b, dir->name);
	return true;
}

void unpack_dirs_init(struct unpack_dirs *d)
{
	*d = (struct unpack_dirs){0};
	/* Without it a table may become slow, no more. */
	(void)!getrandom(&d->seed, sizeof(d->seed), GRND_NONBLOCK);
	grow_buckets(d);
	(void)unpack_dirs_add(d, 0, "", 0);
}

void unpack_dirs_done(struct unpack_dirs *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		free(d->v[i].name);
	free(d->v);
	free(d->buckets);
	*d = (struct unpack_dirs){0};
}
