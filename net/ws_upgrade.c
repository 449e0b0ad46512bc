/*
 * ws_upgrade.c -- see ws_upgrade.h.
 *
 * http-parser calls back with pieces of names and values. The request lies in one piece in memory,
 * and http-parser, fed all of it at once, never cuts a name or value into several; so fields are
 * views, and each is looked at when the next begins.
 *
 * Threads: pure functions, any.
 */
#include "ws_upgrade.h"

#include <http_parser.h>
#include <openssl/base64.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <strings.h>

#define WS_KEY_LEN 24 /* sixteen bytes as base64 */

static const char ws_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static const struct {
    unsigned status;
    const char *phrase;
    const char *text;
} ws_statuses[] = {
#define WS_STATUS_ROW(name, status, phrase, text) {status, phrase, text},
    WS_STATUS_TABLE(WS_STATUS_ROW)
#undef WS_STATUS_ROW
};
STATIC_CHECK(ARRAY_LEN(ws_statuses) == WS_STATUS_COUNT, "a row for each status");

/* A request while it is read. */
struct ws_upgrade {
    http_parser parser;
    const struct ws_rules *rules;
    struct ws_request *out;
    struct bytes target;
    struct bytes name;
    struct bytes value;
    struct bytes key;
    struct bytes origin;
    unsigned fields;
    unsigned hosts;
    unsigned keys;
    unsigned origins;
    bool has_upgrade;
    bool has_connection;
    bool has_version;
    bool version_ok;
    bool has_offer;
    bool offers_mqtt;
    bool complete;
};

unsigned ws_status_number(enum ws_status status)
{
    CHECK((unsigned)status < WS_STATUS_COUNT);
    return ws_statuses[status].status;
}

/* ---- texts ---- */

static bool ws_is(struct bytes text, const char *want)
{
    size_t len = strlen(want);
    return text.len == len && strncasecmp((const char *)text.ptr, want, len) == 0;
}

static bool ws_is_exactly(struct bytes text, const char *want)
{
    return bytes_equal(text, bytes_of_text(want));
}

