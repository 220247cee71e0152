#include "config.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "fetch/job.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define LIMITS                                                                                     \
	"\"limits\":{\"max_size\":1,\"max_unpacked\":2,\"max_files\":3,\"max_depth\":4,"           \
	"\"max_redirects\":0,\"timeout_usec\":5,\"stall_timeout_usec\":6}"
#define NEEDED "\"format\":1,\"source\":\"s\",\"mode\":\"any\"," LIMITS

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "the job is no JSON"},
	{"[]", "no JSON object"},
	{"{", "the job is no JSON"},
	{"{\"source\":\"s\",\"mode\":\"any\"," LIMITS "}", "'format'"},
	{"{\"format\":2,\"source\":\"s\",\"mode\":\"any\"," LIMITS "}", "'format'"},
	{"{\"format\":1,\"mode\":\"any\"," LIMITS "}", "'source' is missing"},
	{"{\"format\":1,\"source\":\"s\"," LIMITS "}", "'mode' is missing"},
	{"{\"format\":1,\"source\":\"s\",\"mode\":\"any\"}", "'limits.max_size' is missing"},
	{"{\"format\":1,\"source\":\"s\",\"mode\":\"all\"," LIMITS "}", "'mode' is not one"},
	{"{\"format\":1,\"source\":\"s\",\"mode\":1," LIMITS "}", "'mode' is not one"},
	{"{\"format\":1,\"source\":\"s\\u0000\",\"mode\":\"any\"," LIMITS "}", "is no JSON"},
	{"{" NEEDED ",\"source\":\"t\"}", "is no JSON"},
	{"{" NEEDED ",\"new\":1}", "does not know"},
	{"{" NEEDED ",\"known\":{\"new\":1}}", "does not know"},
	{"{" NEEDED ",\"known\":[]}", "'known' is not an object"},
	{"{" NEEDED ",\"insecure\":1}", "'insecure' is not true or false"},
	{"{" NEEDED ",\"retries\":-1}", "'retries' is not a whole number"},
	{"{" NEEDED ",\"retries\":1.5}", "'retries' is not a whole number"},
	{"{" NEEDED ",\"netrc\":7}", "'netrc' is not a string"},
	{"{" NEEDED ",\"source_fd\":0}", "'source_fd' is not a whole number"},
	{"{" NEEDED ",\"headers\":{}}", "'headers' is not an array"},
	{"{" NEEDED ",\"headers\":[[\"A\"]]}", "not a pair"},
	{"{" NEEDED ",\"headers\":[[\"A\",\"b\\r\\nC: d\"]]}", "HTTP does not allow"},
	{"{" NEEDED ",\"headers\":[[\"A b\",\"c\"]]}", "HTTP does not allow"},
	{"{" NEEDED ",\"headers\":[[\"\",\"c\"]]}", "HTTP does not allow"},
};

static const char all[] = "{" NEEDED ",\"name\":\"app\",\"extract\":\"no\",\"filename\":\"f\","
			  "\"checksum\":\"c\",\"headers\":[[\"A\",\"b\"],[\"C\",\"\"]],"
			  "\"insecure\":true,\"ca_pem\":\"1\",\"cert_pem\":\"2\","
			  "\"key_pem\":\"3\",\"netrc\":\"4\",\"known_hosts\":\"5\","
			  "\"proxy\":{\"http\":\"6\",\"https\":\"7\",\"all\":\"8\",\"no\":\"9\"},"
			  "\"aws\":{\"access_key\":\"a\",\"secret_key\":\"b\","
			  "\"session_token\":\"c\",\"region\":\"d\"},\"retries\":3,"
			  "\"source_fd\":0,\"checksum_fd\":1,\"landlock\":\"required\","
			  "\"known\":{\"digest\":\"e\",\"etag\":\"f\",\"last_modified\":\"g\"}}\n";

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_job_ struct job job;

		job_init(&job);
		ok(job_parse(bad[i].text, strlen(bad[i].text), &job, &err) < 0 &&
				err.status == EXIT_INTERNAL,
			"case %zu is refused", i);
		if (!ok(strstr(err_text(&err), bad[i].why) != NULL, "%s", bad[i].why))
			printf("# got %s\n", err_text(&err));
	}
}

/* In two parts, the descriptors with the first byte. */
static void send_job(int fd, const int fds[2])
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	char first = all[0];
	struct iovec part = {.iov_base = &first, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	ok(sendmsg(fd, &message, 0) == 1 && fd_write_all(fd, all + 1, strlen(all) - 1) == 0,
		"sent");
}

static void test_receive(void)
{
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	_cleanup_job_ struct job job;
	int pair[2];
	const int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/", O_PATH | O_CLOEXEC)};

	job_init(&job);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	send_job(pair[0], fds);
	is_int(job_receive(pair[1], &job, &err), 0, "received");
	if (err_is_set(&err))
		printf("# %s\n", err.text);
	ok(job.mode == JOB_MODE_ANY && job.insecure && job.retries == 3 &&
			job.landlock == JOB_LANDLOCK_REQUIRED && job.limits.max_depth == 4 &&
			job.limits.stall_timeout_usec == 6,
		"numbers and words");
	is_str(job.headers.v[0], "A: b", "a header");
	is_str(job.headers.v[1], "C: ", "an empty one");
	is_str(job.proxy_no, "9", "of the proxy");
	is_str(job.aws_region, "d", "of AWS");
	is_str(job.known_last_modified, "g", "of what is known");
	ok(job.n_fds == 2 && fd_same_file(job.source_fd, fds[0]) &&
			fd_same_file(job.checksum_fd, fds[1]) &&
			fcntl(job.source_fd, F_GETFD) & FD_CLOEXEC,
		"the descriptors came along");
	job_done(&job);
	ok(job.n_fds == 0 && job.source_fd == -1 && !job.source, "all is freed");
	(void)close(pair[0]);
	is_int(job_receive(pair[1], &job, &err), -EPIPE, "a parent that ends");
	(void)close(pair[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	test_bad();
	test_receive();
	return done_testing();
}
