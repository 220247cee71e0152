#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "verify/expr.h"
#include "verify/expr_builtin.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <math.h>

struct expr_case {
	const char *result; /* JSON */
	const char *text;
	const char *value; /* as value_to_text() has it, or "!" and a part of the error */
};

static void run_cases(enum expr_dialect dialect, const struct expr_case *cases, size_t n)
{
	static const char response_json[] =
		"{\"headers\":{\"content-type\":\"text/plain\",\"x-a\":\"1\"}}";
	static const char args_json[] = "{\"limit\":\"0.9\",\"evil\":\"1 or true\"}";
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value headers, response, args;
	struct value_pair pairs[2] = {{value_string_of("code", 4), value_int(503)},
		{value_string_of("headers", 7), value_nil()}};
	struct value_map folded;

	if (value_from_json(&pool, response_json, strlen(response_json), &response, NULL) < 0 ||
		value_from_json(&pool, args_json, strlen(args_json), &args, NULL) < 0)
		bail("no JSON");
	headers = *value_map_get_str(&response, "headers");
	folded = *headers.u.map;
	folded.fold_case = true;
	headers.u.map = &folded;
	pairs[1].value = headers;
	value_make_map(&pool, pairs, 2, false, &response);

	for (size_t i = 0; i < n; i++) {
		const struct expr_case *c = &cases[i];
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_expr_ struct expr *expr = NULL;
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct value result, value;
		struct expr_env env = {.result = &result,
			.response = &response,
			.args = &args,
			.now_nsec = 1700000000 * INT64_C(1000000000)};
		int rc;

		if (value_from_json(&pool, c->result, strlen(c->result), &result, NULL) < 0)
			bail("%s is no JSON", c->result);
		rc = expr_parse(c->text, dialect, &expr, &err);
		if (rc == 0)
			rc = expr_eval(expr, &env, &pool, &value, &err);
		if (c->value[0] == '!') {
			ok(rc < 0, "%s of %s fails", c->text, c->result);
			contains(err_text(&err), c->value + 1, "%s: the error", c->text);
			continue;
		}
		if (!is_int(rc, 0, "%s of %s", c->text, c->result)) {
			diag("%s", err_text(&err));
			continue;
		}
		value_to_text(&value, &b, 0);
		is_str(strbuf_str(&b), c->value, "%s of %s: value", c->text, c->result);
	}
}

#define RUN(dialect, cases) run_cases(dialect, cases, ARRAY_SIZE(cases))

/* What conditions in use look like. */
static void test_usual(void)
{
	static const struct expr_case cases[] = {
		{"0.97", "result >= 0.95", "true"},
		{"[0.97]", "result[0] >= 0.95", "true"},
		{"[]", "len(result) == 0 or result[0] >= 0.95", "true"},
		{"[]", "result[0] >= 0.95", "!index out of range: 0 (array length is 0)"},
		{"\"200\"", "asInt(result) == 200", "true"},
		{"{\"major\":\"1\"}", "result.major == '1'", "true"},
		{"{\"ok\":true,\"successPercent\":0.95}",
			"result.ok && result.successPercent >= 0.90", "true"},
		{"[1,2,3]", "all(result, # < 4) and any(result, {# > 2})", "true"},
		{"{\"v\":{\"values\":[2,2]}}", "all(result.v.values, {# > 1})", "true"},
		{"[2,2]", "2 in result", "true"},
		{"null", "default(result, 0) == 0", "true"},
		{"5", "default(result, 0)", "5"},
		{"null", "isNil(result)", "true"},
		{"5", "isNil(nil)", "false"},
		{"5", "isNaN(result) || isInf(result)", "false"},
		{"5", "isNaN(asFloat('NaN')) and isInf(asFloat('-inf'))", "true"},
		{"true", "result == true", "true"},
		{"true", "result.Name() == 'hi'", "!type bool has no method Name"},
		{"\"1.1\"", "asInt(result) == 1.1", "!asInt(): '1.1' is no integer"},
		{"\"NotANum\"", "asFloat(result) == 1.1", "!asFloat(): 'NotANum' is no number"},
		{"\"1.1\"", "asFloat(result) == \"1.1\"", "!'==' cannot join float and string"},
		{"1", "a == true", "!column 1: unknown name a"},
		{"1", "reslt > 1", "!unknown name reslt (did you mean result?)"},
		{"1", "asIn(result)", "!unknown name asIn (did you mean asInt?)"},
		/* Our own. */
		{"1", "response.code in [502, 503]", "true"},
		{"1", "response.code == '503'", "!'==' cannot join int and string"},
		{"1", "response.status", "!unknown field status"},
		{"1", "response.headers['Content-Type'] startsWith 'text/'", "true"},
		{"1", "response.headers['X-B'] == nil", "true"},
		{"0.95", "result > asFloat(args.limit)", "true"},
		{"0.95", "result > args.limit", "!asFloat(…) or asInt(…) makes a number"},
		{"0.95", "args.limits == '1'", "!unknown field limits (did you mean limit?)"},
		{"0.95", "args.evil == '1 or true'", "true"},
	};

	RUN(EXPR_ARGO, cases);
}

