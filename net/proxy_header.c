/*
 * proxy_header.c -- see proxy_header.h.
 *
 * Each version is judged from its first bytes on, so that what is no header is known as such before
 * it is whole.
 *
 * Threads: pure functions, any.
 */
#include "proxy_header.h"

#include "crc32c.h"
#include "ip_address.h"
#include "utf8.h"

#define PROXY_V1_LEN_MAX    107
#define PROXY_V2_HEAD       16
#define PROXY_V2_CRC_LEN    4
#define PROXY_SSL_FIXED_LEN 5

#define PROXY_SSL_CLIENT    0x01u
#define PROXY_SSL_CERT_CONN 0x02u
#define PROXY_SSL_CERT_SESS 0x04u

enum proxy_tlv {
    PROXY_TLV_ALPN = 0x01,
    PROXY_TLV_AUTHORITY = 0x02,
    PROXY_TLV_CRC32C = 0x03,
    PROXY_TLV_SSL = 0x20,
    PROXY_TLV_SSL_VERSION = 0x21,
    PROXY_TLV_SSL_CN = 0x22,
    PROXY_TLV_SSL_CIPHER = 0x23,
};

static const uint8_t proxy_v1_signature[] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const uint8_t proxy_v2_signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                             0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* PROXY_OK: `in` begins with the signature. */
static enum proxy_result proxy_begins(struct bytes in, const uint8_t *signature, uint32_t len)
{
    uint32_t part = in.len < len ? in.len : len;
    if (part > 0 && memcmp(in.ptr, signature, part) != 0)
        return PROXY_NONE;
    return part == len ? PROXY_OK : PROXY_MORE;
}

/* ---- version 1 ---- */

/* The word at the front of `line`, up to a blank or the end; the blank goes with it. */
static struct bytes proxy_word(struct bytes *line)
{
    const uint8_t *blank = line->len > 0 ? memchr(line->ptr, ' ', line->len) : NULL;
    struct bytes word = *line;
    if (blank == NULL) {
        line->ptr += line->len;
        line->len = 0;
        return word;
    }
    word.len = (uint32_t)(blank - line->ptr);
    line->ptr += word.len + 1;
    line->len -= word.len + 1;
    return word;
}

static bool proxy_v1_address(struct bytes word, int family, struct in6_addr *out)
{
    bool is_v4 = word.len > 0 && memchr(word.ptr, ':', word.len) == NULL;
    return is_v4 == (family == AF_INET) && ip_address_parse((const char *)word.ptr, word.len, out);
}

static bool proxy_v1_port(struct bytes word, uint16_t *out)
{
    uint32_t value = 0;
    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.ptr[0] == '0'))
        return false;
    for (uint32_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(word.ptr[i] - '0');
    }
    *out = (uint16_t)value;
    return value <= UINT16_MAX;
}

static enum proxy_result proxy_v1_read(struct bytes in, struct proxy_header *out)
{
    uint32_t look = in.len < PROXY_V1_LEN_MAX ? in.len : PROXY_V1_LEN_MAX;
    const uint8_t *end = memchr(in.ptr, '\n', look);
    if (end == NULL)
        return look == PROXY_V1_LEN_MAX ? PROXY_BAD : PROXY_MORE;
    out->len = (uint32_t)(end - in.ptr) + 1;
    if (end[-1] != '\r')
        return PROXY_BAD;
    uint32_t skip = sizeof(proxy_v1_signature);
    if (out->len < skip + 2)
        return PROXY_BAD;
    struct bytes line = {.ptr = in.ptr + skip, .len = out->len - 2 - skip};
    struct bytes protocol = proxy_word(&line);
    if (bytes_equal(protocol, bytes_of_text("UNKNOWN")))
        return PROXY_OK;
    int family = bytes_equal(protocol, bytes_of_text("TCP4"))   ? AF_INET
                 : bytes_equal(protocol, bytes_of_text("TCP6")) ? AF_INET6
                                                                : AF_UNSPEC;
    if (family == AF_UNSPEC || !proxy_v1_address(proxy_word(&line), family, &out->source) ||
        !proxy_v1_address(proxy_word(&line), family, &out->destination) ||
        !proxy_v1_port(proxy_word(&line), &out->source_port))
        return PROXY_BAD;
    /* The last word is followed by nothing, not even a blank. */
    if (!proxy_v1_port(proxy_word(&line), &out->destination_port) || line.len > 0 ||
        line.ptr[-1] == ' ')
        return PROXY_BAD;
    out->has_address = true;
    return PROXY_OK;
}

/* ---- version 2 ---- */

/* The checksum is of the header with its own four bytes, at `field`, as zero. */
static bool proxy_crc_is_right(struct bytes header, struct bytes field)
{
    static const uint8_t zero[PROXY_V2_CRC_LEN];
    if (field.len != PROXY_V2_CRC_LEN)
        return false;
    uint32_t before = (uint32_t)(field.ptr - header.ptr);
    uint32_t crc = crc32c_update(CRC32C_START, header.ptr, before);
    crc = crc32c_update(crc, zero, PROXY_V2_CRC_LEN);
    crc = crc32c_update(crc, field.ptr + field.len, header.len - before - field.len);
    struct byte_reader r = byte_reader_of(field);
    return byte_reader_u32(&r) == ~crc;
}

