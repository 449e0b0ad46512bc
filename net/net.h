/*
 * net.h -- net's state: what all shards share and what each shard owns.
 *
 * Mail of this floor (engine/mail.h carries it):
 *
 *   MAIL_HANDOVER  control. ptr: struct handover. A connection whose CONNECT is whole comes to the
 *                  home shard of its session.
 *   MAIL_DRAIN     control, from the ops thread. Stop accepting, say goodbye to every client.
 *   MAIL_DRAINED   confirm, to the ops thread. The shard has no connections any more.
 *   MAIL_RELOAD    control, from the ops thread. There are new settings: take them.
 *   MAIL_RELOADED  confirm, to the ops thread. The shard has nothing of the old ones any more.
 *   MAIL_BANS      control, from the ops thread. There is a new ban list: take it. count: whether
 *                  connected clients have to be looked at.
 *   MAIL_BANS_TAKEN  confirm, to the ops thread, as MAIL_RELOADED.
 *   MAIL_BAN_WANTED  control, to the ops thread. ptr: struct ban_wanted.
 *
 * Threads: net_shared is made by the main thread before start; settings may be replaced while the
 * broker runs; a struct net belongs to its shard.
 */
#ifndef SLUICE_NET_H
#define SLUICE_NET_H

#include <sys/socket.h>

#include "bucket.h"
#include "conn.h"
#include "flapping.h"
#include "listen_policy.h"
#include "mem.h"
#include "net_stats.h"
#include "output.h"
#include "router.h"
#include "shard.h"

#define NET_MAGIC 0x4e455421u

#define LISTENERS_MAX 64

#define TOPIC_KNOWN_LEN_MAX 100

enum net_mail {
    MAIL_HANDOVER = MAIL_NET_FIRST,
    MAIL_DRAIN,
    MAIL_DRAINED,
    MAIL_RELOAD,
    MAIL_RELOADED,
    MAIL_BANS,
    MAIL_BANS_TAKEN,
    MAIL_BAN_WANTED
};

/* Rates of one listener and of each of its clients, plain values. */
struct listener_limits {
    struct bucket_rate accepts;
    struct bucket_rate accepts_of_address;
    struct bucket_rate messages;
    struct bucket_rate bytes;
    bool over_rate_disconnects;
};

/* What an operator can set of net, plain values. */
struct net_settings {
    uint64_t connect_timeout_ms;
    uint64_t auth_timeout_ms;
    uint64_t send_timeout_ms; /* UINT64_MAX: none */
    uint32_t packet_size_max; /* of what we accept, whole packet */
    uint32_t client_id_len_max;
    uint32_t topic_levels_max;
    uint16_t alias_in_max;
    uint16_t alias_out_max;
    uint8_t qos_max;
    bool retain_available;
    bool wildcard_available;
    bool shared_available;
    bool sub_id_available;
    bool payload_format_check;
    bool has_server_keep_alive;
    uint16_t server_keep_alive_s;
    uint32_t keep_alive_permille;
    uint16_t receive_max;            /* announced */
    uint32_t session_expiry_v3_s;    /* of 3.x clients without clean session */
    uint32_t session_expiry_max_s;   /* MQTT_EXPIRY_NEVER_S: no cap */
    uint32_t message_expiry_max_s;   /* UINT32_MAX: no cap */
    uint64_t output_bytes_max;       /* of one connection */
    uint64_t output_bytes_total_max; /* of the process; UINT64_MAX: no limit */
    uint32_t connections_max;        /* of the process */
    uint32_t tls_handshakes_max;     /* under way, of a shard */
    struct bytes response_info;      /* empty: none */
    struct bytes server_reference;   /* empty: none */
    struct flapping_limits flapping;
    uint64_t packet_timeout_ms;    /* of a packet that is not whole; UINT64_MAX: none */
    uint64_t unfinished_bytes_max; /* of the process; UINT64_MAX: no limit */
    struct bucket_rate greedy;     /* what is too much while publishers are paused */
    struct listener_limits listeners[LISTENERS_MAX];
    uint8_t zone; /* that these are of (zone.h); 0: of none */
    const struct net_settings *of_listener[LISTENERS_MAX]; /* of its zone; NULL: these here */
};

/* One listener; each shard has a socket of its own (SO_REUSEPORT). */
struct listener {
    char name[80];
    int fds[SHARDS_MAX];             /* -1: none */
    struct sockaddr_storage address; /* as bound, for the path of a Unix socket */
    uint32_t connections_max;
    uint8_t state;                      /* [A] enum listen_state */
    uint8_t layers;                     /* enum listen_layer (listen.h) */
    struct tls_server *tls;             /* with LISTEN_LAYER_TLS; borrowed */
    const struct listen_policy *policy; /* [R] */
};

/* What is done about overload; each level has what those below it have (ops/overload.h). */
enum net_overload { NET_CALM, NET_REFUSE, NET_PAUSE, NET_SHED };

struct net_shared {
    const struct net_settings *settings; /* [R] */
    const struct ban_set *bans;          /* [R] NULL: nobody is banned */
    uint32_t overload;                   /* [A] enum net_overload */
    struct source_rates *sources;        /* [R] once needed; NULL: no rate per address yet */
    struct runtime *runtime;
    unsigned shards;
    unsigned listeners_num;
    struct listener listeners[LISTENERS_MAX];
    shard_id ops; /* endpoint that is told when a shard is drained */
};

