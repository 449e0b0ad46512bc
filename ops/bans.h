/*
 * bans.h -- the ban list of the broker: where bans come from, how they get to the shards, how they
 * last.
 *
 *   the operator's file   banned.bootstrap_file; read at start and with every reload, as a whole:
 *                         a row that is gone from the file is a ban that is over
 *   at run time           bans_add and bans_remove, and clients that flap; kept in bans.csv of the
 *                         data directory (the same form), which is written anew as a whole, synced
 *                         and renamed, at most once a second, and when the broker stops
 *
 * Whatever changes, a new set (net/ban_set.h) of both is made and given to the shards, at most ten
 * times a second, and the next one only when every shard has taken the last.
 *
 * Bounds: those of ban_list.h and ban_set.h, for both sources together.
 *
 * Threads: the ops thread. Writing the file may wait for the disk; no shard does.
 */
#ifndef SLUICE_BANS_H
#define SLUICE_BANS_H

#include "ban_list.h"

struct broker;
struct mail;

struct bans {
    struct ban_list file;       /* of the operator's file */
    struct ban_list own;        /* made at run time */
    const struct ban_set *sent; /* what shards may still have in their hands; NULL: none */
    unsigned waiting;           /* shards that have not taken the newest set */
    bool changed;               /* the shards have to get a new set */
    bool kick;                  /* somebody who is connected may be banned by it */
    bool unsaved;
    uint64_t publish_ms; /* not before */
    uint64_t save_ms;    /* not before */
    uint64_t next_end_s; /* when the next ban ends */
};

/* Reads both files and makes the first set. RC_INVALID: *errors says why. The shards sleep yet. */
MUST_USE enum rc bans_open(struct broker *broker, struct error_list *errors);

/* Saves, and frees everything. The shards have ended. */
void bans_close(struct broker *broker);

/*
 * Bans; who is connected and banned by it is disconnected in a moment. Replaces a ban of the same
 * kind for the same. RC_INVALID: `out_why` (BAN_WHY_LEN_MAX + 1 bytes); RC_FULL, RC_NO_MEMORY.
 */
MUST_USE enum rc bans_add(struct broker *broker, const struct ban *ban, char *out_why);

/* RC_NOT_FOUND: nobody banned that at run time. */
MUST_USE enum rc bans_remove(struct broker *broker, enum ban_kind kind, const char *who);

/* Calls `visit` for each ban; those of the operator's file first. */
void bans_visit(const struct broker *broker,
                void (*visit)(void *context, const struct ban *ban, bool is_of_file),
                void *context);

uint32_t bans_count(const struct broker *broker);

/* Writes bans.csv now, if there is a data directory. RC_IO: the alarm says why; tried again. */
enum rc bans_save(struct broker *broker);

/* Ends what has ended, publishes, saves. Once per turn. */
void bans_turn(struct broker *broker);

/* MAIL_BANS_TAKEN and MAIL_BAN_WANTED. */
void bans_on_mail(struct broker *broker, const struct mail *mail);

#endif
