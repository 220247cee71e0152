#ifndef TH_OS_TRIM_H
#define TH_OS_TRIM_H

/*
 * Gives memory that is not in use back to the kernel: free pages of the heap, the stack below the
 * caller, the stack of the last start. For a supervisor that is about to sleep as long as its task
 * lives, as thousands of them may on one host. Costs some ten microseconds; what is needed later is
 * taken again.
 */
void trim_unused_memory(void);

#endif
