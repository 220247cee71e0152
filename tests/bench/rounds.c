/*
 * Times commands against each other: rounds N :: NAME COMMAND [ARG...] [:: NAME COMMAND
 * [ARG...]]...
 *
 * In each of N rounds every command is run once, one after the other, so that what disturbs the
 * machine disturbs all of them alike. Prints for each: NAME, median, least and most wall-clock time
 * in microseconds, and the median of its CPU time with all that it waited for, separated by tabs.
 * stdin and stdout are /dev/null; stderr too unless something fails. A command that does not end
 * with status 0 ends the whole with 1: nothing is timed that did not work. The program that
 * ROUNDS_BEFORE names is run before each command, without being timed.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define COMMANDS_MAX 32

struct command {
	const char *name;
	char **argv;
	double *wall, *cpu;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec * 1e6 + (double)t->tv_usec;
}

static int prepare(void)
{
	char *argv[] = {getenv("ROUNDS_BEFORE"), NULL};
	int status;
	pid_t pid;

	if (!argv[0])
		return 0;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status == 0 ? 0 : -1;
}

static int run_once(struct command *c, const posix_spawn_file_actions_t *quiet, int round)
{
	struct rusage usage;
	double begin = now();
	int status;
	pid_t pid;
	int r = posix_spawnp(&pid, c->argv[0], quiet, NULL, c->argv, environ);

	if (r) {
		fprintf(stderr, "rounds: %s: %s\n", c->argv[0], strerror(r));
		return -1;
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -1;
	c->wall[round] = now() - begin;
	c->cpu[round] = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "rounds: %s ended with wait status %d\n", c->name, status);
		return -1;
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int main(int argc, char **argv)
{
	static struct command commands[COMMANDS_MAX];
	posix_spawn_file_actions_t quiet;
	int n = 0, rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "::") != 0)
			continue;
		argv[i] = NULL;
		if (i + 2 >= argc || n == COMMANDS_MAX)
			break;
		commands[n].name = argv[i + 1];
		commands[n].argv = &argv[i + 2];
		commands[n].wall = calloc((size_t)rounds, sizeof(double));
		commands[n].cpu = calloc((size_t)rounds, sizeof(double));
		n++;
	}
	if (rounds < 1 || n == 0) {
		fprintf(stderr,
			"usage: rounds N :: NAME COMMAND [ARG...] [:: NAME COMMAND [ARG...]]...\n");
		return 64;
	}
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	/* One round that does not count warms caches for all. */
	for (int round = -1; round < rounds; round++)
		for (int i = 0; i < n; i++)
			if (prepare() < 0 ||
				run_once(&commands[i], &quiet, round < 0 ? 0 : round) < 0)
				return 1;
	for (int i = 0; i < n; i++) {
		double mid = median(commands[i].wall, rounds);

		printf("%s\t%.0f\t%.0f\t%.0f\t%.0f\n", commands[i].name, mid, commands[i].wall[0],
			commands[i].wall[rounds - 1], median(commands[i].cpu, rounds));
	}
	return 0;
}