static void test_literals(void)
{
	static const struct expr_case cases[] = {
		{"0", "10_000", "10000"},
		{"0", "0x1F + 0b11 + 0o17", "49"},
		{"0", "1e3", "1000"},
		{"0", ".5 + 2. + 1.5e-1", "2.65"},
		{"0", "007", "7"},
		{"0", "9223372036854775807", "9223372036854775807"},
		{"0", "9223372036854775808", "!the number 9223372036854775808 is too large"},
		{"0", "0xffffffffffffffff", "!is too large"},
		{"0", "1e999", "!is too large"},
		{"0", "0x", "!invalid number 0x"},
		{"0", "1e", "!invalid number 1e"},
		{"0", "12abc", "!bad number syntax: '12a"},
		{"0", "'a\\n\\t\\x41\\u00e9\\u{1F600}\\101\\'' + \"'\\\"\"",
			"a\n\tA\xc3\xa9\xf0\x9f\x98\x80"
			"A''\""},
		{"0", "`raw \\n ``tick```", "raw \\n `tick`"},
		{"0", "'\\q'", "!column 2: invalid char escape"},
		{"0", "'\\u12'", "!invalid char escape"},
		{"0", "'\\u{}'", "!invalid char escape"},
		{"0", "'\\777'", "!invalid char escape"},
		{"0", "'abc", "!column 1: literal not terminated"},
		{"0", "'a\nb'", "!literal not terminated"},
		{"0", "b'x'", "!literals of bytes are not supported"},
		{"0", "nil", "<nil>"},
		{"0", "[1, 'a', nil, [true],]", "[1 a <nil> [true]]"},
		{"0", "{a: 1, 'b c': 2, 3: 4, ('x' + 'y'): 5,}", "map[3:4 a:1 b c:2 xy:5]"},
		{"0", "{a: 1, a: 2}.a", "1"},
		{"0", "{(1): 2}", "!the key of a map must be a string, not int"},
		{"0", "{-1: 2}", "!the key of a map must be"},
		{"0", "1 // two\n + /* three */ 2", "3"},
		{"0", "1 /* two", "!a comment does not end"},
		{"0", "", "!unexpected end of the condition"},
		{"0", "  ", "!unexpected end of the condition"},
		{"0", "1 2", "!column 3: unexpected 2"},
		{"0", "(1", "!) is missing"},
		{"0", "1)", "!column 2: unexpected )"},
		{"0", "[1", "!, is missing"},
		{"0", "1 +", "!column 4: unexpected end"},
		{"0", "\n\n  @", "!line 3, column 3: unrecognized character: '@'"},
		{"0", "'\xc3\xa9' @", "!column 5: unrecognized"},
		{"0", "1 = 1", "!column 3: unexpected ="},
		{"0", "true true", "!unexpected true"},
		{"0", "#", "!has a meaning in a closure only"},
	};

	RUN(EXPR_ARGO, cases);
}

