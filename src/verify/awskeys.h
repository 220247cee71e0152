#ifndef TH_VERIFY_AWSKEYS_H
#define TH_VERIFY_AWSKEYS_H

/*
 * The keys that sign requests for AWS, looked up as its own tools do (AWS SDKs and Tools Reference
 * Guide, "Standardized credential providers"): a profile of the shared file where one is named,
 * else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else AWS_PROFILE or the
 * profile 'default'. The file is AWS_SHARED_CREDENTIALS_FILE, or ~/.aws/credentials. Nothing is
 * asked over the network.
 */

#include "base/error.h"

struct awskeys {
	char *id, *secret;
	char *session; /* of temporary keys; NULL */
};
#define AWSKEYS_INIT                                                                               \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}
void awskeys_done(struct awskeys *keys);
#define _cleanup_awskeys_ _cleanup_(awskeys_done)

/* `profile` NULL: none is named. *ret is set on success only. -ENOENT: there are none; what reading
 * the file gives. */
int awskeys_find(const char *profile, struct awskeys *ret, struct th_err *err);

#endif
