# One program a line, made of tests/helpers/NAME.c, with its path: programs that tests run.
test_helpers = \
	tests/helpers/ask-socket \
	tests/helpers/close-fds \
	tests/helpers/log-pump \
	tests/helpers/daemonize \
	tests/helpers/die-at \
	tests/helpers/end-by \
	tests/helpers/fetch-parent \
	tests/helpers/fill-pipe \
	tests/helpers/fork-bomb \
	tests/helpers/hold-lock \
	tests/helpers/ignore-term \
	tests/helpers/mkarchive \
	tests/helpers/rude-server \
	tests/helpers/show-self
