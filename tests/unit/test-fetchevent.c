#include "config.h"

#include "run/fetchevent.h"

#include "base/alloc.h"
#include "base/str.h"
#include "run/fetchview.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(const char *line, struct fetch_event *e)
{
	return fetch_event_parse(line, strlen(line), e, NULL);
}

static void test_good(void)
{
	_cleanup_fetch_event_ struct fetch_event start = {0}, progress = {0}, warning = {0},
						 retry = {0}, done = {0}, unchanged = {0},
						 failed = {0};

	is_int(parse("{\"event\":\"start\",\"total\":null,\"resumed\":0}", &start), 0, "start");
	ok(start.total == FETCH_SIZE_UNKNOWN, "of unknown size");
	is_int(parse("{\"event\":\"progress\",\"down\":5,\"total\":10,\"unpacked\":7,\"files\":1}",
		       &progress),
		0, "progress");
	ok(progress.down == 5 && progress.total == 10 && progress.unpacked == 7, "its numbers");
	is_int(parse("{\"event\":\"warning\",\"text\":\"a\\nb\\u001b[1m\"}", &warning), 0,
		"a warning");
	is_str(warning.text, "a\\nb\\x1B[1m", "is escaped");
	is_int(parse("{\"event\":\"retry\",\"attempt\":2,\"of\":4,\"delay_usec\":1000,\"text\":"
		     "\"x\"}",
		       &retry),
		0, "a retry");
	ok(retry.attempt == 2 && retry.of == 4 && retry.delay_usec == 1000, "its numbers");
	is_int(parse("{\"event\":\"done\",\"kind\":\"file\",\"filename\":\"a.b\",\"size\":1,"
		     "\"digest\":\"" DIGEST "\",\"etag\":\"\\\"x\\\"\"}",
		       &done),
		0, "done");
	ok(!done.is_dir && done.down == 1, "a file and its size");
	is_str(done.filename, "a.b", "its name");
	is_str(done.digest, DIGEST, "its digest");
	is_str(done.etag, "\"x\"", "its ETag");
	is_int(parse("{\"event\":\"unchanged\"}", &unchanged), 0, "unchanged");
	is_int(parse("{\"event\":\"failed\",\"status\":69,\"text\":\"404\"}", &failed), 0,
		"failed");
	is_int(failed.status, 69, "its status");
}

static void test_refused(void)
{
	static const char *const lines[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"event\":\"stop\"}",
		"{\"event\":1}",
		"{\"event\":\"start\",\"event\":\"start\"}",
		"{\"event\":\"start\",\"total\":-1}",
		"{\"event\":\"progress\",\"down\":\"5\"}",
		"{\"event\":\"progress\",\"down\":1.5}",
		"{\"event\":\"progress\",\"down\":9223372036854775808}",
		"{\"event\":\"warning\"}",
		"{\"event\":\"warning\",\"text\":\"\"}",
		"{\"event\":\"done\"}",
		"{\"event\":\"done\",\"kind\":\"link\"}",
		"{\"event\":\"done\",\"kind\":\"file\",\"filename\":\"../x\"}",
		"{\"event\":\"done\",\"kind\":\"file\",\"filename\":\"..\"}",
		"{\"event\":\"done\",\"kind\":\"file\",\"filename\":\"a/b\"}",
		"{\"event\":\"done\",\"kind\":\"dir\",\"digest\":\"sha256:12\"}",
		"{\"event\":\"done\",\"kind\":\"dir\",\"etag\":\"a\\nb\"}",
		"{\"event\":\"failed\",\"status\":0,\"text\":\"x\"}",
		"{\"event\":\"failed\",\"status\":124,\"text\":\"x\"}",
		"{\"event\":\"failed\",\"status\":69}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_fetch_event_ struct fetch_event e = {0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;

		is_int(fetch_event_parse(lines[i], strlen(lines[i]), &e, &err), -EPROTO, "%s",
			lines[i]);
		is_int(err.status, EXIT_INTERNAL, "whose status is ours");
	}
}

