#include "config.h"

#include "os/procstat.h"

#include "base/macro.h"
#include "os/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX 8192

/* The number behind "\nLABEL:" and blanks; 0 where it is missing, as of a kernel thread. */
static uint64_t labelled(const char *text, const char *label)
{
	size_t n = strlen(label);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, label, n) == 0 && line[n] == ':')
			return strtoull(line + n + 1, NULL, 10);
	}
	return 0;
}

static usec_t ticks_to_usec(uint64_t ticks)
{
	long per_sec = sysconf(_SC_CLK_TCK);

	return ticks * USEC_PER_SEC / (uint64_t)(per_sec > 0 ? per_sec : 100);
}

/* Numbers of the fields in proc_pid_stat(5). */
enum {
	FIELD_STATE = 3,
	FIELD_UTIME = 14,
	FIELD_STIME,
	FIELD_CUTIME,
	FIELD_CSTIME,
	FIELD_THREADS = 20,
};

/* Counted from behind the name, which may hold blanks and brackets itself. */
static int add_stat(const char *line, struct procstat *sum)
{
	uint64_t fields[FIELD_THREADS + 1] = {0};
	const char *s = strrchr(line, ')');

	for (int i = FIELD_STATE; i <= FIELD_THREADS; i++) {
		s = s ? strchr(s, ' ') : NULL;
		if (!s)
			return -EBADMSG;
		s++;
		if (i != FIELD_STATE)
			fields[i] = strtoull(s, NULL, 10);
	}
	sum->processes++;
	sum->threads += fields[FIELD_THREADS];
	sum->cpu_user_usec += ticks_to_usec(fields[FIELD_UTIME] + fields[FIELD_CUTIME]);
	sum->cpu_system_usec += ticks_to_usec(fields[FIELD_STIME] + fields[FIELD_CSTIME]);
	return 0;
}

int procstat_add(pid_t pid, struct procstat *sum)
{
	struct procstat all = *sum;
	char buf[STATUS_MAX] = "";
	ssize_t n;
	int r;

	n = proc_read_file(pid, "stat", buf, sizeof(buf));
	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	r = add_stat(buf, &all);
	if (r < 0)
		return r;
	n = proc_read_file(pid, "status", buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	all.rss_bytes += labelled(buf, "VmRSS") * 1024;
	all.file_bytes += (labelled(buf, "RssFile") + labelled(buf, "RssShmem")) * 1024;
	all.swap_bytes += labelled(buf, "VmSwap") * 1024;
	n = proc_read_file(pid, "io", buf, sizeof(buf));
	if (n > 0) {
		all.io_rbytes += labelled(buf, "read_bytes");
		all.io_wbytes += labelled(buf, "write_bytes");
	} else {
		/* ptrace(2) rights, or a kernel without CONFIG_TASK_IO_ACCOUNTING. */
		all.io_missing = true;
	}
	*sum = all;
	return 0;
}
