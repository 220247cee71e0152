/*
 * Times log capture: logflow ROUNDS TOTAL CHUNK DIRECTORY :: NAME COMMAND [ARG...] [:: ...]...
 *
 * In each of ROUNDS rounds every command is run once, one after the other, in an empty directory
 * of its own below DIRECTORY, while a producer writes TOTAL bytes to it in writes of CHUNK bytes
 * (lines of 100 bytes). The command reads them from its stdin; a command whose NAME begins with
 * "+" starts the producer itself: its argument "{}" stands for the producer's command line, and
 * the producer's own CPU time is taken off its account.
 *
 * Prints for each: NAME, median, least and most MB/s, and the median of the CPU seconds of the
 * capturing side for a GiB, separated by tabs. What the commands themselves print is thrown away,
 * stderr unless something fails. A command that does not end with status 0 ends the whole with 1.
 *
 * logflow --write TOTAL CHUNK CPU_FILE is that producer.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16
#define LINE_SIZE    100

struct command {
	const char *name;
	char **argv;
	double *rate, *cpu;
};

static unsigned long long total, chunk;
static const char *total_text, *chunk_text, *base;
static char self[4096];

static void die(const char *what)
{
	fprintf(stderr, "logflow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double seconds(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static int produce(const char *cpu_file)
{
	char *data = malloc(chunk);
	struct rusage u;

	if (!data)
		return 1;
	for (size_t i = 0; i < chunk; i++)
		data[i] = i % LINE_SIZE == LINE_SIZE - 1 ? '\n' : (char)('a' + i % 26);
	data[chunk - 1] = '\n';
	for (unsigned long long left = total; left > 0;) {
		ssize_t n = write(STDOUT_FILENO, data, left < chunk ? left : chunk);

		if (n < 0) {
			free(data);
			return 1;
		}
		left -= (unsigned long long)n;
	}
	free(data);
	if (cpu_file && getrusage(RUSAGE_SELF, &u) == 0) {
		FILE *f = fopen(cpu_file, "we");

		if (!f || fprintf(f, "%f\n", seconds(&u)) < 0 || fclose(f) != 0)
			return 1;
	}
	return 0;
}

static double read_cpu(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[64];

	if (!f || !fgets(line, sizeof(line), f))
		die(path);
	fclose(f);
	return strtod(line, NULL);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* argv with "{}" replaced by the producer's command line. */
static char **with_producer(char **argv, char *cpu_file)
{
	static char *out[256];
	size_t n = 0;

	for (; *argv && n < 250; argv++) {
		if (strcmp(*argv, "{}") != 0) {
			out[n++] = *argv;
			continue;
		}
		out[n++] = self;
		out[n++] = (char *)"--write";
		out[n++] = (char *)total_text;
		out[n++] = (char *)chunk_text;
		out[n++] = cpu_file;
	}
	out[n] = NULL;
	return out;
}

static pid_t start(const struct command *c, const char *dir, int in, char *cpu_file)
{
	pid_t pid = fork();
	int null;

	if (pid != 0)
		return pid;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (chdir(dir) < 0 || dup2(in >= 0 ? in : null, 0) < 0 || dup2(null, 1) < 0)
		_exit(125);
	execvp(c->argv[0], *c->name == '+' ? with_producer(c->argv, cpu_file) : c->argv);
	_exit(127);
}

static void run_once(struct command *c, int round)
{
	char dir[4096], cpu_file[4200];
	int fds[2] = {-1, -1}, status;
	pid_t producer = -1, capture;
	struct rusage usage;
	double begin;

	snprintf(dir, sizeof(dir), "%s/flow.XXXXXX", base);
	if (!mkdtemp(dir))
		die(dir);
	snprintf(cpu_file, sizeof(cpu_file), "%s/producer-cpu", dir);
	begin = now();
	if (*c->name != '+') {
		if (pipe2(fds, O_CLOEXEC) < 0)
			die("pipe");
		producer = fork();
		if (producer == 0) {
			if (dup2(fds[1], STDOUT_FILENO) < 0)
				_exit(1);
			close(fds[0]);
			close(fds[1]);
			_exit(produce(NULL));
		}
	}
	capture = start(c, dir, fds[0], cpu_file);
	if (capture < 0)
		die("fork");
	if (fds[0] >= 0) {
		close(fds[0]);
		close(fds[1]);
		if (waitpid(producer, &status, 0) != producer || status != 0) {
			fprintf(stderr, "logflow: %s did not read all of it\n", c->name);
			exit(1);
		}
	}
	if (wait4(capture, &status, 0, &usage) != capture || status != 0) {
		fprintf(stderr, "logflow: %s ended with wait status %d\n", c->name, status);
		exit(1);
	}
	c->rate[round] = (double)total / 1e6 / (now() - begin);
	c->cpu[round] = seconds(&usage);
	if (*c->name == '+')
		c->cpu[round] -= read_cpu(cpu_file);
	c->cpu[round] *= (double)(1 << 30) / (double)total;
	if (nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0)
		die(dir);
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
	int n = 0, rounds;
	ssize_t len;

	if (argc >= 5 && strcmp(argv[1], "--write") == 0) {
		total = strtoull(argv[2], NULL, 10);
		chunk = strtoull(argv[3], NULL, 10);
		return chunk ? produce(argv[4]) : 64;
	}
	if (argc < 8) {
		fputs("usage: logflow ROUNDS TOTAL CHUNK DIRECTORY :: NAME COMMAND [ARG...]\n",
			stderr);
		return 64;
	}
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		die("/proc/self/exe");
	rounds = (int)strtol(argv[1], NULL, 10);
	total_text = argv[2];
	chunk_text = argv[3];
	total = strtoull(total_text, NULL, 10);
	chunk = strtoull(chunk_text, NULL, 10);
	base = argv[4];
	for (int i = 5; i < argc; i++) {
		if (strcmp(argv[i], "::") != 0)
			continue;
		argv[i] = NULL;
		if (i + 2 >= argc || n == COMMANDS_MAX)
			return 64;
		commands[n].name = argv[i + 1];
		commands[n].argv = argv + i + 2;
		commands[n].rate = calloc((size_t)rounds, sizeof(double));
		commands[n].cpu = calloc((size_t)rounds, sizeof(double));
		n++;
	}
	if (rounds < 1 || total == 0 || chunk == 0 || n == 0)
		return 64;
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++)
			run_once(&commands[i], r);
	for (int i = 0; i < n; i++) {
		struct command *c = &commands[i];
		double middle = median(c->rate, rounds), cpu = median(c->cpu, rounds);

		printf("%s\t%.0f\t%.0f\t%.0f\t%.2f\n", c->name + (*c->name == '+'), middle,
			c->rate[0], c->rate[rounds - 1], cpu);
		free(c->rate);
		free(c->cpu);
	}
	return 0;
}
