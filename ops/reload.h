/*
 * reload.h -- a new configuration for a running broker, wholly or not at all.
 *
 *   read      file, environment and command line, as at start; every error is found
 *   prepare   each part reads and checks what it needs (files that keys name, too) and builds its
 *             new state; one that refuses makes all the others dispose of theirs: nothing changed
 *   commit    the broker's struct config says the new values (keys marked RESTART keep theirs, the
 *             log says which); each part publishes its new state, which cannot fail any more
 *   taken     every shard is told by mail, looks at the new state and answers; only then do the
 *             parts dispose of what they replaced, because no shard can have it in its hands
 *
 * A part is a row of RELOAD_PART_TABLE (reload_table.h): a const struct reload_part of that name.
 * Shards do what a part needs of them in its row of mail tables, or read a pointer anew in each
 * turn; a pointer that a shard keeps from turn to turn is to be renewed on MAIL_RELOAD (net.c).
 *
 * One reload at a time: asked for while shards still take the last one, it follows that.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_RELOAD_H
#define SLUICE_RELOAD_H

#include "config.h"
#include "error_list.h"

struct broker;

#define RELOAD_PARTS_MAX 16

struct reload_part {
    const char *name;

    /*
     * Builds the new state from `next` into *out_state (may stay NULL). `next` is what was asked
     * for, keys marked RESTART included. False: refused, with a message in *errors that says file,
     * line and column where there are any; nothing has changed and nothing is left behind.
     */
    bool (*prepare)(struct broker *broker, const struct config *next, struct error_list *errors,
                    void **out_state);

    /* Publishes `state`; broker->config is the new one. Returns what it replaced, or NULL. */
    void *(*commit)(struct broker *broker, void *state);

    /* Frees a state that was not published, or one that no shard can see any more. Not for NULL. */
    void (*dispose)(struct broker *broker, void *state);
};

/* A row of parts on its way through the phases. */
struct reload_set {
    const struct reload_part *const *parts;
    unsigned num;
    void *states[RELOAD_PARTS_MAX];
};

struct reload {
    struct config_sources sources; /* what to read; its texts are borrowed */
    struct reload_set set;         /* once committed: what is to be disposed of */
    unsigned waiting;              /* shards that have not taken the newest state */
    bool again;                    /* asked for meanwhile */
    uint64_t applied;              /* in force on every shard */
    uint64_t refused;
    uint64_t applied_at_s; /* seconds since 1970 of the newest applied; the start counts */
};

/* `sources` is copied, what it points to has to live as long as the broker. */
void reload_init(struct broker *broker, const struct config_sources *sources);

/*
 * Does it. RC_OK: it is in force, or will be in a moment. RC_MORE: shards still take the last one,
 * this one follows. RC_INVALID: *errors (initialised by the caller) says why nothing has changed.
 */
MUST_USE enum rc reload_run(struct broker *broker, struct error_list *errors);

/* The same, with the outcome in the log (SIGHUP). */
void reload_signal(struct broker *broker);

/* A shard has taken the newest state. */
void reload_taken(struct broker *broker);

/* Disposes of what is left. The shards have ended. */
void reload_fini(struct broker *broker);

/* The phases, for `set->parts`. False: refused, nothing is left. Commit leaves the old states. */
MUST_USE bool reload_prepare(struct reload_set *set, struct broker *broker,
                             const struct config *next, struct error_list *errors);
void reload_commit(struct reload_set *set, struct broker *broker);
void reload_dispose(struct reload_set *set, struct broker *broker);

#endif
