#include "config.h"

#include "os/hostip.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* The address from which this host would reach others: connecting a datagram socket looks the
 * route up and sends nothing. The destinations are for documentation (RFC 5737, RFC 3849). */
static bool source_address(int family, char *buf, socklen_t size)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct sockaddr_storage own = {0};
	socklen_t n = sizeof(own);
	const void *address;
	bool found;
	int fd, r;

	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	(void)inet_pton(AF_INET, "192.0.2.1", &in4.sin_addr);
	(void)inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	if (family == AF_INET)
		r = connect(fd, (const struct sockaddr *)&in4, sizeof(in4));
	else
		r = connect(fd, (const struct sockaddr *)&in6, sizeof(in6));
	found = r == 0 && getsockname(fd, (struct sockaddr *)&own, &n) == 0;
	(void)close(fd);
	if (!found)
		return false;
	if (family == AF_INET)
		address = &((const struct sockaddr_in *)&own)->sin_addr;
	else
		address = &((const struct sockaddr_in6 *)&own)->sin6_addr;
	return inet_ntop(family, address, buf, size) != NULL;
}

/* A host without a default route: its first address that is not the loopback's. */
static bool interface_address(int family, char *buf, socklen_t size)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		const void *address;

		if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
			(i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
			continue;
		if (family == AF_INET) {
			address =
				&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		} else {
			const struct in6_addr *six =
				&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)
					 ->sin6_addr;

			if (IN6_IS_ADDR_LINKLOCAL(six))
				continue;
			address = six;
		}
		found = inet_ntop(family, address, buf, size) != NULL;
	}
	freeifaddrs(all);
	return found;
}

char *hostip_find(void)
{
	char buf[INET6_ADDRSTRLEN];

	if (source_address(AF_INET, buf, sizeof(buf)) ||
		source_address(AF_INET6, buf, sizeof(buf)) ||
		interface_address(AF_INET, buf, sizeof(buf)) ||
		interface_address(AF_INET6, buf, sizeof(buf)))
		return xstrdup(buf);
	return NULL;
}
