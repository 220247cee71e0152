#include "config.h"

#include "run/fetchwork.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "os/cred.h"
#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FETCH_USER	    "taskhook-fetch"
#define FETCH_USER_FALLBACK "nobody"

#define MAKE_TRIES 16

struct fetchwork {
	struct fetchwork_spec spec;
	char *dir;  /* of the destination, relative to the base */
	char *name; /* of the file, where the destination is one; else the helper says it */
	struct cred cred;
	bool switch_user;
	int parent_fd; /* of the staging directory */
	char *staging_name, *staging_path;
	int staging_fd;
	struct fetch *fetch;
	struct fetch_event event;
	struct publish_tree tree;
};

/* ---- the staging directory ------------------------------------------------------------------- */

/* The deepest directory on the way to `dir` below fd that exists; *ret_len: how much of it that
 * is. What a link leads to is not asked. */
static int open_deepest(int fd, const char *dir, size_t *ret_len)
{
	int at = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	size_t n = 0;

	if (at < 0)
		return -errno;
	while (dir[n]) {
		size_t skip = dir[n] == '/', len = strcspn(dir + n + skip, "/");
		_cleanup_free_ char *name = xstrndup(dir + n + skip, len);
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0 && errno == ENOENT)
			break;
		fd_close(at);
		if (next < 0)
			return -errno;
		at = next;
		n += skip + len;
	}
	*ret_len = n;
	return at;
}

/* Two directories of one mount: a rename can go from one to the other. */
static bool is_same_mount(int a, int b)
{
	struct statx x, y;

	if (statx(a, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &x) < 0 ||
		statx(b, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &y) < 0)
		return false;
	if (x.stx_dev_major != y.stx_dev_major || x.stx_dev_minor != y.stx_dev_minor)
		return false;
	/* Before Linux 5.8 the rename itself tells, too late. */
	return !(x.stx_mask & y.stx_mask & STATX_MNT_ID) || x.stx_mnt_id == y.stx_mnt_id;
}

static void random_name(char *to, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[FETCHWORK_RANDOM];

	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes)) {
		usec_t now = clock_realtime_usec();

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)(now >> (5 * i));
	}
	for (size_t i = 0; i < n; i++)
		to[i] = letters[bytes[i] % 32];
}

static int make_staging(struct fetchwork *w, const char *dot)
{
	char tail[FETCHWORK_RANDOM + 1] = "";
	int r = -EEXIST;

	for (int i = 0; i < MAKE_TRIES && r == -EEXIST; i++) {
		random_name(tail, FETCHWORK_RANDOM);
		free(w->staging_name);
		w->staging_name = xasprintf("%s%s%s", dot, w->spec.prefix, tail);
		r = mkdirat(w->parent_fd, w->staging_name, 0700) < 0 ? -errno : 0;
	}
	if (r < 0) {
		free(w->staging_name);
		w->staging_name = NULL;
		return r;
	}
	w->staging_fd = openat(
		w->parent_fd, w->staging_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->staging_fd < 0 || fchmod(w->staging_fd, 0700) < 0)
		return -errno;
	if (w->switch_user && fchown(w->staging_fd, w->cred.uid, w->cred.gid) < 0)
		return -errno;
	return 0;
}

static int open_staging(struct fetchwork *w, struct th_err *err)
{
	_cleanup_free_ char *shown = NULL, *parent = NULL;
	_cleanup_close_ int deepest = -1;
	size_t len = 0;
	bool beside;
	int r;

	deepest = open_deepest(w->spec.base_fd, w->dir, &len);
	if (deepest < 0) {
		shown = path_join(w->spec.base, w->dir);
		return err_set(err, EXIT_CANTCREAT, -deepest, "cannot use the destination '%s': %s",
			shown,
			deepest == -ELOOP || deepest == -ENOTDIR
				? "a file or a link is in the way (remove it)"
				: strerror(-deepest));
	}
	beside =
		w->spec.staging_parent_fd < 0 || !is_same_mount(w->spec.staging_parent_fd, deepest);
	if (beside)
		parent = len ? xasprintf("%s/%.*s", w->spec.base, (int)len, w->dir)
			     : xstrdup(w->spec.base);
	else
		parent = xstrdup(w->spec.staging_parent);
	w->parent_fd =
		beside ? TAKE_FD(deepest) : fcntl(w->spec.staging_parent_fd, F_DUPFD_CLOEXEC, 3);
	r = w->parent_fd < 0 ? -errno
			     : make_staging(w, beside && *w->spec.prefix != '.' ? "." : "");
	if (r < 0)
		return err_set(err, r == -EACCES || r == -EPERM ? EXIT_NOPERM : EXIT_CANTCREAT, -r,
			"cannot make a directory in '%s': %s", parent, strerror(-r));
	w->staging_path = path_join(parent, w->staging_name);
	return 0;
}

