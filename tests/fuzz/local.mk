# One target a line, made of tests/fuzz/fuzz-NAME.c, with its path as in tests/fuzz/fuzz-NAME.
# Its cases are in tests/fuzz/corpus/NAME/, a dictionary in tests/fuzz/fuzz-NAME.dict.
fuzz_targets = \
	tests/fuzz/fuzz-parse \
	tests/fuzz/fuzz-words \
	tests/fuzz/fuzz-cgroup \
	tests/fuzz/fuzz-ini \
	tests/fuzz/fuzz-rotate \
	tests/fuzz/fuzz-request \
	tests/fuzz/fuzz-hookresult \
	tests/fuzz/fuzz-source \
	tests/fuzz/fuzz-unpack \
	tests/fuzz/fuzz-expr \
	tests/fuzz/fuzz-jsonpath \
	tests/fuzz/fuzz-template \
	tests/fuzz/fuzz-hookrun
