/*
 *     die-at entry|exit SYSCALL N PROGRAM [ARG...]
 *
 * Runs PROGRAM and ends it by SIGKILL when it enters (before anything is done) or leaves (when it
 * is done) its Nth call of SYSCALL; exits with 137 then, and with 99 where it does not come to
 * that. What a kill at any moment leaves is tried so at the moments that matter. Linux 5.3.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long nr;
} calls[] = {
	{"clone3", SYS_clone3},
	{"fgetxattr", SYS_fgetxattr},
	{"fsetxattr", SYS_fsetxattr},
	{"renameat2", SYS_renameat2},
};

static int usage(void)
{
	fprintf(stderr, "usage: die-at entry|exit clone3|fgetxattr|fsetxattr|renameat2 N PROGRAM "
			"[ARG...]\n");
	return 64;
}

/* The program at one stop; true where that is the moment. */
static bool is_the_moment(pid_t pid, unsigned op, unsigned long nr, long *left)
{
	static unsigned long current;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return 0;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		current = info.entry.nr;
	return info.op == op && current == nr && --*left == 0;
}

static int watch(pid_t pid, unsigned op, unsigned long nr, long left)
{
	int status, sig = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
		ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		return 99;
	while (ptrace(PTRACE_SYSCALL, pid, 0, sig) == 0 && waitpid(pid, &status, 0) == pid) {
		sig = 0;
		if (!WIFSTOPPED(status))
			return 99;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		} else if (is_the_moment(pid, op, nr, &left)) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return 128 + SIGKILL;
		}
	}
	return 99;
}

int main(int argc, char **argv)
{
	unsigned op;
	pid_t pid;
	size_t i;

	if (argc < 5)
		return usage();
	(void)alarm(60);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(argv[2], calls[i].name) == 0)
			break;
	if (i == sizeof(calls) / sizeof(calls[0]))
		return usage();
	op = strcmp(argv[1], "entry") == 0 ? PTRACE_SYSCALL_INFO_ENTRY : PTRACE_SYSCALL_INFO_EXIT;
	pid = fork();
	if (pid < 0)
		return 99;
	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[4], argv + 4);
		fprintf(stderr, "die-at: %s: %s\n", argv[4], strerror(errno));
		_exit(127);
	}
	return watch(pid, op, calls[i].nr, strtol(argv[3], NULL, 10));
}
