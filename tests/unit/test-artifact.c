#include "config.h"

#include "model/artifact.h"

#include "base/alloc.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

static void test_destinations(void)
{
	static const struct {
		const char *text, *path;
	} good[] = {
		{"local/", ""},
		{"local", ""},
		{"./local//", ""},
		{"", ""},
		{".", ""},
		{"app", "app"},
		{"local/app/", "app"},
		{"local/./a//b", "a/b"},
		{"a/local/b", "a/local/b"},
		{"local/local", "local"},
		{"..a/b..", "..a/b.."},
	};
	static const char *const bad[] = {"/", "/srv", "..", "a/..", "local/../x", "../x"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *path = NULL;
		const char *why = NULL;

		is_int(artifact_parse_destination(good[i].text, &path, &why), 0, "'%s'",
			good[i].text);
		is_str(path, good[i].path, "its path");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *path = NULL;
		const char *why = NULL;

		is_int(artifact_parse_destination(bad[i], &path, &why), -EINVAL, "'%s' is refused",
			bad[i]);
		ok(why && !path, "with a reason");
	}
}

/* 0 or the status; err is the caller's. */
static int resolve(const char *main_conf, const char *text, struct artifact *a, struct th_err *err)
{
	_cleanup_conf_ struct conf *c = conf_new();

	if (conf_read_memory(c, main_conf, strlen(main_conf), "m.conf", CONF_IN_MAIN, NULL, NULL,
		    NULL) != 0 ||
		conf_read_memory(c, text, strlen(text), "t.ini", CONF_IN_TASK, NULL, NULL, err) !=
			0)
		bail("%s: %s", text, err_text(err));
	*a = (struct artifact){.name = NULL};
	return artifact_from_conf(a, conf_named_name(c, CONF_NAMED_ARTIFACT, 0),
		conf_named(c, CONF_NAMED_ARTIFACT, 0), c, err);
}

static void test_resolve(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct artifact a;

	is_int(resolve("[fetch]\nretries = 7\ntimeout = 9s\nca-file = /ca\n",
		       "[artifact app]\nheader-X = s3cret\n"
		       "source = https://u:s3cret@host/app.tgz?token=s3cret\ntimeout = 5s\n",
		       &a, &err),
		0, "an artifact");
	is_str(a.name, "app", "its name");
	is_str(a.origin, "t.ini:3", "its origin");
	ok(!strstr(a.shown, "s3cret") && strstr(a.shown, "host/app.tgz"), "shown as %s", a.shown);
	is_uint(a.retries, 7, "what [fetch] says counts");
	is_str(a.ca_file, "/ca", "also for files");
	is_uint(a.timeout, 5 * USEC_PER_SEC, "but for what it says itself");
	is_uint(a.max_files, 65536, "else the default");
	is_uint(a.headers.n, 1, "its headers");
	artifact_done(&a);
}

static void test_faults(void)
{
	static const struct {
		const char *text, *error;
	} faults[] = {
		{"[artifact a]\nmode = dir\n", "t.ini:2: [artifact a] source is missing"},
		{"[artifact a]\nsource = https://h/x\ndestination = /srv\n",
			"t.ini:3: [artifact a] destination is absolute; it is taken from the "
			"shared directory of the group: write local/DIR"},
		{"[artifact a]\nsource = https://h/x\nmode = file\n",
			"t.ini:2: [artifact a] destination names no file: with mode = file it is "
			"the path of the file"},
		{"[artifact a]\nsource = https://h/x\nfilename = a/b\n",
			"t.ini:3: [artifact a] filename is not the name of a file"},
		{"[artifact a]\nsource = https://h/x\nextract = Some Thing\n",
			"t.ini:3: [artifact a] extract is neither auto, no, nor a type of "
			"archive"},
		{"[artifact a]\nsource = https://h/x\nchecksum =\n",
			"t.ini:3: [artifact a] checksum is empty"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		struct artifact a;

		is_int(resolve("", faults[i].text, &a, &err), -EINVAL, "%s", faults[i].error);
		is_str(err.text, faults[i].error, "its text");
		is_int(err.status, EXIT_CONFIG, "its status");
		artifact_done(&a);
	}
}

static json_t *definition_of(const char *text)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct artifact a;
	json_t *j;

	if (resolve("", text, &a, &err) < 0)
		bail("%s", err_text(&err));
	j = artifact_definition(&a);
	artifact_done(&a);
	return j;
}

