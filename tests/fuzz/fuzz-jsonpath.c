/*
 * Paths and documents: the input is a template, a NUL, and a JSON text (a fixed one where there is
 * no NUL). Never a crash; a value or an error, and an error always has a text.
 */
#include "config.h"

#include "base/alloc.h"
#include "verify/jsonpath.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char fixed[] = "{\"a\":{\"b\":[1,2.5,null,\"x\"]},\"items\":[{\"name\":\"n\",\"v\":1},"
			    "{\"name\":\"m\",\"w\":[[true]]}],\"s\":\"text\",\"e\":[]}";

static void check(int rc, const struct th_err *err)
{
	if ((rc < 0) != err_is_set(err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *end = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - (const char *)data) : size;
	_cleanup_free_ char *text = xstrndup((const char *)data, len);
	_cleanup_value_pool_ struct value_pool pool = {NULL, 0, (size_t)1 << 24};
	_cleanup_err_ struct th_err parse_err = TH_ERR_INIT, json_err = TH_ERR_INIT;
	_cleanup_err_ struct th_err find_err = TH_ERR_INIT;
	_cleanup_jsonpath_ struct jsonpath *path = NULL;
	_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;
	_cleanup_free_ char *printed = NULL;
	struct value root;
	int rc;

	rc = end ? value_from_json(&pool, end + 1, size - len - 1, &root, &json_err)
		 : value_from_json(&pool, fixed, strlen(fixed), &root, &json_err);
	check(rc, &json_err);
	if (rc < 0)
		return 0;
	rc = jsonpath_parse(text, &path, &parse_err);
	check(rc, &parse_err);
	if (rc < 0)
		return 0;
	rc = jsonpath_find(path, &root, &result, &find_err);
	check(rc, &find_err);
	if (rc < 0)
		return 0;
	if (result.n < 1000)
		printed = jsonpath_text(&result);
	(void)jsonpath_first(&result);
	return 0;
}
