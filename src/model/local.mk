th_model_SOURCES = \
	src/model/artifact.c \
	src/model/artifact.h \
	src/model/hook.c \
	src/model/hook.h \
	src/model/jsonio.c \
	src/model/jsonio.h \
	src/model/layout.c \
	src/model/layout.h \
	src/model/name.c \
	src/model/name.h \
	src/model/point.c \
	src/model/point.h \
	src/model/record.c \
	src/model/record.h \
	src/model/request.c \
	src/model/request.h \
	src/model/result.c \
	src/model/result.h \
	src/model/rotate.c \
	src/model/rotate.h \
	src/model/state.c \
	src/model/state.h \
	src/model/task-internal.h \
	src/model/task-json.c \
	src/model/task.c \
	src/model/task.h
