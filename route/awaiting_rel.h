/*
 * awaiting_rel.h -- packet ids received with QoS 2 and not yet released by PUBREL, of one session.
 *
 * This set is what makes QoS 2 "exactly once" on the receiving side: a PUBLISH whose id is in it is
 * a repetition and is answered, not routed again (MQTT 5.0 and 3.1.1 section 4.3.3: the id is
 * kept until PUBREL). The peer chooses the ids. Each carries the time of its reception, so that ids
 * whose PUBREL never comes can be dropped after await_rel_timeout, and a tag of the caller.
 *
 * Bounds: `ids_max` ids. An empty set costs 16 bytes; 26 bytes an id otherwise, in powers of two.
 * Whichever ids a hostile peer picks, no operation takes more than 256 steps: awaiting_rel.c.
 *
 * Threads: the session's home shard only.
 */
#ifndef SLUICE_AWAITING_REL_H
#define SLUICE_AWAITING_REL_H

#include "check.h"
#include "rc.h"

struct awaiting_rel_block;

struct awaiting_rel_entry {
    uint64_t received_ms; /* [O] as given to awaiting_rel_add */
    uint64_t tag;         /* [O] the caller's; may be changed */
    uint16_t packet_id;   /* [O] never 0 */
    uint16_t next;        /* [O] the set's: received after this one */
    uint16_t prev;        /* [O] the set's: received before this one */
    uint16_t chain;       /* [O] the set's: next in the bucket, or next free */
};
STATIC_CHECK(sizeof(struct awaiting_rel_entry) == 24, "26 bytes an id with its bucket");

struct awaiting_rel {
    struct awaiting_rel_block *block; /* [O] NULL until the first id */
    uint16_t ids_max;                 /* [O] 1..65535 */
    uint16_t count;                   /* [O] */
};
STATIC_CHECK(sizeof(struct awaiting_rel) == 16, "every session carries one");

/* Allocates nothing. `ids_max` is 1 to 65535; fewer later than held now only stops adding. */
void awaiting_rel_init(struct awaiting_rel *set, uint16_t ids_max);
void awaiting_rel_set_max(struct awaiting_rel *set, uint16_t ids_max);

/* Forgets all ids and frees. A set of zeroes is left alone. */
void awaiting_rel_fini(struct awaiting_rel *set);

/*
 * RC_OK: the id is new and now in the set. RC_EXISTS: a repetition, the entry stays as it is.
 * RC_FULL: ids_max are held (the peer is told 0x93). RC_INVALID: the id is 0. RC_NO_MEMORY.
 */
MUST_USE enum rc awaiting_rel_add(struct awaiting_rel *set, uint16_t packet_id, uint64_t now_ms,
                                  uint64_t tag);

/* NULL if the id is not in the set. Valid until the set changes. */
struct awaiting_rel_entry *awaiting_rel_find(const struct awaiting_rel *set, uint16_t packet_id);

/* PUBREL: whether the id was in the set; it is not afterwards. */
bool awaiting_rel_remove(struct awaiting_rel *set, uint16_t packet_id);

/* In the order of reception; NULL at the end. Valid until the set changes. */
struct awaiting_rel_entry *awaiting_rel_oldest(const struct awaiting_rel *set);
struct awaiting_rel_entry *awaiting_rel_next(const struct awaiting_rel *set,
                                             const struct awaiting_rel_entry *entry);

/*
 * Removes the oldest id if it was received at `until_ms` or before, and copies its entry out. False
 * if there is none such. Call it until it says false.
 */
bool awaiting_rel_expire(struct awaiting_rel *set, uint64_t until_ms,
                         struct awaiting_rel_entry *out_entry);

/* Gives the block back if it is empty. For when the session falls idle, not after every message. */
void awaiting_rel_trim(struct awaiting_rel *set);

/* Bytes allocated behind the set. */
size_t awaiting_rel_bytes(const struct awaiting_rel *set);

#endif
