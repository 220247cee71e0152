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

void updates_add_hooks(struct context *c, struct update_job *job)
{
	job->hooks_at = c->task->n_hook_options;
	job->n_hooks = job->request.n_hooks;
	for (size_t i = 0; i < job->n_hooks; i++)
		task_add_hook_option(c->task, &job->request.hooks[i]);
	context_forget_record_task(c);
}

/* A stop that came meanwhile may have added its own behind them. */
static void remove_hooks(struct context *c, struct update_job *job)
{
	_cleanup_err_ struct th_err why = TH_ERR_INIT;

	if (!job->n_hooks)
		return;
	task_remove_hook_options(c->task, job->hooks_at, job->n_hooks);
	/* The record of a task that has ended is written, or gone for good. */
	if (state_is_final(c->record.state))
		return;
	context_forget_record_task(c);
	if (context_write_record(c, &why) < 0)
		context_warn(c, "%s, continuing", err_text(&why));
}

void updates_end(struct context *c, struct update_job *job, int status, const char *text)
{
	remove_hooks(c, job);
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