/* The table of precedences and the operators, with Go's arithmetic. */
static void test_operators(void)
{
	static const struct expr_case cases[] = {
		{"0", "1 + 2 * 3 ** 2", "19"},
		{"0", "-2 ** 2 == -4", "true"},
		{"0", "2 ** 3 ** 2", "512"},
		{"0", "2 ^ 3", "8"},
		{"0", "(1 + 2) * 3", "9"},
		{"0", "10 - 2 - 3", "5"},
		{"0", "7 / 2", "3.5"},
		{"0", "1 / 0", "+Inf"},
		{"0", "-1 / 0 < 0", "true"},
		{"0", "0 / 0 == 0 / 0", "false"},
		{"0", "7 % 3 + -7 % 3", "0"},
		{"0", "1 % 0", "!integer divide by zero"},
		{"7", "result % 2", "!'%' takes integers only: write int"},
		{"7", "int(result) % 2", "1"},
		{"0", "9223372036854775807 + 1", "-9223372036854775808"},
		{"0", "-9223372036854775807 - 1 - 1", "9223372036854775807"},
		{"0", "(-9223372036854775807 - 1) % -1", "0"},
		{"0", "-(-9223372036854775807 - 1)", "-9223372036854775808"},
		{"0", "4611686018427387904 * 2", "-9223372036854775808"},
		{"0", "int(1e300)", "-9223372036854775808"},
		{"0", "'a' + 'b'", "ab"},
		{"0", "'a' + 1", "!'+' cannot join string and int"},
		{"0", "true or false and false", "true"},
		{"0", "not true or true", "true"},
		{"0", "not 1 == 2", "!'not' cannot apply to int"},
		{"0", "!(1 == 2) && not false", "true"},
		{"0", "1 < 2 < 3", "true"},
		{"0", "3 > 2 > 2", "false"},
		{"0", "1 == 1.0", "true"},
		{"0", "'a' < 'b' and 'a' <= 'a' and 'ab' > 'a'", "true"},
		{"0", "nil == nil", "true"},
		{"0", "[1, 2] == [1.0, 2.0]", "true"},
		{"0", "1..3 == [1, 2, 3]", "true"},
		{"0", "1..3 + 1", "[1 2 3 4]"},
		{"0", "3..1", "[]"},
		{"0", "2 in 1..3 and 4 not in 1..3", "true"},
		{"2", "result in 1..1000000000", "true"},
		{"0", "1..1000000000", "!memory budget exceeded"},
		{"0", "1..1e9", "!'..' cannot join int and float"},
		{"0", "'a' in ['a', 'b'] and 'c' not in ['a']", "true"},
		{"{\"a\":1}", "'a' in result and 'b' not in result", "true"},
		{"{\"a\":1}", "1 in result", "!the keys of this map are strings"},
		{"{\"a\":1}", "result.a in ['x']", "!cannot be looked for among strings"},
		{"0", "'a' in 'abc'", "!for strings there is 'contains'"},
		{"0", "'abc' contains 'b' and 'abc' startsWith 'a' and 'abc' endsWith 'bc'",
			"true"},
		{"0", "'abc' not contains 'x' and 'abc' not startsWith 'b'", "true"},
		{"0", "'abc' matches '^a.c$' and 'abc' not matches '\\\\d'", "true"},
		{"0", "'abc' matches '('", "!column 15: regular expression '('"},
		{"{\"a\":null}", "result.a contains 'x'", "false"},
		{"{\"a\":1}", "result.a contains 'x'", "!'contains' cannot join float and string"},
		{"{\"a\":\"[\"}", "'x' matches result.a", "!missing closing ']'"},
		{"0", "true ? 1 : 2", "1"},
		{"0", "false ?: 2", "2"},
		{"0", "false ? 1 : true ? 2 : 3", "2"},
		{"0", "1 ? 2 : 3", "!non-bool expression (int) used as condition"},
		{"0", "nil ?? 1", "1"},
		{"0", "nil ?? nil ?? 2", "2"},
		{"0", "nil ?? 1 + 2", "!cannot be mixed"},
		{"0", "(nil ?? 1) + 2", "3"},
		{"[3,1,2]", "result | sort() | map(# * 2) | last()", "6"},
		{"0", "let x = 5; let y = x * 2; x + y", "15"},
		{"0", "let result = 5; result", "!cannot redeclare result"},
		{"0", "let x = 1; let x = 2; x", "!cannot redeclare x"},
		{"0", "let len = 1; len", "!cannot redeclare len"},
		{"0", "1; 2; 3", "3"},
		{"0", "if 1 > 2 { 'a' } else if true { 'b' } else { 'c' }", "b"},
		{"0", "true && 5", "!'and' cannot join bool and int"},
		{"{\"a\":1}", "false and result.a.b.c", "false"},
		{"{\"a\":1}", "result.a.b.c and false", "false"},
		{"{\"a\":1}", "result.a and true", "1"},
		{"{\"a\":1}", "not result.a", "!'not' cannot apply to float"},
	};

	RUN(EXPR_ARGO, cases);
}

/* At the top typed by what was measured, inside of it by what is met. */
static void test_typing(void)
{
	static const struct expr_case cases[] = {
		{"1", "result == '1'", "!'==' cannot join float and string"},
		{"\"1\"", "result > 0", "!'>' cannot join string and int"},
		{"\"1\"", "result == 1", "!asFloat(…) or asInt(…)"},
		{"null", "result > 1", "!'>' cannot join nil and int"},
		{"null", "result.a", "!type nil has no field a"},
		{"null", "result == nil", "true"},
		{"true", "result == 1", "!cannot join bool and int"},
		{"{\"a\":1}", "result.a == '1'", "false"},
		{"{\"a\":1}", "result.missing == nil", "true"},
		{"{\"a\":1}", "result.missing > 0", "!'>' cannot join nil and int"},
		{"{\"a\":1}", "result.missing.c", "!cannot fetch c from nil"},
		{"{\"a\":1}", "result?.missing?.c.d == nil", "true"},
		{"{\"a\":1}", "result.missing?.['x'] == nil", "true"},
		{"{\"a\":1}", "result['a'] == 1", "true"},
		{"{\"a\":1}", "result[1]", "!the keys of a map are strings"},
		{"[1,\"x\"]", "result[1] == 1", "false"},
		{"[1,2,3]", "result[-1]", "3"},
		{"[1,2,3]", "result[3]", "!index out of range: 3 (array length is 3)"},
		{"[1,2,3]", "result[-4]", "!index out of range"},
		{"[1,2,3]", "result['a']", "!type array has no field a"},
		{"[1,2,3]", "result[1.0]", "!array elements can only be selected using an integer"},
		{"[1,2,3]", "result[1:]", "[2 3]"},
		{"[1,2,3]", "result[:-1]", "[1 2]"},
		{"[1,2,3]", "result[5:9]", "[]"},
		{"[1,2,3]", "result[2:1]", "[]"},
		{"\"h\xc3\xa9\"", "result[0:1]", "h"},
		{"5", "result[0]", "!type float has no elements"},
		{"5", "result[0:1]", "!cannot slice float"},
		{"9007199254740993", "result == 9007199254740992", "true"},
		{"{\"n\":9007199254740993}", "int(result.n)", "9007199254740992"},
		{"5", "result()", "!result is not callable"},
		{"5", "asInt", "!asInt is a function: write asInt(…)"},
		{"5", "asInt()", "!not enough arguments to call asInt()"},
		{"5", "asInt(1, 2)", "!too many arguments to call asInt()"},
		{"5", "$env", "!unknown name $env"},
	};

	RUN(EXPR_ARGO, cases);
}

