/*
 * test_ws_upgrade.c -- the request that makes a connection a WebSocket: right ones, wrong ones with
 * the answer that each gets, and what proxies add.
 */
#include "ws_upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UP      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define MQTT    "Sec-WebSocket-Protocol: mqtt\r\n"
#define GET     "GET /mqtt HTTP/1.1\r\nHost: broker\r\n"

static const char *const protocols[] = {"mqtt", "mqttv3.1", "mqtt-v5"};
static const char *const origins[] = {"https://good.example"};

static struct cidr trusted[1];

static struct ws_rules rules_of(void)
{
    const char *reason;
    assert_int_equal(cidr_parse("10.0.0.0/8", &trusted[0], &reason), RC_OK);
    return (struct ws_rules){.path = "/mqtt",
                             .protocols = protocols,
                             .num_protocols = ARRAY_LEN(protocols),
                             .origin_absent_ok = true,
                             .origins = origins,
                             .num_origins = ARRAY_LEN(origins),
                             .forwarded_for = "X-Forwarded-For",
                             .forwarded_port = "x-forwarded-port",
                             .trusted = trusted,
                             .num_trusted = 1};
}

static struct ws_request request;
static uint32_t request_len;

/* The answer to a whole text; the same must come when it arrives a byte at a time. */
static enum ws_status answer_with(const struct ws_rules *rules, const char *text)
{
    enum ws_status status = WS_STATUS_COUNT;
    enum ws_status slow = WS_STATUS_COUNT;
    struct ws_request other;
    uint32_t scanned = 0;
    uint32_t len = (uint32_t)strlen(text);
    for (uint32_t part = 0; part <= len; part++) {
        uint8_t *copy = malloc(part + 1);
        memcpy(copy, text, part);
        enum rc rc = ws_upgrade_read(bytes_of(copy, part), &scanned, rules, &slow, &other,
                                     &request_len);
        free(copy);
        if (rc == RC_OK)
            break;
        assert_int_equal(rc, RC_MORE);
    }
    scanned = 0;
    assert_int_equal(
        ws_upgrade_read(bytes_of(text, len), &scanned, rules, &status, &request, &request_len),
        RC_OK);
    assert_int_equal(status, slow);
    return status;
}

static enum ws_status answer(const char *text)
{
    struct ws_rules rules = rules_of();
    return answer_with(&rules, text);
}

