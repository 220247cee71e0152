#include "config.h"

#include "base/alloc.h"
#include "base/str.h"
#include "os/hostip.h"

#include "tests/unit/tap.h"
#include "tests/unit/tempdir.h"

#include <arpa/inet.h>
#include <sched.h>
#include <unistd.h>

/* A host without any address: a network namespace of its own, whose loopback is down. */
static void test_none(void)
{
	pid_t pid;

	if (geteuid() != 0) {
		skip(1, "a network namespace needs root");
		return;
	}
	pid = fork();
	if (pid == 0) {
		char *ip;

		if (unshare(CLONE_NEWNET) < 0)
			_exit(2);
		ip = hostip_find();
		_exit(ip ? 1 : 0);
	}
	is_int(wait_child(pid), 0, "a host without an address has none");
}

int main(void)
{
	_cleanup_free_ char *ip = hostip_find();
	unsigned char bin[16];

	if (!ip)
		skip(2, "this host has no address");
	else {
		ok(inet_pton(AF_INET, ip, bin) == 1 || inet_pton(AF_INET6, ip, bin) == 1,
			"an address");
		ok(!str_starts_with(ip, "127.") && strcmp(ip, "::1") != 0, "not the loopback's");
	}
	test_none();
	return done_testing();
}
