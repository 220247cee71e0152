#include "config.h"

#include "model/layout.h"

#include "base/alloc.h"
#include "base/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* XDG Base Directory Specification 0.8: "All paths set in these environment variables must be
 * absolute. If an implementation encounters a relative path [...] it should consider the path
 * invalid and ignore it." An empty one counts as not set. */
static const char *absolute_from_environment(const char *name)
{
	const char *s = getenv(name);

	return s && path_is_absolute(s) ? s : NULL;
}

static int user_base_dir(
	const char *variable, const char *below_home, char **ret, struct th_err *err)
{
	const char *base = absolute_from_environment(variable), *home;

	if (base) {
		*ret = path_join(base, "taskhook");
		return 0;
	}
	home = absolute_from_environment("HOME");
	if (!home)
		return err_set(err, EXIT_CONFIG, ENOENT,
			"cannot tell where your files are: HOME is not set to an absolute path; "
			"set "
			"it, or set %s",
			variable);
	*ret = xasprintf("%s%s%s/taskhook", home, str_ends_with(home, "/") ? "" : "/", below_home);
	return 0;
}

static char *config_dropin_of(const char *config_file)
{
	return xasprintf("%s.d", config_file);
}

static int init_paths(struct layout *l, struct th_err *err)
{
	_cleanup_free_ char *config = NULL;
	int r;

	if (l->user && !*l->root) {
		r = user_base_dir("XDG_CONFIG_HOME", ".config", &config, err);
		if (r < 0)
			return r;
		r = user_base_dir("XDG_STATE_HOME", ".local/state", &l->state_dir, err);
		if (r < 0)
			return r;
		l->run_dir = path_join(l->state_dir, "run");
		strv_add(&l->hook_dirs, TH_LIBDIR "/taskhook/hooks.d");
	} else {
		config = xasprintf("%s%s", l->root, TH_SYSCONFDIR "/taskhook");
		l->state_dir = xasprintf("%s%s", l->root, TH_LOCALSTATEDIR "/lib/taskhook");
		l->run_dir = xasprintf("%s%s", l->root, TH_RUNSTATEDIR "/taskhook");
		strv_addf(&l->hook_dirs, "%s%s", l->root, TH_LIBDIR "/taskhook/hooks.d");
		strv_addf(&l->hook_dirs, "%s%s", l->root, TH_RUNSTATEDIR "/taskhook/hooks.d");
	}
	strv_take(&l->hook_dirs, path_join(config, "hooks.d"));
	l->tasks_dir = path_join(config, "tasks.d");
	l->groups_dir = path_join(config, "groups");
	if (!l->config_file)
		l->config_file = path_join(config, "taskhook.conf");
	l->config_dropin = config_dropin_of(l->config_file);
	return 0;
}

int layout_init(struct layout *l, const char *root, const char *config, struct th_err *err)
{
	size_t n;
	int r;

	*l = (struct layout){.user = geteuid() != 0};
	if (root && !*root)
		return err_set(err, EXIT_USAGE, EINVAL, "--root names no directory");
	if (config && !*config)
		return err_set(err, EXIT_USAGE, EINVAL, "--config names no file");
	l->root = root ? path_make_absolute(root) : xstrdup("");
	if (config && l->root)
		l->config_file = path_make_absolute(config);
	if (!l->root || (config && !l->config_file)) {
		r = err_set(err, EXIT_INTERNAL, errno, "cannot tell the current directory: %m");
		layout_done(l);
		return r;
	}
	n = strlen(l->root);
	while (n > 0 && l->root[n - 1] == '/')
		l->root[--n] = '\0';

	r = init_paths(l, err);
	if (r < 0)
		layout_done(l);
	return r;
}

int layout_apply_conf(struct layout *l, const struct conf *c, struct th_err *err)
{
	const struct strv *more = conf_list(c, KEY_HOOKS_PATH);

	(void)err;
	if (conf_is_set(c, KEY_PATHS_STATE)) {
		free(l->state_dir);
		l->state_dir = xasprintf("%s%s", l->root, conf_string(c, KEY_PATHS_STATE));
		if (l->user && !*l->root) {
			free(l->run_dir);
			l->run_dir = path_join(l->state_dir, "run");
		}
	}
	if (conf_is_set(c, KEY_PATHS_RUN)) {
		free(l->run_dir);
		l->run_dir = xasprintf("%s%s", l->root, conf_string(c, KEY_PATHS_RUN));
	}
	for (size_t i = 0; i < more->n; i++)
		strv_addf(&l->hook_dirs, "%s%s", l->root, more->v[i]);
	return 0;
}

void layout_done(struct layout *l)
{
	free(l->root);
	free(l->config_file);
	free(l->config_dropin);
	free(l->tasks_dir);
	free(l->groups_dir);
	strv_done(&l->hook_dirs);
	free(l->state_dir);
	free(l->run_dir);
	*l = (struct layout){0};
}

char *layout_group_dir(const struct layout *l, const char *group)
{
	return xasprintf("%s/tasks/%s", l->state_dir, group);
}

char *layout_shared_dir(const struct layout *l, const char *group)
{
	return xasprintf("%s/tasks/%s/shared", l->state_dir, group);
}

char *layout_task_dir(const struct layout *l, const char *group, const char *id)
{
	return xasprintf("%s/tasks/%s/%s", l->state_dir, group, id);
}

char *layout_log_dir(const struct layout *l, const char *group, const char *id)
{
	return xasprintf("%s/tasks/%s/%s/logs", l->state_dir, group, id);
}

char *layout_record(const struct layout *l, const char *group, const char *id)
{
	return xasprintf("%s/records/%s/%s.json", l->state_dir, group, id);
}

char *layout_run_group(const struct layout *l, const char *group)
{
	return xasprintf("%s/%s", l->run_dir, group);
}

char *layout_run_task(const struct layout *l, const char *group, const char *id)
{
	return xasprintf("%s/%s/%s", l->run_dir, group, id);
}

char *layout_group_conf(const struct layout *l, const char *group)
{
	return xasprintf("%s/%s/group.ini", l->groups_dir, group);
}

char *layout_group_hooks(const struct layout *l, const char *group)
{
	return xasprintf("%s/%s/hooks.d", l->groups_dir, group);
}