static struct bytes ws_trim(struct bytes text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The next element of a comma separated list, which gets shorter by it. False at the end. */
static bool ws_list_next(struct bytes *list, struct bytes *out)
{
    while (list->len > 0) {
        const uint8_t *comma = memchr(list->ptr, ',', list->len);
        struct bytes item = *list;
        if (comma != NULL)
            item.len = (uint32_t)(comma - list->ptr);
        uint32_t gone = comma != NULL ? item.len + 1 : item.len;
        list->ptr += gone;
        list->len -= gone;
        *out = ws_trim(item);
        if (out->len > 0)
            return true;
    }
    return false;
}

/* The last element, from the end. */
static bool ws_list_last(struct bytes *list, struct bytes *out)
{
    while (list->len > 0) {
        const uint8_t *comma = memrchr(list->ptr, ',', list->len);
        uint32_t at = comma != NULL ? (uint32_t)(comma - list->ptr) + 1 : 0;
        *out = ws_trim((struct bytes){.ptr = list->ptr + at, .len = list->len - at});
        list->len = comma != NULL ? at - 1 : 0;
        if (out->len > 0)
            return true;
    }
    return false;
}

static bool ws_list_has(struct bytes list, const char *want)
{
    struct bytes item;
    while (ws_list_next(&list, &item)) {
        if (ws_is(item, want))
            return true;
    }
    return false;
}

/* ---- fields ---- */

static void ws_field_protocol(struct ws_upgrade *up)
{
    struct bytes list = up->value;
    struct bytes item;
    while (ws_list_next(&list, &item)) {
        up->has_offer = true;
        for (uint32_t i = 0; i < up->rules->num_protocols; i++) {
            const char *known = up->rules->protocols[i];
            if (!ws_is_exactly(item, known))
                continue;
            bool is_mqtt = strcmp(known, "mqtt") == 0;
            if (up->out->protocol == NULL || (is_mqtt && !up->offers_mqtt))
                up->out->protocol = known;
            up->offers_mqtt |= is_mqtt;
        }
    }
}

/*
 * Several fields of this name are one list. Each later one is nearer to us, so what it says
 * replaces what the earlier ones said, unless it names trusted proxies alone.
 */
static void ws_field_forwarded(struct ws_upgrade *up)
{
    struct bytes list = up->value;
    struct bytes item;
    struct in6_addr address = up->out->forwarded;
    uint16_t port = up->out->forwarded_port;
    bool found = false;
    bool decided = false;
    while (!decided && ws_list_last(&list, &item)) {
        /* Behind `unknown`, or a name, nothing can be relied on. */
        bool is_address = cidr_address_parse((const char *)item.ptr, item.len, &address, &port);
        decided = !is_address ||
                  !cidr_any_holds(up->rules->trusted, up->rules->num_trusted, &address);
        found |= is_address;
    }
    if (!decided && up->out->has_forwarded)
        return;
    up->out->has_forwarded = found;
    up->out->forwarded = address;
    up->out->forwarded_port = port;
}

static bool ws_is_field(struct bytes name, const char *configured)
{
    return configured != NULL && configured[0] != '\0' && ws_is(name, configured);
}

static void ws_field_port(struct ws_upgrade *up)
{
    struct bytes list = up->value;
    struct bytes item;
    uint32_t port = 0;
    if (!ws_list_last(&list, &item) || item.len > 5)
        return;
    for (uint32_t i = 0; i < item.len; i++) {
        if (item.ptr[i] < '0' || item.ptr[i] > '9')
            return;
        port = port * 10 + (uint32_t)(item.ptr[i] - '0');
    }
    if (port <= UINT16_MAX)
        up->out->forwarded_port = (uint16_t)port;
}

/* The field that was collected, if there is one. */
static void ws_field_end(struct ws_upgrade *up)
{
    struct bytes name = up->name;
    up->value = ws_trim(up->value);
    if (name.len == 0)
        return;
    if (ws_is(name, "host")) {
        up->hosts++;
    } else if (ws_is(name, "upgrade")) {
        up->has_upgrade |= ws_list_has(up->value, "websocket");
    } else if (ws_is(name, "connection")) {
        up->has_connection |= ws_list_has(up->value, "upgrade");
    } else if (ws_is(name, "sec-websocket-key")) {
        up->keys++;
        up->key = up->value;
    } else if (ws_is(name, "sec-websocket-version")) {
        up->version_ok = !up->has_version && ws_is_exactly(up->value, "13");
        up->has_version = true;
    } else if (ws_is(name, "sec-websocket-protocol")) {
        ws_field_protocol(up);
    } else if (ws_is(name, "origin")) {
        up->origins++;
        up->origin = up->value;
    } else if (ws_is_field(name, up->rules->forwarded_for)) {
        ws_field_forwarded(up);
    } else if (ws_is_field(name, up->rules->forwarded_port)) {
        ws_field_port(up);
    }
    up->name = bytes_of("", 0);
    up->value = bytes_of("", 0);
}

/* Grows a view by a piece that follows it in memory. */
static void ws_extend(struct bytes *view, const char *at, size_t len)
{
    if (view->len == 0)
        *view = bytes_of(at, len);
    else
        view->len = (uint32_t)((const uint8_t *)at + len - view->ptr);
}

static int ws_on_target(http_parser *parser, const char *at, size_t len)
{
    struct ws_upgrade *up = parser->data;
    ws_extend(&up->target, at, len);
    return 0;
}

static int ws_on_name(http_parser *parser, const char *at, size_t len)
{
    struct ws_upgrade *up = parser->data;
    /* A name without a value behind it would be one that is continued. */
    if (up->value.ptr != NULL || up->name.len == 0) {
        ws_field_end(up);
        up->fields++;
        up->value.ptr = NULL;
    }
    ws_extend(&up->name, at, len);
    return up->fields > WS_FIELDS_MAX;
}

static int ws_on_value(http_parser *parser, const char *at, size_t len)
{
    struct ws_upgrade *up = parser->data;
    if (up->value.ptr == NULL)
        up->value = bytes_of(at, len);
    else
        ws_extend(&up->value, at, len);
    return 0;
}

static int ws_on_headers(http_parser *parser)
{
    ws_field_end(parser->data);
    return 0;
}

static int ws_on_complete(http_parser *parser)
{
    struct ws_upgrade *up = parser->data;
    up->complete = true;
    return 0;
}

/* ---- the whole request ---- */

/* The path of the target, which may be a whole URL (RFC 9112 section 3.2.2) and have a query. */
static bool ws_path_is(struct bytes target, const char *path)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    if (http_parser_parse_url((const char *)target.ptr, target.len, 0, &url) != 0)
        return false;
    struct bytes found = bytes_of("/", 1);
    if ((url.field_set & (1u << UF_PATH)) != 0)
        found = bytes_of(target.ptr + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
    return ws_is_exactly(found, path);
}

static bool ws_origin_is_allowed(const struct ws_upgrade *up)
{
    const struct ws_rules *rules = up->rules;
    if (!rules->check_origin)
        return true;
    if (up->origins == 0)
        return rules->origin_absent_ok;
    if (up->origins > 1)
        return false;
    for (uint32_t i = 0; i < rules->num_origins; i++) {
        if (ws_is(up->origin, rules->origins[i]))
            return true;
    }
    return false;
}

/* Base64 of exactly sixteen bytes. */
static bool ws_key_is_right(struct bytes key)
{
    uint8_t raw[WS_KEY_LEN];
    size_t raw_len = 0;
    return key.len == WS_KEY_LEN &&
           EVP_DecodeBase64(raw, &raw_len, sizeof(raw), key.ptr, key.len) == 1 && raw_len == 16;
}

static void ws_accept_make(struct bytes key, char out[29])
{
    uint8_t text[WS_KEY_LEN + sizeof(ws_guid) - 1];
    uint8_t digest[SHA_DIGEST_LENGTH];
    memcpy(text, key.ptr, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, ws_guid, sizeof(ws_guid) - 1);
    SHA1(text, sizeof(text), digest);
    EVP_EncodeBlock((uint8_t *)out, digest, sizeof(digest));
}

static enum ws_status ws_upgrade_judge(const struct ws_upgrade *up)
{
    const http_parser *parser = &up->parser;
    if (parser->method != HTTP_GET)
        return WS_BAD_METHOD;
    bool http_11 = parser->http_major == 1 && parser->http_minor >= 1;
    bool has_body = parser->content_length > 0 && parser->content_length != UINT64_MAX;
    if (!http_11 || up->hosts != 1 || has_body || (parser->flags & F_CHUNKED) != 0)
        return WS_BAD_REQUEST;
    if (!ws_path_is(up->target, up->rules->path))
        return WS_BAD_PATH;
    if (!up->has_upgrade || !up->has_connection)
        return WS_NO_UPGRADE;
    if (!up->version_ok)
        return WS_BAD_VERSION;
    if (up->keys != 1 || !ws_key_is_right(up->key))
        return WS_BAD_KEY;
    if (!ws_origin_is_allowed(up))
        return WS_BAD_ORIGIN;
    if (up->out->protocol == NULL && (up->has_offer || !up->rules->protocol_optional))
        return WS_BAD_PROTOCOL;
    return WS_SWITCH;
}

static enum ws_status ws_upgrade_parse(struct bytes request, const struct ws_rules *rules,
                                       struct ws_request *out)
{
    struct ws_upgrade up = {.rules = rules, .out = out};
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = ws_on_target;
    settings.on_header_field = ws_on_name;
    settings.on_header_value = ws_on_value;
    settings.on_headers_complete = ws_on_headers;
    settings.on_message_complete = ws_on_complete;
    memset(out, 0, sizeof(*out));
    http_parser_init(&up.parser, HTTP_REQUEST);
    up.parser.data = &up;
    http_parser_execute(&up.parser, &settings, (const char *)request.ptr, request.len);
    if (up.fields > WS_FIELDS_MAX)
        return WS_TOO_LARGE;
    enum http_errno error = HTTP_PARSER_ERRNO(&up.parser);
    if (error == HPE_INVALID_METHOD)
        return WS_BAD_METHOD;
    /* A request with a body is not complete here; that it has one is said better below. */
    if (error != HPE_OK || (!up.complete && up.parser.method == HTTP_GET))
        return WS_BAD_REQUEST;
    enum ws_status status = ws_upgrade_judge(&up);
    if (status != WS_SWITCH)
        return status;
    ws_accept_make(up.key, out->accept);
    return WS_SWITCH;
}

/* The length of the request up to and with its empty line, or 0. */
static uint32_t ws_request_end(struct bytes in, uint32_t *inout_scanned)
{
    uint32_t at = *inout_scanned > 3 ? *inout_scanned - 3 : 0;
    const uint8_t *found = in.len > at ? memmem(in.ptr + at, in.len - at, "\r\n\r\n", 4) : NULL;
    *inout_scanned = in.len;
    return found == NULL ? 0 : (uint32_t)(found - in.ptr) + 4;
}

enum rc ws_upgrade_read(struct bytes in, uint32_t *inout_scanned, const struct ws_rules *rules,
                        enum ws_status *out_status, struct ws_request *out, uint32_t *out_len)
{
    CHECK(*inout_scanned <= in.len);
    if (in.len == 0)
        return RC_MORE;
    *out_len = in.len;
    if (in.ptr[0] < 'A' || in.ptr[0] > 'Z') {
        *out_status = WS_BAD_REQUEST; /* methods are in capitals */
        return RC_OK;
    }
    uint32_t len = ws_request_end(in, inout_scanned);
    if (len == 0 && in.len <= WS_REQUEST_LEN_MAX)
        return RC_MORE;
    if (len == 0 || len > WS_REQUEST_LEN_MAX) {
        *out_status = WS_TOO_LARGE;
        return RC_OK;
    }
    *out_len = len;
    *out_status = ws_upgrade_parse((struct bytes){.ptr = in.ptr, .len = len}, rules, out);
    return RC_OK;
}

uint32_t ws_upgrade_response(enum ws_status status, const struct ws_request *request, char *out)
{
    unsigned number = ws_status_number(status);
    const char *phrase = ws_statuses[status].phrase;
    const char *text = ws_statuses[status].text;
    int len;
    if (status == WS_SWITCH) {
        bool has = request->protocol != NULL;
        len = snprintf(out, WS_RESPONSE_LEN_MAX,
                       "HTTP/1.1 101 %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                       phrase, request->accept, has ? "Sec-WebSocket-Protocol: " : "",
                       has ? request->protocol : "", has ? "\r\n" : "");
    } else {
        const char *more = status == WS_BAD_METHOD ? "Allow: GET\r\n"
                           : number == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                           : "";
        len = snprintf(out, WS_RESPONSE_LEN_MAX,
                       "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                       "%sConnection: close\r\n\r\n%s\n",
                       number, phrase, strlen(text) + 1, more, text);
    }
    CHECK(len > 0 && len < WS_RESPONSE_LEN_MAX);
    return (uint32_t)len;
}