static void test_definitions(void)
{
	json_t *a = definition_of("[artifact a]\nsource = https://u:one@h/x\nretries = 1\n");
	json_t *b = definition_of("[artifact a]\nsource = https://u:two@h/x\nretries = 2\n");
	json_t *c = definition_of("[artifact a]\nsource = https://u:one@h/x\nchecksum = abc\n");
	_cleanup_free_ char *x = NULL, *y = NULL, *text = json_dumps(a, 0);

	is_str(artifact_difference(a, b, &x, &y), NULL, "another password is no other artifact");
	is_str(artifact_difference(a, c, &x, &y), "checksum", "another checksum is");
	is_str(x, "not set", "its value here");
	is_str(y, "'abc'", "and there");
	ok(!strstr(text, "one"), "no password in %s", text);
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

static json_t *identity_of(const char *query)
{
	_cleanup_free_ char *text = xasprintf("[artifact a]\nsource = https://h/x%s\n", query);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	struct artifact a;
	json_t *j;

	if (resolve("", text, &a, &err) < 0)
		bail("%s", err_text(&err));
	j = artifact_identity(&a);
	artifact_done(&a);
	return j;
}

/* What messages do not show of a source can still make it another one. */
static void test_identities(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"?file=one", "?file=two", false},
		{"?file=one", "?file=one", true},
		{"?file=one&id=1", "?file=one&id=2", false},
		{"?id=12", "?id=1&id=2", false},
		{"?token=one", "?token=two", true},
		{"?file=one&X-Amz-Signature=1&X-Amz-Date=2",
			"?file=one&X-Amz-Signature=3&X-Amz-Date=4", true},
		{"?sv=1&se=2&sig=3&file=a", "?sv=1&se=3&sig=4&file=a", true},
		{"?checksum=md5:00", "?checksum=md5:00", true},
		{"", "", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		json_t *a = identity_of(pairs[i].a), *b = identity_of(pairs[i].b);
		_cleanup_free_ char *x = NULL, *y = NULL, *text = json_dumps(a, 0);
		const char *key = artifact_difference(a, b, &x, &y);

		ok(!key == pairs[i].same, "'%s' and '%s' are %s", pairs[i].a, pairs[i].b,
			pairs[i].same ? "one" : "two");
		ok(!strstr(text, "one"), "it is not told: %s", text);
		json_decref(a);
		json_decref(b);
	}
}

static void test_results(void)
{
	struct artifact_result one = {.name = xstrdup("a"),
		.source = xstrdup("https://h/x"),
		.path = xstrdup("/p"),
		.outcome = ARTIFACT_UNCHANGED,
		.size = 5,
		.files = 2,
		.usec = 7,
		.digest = NULL};
	struct artifact_results all = {.v = &one, .n = 1}, back = {.n = 0};
	json_t *j = artifact_results_to_json(&all), *bad = json_pack("[{s:i}]", "name", 1);
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_free_ char *variable = artifact_variable("my-app.v2");

	is_int(artifact_results_from_json(j, &back, NULL), 0, "written and read");
	is_uint(back.n, 1, "one of them");
	is_str(back.v[0].name, "a", "its name");
	is_int(back.v[0].outcome, ARTIFACT_UNCHANGED, "what came of it");
	ok(back.v[0].size == 5 && back.v[0].files == 2 && back.v[0].usec == 7, "its numbers");
	is_str(back.v[0].digest, NULL, "no digest");
	artifact_results_done(&back);
	ok(artifact_results_from_json(bad, &back, &err) < 0, "what is none is refused");
	is_uint(back.n, 0, "and nothing is kept of it");
	is_str(variable, "MY_APP_V2", "the name of a variable");
	artifact_result_done(&one);
	json_decref(j);
	json_decref(bad);
}

int main(void)
{
	test_destinations();
	test_resolve();
	test_faults();
	test_definitions();
	test_identities();
	test_results();
	return done_testing();
}
