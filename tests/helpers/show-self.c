/*
 *     show-self [wait]
 *
 * Prints what it was started with, one thing a line: "pid 12", "fd 1 pipe:[345]", "limit 7 1024
 * 4096". With `wait` it stays until it is killed.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void show_ids(void)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg, groups[256];
	int n;

	printf("pid %d\nppid %d\npgid %d\nsid %d\n", (int)getpid(), (int)getppid(), (int)getpgrp(),
		(int)getsid(0));
	if (getresuid(&ru, &eu, &su) == 0)
		printf("uid %u %u %u\n", ru, eu, su);
	if (getresgid(&rg, &eg, &sg) == 0)
		printf("gid %u %u %u\n", rg, eg, sg);
	n = getgroups(256, groups);
	printf("groups");
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	printf("\n");
}

static void show_fds(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[32], target[PATH_MAX];
		ssize_t n;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target));
		printf("fd %d %.*s\n", fd, n > 0 ? (int)n : 1, n > 0 ? target : "?");
	}
}

static void show_signals(void)
{
	sigset_t mask;

	printf("blocked");
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&mask, sig) == 1)
			printf(" %d", sig);
	printf("\nignored");
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			printf(" %d", sig);
	}
	printf("\n");
}

static void show_file(const char *word, const char *path, const char *line_start)
{
	FILE *f = fopen(path, "re");
	char line[PATH_MAX];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, line_start, strlen(line_start)) == 0)
			printf("%s %s", word, line + strlen(line_start));
	if (f)
		(void)fclose(f);
}

int main(int argc, char **argv)
{
	char cwd[PATH_MAX];
	mode_t mask = umask(0);
	int death_signal = 0;

	(void)alarm(60);
	for (int i = 0; i < argc; i++)
		printf("arg %d %s\n", i, argv[i]);
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
	show_fds();
	show_ids();
	show_signals();
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)i, &l) == 0)
			printf("limit %d %llu %llu\n", i, (unsigned long long)l.rlim_cur,
				(unsigned long long)l.rlim_max);
	}
	if (getcwd(cwd, sizeof(cwd)))
		printf("cwd %s\n", cwd);
	printf("umask %04o\n", mask);
	errno = 0;
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	if (prctl(PR_GET_PDEATHSIG, &death_signal) == 0)
		printf("death-signal %d\n", death_signal);
	show_file("oom-score-adj", "/proc/self/oom_score_adj", "");
	show_file("cgroup", "/proc/self/cgroup", "0::");
	printf("end\n");
	(void)fflush(stdout);
	while (argc > 1 && strcmp(argv[1], "wait") == 0)
		(void)pause();
	return 0;
}
