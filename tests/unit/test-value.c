#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/value.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <math.h>

/* JSON in, and out as JSON and as text. What Go 1.19 makes of the same. */
static void test_json(void)
{
	static const struct {
		const char *in, *json, *text;
	} cases[] = {
		{"null", "null", "<nil>"},
		{" true ", "true", "true"},
		{"1", "1", "1"},
		{"-0", "-0", "-0"},
		{"1.5", "1.5", "1.5"},
		{"100000", "100000", "100000"},
		{"1000000", "1000000", "1e+06"},
		{"1234567", "1234567", "1.234567e+06"},
		{"123456789.5", "123456789.5", "1.234567895e+08"},
		{"1e20", "100000000000000000000", "1e+20"},
		{"1e21", "1e+21", "1e+21"},
		{"0.0001", "0.0001", "0.0001"},
		{"0.00001", "0.00001", "1e-05"},
		{"0.000001", "0.000001", "1e-06"},
		{"0.0000001", "1e-7", "1e-07"},
		{"5e-324", "5e-324", "5e-324"},
		{"1.7976931348623157e308", "1.7976931348623157e+308", "1.7976931348623157e+308"},
		{"9007199254740993", "9007199254740992", "9.007199254740992e+15"},
		{"123456789012345678901234567890", "1.2345678901234568e+29",
			"1.2345678901234568e+29"},
		{"\"a b\"", "\"a b\"", "a b"},
		{"\"<&>\\u2028\\n\\u0001\"", "\"\\u003c\\u0026\\u003e\\u2028\\n\\u0001\"",
			"<&>\xe2\x80\xa8\n\x01"},
		{"[]", "[]", "[]"},
		{"{}", "{}", "map[]"},
		{"[1, \"x\", null, {\"b\":1,\"a\":[true]}]",
			"[1,\"x\",null,{\"a\":[true],\"b\":1}]", "[1 x <nil> map[a:[true] b:1]]"},
		{"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}", "map[a:3 b:2]"},
		{"\"\xff\"", "\"\xef\xbf\xbd\"", "\xef\xbf\xbd"},
		{"\"\\ud800x\"", "\"\xef\xbf\xbdx\"", "\xef\xbf\xbdx"},
		{"\"\\ud83d\\ude00\\udc00\"", "\"\xf0\x9f\x98\x80\xef\xbf\xbd\"",
			"\xf0\x9f\x98\x80\xef\xbf\xbd"},
		{"\"\\\\ud800\"", "\"\\\\ud800\"", "\\ud800"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		_cleanup_free_ char *json = NULL;
		struct value v;

		if (!is_int(value_from_json(&pool, cases[i].in, strlen(cases[i].in), &v, NULL), 0,
			    "%s is JSON", cases[i].in))
			continue;
		json = value_to_json(&v, 0);
		is_str(json, cases[i].json, "%s: as JSON", cases[i].in);
		value_to_text(&v, &text, 0);
		is_str(strbuf_str(&text), cases[i].text, "%s: as text", cases[i].in);
	}
}

static void test_bad_json(void)
{
	static const char *const bad[] = {"", " ", "abc", "[1", "{\"a\"}", "1 2", "[1,]", "1e400",
		"'a'", "NaN", "\"\\ud8zz\"", "01", "\"\\"};
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT, small = {NULL, 0, 1000};
	_cleanup_strbuf_ struct strbuf deep = STRBUF_INIT, many = STRBUF_INIT;
	struct value v = value_int(4711);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		is_int(value_from_json(&pool, bad[i], strlen(bad[i]), &v, &err), -EINVAL,
			"'%s' is no JSON", bad[i]);
		contains(err_text(&err), "not JSON: line ", "'%s': the error", bad[i]);
		ok(!strstr(err_text(&err), "near"), "'%s': without a part of it", bad[i]);
		is_int(v.u.integer, 4711, "'%s': untouched", bad[i]);
	}
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&deep, '[');
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&deep, ']');
	is_int(value_from_json(&pool, deep.s, deep.len, &v, NULL), -E2BIG, "too deep");
	for (int i = 0; i < 200; i++)
		strbuf_addf(&many, "%s1", i == 0 ? "[" : ",");
	strbuf_addc(&many, ']');
	is_int(value_from_json(&small, many.s, many.len, &v, NULL), -E2BIG, "too much");
	is_int(value_from_json(&pool, many.s, many.len, &v, NULL), 0, "not too much without limit");
	is_uint(v.count, 200, "all elements");
}

