#include "config.h"

#include "run/stage.h"

#include <stdbool.h>

const struct stage_ops *const stage_table[] = {
	&stage_cgroup,
	&stage_storage,
	&stage_scripts,
	NULL,
};

#define STAGE_COUNT (sizeof(stage_table) / sizeof(stage_table[0]) - 1)

static const struct stage_ops *stage_at(enum hook_point point, size_t i)
{
	return stage_table[point == POINT_POST_STOP ? STAGE_COUNT - 1 - i : i];
}

/* Without its directories no task of a group can start: that is no matter of a hook that may fail.
 */
static bool is_fatal(const struct stage_ops *stage, enum hook_point point)
{
	return point_is_fatal(point) || (point == POINT_POST_DEPLOY && stage == &stage_storage);
}

int stage_run_point(
	struct context *c, enum hook_point point, struct point_result *ret, struct th_err *err)
{
	struct point_result own = {0};
	int r = 0;

	c->point = ret ? ret : &own;
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		const struct stage_ops *stage = stage_at(point, i);
		_cleanup_err_ struct th_err why = TH_ERR_INIT;

		if (!stage->at[point])
			continue;
		if (is_fatal(stage, point)) {
			r = stage->at[point](c, point, err);
			if (r < 0 || c->point->fatal || c->point->interrupted)
				break;
		} else if (stage->at[point](c, point, &why) < 0) {
			context_warn(c, "%s: stage '%s': %s, continuing", point_name(point),
				stage->name, err_text(&why));
		}
	}
	c->point = NULL;
	point_result_done(&own);
	return r;
}

void stage_describe_point(const struct context *c, enum hook_point point, FILE *out)
{
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		const struct stage_ops *stage = stage_at(point, i);

		if (stage->at[point] && stage->describe)
			stage->describe(c, point, out);
	}
}
