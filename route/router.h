/*
 * router.h -- route's state: what all shards share and what each shard owns.
 *
 * `struct route_shared` is made by the main thread before the shards start: the filter index, the
 * retained index, the settings, the key that decides where a client id lives. `struct router` is
 * one shard's: its sessions, its subscribers, its match cache, its queues of postponed work.
 *
 * Mail between routers (engine/mail.h carries it):
 *
 *   MAIL_PUBLISH   data. ptr: struct msg, one shared reference. count: filter ids; up to six stand
 *                  in words[], more in an allocated array whose address is words[0].
 *   MAIL_LETTER    data, posted. A small publication in a parcel, see letter.h.
 *   MAIL_SHARED    data. ptr: struct msg, one shared reference: one delivery for one member of a
 *                  shared group. words[0]: handle of its session, [1]: address of the
 *                  delivery_extra, [2]: SUB_*, [3..4]: the ticket of the acknowledgement, if any.
 *                  A handover's: [2] above 8 bits and [5]: passing_session, passing_number.
 *   MAIL_PUBLISH_STORE  like MAIL_PUBLISH, to be confirmed with the ticket in the message.
 *   MAIL_FORGET    data. A QoS 2 message was released; see store_seen.h.
 *   MAIL_UNTAKEN   data. A handover is over; see store_taken.h.
 *   MAIL_RETAIN    data. A retained message to be logged; see store_retain.h.
 *   MAIL_KEYED     control. A row to be changed; MAIL_KEYED_DONE: it is; see store_keyed.h.
 *   MAIL_STORED    confirm. Such a confirmation; see confirm.h.
 *   MAIL_SHARE_UP  control. A member of a group connected: parked deliveries may move on.
 *                  words[0..1]: filter id, group number.
 *   MAIL_AUTHN_RUN   control, to workers and the helper. ptr: struct authn_job (authn.h).
 *   MAIL_AUTHN_DONE  confirm, from them. ptr: the same job, with a verdict.
 *   MAIL_AUTHN_SET   control, from the ops thread. ptr: struct authn_set, one reference. count:
 *                    whether it wants MAIL_AUTHN_TAKEN (confirm) when the shard has it.
 *   MAIL_PASSWORD    control, to workers; MAIL_PASSWORD_MADE: back; see password_job.h.
 *
 * Settings may be replaced while the broker runs: route_shared.settings is one pointer, which a
 * router takes when it is told to; the old ones live until every shard has taken the new ones.
 *
 * Threads: see each function; a router belongs to its shard.
 */
#ifndef SLUICE_ROUTER_H
#define SLUICE_ROUTER_H

#include "account.h"
#include "acl_set.h"
#include "authn.h"
#include "confirm.h"
#include "filter_index.h"
#include "hash.h"
#include "lag.h"
#include "match.h"
#include "mem.h"
#include "mqueue.h"
#include "msg.h"
#include "retained.h"
#include "route_stats.h"
#include "session.h"
#include "shard.h"
#include "sink.h"
#include "subtable.h"
#include "will.h"

#define ROUTER_MAGIC 0x524f5554u

struct store;
struct store_config;
struct store_rows_told;
struct sweep;

/* Kinds of mail; net's begin with MAIL_NET_FIRST. */
enum route_mail {
    MAIL_PUBLISH,
    MAIL_SHARED,
    MAIL_SHARE_UP,
    MAIL_PUBLISH_STORE,
    MAIL_STORED,
    MAIL_AUTHN_RUN,
    MAIL_AUTHN_DONE,
    MAIL_AUTHN_SET,
    MAIL_AUTHN_STEP, /* between the helper's endpoint and the ops thread (jwks.h) */
    MAIL_RETAIN,
    MAIL_FORGET,
    MAIL_LETTER,
    MAIL_KEYED,
    MAIL_KEYED_DONE,
    MAIL_AUTHN_TAKEN,
    MAIL_PASSWORD,
    MAIL_PASSWORD_MADE,
    MAIL_UNTAKEN,
    MAIL_NET_FIRST
};

#define ROUTE_MAIL_IDS_INLINE 6

