th_verify_SOURCES = \
	src/verify/expr.c \
	src/verify/expr.h \
	src/verify/expr_builtin.c \
	src/verify/expr_builtin.h \
	src/verify/expr_check.c \
	src/verify/expr_check.h \
	src/verify/expr_eval.c \
	src/verify/expr_eval.h \
	src/verify/expr_parse.c \
	src/verify/expr_parse.h \
	src/verify/expr_tree.c \
	src/verify/expr_tree.h \
	src/verify/goduration.c \
	src/verify/goduration.h \
	src/verify/jsonpath.c \
	src/verify/jsonpath.h \
	src/verify/regex.c \
	src/verify/regex.h \
	src/verify/value.c \
	src/verify/value.h