/* Names become user names and log lines: they are text without control characters, or wrong. */
static bool proxy_text(struct bytes value, struct bytes *out)
{
    if (!utf8_check(value.ptr, value.len))
        return false;
    for (uint32_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return false;
    }
    *out = value;
    return true;
}

static bool proxy_ssl_read(struct bytes value, struct proxy_header *out)
{
    struct byte_reader r = byte_reader_of(value);
    uint8_t client = byte_reader_u8(&r);
    uint32_t result = byte_reader_u32(&r);
    if (r.failed)
        return false;
    out->tls = (client & PROXY_SSL_CLIENT) != 0;
    out->certificate = (client & (PROXY_SSL_CERT_CONN | PROXY_SSL_CERT_SESS)) != 0;
    out->verified = out->certificate && result == 0;
    while (byte_reader_left(&r) > 0) {
        uint8_t type = byte_reader_u8(&r);
        struct bytes item = byte_reader_take16(&r);
        bool right = !r.failed;
        if (type == PROXY_TLV_SSL_VERSION)
            right = right && proxy_text(item, &out->tls_version);
        else if (type == PROXY_TLV_SSL_CN)
            right = right && proxy_text(item, &out->common_name);
        else if (type == PROXY_TLV_SSL_CIPHER)
            right = right && proxy_text(item, &out->cipher);
        if (!right)
            return false;
    }
    return true;
}

static bool proxy_tlvs_read(struct bytes header, struct byte_reader *r, struct proxy_header *out)
{
    while (byte_reader_left(r) > 0) {
        uint8_t type = byte_reader_u8(r);
        struct bytes value = byte_reader_take16(r);
        if (r->failed)
            return false;
        bool right = true;
        switch (type) {
        case PROXY_TLV_CRC32C:
            right = proxy_crc_is_right(header, value);
            break;
        case PROXY_TLV_ALPN:
            right = proxy_text(value, &out->alpn);
            break;
        case PROXY_TLV_AUTHORITY:
            right = proxy_text(value, &out->server_name);
            break;
        case PROXY_TLV_SSL:
            right = proxy_ssl_read(value, out);
            break;
        default:
            break; /* not understood is not wrong */
        }
        if (!right)
            return false;
    }
    return true;
}

static void proxy_v2_addresses(struct byte_reader *r, uint32_t size, struct proxy_header *out)
{
    struct bytes source = byte_reader_take(r, size);
    struct bytes destination = byte_reader_take(r, size);
    out->source_port = byte_reader_u16(r);
    out->destination_port = byte_reader_u16(r);
    if (r->failed)
        return;
    if (size == 4) {
        out->source = ip_address_of_v4(source.ptr);
        out->destination = ip_address_of_v4(destination.ptr);
    } else {
        memcpy(&out->source, source.ptr, sizeof(out->source));
        memcpy(&out->destination, destination.ptr, sizeof(out->destination));
    }
    out->has_address = true;
}

static enum proxy_result proxy_v2_read(struct bytes in, struct proxy_header *out)
{
    if (in.len > 12 && in.ptr[12] != 0x20 && in.ptr[12] != 0x21)
        return PROXY_BAD;
    if (in.len < PROXY_V2_HEAD)
        return PROXY_MORE;
    bool local = in.ptr[12] == 0x20;
    uint8_t family = in.ptr[13];
    out->len = PROXY_V2_HEAD + (((uint32_t)in.ptr[14] << 8) | in.ptr[15]);
    if (out->len > PROXY_HEADER_LEN_MAX)
        return PROXY_BAD;
    if (in.len < out->len)
        return PROXY_MORE;
    struct bytes header = {.ptr = in.ptr, .len = out->len};
    struct byte_reader r = byte_reader_of(header);
    byte_reader_take(&r, PROXY_V2_HEAD);
    if (local)
        return PROXY_OK; /* its addresses and TLVs are to be skipped */
    switch (family) {
    case 0x11:
        proxy_v2_addresses(&r, 4, out);
        break;
    case 0x21:
        proxy_v2_addresses(&r, 16, out);
        break;
    case 0x31:
        byte_reader_take(&r, 216); /* two paths of 108 bytes */
        break;
    case 0x00:
        break;
    default:
        return PROXY_BAD; /* datagrams, or what is not defined */
    }
    if (r.failed || !proxy_tlvs_read(header, &r, out))
        return PROXY_BAD;
    return PROXY_OK;
}

enum proxy_result proxy_header_read(struct bytes in, struct proxy_header *out)
{
    struct proxy_header header;
    memset(&header, 0, sizeof(header));
    enum proxy_result v1 = proxy_begins(in, proxy_v1_signature, sizeof(proxy_v1_signature));
    enum proxy_result v2 = proxy_begins(in, proxy_v2_signature, sizeof(proxy_v2_signature));
    enum proxy_result result = v1 != PROXY_NONE ? v1 : v2;
    if (v1 == PROXY_OK)
        result = proxy_v1_read(in, &header);
    else if (v2 == PROXY_OK)
        result = proxy_v2_read(in, &header);
    if (result == PROXY_OK)
        *out = header;
    return result;
}
