/*
 * http_template.c -- see http_template.h.
 *
 * Threads: see http_template.h.
 */
#include "http_template.h"

#include <stdio.h>
#include <string.h>

#include "ip_address.h"

/* X(name, how it is read from `asked` into `value`; `scratch` has room for an address) */
#define PLACEHOLDER_TABLE(X)                                                                       \
    X("clientid", value = asked->client_id)                                                        \
    X("username", value = asked->username)                                                         \
    X("password", value = asked->password)                                                         \
    X("cert_common_name", value = asked->cert_common_name)                                         \
    X("cert_subject", value = asked->cert_subject)                                                 \
    X("listener", value = asked->listener)                                                         \
    X("peerhost", value = template_address(asked, scratch))                                        \
    X("peerport", value = template_number(asked->port, scratch))                                   \
    X("proto_ver", value = template_number(asked->version, scratch))                               \
    X("$", value = bytes_of_text("$"))

static struct bytes template_address(const struct authn_asked *asked, char *scratch)
{
    struct in6_addr address;
    memcpy(&address, asked->address, sizeof(address));
    return bytes_of_text(ip_address_text(&address, scratch));
}

static struct bytes template_number(unsigned number, char *scratch)
{
    snprintf(scratch, INET6_ADDRSTRLEN, "%u", number);
    return bytes_of_text(scratch);
}

/* The value of a placeholder, whose `asked` may be NULL: is there one of that name? */
static bool template_value(struct bytes name, const struct authn_asked *asked, char *scratch,
                           struct bytes *out)
{
    struct bytes value = {0};
#define PLACEHOLDER_ROW(text, read)                                                                \
    if (bytes_equal(name, bytes_of_text(text))) {                                                  \
        if (asked != NULL)                                                                         \
            read;                                                                                  \
        *out = value;                                                                              \
        return true;                                                                               \
    }
    PLACEHOLDER_TABLE(PLACEHOLDER_ROW)
#undef PLACEHOLDER_ROW
    return false;
}

/*
 * Finds the first placeholder at or behind `at`. False if there is none. *out_name is what stands
 * between the braces, *out_end is behind the closing one; 0: it has none.
 */
static bool template_find(struct bytes text, uint32_t *at, struct bytes *out_name,
                          uint32_t *out_end)
{
    for (; *at + 1 < text.len; ++*at) {
        if (text.ptr[*at] != '$' || text.ptr[*at + 1] != '{')
            continue;
        const uint8_t *name = text.ptr + *at + 2;
        const uint8_t *brace = memchr(name, '}', text.len - *at - 2);
        *out_end = brace == NULL ? 0 : (uint32_t)(brace - text.ptr) + 1;
        *out_name = bytes_of(name, brace == NULL ? 0 : (size_t)(brace - name));
        return true;
    }
    return false;
}

const char *template_check(struct bytes text)
{
    struct bytes name;
    struct bytes value;
    char scratch[INET6_ADDRSTRLEN];
    uint32_t end = 0;
    if (text.len > TEMPLATE_LEN_MAX)
        return "is too long";
    for (uint32_t at = 0; template_find(text, &at, &name, &end); at = end) {
        if (end == 0)
            return "has a placeholder without a closing brace";
        if (!template_value(name, NULL, scratch, &value))
            return "has an unknown placeholder";
    }
    return NULL;
}

static bool escape_url(uint8_t byte, struct connect_buffer *out)
{
    char hex[4];
    bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                 (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-._~", byte) != NULL);
    if (plain)
        return connect_buffer_add(out, &byte, 1);
    snprintf(hex, sizeof(hex), "%%%02X", byte);
    return connect_buffer_add(out, hex, 3);
}

static bool escape_json(uint8_t byte, struct connect_buffer *out)
{
    char text[8];
    if (byte == '"' || byte == '\\') {
        snprintf(text, sizeof(text), "\\%c", byte);
        return connect_buffer_add(out, text, 2);
    }
    if (byte >= 0x20)
        return connect_buffer_add(out, &byte, 1);
    snprintf(text, sizeof(text), "\\u%04x", byte);
    return connect_buffer_add(out, text, 6);
}

bool template_escape_add(struct bytes value, enum template_escape escape,
                         struct connect_buffer *out)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < value.len; i++) {
        uint8_t byte = value.ptr[i];
        if (escape == TEMPLATE_URL)
            ok = escape_url(byte, out);
        else if (escape == TEMPLATE_JSON)
            ok = escape_json(byte, out);
        else if (byte >= 0x20 && byte != 0x7f)
            ok = connect_buffer_add(out, &byte, 1);
    }
    return ok;
}

bool template_fill(struct bytes text, enum template_escape escape, const struct authn_asked *asked,
                   struct connect_buffer *out)
{
    struct bytes name;
    struct bytes value;
    char scratch[INET6_ADDRSTRLEN];
    uint32_t done = 0;
    uint32_t end = 0;
    for (uint32_t at = 0; template_find(text, &at, &name, &end); at = done = end) {
        bool known = template_value(name, asked, scratch, &value);
        CHECK(end != 0 && known);
        if (!connect_buffer_add(out, text.ptr + done, at - done) ||
            !template_escape_add(value, escape, out))
            return false;
    }
    return connect_buffer_add(out, text.ptr + done, text.len - done);
}
