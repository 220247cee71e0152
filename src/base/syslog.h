#ifndef TH_BASE_SYSLOG_H
#define TH_BASE_SYSLOG_H

/*
 * One line to the journal or to syslogd, which both listen on /dev/log and read "<PRI>DATE
 * TAG[PID]: TEXT" (RFC 3164, 4.1). syslog(3) is not used: it waits for as long as a log daemon that
 * hangs, and a supervisor waits for nobody.
 */

/* Where log daemons listen. */
#define SYSLOG_PATH "/dev/log"

/* `priority` is one of syslog(3), of the facility daemon; control bytes are escaped. 0; -EAGAIN:
 * the daemon has no room, the line is lost; -ENOENT, -ECONNREFUSED: there is none. */
int syslog_send(const char *path, int priority, const char *tag, const char *text);

#endif
