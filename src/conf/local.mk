th_conf_SOURCES = \
	src/conf/conf.c \
	src/conf/conf.h \
	src/conf/ini.c \
	src/conf/ini.h \
	src/conf/keys.c \
	src/conf/keys.h \
	src/conf/source.c \
	src/conf/source.h \
	src/conf/value.c \
	src/conf/value.h
