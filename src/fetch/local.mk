# taskhook-fetch, the helper program that fetches artifacts: on F0 to F2, and nothing in src/
# includes it.
th_fetch_SOURCES = \
	src/fetch/event.c \
	src/fetch/event.h \
	src/fetch/job.c \
	src/fetch/job.h \
	src/fetch/transfer.c \
	src/fetch/transfer.h
