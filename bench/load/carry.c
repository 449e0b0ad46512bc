/*
 * carry.c -- the packets that do not lie in one piece; see carry.h.
 *
 * Threads: as in carry.h.
 */
#include "carry.h"

#include "heap.h"

#include <stdlib.h>

void carry_fini(struct carry *carry)
{
    free(carry->data);
    *carry = (struct carry){.data = NULL};
}

static void carry_add(struct carry *carry, struct bytes *input, size_t len)
{
    CHECK(len <= input->len);
    size_t needed = carry->len + len;
    if (needed > carry->capacity) {
        carry->capacity = 2 * needed;
        carry->data = heap_resized(carry->data, carry->capacity, 1);
    }
    if (len > 0)
        memcpy(carry->data + carry->len, input->ptr, len);
    carry->len = needed;
    input->ptr += len;
    input->len -= (uint32_t)len;
}

void carry_keep(struct carry *carry, struct bytes *input)
{
    CHECK(carry->len == 0);
    carry_add(carry, input, input->len);
}

enum rc carry_complete(struct carry *carry, struct bytes *input, struct codec_frame *out)
{
    while (input->len > 0) {
        enum rc rc = codec_frame_next(carry->data, carry->len, out);
        CHECK(rc == RC_MORE && carry->len > 0);
        /* While the length is unknown, byte by byte: that is five at most. */
        size_t lacking = out->len > 0 ? out->len - carry->len : 1;
        carry_add(carry, input, lacking < input->len ? lacking : input->len);
        rc = codec_frame_next(carry->data, carry->len, out);
        if (rc == RC_MORE)
            continue;
        carry->len = 0;
        return rc;
    }
    return RC_MORE;
}
