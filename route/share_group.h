/*
 * share_group.h -- one shared subscription group of one filter, and the picking of its members.
 *
 * A group is {name, filter, strategy, members}. It belongs to a filter of the filter index, which
 * creates and retires it and changes its membership under the index's mutex; every shard reads it
 * inside an epoch section to pick the member that gets the next message.
 *
 * Members stand in one array of atomic pointers, the connected ones first:
 *
 *     [ connected ............ | disconnected ........ | free ]
 *       0          connected_len              members_len   capacity
 *
 * Join appends, leave and change of state swap with the last of the part: nothing is ever copied
 * except when the array doubles (the old one is retired by epoch). A reader that meets a change
 * half done may see a member twice, an empty place, or one on the wrong side; it then looks at the
 * next place. What it returns was a member at some moment of the call, which is all that delivery
 * needs: the session's shard decides in the end.
 *
 * Strategies (names as in configuration, semantics as users of EMQX know them):
 *   random                 uniform, for each message
 *   round_robin            one counter for each publisher and group, starts at a random member
 *   round_robin_per_group  one counter for each group and publishing shard
 *   sticky                 the first pick of a publisher is kept while that member is connected
 *   local                  members whose session lives on the publishing shard, else random
 *   hash_clientid          publisher's client id modulo the members
 *   hash_topic             topic modulo the members
 * Members that are connected come first; only if none is, any member may be picked (it queues).
 *
 * Counters and sticky choices live in a share_picker: per shard, direct-mapped, of fixed size. A
 * publisher pushed out of its place by another starts afresh; that costs fairness, not messages.
 *
 * Cost: constant; `local` looks at up to SHARE_LOCAL_SCAN places (two bytes each).
 *
 * Threads: share_group_pick and the accessors: any thread inside an epoch section; a picker: its
 * shard only; changes: only through filter_index.h.
 */
#ifndef SLUICE_SHARE_GROUP_H
#define SLUICE_SHARE_GROUP_H

#include "bytes.h"
#include "epoch.h"
#include "rc.h"
#include "types.h"

#include <stdatomic.h>

#define SHARE_GROUP_MAGIC  0x53475250u /* "SGRP" */
#define SHARE_MEMBER_MAGIC 0x534d454du /* "SMEM" */
#define SHARE_LOCAL_SCAN   1024

#define SHARE_STRATEGY_TABLE(X)                                                                    \
    X(SHARE_RANDOM, "random")                                                                      \
    X(SHARE_ROUND_ROBIN, "round_robin")                                                            \
    X(SHARE_ROUND_ROBIN_PER_GROUP, "round_robin_per_group")                                        \
    X(SHARE_STICKY, "sticky")                                                                      \
    X(SHARE_LOCAL, "local")                                                                        \
    X(SHARE_HASH_CLIENTID, "hash_clientid")                                                        \
    X(SHARE_HASH_TOPIC, "hash_topic")

#define SHARE_STRATEGY_ENUM(name, text) name,
enum share_strategy { SHARE_STRATEGY_TABLE(SHARE_STRATEGY_ENUM) SHARE_STRATEGY_COUNT };
#undef SHARE_STRATEGY_ENUM

/* The name in configuration. */
const char *share_strategy_text(enum share_strategy strategy);

/* RC_OK or RC_INVALID; "hash" is an old name of hash_clientid. */
MUST_USE enum rc share_strategy_parse(struct bytes text, enum share_strategy *out);

/* A value: what the member's subscription says; changed as a whole by subscribing again. */
struct share_terms {
    uint32_t sub_id; /* subscription identifier, 0 if none */
    uint8_t qos;
    uint8_t options; /* the caller's bits */
};

struct share_group;

struct share_member {
    uint32_t magic;              /* [I] SHARE_MEMBER_MAGIC */
    uint32_t index;              /* [W] place in the group's array */
    struct handle session;       /* [I] */
    struct share_group *group;   /* [I] outlives its members */
    _Atomic uint64_t terms_word; /* [A] struct share_terms, packed */
    _Atomic bool is_connected;   /* [A] written under the mutex, read by all */
    struct epoch_entry retire;   /* [W] */
};