#define ROUTE_ZONES_MAX 64

/* A topic with a priority of its own in every queue. */
struct route_priority {
    struct bytes topic; /* [I] owned by the settings */
    uint8_t priority;   /* [I] */
};

/* What an operator can set of route, plain values. Times are ms or s as named. */
struct route_settings {
    uint16_t max_inflight;              /* [I] */
    uint64_t inflight_bytes_max;        /* [I] of one session; UINT64_MAX: no limit */
    uint16_t max_awaiting_rel;          /* [I] */
    uint64_t await_rel_timeout_ms;      /* [I] UINT64_MAX: never */
    struct mqueue_limits queue;         /* [I] */
    bool queue_store_qos0;              /* [I] */
    bool upgrade_qos;                   /* [I] */
    uint8_t priority_default;           /* [I] of topics without a row */
    struct route_priority *priorities;  /* [I] sorted by topic (length, then bytes) */
    uint32_t priorities_count;          /* [I] */
    uint32_t max_subscriptions;         /* [I] of one session */
    uint64_t message_bytes_max;         /* [I] of the process; UINT64_MAX: no limit */
    enum share_strategy share_strategy; /* [I] */
    bool no_local_v3;                   /* [I] ignore_loop_deliver */
    uint64_t retained_payload_max;      /* [I] bytes */
    uint32_t retained_expiry_s;         /* [I] of messages without one; UINT32_MAX: never */
    bool retained_clear_stays;          /* [I] stop_publish_clear_msg */
    bool deny_disconnects;              /* [I] who may not is disconnected */
    bool session_owner;                 /* [I] a session is for the user who made it */
    uint64_t user_max[ACCOUNT_KINDS];   /* [I] quotas of a user; or ACCOUNT_NO_LIMIT */
    uint32_t permit_cache_max;          /* [I] decisions that a session remembers */
    /* [I] those of each zone, from 1 on; NULL: no such zone, and these here hold */
    const struct route_settings *of_zone[ROUTE_ZONES_MAX + 1];
};

struct route_shared {
    const struct route_settings *settings; /* [R] */
    const struct acl_set *acl;             /* [R] NULL: everything is allowed */
    const struct sink *sink;               /* [I] */
    struct filter_index *filters;          /* [I] */
    struct retained *retained;             /* [I] */
    struct accounts *accounts;             /* [I] what users have (user_quota.h) */
    struct hash_key home_key;              /* [I] secret: decides the home of a client id */
    unsigned shards;                       /* [I] */
    const struct store_config *store;      /* [I] NULL: nothing is logged */
    const struct store_rows_told *rows;    /* [I] NULL: nobody has any */
    uint32_t retained_expires;             /* [A] some retained value has an expiry (sweep.h) */
    struct authn_set *authn;               /* [I] with which the shards begin; NULL: no steps */
    uint32_t authn_away_max;               /* [I] jobs of one shard with workers and helper */
    shard_id authn_workers_first;          /* [I] endpoints of the workers */
    uint16_t authn_workers_num;            /* [I] 0: none */
    shard_id authn_helper;                 /* [I] endpoint of the helper, or SHARD_NONE */
};

/* How far subscriptions have been judged anew after a change of rules (permit.h). */
struct permit_progress {
    bool is_on;            /* [O] */
    bool again;            /* [O] from the beginning when it is at its end */
    uint32_t cursor;       /* [O] of the walk over the sessions */
    uint32_t at;           /* [O] subscriptions of `session` that are left */
    struct handle session; /* [O] being judged, or none */
};

