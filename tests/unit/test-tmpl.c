#include "config.h"

#include "base/alloc.h"
#include "verify/load.h"
#include "verify/tmpl.h"

#include "tests/unit/tap.h"

#include <errno.h>

/* What is wrong with a template, joined with " | "; "" where nothing is. The caller frees it. */
static char *lint(const char *text, const char *name, bool lint_only, char **ret_warnings)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_args_ struct args args = {.lint = lint_only};
	_cleanup_findings_ struct findings found = {STRV_INIT, STRV_INIT};
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_tmpl_ struct tmpl t = {.n = 0};
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT, warnings = STRBUF_INIT;

	if (load_memory(text, strlen(text), "t", name, &doc, &err) < 0)
		return xstrdup(err_text(&err));
	tmpl_init(&t, doc, "t", -1, &args, &found);
	for (size_t i = 0; i < found.errors.n; i++)
		strbuf_addf(&out, "%s%s", i ? " | " : "", found.errors.v[i]);
	for (size_t i = 0; i < found.warnings.n; i++)
		strbuf_addf(&warnings, "%s%s", i ? " | " : "", found.warnings.v[i]);
	if (ret_warnings)
		*ret_warnings = strbuf_steal(&warnings);
	return strbuf_steal(&out);
}

#define HEAD   "kind: HookTemplate\nmetadata:\n  name: test\nspec:\n"
#define METRIC HEAD "  metrics:\n  - name: m\n"
#define WEB    "    provider:\n      web:\n        url: http://h/\n        jsonPath: \"{$.age}\"\n"