/* Places of the array; replaced as a whole when it must grow. */
struct share_places {
    struct epoch_entry retire;               /* [W] */
    uint32_t capacity;                       /* [I] */
    _Atomic uint16_t *shards;                /* [R] home shard of each place, in this allocation */
    _Atomic(struct share_member *) member[]; /* [R] */
};

struct share_group {
    uint32_t magic;                        /* [I] SHARE_GROUP_MAGIC */
    uint16_t name_len;                     /* [I] */
    _Atomic uint8_t strategy;              /* [A] enum share_strategy; that of the latest join */
    _Atomic bool has_risen;                /* [A] see share_group_take_rise */
    uint64_t number;                       /* [I] never used twice in this process */
    void *filter;                          /* [I] struct filter, which outlives the group */
    _Atomic uint32_t connected_len;        /* [R] */
    _Atomic uint32_t members_len;          /* [R] */
    _Atomic(struct share_places *) places; /* [R] */
    struct epoch_entry retire;             /* [W] */
    uint8_t name[];                        /* [I] */
};

static inline struct bytes share_group_name(const struct share_group *group)
{
    return (struct bytes){.ptr = group->name, .len = group->name_len};
}

struct share_terms share_member_terms(const struct share_member *member);

/* Subscribing again with other terms. Any thread that owns the member's session. */
void share_member_set_terms(struct share_member *member, struct share_terms terms);

/* --- picking --- */

struct share_picker;

/* `entries` is a power of two; `seed` any number. NULL if memory is short. */
struct share_picker *share_picker_create(uint32_t entries, uint64_t seed);
void share_picker_destroy(struct share_picker *picker);

/* A value: on whose behalf a member is picked. */
struct share_pick {
    uint64_t publisher;      /* names the publishing session, e.g. the bits of its handle */
    uint64_t publisher_hash; /* hash of its client id */
    uint64_t topic_hash;
    shard_id shard; /* the publishing shard */
    /* For a message that comes back from a member: that member, passed over. Else HANDLE_NONE. */
    struct handle exclude;
};

/*
 * A value: one message's way round the group. Zero for a new message; kept with the message while
 * it is sent on from member to member.
 */
struct share_round {
    uint32_t start;
    uint32_t tried;
};

/*
 * The member that gets the message: by strategy if `round->tried` is 0, else the next one round the
 * group after those tried. NULL if the group is empty or the round is complete: then the caller
 * waits for the next member. Borrowed until the end of the epoch section.
 */
const struct share_member *share_group_pick_rcu(const struct share_group *group,
                                                struct share_picker *picker,
                                                const struct share_pick *pick,
                                                struct share_round *round);

/*
 * Some member other than `exclude`, a connected one if there is one; NULL if there is no other. For
 * who must find one: a pick finds none if all members that were connected lose their connections
 * while it looks. Looks at every place. Borrowed as above.
 */
const struct share_member *share_group_any_rcu(const struct share_group *group,
                                               struct handle exclude);

uint32_t share_group_members_count(const struct share_group *group);
uint32_t share_group_connected_count(const struct share_group *group);

/*
 * True, once, after the group got its first connected member. Members of several shards may connect
 * at the same moment; the count alone would tell each of them that it was not the first.
 */
bool share_group_take_rise(struct share_group *group);

/* --- for filter_index.c only, under its mutex --- */

/* RC_NO_MEMORY: nothing happened. The group is empty and not published. */
MUST_USE enum rc share_group_create(struct bytes name, enum share_strategy strategy,
                                    uint64_t number, void *filter, struct share_group **out_group);

/* Frees an empty group after a grace period; the caller has unlinked it. */
void share_group_retire(struct share_group *group, struct epoch_record *record);

/* Frees at once, members too: only when no reader is left. */
void share_group_free(struct share_group *group);

MUST_USE enum rc share_group_join(struct share_group *group, struct epoch_record *record,
                                  struct handle session, struct share_terms terms,
                                  bool is_connected, struct share_member **out_member);

/* Takes the member out and frees it after a grace period. */
void share_group_leave(struct share_group *group, struct epoch_record *record,
                       struct share_member *member);

void share_member_set_connected(struct share_member *member, bool is_connected);

/* Memory of the group without its members, and of one member, for the index's account. */
uint64_t share_group_bytes(const struct share_group *group);

#endif
