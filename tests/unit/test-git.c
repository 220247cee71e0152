#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "fetch/git.h"

#include "tests/unit/tap.h"

static const struct {
	const char *output, *reason;
} reasons[] = {
	{"", "it said nothing"},
	{"\n\n", "it said nothing"},
	{"warning: x\nfatal: repository 'u' not found\n", "repository 'u' not found"},
	{"fatal: a\nfatal: b\n", "b"},
	{"remote: no such thing\nfatal: unable to access\n", "unable to access"},
	{"error: pathspec 'x' did not match\n", "pathspec 'x' did not match"},
	{"remote: denied\nsome words", "denied"},
	{"one\ntwo\r\n", "two"},
	{"ssh: connect to host h port 22: Connection refused\n"
	 "fatal: Could not read from remote repository.\n\nPlease make sure\n",
		"ssh: connect to host h port 22: Connection refused"},
	{"fatal: Could not read from remote repository.\n",
		"Could not read from remote repository."},
	{"fatal: \x1b[31mred\n", "\\x1B[31mred"},
};

int main(void)
{
	struct source source = {.scheme = (char *)(uintptr_t) "https",
		.url = (char *)(uintptr_t) "https://h:8443/r.git",
		.user = (char *)(uintptr_t) "u@x",
		.password = (char *)(uintptr_t) "p/:\n"};
	_cleanup_free_ char *credential = git_credential(&source);
	_cleanup_free_ char *quoted = git_quote("a\"b\\c\nd\te #;");

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		_cleanup_free_ char *reason = git_reason(reasons[i].output);

		is_str(reason, reasons[i].reason, "reason %zu", i);
	}
	is_str(quoted, "\"a\\\"b\\\\c\\nd\\te #;\"", "a value in a configuration file");
	is_str(credential, "https://u%40x:p%2F%3A%0A@h:8443\n", "a line of credentials");
	return done_testing();
}