static void test_rules(void)
{
	static const struct {
		const char *text;
		const char *found; /* a part of it, "" for nothing */
	} cases[] = {
		{METRIC WEB, ""},
		{METRIC "    count: 2\n    interval: 60s\n    successCondition: \"asInt(result) < "
			"30\"\n" WEB,
			""},
		{METRIC "    count: 2\n" WEB,
			"metrics[0]: interval must be specified when count > 1"},
		{METRIC "    errorInterval: 100ms\n" WEB, ""},
		{METRIC "    errorInterval: -1s\n" WEB, "errorInterval must not be negative"},
		{METRIC "    interval: 30\n" WEB, "invalid interval string"},
		{METRIC "    initialDelay: x\n" WEB, "invalid startDelay string"},
		{METRIC "    interval: -5s\n" WEB, "interval must not be negative"},
		{METRIC "    failureLimit: -2\n" WEB, "failureLimit must be >= 0, or -1"},
		{METRIC "    inconclusiveLimit: -1\n" WEB, "inconclusiveLimit must be >= 0"},
		{METRIC "    consecutiveErrorLimit: -1\n" WEB,
			"consecutiveErrorLimit must be >= 0"},
		{METRIC "    count: 1\n    inconclusiveLimit: 2\n" WEB,
			"count must be >= inconclusiveLimit"},
		{METRIC "    count: 1\n    failureLimit: 2\n" WEB, "count must be >= failureLimit"},
		{METRIC "    count: 1\n    successfulLimit: 2\n" WEB,
			"count must be >= successfulLimit"},
		{METRIC "    consecutiveSuccessfulLimit: 0\n" WEB,
			"consecutiveSuccessfulLimit must be >= 1"},
		{METRIC "    count: 3\n    interval: 1s\n    failureLimit: 2\n    "
			"consecutiveSuccessLimit: 2\n" WEB,
			"count (3) must be >= failureLimit + consecutiveSuccessLimit"},
		{METRIC "    failureLimit: -1\n    consecutiveSuccessLimit: 0\n" WEB,
			"cannot both be disabled"},
		{METRIC "    count: abc\n" WEB, "'abc' is no whole number"},
		{METRIC WEB "  - name: m\n" WEB, "metrics[1]: duplicate name 'm'"},
		{METRIC, "no provider specified"},
		{METRIC WEB "      tcp: {address: 'h:1'}\n", "multiple providers specified"},
		{METRIC "    provider: {job: {}}\n", "Kubernetes cluster, and there is none here"},
		{METRIC "    provider: {kubernetes: {}}\n",
			"Kubernetes cluster, and there is none here"},
		{METRIC "    provider: {webb: {}}\n", "did you mean 'web'?"},
		{METRIC "    provider: {web: {}}\n", "url is needed"},
		{METRIC "    provider: {web: {url: 'http://h', body: x}}\n",
			"need the method POST or PUT"},
		{METRIC "    provider: {web: {url: 'http://h', method: POST, body: x, jsonBody: "
			"{a: 1}}}\n",
			"either body or jsonBody"},
		{METRIC "    provider: {web: {url: 'http://h', method: PUT, jsonBody: {a: 1}}}\n",
			""},
		{METRIC "    provider: {web: {url: 'http://h', authentication: {oauth2: {clientId: "
			"x}}}}\n",
			"oauth2 needs tokenUrl"},
		{METRIC "    provider: {web: {url: 'ftp://h'}}\n", "neither http:// nor https://"},
		{METRIC "    provider: {web: {url: 'http://h', acceptStatus: [200, 99]}}\n",
			"acceptStatus"},
		{METRIC "    provider: {exec: {command: 'a | b'}}\n", "command"},
		{METRIC "    provider: {exec: {command: [a, b]}}\n", ""},
		{METRIC "    provider: {tcp: {address: h}}\n", "not HOST:PORT"},
		{METRIC "    provider: {prometheus: {address: 'http://h', query: up, rangeQuery: "
			"{start: 'now() - "
			"duration(\"1h\")', end: now(), step: 1m}}}\n",
			""},
		{METRIC "    provider: {prometheus: {address: 'http://h', query: up, rangeQuery: "
			"{start: 'now(', end: "
			"now(), step: 1m}}}\n",
			"start"},
		{METRIC "    succesCondition: 'true'\n" WEB, "did you mean 'successCondition'?"},
		{METRIC "    successCondition: result >\n" WEB, "successCondition: "},
		{METRIC "    successCondition: 1 + 1\n" WEB, "and not true or false"},
		{HEAD "  metrics: 5\n", "metrics: not a list"},
		{HEAD "  metrics: [5]\n", "metrics[0]: not a mapping"},
		{METRIC WEB "  dryRun: m\n", "dryRun: not a list"},
		{METRIC WEB "  measurementRetention: {m: 1}\n", "measurementRetention: not a list"},
		{METRIC "    provider: {web: {url: 'http://h', jsonPath: '{$.a[}'}}\n",
			"metrics[0]: jsonPath '"},
		{HEAD "  metrics: []\n", "no metrics specified"},
		{HEAD "  policy: Random\n  metrics: []\n", "neither Parallel nor Ordered"},
		{METRIC WEB "  dryRun:\n  - metricName: nothing\n",
			"dryRun[0]: Rule didn't match any"},
		{METRIC WEB "  dryRun:\n  - metricName: m\n  - metricName: .*\n",
			"two Dry-Run rules"},
		{METRIC WEB "  dryRun:\n  - metricName: '*'\n", "no regular expression"},
		{METRIC WEB "  dryRun:\n  - {metricName: m, limit: 1}\n",
			"dryRun: unknown field 'limit'"},
		{METRIC "    provider: {tcp: {address: 'h:65536'}}\n", "address: not HOST:PORT"},
		{METRIC "    provider: {web: {url: 'http://h', authentication: {basicAuth: x}}}\n",
			"authentication.basicAuth: not a mapping"},
		{METRIC WEB "  args:\n  - name: a\n", "argument 'a' was not supplied"},
		{METRIC WEB "  args:\n  - name: a\n    value: 1.5\n", "write it in quotes"},
		{METRIC WEB
			"  args:\n  - name: a\n    valueFrom: {secretKeyRef: {name: s, key: k}}\n",
			"Kubernetes"},
		{METRIC "    provider: {web: {url: 'http://{{ args.b }}/'}}\n",
			"metrics[0]: provider: web: url: failed to resolve {{args.b}}"},
		{METRIC "    provider: {web: {url: 'http://{{ args.b'}}\n",
			"cannot find the end of a tag"},
		{METRIC "    provider: {web: {url: 'http://{{ other }}'}}\n", "failed to resolve"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *got = lint(cases[i].text, NULL, false, NULL);

		if (!*cases[i].found)
			is_str(got, "", "rule %zu: nothing is wrong", i);
		else if (!ok(strstr(got, cases[i].found) != NULL, "rule %zu: %s", i,
				 cases[i].found))
			printf("# got: %s\n", got);
	}
}

/* Each is told with its line, in all three forms. */
static void test_lines(void)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{METRIC WEB "    count: x\n", "t:11: metrics[0]: count: 'x'"},
		{METRIC "    count: 2\n" WEB, "t:6: metrics[0]: interval must be specified"},
		{METRIC "    provider:\n      web:\n        jsonPath: '{$}'\n",
			"t:8: metrics[0]: url is needed"},
		{METRIC "    provider:\n      web:\n        url: http://h\n        headers:\n"
			"        - key: a\n          value: b\n        - key: a b\n",
			"t:13: metrics[0]: headers[1]: key is no name"},
		{METRIC WEB "---\nkind: other\n", ""},
		{"kind: other\n---\n" METRIC WEB "    counts: 1\n",
			"t:13: metrics[0]: unknown field 'counts'"},
		{METRIC "    provider:\n      web:\n        url: |\n          {{args.b}}\n",
			"t:9: metrics[0]: provider: web: url: failed to resolve"},
		{METRIC WEB "  args:\n  - name: a\n    value: []\n", "t:12: args[0]: argument 'a'"},
		{METRIC WEB "  dryRun:\n  - metricName: nothing\n", "t:12: dryRun[0]: Rule didn't"},
		{"{\"kind\": \"HookTemplate\",\n\t\"spec\": {\n\t\t\"metrics\": [{\n"
		 "\t\t\t\"name\": \"m\",\n\t\t\t\"count\": \"x\"}]}}\n",
			"t:5: metrics[0]: count: 'x'"},
		/* INI: the place as it was written */
		{"#!/x\n[metric m]\ncount = x\n", "t:3: [metric m] count: 'x' is no whole"},
		{"[metric m]\ntcp.address = x\n", "t:2: [metric m] tcp.address: not HOST:PORT"},
		{"[metric m]\nweb.url = http://h\nweb.headers.a = 1\nweb.headers.a b = 1\n",
			"t:4: [metric m] web.headers.a b: key is no name of a header"},
		{"[metric m]\nweb.url = http://h\ndryRun = x\n",
			"t:3: [metric m] dryRun: neither true"},
		{"[template]\npolicy = x\n[metric m]\ntcp.address = h:1\n",
			"t:2: [template] policy: neither Parallel"},
		{"[template]\npolcy = x\n[metric m]\ntcp.address = h:1\n",
			"t:2: [template] polcy: unknown field (did you mean 'policy'?)"},
		{"[metric a]\ntcp.address = h:1\n[metric  a b]\ncount = 2\ntcp.address = h:1\n",
			"t:3: [metric  a b] interval must be specified when count > 1"},
		{"[metric m]\nweb.jsonPath = {$}\n", "t:2: [metric m] web.url is needed"},
		{"[metric m]\nweb.url = ftp://h\n", "t:2: [metric m] web.url: neither http"},
		{"[metric m]\nweb.url = http://h\nweb.ulr = x\n",
			"t:3: [metric m] web.ulr: unknown field (did you mean 'url'?)"},
		{"[metric m]\nweb.url = http://h\nweb.timeout = 5\n",
			"t:3: [metric m] web.timeout: unknown field (did you mean "
			"'timeoutSeconds'?)"},
		{"[metric m]\nweb.url = http://h\nweb.headers = X-A: b\n",
			"t:3: [metric m] web.headers: not a list (in INI: PROVIDER.headers.NAME "
			"= VALUE)"},
		{"[metric m]\nweb.url = http://h\nweb.jsonPath = {$.a[}\n",
			"t:3: [metric m] web.jsonPath '"},
		{"[metric m]\nsuccessCondition = 1 +\ntcp.address = h:1\n",
			"t:2: [metric m] successCondition: "},
		{"[metric m]\nexec.command = a | b\n", "t:2: [metric m] exec.command: "},
		{"[metric m]\nexec.timeout = 1s\n", "t:2: [metric m] exec.command is needed"},
		{"[metric m]\ncount = 1\n", "t:1: [metric m]: no provider specified"},
		{"[metric m]\ntcp.address = h:1\nexec.command = x\n",
			"t:2: [metric m]: multiple providers specified"},
		{"[metric m]\nkubernetes.function = get\n",
			"t:2: [metric m] kubernetes: the provider 'kubernetes' reads"},
		{"[metric m]\nweb.url = http://h\nweb.authentication.oauth2.clientId = x\n",
			"t:3: [metric m] web.authentication.oauth2 needs tokenUrl, clientId"},
		{"[metric m]\nprometheus.address = http://h\nprometheus.query = up\n"
		 "prometheus.rangeQuery.start = now()\nprometheus.rangeQuery.end = now()\n"
		 "prometheus.rangeQuery.step = x\n",
			"t:6: [metric m] prometheus.rangeQuery.step: no duration above 0"},
		{"[metric m]\nfile.path = /x\nmeasurementRetention = -1\n",
			"t:3: [metric m] measurementRetention: limit must be"},
		{"[metric m]\nweb.url = http://{{ args.b }}/\n",
			"t:2: [metric m] web.url: failed to resolve {{args.b}}"},
		{"[metric m]\nweb.url = http://h\nweb.headers.a = {{ args.b }}\n",
			"t:3: [metric m] web.headers.a: failed to resolve {{args.b}}"},
		{"[arg a]\nfile = /x\nfd = 3\n[metric m]\ntcp.address = h:1\n",
			"t:1: [arg a]: argument 'a'"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *got = lint(cases[i].text, NULL, false, NULL);

		if (!ok(strncmp(got, cases[i].found, strlen(cases[i].found)) == 0, "line %zu: %s",
			    i, cases[i].found))
			printf("# got: %s\n", got);
	}
}

