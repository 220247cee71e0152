#include "config.h"

#include "verify/measure.h"

#include "base/alloc.h"
#include "base/fileio.h"
#include "verify/measure_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

int measure_init(struct measure *ms, size_t n)
{
	*ms = (struct measure){.n = n};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return -ENOMEM;
	ms->multi = curl_multi_init();
	if (!ms->multi)
		return -ENOMEM;
	ms->tokens = measure_tokens_new();
	ms->jobs = xcalloc(n + 1, sizeof(struct measure_job *));
	return 0;
}

void measure_done(struct measure *ms)
{
	for (size_t i = 0; ms->jobs && i < ms->n; i++)
		measure_cancel(ms, i);
	free(ms->jobs);
	measure_tokens_free(ms->tokens);
	if (ms->multi)
		(void)curl_multi_cleanup(ms->multi);
	*ms = (struct measure){.n = 0};
}

bool measure_add(struct measure_job *j, const void *p, size_t n)
{
	if (n > TMPL_BODY_MAX - j->body.len) {
		j->too_large = true;
		return false;
	}
	strbuf_add(&j->body, p, n);
	return true;
}

void measure_end(struct measure_job *j, char *error)
{
	j->ended = true;
	j->answer.error = error;
	j->answer.size = j->body.len;
	j->answer.body = strbuf_steal(&j->body);
}

static void read_file(struct measure_job *j)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = file_read_at(
		AT_FDCWD, j->metric->file, FILEIO_REGULAR, TMPL_BODY_MAX, &text, &size);

	if (r == 0)
		(void)measure_add(j, text, size);
	if (r == -EFBIG)
		measure_end(j, xasprintf("'%s' is larger than %zu MiB", j->metric->file,
				       TMPL_BODY_MAX / 1024 / 1024));
	else if (r == -EMEDIUMTYPE)
		measure_end(j, xasprintf("'%s' is no regular file", j->metric->file));
	else if (r < 0)
		measure_end(j, xasprintf("cannot read '%s': %s", j->metric->file, strerror(-r)));
	else
		measure_end(j, NULL);
}

void measure_begin(struct measure *ms, size_t i, const struct tmpl_metric *m)
{
	struct measure_job *j = xcalloc(1, sizeof(*j));

	j->metric = m;
	j->tokens = ms->tokens;
	j->answer.exit_status = -1;
	j->pidfd = j->out_fd = -1;
	j->deadline = usec_add(clock_monotonic_usec(), m->timeout_usec);
	ms->jobs[i] = j;
	switch (m->provider) {
	case TMPL_WEB:
	case TMPL_PROMETHEUS:
	case TMPL_TCP:
		measure_http_begin(ms->multi, j);
		break;
	case TMPL_EXEC:
	case TMPL_TASK:
		measure_command_begin(j);
		break;
	case TMPL_FILE:
		read_file(j);
		break;
	}
}

static void free_job(struct measure *ms, size_t i)
{
	struct measure_job *j = ms->jobs[i];

	measure_http_free(ms->multi, j);
	measure_command_free(j);
	strbuf_done(&j->body);
	reply_done(&j->answer);
	free(j);
	ms->jobs[i] = NULL;
}

void measure_cancel(struct measure *ms, size_t i)
{
	if (ms->jobs[i])
		free_job(ms, i);
}

static void look(struct measure *ms)
{
	usec_t now = clock_monotonic_usec();
	int running, left;
	CURLMsg *message;

	(void)curl_multi_perform(ms->multi, &running);
	while ((message = curl_multi_info_read(ms->multi, &left))) {
		struct measure_job *j = NULL;

		if (message->msg == CURLMSG_DONE &&
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&j) ==
				CURLE_OK &&
			j)
			measure_http_ended(ms->multi, j, message->data.result);
	}
	for (size_t i = 0; i < ms->n; i++)
		if (ms->jobs[i] && !ms->jobs[i]->ended && ms->jobs[i]->pidfd >= 0)
			measure_command_look(ms->jobs[i], now);
}

static bool any_ended(const struct measure *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		if (ms->jobs[i] && ms->jobs[i]->ended)
			return true;
	return false;
}

void measure_wait(struct measure *ms, int fd, usec_t until)
{
	_cleanup_free_ struct curl_waitfd *fds = xcalloc(2 * ms->n + 1, sizeof(*fds));
	usec_t now, left;
	unsigned n = 0;

	look(ms);
	if (any_ended(ms))
		return;
	fds[n++] = (struct curl_waitfd){.fd = fd, .events = CURL_WAIT_POLLIN};
	for (size_t i = 0; i < ms->n; i++) {
		const struct measure_job *j = ms->jobs[i];

		if (!j || j->pidfd < 0)
			continue;
		fds[n++] = (struct curl_waitfd){.fd = j->pidfd, .events = CURL_WAIT_POLLIN};
		if (j->out_fd >= 0)
			fds[n++] =
				(struct curl_waitfd){.fd = j->out_fd, .events = CURL_WAIT_POLLIN};
		until = MIN(until, j->deadline);
	}
	now = clock_monotonic_usec();
	left = usec_sub(until, now);
	/* rounded up, or the last millisecond would be spent awake */
	left = left / USEC_PER_MSEC + (left % USEC_PER_MSEC != 0);
	(void)curl_multi_poll(ms->multi, fds, n, (int)MIN(left, (usec_t)INT_MAX), NULL);
	look(ms);
}

ssize_t measure_take(struct measure *ms, struct reply *ret)
{
	for (size_t i = 0; i < ms->n; i++) {
		struct measure_job *j = ms->jobs[i];

		if (!j || !j->ended)
			continue;
		*ret = j->answer;
		j->answer = (struct reply){.exit_status = -1};
		free_job(ms, i);
		return (ssize_t)i;
	}
	return -1;
}
