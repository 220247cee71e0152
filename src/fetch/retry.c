#include "config.h"

#include "fetch/retry.h"

#include "base/macro.h"

bool retry_status_may_pass(long status)
{
	switch (status) {
	case 408:
	case 425:
	case 429:
		return true;
	case 501:
	case 505:
	case 511:
		return false;
	default:
		return status >= 500;
	}
}

bool retry_code_may_pass(CURLcode code)
{
	/* the list of libcurl has about a hundred, of which these are worth another attempt */
	static const CURLcode passing[] = {CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST,
		CURLE_COULDNT_CONNECT, CURLE_WEIRD_SERVER_REPLY, CURLE_FTP_ACCEPT_TIMEOUT,
		CURLE_HTTP2, CURLE_PARTIAL_FILE, CURLE_OPERATION_TIMEDOUT, CURLE_SSL_CONNECT_ERROR,
		CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2_STREAM,
		CURLE_FTP_CANT_GET_HOST, CURLE_AGAIN, CURLE_SSH};

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++) {
		if (passing[i] == code)
			return true;
	}
	return false;
}

usec_t retry_delay(unsigned attempt, usec_t retry_after_usec, uint32_t random)
{
	usec_t most = RETRY_DELAY_USEC;

	for (unsigned i = 2; i < attempt && most < RETRY_DELAY_MAX_USEC; i++)
		most *= 2;
	most = MIN(most, RETRY_DELAY_MAX_USEC);
	most = most / 2 + random % (most / 2 + 1);
	return MAX(most, retry_after_usec);
}