/* Bytes that were encoded for one subscriber of a fan-out and serve the next of the same class. */
struct fan_out_cache {
    uint64_t id; /* of the fan-out; 0: empty */
    uint8_t *bytes;
    uint32_t len;
    uint32_t packet_id_offset; /* 0: QoS 0 */
};

/* How often a listener accepts, as this shard sees it: the accepts of all shards are charged. */
struct listen_rate {
    struct bucket bucket;
    uint64_t seen; /* accepts of all shards up to now */
};

/*
 * The topic published to last, which was found valid: a publisher sends to the same one again and
 * again, and the next is compared with it instead of being checked and hashed.
 */
struct topic_known {
    const struct net_settings *settings; /* under which it is valid; NULL: none */
    uint64_t hash;
    uint64_t number; /* of this topic, drawn anew for each (match_numbered) */
    uint32_t len;
    uint8_t bytes[TOPIC_KNOWN_LEN_MAX];
};

#define FAN_OUT_CLASSES 12 /* v3 or v5, QoS 0 to 2, RETAIN or not */

struct net {
    uint32_t magic;
    struct shard *shard;
    struct stats *stats; /* the shard's */
    struct router *router;
    struct net_shared *shared;
    const struct net_settings *settings; /* taken last */
    struct slot_table conns;
    uint64_t output_limit;   /* of one connection, as of now */
    uint64_t output_next_ms; /* when to look again */
    struct list_node dirty;
    struct list_node paused;
    struct list_node throttled; /* by rates; each has a timer (quota.h) */
    struct list_node starved;
    struct list_node gated; /* outputs that are held (gate.h) */
    uint64_t committed;     /* by the shard's log, as far as route has said */
    uint32_t gate_number;   /* drawn last */
    struct output_pool pool;
    struct output_send *sends_free;
    unsigned sends_free_count;
    struct fan_out_cache fan_out[FAN_OUT_CLASSES];
    struct topic_known known;
    uint64_t assigned_next; /* of client ids made here */
    int spare_fd;           /* kept to be able to refuse when out of descriptors */
    uint64_t log_descriptors_ms;
    uint64_t log_limit_ms;
    uint64_t log_proxy_ms;
    uint8_t *mount_scratch;       /* a topic behind its mount point; NULL: none was needed yet */
    uint64_t accepting;           /* bit per listener that this shard accepts from */
    uint64_t ending;              /* bit per listener whose connections are closed */
    uint32_t ending_cursor;       /* how far that has come */
    struct timer accept_timer;    /* listeners whose accept ended in an error */
    uint64_t accept_again;        /* bit per listener */
    struct list_node tls_idle;    /* handshakes that wait for their client, the oldest first */
    struct list_node tls_waiting; /* handshakes whose next step waits for its turn (tls.h) */
    unsigned tls_handshakes;      /* under way */
    bool tls_taking;              /* a step that has waited is being taken */
    uint8_t *tls_scratch;         /* decrypted bytes of one receive; gathered ones of one send */
    uint64_t log_tls_ms;
    bool draining;
    bool drained;
    bool ban_sweeping;          /* ban_sweep has more to look at */
    uint32_t ban_cursor;        /* where */
    const struct ban_set *bans; /* taken last */
    struct flapping *flapping;  /* NULL: not needed yet */
    bool has_rates;             /* some listener has a rate for its clients */
    bool limited;               /* packets have to be looked at: has_rates, or overload */
    bool unfinished_over;       /* too many bytes of packets that are not whole */
    uint8_t overload;           /* enum net_overload, as of this turn */
    struct listen_rate accepts[LISTENERS_MAX];
    uint32_t conns_by_listener[LISTENERS_MAX];   /* of this shard; read relaxed by others */
    uint64_t accepts_by_listener[LISTENERS_MAX]; /* ditto; free-running */
};

static inline struct net *net_of(struct shard *shard)
{
    struct net *net = shard->net;
    CHECK_OBJ(net, NET_MAGIC);
    return net;
}

/* For this turn. */
static inline const struct listen_policy *listener_policy(const struct net *net, unsigned listener)
{
    return __atomic_load_n(&net->shared->listeners[listener].policy, __ATOMIC_ACQUIRE);
}

/* The settings that hold for a connection: those of its listener's zone. */
static inline const struct net_settings *conn_settings(const struct conn *conn)
{
    const struct net_settings *own = conn->net->settings->of_listener[conn->listener];
    return UNLIKELY(own != NULL) ? own : conn->net->settings;
}

/* Whether QoS 0 is dropped, as of now: a shard that has slept may not know that it is over. */
static inline bool net_sheds(const struct net *net)
{
    return __atomic_load_n(&net->shared->overload, __ATOMIC_RELAXED) >= NET_SHED;
}

static inline void net_count(struct net *net, unsigned index, uint64_t amount)
{
    stat_add(net->stats, index, amount);
}

/* Fills net's rows in the tables of the runtime. Main thread, before start. */
void net_tables_fill(struct shard_tables *tables);

/* What net gives route at start. */
const struct sink *net_sink(void);

/* Builds and destroys net's part of the calling shard. */
MUST_USE enum rc net_open(struct shard *shard, struct net_shared *shared);
void net_close(struct shard *shard);

#endif
