/*
 * letter.h -- a small publication on its way to another shard, as bytes of a parcel.
 *
 * Most publications that cross are small, and to make each a message costs more than to copy it: an
 * allocation here that is freed there, counters of references that both cores write, a record in
 * the ring. A letter is the publication's own bytes behind a short head, in the parcel that the
 * sender fills for that shard in a turn (mail_post in engine/mail.h):
 *
 *     struct letter | filter ids | topic | properties | payload
 *
 * The receiver reads it as a `struct pub` whose views lie in the parcel, as those of its own
 * clients lie in a receive buffer: whoever must keep it makes a message of it, which then is at
 * home where it is kept.
 *
 * Not as letters go what is long, what a log is to confirm (it carries a ticket) and what a durable
 * session publishes at QoS 2 (it carries an identity): letter_fits.
 *
 * Threads: pure functions of bytes, any.
 */
#ifndef SLUICE_LETTER_H
#define SLUICE_LETTER_H

#include "filter_slot.h"
#include "msg.h"

struct letter {
    uint64_t topic_hash;     /* [M] */
    uint64_t expires_at_ms;  /* [M] */
    uint64_t received_ns;    /* [M] */
    uint64_t publisher_hash; /* [M] */
    struct handle publisher; /* [M] */
    uint32_t payload_len;    /* [M] */
    uint16_t topic_len;      /* [M] */
    uint16_t props_len;      /* [M] */
    uint16_t ids_room;       /* [M] for so many ids, of which */
    uint16_t ids_num;        /* [M] so many are set */
    uint8_t qos;             /* [M] */
    bool retain;             /* [M] */
};

/* What a letter takes up, 0 if the publication with so many filters cannot be one. */
uint32_t letter_len(const struct pub *pub, uint32_t ids_room);

/*
 * Writes the publication to `to`, letter_len bytes aligned to 8. Returns where its filter ids
 * belong; letter_ids_set says how many there are.
 */
struct filter_id *letter_write(void *to, const struct pub *pub, uint32_t ids_room);

static inline void letter_ids_set(void *letter, uint32_t ids_num)
{
    CHECK(ids_num <= ((struct letter *)letter)->ids_room);
    ((struct letter *)letter)->ids_num = (uint16_t)ids_num;
}

/* The publication of a letter of `len` bytes, borrowed from it; returns its filter ids. */
const struct filter_id *letter_read(const void *from, uint32_t len, struct pub *out,
                                    uint32_t *out_ids_num);

#endif