static void test_conversions(void)
{
	static const struct expr_case cases[] = {
		{"\"+5\"", "asInt(result)", "5"},
		{"\" 5\"", "asInt(result)", "!no integer"},
		{"\"0x10\"", "asInt(result)", "!no integer"},
		{"\"1e+06\"", "asInt(result)", "!no integer"},
		{"\"\"", "asInt(result)", "!no integer"},
		{"\"99999999999999999999\"", "asInt(result)", "!out of range"},
		{"-1.9", "asInt(result)", "-1"},
		{"true", "asInt(result)", "!asInt() not supported on bool"},
		{"null", "asInt(result)", "!asInt() not supported on nil"},
		{"[1]", "asInt(result)", "!asInt() not supported on array"},
		{"\"1e3\"", "asFloat(result)", "1000"},
		{"\"NaN\"", "asFloat(result)", "NaN"},
		{"\"inf\"", "asFloat(result)", "+Inf"},
		{"\"1e999\"", "asFloat(result)", "!out of range"},
		{"0", "isNaN(5)", "false"},
		{"0", "isNaN(asInt('5') + 1)", "false"},
		{"0", "isNaN(len('5'))", "!isNaN() takes a float, not int"},
		{"0", "isNaN('5')", "!isNaN() takes a number, not string"},
		{"0", "isInf(1 / 0)", "true"},
		{"0", "int('5') + int(5.9)", "10"},
		{"0", "int('5.9')", "!int() cannot read '5.9'"},
		{"0", "float('5.9') + float(1)", "6.9"},
		{"0", "string(1.5) + string(nil) + string([1, 'a'])", "1.5<nil>[1 a]"},
		{"0", "type(1) + type('') + type(nil) + type([]) + type({}) + type(1.0)",
			"intstringnilarraymapfloat"},
	};

	RUN(EXPR_ARGO, cases);
}

