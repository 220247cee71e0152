#include "config.h"

#include "verify/awskeys.h"

#include "base/alloc.h"
#include "base/str.h"
#include "conf/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

void awskeys_done(struct awskeys *keys)
{
	free(keys->id);
	free(keys->secret);
	free(keys->session);
	*keys = (struct awskeys)AWSKEYS_INIT;
}

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);

	return str_is_empty(value) ? NULL : value;
}

struct search {
	const char *profile;
	struct awskeys keys;
};

static int on_item(void *arg, const struct ini_item *item, struct th_err *err)
{
	struct search *s = arg;

	(void)err;
	if (!item->key || strcmp(item->section, s->profile) != 0)
		return 0;
	if (strcmp(item->key, "aws_access_key_id") == 0)
		str_replace(&s->keys.id, item->value);
	else if (strcmp(item->key, "aws_secret_access_key") == 0)
		str_replace(&s->keys.secret, item->value);
	else if (strcmp(item->key, "aws_session_token") == 0)
		str_replace(&s->keys.session, item->value);
	return 0;
}

static int find_in_file(const char *profile, struct awskeys *ret, struct th_err *err)
{
	const char *named = from_environment("AWS_SHARED_CREDENTIALS_FILE"), *home = getenv("HOME");
	_cleanup_free_ char *path =
		named ? xstrdup(named) : xasprintf("%s/.aws/credentials", home ? home : "");
	struct search s = {.profile = profile, .keys = AWSKEYS_INIT};
	int r = ini_read_file(AT_FDCWD, path, path, on_item, NULL, &s, err);

	if (r == 0 && (!s.keys.id || !s.keys.secret))
		r = err_set(err, EXIT_CONFIG, ENOENT,
			"%s: the profile '%s' has no aws_access_key_id and aws_secret_access_key",
			path, profile);
	if (r < 0) {
		awskeys_done(&s.keys);
		return r;
	}
	*ret = s.keys;
	return 0;
}

int awskeys_find(const char *profile, struct awskeys *ret, struct th_err *err)
{
	const char *id = from_environment("AWS_ACCESS_KEY_ID");
	const char *secret = from_environment("AWS_SECRET_ACCESS_KEY");
	const char *session = from_environment("AWS_SESSION_TOKEN");
	_cleanup_err_ struct th_err why = TH_ERR_INIT;
	int r;

	if (profile)
		return find_in_file(profile, ret, err);
	if (id && secret) {
		*ret = (struct awskeys){
			xstrdup(id), xstrdup(secret), session ? xstrdup(session) : NULL};
		return 0;
	}
	profile = from_environment("AWS_PROFILE");
	r = find_in_file(profile ? profile : "default", ret, &why);
	if (r == 0)
		return 0;
	return err_set(err, EXIT_CONFIG, -r,
		"no keys of AWS: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the "
		"environment, and %s",
		err_text(&why));
}
