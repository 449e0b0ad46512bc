/*
 * acl_inner.h -- the compiled form of access rules, shared by acl_set.c, which makes it, and
 * acl_match.c, which walks it.
 *
 *   group -- any ----> entry -> entry ...          rules without topics
 *         |- root ---> node                        filters
 *         |             |- ends, rests             entries of filters that end here, and with '#'
 *         |             |- plus                    the child for '+'
 *         |             |- literals                children chained by `next`, found by hash
 *         |             `- templates               children whose level has placeholders
 *         `- eq_templates -> eq -> eq ...          eq texts with placeholders; others by hash
 *
 * Everything stands in arrays and is named by index, ACL_NONE being nothing. Lists of entries rise
 * by rule, because rules are compiled in order.
 *
 * Threads: see acl_set.h.
 */
#ifndef SLUICE_ACL_INNER_H
#define SLUICE_ACL_INNER_H

#include "acl_set.h"

/* One way in which a rule can fit. */
struct acl_entry {
    uint32_t rule;   /* [I] */
    uint32_t next;   /* [I] */
    uint32_t who;    /* [I] a condition still to be judged, or ACL_NONE */
    uint8_t actions; /* [I] */
    uint8_t qos;     /* [I] */
    uint8_t retain;  /* [I] */
    bool allow;      /* [I] */
};

struct acl_list {
    uint32_t first; /* [I] */
    uint32_t last;  /* [I] */
};

/* The lowest rule in a part of the structure that could decide about an action. */
struct acl_least {
    uint32_t publish;   /* [I] */
    uint32_t subscribe; /* [I] */
    uint32_t refuse;    /* [I] that denies a subscription */
};

struct acl_node {
    struct bytes level;     /* [I] its text, of literals and templates */
    uint32_t parent;        /* [I] */
    uint32_t next;          /* [I] sibling of the same kind */
    uint32_t literals;      /* [I] */
    uint32_t templates;     /* [I] */
    uint32_t plus;          /* [I] */
    struct acl_list ends;   /* [I] */
    struct acl_list rests;  /* [I] */
    struct acl_least least; /* [I] of itself and everything below */
};

struct acl_eq {
    struct bytes text;    /* [I] */
    uint32_t group;       /* [I] */
    uint32_t next;        /* [I] of the group's templates */
    struct acl_list list; /* [I] */
};

struct acl_group {
    const struct acl_who *key; /* [I] what its clients have in common; NULL: nothing */
    struct acl_list any;       /* [I] */
    uint32_t root;             /* [I] */
    uint32_t eq_templates;     /* [I] */
    struct acl_least least;    /* [I] */
};

/* Hash to index, open addressing; who looks compares what the index stands for. */
struct acl_table {
    uint64_t *hashes; /* [I] */
    uint32_t *values; /* [I] ACL_NONE: free */
    uint32_t mask;    /* [I] places - 1, 0: no memory yet */
    uint32_t count;   /* [I] */
};

struct acl_set {
    uint32_t magic;            /* [I] */
    bool no_match;             /* [I] */
    uint8_t judged;            /* [I] actions that it could deny */
    uint8_t judged_publish;    /* [I] ACL_TOPICS_* */
    bool has_anonymous;        /* [I] there is a group of clients without a user name */
    struct hash_key key;       /* [I] */
    struct acl_rules *rules;   /* [I] owned */
    struct acl_entry *entries; /* [I] */
    struct acl_node *nodes;    /* [I] */
    struct acl_eq *eqs;        /* [I] */
    struct acl_group *groups;  /* [I] [0] is the general one */
    uint32_t entries_count;    /* [I] */
    uint32_t entries_capacity; /* [I] */
    uint32_t nodes_count;      /* [I] */
    uint32_t nodes_capacity;   /* [I] */
    uint32_t eqs_count;        /* [I] */
    uint32_t eqs_capacity;     /* [I] */
    uint32_t groups_count;     /* [I] */
    uint32_t groups_capacity;  /* [I] */
    struct acl_table by_who;   /* [I] groups */
    struct acl_table by_level; /* [I] literal children */
    struct acl_table by_eq;    /* [I] eqs without placeholders */
    uint8_t bits[129];         /* [I] prefix lengths that occur, */
    uint32_t bits_count;       /* [I] so many of them */
};

/* Hashes of what the tables hold. */
static inline uint64_t acl_hash_who(const struct acl_set *set, uint8_t kind, struct bytes name,
                                    struct bytes text)
{
    return hash_mix(hash_mix(hash_fast(&set->key, text), hash_fast(&set->key, name)), kind);
}

static inline uint64_t acl_hash_address(const struct acl_set *set, const struct in6_addr *address,
                                        uint8_t bits)
{
    return hash_mix(hash_fast(&set->key, bytes_of(address, sizeof(*address))),
                    ACL_WHO_KINDS + UINT64_C(1) + bits);
}

/* Of a level below a node, or of an eq text in a group. */
static inline uint64_t acl_hash_below(const struct acl_set *set, uint32_t parent, struct bytes text)
{
    return hash_mix(hash_fast(&set->key, text), parent);
}

/* The next index with that hash, moving *at behind it; begin with *at = hash. ACL_NONE: no more. */
static inline uint32_t acl_table_next(const struct acl_table *table, uint64_t hash, uint64_t *at)
{
    if (table->mask == 0)
        return ACL_NONE;
    for (;; (*at)++) {
        uint32_t place = (uint32_t)*at & table->mask;
        if (table->values[place] == ACL_NONE)
            return ACL_NONE;
        if (table->hashes[place] == hash) {
            (*at)++;
            return table->values[place];
        }
    }
}

/* The literal child of a node, or ACL_NONE. */
static inline uint32_t acl_node_literal(const struct acl_set *set, uint32_t parent,
                                        struct bytes level)
{
    uint64_t hash = acl_hash_below(set, parent, level);
    uint64_t at = hash;
    uint32_t node;
    while ((node = acl_table_next(&set->by_level, hash, &at)) != ACL_NONE)
        if (set->nodes[node].parent == parent && bytes_equal(set->nodes[node].level, level))
            break;
    return node;
}

/* The eq without placeholders of a group, or ACL_NONE. */
static inline uint32_t acl_eq_find(const struct acl_set *set, uint32_t group, struct bytes text)
{
    uint64_t hash = acl_hash_below(set, group, text);
    uint64_t at = hash;
    uint32_t eq;
    while ((eq = acl_table_next(&set->by_eq, hash, &at)) != ACL_NONE)
        if (set->eqs[eq].group == group && bytes_equal(set->eqs[eq].text, text))
            break;
    return eq;
}

/* An address with the bits behind the first `bits` cleared. */
static inline struct in6_addr acl_address_cut(const uint8_t address[16], uint8_t bits)
{
    struct in6_addr cut;
    memcpy(&cut, address, sizeof(cut));
    for (unsigned i = 0; i < sizeof(cut.s6_addr); i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
        if (keep < 8)
            cut.s6_addr[i] &= (uint8_t)(0xff00u >> keep);
    }
    return cut;
}

static inline bool acl_begins_with_dollar(struct bytes text)
{
    return text.len > 0 && text.ptr[0] == '$';
}

/* Is `text` what the template stands for? */
bool acl_template_is(struct bytes template, const struct client_identity *subject,
                     struct bytes text);

/* Does the template stand for anything, and could a wildcard at this depth match that? */
bool acl_template_is_met(struct bytes template, const struct client_identity *subject,
                         uint32_t depth);

#endif
