#ifndef TH_BASE_LOG_H
#define TH_BASE_LOG_H

/*
 * Messages for people, one line each: "taskhook: TEXT" on stderr. Said once, by the floors F4 to
 * F6 alone. The supervisor adds a second sink (its own log file). Control bytes in the text are
 * escaped here, so that no name can forge a line.
 */

#include "base/macro.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE, /* what a user at a terminal wants to know; not with -q */
	LOG_LEVEL_INFO,	  /* -v */
	LOG_LEVEL_DEBUG,  /* -vv */
};

/* Messages above this level are not said. Default: LOG_LEVEL_NOTICE. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "GROUP/ID" put before each text ("taskhook: GROUP/ID: TEXT"); NULL: nothing. Copied. */
void log_set_task(const char *task);

/* Called with each message that passes (not escaped, no newline) in addition to stderr. */
typedef void (*log_sink_fn)(void *arg, enum log_level level, const char *text);
void log_set_sink(log_sink_fn sink, void *arg);
/* Whether stderr gets messages at all (a detached supervisor has none). Default: yes. */
void log_set_stderr(int on);

/* Whether messages also go to the journal or syslog (base/syslog.h). Default: no. */
void log_set_syslog(int on);

void log_message(enum log_level level, const char *fmt, ...) PRINTF_ATTR(2, 3);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_message(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