static void test_warnings(void)
{
	static const struct {
		const char *text;
		const char *warning;
	} cases[] = {
		{METRIC "    interval: 5s\n" WEB, "the metric has no end"},
		{METRIC "    count: 2\n    interval: 5s\n    failureLimit: 2\n" WEB,
			"can never fail"},
		{METRIC "    provider: {web: {url: 'http://h', jsonPath: $.age}}\n",
			"has no braces"},
		{METRIC WEB "  args:\n  - {name: a, value: b}\n", "'a' is never used"},
		{"[metric m]\nexec.command = x\n",
			"t:2: [metric m]: has no condition, so any exit status is Successful"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *warnings = NULL;
		_cleanup_free_ char *got = lint(cases[i].text, NULL, true, &warnings);

		is_str(got, "", "warning %zu is no error", i);
		ok(warnings && strstr(warnings, cases[i].warning), "warning %zu: %s", i,
			cases[i].warning);
	}
}

static void test_files(void)
{
	static const struct {
		const char *text;
		const char *name;
		const char *found;
	} cases[] = {
		{"", NULL, "is empty"},
		{"# only\n", NULL, "is empty"},
		{"a: [", NULL, "t:2:"},
		{"a: b\n\tc: d\n", NULL, "t:2:"},
		{"a: 1\nb: 2\na: 3\n", NULL, "t:3: the key 'a' stands twice"},
		{"a: &x [1]\nb: *x\n", NULL, "t:2: aliases are not supported"},
		{"a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\n", NULL, "aliases"},
		{"a: !!binary aGk=\n", NULL, "tags are not supported"},
		{"{\"kind\": 1, \"kind\": 2}", NULL, "t:1: "},
		{"kind: ConfigMap\n", NULL, "no template"},
		{METRIC WEB "---\n" METRIC WEB, NULL, "pick one with --name: 'test', 'test'"},
		{METRIC WEB "---\n" METRIC WEB, "test", "several templates are named 'test'"},
		{METRIC WEB "---\nkind: ConfigMap\n", "other", "no template is named 'other'"},
		{METRIC WEB "---\nkind: ConfigMap\n", NULL, ""},
		{"#!/usr/bin/env -S taskhook verify\n" METRIC WEB, NULL, ""},
		{"#!/usr/bin/env -S taskhook verify\n[metric m]\nweb.url = "
		 "http://h/\nweb.headers.X-A = b\n",
			NULL, ""},
		{"[args]\nn = 5\n[metric m]\nfile.path = /x\ncount = {{ args.n }}\ninterval = 1s\n",
			NULL, ""},
		{"[metric m]\nfile.path = /x\ndryRun = yes\nmeasurementRetention = 3\n", NULL, ""},
		{"[metric m]\nfile.path = /x\nfile.path = /y\n", NULL,
			"t:3: the key stands twice: 'file.path'"},
		{"[metrc m]\nfile.path = /x\n", NULL, "t:1: unknown section"},
		{"[metric m]\n[metric m]\n", NULL, "t:2: there are two metrics 'm'"},
		{"{\"kind\":\"AnalysisTemplate\",\"spec\":{\"metrics\":[{\"name\":\"m\","
		 "\"provider\":{\"file\":"
		 "{\"path\":\"/x\"}}}]}}",
			NULL, ""},
		{"{\"kind\":\"AnalysisTemplate\"}", NULL, "no metrics specified"},
	};
	_cleanup_strbuf_ struct strbuf deep = STRBUF_INIT;
	_cleanup_free_ char *got_deep = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *got = lint(cases[i].text, cases[i].name, false, NULL);

		if (!*cases[i].found)
			is_str(got, "", "file %zu: nothing is wrong", i);
		else if (!ok(strstr(got, cases[i].found) != NULL, "file %zu: %s", i,
				 cases[i].found))
			printf("# got: %s\n", got);
	}
	for (int i = 0; i < 10000; i++)
		strbuf_addc(&deep, i ? '[' : ' ');
	strbuf_adds(&deep, "\n");
	deep.s[0] = 'a';
	deep.s[1] = ':';
	deep.s[2] = ' ';
	got_deep = lint(deep.s, NULL, false, NULL);
	ok(strstr(got_deep, "nested too deep") != NULL, "10000 brackets: %s", got_deep);
}

