th_os_SOURCES = \
	src/os/cglimit.c \
	src/os/cglimit.h \
	src/os/cgroup-internal.h \
	src/os/cgroup-tree.c \
	src/os/cgroup.c \
	src/os/cgroup.h \
	src/os/cgstat.c \
	src/os/cgstat.h \
	src/os/cred.c \
	src/os/cred.h \
	src/os/hostip.c \
	src/os/hostip.h \
	src/os/loop.c \
	src/os/loop.h \
	src/os/mount.c \
	src/os/mount.h \
	src/os/proc.c \
	src/os/proc.h \
	src/os/procstat.c \
	src/os/procstat.h \
	src/os/proctree.c \
	src/os/proctree.h \
	src/os/spawn.c \
	src/os/spawn.h \
	src/os/trim.c \
	src/os/trim.h
