# One program a line, made of tests/helpers/NAME.c, with its path: programs that tests run.
test_helpers = \
	tests/helpers/ask-socket \
	tests/helpers/broken-fetch \
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

# taskhook-fetch itself, with a function of a library's in its place.
tests_helpers_broken_fetch_SOURCES = tests/helpers/broken-fetch.c src/fetch/main.c
