#ifndef TH_OS_HOSTIP_H
#define TH_OS_HOSTIP_H

/* The address of this host. */

/*
 * That of the way out by default, IPv4 before IPv6, else of the first interface that is up and not
 * the loopback's, without link-local ones; no DNS, and nothing is sent. As text, which the caller
 * frees; NULL: it has none.
 */
char *hostip_find(void);

#endif
