/*
 * mail.h -- the mesh: bounded single-producer single-consumer rings between all threads.
 *
 * Endpoints are the shards (0 .. shards-1) and then other threads (the ops thread, workers). For
 * every ordered pair and class there is one ring of fixed-size records:
 *
 *     CONTROL  hand-over of connections, take-down, questions     may cause anything
 *     CONFIRM  answers and confirmations                          cause nothing
 *     DATA     messages for subscribers                           may cause confirmations
 *
 * Draining never waits and a full ring never blocks: the record goes to the sender's overflow list
 * for that ring, in order, and moves on when there is room (mail_flush, once per turn). The list is
 * bounded by its producers: once mail_pressed says so, they stop reading from the clients that feed
 * it, and TCP does the rest. Pressed is a target for which more than MAIL_PRESS_RECORDS records
 * wait in the overflow, or more than the configured bytes are under way (mesh_set_limit). Since
 * confirmations cause nothing, full rings cannot wait for each other in a circle.
 *
 * Small things of class DATA that are sent often travel together: mail_post gives room for their
 * bytes in the parcel (parcel.h) that is being filled for their receiver. It is sent when it is
 * full, when other data mail follows, and at the flush, so that all data mail of one sender arrives
 * in the order in which it was sent or posted.
 *
 * Sleep and wake: a thread that is about to sleep announces it and looks once more (mail_sleep); a
 * sender that enqueued and finds the announcement takes it away and wakes the sleeper, once per
 * target and turn (mail_flush). Both sides have a full fence between their store and their load, so
 * at least one of them sees the other (Dekker). A bitmap per receiver says which senders may have
 * mail, so that a turn does not look at every ring.
 *
 * Bounds: MAIL_*_ENTRIES per ring (fewer with many endpoints); overflow see mail_pressed; parcels
 * count with their whole size.
 *
 * Threads: a port belongs to one thread.
 */
#ifndef SLUICE_MAIL_H
#define SLUICE_MAIL_H

#include "rc.h"
#include "stat.h"
#include "types.h"

#define MAIL_ENDPOINTS_MAX (SHARDS_MAX + 64) /* shards, the ops thread, workers */

enum mail_class { MAIL_CONTROL, MAIL_CONFIRM, MAIL_DATA, MAIL_CLASS_COUNT };

/*
 * One record, a value of 64 bytes, copied through the ring [M]. The upper floors define the kinds
 * and what the words mean; ownership of what `ptr` names goes with the record.
 */
struct mail {
    uint8_t kind;
    uint8_t count;
    shard_id from;   /* set by mail_send */
    uint32_t weight; /* bytes that the record keeps in memory, for mail_pressed */
    void *ptr;
    uint64_t words[6];
};

STATIC_CHECK(sizeof(struct mail) == 64, "a mail record is one cache line");

struct mesh;
struct mail_port;

/* Handles one record; what it owns is now the handler's. */
typedef void (*mail_fn)(void *context, const struct mail *mail);

/* Wakes endpoint `target`, which sleeps; called by mail_flush on the sender's thread. */
typedef void (*mail_wake_fn)(void *context, shard_id target);

/* NULL without memory. `endpoints` <= MAIL_ENDPOINTS_MAX. */
struct mesh *mesh_create(unsigned endpoints);

/*
 * Hands every record that is still in a ring to `fn`, so that what it owns is released: the end of
 * a process leaves mail behind. No port may exist any more.
 */
void mesh_empty(struct mesh *mesh, mail_fn fn, void *context);

/* No port may exist any more. Records still in rings are forgotten: mesh_empty comes before. */
void mesh_destroy(struct mesh *mesh);

unsigned mesh_endpoints(const struct mesh *mesh);

/* Bytes of data mail that may be under way from one endpoint to another before it is pressed. */
void mesh_set_limit(struct mesh *mesh, uint64_t limit_bytes);

/* The port of endpoint `self`, for one thread. `stats` is borrowed. NULL without memory. */
struct mail_port *mail_port_create(struct mesh *mesh, shard_id self, struct stats *stats);

/*
 * Hands every record in the overflow lists to `fn`, as mesh_empty does with those in the rings, and
 * what has been posted and not been sent.
 */
void mail_port_empty(struct mail_port *port, mail_fn fn, void *context);

/* Records still in overflow lists are forgotten. */
void mail_port_destroy(struct mail_port *port);

/*
 * Sends a copy of `mail`. Never fails and never waits; see mail_pressed for what bounds it. The
 * receiver is woken at the next mail_flush.
 */
void mail_send(struct mail_port *port, shard_id to, enum mail_class class, struct mail *mail);

/* The longest that can be posted. */
#define MAIL_POST_LEN_MAX 1024

/*
 * Room for `len` bytes (at most MAIL_POST_LEN_MAX) that go to `to` as data mail, aligned to 8; the
 * caller fills it before the next call. The receiver's handler gets a record of that kind with
 * `ptr` at the bytes and their length in words[0]; they are borrowed until it returns, and own
 * nothing. NULL without memory: nothing is sent.
 */
MUST_USE void *mail_post(struct mail_port *port, shard_id to, uint8_t kind, uint32_t len);

/* True while so much waits for `to` that whoever causes more data mail has to pause. */
bool mail_pressed(const struct mail_port *port, shard_id to);

/* True while any target is pressed. */
bool mail_pressed_any(const struct mail_port *port);

/* Moves overflow on as far as there is room and wakes sleeping receivers. Once per turn. */
void mail_flush(struct mail_port *port, mail_wake_fn wake, void *context);

/*
 * Hands at most `budget` records of each class to `fn`, control first. True if there may be more.
 */
bool mail_drain(struct mail_port *port, unsigned budget, mail_fn fn, void *context);

/*
 * Announces that this endpoint is about to sleep. True: nothing has come, sleep. False: there is
 * mail, do not. mail_awake ends the announcement.
 */
bool mail_sleep(struct mail_port *port);
void mail_awake(struct mail_port *port);

/* How full the rings of one class are that end at an endpoint, a value. */
struct mail_fill {
    uint64_t records; /* in all of them */
    double fullest;   /* the one that is fullest: 0, empty, to 1 */
};

/* As of a moment ago. Any thread. */
struct mail_fill mesh_fill(const struct mesh *mesh, shard_id to, enum mail_class class);

/* Whether endpoint `id` sleeps or is about to, as of a moment ago. Any thread. */
bool mesh_sleeps(const struct mesh *mesh, shard_id id);

/* True if mail may be waiting (cheap, for spinning). */
bool mail_has_news(const struct mail_port *port);

/* True while records overflow or a target is pressed: the thread must keep turning. */
bool mail_has_overflow(const struct mail_port *port);

#endif
