/*
 * bans.h -- the ban list of the broker: where bans come from, how they get to the shards, how they
 * last.
 *
 *   the operator's file   banned.bootstrap_file; read at start and with every reload, as a whole:
 *                         a row that is gone from the file is a ban that is over
 *   at run time           by the API and for clients that flap; kept in the log as rows of the
 *                         tables `banned:<kind>`: the key is who, the value the JSON object of
 *                         ban_json.h. Without a data directory they end with the process
 *
 * Whatever changes, a new set (net/ban_set.h) of both is made and given to the shards, the next one
 * only when every shard has taken the last.
 *
 * Earlier versions kept the bans of run time in bans.csv of the data directory. If there is one it
 * is read, its bans go into the log, and the file is renamed.
 *
 * Bounds: those of ban_list.h and ban_set.h, for both sources together.
 *
 * Threads: the ops thread; bans_restore and bans_loaded see rows.h.
 */
#ifndef SLUICE_BANS_H
#define SLUICE_BANS_H

#include "ban_list.h"
#include "rows.h"

#define BANS_TABLE_PREFIX "banned:"
#define BANS_TABLE_MAX    64

struct broker;
struct mail;

struct bans {
    struct ban_list file;       /* of the operator's file */
    struct ban_list own;        /* made at run time */
    const struct ban_set *sent; /* what shards may still have in their hands; NULL: none */
    unsigned waiting;           /* shards that have not taken the newest set */
    bool changed;               /* the shards have to get a new set */
    bool kick;                  /* somebody who is connected may be banned by it */
    uint64_t made;              /* counts changes */
    uint64_t under_way;         /* of these, what the shards have been sent */
    uint64_t taken;             /* and what every one of them has */
    uint64_t publish_ms;        /* not before */
    uint64_t next_end_s;        /* when the next ban ends */
    struct ban_list old;        /* of bans.csv, until they are in the log */
    uint32_t old_next;          /* the next of them */
    uint32_t old_under_way;
    bool old_is_there;
    bool old_failed;
};

/* Reads the files and makes the first set. RC_INVALID: *errors says why. The shards sleep yet. */
MUST_USE enum rc bans_open(struct broker *broker, struct error_list *errors);

/* A row of the log. RC_NOT_FOUND: none of a ban. A ban that makes no sense is passed over. */
MUST_USE enum rc bans_restore(struct broker *broker, struct bytes table, struct bytes key,
                              struct bytes value);

/* All rows are here: the set with which the shards begin is made anew. */
MUST_USE enum rc bans_loaded(struct broker *broker);

/* Frees everything. The shards have ended. */
void bans_close(struct broker *broker);

/* The ban made at run time, or NULL. */
const struct ban *bans_find(const struct broker *broker, enum ban_kind kind, const char *who);

/*
 * Can it be made? RC_EXISTS: there is one of that kind for the same. RC_INVALID: `out_why`
 * (BAN_WHY_LEN_MAX + 1 bytes); RC_FULL, RC_NO_MEMORY.
 */
MUST_USE enum rc bans_check(const struct broker *broker, const struct ban *ban, char *out_why);

/* Begins the change of the row of a ban, whose value is ban_row_text. See row_change_begin. */
MUST_USE enum rc bans_row_begin(struct broker *broker, enum ban_kind kind, const char *who,
                                row_done_fn done, void *context, struct row_change **out);

/*
 * Bans whom bans_check found right, once its row is committed; who is connected is disconnected in
 * a moment. Replaces a ban of the same kind for the same. In force once `taken` has reached what
 * `made` is afterwards. RC_FULL, RC_NO_MEMORY.
 */
MUST_USE enum rc bans_add(struct broker *broker, const struct ban *ban);

/* Ends a ban made at run time, the same way. */
void bans_remove(struct broker *broker, enum ban_kind kind, const char *who);

/* Calls `visit` for each ban; those of the operator's file first. */
void bans_visit(const struct broker *broker,
                void (*visit)(void *context, const struct ban *ban, bool is_of_file),
                void *context);

uint32_t bans_count(const struct broker *broker);

/* Ends what has ended and publishes. Once per turn. */
void bans_turn(struct broker *broker);

/* MAIL_BANS_TAKEN and MAIL_BAN_WANTED. */
void bans_on_mail(struct broker *broker, const struct mail *mail);

#endif
