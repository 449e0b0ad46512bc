/*
 * filter_index.h -- which shards, and which shared groups, want a topic: the one index of filters.
 *
 * Shared by all shards. It maps a filter to {id, shards with any subscriber, shards with a durable
 * one, shared groups}; ordinary subscribers are not here but in tables of their shards, keyed by
 * the id. So it changes only when a shard gains its first or loses its last subscriber of a filter.
 *
 * Structure: every filter stands in one hash table by its whole text (rcu_table.h); a topic is
 * looked up there as it is, which finds the filter without wildcards. Filters with wildcards stand
 * in a trie as well (filter_trie.h). A slot directory finds a filter by its id.
 *
 * Reading is lock-free inside an epoch section; functions that need one end in _rcu. Writers take
 * one mutex, publish by store-release, retire by epoch. Every change of what a match could return
 * ends with: bump the generation counters that the change concerns, then a sequentially consistent
 * fence. A subscriber that afterwards reads the retained index, and a publisher that first stores a
 * retained message (retained_set ends with such a fence) and then matches, cannot both miss each
 * other.
 *
 * Generations: caches of match results (match.h) remember three counters for a topic: one of
 * FILTER_GENERATIONS by the hash of the whole topic (filters without wildcards), one of as many by
 * the first level (filters whose first level is literal), one for filters that begin with a
 * wildcard. Counters have 64 bits and never wrap.
 *
 * Why a stale id is always noticed: an id is {slot, generation}; a slot's generation rises with
 * each filter it holds, begins at 1, and a slot whose generation cannot rise any more is never used
 * again. So no two filters of one process ever have the same id, and mail, caches and tables that
 * still name a retired filter cannot name its successor: the receiver compares both numbers. A slot
 * may therefore be reused at once, without asking who still has mail under way; memory of the
 * filter itself waits for the grace period.
 *
 * Work of a match is bounded by shapes (filter_trie.h): at most `shapes_per_level_max` nodes for
 * each level of the topic, whatever the number of filters. A filter that would need one shape more
 * is refused with RC_FULL.
 *
 * Memory of a filter without wildcards: 88 bytes and its text, 16 bytes of slot, about 14 of
 * table: below 200 for texts to 64 bytes. Everything is counted and bounded by `bytes_max`.
 *
 * Threads: *_rcu: any thread inside an epoch section. Writers: any thread, with its own record.
 * create, destroy: alone.
 */
#ifndef SLUICE_FILTER_INDEX_H
#define SLUICE_FILTER_INDEX_H

#include "bytes.h"
#include "epoch.h"
#include "hash.h"
#include "rc.h"
#include "share_group.h"
#include "types.h"

#include <stdatomic.h>

#define FILTER_MAGIC        0x46494c54u /* "FILT" */
#define FILTER_GENERATIONS  1024
#define FILTER_SHAPES_USUAL 1024

/* A value. It names one filter for the life of the process; see above. */
struct filter_id {
    uint32_t slot;
    uint32_t generation; /* 0 is no filter */
};

static inline bool filter_id_equal(struct filter_id a, struct filter_id b)
{
    return a.slot == b.slot && a.generation == b.generation;
}

/* Groups of a filter; immutable, replaced as a whole. */
struct share_group_list {
    struct epoch_entry retire;   /* [W] */
    uint32_t len;                /* [I] */
    struct share_group *group[]; /* [I] */
};

struct filter_node;

struct filter {
    uint32_t magic;                            /* [I] FILTER_MAGIC */
    uint16_t text_len;                         /* [I] */
    bool has_wildcard;                         /* [I] */
    bool begins_with_wildcard;                 /* [I] */
    struct filter_id id;                       /* [I] */
    uint64_t hash;                             /* [I] of the text */
    _Atomic uint64_t any[SHARD_SET_WORDS];     /* [R] shards with a subscriber */
    _Atomic uint64_t durable[SHARD_SET_WORDS]; /* [R] shards with a durable one */
    _Atomic(struct share_group_list *) groups; /* [R] NULL if none */
    struct filter_node *node;  /* [W] where it ends in the trie, if it has a wildcard */
    struct epoch_entry retire; /* [W] */
    uint8_t text[];            /* [I] */
};

static inline struct bytes filter_text(const struct filter *filter)
{
    return (struct bytes){.ptr = filter->text, .len = filter->text_len};
}

