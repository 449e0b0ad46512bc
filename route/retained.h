/*
 * retained.h -- the retained value of each topic, shared by all shards, and walks over them.
 *
 * A tree over topic levels. A node is found from its parent by hash (one rcu_table for the whole
 * tree), and a parent lists its children in the order of their birth, each with a sequence number
 * that rises and is never used again under that parent. A node carries the number of values at and
 * below it; a node whose number falls to 0 is unlinked, so a walk never enters an empty branch.
 *
 * Values are opaque pointers with a reference; the store owns one reference of each.
 *
 *   change                        done by
 *   no value -> value             writer's mutex (may make nodes, counts upwards)
 *   value -> other value          one compare-and-swap, no lock; version = old version + 1
 *   value -> no value             writer's mutex (may unlink nodes)
 *
 * A swap never turns "no value" into "value", so it can never revive a node that is being unlinked:
 * it fails, and the caller's retained_set takes the mutex. Versions of one topic rise strictly,
 * also across deletion and re-creation: a new topic begins above every version deleted so far.
 *
 * A replaced or deleted value loses its reference after a grace period, on the shard that did it.
 *
 * Owners: a value is of the user who stored it. Once retained_count_users was called it is counted
 * in the user's account (account.h) until it is replaced or deleted, and a new one only comes in if
 * the user may have it. What was there before is counted then, and what is recovered stays, also
 * where it is more than allowed.
 *
 * Walks: a cursor holds the filter and, between slices, the sequence numbers of the path to the
 * node visited last: no pointers. A slice finds its place again by one binary search per level and
 * goes on in the order parent, children by birth. Whatever was there from the first slice to the
 * last is visited exactly once. What came meanwhile may be visited or not; a topic that was deleted
 * and set again meanwhile may be seen in both lives. `+` and `#` at the first level pass over
 * topics that begin with '$' [MQTT-4.7.2-1].
 *
 * retained_set ends with a sequentially consistent fence; see filter_index.h for what it is good
 * for.
 *
 * Bounds: `count_max` values, `bytes_max` bytes (values as told by the caller, nodes, tables);
 * UINT64_MAX for no bound. At either, topics that are new are refused with RC_FULL and existing
 * ones are still updated. Cost: set, get, delete O(levels); a slice of a walk O(budget + depth *
 * log children).
 *
 * Threads: any, each with its own epoch record; functions open a section of their own (nested is
 * cheap). A cursor belongs to one thread.
 */
#ifndef SLUICE_RETAINED_H
#define SLUICE_RETAINED_H

#include "bytes.h"
#include "epoch.h"
#include "hash.h"
#include "rc.h"

struct account;
struct accounts;

struct retained_ops {
    void (*ref)(void *value);
    void (*unref)(void *value); /* from epoch_poll of the thread that replaced the value */
};

/* A value: what a store is made with. */
struct retained_config {
    struct hash_key key;
    uint64_t count_max;
    uint64_t bytes_max;
    struct retained_ops ops;
    struct accounts *accounts; /* NULL: users are never counted */
};

/*
 * Whose a value is to be, and what that user may have; a value. With an account, of which
 * retained_set takes over one reference if it succeeds, the value is counted by it; without one and
 * once users are counted, it is counted regardless of what the user may have.
 */
struct retained_owner {
    uint64_t user; /* as session->owner */
    struct account *account;
    uint64_t count_max;
    uint64_t bytes_max; /* of `value_bytes` */
};

struct retained;

/* NULL if memory is short. */
struct retained *retained_create(const struct retained_config *config);

/* Drops every value. Nobody may read; callbacks of retired objects have run. */
void retained_destroy(struct retained *store);

/*
 * Users are counted from now on: first those of all values that are there. Whoever calls it waits
 * for that walk. RC_NO_MEMORY: they are not. One thread at a time, outside a section.
 */
MUST_USE enum rc retained_count_users(struct retained *store, struct epoch_record *record);

bool retained_counts_users(const struct retained *store);

/* Takes effect for topics that are new from now on. */
void retained_set_limits(struct retained *store, uint64_t count_max, uint64_t bytes_max);

