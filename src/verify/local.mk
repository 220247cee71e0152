th_verify_SOURCES = \
	src/verify/goduration.c \
	src/verify/goduration.h \
	src/verify/value.c \
	src/verify/value.h