static void test_builtins(void)
{
	static const struct expr_case cases[] = {
		{"[]", "all(result, false)", "true"},
		{"[]", "any(result, true)", "false"},
		{"[1,2,3]", "none(result, # > 3) and one(result, # == 2)", "true"},
		{"[1,2,3]", "filter(result, # > 1)", "[2 3]"},
		{"[1,2,3]", "map(result, # * #index)", "[0 2 6]"},
		{"[1,2,3]", "count(result, # > 1)", "2"},
		{"[true,false]", "count(result)", "1"},
		{"[1,2,3]", "sum(result)", "6"},
		{"[1,2,3]", "sum(result, # * 2)", "12"},
		{"[]", "sum(result)", "0"},
		{"[\"a\"]", "sum(result)", "!sum() takes numbers, not string"},
		{"[1,2,3]", "find(result, # > 1)", "2"},
		{"[1,2,3]", "findIndex(result, # > 1)", "1"},
		{"[1,2,3]", "findLast(result, # > 1)", "3"},
		{"[1,2,3]", "findLastIndex(result, # < 0)", "<nil>"},
		{"[{\"v\":1}]", "all(result, .v == 1)", "true"},
		{"[{\"v\":1}]", "all(result, #.v == 1)", "true"},
		{"[[1],[2,3]]", "map(result, len(#))", "[1 2]"},
		{"[[1],[2,3]]", "any(result, any(#, # == 3))", "true"},
		{"[1,2]", "all(result, # )", "!should be true or false, not float"},
		{"[1,2]", "all(result, 1)", "!should be true or false, not int"},
		{"5", "all(result, true)", "!all() takes an array, not float"},
		{"[1]", "all(result)", "!all() needs an array and a closure"},
		{"[1]", "filter(result, #index > 0)", "!unknown pointer #index"},
		{"[1]", "all(result, let x = #; x > 0)", "true"},
		{"[1,2,3]", "reduce(result, #acc + #)", "6"},
		{"[1,2,3]", "reduce(result, #acc + #, 10)", "16"},
		{"[]", "reduce(result, #acc + #)", "!reduce of empty array"},
		{"[{\"s\":\"a\"},{\"s\":\"b\"},{\"s\":\"a\"}]", "len(groupBy(result, .s)['a'])",
			"2"},
		{"[{\"s\":\"a\"}]", "len(groupBy(result, .s)['x'])", "0"},
		{"[{\"s\":\"a\"}]", "groupBy(result, .s)['x'] == nil", "true"},
		{"[{\"v\":2},{\"v\":1}]", "map(sortBy(result, .v), .v)", "[1 2]"},
		{"[{\"v\":2},{\"v\":1}]", "map(sortBy(result, .v, 'desc'), .v)", "[2 1]"},
		{"[1,\"a\"]", "sort(result)", "!cannot compare string with float"},
		{"[3,1,2]", "sort(result, 'desc')", "[3 2 1]"},
		{"[3,1,2]", "max(result) + min(result, 0) + mean(result) + median(result)", "7"},
		{"[]", "max(result)", "<nil>"},
		{"[]", "mean(result)", "0"},
		{"[1,2,3,4]", "median(result)", "2.5"},
		{"0", "max('a')", "!max() cannot take string"},
		{"0", "abs(-5) + abs(-1.5)", "6.5"},
		{"0", "ceil(1.2) + floor(1.8) + round(2.5) + round(-2.5)", "3"},
		{"0", "len('h\xc3\xa9') + len([1]) + len({a: 1})", "4"},
		{"0", "len(5)", "!len() cannot take int"},
		{"0", "upper('h\xc3\xa9') + lower('ABC')",
			"H\xc3\x89"
			"abc"},
		{"0",
			"trim(' a ') + trim('xax', 'x') + trimPrefix('ab', 'a') + trimSuffix('ab', "
			"'b')",
			"aaba"},
		{"0", "split('a,b,c', ',')", "[a b c]"},
		{"0", "split('a,b,c', ',', 2)", "[a b,c]"},
		{"0", "splitAfter('a,b', ',')", "[a, b]"},
		{"0", "join(split('h\xc3\xa9y', ''), '-')", "h-\xc3\xa9-y"},
		{"0", "replace('aaa', 'a', 'b') + replace('aaa', 'a', 'b', 1)", "bbbbaa"},
		{"0", "repeat('ab', 3)", "ababab"},
		{"0", "repeat('ab', -1)", "!expected positive integer"},
		{"0", "repeat('ab', 10000000)", "!memory budget exceeded"},
		{"0", "indexOf('abcb', 'b') + lastIndexOf('abcb', 'b') + indexOf('a', 'x')", "3"},
		{"0", "hasPrefix('abc', 'a') and hasSuffix('abc', 'c')", "true"},
		{"[1,2,3]", "first(result) + last(result)", "4"},
		{"[]", "first(result)", "<nil>"},
		{"{\"z\":1,\"a\":2}", "keys(result)", "[z a]"},
		{"{\"z\":1,\"a\":2}", "values(result)", "[1 2]"},
		{"{\"z\":1}", "toPairs(result)", "[[z 1]]"},
		{"0", "fromPairs([['a', 1]])", "map[a:1]"},
		{"[1,2,3]", "take(result, 2)", "[1 2]"},
		{"[1,2,3]", "reverse(result)", "[3 2 1]"},
		{"[1,2,1]", "uniq(result)", "[1 2]"},
		{"[1]", "concat(result, [2], [[3]])", "[1 2 [3]]"},
		{"[[1,[2]],3]", "flatten(result)", "[1 2 3]"},
		{"{\"a\":[5]}", "get(result, 'a') | get(0)", "5"},
		{"[5]", "get(result, 7)", "<nil>"},
		{"0", "toJSON({b: [1.5, nil], a: 'x<'})",
			"{\n  \"a\": \"x\\u003c\",\n  \"b\": [\n    1.5,\n    null\n  ]\n}"},
		{"0", "fromJSON('{\"a\": [1]}').a[0]", "1"},
		{"0", "fromJSON('{')", "!fromJSON(): not JSON"},
		{"0", "toBase64('hello') + fromBase64('aGVsbG8=')", "aGVsbG8=hello"},
		{"0", "fromBase64('a')", "!fromBase64()"},
		{"0", "bitand(12, 10) + bitor(12, 10) + bitxor(12, 10) + bitnand(12, 10)", "32"},
		{"0", "bitshl(1, 4) + bitshr(-16, 2) + bitushr(-1, 60) + bitnot(0)", "26"},
		{"0", "bitshl(1, -1)", "!negative shift count"},
		{"0", "bitshl(1, 64) + bitshr(-1, 99)", "-1"},
		{"0", "now() - duration('1h')", "2023-11-14 21:13:20 +0000 UTC"},
		{"0", "now().Unix()", "1700000000"},
		{"0", "duration('90m').Hours()", "1.5"},
		{"0", "duration('x')", "!'x' is not a duration"},
		{"0", "date('2023-08-14') + duration('1s')", "2023-08-14 00:00:01 +0000 UTC"},
		{"0", "date('2023-08-14T01:02:03.5+02:00') < date('2023-08-14')", "true"},
		{"0", "date('14/08/2023', '02/01/2006') == date('2023-08-14 00:00:00')", "true"},
		{"0", "date('2023-08-14 00:00:00', '2006-01-02 15:04:05', 'UTC') - duration('1h')",
			"2023-08-13 23:00:00 +0000 UTC"},
		{"0", "date('2023-08-14', '2006-01-02', 'Mars')", "!only UTC"},
		{"0", "date('2023-02-30')", "!is no day"},
		{"0", "date('x')", "!invalid date 'x'"},
		{"0", "date('2024-01-02') - date('2024-01-01')", "24h0m0s"},
		{"0", "::len('abc')", "3"},
	};

	RUN(EXPR_ARGO, cases);
}

