/*
 * test_listen_uri.c -- addresses of listeners: every form that is read, every slip that is refused,
 * and the socket address that comes out.
 */
#include "listen_uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void forms_that_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *written;
    } right[] = {
        {"tcp://127.0.0.1:1883", "127.0.0.1", 1883, "tcp://127.0.0.1:1883"},
        {"TCP://127.0.0.1:1883", "127.0.0.1", 1883, "tcp://127.0.0.1:1883"},
        {"mqtt://127.0.0.1:1883", "127.0.0.1", 1883, "tcp://127.0.0.1:1883"},
        {"tcp://[::1]:1884", "::1", 1884, "tcp://[::1]:1884"},
        {"tcp://[::1]", "::1", 1883, "tcp://[::1]:1883"},
        {"tcp://:1883", "", 1883, "tcp://:1883"},
        {"tcp://:0", "", 0, "tcp://:0"},
        {"tcp://localhost", "localhost", 1883, "tcp://localhost:1883"},
        {"tcp://a-b_c.example:65535", "a-b_c.example", 65535, "tcp://a-b_c.example:65535"},
        {"127.0.0.1:1885", "127.0.0.1", 1885, "tcp://127.0.0.1:1885"},
        {"localhost", "localhost", 1883, "tcp://localhost:1883"},
        {":1886", "", 1886, "tcp://:1886"},
        {"1887", "", 1887, "tcp://:1887"},
        {"[::]:1888", "::", 1888, "tcp://[::]:1888"},
    };
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        struct listen_uri uri;
        const char *reason = NULL;
        char written[LISTEN_URI_LEN_MAX + 1];
        memset(&uri, 0xFF, sizeof(uri));
        if (listen_uri_parse(right[i].text, &uri, &reason) != RC_OK)
            fail_msg("%s: %s", right[i].text, reason);
        assert_int_equal(uri.scheme, LISTEN_TCP);
        assert_string_equal(uri.host, right[i].host);
        assert_int_equal(uri.port, right[i].port);
        assert_string_equal(listen_uri_format(&uri, written), right[i].written);
    }
}

static void slips_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason; /* a part of it */
    } wrong[] = {
        {"", "empty"},
        {"tcp://", "neither"},
        {"quic://:14567", "not known"},
        {"://:1883", "not known"},
        {"tcp://:65536", "0 to 65535"},
        {"tcp://:99999999999999999999", "0 to 65535"},
        {"tcp://:", "0 to 65535"},
        {"tcp://:-1", "0 to 65535"},
        {"65536", "0 to 65535"},
        {"tcp://:1883/", "follow"},
        {"tcp://:1883/mqtt", "follow"},
        {"tcp://localhost/mqtt", "letters"},
        {"tcp://host name:1", "letters"},
        {"tcp://256.0.0.1:1883", "IPv4"},
        {"tcp://1.2.3:1883", "IPv4"},
        {"tcp://::1:1883", "brackets"},
        {"tcp://[::1", "IPv6"},
        {"tcp://[]:1883", "IPv6"},
        {"tcp://[127.0.0.1]:1883", "IPv6"},
        {"tcp://[::1]1883", "colon"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct listen_uri uri = {.scheme = LISTEN_WS, .port = 7, .host = "untouched"};
        const char *reason = NULL;
        assert_int_equal(listen_uri_parse(wrong[i].text, &uri, &reason), RC_INVALID);
        if (reason == NULL || strstr(reason, wrong[i].reason) == NULL)
            fail_msg("%s: %s", wrong[i].text, reason);
        assert_string_equal(uri.host, "untouched");
        assert_int_equal(uri.port, 7);
    }
}

