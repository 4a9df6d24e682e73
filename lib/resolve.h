/*
 * resolve.h - names of hosts and ports.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

bool is_ipv6_address(const char *host);
const char *host_problem(const char *name, const struct hostent *host);
bool is_port_number(const char *name);
long port_of(const char *name, const struct servent *service);
char *split_address(char *address);

#endif