/* BlueKing: results are strings, expr 1.8. */
static void test_bcs(void)
{
	static const struct expr_case cases[] = {
		{"\"5\"", "asInt(result) == 5", "true"},
		{"\"0.95\"", "asFloat(result) >= 0.9", "true"},
		{"\"ok\"", "result == 'ok'", "true"},
		{"\"5\"", "result == 5", "!'==' cannot join string and int"},
		{"\"1e+06\"", "asInt(result) == 1000000", "!no integer"},
		{"\"5\"", "asInt(5)", "!asInt() takes a string, not int"},
		{"\"5\"", "-2 ** 2 == 4", "true"},
		{"\"5\"", "7 / 2", "3"},
		{"\"5\"", "-7 / 2", "-3"},
		{"\"5\"", "7 / 2.0", "3.5"},
		{"\"5\"", "1 / 0", "!integer divide by zero"},
		{"\"5\"", "len('h\xc3\xa9')", "3"},
		{"\"5\"", "all([1, 2], {# > 0}) and any([1], {# == 1})", "true"},
		{"\"5\"", "filter([1, 2], {# > 1})", "[2]"},
		{"\"5\"", "map([1, 2], {# * 2})", "[2 4]"},
		{"\"5\"", "count([1, 2], {# > 1}) == 1 and one([1], {true}) and none([], {true})",
			"true"},
		{"\"a\"", "result in ['a', 'b'] and result not in ['c']", "true"},
		{"\"a\"", "result matches '^a$' and result contains 'a' ? true : false", "true"},
		{"\"a\"", "{'k': [1, 2]}.k[0:1]", "[1]"},
		{"\"a\"", "[1, 2][-1]", "!index out of range"},
		{"\"a\"", "all([1], # > 0)", "!a closure without braces is not in the language"},
		{"\"a\"", "max(1, 2)", "!max() is not in the language of BlueKing"},
		{"\"a\"", "isNaN(1.0)", "!unknown name isNaN"},
		{"\"a\"", "response.code", "!unknown name response"},
		{"\"a\"", "let x = 1; x", "!unexpected"},
		{"\"a\"", "1 // 2", "!unexpected /"},
		{"\"a\"",
			"nil ?"
			"? 1",
			"!unexpected"},
		{"\"a\"", "result not contains 'x'", "!'not' before any word but 'in'"},
		{"\"a\"", "`x`", "!unrecognized character"},
		{"\"a\"", "2 ^ 2", "!unexpected ^"},
		{"\"a\"", "[1, 2][0] == 'x'", "false"},
		{"\"a\"", "len(result) in ['a']", "!cannot be looked for among strings"},
		{"\"a\"", "3..1", "!a range cannot go down"},
		{"\"a\"", "1 < 2 < 3", "!'<' cannot join bool and int"},
		{"\"a\"", "[1] | len()", "!unexpected |"},
	};

	RUN(EXPR_BCS, cases);
}

/* The times of a range query. */
static void test_time(void)
{
	static const struct expr_case cases[] = {
		{"0", "now() - duration('1h')", "2023-11-14 21:13:20 +0000 UTC"},
		{"0", "result", "!unknown name result"},
		{"0", "asInt('1')", "!unknown name asInt"},
		{"0", "isNaN(1.0)", "false"},
	};

	RUN(EXPR_TIME, cases);
}

static void test_unknown_result(void)
{
	static const struct {
		const char *text;
		int rc;
		enum value_type type;
	} cases[] = {
		{"result > 1", 0, VALUE_BOOL},
		{"result == '1'", 0, VALUE_BOOL},
		{"result.a[0] + 1", 0, VALUE_ANY},
		{"len(result)", 0, VALUE_INT},
		{"response.code == 200 and args.x == 'y'", 0, VALUE_BOOL},
		{"reslt > 1", -EINVAL, VALUE_ANY},
		{"result > 1 and 'a' > 1", -EINVAL, VALUE_ANY},
		{"result >", -EINVAL, VALUE_ANY},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_expr_ struct expr *expr = NULL;
		struct expr_env env = {.result = NULL};
		enum value_type type = VALUE_ANY;
		int rc = expr_parse(cases[i].text, EXPR_ARGO, &expr, NULL);

		if (rc == 0)
			rc = expr_check(expr, &env, &type, NULL);
		is_int(rc, cases[i].rc, "%s before anything is measured", cases[i].text);
		is_int(type, cases[i].type, "%s: its type", cases[i].text);
	}
}

static void test_bool(void)
{
	struct value result = value_float(1);
	struct expr_env env = {.result = &result};
	_cleanup_expr_ struct expr *number = NULL, *truth = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	bool holds = true;

	expr_parse("1", EXPR_ARGO, &number, NULL);
	is_int(expr_eval_bool(number, &env, &holds, &err), -EINVAL, "a number is no condition");
	contains(err_text(&err), "gives int where true or false is needed", "and told so");
	expr_parse("result > 1", EXPR_ARGO, &truth, NULL);
	is_int(expr_eval_bool(truth, &env, &holds, NULL), 0, "a comparison is one");
	ok(!holds, "which does not hold");
	result = value_float((double)NAN);
	is_int(expr_eval_bool(truth, &env, &holds, NULL), 0, "also of NaN");
	ok(!holds, "where it does not hold either");
}

