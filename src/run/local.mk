th_run_SOURCES = \
	src/run/hookacct.c \
	src/run/hookacct.h \
	src/run/hookdir.c \
	src/run/hookdir.h \
	src/run/hookenv.c \
	src/run/hookenv.h \
	src/run/hookout.c \
	src/run/hookout.h \
	src/run/hookresult.c \
	src/run/hookresult.h \
	src/run/hookrun.c \
	src/run/hookrun.h