/*
 * Makes `value` the retained one of the valid topic name [MQTT-3.3.1-5]. RC_OK: the store has taken
 * the caller's reference; `*out_version` is the value's. RC_FULL (new topic only), RC_DENIED (the
 * owner has all that it may have), RC_NO_MEMORY: nothing changed and the caller still owns it.
 * `value_bytes`: what the value costs in memory. `owner` NULL: it is nobody's.
 */
MUST_USE enum rc retained_set(struct retained *store, struct epoch_record *record,
                              struct bytes topic, void *value, uint64_t value_bytes,
                              const struct retained_owner *owner, uint64_t *out_version);

/*
 * Recovery: the same with the version that was logged, and without regard to limits. RC_EXISTS if
 * the topic holds the same or a later version: the caller keeps its reference.
 */
MUST_USE enum rc retained_restore(struct retained *store, struct epoch_record *record,
                                  struct bytes topic, void *value, uint64_t value_bytes,
                                  uint64_t user, uint64_t version);

/* Recovery: versions up to this one have been used (by deletions in the log, for example). */
void retained_note_version(struct retained *store, uint64_t version);

/*
 * Removes the topic's value [MQTT-3.3.1-6]. RC_OK: `*out_version` (may be NULL) is the version of
 * the deletion, above that of the value removed. RC_NOT_FOUND.
 */
enum rc retained_delete(struct retained *store, struct epoch_record *record, struct bytes topic,
                        uint64_t *out_version);

/* The same only if the value still has this version (it expired, say). RC_NOT_FOUND if not. */
enum rc retained_delete_if(struct retained *store, struct epoch_record *record, struct bytes topic,
                           uint64_t version, uint64_t *out_version);

/* The topic's value with a reference for the caller, or NULL. `out_version` may be NULL. */
MUST_USE void *retained_get(struct retained *store, struct epoch_record *record, struct bytes topic,
                            uint64_t *out_version);

uint64_t retained_count(const struct retained *store);
uint64_t retained_bytes(const struct retained *store);

/* --- walking --- */

struct retained_step;

struct retained_cursor {
    uint8_t *filter;             /* [O] owned copy */
    uint32_t *level_ends;        /* [O] where each level of the filter ends, without a final `#` */
    struct retained_step *steps; /* [O] path from the root to the node visited last */
    uint32_t steps_len;          /* [O] */
    uint32_t steps_capacity;     /* [O] */
    uint32_t levels_len;         /* [O] */
    uint16_t filter_len;         /* [O] */
    bool has_hash;               /* [O] */
    bool is_pending;             /* [O] the node at the end of the path was not visited */
    bool is_started;             /* [O] */
    bool is_done;                /* [O] */
    bool sees_dollar;            /* [O] also topics that begin with '$' */
};

/* Copies the valid filter. RC_NO_MEMORY: nothing to undo. */
MUST_USE enum rc retained_cursor_init(struct retained_cursor *cursor, struct bytes filter);

/* For a walk over every value, those of topics that begin with '$' too. RC_NO_MEMORY. */
MUST_USE enum rc retained_cursor_init_all(struct retained_cursor *cursor);

/* Of a zeroed cursor: nothing. */
void retained_cursor_fini(struct retained_cursor *cursor);

enum retained_verdict {
    RETAINED_TAKEN,   /* go on */
    RETAINED_DELETE,  /* remove it if it is still this version, go on */
    RETAINED_NOT_NOW, /* not taken: end the slice, the next one begins with it again */
};

/*
 * `value` is borrowed for the call (take a reference to keep it). Runs inside an epoch section: it
 * must not wait. May call retained_* itself.
 */
typedef enum retained_verdict retained_visit(void *context, void *value, uint64_t version);

/*
 * One slice: visits at most `budget_nodes` nodes (with or without a value). RC_OK: the walk is
 * complete. RC_MORE: call again, from any later section. RC_NO_MEMORY: the slice ended early at a
 * consistent place; calling again is allowed.
 */
MUST_USE enum rc retained_walk(struct retained *store, struct epoch_record *record,
                               struct retained_cursor *cursor, uint32_t budget_nodes,
                               retained_visit *visit, void *context);

#endif