static void remove_staging(struct fetchwork *w)
{
	fd_close(w->staging_fd);
	if (w->staging_name)
		(void)rmtree_at(w->parent_fd, w->staging_name, NULL, NULL, NULL);
	fd_close(w->parent_fd);
}

void fetchwork_remove_left(int parent_fd, const char *prefix)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	size_t n = strlen(prefix);
	struct dirent *e;
	DIR *d = NULL;

	if (fd_opendir(parent_fd, &d) < 0)
		return;
	while ((e = readdir(d)))
		if (str_starts_with(e->d_name, prefix) && strlen(e->d_name + n) == FETCHWORK_RANDOM)
			strv_add(&names, e->d_name);
	closedir(d);
	for (size_t i = 0; i < names.n; i++)
		(void)rmtree_at(parent_fd, names.v[i], NULL, NULL, NULL);
}

/* ---- its way --------------------------------------------------------------------------------- */

/* Root hands the work to somebody who can do less. */
static int choose_user(struct fetchwork *w, struct th_err *err)
{
	static char *const no_groups[] = {NULL};
	const char *user = w->spec.settings->user;
	int r;

	if (geteuid() != 0)
		return 0;
	if (strcmp(user, "auto") != 0) {
		r = cred_lookup(user, no_groups, &w->cred, err);
		if (r < 0)
			err_prefix(err, "[fetch] user");
	} else {
		r = cred_lookup(FETCH_USER, no_groups, &w->cred, NULL);
		if (r < 0)
			r = cred_lookup(FETCH_USER_FALLBACK, no_groups, &w->cred, err);
	}
	if (r < 0)
		return r;
	w->switch_user = w->cred.uid != 0;
	return 0;
}

static void split_destination(struct fetchwork *w)
{
	const char *destination = w->spec.artifact->destination;
	const char *slash = strrchr(destination, '/');

	if (w->spec.artifact->mode != ARTIFACT_FILE) {
		w->dir = xstrdup(destination);
		return;
	}
	w->dir = slash ? xstrndup(destination, (size_t)(slash - destination)) : xstrdup("");
	w->name = xstrdup(slash ? slash + 1 : destination);
}

static int start_helper(struct fetchwork *w, struct th_err *err)
{
	_cleanup_fetchjob_ struct fetchjob job = FETCHJOB_INIT;
	_cleanup_free_ char *helper = NULL;
	struct fetch_spec spec;
	int r = fetch_find_helper(proc_own_program(), &helper, err);

	if (r == 0)
		r = fetchjob_make(w->spec.artifact, w->spec.settings, &w->spec.known, &job, err);
	if (r == 0)
		r = open_staging(w, err);
	if (r < 0)
		return r;
	spec = (struct fetch_spec){
		.loop = w->spec.loop,
		.helper = helper,
		.cred = w->switch_user ? &w->cred : NULL,
		.cgroup_fd = w->spec.cgroup_fd,
		.staging_fd = w->staging_fd,
		.staging_path = w->staging_path,
		.timeout = w->spec.artifact->timeout,
		.tell = w->spec.tell,
		.line = w->spec.line,
		.arg = w->spec.arg,
	};
	return fetch_start(&spec, &job, &w->fetch, err);
}

