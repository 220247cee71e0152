th_base_SOURCES = \
	src/base/alloc.c src/base/alloc.h \
	src/base/bars.c src/base/bars.h \
	src/base/clock.c src/base/clock.h \
	src/base/error.c src/base/error.h \
	src/base/fd.c src/base/fd.h \
	src/base/fileio.c src/base/fileio.h \
	src/base/lockfile.c src/base/lockfile.h \
	src/base/log.c src/base/log.h \
	src/base/macro.h \
	src/base/parse.c src/base/parse.h \
	src/base/path.c src/base/path.h \
	src/base/rmtree.c src/base/rmtree.h \
	src/base/str.c src/base/str.h \
	src/base/suggest.c src/base/suggest.h \
	src/base/syslog.c src/base/syslog.h \
	src/base/treelink.c src/base/treelink.h \
	src/base/trust.c src/base/trust.h \
	src/base/userfile.c src/base/userfile.h \
	src/base/words.c src/base/words.h
