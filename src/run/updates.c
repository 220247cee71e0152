#include "config.h"

#include "run/updates.h"

#include "base/alloc.h"
#include "base/log.h"

void updates_ask(struct context *c, struct control_client *client, struct request *r)
{
	struct update_job **at = &c->updates, *job;
	uint64_t number = control_keep_number(client);

	if (!number)
		return;
	job = xcalloc(1, sizeof(*job));
	*job = (struct update_job){.client = number, .request = *r, .group_before = CGLIMITS_INIT};
	*r = (struct request)REQUEST_INIT(REQUEST_PING);
	while (*at)
		at = &(*at)->next;
	*at = job;
}

static void job_free(struct update_job *job)
{
	request_done(&job->request);
	task_free(job->before);
	cglimits_done(&job->group_before);
	json_decref(job->marks_before);
	update_changes_done(&job->changes);
	strv_done(&job->lines);
	free(job);
}

struct update_job *updates_take(struct context *c)
{
	struct update_job *job;

	while ((job = c->updates)) {
		c->updates = job->next;
		job->next = NULL;
		if (control_has(c->control, job->client))
			return job;
		job_free(job);
	}
	return NULL;
}

void updates_say(
	struct context *c, const struct update_job *job, enum answer_event event, char *text)
{
	control_say(c->control, job->client,
		&(struct answer){.event = event, .level = LOG_LEVEL_ERROR, .text = text});
	free(text);
}

void updates_end(struct context *c, struct update_job *job, int status, const char *text)
{
	control_end_number(c->control, job->client, status, text);
	job_free(job);
}

void updates_end_restart(struct context *c, int status, const char *text)
{
	if (c->updating)
		updates_end(c, c->updating, status, text);
	c->updating = NULL;
}

void updates_give_up(struct context *c, int status, const char *text)
{
	struct update_job *job;

	while ((job = updates_take(c)))
		updates_end(c, job, status, text);
}