struct filter_generations {
    _Atomic uint64_t exact[FILTER_GENERATIONS]; /* [R] by hash of the whole topic */
    _Atomic uint64_t first[FILTER_GENERATIONS]; /* [R] by hash of the first level */
    _Atomic uint64_t top;                       /* [R] filters that begin with a wildcard */
};

/* A value: what an index is made with. */
struct filter_index_config {
    struct hash_key key;
    uint32_t shard_count;
    uint32_t shapes_per_level_max; /* FILTER_SHAPES_USUAL */
    uint64_t filters_max;
    uint64_t bytes_max; /* filters, trie, tables, groups and members together */
};

struct filter_index;

/* NULL if memory is short. */
struct filter_index *filter_index_create(const struct filter_index_config *config);

/* Frees everything in it. Nobody may read; callbacks of retired objects have run. */
void filter_index_destroy(struct filter_index *index);

/* --- reading --- */

/* The hash that match_topic and the tables want: of a whole topic or filter. */
uint64_t filter_index_hash(const struct filter_index *index, struct bytes text);

/* The filter with exactly this text, or NULL. Until the end of the section. */
const struct filter *filter_index_find_rcu(const struct filter_index *index, struct bytes text);

/* The filter with this id, or NULL if it is gone. Until the end of the section. */
const struct filter *filter_index_by_id_rcu(const struct filter_index *index, struct filter_id id);

/* The group of a filter by its number or by its name, or NULL. Until the end of the section. */
const struct share_group *filter_index_group_rcu(const struct filter_index *index,
                                                 struct filter_id id, uint64_t number);
const struct share_group *filter_index_group_by_name_rcu(const struct filter_index *index,
                                                         struct filter_id id, struct bytes name);

struct shard_set filter_any(const struct filter *filter);
struct shard_set filter_durable(const struct filter *filter);

const struct filter_generations *filter_index_generations(const struct filter_index *index);

/* A value: what metrics want to know. */
struct filter_index_figures {
    uint64_t filters;
    uint64_t filters_wildcard;
    uint64_t nodes;
    uint64_t groups;
    uint64_t members;
    uint64_t bytes;
    uint64_t shapes;
    uint64_t refused; /* for want of filters, bytes or shapes */
};

/* As of the latest writer's step, or the one before for some of them; takes no mutex. */
void filter_index_figures(struct filter_index *index, struct filter_index_figures *out);

/* --- writing: all take the mutex --- */

/*
 * `shard` has gained its first subscriber of the valid filter `text` (`durable`: its first durable
 * one too). Adding what is there already changes nothing. RC_OK: `*out_id` names the filter until
 * this shard removes it. RC_FULL: filters_max, bytes_max or shapes. RC_NO_MEMORY.
 */
MUST_USE enum rc filter_index_add(struct filter_index *index, struct epoch_record *record,
                                  struct bytes text, shard_id shard, bool durable,
                                  struct filter_id *out_id);

/* `shard`, which has added the filter, has gained its first or lost its last durable subscriber. */
void filter_index_set_durable(struct filter_index *index, struct filter_id id, shard_id shard,
                              bool durable);

/* `shard`, which has added the filter, has lost its last subscriber. The id is then dead for it. */
void filter_index_remove(struct filter_index *index, struct epoch_record *record,
                         struct filter_id id, shard_id shard);

/*
 * `session` joins the group `name` of the valid filter `text` (already without prefix), which is
 * made if it is new. The caller knows that the session is not a member yet. RC_OK: `*out_member`
 * stays valid until the caller's filter_index_group_leave; `*out_id` names the filter as long.
 * RC_FULL, RC_NO_MEMORY as for filter_index_add.
 */
MUST_USE enum rc filter_index_group_join(struct filter_index *index, struct epoch_record *record,
                                         struct bytes text, struct bytes name,
                                         enum share_strategy strategy, struct handle session,
                                         struct share_terms terms, bool is_connected,
                                         struct share_member **out_member,
                                         struct filter_id *out_id);

/* The last member takes the group with it, and the filter if nothing else holds it. */
void filter_index_group_leave(struct filter_index *index, struct epoch_record *record,
                              struct share_member *member);

/* The member's connection came or went. */
void filter_index_member_set_connected(struct filter_index *index, struct share_member *member,
                                       bool is_connected);

#endif
