/*
 * match.h -- a topic's filters, shards and groups, found by a walk and remembered per shard.
 *
 * match_topic answers from a direct-mapped cache if it can: same hash, length and bytes of the
 * topic, and the three generation counters of the filter index (filter_index.h) that concern the
 * topic unchanged since before the walk that made the result. Otherwise it looks the topic up,
 * walks the trie, and keeps the result. "Nothing matches" is a result too.
 *
 * How long a result lives: until the end of the epoch section in which match_topic returned it, and
 * no longer. A result pushed out of the cache inside that section is freed by the first match_topic
 * of a later section.
 *
 * Why the group pointers in a cached result are safe although groups are freed: a group is
 * unlinked, then the generation is bumped, then comes the fence of epoch_call, then the group is
 * retired. A reader that has found the old generation inside its section read it before the bump
 * was visible, hence began its section before the group was retired, hence is waited for. One that
 * began later finds the new generation and never looks at the old result. In short: a generation
 * that compares equal is worth as much as a pointer loaded in this section.
 *
 * Why a result can be late but never wrong for long: counters are read before the walk, and writers
 * bump after the change; a walk that raced with a change is stored with old counters and fails its
 * next comparison.
 *
 * Bounds: `entries_max` entries of 64 bytes (it begins with MATCH_ENTRIES_FIRST and doubles when
 * entries push each other out), `bytes_max` for the results kept. A result larger than a sixteenth
 * of bytes_max is not kept.
 *
 * Threads: the shard that owns the cache, inside an epoch section of its record.
 */
#ifndef SLUICE_MATCH_H
#define SLUICE_MATCH_H

#include "filter_index.h"

#define MATCH_ENTRIES_FIRST 4096
#define MATCH_ENTRIES_USUAL 65536

/* A value: a copy of what the index said. */
struct match_filter {
    struct filter_id id;
    struct shard_set any;
    struct shard_set durable;
};

/* A value. */
struct match_group {
    const struct share_group *group; /* until the end of the section */
    struct filter_id id;
};

/*
 * Where the subscribers of a result are on the shard that owns the cache: room that belongs to
 * whoever delivers (deliver.c), empty in a new result. It is changed by the holder of a result.
 */
struct match_plan {
    uint64_t changes; /* [O] the caller's: of the table of subscribers; 0: nothing is known */
    uint32_t len;     /* [O] the caller's */
    uint32_t stalled; /* [O] the caller's: of these, the last so many take no QoS 0 */
    bool is_all;      /* [O] the caller's: nobody else wants the topic */
    bool is_apart;    /* [O] the caller's: each has one subscriber, all of different sessions */
    struct subtable_entry *entries[]; /* [O] the caller's: filters_len of them */
};

struct match_result {
    uint32_t magic;                     /* [O] */
    uint32_t filters_len;               /* [O] filters with subscribers, each once */
    uint32_t groups_len;                /* [O] */
    uint32_t topic_len;                 /* [O] */
    uint32_t bytes;                     /* [O] of this allocation */
    uint32_t nodes_visited;             /* [O] of the walk that made it */
    struct shard_set any;               /* [O] union over the filters */
    struct shard_set durable;           /* [O] union over the filters */
    struct match_plan *plan;            /* [O] inside this allocation, as are the next three */
    const struct match_filter *filters; /* [O] */
    const struct match_group *groups;   /* [O] */
    const uint8_t *topic;               /* [O] */
    struct match_result *next_retired;  /* [O] */
};

static inline bool match_is_empty(const struct match_result *result)
{
    return result->filters_len == 0 && result->groups_len == 0;
}

/* A value: what a cache is made with. */
struct match_cache_config {
    const struct filter_index *index;
    struct epoch_record *record; /* of the owning shard's thread */
    uint32_t entries_max;        /* a power of two, at least MATCH_ENTRIES_FIRST */
    uint64_t bytes_max;
};

struct match_cache;

/* NULL if memory is short. The index and the record outlive the cache. */
struct match_cache *match_cache_create(const struct match_cache_config *config);
void match_cache_destroy(struct match_cache *cache);

/*
 * The result for a valid topic name; `hash` is filter_index_hash of it. NULL only if memory is
 * short: the caller treats the message as refused (RC_NO_MEMORY).
 */
const struct match_result *match_topic(struct match_cache *cache, struct bytes topic,
                                       uint64_t hash);

/*
 * The same for a topic that the caller has given a number, never 0 and never that of another topic:
 * a topic that comes again and again is found by it.
 */
const struct match_result *match_numbered(struct match_cache *cache, struct bytes topic,
                                          uint64_t hash, uint64_t number);

/* A value: what metrics want to know. */
struct match_figures {
    uint64_t hits;
    uint64_t misses; /* not there, or pushed out */
    uint64_t stale;  /* there, but a generation had moved */
    uint64_t pushed_out;
    uint64_t bytes;         /* of the results kept */
    uint64_t bytes_retired; /* of those that wait for the end of the section */
    uint32_t entries;
};

void match_cache_figures(const struct match_cache *cache, struct match_figures *out);

#endif
