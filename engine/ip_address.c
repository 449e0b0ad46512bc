/*
 * ip_address.c -- see ip_address.h.
 *
 * Texts are copied into a small buffer first: inet_pton wants a terminated string, and nothing
 * longer than the longest right one needs to be looked at.
 *
 * Threads: pure functions of values, any.
 */
#include "ip_address.h"

#include <arpa/inet.h>
#include <string.h>

struct in6_addr ip_address_of_v4(const void *four)
{
    CHECK(four != NULL);
    struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&address.s6_addr[12], four, sizeof(struct in_addr));
    return address;
}

bool ip_address_parse(const char *text, size_t len, struct in6_addr *out)
{
    CHECK(text != NULL && out != NULL);
    char copy[INET6_ADDRSTRLEN];
    if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, copy, &four) == 1)
        *out = ip_address_of_v4(&four);
    else if (inet_pton(AF_INET6, copy, &six) == 1)
        *out = six;
    else
        return false;
    return true;
}

const char *ip_address_text(const struct in6_addr *address, char *out)
{
    CHECK(address != NULL && out != NULL);
    const char *text = IN6_IS_ADDR_V4MAPPED(address)
                           ? inet_ntop(AF_INET, &address->s6_addr[12], out, INET6_ADDRSTRLEN)
                           : inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
    CHECK(text != NULL);
    return text;
}
