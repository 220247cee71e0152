/*
 * Checks in a process to which a seccomp filter refuses one system call, as an old kernel or a
 * container's filter would.
 */
#ifndef TH_TESTS_REFUSED_H
#define TH_TESTS_REFUSED_H

#include "tests/unit/tap.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool refused_call(int nr, int errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Calls `checks` where the system call `nr` fails with `errnum`; their results count here. */
static inline void refused_run(int nr, int errnum, void (*checks)(void))
{
	struct tap_state *after = mmap(
		NULL, sizeof(*after), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1;
	pid_t pid;

	if (after == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!refused_call(nr, errnum))
			_exit(77);
		checks();
		*after = tap_state;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bail("no child: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(1, "no seccomp filters here");
	else if (status != 0)
		ok(false, "the checks without system call %d ended with wait status %d", nr,
			status);
	else
		tap_state = *after;
	(void)munmap(after, sizeof(*after));
}

#endif
