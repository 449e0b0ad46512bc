/*
 * msg.h -- a publication, on its way and kept.
 *
 * `struct pub` is a view: topic, properties and payload lie in a receive buffer or in a message. It
 * is what matching and delivery work on, so that a QoS 0 publication whose subscribers are all
 * connected to this shard is never copied into memory of its own.
 *
 * `struct msg` is one immutable allocation that carries a pub and its bytes, made when somebody
 * must keep the publication: a window, a queue, another shard, the retained index.
 *
 * References are counted with a bias. The shard that made the message counts its own references in
 * a plain integer and holds, as long as that is not zero, a single share of the atomic count; other
 * threads count in the atomic only. A fan-out to a thousand sessions at home costs a thousand plain
 * additions and no locked instruction.
 *
 *     free  <=>  shared == 0
 *     home > 0  =>  one of `shared` is the home shard's
 *
 * Properties are opaque here: the forwardable ones of MQTT 5.0 section 3.3.2.3 in wire form, made
 * and read by net.
 *
 * Threads: pub: its holder. msg: immutable, any; msg_ref and msg_unref any shard or thread.
 */
#ifndef SLUICE_MSG_H
#define SLUICE_MSG_H

#include "bytes.h"
#include "hold.h"
#include "types.h"

#define MSG_MAGIC 0x4d534721u

struct msg;

/* Whom of the subscribers a copy of a publication is for (store_seen.h). */
enum pub_audience {
    PUB_FOR_ALL,
    PUB_FOR_DURABLE, /* it was sent again: only durable sessions of shards that have not seen it */
    PUB_FOR_TRANSIENT, /* it went where no durable session was known: they came too late */
};

/* A publication; views borrowed from whoever made it. A value. */
struct pub {
    struct bytes topic;
    struct bytes props; /* forwardable properties in wire form; may be empty */
    struct bytes payload;
    uint64_t topic_hash;
    uint64_t topic_number;     /* see match_numbered; 0: none. Of the shard that received it */
    uint64_t expires_at_ms;    /* of the monotonic clock; 0: never */
    uint64_t received_ns;      /* monotonic; for the latency histogram */
    uint64_t publisher_hash;   /* session_id_hash of the client; 0: the broker itself */
    struct handle publisher;   /* the session, HANDLE_NONE for the broker itself */
    struct hold_ticket ticket; /* of the acknowledgement that waits for other shards; or none */
    uint16_t stored_id;        /* its packet id (store_seen.h), with stored_session; 0: none such */
    uint8_t qos;
    bool retain : 1;
    uint8_t audience : 2;    /* enum pub_audience */
    uint64_t stored_at;      /* where this shard's log has it; 0: not logged here (store.h) */
    uint64_t stored_session; /* of a durable publisher's QoS 2: its session's number, and */
    struct msg *msg;         /* the message around this pub, or NULL; borrowed */
};
STATIC_CHECK(sizeof(struct pub) == 136, "every message that is kept has one");

struct msg {
    uint32_t magic;       /* [I] */
    shard_id home;        /* [I] the shard that made it, SHARD_NONE for other threads */
    uint32_t home_refs;   /* [O] references held by the home shard */
    uint32_t shared_refs; /* [A] all other references, plus one while home_refs > 0 */
    uint32_t size;        /* [I] bytes of the allocation */
    uint64_t owner;       /* [I] of a retained one and a will: whose (session->owner), or 0 */
    struct pub pub;       /* [I] views into `bytes` */
    uint8_t bytes[];      /* [I] topic, properties, payload */
};

/*
 * Copies `pub` into a message with one reference, the caller's. NULL without memory. `home` is the
 * calling shard, or SHARD_NONE.
 */
MUST_USE struct msg *msg_create(const struct pub *pub, shard_id home);

/*
 * The message of `pub`, made on first use and remembered in pub->msg with one reference that
 * belongs to `pub`: pub_release gives it back. Borrowed; NULL without memory.
 */
MUST_USE struct msg *pub_msg(struct pub *pub, shard_id self);

/* A reference for another thread to own, which it takes over with msg_adopt or gives back. */
void msg_ref_shared(struct msg *msg);
void msg_unref_shared(struct msg *msg);

/* Nobody refers to it any more: for msg_unref. */
void msg_free(struct msg *msg);

/* Adds and gives back one reference. `self` is the calling shard, or SHARD_NONE. */
static inline void msg_ref(struct msg *msg, shard_id self)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    if (UNLIKELY(msg->home != self) || UNLIKELY(self == SHARD_NONE) ||
        UNLIKELY(msg->home_refs++ == 0))
        msg_ref_shared(msg);
}

static inline void msg_unref(struct msg *msg, shard_id self)
{
    CHECK_OBJ(msg, MSG_MAGIC);
    if (LIKELY(msg->home == self) && LIKELY(self != SHARD_NONE)) {
        CHECK(msg->home_refs > 0);
        if (--msg->home_refs > 0)
            return;
        /* Only the share of this shard is left, and nobody has one to make another from. */
        if (LIKELY(__atomic_load_n(&msg->shared_refs, __ATOMIC_ACQUIRE) == 1)) {
            msg_free(msg);
            return;
        }
    }
    msg_unref_shared(msg);
}

static inline void pub_release(struct pub *pub, shard_id self)
{
    if (pub->msg != NULL && pub != &pub->msg->pub)
        msg_unref(pub->msg, self);
}

/* The calling shard makes a reference that came by mail its own. */
void msg_adopt(struct msg *msg, shard_id self);

static inline bool pub_is_expired(const struct pub *pub, uint64_t now_ms)
{
    return pub->expires_at_ms != 0 && now_ms >= pub->expires_at_ms;
}

#endif
