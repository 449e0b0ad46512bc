/*
 * web.c -- see web.h.
 *
 * Threads: the connection's worker.
 */
#include "web.h"

#include "codec.h"
#include "heap.h"

#include <openssl/base64.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define WEB_FIN      0x80u
#define WEB_RESERVED 0x70u
#define WEB_OPCODE   0x0fu
#define WEB_MASKED   0x80u
#define WEB_LENGTH   0x7fu

/* Of the seven bits: two bytes of length follow, or eight. */
#define WEB_LENGTH_16 126u
#define WEB_LENGTH_64 127u

/* In base64 it is WEB_KEY_LEN characters. */
#define WEB_KEY_RAW_LEN 16

static const char web_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct web {
    uint32_t frame_len; /* of frames to be sent; 0: one to each packet */
    bool is_open;       /* the upgrade is done */
    bool is_closed;     /* a close frame has come */
    const char *fault;
    unsigned close_code;
    uint64_t masks; /* state of the generator of keys, never 0 */
    char key[WEB_KEY_LEN + 1];

    char *response; /* before the upgrade; owned */
    uint32_t response_len;

    bool in_payload; /* the header of a frame is whole */
    bool in_message; /* a data frame without FIN has come, its end not yet */
    uint8_t opcode;  /* of the current frame */
    uint64_t left;   /* of its payload */
    uint8_t head[WEB_HEADER_LEN_MAX];
    uint8_t head_len;
    uint8_t control[WEB_CONTROL_LEN_MAX]; /* payload of a control frame */
    uint8_t control_len;

    bool has_answer; /* to the last control frame */
    uint8_t answer_opcode;
    uint8_t answer_len;
    uint8_t answer[WEB_CONTROL_LEN_MAX];
};

struct web *web_open(uint32_t frame_len)
{
    struct web *web = heap_zeroed(1, sizeof(*web));
    uint8_t raw[WEB_KEY_RAW_LEN];
    web->frame_len = frame_len;
    RAND_bytes(raw, sizeof(raw));
    EVP_EncodeBlock((uint8_t *)web->key, raw, sizeof(raw));
    RAND_bytes((uint8_t *)&web->masks, sizeof(web->masks));
    web->masks |= 1;
    return web;
}

void web_close(struct web *web)
{
    if (web == NULL)
        return;
    free(web->response);
    free(web);
}

const char *web_fault(const struct web *web)
{
    return web->fault;
}

unsigned web_close_code(const struct web *web)
{
    return web->close_code;
}

bool web_has_answer(const struct web *web)
{
    return web->has_answer;
}

static enum web_event web_failed(struct web *web, const char *fault)
{
    web->fault = fault;
    return WEB_FAULT;
}

/* ---- the upgrade ---- */

uint32_t web_request(const struct web *web, char *out, const char *host, unsigned port,
                     const char *path)
{
    bool is_ipv6 = strchr(host, ':') != NULL;
    int len = snprintf(out, WEB_REQUEST_LEN_MAX,
                       "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
                       path, is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, web->key);
    CHECK(len > 0 && len < WEB_REQUEST_LEN_MAX);
    return (uint32_t)len;
}

/* The value of a field of the response, without the spaces around; empty if there is none. */
static struct bytes web_field(const struct web *web, const char *name)
{
    const size_t name_len = strlen(name);
    for (const char *line = strstr(web->response, "\r\n"); line != NULL;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1;
        value += strspn(value, " \t");
        size_t len = strcspn(value, "\r");
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        return bytes_of(value, len);
    }
    return bytes_of("", 0);
}

void web_accept(const char *key, char out[WEB_ACCEPT_LEN + 1])
{
    char text[WEB_KEY_LEN + sizeof(web_guid)];
    uint8_t digest[SHA_DIGEST_LENGTH];
    snprintf(text, sizeof(text), "%s%s", key, web_guid);
    SHA1((const uint8_t *)text, strlen(text), digest);
    EVP_EncodeBlock((uint8_t *)out, digest, sizeof(digest));
}

static bool web_accept_is_right(const struct web *web)
{
    char accept[WEB_ACCEPT_LEN + 1];
    web_accept(web->key, accept);
    return bytes_equal(web_field(web, "Sec-WebSocket-Accept"), bytes_of_text(accept));
}

static bool web_field_is(const struct web *web, const char *name, const char *value)
{
    struct bytes found = web_field(web, name);
    return found.len == strlen(value) &&
           strncasecmp((const char *)found.ptr, value, found.len) == 0;
}

