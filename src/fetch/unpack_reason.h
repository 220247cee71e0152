#ifndef TH_FETCH_UNPACK_REASON_H
#define TH_FETCH_UNPACK_REASON_H

struct archive;

/* Why libarchive failed, fit for a line of a message: its texts may end in a newline and hold bytes
 * of the archive. Never NULL; the caller frees it. */
char *unpack_reason(struct archive *a);

#endif