/* A vector of Prometheus has elements of a known type. */
static void test_vector(void)
{
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	struct value items[2] = {value_float(1), value_float(2)}, result;
	struct expr_env env = {.result = &result};
	_cleanup_expr_ struct expr *wrong = NULL, *right = NULL;
	bool holds = false;

	value_make_array(&pool, items, 2, VALUE_FLOAT, &result);
	expr_parse("result[0] == '1'", EXPR_ARGO, &wrong, NULL);
	is_int(expr_eval_bool(wrong, &env, &holds, NULL), -EINVAL, "a number is no string");
	expr_parse("result[0] == 1 and 2 in result", EXPR_ARGO, &right, NULL);
	is_int(expr_eval_bool(right, &env, &holds, NULL), 0, "a number is a number");
	ok(holds, "and is found");
}

static void test_explain(void)
{
	static const struct {
		const char *result, *text, *reason;
	} cases[] = {
		{"0.91", "result > 0.95", "result > 0.95 (result was 0.91)"},
		{"0.91", "  result   >\n0.95 // a remark", "result > 0.95 (result was 0.91)"},
		{"0.91", "result > 0.95 && true", "result > 0.95 (result was 0.91)"},
		{"{\"a\":1,\"b\":2}", "result.a == 1 and result.b > 5",
			"result.b > 5 (result.b was 2)"},
		{"{\"a\":1,\"b\":2}", "result.a == 2 and result.b > 5",
			"result.a == 2 (result.a was 1)"},
		{"{\"a\":1,\"b\":2}", "result.a == 2 or result.b > 5",
			"result.a == 2 (result.a was 1); result.b > 5 (result.b was 2)"},
		{"{\"a\":1,\"b\":2}", "result.a == 2 or result.b == 2",
			"result.b == 2 (result.b was 2)"},
		{"{\"a\":1,\"b\":2}", "result.a == 1 or result.b > 5",
			"result.a == 1 (result.a was 1)"},
		{"{\"a\":1,\"b\":2}", "not (result.a == 1)",
			"not (result.a == 1) (result.a was 1)"},
		{"\"200\"", "asInt(result) == 201", "asInt(result) == 201 (result was '200')"},
		{"1500000", "result < 1000000", "result < 1000000 (result was 1500000)"},
		{"[1,2]", "len(result) > 5", "len(result) > 5 (len(result) was 2)"},
		{"[1,2,0.5]", "all(result, # >= 1)", "all() at element 2: # >= 1 (# was 0.5)"},
		{"[1,2,0.5]", "none(result, # == 2)", "none() at element 1: # == 2 (# was 2)"},
		{"[{\"s\":\"x\"}]", "any(result, .s == 'x')",
			"any() at element 0: .s == 'x' (.s was 'x')"},
		{"[1,2]", "let n = len(result); n > 5", "n > 5 (n was 2)"},
		{"null", "isNil(result)", "isNil(result) (result was nil)"},
		{"true", "result", "result"},
		/* What cannot be evaluated. */
		{"1", "repeat() == result", "repeat() == result"},
		{"1", "result == '1'", "result == '1'"},
		{"{}", "result.a > 1", "result.a > 1"},
		{"\"a\\nb\"", "result == 'c'", "result == 'c' (result was 'a\\nb')"},
		{"\"x\"", "result in ['a', 'b']", "result in ['a', 'b'] (result was 'x')"},
	};
	_cleanup_value_pool_ struct value_pool pool = VALUE_POOL_INIT;
	_cleanup_strbuf_ struct strbuf many = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_expr_ struct expr *expr = NULL;
		_cleanup_free_ char *reason = NULL;
		struct value result;
		struct expr_env env = {.result = &result};

		if (value_from_json(
			    &pool, cases[i].result, strlen(cases[i].result), &result, NULL) < 0 ||
			expr_parse(cases[i].text, EXPR_ARGO, &expr, NULL) < 0)
			bail("%s", cases[i].text);
		reason = expr_explain(expr, &env, 200);
		is_str(reason, cases[i].reason, "%s of %s", cases[i].text, cases[i].result);
	}
	for (int i = 0; i < 200; i++)
		strbuf_addf(
			&many, "%sresult == 'a long text of many bytes %d'", i ? " or " : "", i);
	for (size_t max = 1; max < 300; max += 13) {
		_cleanup_expr_ struct expr *expr = NULL;
		_cleanup_free_ char *reason = NULL;
		struct value result = value_string_of("x\0\xff", 3);
		struct expr_env env = {.result = &result};

		if (expr_parse(many.s, EXPR_ARGO, &expr, NULL) < 0)
			bail("a long condition");
		reason = expr_explain(expr, &env, max);
		ok(strlen(reason) <= MAX(max, (size_t)3), "a reason of at most %zu bytes", max);
	}
}

static void add_times(struct strbuf *b, const char *text, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		strbuf_adds(b, text);
}

