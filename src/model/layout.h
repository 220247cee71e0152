#ifndef TH_MODEL_LAYOUT_H
#define TH_MODEL_LAYOUT_H

/*
 * Where everything lies (taskhook(1), FILES): one place that builds every path. `root` is --root
 *("" without it). An ordinary user has configuration below $XDG_CONFIG_HOME/taskhook and all state
 *below $XDG_STATE_HOME/taskhook.
 *
 *	STATE/tasks/GROUP/shared/local, STATE/tasks/GROUP/ID/{local,logs}
 *	STATE/records/GROUP/ID.json, STATE/records/GROUP/_group.json
 *	RUN/GROUP/_lock, RUN/GROUP/_deploy, RUN/GROUP/ID/{lock,live,results,hook-state}
 */

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"

#include <stdbool.h>

struct layout {
	bool user;	       /* an ordinary user's, not root's */
	char *root;	       /* "" or absolute, without a slash at the end */
	char *config_file;     /* /etc/taskhook/taskhook.conf */
	char *config_dropin;   /* /etc/taskhook/taskhook.conf.d */
	char *tasks_dir;       /* /etc/taskhook/tasks.d */
	char *groups_dir;      /* /etc/taskhook/groups */
	struct strv hook_dirs; /* lowest first: /usr/lib, /run, /etc (taskhook/hooks.d), then
				  [hooks] path */
	char *state_dir;       /* /var/lib/taskhook */
	char *run_dir;	       /* /run/taskhook */
};

/* Paths that do not depend on the configuration. `root` and `config` are --root and --config or
 * NULL. */
int layout_init(struct layout *l, const char *root, const char *config, struct th_err *err);
/* Then those that do: [paths], [hooks] path. */
int layout_apply_conf(struct layout *l, const struct conf *c, struct th_err *err);
void layout_done(struct layout *l);

/* All are absolute; the caller frees them. */
char *layout_group_dir(const struct layout *l, const char *group);  /* STATE/tasks/GROUP */
char *layout_shared_dir(const struct layout *l, const char *group); /* STATE/tasks/GROUP/shared */
char *layout_task_dir(const struct layout *l, const char *group, const char *id);
char *layout_log_dir(const struct layout *l, const char *group, const char *id);
char *layout_record(const struct layout *l, const char *group, const char *id);
char *layout_run_group(const struct layout *l, const char *group);		  /* RUN/GROUP */
char *layout_run_task(const struct layout *l, const char *group, const char *id); /* RUN/GROUP/ID */
char *layout_group_conf(const struct layout *l, const char *group);  /* groups/GROUP/group.ini */
char *layout_group_hooks(const struct layout *l, const char *group); /* groups/GROUP/hooks.d */

#endif
