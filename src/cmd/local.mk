th_cmd_SOURCES = \
	src/cmd/cmd_logs.h \
	src/cmd/cmd_logs.c \
	src/cmd/cmd.c \
	src/cmd/cmd.h \
	src/cmd/cmd_cleanup.c \
	src/cmd/cmd_cleanup.h \
	src/cmd/cmd_config.c \
	src/cmd/cmd_config.h \
	src/cmd/cmd_hooks.c \
	src/cmd/cmd_hooks.h \
	src/cmd/cmd_list.c \
	src/cmd/cmd_list.h \
	src/cmd/cmd_run.c \
	src/cmd/cmd_run.h \
	src/cmd/cmd_status.c \
	src/cmd/cmd_status.h \
	src/cmd/cmd_tables.c \
	src/cmd/cmd_tables.h \
	src/cmd/dispatch.c \
	src/cmd/dispatch.h \
	src/cmd/task_options.c \
	src/cmd/task_options.h \
	src/cmd/task_view.c \
	src/cmd/task_view.h
