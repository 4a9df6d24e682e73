/*
 * resolve.c - names of hosts and ports.  Server and client ask the resolver
 * themselves, with the article's calls; here stands what both need to know of
 * its answers, so that one name means the same to either.  It is about the
 * command line, not about the wire, so it is not in protocol.h.  It stands on
 * nothing.
 *
 * The article's structures hold IPv4 addresses, and so does this program.
 */
#include "resolve.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Is this written like an IPv6 address?  The resolver is not asked then. */
bool is_ipv6_address(const char *host) {
    return strchr(host, ':') != NULL || host[0] == '[';
}

/* What is wrong with a host, as the resolver gave it for that name; or NULL.
 * If it gave none, it is asked once more: is there an IPv6 address? */
const char *host_problem(const char *name, const struct hostent *host) {
    static const char only_ipv4[] = "gather speaks IPv4 only";
    struct addrinfo hints, *found = NULL;
    if (is_ipv6_address(name))
        return only_ipv4;
    if (host != NULL && host->h_addrtype == AF_INET &&
        host->h_addr_list[0] != NULL)
        return NULL;
    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_INET6;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return "no such host";
    freeaddrinfo(found);
    return only_ipv4;
}

/* Are these digits only?  Then there is no service to look for. */
bool is_port_number(const char *name) {
    return name[strspn(name, "0123456789")] == '\0';
}

/* The port that a name means, in host byte order: that of the service, if
 * getservbyname() has found one (its s_port is in network byte order), or else
 * the number.  Returns -1 if it is neither. */
long port_of(const char *name, const struct servent *service) {
    if (service != NULL)
        return ntohs((uint16_t)service->s_port);
    if (*name == '\0' || !is_port_number(name))
        return -1;
    unsigned long number = strtoul(name, NULL, 10);
    return number <= 65535 ? (long)number : -1;
}

/* Cuts host:port in two.  Returns the port; or NULL if there is none, as in an
 * IPv6 address without brackets. */
char *split_address(char *address) {
    char *bracket = strrchr(address, ']');
    char *colon = strchr(bracket != NULL ? bracket : address, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return NULL;
    *colon = '\0';
    return colon + 1;
}
