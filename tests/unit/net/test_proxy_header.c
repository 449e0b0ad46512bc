/*
 * test_proxy_header.c -- the PROXY protocol: both versions whole, cut at every byte, and wrong.
 */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

static uint8_t wire[8192];
static uint32_t wire_len;

static void put(const void *bytes, uint32_t len)
{
    memcpy(wire + wire_len, bytes, len);
    wire_len += len;
}

/* Starts a header of version 2; its length is set by put_end. */
static void put_begin(uint8_t command, uint8_t family)
{
    wire_len = 0;
    put(signature, 12);
    put(&command, 1);
    put(&family, 1);
    put("\0", 2);
}

static void put_end(void)
{
    wire[14] = (uint8_t)((wire_len - 16) >> 8);
    wire[15] = (uint8_t)(wire_len - 16);
}

static void put_tlv(uint8_t type, const void *value, uint16_t len)
{
    uint8_t head[3] = {type, (uint8_t)(len >> 8), (uint8_t)len};
    put(head, 3);
    put(value, len);
}

/* Reads the wire; every prefix of a right header must want more. */
static enum proxy_result read_wire(struct proxy_header *out)
{
    uint8_t *copy = malloc(wire_len + 1);
    memcpy(copy, wire, wire_len);
    enum proxy_result result = proxy_header_read(bytes_of(wire, wire_len), out);
    for (uint32_t cut = 0; result == PROXY_OK && cut < out->len; cut++) {
        struct proxy_header part;
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        memcpy(exact, wire, cut);
        assert_int_equal(proxy_header_read(bytes_of(exact, cut), &part), PROXY_MORE);
        free(exact);
    }
    free(copy);
    return result;
}

static enum proxy_result read_text(const char *text, struct proxy_header *out)
{
    wire_len = 0;
    put(text, (uint32_t)strlen(text));
    return read_wire(out);
}

static void check_address(const struct in6_addr *address, const char *want)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, address, text, sizeof(text));
    assert_string_equal(text, want);
}

static bool text_is(struct bytes value, const char *want)
{
    return bytes_equal(value, bytes_of_text(want));
}

static void test_proxy_v1(void **state)
{
    (void)state;
    struct proxy_header header;
    assert_int_equal(read_text("PROXY TCP4 192.0.2.1 198.51.100.7 51234 1883\r\n\x10rest", &header),
                     PROXY_OK);
    assert_int_equal(header.len, 46);
    assert_true(header.has_address && !header.tls);
    check_address(&header.source, "::ffff:192.0.2.1");
    check_address(&header.destination, "::ffff:198.51.100.7");
    assert_int_equal(header.source_port, 51234);
    assert_int_equal(header.destination_port, 1883);

    assert_int_equal(read_text("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", &header), PROXY_OK);
    check_address(&header.source, "2001:db8::1");
    check_address(&header.destination, "::1");
    assert_int_equal(header.source_port, 65535);

    /* The longest line that the protocol has. */
    assert_int_equal(read_text("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                               &header),
                     PROXY_OK);
    assert_false(header.has_address);
    assert_int_equal(read_text("PROXY UNKNOWN\r\n", &header), PROXY_OK);
}

static void test_proxy_v1_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY UNKNOWN 0000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000\r\n",
        "PROXY TCP4 00000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct proxy_header header;
        assert_int_equal(read_text(wrong[i], &header), PROXY_BAD);
    }
}

static void test_proxy_none(void **state)
{
    (void)state;
    static const char *const others[] = {"\x10\x0c\x00\x04MQTT", "GET / HTTP/1.1\r\n", "PROXI",
                                         "\x16\x03\x01",         "\r\n\r\n\x01",       "PROXYTCP4"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct proxy_header header;
        assert_int_equal(read_text(others[i], &header), PROXY_NONE);
    }
}

static void test_proxy_v2(void **state)
{
    (void)state;
    struct proxy_header header;
    put_begin(0x21, 0x11);
    put("\xc0\x00\x02\x01\xc6\x33\x64\x07\xc8\x22\x07\x5b", 12);
    put_end();
    put("\x10rest", 5);
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_int_equal(header.len, 28);
    check_address(&header.source, "::ffff:192.0.2.1");
    check_address(&header.destination, "::ffff:198.51.100.7");
    assert_int_equal(header.source_port, 51234);
    assert_int_equal(header.destination_port, 1883);

    put_begin(0x21, 0x21);
    put("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x01\x00\x02",
        36);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_OK);
    check_address(&header.source, "2001:db8::1");
    assert_int_equal(header.source_port, 1);

    put_begin(0x21, 0x31);
    for (unsigned i = 0; i < 27; i++)
        put("/a/path/", 8);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_false(header.has_address);
}