static void test_args(void)
{
	static const struct {
		const char *text, *condition, *plain;
	} cases[] = {
		{"result == \"{{args.evil}}\"", "result == \"\\\" || true || \\\"\"", NULL},
		{"result == {{args.evil}}", "result == \"\\\" || true || \\\"\"", NULL},
		{"result == '{{ args.quote }}'", "result == 'it\\'s'", "result == 'it's'"},
		{"result > {{args.five}}", "result > 5", "result > 5"},
		{"result > -{{args.minus}}", "result > -(-1)", "result > --1"},
		{"'\\'{{args.quote}}'", "'\\'it\\'s'", NULL},
		{"`{{args.tick}}`", "`a``b`", NULL},
		{"1 /* {{args.end}} */", "1 /*  */", NULL},
		{"1 // {{args.line}}\n", "1 // \n", NULL},
		{"x{{ args.url | url }}", NULL, "xa%20b%2F%C3%A4"},
	};
	_cleanup_args_ struct args args = {.n = 0};
	_cleanup_free_ char *shown = NULL, *escaped = NULL;
	_cleanup_err_ struct th_err err = TH_ERR_INIT;

	args_set(&args, "evil", "\" || true || \"", false);
	args_set(&args, "quote", "it's", false);
	args_set(&args, "five", "5", false);
	args_set(&args, "minus", "-1", false);
	args_set(&args, "tick", "a`b", false);
	args_set(&args, "end", "*/ || true", false);
	args_set(&args, "line", "\n|| true", false);
	args_set(&args, "url", "a b/\xc3\xa4", false);
	args_set(&args, "secret", "s3cret", true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *condition = NULL, *plain = NULL;

		(void)args_render(&args, cases[i].text, ARGS_CONDITION, &condition, NULL);
		(void)args_render(&args, cases[i].text, ARGS_TEXT, &plain, NULL);
		if (cases[i].condition)
			is_str(condition, cases[i].condition, "condition %zu", i);
		if (cases[i].plain)
			is_str(plain, cases[i].plain, "text %zu", i);
	}
	ok(args_render(&args, "result == \"\\{{args.evil}}\"", ARGS_CONDITION, &escaped, &err) ==
			-EINVAL,
		"a backslash would let a value out of its quotes");
	ok(strstr(err_text(&err), "a backslash before {{args.evil}}") != NULL, "which is told");
	shown = args_redact(&args, NULL, "a s3cret and s3cret");
	is_str(shown, "a ***** and *****", "secrets are taken out");
}

