# taskhook-verify, the helper program that measures: on F0 to F2, and nothing in src/ includes it.
th_verify_SOURCES = \
	src/verify/args.c \
	src/verify/args.h \
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
	src/verify/load.c \
	src/verify/load.h \
	src/verify/load_ini.c \
	src/verify/load_yaml.c \
	src/verify/options.c \
	src/verify/options.h \
	src/verify/regex.c \
	src/verify/regex.h \
	src/verify/tmpl.c \
	src/verify/tmpl.h \
	src/verify/value.c \
	src/verify/value.h
