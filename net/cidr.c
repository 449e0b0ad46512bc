/*
 * cidr.c -- see cidr.h.
 *
 * Threads: pure functions, any.
 */
#include "cidr.h"

#include <string.h>
#include <strings.h>

#include "ip_address.h"

/* A decimal number of one to five digits and nothing else; -1 if it is none. */
static int32_t cidr_number(const char *text, size_t len)
{
    if (len == 0 || len > 5)
        return -1;
    int32_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool cidr_address_parse(const char *text, uint32_t len, struct in6_addr *out, uint16_t *out_port)
{
    size_t address_len = len;
    const char *address = text;
    const char *port = NULL;
    const char *end = text + len;
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL || (close + 1 != end && close[1] != ':'))
            return false;
        address = text + 1;
        address_len = (size_t)(close - address);
        port = close + 1 == end ? NULL : close + 2;
        if (memchr(address, ':', address_len) == NULL)
            return false;
    } else {
        const char *colon = memchr(text, ':', len);
        /* With more than one colon it is an IPv6 address, which carries a port only in brackets. */
        if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
            address_len = (size_t)(colon - text);
            port = colon + 1;
        }
    }
    int32_t number = port == NULL ? 0 : cidr_number(port, (size_t)(end - port));
    struct in6_addr found;
    if (number < 0 || number > UINT16_MAX || !ip_address_parse(address, address_len, &found))
        return false;
    *out = found;
    *out_port = (uint16_t)number;
    return true;
}

static void cidr_cut(struct cidr *range)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = range->bits > i * 8 ? range->bits - i * 8 : 0;
        if (kept < 8)
            range->address.s6_addr[i] &= (uint8_t)(0xff00u >> kept);
    }
}

enum rc cidr_parse(const char *text, struct cidr *out, const char **out_reason)
{
    CHECK(text != NULL && out != NULL && out_reason != NULL);
    struct cidr range;
    memset(&range, 0, sizeof(range));
    if (strcasecmp(text, "all") == 0) {
        range.is_all = true;
        *out = range;
        return RC_OK;
    }
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (!ip_address_parse(text, len, &range.address)) {
        *out_reason = "it should be `all`, an address, or an address and a length such as "
                      "192.168.0.0/24";
        return RC_INVALID;
    }
    bool dotted = memchr(text, ':', len) == NULL;
    int32_t bits_max = dotted ? 32 : 128;
    int32_t bits = slash == NULL ? bits_max : cidr_number(slash + 1, strlen(slash + 1));
    if (bits < 0 || bits > bits_max) {
        *out_reason = dotted ? "the length behind the slash should be 0 to 32"
                             : "the length behind the slash should be 0 to 128";
        return RC_INVALID;
    }
    range.bits = (uint8_t)(dotted ? bits + 96 : bits);
    range.is_v4 = range.bits >= 96 && IN6_IS_ADDR_V4MAPPED(&range.address);
    cidr_cut(&range);
    *out = range;
    return RC_OK;
}

enum rc cidr_rule_parse(const char *text, struct cidr_rule *out, const char **out_reason)
{
    CHECK(text != NULL && out != NULL && out_reason != NULL);
    struct cidr_rule rule;
    memset(&rule, 0, sizeof(rule));
    size_t word = strcspn(text, " \t");
    if (word == 5 && strncasecmp(text, "allow", word) == 0) {
        rule.allow = true;
    } else if (word != 4 || strncasecmp(text, "deny", word) != 0) {
        *out_reason = "a rule begins with `allow` or `deny`";
        return RC_INVALID;
    }
    text += word;
    text += strspn(text, " \t");
    enum rc rc = cidr_parse(text, &rule.range, out_reason);
    if (rc == RC_OK)
        *out = rule;
    return rc;
}

bool cidr_holds(const struct cidr *range, const struct in6_addr *address)
{
    if (range->is_all)
        return true;
    if (range->is_v4 != (bool)IN6_IS_ADDR_V4MAPPED(address))
        return false;
    unsigned whole = range->bits / 8;
    CHECK(whole <= 16);
    if (memcmp(&range->address, address, whole) != 0)
        return false;
    unsigned rest = range->bits % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return ((range->address.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

bool cidr_any_holds(const struct cidr *ranges, uint32_t num, const struct in6_addr *address)
{
    for (uint32_t i = 0; i < num; i++) {
        if (cidr_holds(&ranges[i], address))
            return true;
    }
    return false;
}

bool cidr_rules_allow(const struct cidr_rule *rules, uint32_t num, const struct in6_addr *address)
{
    for (uint32_t i = 0; i < num; i++) {
        if (cidr_holds(&rules[i].range, address))
            return rules[i].allow;
    }
    return num == 0 || !rules[num - 1].allow;
}
