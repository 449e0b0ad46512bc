/*
 * connect_wire.c -- see connect_wire.h.
 *
 * A frame is appended with a length of 0, which is filled in when the body stands behind it; if
 * memory ends in between the buffer is cut back to where it was.
 *
 * Threads: see connect_wire.h.
 */
#include "connect_wire.h"

#include <stdlib.h>

bool connect_buffer_add(struct connect_buffer *buffer, const void *ptr, uint32_t len)
{
    if (len > UINT32_MAX / 2 - buffer->len)
        return false;
    if (buffer->capacity - buffer->len < len) {
        uint32_t capacity = buffer->capacity == 0 ? 4096 : buffer->capacity;
        while (capacity - buffer->len < len)
            capacity *= 2;
        uint8_t *fresh = realloc(buffer->ptr, capacity);
        if (fresh == NULL)
            return false;
        buffer->ptr = fresh;
        buffer->capacity = capacity;
    }
    if (len > 0)
        memcpy(buffer->ptr + buffer->len, ptr, len);
    buffer->len += len;
    return true;
}

void connect_buffer_drop(struct connect_buffer *buffer, uint32_t len)
{
    CHECK(len <= buffer->len);
    buffer->len -= len;
    if (buffer->len > 0)
        memmove(buffer->ptr, buffer->ptr + len, buffer->len);
    else
        connect_buffer_fini(buffer);
}

void connect_buffer_fini(struct connect_buffer *buffer)
{
    free(buffer->ptr);
    *buffer = (struct connect_buffer){0};
}

static bool add_u16(struct connect_buffer *out, uint16_t value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    return connect_buffer_add(out, bytes, sizeof(bytes));
}

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static bool add_u32(struct connect_buffer *out, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(bytes, value);
    return connect_buffer_add(out, bytes, sizeof(bytes));
}

static bool add_text(struct connect_buffer *out, struct bytes text)
{
    return add_u32(out, text.len) && connect_buffer_add(out, text.ptr, text.len);
}

static bool frame_begin(struct connect_buffer *out, uint32_t id, uint8_t kind)
{
    return add_u32(out, 0) && add_u32(out, id) && connect_buffer_add(out, &kind, 1);
}

/* Ends the frame that began at `start`, or takes it back if it is not `whole`. */
static bool frame_end(struct connect_buffer *out, uint32_t start, bool whole)
{
    if (!whole || out->len - start > CONNECT_FRAME_MAX) {
        out->len = start;
        return false;
    }
    put_u32(out->ptr + start, out->len - start - CONNECT_FRAME_HEAD);
    return true;
}

bool connect_write_request(struct connect_buffer *out, uint32_t id,
                           const struct connect_request *request)
{
    uint32_t start = out->len;
    CHECK(request->headers_num <= CONNECT_HEADERS_MAX);
    bool whole = frame_begin(out, id, CONNECT_REQUEST) && add_u32(out, request->timeout_ms) &&
                 add_u32(out, request->connect_timeout_ms) &&
                 connect_buffer_add(out, &request->flags, 1) && add_text(out, request->method) &&
                 add_text(out, request->url) && add_text(out, request->ca_file) &&
                 add_text(out, request->body) && add_u16(out, (uint16_t)request->headers_num);
    for (uint32_t i = 0; whole && i < request->headers_num; i++)
        whole = add_text(out, request->headers[i]);
    return frame_end(out, start, whole);
}

bool connect_write_response(struct connect_buffer *out, uint32_t id,
                            const struct connect_response *response)
{
    uint32_t start = out->len;
    bool whole = frame_begin(out, id, CONNECT_RESPONSE) && add_u16(out, response->status) &&
                 add_text(out, response->content_type) && add_text(out, response->body);
    return frame_end(out, start, whole);
}

bool connect_write_cancel(struct connect_buffer *out, uint32_t id)
{
    uint32_t start = out->len;
    return frame_end(out, start, frame_begin(out, id, CONNECT_CANCEL));
}

enum connect_result connect_read_frame(struct bytes in, struct connect_frame *out)
{
    if (in.len < CONNECT_FRAME_HEAD)
        return CONNECT_MORE;
    struct byte_reader reader = byte_reader_of(in);
    uint32_t len = byte_reader_u32(&reader);
    if (len > CONNECT_FRAME_MAX)
        return CONNECT_BAD;
    out->id = byte_reader_u32(&reader);
    out->kind = byte_reader_u8(&reader);
    if (out->kind < CONNECT_REQUEST || out->kind > CONNECT_RESPONSE)
        return CONNECT_BAD;
    if (byte_reader_left(&reader) < len)
        return CONNECT_MORE;
    out->body = byte_reader_take(&reader, len);
    out->len = CONNECT_FRAME_HEAD + len;
    return CONNECT_OK;
}

static struct bytes read_text(struct byte_reader *reader)
{
    uint32_t len = byte_reader_u32(reader);
    return byte_reader_take(reader, len);
}

bool connect_read_request(struct bytes body, struct connect_request *out, struct bytes *headers)
{
    struct byte_reader reader = byte_reader_of(body);
    *out = (struct connect_request){.timeout_ms = byte_reader_u32(&reader)};
    out->connect_timeout_ms = byte_reader_u32(&reader);
    out->flags = byte_reader_u8(&reader);
    out->method = read_text(&reader);
    out->url = read_text(&reader);
    out->ca_file = read_text(&reader);
    out->body = read_text(&reader);
    out->headers_num = byte_reader_u16(&reader);
    out->headers = headers;
    if (out->headers_num > CONNECT_HEADERS_MAX)
        return false;
    for (uint32_t i = 0; i < out->headers_num; i++)
        headers[i] = read_text(&reader);
    return !reader.failed && byte_reader_left(&reader) == 0;
}

bool connect_read_response(struct bytes body, struct connect_response *out)
{
    struct byte_reader reader = byte_reader_of(body);
    out->status = byte_reader_u16(&reader);
    out->content_type = read_text(&reader);
    out->body = read_text(&reader);
    return !reader.failed && byte_reader_left(&reader) == 0;
}