static void other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written;
        uint8_t layers;
    } kinds[] = {{"ws://", NULL, 0},
                 {"ws://:8083", "ws://:8083", LISTEN_LAYER_WEBSOCKET},
                 {"ws://h", "ws://h:8083", LISTEN_LAYER_WEBSOCKET},
                 {"WSS://h", "wss://h:8084", LISTEN_LAYER_TLS | LISTEN_LAYER_WEBSOCKET},
                 {"unix:///run/sluice.sock", "unix:///run/sluice.sock", 0},
                 {"unix://run/sluice.sock", NULL, 0},
                 {"unix://", NULL, 0}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct listen_uri uri;
        const char *reason = NULL;
        char written[LISTEN_URI_LEN_MAX + 1];
        enum rc rc = listen_uri_parse(kinds[i].text, &uri, &reason);
        assert_int_equal(rc, kinds[i].written != NULL ? RC_OK : RC_INVALID);
        if (rc != RC_OK)
            continue;
        assert_string_equal(listen_uri_format(&uri, written), kinds[i].written);
        assert_int_equal(listen_uri_layers(uri.scheme), kinds[i].layers);
    }
}

static void a_path_fits_the_address(void **state)
{
    (void)state;
    char text[256] = "unix:///";
    memset(text + 8, 'p', 106);
    struct listen_uri uri;
    const char *reason = NULL;
    struct sockaddr_storage address;
    socklen_t len;
    assert_int_equal(listen_uri_parse(text, &uri, &reason), RC_OK);
    assert_int_equal(listen_uri_resolve(&uri, &address, &len, &reason), RC_OK);
    assert_int_equal(address.ss_family, AF_UNIX);
    assert_string_equal(((struct sockaddr_un *)&address)->sun_path, text + 7);
    text[8 + 106] = 'p';
    assert_int_equal(listen_uri_parse(text, &uri, &reason), RC_INVALID);
}

static void the_longest_host(void **state)
{
    (void)state;
    char text[LISTEN_HOST_LEN_MAX + 16] = "tcp://";
    memset(text + 6, 'h', LISTEN_HOST_LEN_MAX + 1);
    struct listen_uri uri;
    const char *reason = NULL;
    char written[LISTEN_URI_LEN_MAX + 1];
    assert_int_equal(listen_uri_parse(text, &uri, &reason), RC_INVALID);
    assert_non_null(strstr(reason, "too long"));
    text[6 + LISTEN_HOST_LEN_MAX] = '\0';
    assert_int_equal(listen_uri_parse(text, &uri, &reason), RC_OK);
    assert_int_equal(strlen(uri.host), LISTEN_HOST_LEN_MAX);
    listen_uri_format(&uri, written);
    assert_string_equal(written + strlen(written) - 5, ":1883");
}

/* Resolves an address that needs no name server. */
static void resolve(const char *text, struct sockaddr_storage *out, socklen_t *out_len)
{
    struct listen_uri uri;
    const char *reason = NULL;
    assert_int_equal(listen_uri_parse(text, &uri, &reason), RC_OK);
    assert_int_equal(listen_uri_resolve(&uri, out, out_len, &reason), RC_OK);
}

static void addresses_to_bind(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t len = 0;
    resolve("tcp://127.0.0.1:1883", &address, &len);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    assert_int_equal(address.ss_family, AF_INET);
    assert_int_equal(len, sizeof(*v4));
    assert_int_equal(ntohs(v4->sin_port), 1883);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);

    resolve("tcp://[::1]:1884", &address, &len);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    assert_int_equal(address.ss_family, AF_INET6);
    assert_int_equal(len, sizeof(*v6));
    assert_int_equal(ntohs(v6->sin6_port), 1884);
    assert_memory_equal(&v6->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback));

    /* Without a host: every address, IPv6 if there is any. */
    resolve("tcp://:1885", &address, &len);
    if (address.ss_family == AF_INET6) {
        assert_int_equal(ntohs(v6->sin6_port), 1885);
        assert_memory_equal(&v6->sin6_addr, &in6addr_any, sizeof(in6addr_any));
    } else {
        assert_int_equal(ntohs(v4->sin_port), 1885);
        assert_int_equal(v4->sin_addr.s_addr, INADDR_ANY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_that_are_read), cmocka_unit_test(slips_that_are_refused),
        cmocka_unit_test(other_kinds),         cmocka_unit_test(a_path_fits_the_address),
        cmocka_unit_test(the_longest_host),    cmocka_unit_test(addresses_to_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
