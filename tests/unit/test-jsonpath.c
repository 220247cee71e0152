#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/jsonpath.h"

#include "tests/unit/tap.h"

#include <errno.h>

static const char people[] =
	"{\"kind\":\"List\",\"age\":42,\"big\":1000000,\"none\":null,\"empty\":[],\"word\":"
	"\"h\xc3\xa9\","
	"\"key\":[{\"key2\":{\"value\":\"deep\"}}],\"a.b\":{\"c/d\":\"dotted\"},\"x y\":1,"
	"\"results\":{\"ok\":true,\"successPercent\":0.95},"
	"\"items\":[{\"name\":\"one\",\"v\":1.5,\"ok\":true,\"tags\":[\"p\",\"q\"]},"
	"{\"name\":\"two\",\"v\":20,\"ok\":false,\"tags\":[],\"z\":null},"
	"{\"name\":\"three\",\"v\":2,\"ok\":true}],\"n\":[0,1,2,3,4,5]}";

/* Of what client-go 0.34 selects; the text is client-go 0.20's where that differs (null). */
static void test_find(void)
{
	static const struct {
		const char *path, *first, *text; /* first NULL: no value at all */
	} cases[] = {
		/* What templates in use have. */
		{"{$.age}", "42", "42"},
		{"{$.results.ok}", "true", "true"},
		{"{$.key[0].key2.value}", "\"deep\"", "deep"},
		/* Text stands for itself. */
		{"$.age", "\"$.age\"", "$.age"},
		{"", NULL, ""},
		{"is {.age}!", "\"is \"", "is 42!"},
		{"{.age}{.kind}", "42", "42List"},
		{"}", "\"}\"", "}"},
		/* Members. */
		{"{.age}", "42", "42"},
		{"{age}", "", "unrecognized identifier age"},
		{"{$}{.age", "", "unclosed action"},
		{"{ .age }", "42", "42"},
		{"{@.age}", "42", "42"},
		{"{['age']}", "42", "42"},
		{"{$['results']['ok']}", "true", "true"},
		{"{['results.ok']}", "true", "true"},
		{"{[\"age\"]}", "", "invalid array index \"age\""},
		{"{.a\\.b.c/d}", "\"dotted\"", "dotted"},
		{"{['a\\.b'].c/d}", "\"dotted\"", "dotted"},
		{"{['x y']}", "", "x is not found"},
		{"{.x\\ y}", "1", "1"},
		{"{.none}", "null", "<nil>"},
		{"{.none.more}", "", "more is not found"},
		{"{.nothing}", "", "nothing is not found"},
		{"{.age.more}", "", "more is not found"},
		{"{.results.successPercent}", "0.95", "0.95"},
		{"{.big}", "1000000", "1e+06"},
		{"{.}", "", " is not found"},
		{"{.results}", "{\"ok\":true,\"successPercent\":0.95}",
			"{\"ok\":true,\"successPercent\":0.95}"},
		/* Indices and slices. */
		{"{.n[0]}", "0", "0"},
		{"{.n[]}", "0", "0"},
		{"{.n[-1]}", "5", "5"},
		{"{.n[-6]}", "0", "0"},
		{"{.n[6]}", "", "array index out of bounds: index 6, length 6"},
		{"{.n[-7]}", "", "array index out of bounds: index -1, length 6"},
		{"{.n[0:2]}", "0", "0 1"},
		{"{.n[:2]}", "0", "0 1"},
		{"{.n[4:]}", "4", "4 5"},
		{"{.n[0:-1]}", "0", "0 1 2 3 4"},
		{"{.n[-2:]}", "4", "4 5"},
		{"{.n[0:0]}", NULL, ""},
		{"{.n[9:9]}", NULL, ""},
		{"{.n[::2]}", "0", "0 2 4"},
		{"{.n[1:5:3]}", "1", "1 4"},
		{"{.n[0:6:0]}", "", "step must be > 0"},
		{"{.n[0:6:-1]}", "", "step must be > 0"},
		{"{.n[0:7]}", "", "array index out of bounds: index 6, length 6"},
		{"{.n[3:1]}", "", "starting index 3 is greater than ending index 1"},
		{"{.n[-1:0]}", "", "starting index 5 is greater than ending index 0"},
		{"{.n[0:6:9223372036854775807]}", "0", "0"},
		{"{.n[9223372036854775807]}", "", "array index out of bounds"},
		{"{.n[9223372036854775808]}", "", "is not a number"},
		{"{.n[1:2:3:4]}", "", "invalid array index"},
		{"{.n[a]}", "", "invalid array index a"},
		{"{.n[0}", "", "unterminated array"},
		{"{.results[0]}", "", "map is not array or slice"},
		{"{.word[0]}", "", "string is not array or slice"},
		{"{.none[0]}", NULL, ""},
		{"{.empty[0]}", "", "array index out of bounds: index 0, length 0"},
		/* All of something. */
		{"{.n[*]}", "0", "0 1 2 3 4 5"},
		{"{.empty[*]}", NULL, ""},
		{"{.results.*}", "true", "true 0.95"},
		{"{.word.*}", "104", "104 195 169"},
		{"{.items[*].name}", "\"one\"", "one two three"},
		{"{.items[*].tags[*]}", "\"p\"", "p q"},
		{"{.items[*].z}", "null", "<nil>"},
		{"{..name}", "\"one\"", "one two three"},
		{"{...name}", "\"one\"", "one two three"},
		{"{....name}", "", "invalid multiple recursive descent"},
		{"{..ok}", "true", "true true false true"},
		{"{..nothing}", "", "nothing is not found"},
		{"{.results..}", "{\"ok\":true,\"successPercent\":0.95}",
			"{\"ok\":true,\"successPercent\":0.95}"},
		/* Unions. */
		{"{.n[0,2]}", "0", "0 2"},
		{"{.n[0, -1 ,1:3]}", "0", "0 5 1 2"},
		{"{.items[0]['name','v']}", "\"one\"", "one 1.5"},
		{"{['age','nothing']}", "", "nothing is not found"},
		/* Filters. */
		{"{.items[?(@.name==\"two\")].v}", "20", "20"},
		{"{.items[?(@.name=='two')].v}", "20", "20"},
		{"{.items[?(@.name!='two')].v}", "1.5", "1.5 2"},
		{"{.items[?(@.v>2.0)].name}", "\"two\"", "two"},
		{"{.items[?(@.v>=2.0)].name}", "\"two\"", "two three"},
		{"{.items[?(@.v<2.0)].name}", "\"one\"", "one"},
		{"{.items[?(@.v<=2.0)].name}", "\"one\"", "one three"},
		{"{.items[?(@.name>'p')].name}", "\"two\"", "two three"},
		{"{.items[?(@.ok==true)].name}", "\"one\"", "one three"},
		{"{.items[?(@.ok<true)].name}", "", "invalid type for comparison"},
		{"{.items[?(@.z)].name}", "\"two\"", "two"},
		{"{.items[?(@.tags)].name}", "\"one\"", "one two"},
		{"{.items[?(@.tags[0])].name}", "\"one\"", "one two"},
		{"{.items[?(@.tags[0]=='p')].name}", "", "array index out of bounds"},
		{"{.items[?(@.name=='four')].v}", NULL, ""},
		{"{.items[?(@.z==1.0)].v}", "", "z is not found"},
		{"{.items[?(@.name==1.0)].v}", "",
			"incompatible types for comparison: string == float"},
		{"{.items[?(@.name<>'a')].v}", "", "unrecognized filter operator <>"},
		{"{.items[?(@.name=~'a')].v}", "", "unrecognized"},
		{"{.items[?(@.tags=='p')].v}", "", "invalid type for comparison: array == string"},
		{"{.items[?(@...*=='p')].v}", "", "can only compare one element at a time"},
		{"{.items[?(@.name=='a)b')].v}", NULL, ""},
		{"{.items[?(@.name=='one'}", "", "unterminated filter"},
		{"{.items[?(@.name=='one')}", "", "a filter ends in ')' without ']'"},
		{"{.n[?(@>3.0)]}", "4", "4 5"},
		{"{.results[?(@.ok)]}", "", "map is not array or slice and cannot be filtered"},
		/* Beyond Kubernetes, which fails here: a number without a point. */
		{"{.items[?(@.v==20)].name}", "\"two\"", "two"},
		{"{.n[?(@>3)]}", "4", "4 5"},
		/* Values. */
		{"{\"a\\tb\"}", "\"a\\tb\"", "a\tb"},
		{"{'it\\'s'}", "\"it's\"", "it's"},
		{"{\"\\x41\\u00e9\\101\\U0001f600\"}",
			"\"A\xc3\xa9"
			"A\xf0\x9f\x98\x80\"",
			"A\xc3\xa9"
			"A\xf0\x9f\x98\x80"},
		{"{\"\\'\"}", "", "escape"},
		{"{\"\\q\"}", "", "escape"},
		{"{\"\\ud800\"}", "", "escape"},
		{"{\"\\U00110000\"}", "", "escape"},
		{"{\"\\400\"}", "", "escape"},
		{"{\"abc}", "", "unterminated quoted string"},
		{"{\"{\"}", "\"{\"", "{"},
		{"{1}", "1", "1"},
		{"{-2.5}", "-2.5", "-2.5"},
		{"{1..2}", "", "cannot parse number 1..2"},
		{"{true}", "true", "true"},
		{"{.age 'x'}", "\"x\"", "x"},
		{"{.age#}", "", "age# is not found"},
		{"{#}", "", "unrecognized character in action: '#'"},
		{"{\t}", "", "unrecognized character in action: '\\t'"},
		{"{.age\n}", "", "unclosed action"},
		/* Ranges. */
		{"{range .items[*]}{.name}, {end}{.kind}", "\"one\"", "one, two, three, List"},
		{"{range .items[0:1]}{.name}:{range .tags[*]}{@};{end}{end}.", "\"one\"",
			"one:p;q;."},
		{"{range .items[?(@.ok==true)]}[{.name}]{end}", "\"[\"", "[one][three]"},
		{"{range .empty[*]}x{end}y", "\"y\"", "y"},
		{"{range .empty[*]}{.name}{end}", "", "name is not found"},
		{"{range .n[0:2]}{@}", "0", "01{\"a.b\":{\"c/d\":"},
		{"{end}", "", "not in range, nothing to end"},
		{"{range .n[*]}{end}{end}", "", "not in range, nothing to end"},
	};
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value root;

	if (value_from_json(&pool, people, strlen(people), &root, NULL) < 0)
		bail("the document is no JSON");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_jsonpath_ struct jsonpath *path = NULL;
		_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;
		_cleanup_free_ char *json = NULL, *text = NULL;
		const struct value *first;
		int rc = jsonpath_parse(cases[i].path, &path, &err);

		if (rc == 0)
			rc = jsonpath_find(path, &root, &result, &err);
		if (cases[i].first && !*cases[i].first) {
			ok(rc < 0, "%s fails", cases[i].path);
			contains(err_text(&err), cases[i].text, "%s: the error", cases[i].path);
			continue;
		}
		if (!is_int(rc, 0, "%s", cases[i].path)) {
			diag("%s", err_text(&err));
			continue;
		}
		first = jsonpath_first(&result);
		json = first ? value_to_json(first, 0) : NULL;
		is_str(json, cases[i].first, "%s: the first value", cases[i].path);
		text = jsonpath_text(&result);
		/* Of a long one the beginning. */
		if (strlen(text) > 80)
			contains(text, cases[i].text, "%s: as text", cases[i].path);
		else
			is_str(text, cases[i].text, "%s: as text", cases[i].path);
	}
}

