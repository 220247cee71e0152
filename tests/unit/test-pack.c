#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "base/str.h"
#include "fetch/pack.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LONG_NAME                                                                                  \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"89012345678901234567890123456789012345678901234567890123456789"

static int collect(void *arg, const void *data, size_t n)
{
	strbuf_add(arg, data, n);
	return 0;
}

static int want_no_more(void *arg, const void *data, size_t n)
{
	(void)arg;
	(void)data;
	(void)n;
	return -ECANCELED;
}

static struct pack_spec spec_of(const char *name, struct strbuf *out)
{
	return (struct pack_spec){
		.dirfd = open(tempdir_path("%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.max_bytes = 1000,
		.max_depth = 3,
		.deadline_usec = USEC_INFINITY,
		.write = collect,
		.arg = out};
}

/* "TYPE MODE NAME[ -> TARGET]" for each member, with a newline. */
static char *list(const struct strbuf *packed)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct archive *a = archive_read_new();
	struct archive_entry *entry;

	(void)archive_read_support_format_tar(a);
	if (archive_read_open_memory(a, packed->s, packed->len) != ARCHIVE_OK)
		bail("libarchive cannot read what was packed");
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		char size[32];

		(void)snprintf(size, sizeof(size), "%lld", (long long)archive_entry_size(entry));
		strbuf_addf(&b, "%c %o %s %s%s%s\n",
			archive_entry_filetype(entry) == AE_IFDIR   ? 'd'
			: archive_entry_filetype(entry) == AE_IFLNK ? 'l'
								    : '-',
			archive_entry_filetype(entry) == AE_IFLNK ? 0 : archive_entry_perm(entry),
			size, archive_entry_pathname(entry),
			archive_entry_symlink(entry) ? " -> " : "",
			archive_entry_symlink(entry) ? archive_entry_symlink(entry) : "");
	}
	(void)archive_read_free(a);
	return strbuf_steal(&b);
}

static void make_tree(void)
{
	tempdir_mkdir("tree");
	tempdir_mkdir("tree/.git");
	tempdir_write("tree/.git/config", "x");
	tempdir_mkdir("tree/sub");
	tempdir_mkdir("tree/sub/.git");
	tempdir_mkdir("tree/sub/deep");
	tempdir_write("tree/sub/deep/file", "12345");
	tempdir_write("tree/\xff\n", "");
	tempdir_write("tree/" LONG_NAME, "12345");
	tempdir_symlink("../outside", "tree/link");
	(void)chmod(tempdir_path("tree"), 0755);
	(void)chmod(tempdir_path("tree/sub"), 0700);
	(void)chmod(tempdir_path("tree/sub/deep"), 0750);
	(void)chmod(tempdir_path("tree/sub/deep/file"), 0640);
	(void)chmod(tempdir_path("tree/\xff\n"), 0600);
	(void)chmod(tempdir_path("tree/" LONG_NAME), 0755);
}

static void test_tree(void)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *listed = NULL;
	struct pack_spec spec = spec_of("tree", &out);
	uint64_t bytes = 0;

	spec.without_git = true;
	is_int(pack_directory(&spec, &bytes, &err), 0, "a tree is packed");
	if (err_is_set(&err))
		printf("# %s\n", err.text);
	is_int((intmax_t)bytes, 10, "its bytes are counted");
	listed = list(&out);
	is_str(listed,
		"- 755 5 " LONG_NAME "\n"
		"l 0 0 link -> ../outside\n"
		"d 700 0 sub/\n"
		"d 750 0 sub/deep/\n"
		"- 640 5 sub/deep/file\n"
		"- 600 0 \xff\n\n",
		"all but what is named .git, in order");
	strbuf_reset(&out);
	spec.without_git = false;
	ok(pack_directory(&spec, &bytes, &err) == 0 && memmem(out.s, out.len, ".git/config", 11),
		"and that too");
	(void)close(spec.dirfd);
}

static void test_limits(void)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct pack_spec spec = spec_of("tree", &out);
	uint64_t bytes = 0;

	spec.without_git = true;
	spec.max_bytes = 10;
	is_int(pack_directory(&spec, &bytes, &err), 0, "as many bytes as the limit");
	bytes = 0;
	spec.max_bytes = 9;
	ok(pack_directory(&spec, &bytes, &err) < 0 && err.status == EXIT_DATAERR, "one more");
	err_clear(&err);
	bytes = 0;
	spec.max_bytes = 1000;
	spec.max_depth = 2;
	ok(pack_directory(&spec, &bytes, &err) < 0 && err.status == EXIT_DATAERR &&
			strstr(err.text, "'sub/deep' is deeper"),
		"too deep");
	err_clear(&err);
	spec.max_depth = 3;
	spec.deadline_usec = 0;
	ok(pack_directory(&spec, &bytes, &err) < 0 && err.status == EXIT_UNAVAILABLE, "too late");
	err_clear(&err);
	spec.deadline_usec = USEC_INFINITY;
	spec.write = want_no_more;
	ok(pack_directory(&spec, &bytes, &err) == -ECANCELED && !err_is_set(&err),
		"the other side wants no more");
	(void)close(spec.dirfd);
}

static void test_refused(void)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct pack_spec spec;
	uint64_t bytes = 0;

	tempdir_mkdir("fifo");
	(void)mkfifo(tempdir_path("fifo/p"), 0600);
	spec = spec_of("fifo", &out);
	ok(pack_directory(&spec, &bytes, &err) < 0 && err.status == EXIT_DATAERR &&
			strstr(err.text, "'p' is neither a file"),
		"a FIFO");
	(void)close(spec.dirfd);
}

int main(void)
{
	tempdir_make();
	make_tree();
	test_tree();
	test_limits();
	test_refused();
	return done_testing();
}
