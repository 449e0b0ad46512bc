/*
 * filter_index_inner.h -- what the files of the filter index share: its struct and writers' steps.
 *
 * filter_index.c has filters and shards, filter_groups.c shared groups, match.c the reader's side.
 * Nobody else includes this.
 *
 * Threads: filter_index_lookup: inside an epoch section or under the mutex; the other functions:
 * under the mutex.
 */
#ifndef SLUICE_FILTER_INDEX_INNER_H
#define SLUICE_FILTER_INDEX_INNER_H

#include "filter_slot.h"
#include "filter_trie.h"

#include <pthread.h>

#define FILTER_INDEX_MAGIC 0x46494458u /* "FIDX" */

struct filter_index {
    uint32_t magic;                        /* [I] FILTER_INDEX_MAGIC */
    struct filter_index_config config;     /* [I] */
    struct rcu_table table;                /* [R] all filters by text */
    struct filter_slots slots;             /* [R] all filters by id */
    struct filter_trie trie;               /* [R] those with wildcards by levels */
    struct filter_generations generations; /* [R] */
    pthread_mutex_t mutex;                 /* [I] the writers' mutex */
    uint64_t bytes;                        /* [W] filters, groups and members */
    uint64_t filters_wildcard;             /* [W] */
    uint64_t groups;                       /* [W] */
    uint64_t members;                      /* [W] */
    uint64_t group_number;                 /* [W] the last one given */
    uint64_t refused;                      /* [W] */
    /* Figures as of the end of the latest writer's step, for readers without the mutex. */
    struct filter_index_figures figures; /* [A] relaxed */
};

void filter_index_lock(struct filter_index *index);
void filter_index_unlock(struct filter_index *index);

/* All memory of the index. */
uint64_t filter_index_bytes(const struct filter_index *index);

struct filter *filter_index_lookup(const struct filter_index *index, struct bytes text,
                                   uint64_t hash);

/* The filter with this text, made without shards and groups if it is new. Counts refusals. */
MUST_USE enum rc filter_index_obtain(struct filter_index *index, struct epoch_record *record,
                                     struct bytes text, struct filter **out_filter);

/* Takes the filter out of the index if it has neither shards nor groups. */
void filter_index_release(struct filter_index *index, struct epoch_record *record,
                          struct filter *filter);

/* Ends every change of what a match could return: bumps the filter's generation, then fences. */
void filter_index_publish(struct filter_index *index, const struct filter *filter);

#endif
