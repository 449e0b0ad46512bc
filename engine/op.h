/*
 * op.h -- asynchronous operations as a table.
 *
 * Every io_uring request carries 64 bits that come back with its completion:
 *
 *     63      56 55      48 47            32 31                       0
 *     | kind   | unused   | generation     | slot                     |
 *
 * `kind` chooses the row of the shard's table; {slot, generation} name the object. Completions of
 * an object that was closed meanwhile are certain, not rare: the handler looks the handle up and
 * ignores what no longer exists. Upper floors fill the table at start (shard_op_set).
 *
 * Threads: pure values, any.
 */
#ifndef SLUICE_OP_H
#define SLUICE_OP_H

#include <stdint.h>

#define OP_TABLE(X)                                                                                \
    X(OP_NONE, "none")     /* nobody waits for the result */                                       \
    X(OP_WAKE, "wake")     /* MSG_RING to another shard; completes only on failure */              \
    X(OP_EVENT, "event")   /* the eventfd of this shard became readable */                         \
    X(OP_ACCEPT, "accept") /* multishot accept of one listener */                                  \
    X(OP_RECV, "recv")     /* receive of one connection */                                         \
    X(OP_SEND, "send")     /* send of one connection */                                            \
    X(OP_CANCEL, "cancel") /* cancellation of another request; nobody waits for it */              \
    X(OP_LOG, "log")       /* anything the write-ahead log does to files */

#define OP_ENUM(id, name) id,
enum op_kind { OP_TABLE(OP_ENUM) OP_COUNT };
#undef OP_ENUM

static inline uint64_t op_token(enum op_kind kind, uint32_t slot, uint16_t generation)
{
    return ((uint64_t)kind << 56) | ((uint64_t)generation << 32) | slot;
}

static inline enum op_kind op_token_kind(uint64_t token)
{
    return (enum op_kind)(token >> 56);
}

static inline uint16_t op_token_generation(uint64_t token)
{
    return (uint16_t)(token >> 32);
}

static inline uint32_t op_token_slot(uint64_t token)
{
    return (uint32_t)token;
}

#endif