static void test_worst_case(void)
{
	static const struct {
		const char *what, *text;
		usec_t seconds; /* USEC_INFINITY: none */
	} cases[] = {
		{"two requests of 10s and 60s between",
			METRIC
			"    count: 2\n    interval: 60s\n    consecutiveErrorLimit: 0\n" WEB,
			80},
		/* BlueKing's example: with four errors before each that counts, 10s apart */
		{"errors are not counted", METRIC "    count: 2\n    interval: 60s\n" WEB, 240},
		{"an interval and no count", METRIC "    interval: 60s\n" WEB, USEC_INFINITY},
		{"an argument without a value",
			METRIC "    count: '{{ args.n }}'\n    interval: 1s\n" WEB, USEC_INFINITY},
		{"the same in a duration",
			METRIC "    count: 2\n    interval: '{{ args.n }}'\n" WEB, USEC_INFINITY},
		{"elsewhere it means nothing",
			METRIC "    successCondition: result == '{{ args.n }}'\n    "
			       "consecutiveErrorLimit: 0\n" WEB,
			10},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_args_ struct args args = {.lint = true, .from_environment = true};
		_cleanup_findings_ struct findings found = {STRV_INIT, STRV_INIT};
		_cleanup_json_ json_t *doc = NULL;
		_cleanup_tmpl_ struct tmpl t = {.n = 0};
		const char *why = NULL;
		usec_t worst;

		(void)load_memory(cases[i].text, strlen(cases[i].text), "t", NULL, &doc, NULL);
		tmpl_init(&t, doc, "t", -1, &args, &found);
		is_uint(found.errors.n, 0, "%s", found.errors.n ? found.errors.v[0] : "good");
		worst = tmpl_worst_case(&t, &why);
		is_uint(worst == USEC_INFINITY ? worst : worst / USEC_PER_SEC, cases[i].seconds,
			"%s", cases[i].what);
		ok((worst == USEC_INFINITY) == (why != NULL), "and why, where there is none");
	}
}

int main(void)
{
	test_rules();
	test_lines();
	test_warnings();
	test_files();
	test_args();
	test_worst_case();
	return done_testing();
}