static void test_proxy_v2_local(void **state)
{
    (void)state;
    struct proxy_header header;
    put_begin(0x20, 0x00);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_false(header.has_address);
    /* What it says is not looked at. */
    put_begin(0x20, 0x11);
    put("\x01\x02\x03", 3);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_int_equal(header.len, 19);
    assert_false(header.has_address);
}

static void put_v4(void)
{
    put_begin(0x21, 0x11);
    put("\xc0\x00\x02\x01\xc6\x33\x64\x07\xc8\x22\x07\x5b", 12);
}

static void test_proxy_v2_tls(void **state)
{
    (void)state;
    struct proxy_header header;
    put_v4();
    put_tlv(0x01, "mqtt", 4);
    put_tlv(0x02, "broker.example", 14);
    put_tlv(0xe0, "unknown", 7);
    uint8_t ssl[] = "\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x06sensor\x23\x00\x03"
                    "AES\x24\x00\x02SH";
    put_tlv(0x20, ssl, sizeof(ssl) - 1);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_true(header.tls && header.certificate && header.verified);
    assert_true(text_is(header.tls_version, "TLSv1.3"));
    assert_true(text_is(header.common_name, "sensor"));
    assert_true(text_is(header.cipher, "AES"));
    assert_true(text_is(header.alpn, "mqtt"));
    assert_true(text_is(header.server_name, "broker.example"));
    /* A certificate that was not verified. */
    wire[wire_len - sizeof(ssl) + 1 + 4] = 1;
    assert_int_equal(read_wire(&header), PROXY_OK);
    assert_true(header.certificate && !header.verified);
}

static void test_proxy_v2_checksum(void **state)
{
    (void)state;
    struct proxy_header header;
    put_v4();
    put_tlv(0x03, "\0\0\0\0", 4);
    put_tlv(0x04, "\0", 1);
    put_end();
    /* The same, the slow and obvious way. */
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < wire_len; i++) {
        crc ^= wire[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    assert_int_equal(read_wire(&header), PROXY_BAD);
    for (unsigned i = 0; i < 4; i++)
        wire[28 + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
    assert_int_equal(read_wire(&header), PROXY_OK);
    wire[17] ^= 1;
    assert_int_equal(read_wire(&header), PROXY_BAD);
}

static void test_proxy_v2_refuses(void **state)
{
    (void)state;
    struct proxy_header header;
    put_begin(0x22, 0x11); /* a command that is none */
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_begin(0x11, 0x11); /* a version that is none */
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_begin(0x21, 0x12); /* datagrams */
    put("\1\2\3\4\1\2\3\4\1\2\1\2", 12);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_begin(0x21, 0x11); /* too short for its addresses */
    put("\1\2\3\4\1\2\3\4\1\2\1", 11);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_v4(); /* a TLV that ends behind the header */
    put("\x01\x00\x05"
        "mqtt",
        7);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_v4(); /* names that are no text */
    put_tlv(0x02, "a\nb", 3);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_v4();
    put_tlv(0x20, "\x07\x00\x00\x00\x00\x22\x00\x02\xc3\xc3", 10);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_v4();
    put_tlv(0x20,
            "\x07\x00\x00\x00\x00\x22\x00\x03"
            "ab",
            10);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_v4();
    put_tlv(0x03, "\0\0\0", 3);
    put_end();
    assert_int_equal(read_wire(&header), PROXY_BAD);
    put_begin(0x21, 0x11); /* too long, known before it has come */
    wire[14] = 0x10;
    assert_int_equal(read_wire(&header), PROXY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_v1),          cmocka_unit_test(test_proxy_v1_refuses),
        cmocka_unit_test(test_proxy_none),        cmocka_unit_test(test_proxy_v2),
        cmocka_unit_test(test_proxy_v2_local),    cmocka_unit_test(test_proxy_v2_tls),
        cmocka_unit_test(test_proxy_v2_checksum), cmocka_unit_test(test_proxy_v2_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
