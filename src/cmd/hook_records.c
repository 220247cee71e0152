#include "config.h"

#include "cmd/hook_records.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "run/logread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STREAM	 "hooks.jsonl"
#define SUMS_MAX 4096 /* hooks told apart */

/* Calls fn for each record. */
static int each_record(const struct layout *l, const char *group, const char *id, uint64_t lines,
	void (*fn)(void *arg, json_t *record), void *arg, struct th_err *err)
{
	_cleanup_free_ char *dir = layout_group_dir(l, group), *line = NULL;
	_cleanup_close_ int group_fd = -1, task_fd = -1, logs_fd = -1, copy = -1;
	_cleanup_logread_ struct logread *r = NULL;
	uint64_t size;
	size_t room = 0;
	FILE *f;
	int e;

	/* The task's user may write to the task's directory: no link is followed from there on. */
	group_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group_fd >= 0)
		task_fd = openat(group_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (task_fd >= 0)
		logs_fd = openat(task_fd, "logs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (logs_fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(err, errno == EACCES ? EXIT_NOPERM : EXIT_INTERNAL, errno,
					 "cannot open the logs of '%s/%s': %m", group, id);
	e = logread_open(logs_fd, STREAM, &r, err);
	if (e < 0)
		return e;
	size = logread_size(r);
	copy = memfd_create(STREAM, MFD_CLOEXEC);
	if (copy < 0)
		return err_set(err, EXIT_INTERNAL, errno, "cannot read '%s': %m", STREAM);
	e = logread_copy(r, logread_tail(r, 0, size, lines), size, copy, err);
	if (e < 0)
		return err_is_set(err) ? e
				       : err_set(err, EXIT_INTERNAL, -e, "cannot read '%s': %s",
						 STREAM, strerror(-e));
	if (lseek(copy, 0, SEEK_SET) < 0 || !(f = fdopen(copy, "r")))
		return err_set(err, EXIT_INTERNAL, errno, "cannot read '%s': %m", STREAM);
	copy = -1;
	while (getline(&line, &room, f) > 0) {
		json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		/* A full disk or a kill may have cut one. */
		if (json_is_object(j))
			fn(arg, j);
		json_decref(j);
	}
	(void)fclose(f);
	return 0;
}

static void append(void *arg, json_t *record)
{
	(void)json_array_append(arg, record);
}

int hook_records_read(const struct layout *l, const char *group, const char *id, uint64_t lines,
	json_t **ret, struct th_err *err)
{
	json_t *all = json_array();
	int r = each_record(l, group, id, lines, append, all, err);

	if (r < 0) {
		json_decref(all);
		return r;
	}
	*ret = all;
	return 0;
}

static const char *text_of(const json_t *record, const char *key)
{
	const char *s = json_string_value(json_object_get(record, key));

	return s ? s : "";
}

static bool is_true(const json_t *record, const char *key)
{
	return json_is_true(json_object_get(record, key));
}

static bool has_run(const json_t *record)
{
	return strcmp(text_of(record, "verdict"), "run") == 0;
}

static bool has_succeeded(const json_t *record)
{
	const json_t *code = json_object_get(record, "exit_code");

	return has_run(record) && json_is_integer(code) && json_integer_value(code) == 0 &&
	       !is_true(record, "timed_out") && !json_object_get(record, "reason");
}

char *hook_record_result(const json_t *record)
{
	const json_t *code = json_object_get(record, "exit_code");

	if (!has_run(record))
		return xstrdup(text_of(record, "verdict"));
	if (is_true(record, "timed_out"))
		return xstrdup("timed out");
	if (is_true(record, "interrupted"))
		return xstrdup("interrupted");
	if (is_true(record, "not_started"))
		return xstrdup("not started");
	if (json_object_get(record, "signal"))
		return xstrdup(text_of(record, "signal"));
	if (has_succeeded(record))
		return xstrdup("ok");
	return json_is_integer(code) && json_integer_value(code) != 0
		       ? xasprintf("exit %" JSON_INTEGER_FORMAT, json_integer_value(code))
		       : xstrdup("failed");
}

void hook_sums_done(struct hook_sums *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].point);
		free(s->v[i].name);
	}
	free(s->v);
	*s = (struct hook_sums){0};
}

static struct hook_sum *find_sum(struct hook_sums *s, const char *point, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].point, point) == 0 && strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	if (s->n == SUMS_MAX)
		return NULL;
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n] = (struct hook_sum){.point = xstrdup(point), .name = xstrdup(name)};
	return &s->v[s->n++];
}

static void add_to_sums(void *arg, json_t *record)
{
	const json_t *ms = json_object_get(record, "duration_ms");
	struct hook_sum *s;
	usec_t begin;

	if (strcmp(text_of(record, "verdict"), "skip") == 0)
		return;
	s = find_sum(arg, text_of(record, "point"), text_of(record, "name"));
	if (!s)
		return;
	if (has_run(record)) {
		s->runs++;
		s->last_duration = json_is_integer(ms) && json_integer_value(ms) >= 0
					   ? (usec_t)json_integer_value(ms) * USEC_PER_MSEC
					   : 0;
	}
	if (is_true(record, "timed_out"))
		s->timeouts++;
	if (!has_succeeded(record))
		s->failures++;
	else if (parse_rfc3339(text_of(record, "time"), &begin) == 0)
		s->last_success = usec_add(begin, s->last_duration);
}

int hook_sums_read(const struct layout *l, const char *group, const char *id, struct hook_sums *ret,
	struct th_err *err)
{
	return each_record(l, group, id, HOOK_RECORDS_MAX, add_to_sums, ret, err);
}
