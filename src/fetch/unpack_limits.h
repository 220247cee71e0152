#ifndef TH_FETCH_UNPACK_LIMITS_H
#define TH_FETCH_UNPACK_LIMITS_H

#include <stdint.h>

/* A number that is reached exactly is no failure, one more is. */
struct unpack_limits {
	uint64_t max_unpacked; /* bytes of all files, holes included; not for a file that is copied
				  as it is */
	uint64_t max_files;    /* members of every type, and directories made for them */
	uint64_t max_depth;    /* components of a member's path */
};

#endif
