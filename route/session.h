/*
 * session.h -- a session: what the broker remembers of one client id.
 *
 * Its home is the shard hash(client id) mod shards, and only that shard touches it. States:
 *
 *                 session_create
 *                       |
 *                       v        session_detach (expiry > 0)
 *                 +-----------+ ----------------------------> +----------+
 *      attach ->  | CONNECTED |                               | DETACHED |
 *                 +-----------+ <---------------------------- +----------+
 *                       |          session_attach (resume)         |
 *                       | session_detach (expiry 0)                | expiry, clean start
 *                       v                                          v
 *                     session_end: will published, deliveries released, filters removed
 *
 *   CONNECTED  conn != NULL; no expiry runs; deliveries go out while window and output have room
 *   DETACHED   conn == NULL; expires_at_ms is set (or never); a delayed will may be pending;
 *              QoS 1 and 2 (and 0 if configured) go to the queue
 *
 * A durable session does not end while its log takes nothing: a crash would bring it back after
 * somebody was told that it is gone. It waits for the log in DETACHED, with has_ended set, and the
 * log is asked again each second; a CONNECT that would end it is refused.
 *
 * Memory: about 250 bytes and the client id while idle; window, queue and the set of received QoS 2
 * ids have memory only while they hold something (inflight.h, mqueue.h, awaiting_rel.h).
 *
 * Threads: the home shard only.
 */
#ifndef SLUICE_SESSION_H
#define SLUICE_SESSION_H

#include "awaiting_rel.h"
#include "bytes.h"
#include "identity.h"
#include "inflight.h"
#include "list.h"
#include "mqtt.h"
#include "mqueue.h"
#include "reason.h"
#include "session_subs.h"
#include "timer.h"
#include "types.h"

#define SESSION_MAGIC 0x53455353u

struct account;
struct conn;
struct feed_set;
struct handover_giver;
struct permit;
struct router;
struct store_load;
struct will;

struct session {
    uint32_t magic;               /* [I] */
    uint8_t version;              /* [O] enum mqtt_version of the latest connection */
    bool is_bridge : 1;           /* [O] 3.x bridge bit: no own messages back, retain kept */
    bool shared_seen : 1;         /* [O] a shared delivery was kept here at some time */
    bool has_ended : 1;           /* [O] is over, once the log can be told */
    bool is_mounted : 1;          /* [O] topics of the latest connection have a mount point */
    uint8_t zone;                 /* [O] of the latest connection, 0: none (router.h) */
    bool stalled;                 /* [O] its connection had no room for QoS 0 (outbound_stall) */
    struct handle handle;         /* [I] */
    struct conn *conn;            /* [O] NULL: detached; borrowed from net */
    struct session *hash_next;    /* [O] chain of the client id table */
    uint64_t id_hash;             /* [I] keyed hash of the client id */
    uint64_t expires_at_ms;       /* [O] while detached; 0: never */
    uint64_t will_at_ms;          /* [O] a delayed will is due; 0: none */
    struct timer timer;           /* [O] the earlier of the two, or await_rel */
    struct inflight inflight;     /* [O] */
    struct awaiting_rel awaiting; /* [O] */
    struct mqueue queue;          /* [O] */
    struct session_subs subs;     /* [O] */
    struct will *will;            /* [O] */
    struct identity *identity;    /* [O] of the latest client; NULL: a plain one */
    struct permit *permit;        /* [O] what it may publish; NULL: nothing is remembered */
    uint64_t owner;               /* [O] whose session it is (session_owner_of) */
    struct account *account;      /* [O] that it is counted in (user_quota.h), or NULL */
    uint32_t reviewed;            /* [O] rules by which subscriptions were judged; 0: none */
    struct feed_set *feeds;       /* [O] retained messages on their way; NULL: none */
    uint64_t inflight_bytes;      /* [O] of the messages in the window */
    uint64_t stored_number;       /* [O] its number in the log; 0: not durable (store.h) */
    uint64_t stored_next;         /* [O] number of its next delivery */
    uint64_t stored_wall_ms;      /* [O] of a durable one: wall clock of its disconnection */
    struct store_load *load;      /* [O] bodies that are being read back; NULL: none */
    struct handover_giver *giver; /* [O] shared deliveries on their way to others; NULL: none */
    uint64_t gather_stamp;        /* [O] deliver.c: which publication touched it last */
    uint32_t gather_index;        /* [O] deliver.c */
    uint32_t expiry_s;            /* [O] session expiry interval; MQTT_EXPIRY_NEVER_S */
    uint32_t shared_subs;         /* [O] of the subscriptions, how many are shared */
    uint32_t queued_qos0;         /* [O] of the entries of the queue, how many are QoS 0 */
    uint16_t resend_count;        /* [O] window entries not yet sent on this connection */
    uint16_t resend_id;           /* [O] packet id of the next of them */
    uint16_t id_len;              /* [I] */
    char id[];                    /* [I] client id, not terminated */
};

