th_verify_SOURCES = \
	src/verify/goduration.c \
	src/verify/goduration.h \
	src/verify/jsonpath.c \
	src/verify/jsonpath.h \
	src/verify/value.c \
	src/verify/value.h