static enum web_event web_judge(struct web *web)
{
    if (strncmp(web->response, "HTTP/1.1 101", 12) != 0)
        return web_failed(web, "the broker refused the upgrade to WebSocket");
    if (!web_field_is(web, "Upgrade", "websocket") || !web_field_is(web, "Connection", "upgrade"))
        return web_failed(web, "the broker's answer to the upgrade is not one");
    if (!web_accept_is_right(web))
        return web_failed(web, "the broker's Sec-WebSocket-Accept is wrong");
    if (!bytes_equal(web_field(web, "Sec-WebSocket-Protocol"), bytes_of_text("mqtt")))
        return web_failed(web, "the broker does not speak the subprotocol mqtt");
    free(web->response);
    web->response = NULL;
    web->is_open = true;
    return WEB_OPENED;
}

/* What comes behind the empty line stays in the input. */
static enum web_event web_read_response(struct web *web, struct bytes *input)
{
    if (web->response == NULL)
        web->response = heap_zeroed(1, WEB_RESPONSE_LEN_MAX + 1);
    while (input->len > 0) {
        if (web->response_len == WEB_RESPONSE_LEN_MAX)
            return web_failed(web, "the broker's answer to the upgrade has no end");
        web->response[web->response_len++] = (char)*input->ptr++;
        input->len--;
        /* So that it is a text. */
        if (web->response[web->response_len - 1] == '\0')
            return web_failed(web, "the broker's answer to the upgrade is not one");
        if (web->response_len >= 4 &&
            memcmp(web->response + web->response_len - 4, "\r\n\r\n", 4) == 0)
            return web_judge(web);
    }
    return WEB_MORE;
}

/* ---- reading frames ---- */

/* The length of a header, from its second byte. The broker's have no key. */
static uint32_t web_head_need(uint8_t second)
{
    uint32_t length = second & WEB_LENGTH;
    return 2u + (length == WEB_LENGTH_16 ? 2u : length == WEB_LENGTH_64 ? 8u : 0u);
}

/* What is wrong with the first two bytes; NULL: nothing. */
static const char *web_head_judge(const struct web *web, const uint8_t *head)
{
    const unsigned opcode = head[0] & WEB_OPCODE;
    const bool is_last = (head[0] & WEB_FIN) != 0;
    if (head[0] & WEB_RESERVED)
        return "the broker sent a frame with reserved bits";
    if (head[1] & WEB_MASKED)
        return "the broker masks its frames";
    switch (opcode) {
    case WEB_CONTINUATION:
        return web->in_message ? NULL : "the broker continued no message";
    case WEB_BINARY:
        return web->in_message ? "the broker began a message inside another" : NULL;
    case WEB_TEXT:
        return "the broker sent text";
    case WEB_CLOSE:
    case WEB_PING:
    case WEB_PONG:
        return is_last && (head[1] & WEB_LENGTH) <= WEB_CONTROL_LEN_MAX
                   ? NULL
                   : "the broker sent a control frame that is too long";
    default:
        return "the broker sent a frame of no known kind";
    }
}

static enum web_event web_head_take(struct web *web, const uint8_t *head)
{
    uint64_t length = head[1] & WEB_LENGTH;
    const uint32_t extended = web_head_need(head[1]) - 2;
    const uint64_t least = extended == 2 ? WEB_LENGTH_16 : extended == 8 ? 65536 : 0;
    if (extended > 0)
        length = 0;
    for (uint32_t i = 0; i < extended; i++)
        length = length << 8 | head[2 + i];
    if (length < least || length > INT64_MAX)
        return web_failed(web, "the broker sent a length of a frame that is not valid");
    web->opcode = head[0] & WEB_OPCODE;
    if (web->opcode < WEB_CLOSE)
        web->in_message = (head[0] & WEB_FIN) == 0;
    web->left = length;
    web->control_len = 0;
    web->head_len = 0;
    web->in_payload = true;
    return WEB_MORE;
}

/* A header is read where it lies if all of it is there, else through web->head. */
static enum web_event web_read_head(struct web *web, struct bytes *input)
{
    const uint8_t *head = input->ptr;
    if (LIKELY(web->head_len == 0 && input->len >= 2 && input->len >= web_head_need(head[1]))) {
        const uint32_t len = web_head_need(head[1]);
        input->ptr += len;
        input->len -= len;
    } else {
        do {
            if (input->len == 0)
                return WEB_MORE;
            web->head[web->head_len++] = *input->ptr++;
            input->len--;
        } while (web->head_len < 2 || web->head_len < web_head_need(web->head[1]));
        head = web->head;
    }
    const char *fault = web_head_judge(web, head);
    return fault != NULL ? web_failed(web, fault) : web_head_take(web, head);
}

/* A control frame is whole. WEB_MORE: there is nothing to do about it. */
static enum web_event web_control(struct web *web)
{
    if (web->opcode == WEB_PONG)
        return WEB_MORE;
    if (web->opcode == WEB_CLOSE) {
        if (web->control_len == 1)
            return web_failed(web, "the broker sent half a code in a close frame");
        web->is_closed = true;
        web->close_code = web->control_len < 2 ? 0
                                               : (unsigned)(web->control[0] << 8 | web->control[1]);
        return WEB_CLOSED;
    }
    web->has_answer = true;
    web->answer_opcode = WEB_PONG;
    web->answer_len = web->control_len;
    memcpy(web->answer, web->control, web->control_len);
    return WEB_ASKED;
}

