#include "config.h"

#include "os/trim.h"

#include "os/spawn.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Less than the 132 KiB that a stack has from its start (Linux, stack_guard_gap and the like): the
 * range is mapped. */
#define STACK_BELOW ((uintptr_t)96 * 1024)

static void trim_stack(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	/* Two pages are left for what is called from here on, the red zone among it. */
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) & ~(page - 1)) - 2 * page;

	/* Pages below the stack pointer hold nothing that anybody will read. */
	(void)madvise((void *)(end - STACK_BELOW), STACK_BELOW, MADV_DONTNEED);
}

void trim_unused_memory(void)
{
	spawn_trim();
	(void)malloc_trim(0);
	trim_stack();
}
