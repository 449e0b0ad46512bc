/*
 * carry.h -- whole packets out of input that comes in pieces of any size.
 *
 * Packets are handled in place. The beginning of one whose end has not come is carried over to the
 * next piece, in memory that grows with what has arrived and not with the length announced.
 *
 *     struct bytes input = ...;
 *     while ((rc = carry_next(&carry, &input, &frame)) == RC_OK)
 *         ... frame is valid until the next call ...
 *
 * Threads: its owner's.
 */
#ifndef BENCH_CARRY_H
#define BENCH_CARRY_H

#include "codec.h"

struct carry {
    uint8_t *data; /* owned */
    size_t len;
    size_t capacity;
};

void carry_fini(struct carry *carry);

/* For carry_next: keeps all of the input, and completes what was kept. */
void carry_keep(struct carry *carry, struct bytes *input);
enum rc carry_complete(struct carry *carry, struct bytes *input, struct codec_frame *out);

/*
 * The next packet, taken from the front of the input. RC_MORE: there is no other, and the input is
 * used up. RC_INVALID: a length field of more than four bytes, and no way to go on.
 */
static inline enum rc carry_next(struct carry *carry, struct bytes *input, struct codec_frame *out)
{
    if (UNLIKELY(carry->len > 0))
        return carry_complete(carry, input, out);
    enum rc rc = codec_frame_next(input->ptr, input->len, out);
    if (LIKELY(rc == RC_OK)) {
        input->ptr += out->len;
        input->len -= out->len;
    } else if (rc == RC_MORE) {
        carry_keep(carry, input);
    }
    return rc;
}

#endif
