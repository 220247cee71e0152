#ifndef TH_OS_PROGRAM_H
#define TH_OS_PROGRAM_H

/* Which file a program's name stands for, and why a file could not be executed. */

/* Finds an executable: `name` with a slash is taken as it is (relative: below `cwd`), else looked
 * up in `path_env` (NULL: the system's, confstr(3)) as execvp(3) does; an EACCES on the way wins
 * over ENOENT. `cwd` is absolute, or NULL for our own. *ret is absolute; the caller frees it.
 * -ENOENT; -EACCES: there is only what is no regular file or nobody may execute; -errno. */
int program_find(const char *name, const char *path_env, const char *cwd, char **ret);

/* Why did execve fail with the (positive) `errnum`? For a script whose interpreter is missing or
 * not executable: "its interpreter '/bin/foo' does not exist"; without "#!" and ENOEXEC: "it has no
 * '#!' line and is no program"; else strerror. For messages, so a guess where the file has changed
 * since. The caller frees it. */
char *program_explain_exec(const char *path, int errnum);

/* The same before it is tried, of an executable file: what its first bytes tell. NULL: nothing that
 * would fail, or it cannot be read. The caller frees it. */
char *program_problem(const char *path);

#endif
