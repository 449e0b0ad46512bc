/*
 * retained_tree.h -- the nodes of the retained index: what its files share. Nobody else includes
 * it.
 *
 *   retained_tree.c   nodes and lists of children, made and pruned
 *   retained.c        values: set, get, delete, limits
 *   retained_walk.c   cursors
 *   retained_account.c  whose values are, and what users have
 *
 * A node is found from its parent in one table (`edges`), hash = chain of the levels' hashes. The
 * list of a parent's children is an array in the order of their sequence numbers, appended in
 * place, with holes where children were removed, and replaced as a whole when it is full or mostly
 * holes:
 *
 *     sequence   4     7     8    11   12
 *     node       *     -     *     *   -        `-` removed
 *
 * Holes keep their numbers, so a reader finds its place by binary search. A node lists its children
 * under numbers that begin at 1; a node made anew begins again, but it has another number itself.
 *
 * Invariants: count = values at and below; a linked node other than the root has count > 0 except
 * inside a writer's step; an unlinked node never has a value.
 *
 * Threads: *_rcu: any, inside an epoch section. The rest: under the store's mutex.
 */
#ifndef SLUICE_RETAINED_TREE_H
#define SLUICE_RETAINED_TREE_H

#include "rcu_table.h"
#include "retained.h"

#include <pthread.h>

#define RETAINED_MAGIC      0x52455441u /* "RETA" */
#define RETAINED_NODE_MAGIC 0x524e4f44u /* "RNOD" */

/* A value in its place; replaced as a whole. */
struct retained_value {
    struct epoch_entry retire;         /* [O] of the thread that replaced it */
    struct retained *store;            /* [I] */
    void *value;                       /* [I] one reference */
    uint64_t version;                  /* [I] */
    uint64_t bytes;                    /* [I] as told by the caller */
    uint64_t user;                     /* [I] whose it is */
    _Atomic(struct account *) account; /* [A] see retained_account.c */
};

/* What a value that is about to be stored has been charged with, a value. */
struct retained_charge {
    uint64_t count;
    uint64_t bytes;
    bool replaces; /* one that is counted in the same account, which covers the rest */
};

struct retained_node;

struct retained_child {
    uint64_t sequence;                    /* [I] once within the list's length */
    _Atomic(struct retained_node *) node; /* [R] NULL: removed */
};

struct retained_children {
    struct epoch_entry retire;    /* [W] */
    uint32_t capacity;            /* [I] */
    uint32_t live;                /* [W] */
    _Atomic uint32_t len;         /* [R] holes included */
    struct retained_child item[]; /* [R] */
};

struct retained_node {
    uint32_t magic;                               /* [I] RETAINED_NODE_MAGIC */
    uint16_t level_len;                           /* [I] */
    uint32_t count;                               /* [W] values at and below */
    uint32_t place;                               /* [W] in the parent's list */
    uint64_t hash;                                /* [I] of the path */
    uint64_t sequence;                            /* [I] in the parent's list */
    uint64_t sequence_last;                       /* [W] the last one given to a child */
    struct retained_node *parent;                 /* [I] NULL at the root */
    _Atomic(struct retained_value *) value;       /* [R] */
    _Atomic(struct retained_children *) children; /* [R] NULL if there are none */
    struct epoch_entry retire;                    /* [W] */
    uint8_t level[];                              /* [I] */
};

struct retained {
    uint32_t magic;                /* [I] RETAINED_MAGIC */
    struct retained_config config; /* [W] limits; [I] the rest */
    struct rcu_table edges;        /* [R] */
    struct retained_node *root;    /* [I] */
    pthread_mutex_t mutex;         /* [I] the writers' mutex */
    uint64_t version_used;         /* [W] highest version deleted or noted */
    uint64_t tree_bytes;           /* [W] nodes and lists */
    _Atomic uint64_t shared_bytes; /* [A] tree and table as last published by a writer */
    _Atomic uint64_t value_bytes;  /* [A] */
    _Atomic uint64_t count;        /* [A] */
    _Atomic bool counts_users;     /* [A] */
};

MUST_USE enum rc retained_tree_init(struct retained *store);

/* Frees the nodes, with the values in them. No reader is left. */
void retained_tree_fini(struct retained *store);

/* The child of a node for a level, or NULL. */
struct retained_node *retained_tree_child_rcu(const struct retained *store,
                                              const struct retained_node *parent,
                                              struct bytes level);

/* The node of a topic, or NULL. */
struct retained_node *retained_tree_find_rcu(const struct retained *store, struct bytes topic);

/* The node of a topic, made if it is new. RC_NO_MEMORY: as before. */
MUST_USE enum rc retained_tree_reach(struct retained *store, struct epoch_record *record,
                                     struct bytes topic, struct retained_node **out_node);

/* One value more or less at the node: counts up to the root; `less` also unlinks what is empty. */
void retained_tree_more(struct retained *store, struct retained_node *node);
void retained_tree_less(struct retained *store, struct epoch_record *record,
                        struct retained_node *node);

/* An upper bound for the nodes of a topic. */
uint64_t retained_tree_cost_max(struct bytes topic);

/* A visit that is shown the value in its place. */
typedef enum retained_verdict retained_visit_held(void *context, struct retained_value *held);

MUST_USE enum rc retained_walk_held(struct retained *store, struct epoch_record *record,
                                    struct retained_cursor *cursor, uint32_t budget_nodes,
                                    retained_visit_held *visit, void *context);

/* Charges the owner of `made` for it in the place of `old` (may be NULL). False: not allowed. */
MUST_USE bool retained_account_charge(struct retained_value *made, struct retained_value *old,
                                      const struct retained_owner *owner,
                                      struct retained_charge *out);
void retained_account_undo(struct retained_value *made, const struct retained_charge *charge);

/* `old` was replaced under this charge; it was taken out otherwise. */
void retained_account_replaced(struct retained *store, uint64_t made_bytes,
                               struct retained_value *old, const struct retained_charge *charge);
void retained_account_close(struct retained *store, struct retained_value *value);

/* Counts the value if it should be and is not. */
void retained_account_late(struct retained *store, struct retained_value *value);

/* Takes the value of a node out if it is `version` (0: whatever it is). Takes the mutex. */
enum rc retained_remove(struct retained *store, struct epoch_record *record,
                        struct retained_node *node, uint64_t version, uint64_t *out_version);

#endif