static void test_null(void)
{
	static const struct {
		const char *path;
		int rc;
	} cases[] = {{"{$}", 0}, {"{@}", 0}, {"{[0]}", 0}, {"{.*}", 0}, {"{..}", 0},
		{"{range @}{end}", 0}, {"{.a}", -ENOENT}, {"{..a}", 0}, {"{[?(@.a)]}", -EINVAL}};
	struct value nil = value_nil();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_jsonpath_ struct jsonpath *path = NULL;
		_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;

		is_int(jsonpath_parse(cases[i].path, &path, NULL), 0, "%s", cases[i].path);
		is_int(jsonpath_find(path, &nil, &result, NULL), cases[i].rc, "%s of null",
			cases[i].path);
		if (i == 0)
			ok(jsonpath_first(&result) && jsonpath_first(&result)->type == VALUE_NIL,
				"null is null");
	}
}

static void test_has_path(void)
{
	_cleanup_jsonpath_ struct jsonpath *without = NULL, *with = NULL;

	is_int(jsonpath_parse("$.age", &without, NULL), 0, "without braces");
	ok(!jsonpath_has_path(without), "has no path");
	is_int(jsonpath_parse("x{$.age}", &with, NULL), 0, "with braces");
	ok(jsonpath_has_path(with), "has one");
}