static void test_map(void)
{
	static const char text[] = "{\"z\":1,\"\":2,\"b\":3,\"a\":4,\"aa\":5,\"Z\":6}";
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value map, key = value_int(1);
	struct value_pair pairs[3] = {{value_int(1), value_int(10)},
		{value_bool(true), value_int(20)}, {value_int(1), value_int(30)}};

	is_int(value_from_json(&pool, text, strlen(text), &map, NULL), 0, "a map");
	is_uint(map.count, 6, "its pairs");
	ok(map.u.map->pairs[0].key.u.text[0] == 'z', "in the order of the document");
	is_int((int)value_map_get_str(&map, "aa")->u.number, 5, "a member");
	is_int((int)value_map_get_str(&map, "")->u.number, 2, "the member without a name");
	is_int((int)value_map_get_str(&map, "Z")->u.number, 6, "case counts");
	ok(!value_map_get_str(&map, "c") && !value_map_get_str(&map, "zz"), "none");
	ok(!value_map_get(&map, &key), "none of another type");
	is_int(value_make_map(&pool, pairs, 3, true, &map), 0, "keys of any type");
	is_uint(map.count, 2, "without doubles");
	is_int(value_map_get(&map, &key)->u.integer, 30, "the last of two holds");
	is_int(map.u.map->pairs[0].value.u.integer, 30, "at the place of the first");
}

static void test_depth(void)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value v = value_int(1);
	struct value_pair pair = {value_string_of("a", 1), value_nil()};
	_cleanup_free_ char *json = NULL;
	int rc = 0, levels = 0;

	for (; levels < 100000 && rc == 0; levels++) {
		struct value inner = v;

		if (levels % 2 == 0) {
			rc = value_make_array(&pool, &inner, 1, VALUE_ANY, &v);
		} else {
			pair.value = inner;
			rc = value_make_map(&pool, &pair, 1, false, &v);
		}
	}
	is_int(rc, -E2BIG, "too deep");
	is_int(levels, VALUE_DEPTH_MAX + 1, "after that many levels");
	json = value_to_json(&v, 0);
	ok(strlen(json) > VALUE_DEPTH_MAX, "and can be written");
	ok(value_equal(&v, &v), "and compared");
}

