#include "config.h"

#include "os/program.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* 0; -EACCES: it is there but cannot be executed; -errno. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* dir/name, made absolute against cwd. */
static char *join_program(const char *dir, const char *name, const char *cwd)
{
	_cleanup_free_ char *base = NULL, *here = NULL;

	if (path_is_absolute(name))
		return xstrdup(name);
	if (path_is_absolute(dir))
		return path_join(dir, name);
	if (!cwd) {
		here = getcwd(NULL, 0);
		if (!here)
			return NULL;
		cwd = here;
	}
	if (!*dir)
		return path_join(cwd, name);
	base = path_join(cwd, dir);
	return path_join(base, name);
}

static char *system_path(void)
{
	size_t n = confstr(_CS_PATH, NULL, 0);
	char *s = xmalloc(n + 1);

	s[0] = '\0';
	(void)confstr(_CS_PATH, s, n);
	return s;
}

int program_find(const char *name, const char *path_env, const char *cwd, char **ret)
{
	_cleanup_free_ char *standard = NULL, *dirs = NULL;
	char *rest, *dir;
	int result = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (!path_env) {
		standard = system_path();
		path_env = standard;
	}
	/* One empty directory, which stands for cwd. */
	dirs = xstrdup(strchr(name, '/') ? "" : path_env);
	rest = dirs;
	while ((dir = strsep(&rest, ":"))) {
		_cleanup_free_ char *path = join_program(dir, name, cwd);
		int r = path ? check_executable(path) : -errno;

		if (r == 0) {
			*ret = TAKE_PTR(path);
			return 0;
		}
		/* What execvp(3) passes over; anything else is no matter of this directory. */
		if (r == -EACCES)
			result = r;
		else if (r != -ENOENT && r != -ENOTDIR && r != -ESTALE && r != -ENODEV &&
			 r != -ETIMEDOUT)
			return r;
	}
	return result;
}

/* What a kernel reads of a file to tell what it is (BINPRM_BUF_SIZE, since Linux 5.1). */
#define EXEC_HEAD_MAX 256

/* The interpreter of a "#!" line as binfmt_script cuts it out, in place; NULL where there is none.
 */
static char *find_interpreter(char *head)
{
	char *s = head + 2;

	if (head[0] != '#' || head[1] != '!')
		return NULL;
	s[strcspn(s, "\n")] = '\0';
	s += strspn(s, " \t");
	s[strcspn(s, " \t")] = '\0';
	return s;
}

static char *explain_interpreter(const char *interpreter, int errnum)
{
	_cleanup_free_ char *shown = str_escape(interpreter, 0);
	int r = check_executable(interpreter);

	if (!*interpreter)
		return xstrdup("its '#!' line names no interpreter");
	if (str_ends_with(interpreter, "\r"))
		return xasprintf(
			"its interpreter '%s' does not exist: its lines end in CR LF, as on "
			"Windows",
			shown);
	if (r == -ENOENT || r == -ENOTDIR)
		return xasprintf("its interpreter '%s' does not exist", shown);
	if (r == -EACCES)
		return xasprintf("its interpreter '%s' is not executable", shown);
	return xasprintf("its interpreter '%s': %s", shown, strerror(errnum));
}

char *program_explain_exec(const char *path, int errnum)
{
	_cleanup_close_ int fd = -1;
	char head[EXEC_HEAD_MAX + 1] = "";
	char *interpreter;
	struct statvfs vfs;
	struct stat st;
	ssize_t n;
	int r;

	if (errnum != ENOENT && errnum != EACCES && errnum != ENOEXEC && errnum != ELOOP)
		return xstrdup(strerror(errnum));
	if (stat(path, &st) < 0)
		return xstrdup(strerror(errnum));
	if (!S_ISREG(st.st_mode))
		return xstrdup(S_ISDIR(st.st_mode) ? "it is a directory" : "it is no regular file");
	r = check_executable(path);
	if (errnum == EACCES && r == -EACCES)
		return xasprintf("it is not executable (mode %04o)", (unsigned)st.st_mode & 07777);
	if (errnum == EACCES && statvfs(path, &vfs) == 0 && vfs.f_flag & ST_NOEXEC)
		return xstrdup("its file system is mounted noexec");

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	n = fd < 0 ? -1 : fd_read_full(fd, head, EXEC_HEAD_MAX);
	if (n < 0)
		return xstrdup(strerror(errnum));
	head[n] = '\0';
	interpreter = find_interpreter(head);
	if (interpreter)
		return explain_interpreter(interpreter, errnum);
	if (n >= 4 && memcmp(head, "\177ELF", 4) == 0) {
		if (errnum == ENOENT)
			return xstrdup("the dynamic loader that it asks for does not exist");
		if (errnum == ENOEXEC)
			return xstrdup("it was made for another kind of machine, or is damaged");
	} else if (errnum == ENOEXEC) {
		return xstrdup(n == 0 ? "it is empty" : "it has no '#!' line and is no program");
	}
	return xstrdup(strerror(errnum));
}

char *program_problem(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char head[EXEC_HEAD_MAX + 1] = "";
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, head, EXEC_HEAD_MAX);
	char *interpreter;
	int r;

	if (n < 0)
		return NULL;
	head[n] = '\0';
	interpreter = find_interpreter(head);
	if (interpreter) {
		r = check_executable(interpreter);
		/* A relative one is looked for where the hook will run. */
		if (r == 0 || (*interpreter && !path_is_absolute(interpreter)))
			return NULL;
		return explain_interpreter(interpreter, -r);
	}
	if (n == 0)
		return xstrdup("it is empty");
	/* Of programs, binfmt_misc's among them, the kernel alone knows. */
	return memchr(head, '\0', (size_t)n) || str_starts_with(head, "\177ELF")
		       ? NULL
		       : xstrdup("it has no '#!' line and is no program");
}