static void test_ws_upgrade_right(void **state)
{
    (void)state;
    static const char text[] = GET UP KEY VERSION MQTT "\r\n";
    assert_int_equal(answer(GET UP KEY VERSION MQTT "\r\n\x82\x80"), WS_SWITCH);
    assert_int_equal(request_len, strlen(text));
    /* The example of RFC 6455 section 1.3. */
    assert_string_equal(request.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(request.protocol, "mqtt");
    assert_false(request.has_forwarded);
    char out[WS_RESPONSE_LEN_MAX];
    uint32_t len = ws_upgrade_response(WS_SWITCH, &request, out);
    assert_int_equal(len, strlen(out));
    assert_string_equal(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                             "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

static void test_ws_upgrade_also_right(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GET /mqtt?token=x HTTP/1.1\r\nhost: b\r\n" UP KEY VERSION MQTT "\r\n",
        "GET http://broker:8083/mqtt HTTP/1.1\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n",
        GET "UPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY VERSION MQTT "\r\n",
        GET UP KEY VERSION MQTT "Cookie: a=b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
                                "Content-Length: 0\r\n\r\n",
        GET UP KEY VERSION "Sec-WebSocket-Protocol:  soap ,mqtt\r\nEmpty:\r\n\r\n",
        GET UP KEY VERSION MQTT "Origin: http://anywhere\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(answer(texts[i]), WS_SWITCH);
}

static void test_ws_upgrade_refused(void **state)
{
    (void)state;
    static const struct {
        enum ws_status status;
        const char *text;
    } rows[] = {
        {WS_BAD_REQUEST, "\x10\x0c"},
        {WS_BAD_REQUEST, "\x16\x03\x01"},
        {WS_BAD_REQUEST, "get /mqtt HTTP/1.1\r\n\r\n"},
        {WS_BAD_REQUEST, "GET /mqtt HTTP/1.0\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_REQUEST, "GET /mqtt HTTP/2.0\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_REQUEST, "GET /mqtt HTTP/1.1\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_REQUEST, GET "Host: other\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_REQUEST, GET UP KEY VERSION MQTT "Content-Length: 5\r\n\r\n"},
        {WS_BAD_REQUEST, GET UP KEY VERSION MQTT "Transfer-Encoding: chunked\r\n\r\n"},
        {WS_BAD_REQUEST, GET UP KEY VERSION MQTT "No Colon\r\n\r\n"},
        {WS_BAD_REQUEST, "GET /mqtt\r\n\r\n"},
        {WS_BAD_METHOD, "POST /mqtt HTTP/1.1\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_METHOD, "BREW /mqtt HTTP/1.1\r\nHost: b\r\n\r\n"},
        {WS_BAD_METHOD, "POST /mqtt HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\n"},
        {WS_BAD_PATH, "GET / HTTP/1.1\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_PATH, "GET /mqtt/ HTTP/1.1\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_BAD_PATH, "GET /MQTT HTTP/1.1\r\nHost: b\r\n" UP KEY VERSION MQTT "\r\n"},
        {WS_NO_UPGRADE, GET "\r\n"},
        {WS_NO_UPGRADE, GET "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION MQTT "\r\n"},
        {WS_NO_UPGRADE, GET "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION "\r\n"},
        {WS_BAD_VERSION, GET UP KEY MQTT "\r\n"},
        {WS_BAD_VERSION, GET UP KEY MQTT "Sec-WebSocket-Version: 8\r\n\r\n"},
        {WS_BAD_VERSION, GET UP KEY MQTT VERSION "Sec-WebSocket-Version: 13\r\n\r\n"},
        {WS_BAD_KEY, GET UP VERSION MQTT "\r\n"},
        {WS_BAD_KEY, GET UP KEY KEY VERSION MQTT "\r\n"},
        {WS_BAD_KEY, GET UP VERSION MQTT "Sec-WebSocket-Key: short\r\n\r\n"},
        {WS_BAD_KEY, GET UP VERSION MQTT "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n\r\n"},
        {WS_BAD_KEY, GET UP VERSION MQTT "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"},
        {WS_BAD_PROTOCOL, GET UP KEY VERSION "\r\n"},
        {WS_BAD_PROTOCOL, GET UP KEY VERSION "Sec-WebSocket-Protocol: soap, MQTT\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum ws_status status = answer(rows[i].text);
        if (status != rows[i].status)
            fail_msg("row %zu: %d instead of %d", i, status, rows[i].status);
        char out[WS_RESPONSE_LEN_MAX];
        char want[64];
        uint32_t len = ws_upgrade_response(status, &request, out);
        assert_int_equal(len, strlen(out));
        snprintf(want, sizeof(want), "HTTP/1.1 %u ", ws_status_number(status));
        assert_memory_equal(out, want, strlen(want));
        assert_non_null(strstr(out, "\r\nConnection: close\r\n\r\n"));
    }
}

static void test_ws_upgrade_errors_tell_what_is_right(void **state)
{
    (void)state;
    char out[WS_RESPONSE_LEN_MAX];
    ws_upgrade_response(WS_BAD_VERSION, &request, out);
    assert_non_null(strstr(out, "\r\nSec-WebSocket-Version: 13\r\n"));
    ws_upgrade_response(WS_NO_UPGRADE, &request, out);
    assert_non_null(strstr(out, "\r\nUpgrade: websocket\r\n"));
    ws_upgrade_response(WS_BAD_METHOD, &request, out);
    assert_non_null(strstr(out, "\r\nAllow: GET\r\n"));
    for (int status = WS_BAD_REQUEST; status < WS_STATUS_COUNT; status++) {
        ws_upgrade_response((enum ws_status)status, &request, out);
        unsigned len = 0;
        const char *field = strstr(out, "Content-Length: ");
        assert_non_null(field);
        len = (unsigned)strtoul(field + 16, NULL, 10);
        assert_int_equal(strlen(strstr(out, "\r\n\r\n") + 4), len);
    }
}

static void test_ws_upgrade_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        const char *chosen;
    } rows[] = {
        {"Sec-WebSocket-Protocol: mqttv3.1\r\n", "mqttv3.1"},
        {"Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n", "mqtt"},
        {"Sec-WebSocket-Protocol: mqtt-v5, mqttv3.1\r\n", "mqtt-v5"},
        {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b,mqtt\r\n", "mqtt"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text), "%s%s\r\n", GET UP KEY VERSION, rows[i].offer);
        assert_int_equal(answer(text), WS_SWITCH);
        assert_string_equal(request.protocol, rows[i].chosen);
    }
    struct ws_rules rules = rules_of();
    rules.protocol_optional = true;
    assert_int_equal(answer_with(&rules, GET UP KEY VERSION "\r\n"), WS_SWITCH);
    assert_null(request.protocol);
    char out[WS_RESPONSE_LEN_MAX];
    ws_upgrade_response(WS_SWITCH, &request, out);
    assert_null(strstr(out, "Sec-WebSocket-Protocol"));
    assert_int_equal(answer_with(&rules, GET UP KEY VERSION "Sec-WebSocket-Protocol: x\r\n\r\n"),
                     WS_BAD_PROTOCOL);
}

static void test_ws_upgrade_origin(void **state)
{
    (void)state;
    struct ws_rules rules = rules_of();
    rules.check_origin = true;
    assert_int_equal(answer_with(&rules, GET UP KEY VERSION MQTT "\r\n"), WS_SWITCH);
    rules.origin_absent_ok = false;
    assert_int_equal(answer_with(&rules, GET UP KEY VERSION MQTT "\r\n"), WS_BAD_ORIGIN);
    static const char good[] = GET UP KEY VERSION MQTT "Origin: https://GOOD.example\r\n\r\n";
    static const char bad[] = GET UP KEY VERSION MQTT "Origin: https://good.example.evil\r\n\r\n";
    static const char two[] = GET UP KEY VERSION MQTT
        "Origin: https://good.example\r\nOrigin: https://good.example\r\n\r\n";
    assert_int_equal(answer_with(&rules, good), WS_SWITCH);
    assert_int_equal(answer_with(&rules, bad), WS_BAD_ORIGIN);
    assert_int_equal(answer_with(&rules, two), WS_BAD_ORIGIN);
}

static void test_ws_upgrade_forwarded(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *address; /* NULL: none */
        uint16_t port;
    } rows[] = {
        {"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", 0},
        {"x-forwarded-for: 192.0.2.7:99\r\n", "192.0.2.7", 99},
        {"X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1", 0},
        /* What a client wrote itself stands in front, and is not believed. */
        {"X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.1\r\n", "192.0.2.7", 0},
        {"X-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n", "10.0.0.2", 0},
        {"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", 0},
        {"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n", "192.0.2.7", 0},
        {"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: unknown\r\n", NULL, 0},
        {"X-Forwarded-For: unknown, 10.0.0.1\r\n", "10.0.0.1", 0},
        {"X-Forwarded-For: unknown\r\n", NULL, 0},
        {"X-Forwarded-For: \r\n", NULL, 0},
        {"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Port: 4711\r\n", "192.0.2.7", 4711},
        {"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Port: 70000\r\n", "192.0.2.7", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text), "%s%s\r\n", GET UP KEY VERSION MQTT, rows[i].fields);
        assert_int_equal(answer(text), WS_SWITCH);
        assert_int_equal(request.has_forwarded, rows[i].address != NULL);
        if (rows[i].address == NULL)
            continue;
        struct in6_addr want;
        uint16_t port;
        assert_true(
            cidr_address_parse(rows[i].address, (uint32_t)strlen(rows[i].address), &want, &port));
        assert_memory_equal(&request.forwarded, &want, sizeof(want));
        assert_int_equal(request.forwarded_port, rows[i].port);
    }
}

static void test_ws_upgrade_bounds(void **state)
{
    (void)state;
    static char text[WS_REQUEST_LEN_MAX * 2];
    struct ws_rules rules = rules_of();
    int head = snprintf(text, sizeof(text), "%sX-Long: ", GET);
    memset(text + head, 'a', WS_REQUEST_LEN_MAX);
    enum ws_status status = WS_STATUS_COUNT;
    uint32_t scanned = 0;
    assert_int_equal(ws_upgrade_read(bytes_of(text, WS_REQUEST_LEN_MAX), &scanned, &rules, &status,
                                     &request, &request_len),
                     RC_MORE);
    assert_int_equal(ws_upgrade_read(bytes_of(text, WS_REQUEST_LEN_MAX + 1), &scanned, &rules,
                                     &status, &request, &request_len),
                     RC_OK);
    assert_int_equal(status, WS_TOO_LARGE);
    int len = snprintf(text, sizeof(text), "%s", GET);
    for (unsigned i = 0; i < WS_FIELDS_MAX; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "A: b\r\n");
    snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
    scanned = 0;
    assert_int_equal(
        ws_upgrade_read(bytes_of_text(text), &scanned, &rules, &status, &request, &request_len),
        RC_OK);
    assert_int_equal(status, WS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_upgrade_right),
        cmocka_unit_test(test_ws_upgrade_also_right),
        cmocka_unit_test(test_ws_upgrade_refused),
        cmocka_unit_test(test_ws_upgrade_errors_tell_what_is_right),
        cmocka_unit_test(test_ws_upgrade_protocols),
        cmocka_unit_test(test_ws_upgrade_origin),
        cmocka_unit_test(test_ws_upgrade_forwarded),
        cmocka_unit_test(test_ws_upgrade_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
