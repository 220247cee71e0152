# One program a line, made of tests/unit/test-NAME.c, with its path as here.
unit_tests = \
	tests/unit/test-alloc \
	tests/unit/test-clock \
	tests/unit/test-error \
	tests/unit/test-fd \
	tests/unit/test-log \
	tests/unit/test-trust \
	tests/unit/test-str \
	tests/unit/test-suggest \
	tests/unit/test-parse \
	tests/unit/test-words \
	tests/unit/test-fileio \
	tests/unit/test-lockfile \
	tests/unit/test-path \
	tests/unit/test-rmtree \
	tests/unit/test-treelink \
	tests/unit/test-logruns \
	tests/unit/test-cred \
	tests/unit/test-hostip \
	tests/unit/test-loop \
	tests/unit/test-proc \
	tests/unit/test-proctree \
	tests/unit/test-spawn \
	tests/unit/test-point \
	tests/unit/test-rotate \
	tests/unit/test-logfile \
	tests/unit/test-logpump \
	tests/unit/test-hooklog \
	tests/unit/test-name \
	tests/unit/test-hook \
	tests/unit/test-hookdir \
	tests/unit/test-hookresult \
	tests/unit/test-hookenv \
	tests/unit/test-hookrun \
	tests/unit/test-conf \
	tests/unit/test-ini \
	tests/unit/test-keys \
	tests/unit/test-task \
	tests/unit/test-state \
	tests/unit/test-record \
	tests/unit/test-layout \
	tests/unit/test-cglimit \
	tests/unit/test-cgstat \
	tests/unit/test-ring \
	tests/unit/test-detect \
	tests/unit/test-unpack \
	tests/unit/test-unpack-hostile \
	tests/unit/test-mount \
	tests/unit/test-cgroup \
	tests/unit/test-checksum \
	tests/unit/test-sandbox \
	tests/unit/test-source \
	tests/unit/test-goduration \
	tests/unit/test-jsonpath \
	tests/unit/test-value

noinst_HEADERS = tests/unit/tempdir.h tests/unit/no-openat2.h tests/unit/cgtest.h tests/unit/helper.h tests/unit/refused.h tests/unit/archives.h
