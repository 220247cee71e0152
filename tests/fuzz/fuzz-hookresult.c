/*
 * What a hook hands back. It comes from outside: whatever the bytes, parsing ends, takes nothing
 * that steers programs or leads out of its place, and says what is wrong in one line.
 */

#include "config.h"

#include "base/alloc.h"
#include "run/hookresult.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_names(const struct strv *sv, bool env)
{
	for (size_t i = 0; i < sv->n; i++) {
		const char *eq = strchr(sv->v[i], '=');
		_cleanup_free_ char *name = NULL;

		CHECK(eq);
		name = xstrndup(sv->v[i], (size_t)(eq - sv->v[i]));
		CHECK(env_name_is_valid(name));
		CHECK(!env || !hook_result_env_is_refused(name));
		for (size_t k = 0; k < i; k++)
			CHECK(!str_starts_with(sv->v[k], name) || sv->v[k][strlen(name)] != '=');
	}
}

static void check_paths(const struct strv *sv, const char *below)
{
	for (size_t i = 0; i < sv->n; i++) {
		CHECK(str_starts_with(sv->v[i], below));
		CHECK(!strstr(sv->v[i], "/../"));
		CHECK(strchr(sv->v[i], '='));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hook_result r = {.message = NULL};
	struct th_err err = TH_ERR_INIT;
	int result = hook_result_parse((const char *)data, size, "RESULT", &r, &err);

	if (result < 0) {
		CHECK(err_is_set(&err));
		CHECK(!strchr(err_text(&err), '\n'));
		CHECK(!r.env.v && !r.state.v && !r.mounts.v && !r.devices.v && !r.message);
	} else {
		CHECK(result == 0 && !err_is_set(&err));
		CHECK(size <= HOOK_RESULT_MAX);
		check_names(&r.env, true);
		check_names(&r.state, false);
		check_paths(&r.mounts, "/");
		check_paths(&r.devices, "/dev/");
		CHECK(!r.message || (*r.message && !strchr(r.message, '\n')));
	}
	hook_result_done(&r);
	err_clear(&err);
	return 0;
}