int fetchwork_start(const struct fetchwork_spec *spec, struct fetchwork **ret, struct th_err *err)
{
	struct fetchwork *w = xcalloc(1, sizeof(*w));
	int r;

	*w = (struct fetchwork){
		.spec = *spec, .parent_fd = -1, .staging_fd = -1, .tree = PUBLISH_TREE_INIT};
	split_destination(w);
	r = choose_user(w, err);
	if (r == 0)
		r = start_helper(w, err);
	if (r < 0) {
		fetchwork_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct fetch *fetchwork_fetch(struct fetchwork *w)
{
	return w->fetch;
}

/* What the helper's last word has to agree with. */
static int check_result(struct fetchwork *w, struct th_err *err)
{
	if (w->tree.is_dir != w->event.is_dir)
		return err_set(err, EXIT_INTERNAL, EPROTO,
			"the helper said that it left a %s, and left something else",
			w->event.is_dir ? "directory" : "file");
	if (w->tree.is_dir && w->name)
		return err_set(err, EXIT_DATAERR, EISDIR,
			"it is a directory, and mode = file wants a file (mode = any takes both)");
	if (!w->tree.is_dir && !w->name && !w->event.filename)
		return err_set(err, EXIT_CONFIG, EINVAL,
			"neither the source nor the server gives a name for the file (set "
			"filename)");
	if (!w->name && !w->tree.is_dir)
		w->name = xstrdup(w->event.filename);
	return 0;
}

int fetchwork_collect(struct fetchwork *w, struct th_err *err)
{
	const struct artifact *a = w->spec.artifact;
	uint64_t max_bytes = MAX(a->max_unpacked, a->max_size);
	struct publish_limits limits = {.max_files = a->max_files,
		.max_bytes = max_bytes,
		.max_depth = w->spec.settings->max_depth};
	int r = fetch_finish(w->fetch, &w->event, err);

	if (r < 0)
		return r;
	if (w->event.kind == FETCH_EVENT_UNCHANGED)
		return w->spec.known.digest || w->spec.known.etag || w->spec.known.last_modified
			       ? 0
			       : err_set(err, EXIT_INTERNAL, EPROTO,
					 "the helper said that nothing is new, and nothing is "
					 "there");
	/* From here on nobody but us gets into it, whoever else runs as that user. */
	if (w->switch_user && fchown(w->staging_fd, geteuid(), getegid()) < 0)
		return err_set(err, EXIT_CANTCREAT, errno, "cannot set the owner of '%s': %m",
			w->staging_path);
	r = publish_scan(w->staging_fd, &limits, &w->tree, err);
	return r < 0 ? r : check_result(w, err);
}

bool fetchwork_is_unchanged(const struct fetchwork *w)
{
	return w->event.kind == FETCH_EVENT_UNCHANGED;
}

const struct fetch_event *fetchwork_event(const struct fetchwork *w)
{
	return &w->event;
}

const struct publish_tree *fetchwork_tree(const struct fetchwork *w)
{
	return &w->tree;
}

char *fetchwork_target(const struct fetchwork *w, const struct publish_entry *entry)
{
	const char *path = entry ? entry->path : w->name;

	return xasprintf("%s%s%s", w->dir, *w->dir ? "/" : "", path);
}

int fetchwork_publish(struct fetchwork *w, uid_t uid, gid_t gid, struct th_err *err)
{
	_cleanup_cred_ struct cred owner = {.groups = NULL};
	struct publish_where where = {.base_fd = w->spec.base_fd,
		.base = w->spec.base,
		.dir = w->dir,
		.name = w->name,
		.uid = uid,
		.gid = gid};
	int r = 0;

	if (w->spec.artifact->chown) {
		r = cred_lookup(w->spec.artifact->chown, NULL, &owner, err);
		if (r < 0) {
			err_prefix(err, "chown");
			return r;
		}
		where.uid = owner.uid;
		where.gid = owner.gid;
	}
	if (where.uid != (uid_t)-1)
		r = publish_set_owner(&w->tree, where.uid, where.gid, err);
	return r < 0 ? r : publish_tree(&w->tree, &where, err);
}

struct fetchwork *fetchwork_free(struct fetchwork *w)
{
	if (!w)
		return NULL;
	fetch_free(w->fetch);
	publish_done(&w->tree);
	remove_staging(w);
	fetch_event_done(&w->event);
	cred_done(&w->cred);
	free(w->dir);
	free(w->name);
	free(w->staging_name);
	free(w->staging_path);
	free(w);
	return NULL;
}
