/*
 *     fork-bomb [MAX]
 *
 * Keeps up to MAX (40) processes, each in a session of its own and each replacing those of its
 * children that end. Prints "ready" once there are that many. All of it is over after 20 s.
 */
#include "config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* However they are killed, no more than this are ever born. */
#define BIRTHS_MAX 20000

struct shared {
	atomic_int alive;
	atomic_int births;
	atomic_flag told;
};

__attribute__((noreturn)) static void multiply(struct shared *s, int max)
{
	(void)alarm(20);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			atomic_fetch_sub(&s->alive, 1);
		if (atomic_load(&s->births) > BIRTHS_MAX)
			_exit(0);
		if (atomic_load(&s->alive) < max) {
			pid_t pid;

			atomic_fetch_add(&s->alive, 1);
			atomic_fetch_add(&s->births, 1);
			pid = fork();
			if (pid == 0) {
				(void)setsid();
				(void)alarm(20);
			} else if (pid < 0) {
				atomic_fetch_sub(&s->alive, 1);
			}
			continue;
		}
		if (!atomic_flag_test_and_set(&s->told))
			(void)!write(STDOUT_FILENO, "ready\n", 6);
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

int main(int argc, char **argv)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return 1;
	atomic_store(&s->alive, 1);
	multiply(s, argc > 1 ? (int)strtol(argv[1], NULL, 10) : 40);
}