struct router {
    uint32_t magic;                        /* [I] */
    struct shard *shard;                   /* [I] */
    struct stats *stats;                   /* [I] the shard's */
    struct route_shared *shared;           /* [I] */
    const struct route_settings *settings; /* [O] taken last */
    const struct sink *sink;               /* [I] */
    const struct acl_set *acl;             /* [O] taken last */
    uint32_t acl_generation;               /* [O] of `acl`; never 0 */
    uint8_t judged_publish;                /* [O] ACL_TOPICS_* that could be denied to somebody */
    bool judged_subscribe;                 /* [O] filters could be */
    bool has_own_rules;                    /* [O] an identity has had some */
    struct permit_progress review;         /* [O] */
    struct slot_table sessions;            /* [O] */
    struct session **buckets;              /* [O] client id table, chained by hash_next */
    uint32_t buckets_mask;                 /* [O] */
    struct subtable subs;                  /* [O] */
    struct match_cache *matches;           /* [O] */
    struct share_picker *picker;           /* [O] */
    uint64_t gather_stamp;                 /* [O] drawn per publication with several filters */
    struct deliver_gather *gather;         /* [O] scratch of deliver.c */
    uint32_t gather_capacity;              /* [O] */
    struct lag lag;                        /* [O] times of delivery (lag.h) */
    bool pressed;                          /* [O] the latest publication met a pressed shard */
    bool counts_users;                     /* [O] there is or was a quota (user_quota.h) */
    bool closing;                          /* [O] connections are gone, sessions are ending */
    bool over_limit;                       /* [O] the process keeps more messages than allowed */
    uint64_t limit_next_ms;                /* [O] when to look again */
    struct wills wills;                    /* [O] due and flying ones */
    struct list_node feeds;                /* [O] sessions whose retained walks may go on */
    struct list_node parked;               /* [O] shared deliveries that wait for a member */
    uint32_t parked_count;                 /* [O] */
    struct sweep *sweep;                   /* [O] on shard 0 */
    struct store *store;                   /* [O] NULL: nothing is logged */
    uint64_t stored_shards;                /* [O] to whom the latest ticket went (store_seen.h) */
    struct conn *publishing;               /* [O] whose publication is routed; NULL: nobody's */
    struct hold_ticket passing;            /* [O] of the shared delivery that came by mail */
    uint64_t passing_session;              /* [O] of a handover: whose delivery it was, */
    uint64_t passing_number;               /* [O] and its number */
    struct confirm_queue confirms;         /* [O] owed to other shards */
    uint64_t log_last;                     /* [O] number of the record logged last; 0: no log */
    uint64_t log_committed;                /* [O] records up to this one are durable */
    uint64_t log_refused;                  /* [O] how often the log could not take a record */
    struct authn_set *authn;               /* [O] one reference */
    uint32_t authn_away;                   /* [O] jobs with workers and helper */
    uint32_t authn_next;                   /* [O] whose turn it is among the workers */
    uint64_t match_hits;                   /* [O] figures already added to the counters */
    uint64_t match_misses;                 /* [O] */
};

/* The router of a shard. */
static inline struct router *router_of(struct shard *shard)
{
    struct router *router = shard->route;
    CHECK_OBJ(router, ROUTER_MAGIC);
    return router;
}

static inline void router_count(struct router *router, unsigned index, uint64_t amount)
{
    stat_add(router->stats, index, amount);
}

/* What the session's connection, if any, is told from now on leaves once `lsn` is committed. */
static inline void router_hold(struct router *router, struct session *session, uint64_t lsn)
{
    if (session->conn != NULL && lsn > router->log_committed)
        router->sink->hold(session->conn, lsn);
}

/* The same for one confirmation from another shard; a ticket for it to bring back, or none. */
static inline struct hold_ticket router_ticket(struct router *router)
{
    if (router->publishing == NULL)
        return will_ticket(router);
    return router->sink->hold_ticket(router->publishing);
}

/* Fills the rows of route in the tables of the runtime. Main thread, before start. */
void router_tables_fill(struct shard_tables *tables);

/* Builds and destroys the router of the calling shard. RC_NO_MEMORY. */
MUST_USE enum rc router_open(struct shard *shard, struct route_shared *shared);
void router_close(struct shard *shard);

/* When all shards have recovered, before any goes on: what their logs say of each other. RC_*. */
MUST_USE enum rc router_settle(struct shard *shard);

/* After that: takes the chains of authentication, with users of the log. */
void router_begin(struct shard *shard);

/* Takes the newest settings: what the router had before is not used any more. */
void router_settings_take(struct router *router);

/* The queue priority of a topic. */
uint8_t router_priority(const struct route_settings *settings, struct bytes topic);

#endif
