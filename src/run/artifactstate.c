#include "config.h"

#include "run/artifactstate.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/fileio.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/str.h"
#include "model/jsonio.h"
#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT	  1
#define STATE_MAX ((size_t)256 * 1024)

#define SUFFIX_STATE ".json"
#define SUFFIX_LIST  ".list"
#define SUFFIX_NEW   ".new"

void artifact_state_done(struct artifact_state *s)
{
	free(s->boot_id);
	free(s->task);
	free(s->origin);
	json_decref(s->definition);
	free(s->digest);
	free(s->etag);
	free(s->last_modified);
	free(s->before);
	*s = (struct artifact_state)ARTIFACT_STATE_INIT;
}

static char *file_name(const char *name, const char *suffix)
{
	return xasprintf("%s%s", name, suffix);
}

/* ---- the state ------------------------------------------------------------------------------- */

static int from_json(const json_t *j, struct artifact_state *s)
{
	struct json_in in = {.object = j, .what = "artifact"};
	const char *state = json_in_word(&in, "state");
	const json_t *definition = json_in_object(&in, "definition");
	int64_t format = 0;

	json_in_int(&in, "format", FORMAT, FORMAT, &format);
	json_in_text(&in, "boot_id", &s->boot_id);
	json_in_text(&in, "task", &s->task);
	json_in_text(&in, "origin", &s->origin);
	json_in_text(&in, "digest", &s->digest);
	json_in_text(&in, "etag", &s->etag);
	json_in_text(&in, "last_modified", &s->last_modified);
	json_in_u64(&in, "size", &s->size);
	json_in_u64(&in, "files", &s->files);
	json_in_u64(&in, "usec", &s->usec);
	json_in_u64(&in, "uid", &s->uid);
	json_in_u64(&in, "gid", &s->gid);
	if (in.failed || format != FORMAT || !state || !definition || !s->boot_id || !s->task ||
		!s->origin)
		return -EBADMSG;
	s->published = strcmp(state, "published") == 0;
	s->definition = json_deep_copy(definition);
	return 0;
}

int artifact_state_read(int dirfd, const char *name, struct artifact_state *ret)
{
	_cleanup_free_ char *file = file_name(name, SUFFIX_STATE), *text = NULL;
	json_t *j;
	size_t n;
	int r = file_read_at(dirfd, file, FILEIO_REGULAR | FILEIO_NOFOLLOW, STATE_MAX, &text, &n);

	if (r < 0)
		return r;
	j = json_loadb(text, n, 0, NULL);
	r = j ? from_json(j, ret) : -EBADMSG;
	json_decref(j);
	if (r < 0)
		artifact_state_done(ret);
	return r;
}

int artifact_state_write(
	int dirfd, const char *name, const struct artifact_state *s, struct th_err *err)
{
	_cleanup_free_ char *file = file_name(name, SUFFIX_STATE), *text = NULL;
	json_t *j = json_object();
	int r;

	json_put(j, "format", json_integer(FORMAT));
	json_put_text(j, "state", s->published ? "published" : "publishing");
	json_put_text(j, "boot_id", s->boot_id);
	json_put_text(j, "task", s->task);
	json_put_text(j, "origin", s->origin);
	json_put(j, "definition", json_incref(s->definition));
	json_put_text(j, "digest", s->digest);
	json_put_text(j, "etag", s->etag);
	json_put_text(j, "last_modified", s->last_modified);
	json_put_u64(j, "size", s->size);
	json_put_u64(j, "files", s->files);
	json_put_u64(j, "usec", s->usec);
	json_put_u64(j, "uid", s->uid);
	json_put_u64(j, "gid", s->gid);
	text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	r = file_replace_at(dirfd, file, 0600, text, strlen(text));
	return r < 0 ? err_set(err, EXIT_CANTCREAT, -r, "cannot write '_artifacts/%s': %s", file,
			       strerror(-r))
		     : 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct line {
	char kind; /* f, d, l */
	uint64_t size;
	int64_t mtime_nsec;
	const char *path; /* into the text */
};

/* "KIND SIZE MTIME /PATH", taken apart in place. */
static int split_line(char *text, struct line *ret)
{
	char *save = NULL, *kind = strtok_r(text, " ", &save);
	const char *size = strtok_r(NULL, " ", &save), *mtime = strtok_r(NULL, " ", &save);

	if (!kind || !size || !mtime || !save || *save != '/' ||
		parse_uint(size, 0, UINT64_MAX, &ret->size) < 0 ||
		parse_int(mtime, INT64_MIN, INT64_MAX, &ret->mtime_nsec) < 0)
		return -EBADMSG;
	ret->kind = *kind;
	ret->path = save;
	return 0;
}

/* Calls fn for each line until it returns something other than 0. That, 0, or -errno; a missing
 * list is -ENOENT. */
static int each_line(
	int dirfd, const char *file, int (*fn)(void *arg, const struct line *line), void *arg)
{
	int fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getdelim(&text, &size, '\0', f) > 0) {
		struct line line;

		r = split_line(text, &line);
		if (r == 0)
			r = fn(arg, &line);
	}
	(void)fclose(f);
	return r;
}

