# taskhook-fetch, the helper program that fetches artifacts: on F0 to F2, and nothing in src/
# includes it.
th_fetch_SOURCES = \
	src/fetch/detect.c \
	src/fetch/detect.h \
	src/fetch/event.c \
	src/fetch/event.h \
	src/fetch/job.c \
	src/fetch/job.h \
	src/fetch/ring.c \
	src/fetch/ring.h \
	src/fetch/transfer.c \
	src/fetch/transfer.h \
	src/fetch/unpack.h