static void test_long_text(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_fetch_event_ struct fetch_event e = {0};

	strbuf_adds(&b, "{\"event\":\"failed\",\"status\":65,\"text\":\"");
	for (size_t i = 0; i < 20000; i++)
		strbuf_addc(&b, 'x');
	strbuf_adds(&b, "\"}");
	is_int(parse(strbuf_str(&b), &e), 0, "a long text");
	ok(strlen(e.text) < 1100, "is cut");
}

/* ---- what is shown of it ---- */

static void test_bytes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0B"},
		{1023, "1023B"},
		{1024, "1.0K"},
		{1535, "1.4K"},
		{1536, "1.5K"},
		{102400, "100K"},
		{1048575, "1023K"},
		{1048576, "1.0M"},
		{UINT64_MAX, "15.9E"},
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_str(fetchview_format_bytes(cases[i].bytes, buf, sizeof(buf)), cases[i].text,
			"%s", cases[i].text);
}

static void test_line(void)
{
	struct fetch_progress a = {.down = 50 << 20, .total = 100 << 20, .started = 0};
	struct fetch_progress b = {.down = 1024, .total = FETCH_SIZE_UNKNOWN, .started = 0};
	const struct fetch_progress *const both[] = {&a, &b};
	_cleanup_free_ char *one = fetchview_text("app", both, 1, 10 * USEC_PER_SEC, 200);
	_cleanup_free_ char *two = fetchview_text("2 artifacts", both, 2, 10 * USEC_PER_SEC, 200);
	_cleanup_free_ char *soon = fetchview_text("app", both, 1, USEC_PER_MSEC, 200);
	_cleanup_free_ char *narrow = fetchview_text("app", both, 1, 10 * USEC_PER_SEC, 10);

	is_str(one, "app: [##########          ] 50% 50.0M of 100M, 5.0M/s, 10s left", "a line");
	is_str(two, "2 artifacts: 50.0M, 5.0M/s", "no total where one is not known");
	is_str(soon, "app: [##########          ] 50% 50.0M of 100M", "no rate at once");
	is_uint(strlen(narrow), 10, "cut to the terminal");
}

/* The name is what can be missed. */
static void test_narrow_lines(void)
{
	static const char label[] = "a-long-name-of-something-that-is-fetched-from-far-away";
	static const struct {
		size_t width;
		const char *text;
	} cases[] = {
		{200, "a-long-name-of-something-that-is-fetched-from-far-away: "
		      "[##########          ] 50% 50.0M of 100M, 5.0M/s, 10s left"},
		{79, "a-long-name-of-s...: [##########          ] "
		     "50% 50.0M of 100M, 5.0M/s, 10s left"},
		{60, "a-long-name-of-somet...: 50% 50.0M of 100M, 5.0M/s, 10s left"},
		{43, "a-l...: 50% 50.0M of 100M, 5.0M/s, 10s left"},
		{20, "a-l...: 50% 50.0M of"},
	};
	struct fetch_progress p = {.down = 50 << 20, .total = 100 << 20, .started = 0};
	const struct fetch_progress *const one[] = {&p};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			fetchview_text(label, one, 1, 10 * USEC_PER_SEC, cases[i].width);

		is_str(text, cases[i].text, "on %zu columns", cases[i].width);
	}
}

/* What was there before an attempt was not fetched by it. */
static void test_resumed(void)
{
	struct fetch_progress a = {
		.down = 60 << 20, .total = 100 << 20, .resumed = 50 << 20, .started = 0};
	const struct fetch_progress *const one[] = {&a};
	_cleanup_free_ char *text = fetchview_text("app", one, 1, 10 * USEC_PER_SEC, 200);

	ok(strstr(text, "60%") && strstr(text, "1.0M/s, 40s left"), "%s", text);
}

int main(void)
{
	test_good();
	test_refused();
	test_long_text();
	test_bytes();
	test_line();
	test_narrow_lines();
	test_resumed();
	return done_testing();
}
