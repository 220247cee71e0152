# One program a line, made of tests/helpers/NAME.c, with its path: programs that tests run.
test_helpers =
