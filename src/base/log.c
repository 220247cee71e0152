#include "config.h"

#include "base/log.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/syslog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static struct {
	enum log_level level;
	char *task;
	log_sink_fn sink;
	void *sink_arg;
	int on_stderr, to_syslog;
} log_state = {.level = LOG_LEVEL_NOTICE, .on_stderr = 1};

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

enum log_level log_get_level(void)
{
	return log_state.level;
}

void log_set_task(const char *task)
{
	str_replace(&log_state.task, task);
}

void log_set_sink(log_sink_fn sink, void *arg)
{
	log_state.sink = sink;
	log_state.sink_arg = arg;
}

void log_set_stderr(int on)
{
	log_state.on_stderr = on;
}

void log_set_syslog(int on)
{
	log_state.to_syslog = on;
}

static void send_to_syslog(enum log_level level, const char *text)
{
	static const int priorities[] = {
		[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARNING] = LOG_WARNING,
		[LOG_LEVEL_NOTICE] = LOG_NOTICE,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	_cleanup_free_ char *line = xasprintf(
		"%s%s%s", log_state.task ? log_state.task : "", log_state.task ? ": " : "", text);

	/* Nowhere to report a log daemon's absence to but the task's own log, which has it anyway.
	 */
	(void)syslog_send(SYSLOG_PATH, priorities[level], "taskhook", line);
}

void log_message(enum log_level level, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *shown = NULL;
	_cleanup_free_ char *line = NULL;
	int saved = errno;
	va_list ap;

	if (level > log_state.level)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("out of memory");
	va_end(ap);

	if (log_state.on_stderr) {
		shown = str_escape(text, 0);
		line = log_state.task ? xasprintf("taskhook: %s: %s\n", log_state.task, shown)
				      : xasprintf("taskhook: %s\n", shown);
		/* One write, so that lines of several processes do not mix. Nowhere to report a
		 * failure of stderr to. */
		(void)fd_write_all(STDERR_FILENO, line, __builtin_strlen(line));
	}
	if (log_state.to_syslog)
		send_to_syslog(level, text);
	if (log_state.sink)
		log_state.sink(log_state.sink_arg, level, text);
	errno = saved;
}