static void add_times(struct strbuf *b, const char *text, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		strbuf_adds(b, text);
}

/* Each way to make a small template expensive ends at a limit. */
static void test_limits(void)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	_cleanup_strbuf_ struct strbuf deep = STRBUF_INIT, text = STRBUF_INIT;
	static const char *const expensive[] = {"{...*...*...*}",
		"{range ...*}{range ...*}{range ...*}{@}{end}{end}{end}",
		"{range ...*}{range ...*}{range ...*}{end}{end}{end}"};
	struct value root;

	add_times(&deep, "[", 400);
	add_times(&deep, "]", 400);
	if (value_from_json(&pool, deep.s, deep.len, &root, NULL) < 0)
		bail("the document is no JSON");
	for (size_t i = 0; i < ARRAY_SIZE(expensive); i++) {
		_cleanup_jsonpath_ struct jsonpath *path = NULL;
		_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;

		if (is_int(jsonpath_parse(expensive[i], &path, NULL), 0, "%s", expensive[i]))
			is_int(jsonpath_find(path, &root, &result, NULL), -E2BIG,
				"%s ends at a limit", expensive[i]);
	}
	{
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		struct jsonpath *path = NULL;

		strbuf_adds(&text, "{");
		add_times(&text, "[?(@", 3000);
		add_times(&text, ")]", 3000);
		strbuf_adds(&text, "}");
		ok(text.len > JSONPATH_SIZE_MAX, "a long template");
		is_int(jsonpath_parse(text.s, &path, &err), -E2BIG, "is too long");
		contains(err_text(&err), "the limit is 16384", "and told so");
	}
	{
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		struct jsonpath *path = NULL;

		strbuf_reset(&text);
		strbuf_adds(&text, "{");
		add_times(&text, "[?(@", 1000);
		add_times(&text, ")]", 1000);
		strbuf_adds(&text, "}");
		ok(jsonpath_parse(text.s, &path, &err) < 0, "filters in filters");
		contains(err_text(&err), "unterminated filter", "end at the first bracket");
	}
	{
		_cleanup_jsonpath_ struct jsonpath *path = NULL;
		_cleanup_jsonpath_result_ struct jsonpath_result result = JSONPATH_RESULT_INIT;

		strbuf_reset(&text);
		add_times(&text, "{range @}", 1800);
		is_int(jsonpath_parse(text.s, &path, NULL), 0, "ranges in ranges");
		is_int(jsonpath_find(path, &root, &result, NULL), -E2BIG, "end at a limit");
	}
}

int main(void)
{
	test_find();
	test_null();
	test_has_path();
	test_limits();
	return done_testing();
}
