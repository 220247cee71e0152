# taskhook-fetch, the helper program that fetches artifacts: on F0 to F2, and nothing in src/
# includes it.
th_fetch_SOURCES = \
	src/fetch/checksum.c \
	src/fetch/checksum.h \
	src/fetch/client.c \
	src/fetch/client.h \
	src/fetch/detect.c \
	src/fetch/detect.h \
	src/fetch/event.c \
	src/fetch/event.h \
	src/fetch/fetch.c \
	src/fetch/fetch.h \
	src/fetch/git.c \
	src/fetch/git.h \
	src/fetch/git_size.c \
	src/fetch/git_size.h \
	src/fetch/header.c \
	src/fetch/header.h \
	src/fetch/job.c \
	src/fetch/job.h \
	src/fetch/pack.c \
	src/fetch/pack.h \
	src/fetch/retry.c \
	src/fetch/retry.h \
	src/fetch/ring.c \
	src/fetch/ring.h \
	src/fetch/sandbox.c \
	src/fetch/sandbox.h \
	src/fetch/transfer.c \
	src/fetch/transfer.h \
	src/fetch/unpack.c \
	src/fetch/unpack.h \
	src/fetch/unpack_decode.c \
	src/fetch/unpack_decode.h \
	src/fetch/unpack_feed.c \
	src/fetch/unpack_feed.h \
	src/fetch/unpack_limits.h \
	src/fetch/unpack_reason.c \
	src/fetch/unpack_reason.h \
	src/fetch/unpack_tree.c \
	src/fetch/unpack_tree.h