/* BEGIN, ×N, MIDDLE, ×N: each ends in an error that names the limit. */
static void test_nesting(void)
{
	static const struct {
		const char *open, *middle, *close;
		unsigned n;
		const char *error;
	} cases[] = {
		{"(", "1", ")", 10000, "nested deeper than 200"},
		{"[", "1", "]", 10000, "nested deeper than 200"},
		{"{a:", "1", "}", 10000, "nested deeper than 200"},
		{"not ", "true", "", 10000, "nested deeper than 200"},
		{"-", "1", "", 10000, "nested deeper than 200"},
		{"len(", "1", ")", 5000, "nested deeper than 200"},
		{"true ? ", "1", " : 2", 5000, "nested deeper than 200"},
		{"true ? 1 : ", "1", "", 5000, "nested deeper than 200"},
		{"2 ** ", "1", "", 5000, "nested deeper than 200"},
		{"all(x, ", "true", ")", 5000, "nested deeper than 200"},
		{"let x = 1; ", "1", "", 5000, "nested deeper than 200"},
		{"if true {", "1", "} else { 2 }", 3000, "nested deeper than 200"},
		{"", "1", " + 1", 4000, "more than 500 operators or brackets"},
		{"", "true", " or true", 4000, "more than 500 operators or brackets"},
		{"", "result", ".a", 4000, "more than 500 operators or brackets"},
		{"", "result", "[0]", 4000, "more than 500 operators or brackets"},
		{"", "result", "?.a", 4000, "more than 500 operators or brackets"},
		{"", "1", " < 1", 4000, "more than 500 operators or brackets"},
		{"", "1", "; 1", 12000, "more than 10000 parts"},
		{"", "1", "; [1]", 6000, "more than 10000 parts"},
		{"", "1", "; {}", 12000, "more than 10000 parts"},
		{"1 ,", "1", "", 40000, "the limit is 65536"},
		{"(", "", "", 60000, "nested deeper than 200"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct expr *expr = NULL;

		add_times(&b, cases[i].open, cases[i].n);
		strbuf_adds(&b, cases[i].middle);
		add_times(&b, cases[i].close, cases[i].n);
		is_int(expr_parse(b.s, EXPR_ARGO, &expr, &err), -E2BIG, "'%s' %u times '%s'",
			cases[i].open, cases[i].n, cases[i].close);
		contains(err_text(&err), cases[i].error, "the error");
	}
	{
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		_cleanup_expr_ struct expr *expr = NULL;
		struct value result = value_float(1);
		struct expr_env env = {.result = &result};
		bool holds = false;

		add_times(&b, "(", 150);
		strbuf_adds(&b, "result == 2");
		add_times(&b, " or result == 2", 400);
		strbuf_adds(&b, " or true");
		add_times(&b, ")", 150);
		is_int(expr_parse(b.s, EXPR_ARGO, &expr, NULL), 0,
			"a long condition within the limits");
		is_int(expr_eval_bool(expr, &env, &holds, NULL), 0, "can be evaluated");
		ok(holds, "and holds");
	}
}

/* Small conditions that would take for ever, or all memory. */
static void test_limits(void)
{
	static const struct expr_case cases[] = {
		{"0", "reduce(1..60, #acc + #acc, 'x')", "!memory budget exceeded"},
		{"0", "reduce(1..100000, [#acc], 0)", "!memory budget exceeded"},
		{"0", "reduce(1..100000, concat(#acc, #acc), [1])", "!memory budget exceeded"},
		{"0", "map(1..999, map(1..999, map(1..999, 1)))", "!memory budget exceeded"},
		{"0", "all(1..1000, all(1..900, all(1..900, true)))", "!memory budget exceeded"},
		{"0", "let a = 1..900; all(a, all(a, all(a, true)))", "!more than 20000000 steps"},
		{"0", "let a = 1..90000; all(a, -1 not in a)", "!more than 20000000 steps"},
		{"0", "uniq(1..90000)", "!more than 20000000 steps"},
		{"0", "let s = repeat('a', 90000); all(1..9000, s not matches '(a|aa)*b')",
			"!more than 20000000 steps"},
		{"0", "'x' matches '((a{100}){100}){100}'", "!too large"},
		{"0", "repeat(repeat('a', 1000), 1000)", "!memory budget exceeded"},
		{"0", "let s = repeat('a', 90000); replace(s, 'a', s)", "!exceeded"},
		{"0", "replace(repeat('a', 900000), '', repeat('b', 9000))", "!"},
		{"0", "(-9223372036854775807 - 1)..9223372036854775807", "[]"},
		{"0", "9223372036854775806..9223372036854775807",
			"[9223372036854775806 9223372036854775807]"},
	};

	RUN(EXPR_ARGO, cases);
}

int main(void)
{
	test_usual();
	test_literals();
	test_operators();
	test_typing();
	test_conversions();
	test_builtins();
	test_bcs();
	test_time();
	test_unknown_result();
	test_bool();
	test_vector();
	test_explain();
	test_nesting();
	test_limits();
	return done_testing();
}