static void test_equal(void)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{"1", "1.0", true},
		{"1", "\"1\"", false},
		{"null", "null", true},
		{"null", "false", false},
		{"\"a\"", "\"a\"", true},
		{"\"a\"", "\"ab\"", false},
		{"[1,[2]]", "[1,[2]]", true},
		{"[1]", "[1,2]", false},
		{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":2}", false},
		{"{\"a\":1}", "{\"b\":1}", false},
	};
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value i1 = value_int(1), f1 = value_float(1), nan = value_float((double)NAN), a, b;
	struct value_pair pa = {value_string_of("a", 1), i1}, pb = {value_string_of("a", 1), f1};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (value_from_json(&pool, cases[i].a, strlen(cases[i].a), &a, NULL) < 0 ||
			value_from_json(&pool, cases[i].b, strlen(cases[i].b), &b, NULL) < 0)
			bail("%s or %s is no JSON", cases[i].a, cases[i].b);
		ok(value_equal(&a, &b) == cases[i].equal, "%s == %s is %s", cases[i].a, cases[i].b,
			cases[i].equal ? "true" : "false");
	}
	ok(value_equal(&i1, &f1), "an int and a float");
	ok(!value_equal(&nan, &nan), "NaN equals nothing");
	value_make_array(&pool, &i1, 1, VALUE_INT, &a);
	value_make_array(&pool, &f1, 1, VALUE_ANY, &b);
	ok(value_equal(&a, &b), "arrays by their elements");
	value_make_array(&pool, &f1, 1, VALUE_FLOAT, &b);
	ok(!value_equal(&a, &b), "but not arrays of ints and of floats");
	value_make_map(&pool, &pa, 1, false, &a);
	value_make_map(&pool, &pb, 1, false, &b);
	ok(!value_equal(&a, &b), "in maps 1 and 1.0 differ");
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int rc;
		double number;
	} floats[] = {
		{"1", 0, 1},
		{"+1", 0, 1},
		{"-1.5", 0, -1.5},
		{".5", 0, 0.5},
		{"5.", 0, 5},
		{"1e3", 0, 1000},
		{"1E+3", 0, 1000},
		{"1e-400", 0, 0},
		{"0x1p4", 0, 16},
		{"0x.8p1", 0, 1},
		{"0x1_0p0", 0, 16},
		{"0x_1p0", 0, 1},
		{"1_0", 0, 10},
		{"inf", 0, (double)INFINITY},
		{"-Infinity", 0, (double)-INFINITY},
		{"+INF", 0, (double)INFINITY},
		{"", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"e5", -EINVAL, 0},
		{"1e", -EINVAL, 0},
		{"1e+", -EINVAL, 0},
		{"0x1", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"0x1p", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"+nan", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"1__0", -EINVAL, 0},
		{"1_", -EINVAL, 0},
		{"_1", -EINVAL, 0},
		{"0x1_p0", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{"1e400", -ERANGE, 0},
	};
	static const struct {
		const char *text;
		int rc;
		int64_t integer;
	} ints[] = {
		{"0", 0, 0},
		{"+5", 0, 5},
		{"-7", 0, -7},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"+", -EINVAL, 0},
		{" 5", -EINVAL, 0},
		{"1.1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e+06", -EINVAL, 0},
		{"1_0", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(floats); i++) {
		double number = 4711;

		is_int(value_parse_float(floats[i].text, strlen(floats[i].text), &number),
			floats[i].rc, "float '%s'", floats[i].text);
		ok(number == (floats[i].rc < 0 ? 4711 : floats[i].number), "float '%s': value",
			floats[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ints); i++) {
		int64_t integer = 4711;

		is_int(value_parse_int(ints[i].text, strlen(ints[i].text), &integer), ints[i].rc,
			"int '%s'", ints[i].text);
		is_int(integer, ints[i].rc < 0 ? 4711 : ints[i].integer, "int '%s': value",
			ints[i].text);
	}
	is_int(value_float_to_int(-1.9), -1, "to zero");
	is_int(value_float_to_int((double)NAN), INT64_MIN, "NaN as an int");
	is_int(value_float_to_int(1e30), INT64_MIN, "1e30 as an int");
	is_int(value_float_to_int(-0x1p63), INT64_MIN, "the smallest int");
}

static void test_bounds(void)
{
	_cleanup_value_pool_ struct value_pool pool = {NULL, 0, 100};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct value v, items[3] = {value_int(1), value_string_of("abcdef", 6), value_nil()};

	ok(!value_pool_alloc(&pool, SIZE_MAX, 2), "no overflow");
	ok(!value_pool_alloc(&pool, 101, 1), "not over the limit");
	ok(value_pool_alloc(&pool, 90, 1), "up to it");
	ok(!value_pool_alloc(&pool, 16, 1), "and no more");
	value_pool_done(&pool);
	is_int(value_make_array(&pool, items, 3, VALUE_ANY, &v), 0, "an array");
	value_to_text(&v, &text, 6);
	is_str(strbuf_str(&text), "[1 abc", "text is bounded");
}

int main(void)
{
	test_json();
	test_bad_json();
	test_map();
	test_depth();
	test_equal();
	test_numbers();
	test_bounds();
	return done_testing();
}
