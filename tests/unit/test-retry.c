#include "config.h"

#include "base/macro.h"
#include "fetch/retry.h"

#include "tests/unit/tap.h"

int main(void)
{
	static const long passing[] = {408, 425, 429, 500, 502, 503, 504, 520, 599};
	static const long final[] = {
		200, 304, 400, 401, 403, 404, 407, 410, 416, 451, 501, 505, 511};

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		ok(retry_status_may_pass(passing[i]), "%ld may pass", passing[i]);
	for (size_t i = 0; i < ARRAY_SIZE(final); i++)
		ok(!retry_status_may_pass(final[i]), "%ld is final", final[i]);
	ok(retry_code_may_pass(CURLE_COULDNT_CONNECT) && retry_code_may_pass(CURLE_PARTIAL_FILE),
		"a connection that breaks may hold next time");
	ok(!retry_code_may_pass(CURLE_PEER_FAILED_VERIFICATION) &&
			!retry_code_may_pass(CURLE_LOGIN_DENIED) &&
			!retry_code_may_pass(CURLE_URL_MALFORMAT) && !retry_code_may_pass(CURLE_OK),
		"a certificate or a password stays wrong");

	is_int((intmax_t)retry_delay(2, 0, 0), (intmax_t)(RETRY_DELAY_USEC / 2),
		"the shortest wait");
	is_int((intmax_t)retry_delay(2, 0, (uint32_t)(RETRY_DELAY_USEC / 2)),
		(intmax_t)(RETRY_DELAY_USEC), "the longest");
	is_int((intmax_t)retry_delay(4, 0, 0), (intmax_t)(2 * RETRY_DELAY_USEC),
		"doubled, and doubled");
	is_int((intmax_t)retry_delay(1000, 0, 0), (intmax_t)(RETRY_DELAY_MAX_USEC / 2),
		"and bounded");
	for (unsigned i = 2; i < 100; i++) {
		usec_t delay = retry_delay(i, 0, i * 2654435761U);

		if (delay < RETRY_DELAY_USEC / 2 || delay > RETRY_DELAY_MAX_USEC)
			ok(false, "attempt %u waits %llu", i, (unsigned long long)delay);
	}
	is_int((intmax_t)retry_delay(2, 7 * USEC_PER_SEC, 1), (intmax_t)(7 * USEC_PER_SEC),
		"what the server asks for");
	is_int((intmax_t)retry_delay(4, 1, 0), (intmax_t)(2 * RETRY_DELAY_USEC), "is the least");
	return done_testing();
}
