#include "config.h"

#include "run/hooktemplate.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/words.h"
#include "os/ask.h"
#include "os/proc.h"
#include "run/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HELPER "taskhook-verify"

/* The kernel reads no more of a first line (BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h). */
#define FIRST_LINE_MAX 256

#define ASK_USEC   (10 * USEC_PER_SEC)
#define OUTPUT_MAX ((size_t)16 * 1024)

bool hook_template_find(const char *path, struct strv *options)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_strv_ struct strv words = STRV_INIT;
	char line[FIRST_LINE_MAX];
	bool taskhook = false, found = false;
	ssize_t n;

	n = fd < 0 ? 0 : fd_read_full(fd, line, sizeof(line) - 1);
	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (words_split(line + 2, &words, NULL) < 0)
		return false;
	for (size_t i = 0; i < words.n; i++) {
		if (found)
			strv_add(options, words.v[i]);
		else if (strcmp(path_basename(words.v[i]), HELPER) == 0)
			found = true;
		else if (strcmp(path_basename(words.v[i]), "taskhook") == 0)
			taskhook = true;
		else if (taskhook && strcmp(words.v[i], "verify") == 0)
			found = true;
	}
	return found;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The first line of what it said, without the name of the program. */
static char *first_line(const struct strbuf *out)
{
	static const char prefix[] = "taskhook: ";
	const char *s = strbuf_str(out);

	if (strncmp(s, prefix, strlen(prefix)) == 0)
		s += strlen(prefix);
	return xstrndup(s, strcspn(s, "\n"));
}

int hook_template_timeout(
	const char *path, const struct strv *options, usec_t *ret, struct th_err *err)
{
	_cleanup_free_ char *helper = NULL, *line = NULL, *shown = str_escape(path, 0);
	_cleanup_strv_ struct strv argv = STRV_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	uint64_t longest;
	int r = helper_find(proc_own_program(), HELPER, &helper, err);

	if (r < 0)
		return r;
	strv_add(&argv, HELPER);
	strv_copy(&argv, options);
	strv_add(&argv, "--worst-case");
	strv_add(&argv, "--");
	strv_add(&argv, path);
	r = ask_program(helper, strv_null_terminated(&argv), true, ASK_USEC, OUTPUT_MAX, &out);
	if (r < 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "'%s' cannot be asked about '%s': %s",
			helper, shown, strerror(-r));
	line = first_line(&out);
	if (r != 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "%s (try 'taskhook verify --lint %s')",
			*line ? line : "taskhook-verify failed", shown);
	if (strncmp(line, "infinity", 8) == 0)
		return err_set(err, EXIT_CONFIG, ERANGE,
			"'%s' is a template without an end, and cannot be a hook:%s (give it a "
			"timeout, or each metric a count)",
			shown, line + 8);
	if (parse_uint(line, 0, UINT64_MAX - HOOK_TEMPLATE_MARGIN_USEC, &longest) < 0)
		return err_set(err, EXIT_CONFIG, EINVAL, "'%s' does not tell how long '%s' takes",
			helper, shown);
	*ret = longest + HOOK_TEMPLATE_MARGIN_USEC;
	return 0;
}
