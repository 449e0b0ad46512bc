/*
 * bytes.h -- borrowed views of bytes, a bounded reader and a bounded writer.
 *
 * A view never owns: whoever made it says how long it lives. The reader fails instead of running
 * past the end and, once failed, stays failed, so that a parser can read several fields and look
 * once. All integers are big-endian, as every MQTT field is.
 *
 * Threads: pure values, any.
 */
#ifndef SLUICE_BYTES_H
#define SLUICE_BYTES_H

#include "check.h"

#include <string.h>

struct bytes {
    const uint8_t *ptr;
    uint32_t len;
};

static inline struct bytes bytes_of(const void *ptr, size_t len)
{
    CHECK(len <= UINT32_MAX);
    return (struct bytes){.ptr = ptr, .len = (uint32_t)len};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

struct byte_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct byte_reader byte_reader_of(struct bytes in)
{
    return (struct byte_reader){.at = in.ptr, .end = in.ptr + in.len, .failed = false};
}

static inline uint32_t byte_reader_left(const struct byte_reader *r)
{
    return (uint32_t)(r->end - r->at);
}

static inline uint8_t byte_reader_u8(struct byte_reader *r)
{
    if (UNLIKELY(byte_reader_left(r) < 1)) {
        r->failed = true;
        return 0;
    }
    return *r->at++;
}

static inline uint16_t byte_reader_u16(struct byte_reader *r)
{
    if (UNLIKELY(byte_reader_left(r) < 2)) {
        r->failed = true;
        return 0;
    }
    uint16_t value = (uint16_t)((r->at[0] << 8) | r->at[1]);
    r->at += 2;
    return value;
}

static inline uint32_t byte_reader_u32(struct byte_reader *r)
{
    uint32_t high = byte_reader_u16(r);
    uint32_t low = byte_reader_u16(r);
    return (high << 16) | low;
}

/* `len` bytes as a view into the input; empty and failed if there are fewer. */
static inline struct bytes byte_reader_take(struct byte_reader *r, uint32_t len)
{
    if (UNLIKELY(byte_reader_left(r) < len)) {
        r->failed = true;
        return (struct bytes){.ptr = r->at, .len = 0};
    }
    struct bytes view = {.ptr = r->at, .len = len};
    r->at += len;
    return view;
}

/* A view with a two-byte length before it (MQTT 1.5.4, 1.5.6). */
static inline struct bytes byte_reader_take16(struct byte_reader *r)
{
    uint16_t len = byte_reader_u16(r);
    return byte_reader_take(r, len);
}

#endif