static int write_line(FILE *f, const struct publish_entry *e, const char *path)
{
	char kind = S_ISDIR(e->mode) ? 'd' : S_ISLNK(e->mode) ? 'l' : 'f';

	/* No blank but these: a path may begin with one. */
	return fprintf(f, "%c %" PRIu64 " %" PRId64 " /%s%c", kind, e->size, e->mtime_nsec, path,
		       '\0') < 0
		       ? -EIO
		       : 0;
}

static int write_list(int dirfd, const char *file, const struct fetchwork *work)
{
	const struct publish_tree *tree = fetchwork_tree(work);
	int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int r = 0;

	if (!f)
		return -errno;
	for (size_t i = 0; r == 0 && i < (tree->is_dir ? tree->n : 1); i++) {
		const struct publish_entry *e = tree->is_dir ? &tree->entries[i] : NULL;
		_cleanup_free_ char *path = fetchwork_target(work, e);

		r = write_line(f, e ? e : &tree->file, path);
	}
	if (fclose(f) != 0)
		r = -errno;
	return r;
}

static int check_line(void *arg, const struct line *line)
{
	const int *local_fd = arg;
	_cleanup_close_ int fd =
		path_open_beneath(*local_fd, line->path + 1, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	if (line->kind == 'd')
		return !S_ISDIR(st.st_mode);
	if (line->kind == 'l' ? !S_ISLNK(st.st_mode) : !S_ISREG(st.st_mode))
		return 1;
	return (uint64_t)st.st_size != line->size ||
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != line->mtime_nsec;
}

bool artifact_state_is_intact(int dirfd, const char *name, int local_fd)
{
	_cleanup_free_ char *file = file_name(name, SUFFIX_LIST);

	return each_line(dirfd, file, check_line, &local_fd) == 0;
}

/* ---- claims ---------------------------------------------------------------------------------- */

struct claim {
	struct strv targets; /* sorted */
	char *found;
};

static bool is_target(const struct claim *c, const char *path)
{
	return strv_contains_sorted(&c->targets, path);
}

/* Is there a target below `path`? */
static bool is_above_target(const struct claim *c, const char *path)
{
	_cleanup_free_ char *below = xasprintf("%s/", path);
	size_t first = 0, end = c->targets.n;

	/* the first that is not before all that begin so */
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (strcmp(c->targets.v[middle], below) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first < c->targets.n && str_starts_with(c->targets.v[first], below);
}

/* Is it a target, is one of the directories that it lies in, or does one lie below what is no
 * directory? Directories themselves are shared. */
static int find_target(void *arg, const struct line *line)
{
	struct claim *c = arg;
	_cleanup_free_ char *path = xstrdup(line->path + 1);
	bool found = is_target(c, path) || (line->kind != 'd' && is_above_target(c, path));

	for (char *slash = strrchr(path, '/'); slash && !found; slash = strrchr(path, '/')) {
		*slash = '\0';
		found = is_target(c, path);
	}
	if (!found)
		return 0;
	c->found = xstrdup(line->path + 1);
	return 1;
}

static void add_targets(const struct fetchwork *work, struct strv *ret)
{
	const struct publish_tree *tree = fetchwork_tree(work);

	if (!tree->is_dir)
		strv_take(ret, fetchwork_target(work, NULL));
	for (size_t i = 0; i < tree->n; i++)
		if (!S_ISDIR(tree->entries[i].mode))
			strv_take(ret, fetchwork_target(work, &tree->entries[i]));
	strv_sort(ret);
}

/* Does what is known of `name` stand in the way of something from `source`? */
static bool is_rival(int dirfd, const char *name, const json_t *own, struct artifact_state *ret)
{
	static const char *const keys[] = {"source", "query"};

	if (artifact_state_read(dirfd, name, ret) < 0 || strcmp(ret->boot_id, proc_boot_id()) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *x = json_object_get(own, keys[i]);
		const json_t *y = json_object_get(ret->definition, keys[i]);

		if (x != y && !json_equal(x, y))
			return true;
	}
	return false;
}

static int ask_rival(int dirfd, const char *name, struct claim *c)
{
	static const char *const suffixes[] = {SUFFIX_LIST, SUFFIX_NEW};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *file = file_name(name, suffixes[i]);
		int r = each_line(dirfd, file, find_target, c);

		if (r != 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

int artifact_state_find_claim(int dirfd, const struct artifact *a, const struct fetchwork *work,
	char **ret_name, char **ret_path, struct artifact_state *ret)
{
	struct claim c = {.targets = STRV_INIT};
	struct dirent *e;
	json_t *own;
	DIR *d = NULL;
	int r = fd_opendir(dirfd, &d);

	if (r < 0)
		return r;
	own = artifact_identity(a);
	while (r == 0 && (e = readdir(d))) {
		size_t n = strlen(e->d_name), tail = strlen(SUFFIX_STATE);
		struct artifact_state state = ARTIFACT_STATE_INIT;
		_cleanup_free_ char *name = NULL;

		if (!str_ends_with(e->d_name, SUFFIX_STATE))
			continue;
		name = xstrndup(e->d_name, n - tail);
		if (strcmp(name, a->name) == 0)
			continue;
		if (is_rival(dirfd, name, own, &state)) {
			if (!c.targets.n)
				add_targets(work, &c.targets);
			r = ask_rival(dirfd, name, &c);
		}
		if (r == 1) {
			*ret_name = TAKE_PTR(name);
			*ret_path = TAKE_PTR(c.found);
			*ret = state;
		} else {
			artifact_state_done(&state);
		}
	}
	closedir(d);
	json_decref(own);
	strv_done(&c.targets);
	return r;
}

/* ---- publishing ------------------------------------------------------------------------------ */

int artifact_state_begin(int dirfd, const char *name, struct artifact_state *s,
	const struct fetchwork *work, struct th_err *err)
{
	_cleanup_free_ char *file = file_name(name, SUFFIX_STATE);
	_cleanup_free_ char *list = file_name(name, SUFFIX_NEW);
	int r = file_read_at(
		dirfd, file, FILEIO_REGULAR | FILEIO_NOFOLLOW, STATE_MAX, &s->before, NULL);

	if (r < 0)
		s->before = NULL;
	s->published = false;
	r = write_list(dirfd, list, work);
	if (r < 0) {
		(void)unlinkat(dirfd, list, 0);
		return err_set(err, EXIT_CANTCREAT, -r, "cannot write '_artifacts/%s': %s", list,
			strerror(-r));
	}
	return artifact_state_write(dirfd, name, s, err);
}

void artifact_state_cancel(int dirfd, const char *name, const struct artifact_state *s)
{
	_cleanup_free_ char *file = file_name(name, SUFFIX_STATE);
	_cleanup_free_ char *list = file_name(name, SUFFIX_NEW);

	if (s->before)
		(void)file_replace_at(dirfd, file, 0600, s->before, strlen(s->before));
	else
		(void)unlinkat(dirfd, file, 0);
	(void)unlinkat(dirfd, list, 0);
}

int artifact_state_end(int dirfd, const char *name, struct artifact_state *s, struct th_err *err)
{
	_cleanup_free_ char *from = file_name(name, SUFFIX_NEW);
	_cleanup_free_ char *to = file_name(name, SUFFIX_LIST);

	if (renameat(dirfd, from, dirfd, to) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot write '_artifacts/%s': %m", to);
	s->published = true;
	return artifact_state_write(dirfd, name, s, err);
}