/* A piece of the payload of a data frame, or all of it. */
static enum web_event web_read_data(struct web *web, struct bytes *input, struct bytes *out)
{
    out->ptr = input->ptr;
    out->len = web->left < input->len ? (uint32_t)web->left : input->len;
    input->ptr += out->len;
    input->len -= out->len;
    web->left -= out->len;
    web->in_payload = web->left > 0;
    return out->len > 0 ? WEB_DATA : WEB_MORE;
}

static enum web_event web_read_control(struct web *web, struct bytes *input)
{
    const uint32_t len = web->left < input->len ? (uint32_t)web->left : input->len;
    memcpy(web->control + web->control_len, input->ptr, len);
    web->control_len = (uint8_t)(web->control_len + len);
    input->ptr += len;
    input->len -= len;
    web->left -= len;
    if (web->left > 0)
        return WEB_MORE;
    web->in_payload = false;
    return web_control(web);
}

enum web_event web_read(struct web *web, struct bytes *input, struct bytes *out)
{
    if (UNLIKELY(!web->is_open))
        return input->len == 0 ? WEB_MORE : web_read_response(web, input);
    enum web_event event = WEB_MORE;
    while (event == WEB_MORE) {
        /* A frame without a payload is whole when its header is. */
        if (web->is_closed || (input->len == 0 && !(web->in_payload && web->left == 0)))
            return WEB_MORE;
        if (!web->in_payload)
            event = web_read_head(web, input);
        else if (web->opcode < WEB_CLOSE)
            event = web_read_data(web, input, out);
        else
            event = web_read_control(web, input);
    }
    return event;
}

/* ---- writing frames ---- */

static uint32_t web_mask_next(struct web *web)
{
    /* Marsaglia's xorshift, 64 bits. */
    web->masks ^= web->masks << 13;
    web->masks ^= web->masks >> 7;
    web->masks ^= web->masks << 17;
    return (uint32_t)(web->masks >> 32);
}

static void web_mask(uint8_t *to, const uint8_t *from, uint32_t len, uint32_t key)
{
    const uint64_t wide = (uint64_t)key << 32 | key;
    uint32_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t word;
        memcpy(&word, from + at, sizeof(word));
        word ^= wide;
        memcpy(to + at, &word, sizeof(word));
    }
    uint8_t bytes[4];
    memcpy(bytes, &key, sizeof(bytes));
    for (; at < len; at++)
        to[at] = from[at] ^ bytes[at & 3];
}

uint32_t web_frame_put(struct web *web, uint8_t *to, enum web_opcode opcode, const uint8_t *from,
                       uint32_t len)
{
    const uint32_t key = web_mask_next(web);
    uint32_t at = 2;
    to[0] = (uint8_t)(WEB_FIN | (unsigned)opcode);
    if (len < WEB_LENGTH_16) {
        to[1] = (uint8_t)(WEB_MASKED | len);
    } else if (len <= UINT16_MAX) {
        to[1] = (uint8_t)(WEB_MASKED | WEB_LENGTH_16);
        codec_u16_put(to + at, (uint16_t)len);
        at += 2;
    } else {
        to[1] = (uint8_t)(WEB_MASKED | WEB_LENGTH_64);
        memset(to + at, 0, 4);
        codec_u16_put(to + at + 4, (uint16_t)(len >> 16));
        codec_u16_put(to + at + 6, (uint16_t)len);
        at += 8;
    }
    memcpy(to + at, &key, sizeof(key));
    at += (uint32_t)sizeof(key);
    web_mask(to + at, from, len, key);
    return at + len;
}

/* How much of `packets` the next frame is to hold. */
static uint32_t web_next_len(const struct web *web, struct bytes packets)
{
    struct codec_frame frame;
    if (web->frame_len > 0)
        return web->frame_len < packets.len ? web->frame_len : packets.len;
    enum rc rc = codec_frame_next(packets.ptr, packets.len, &frame);
    CHECK(rc == RC_OK);
    return frame.len;
}

uint32_t web_write(struct web *web, uint8_t *to, uint32_t room, struct bytes packets,
                   uint32_t *out_used)
{
    uint32_t written = 0;
    uint32_t used = 0;
    if (web->has_answer)
        written = web_frame_put(web, to, (enum web_opcode)web->answer_opcode, web->answer,
                                web->answer_len);
    web->has_answer = false;
    while (used < packets.len) {
        struct bytes rest = bytes_of(packets.ptr + used, packets.len - used);
        uint32_t len = web_next_len(web, rest);
        if (WEB_HEADER_LEN_MAX + len > room - written)
            break;
        written += web_frame_put(web, to + written, WEB_BINARY, rest.ptr, len);
        used += len;
    }
    *out_used = used;
    return written;
}