/* What CONNECT asks of route, a value; views borrowed for the call. */
struct attach_request {
    struct bytes client_id;
    struct conn *conn;
    uint8_t version;
    bool clean_start;
    bool is_bridge;
    bool is_mounted; /* its topics have a mount point before them */
    uint8_t zone;    /* of the listener, 0: none */
    uint32_t expiry_s;
    uint16_t receive_max;      /* the client's; 65535 for 3.x */
    struct will *will;         /* taken over on RC_OK; NULL: none */
    struct identity *identity; /* taken over on RC_OK; NULL: a plain client */
};

/* What came of it, a value. */
struct attach_result {
    struct session *session;
    bool session_present;
};

static inline struct bytes session_id(const struct session *session)
{
    return (struct bytes){.ptr = (const uint8_t *)session->id, .len = session->id_len};
}

/* The keyed hash of a client id, which session->id_hash and pub.publisher_hash are. Any thread. */
uint64_t session_id_hash(const struct router *router, struct bytes client_id);

/* The shard on which the session of this client id lives. Any thread. */
shard_id session_home(const struct router *router, struct bytes client_id);

/* The session of a client id that lives here, or NULL. */
struct session *session_find(struct router *router, struct bytes client_id);

/*
 * CONNECT succeeded: takes over or resumes the session, or makes a new one, and binds it to the
 * connection. An old connection is closed with 0x8E. Nothing is sent yet: once net has written
 * CONNACK it calls session_start. RC_NO_MEMORY, RC_FULL (a quota): nothing happened. RC_IO:
 * neither, because the session would be durable, or the end of one that is, and the log takes
 * nothing now. RC_DENIED: nor here, it is another user's.
 */
MUST_USE enum rc session_attach(struct router *router, const struct attach_request *request,
                                struct attach_result *out);

/* CONNACK is in the output: resends the unacknowledged, delivers what waits [MQTT-4.4.0-1]. */
void session_start(struct router *router, struct session *session);

/*
 * The connection is gone. `publish_will`: false after DISCONNECT 0x00 [MQTT-3.14.4-3]. The session
 * ends at once if its expiry is 0.
 */
void session_detach(struct router *router, struct session *session, bool publish_will);

/* Ends a session: clean start, expiry, administrator. Its will, if pending, is published. */
void session_end(struct router *router, struct session *session);

/* Who the session's client is, with views that are good until the session is touched. */
void session_identity(const struct router *router, const struct session *session,
                      struct client_identity *out);

/* Authentication was repeated on the same connection: the new identity, taken over. */
void session_identify(struct router *router, struct session *session, struct identity *identity);

/* The connection has been quiet: gives back what empty windows and queues keep. */
void session_trim(struct session *session);

/* Sets the timer to the session's next deadline. */
void session_timer_update(struct router *router, struct session *session);

/*
 * Recovery: makes a session that has no connection. Its window, queue and subscriptions are filled
 * by the caller, who then calls session_timer_update. RC_EXISTS, RC_FULL, RC_NO_MEMORY.
 */
MUST_USE enum rc session_restore(struct router *router, struct bytes client_id,
                                 uint64_t stored_number, struct session **out);

/* Ends all sessions, wills unpublished, when the process stops. What is logged stays. */
void session_end_all(struct router *router);

#endif
