/*
 * metrics.c -- the table of metrics and the writing of them; see metrics.h.
 *
 * The table has a row for each counter of the floors. A row with a help text opens a family; rows
 * without one add samples to it. Kinds that are tables of their own (packet types, causes of a
 * connection's end) are expanded here. Families that are no counters follow, each a line of
 * metrics_write_*.
 *
 * Counters of nanoseconds go out as seconds. A gauge is summed over the blocks; blocks are read one
 * after the other, so the sum may for a moment be below zero, and is then told as zero.
 */
#include "metrics.h"

#include "engine_stats.h"
#include "net_stats.h"
#include "packet_table.h"
#include "persist_stats.h"
#include "route_stats.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define METRICS_LABEL_LEN_MAX 31
#define METRICS_NS_PER_SECOND 1e9

struct metrics_entry {
    const char *family;
    const char *help; /* NULL: one more sample of the family above */
    const char *label;
    const char *value; /* of the label; written in lower case */
    unsigned index;
    bool is_gauge;
    bool is_ns;        /* counted in nanoseconds, told in seconds */
    bool is_per_shard; /* one sample for each shard instead of the sum */
    const char *unit;
};

/* clang-format off */
#define COUNTER(family, index, help) {family, help, NULL, NULL, index, false, false, false, NULL},
#define GAUGE(family, index, help)   {family, help, NULL, NULL, index, true, false, false, NULL},
#define FIRST(family, index, label, value, help) \
    {family, help, label, value, index, false, false, false, NULL},
#define FIRST_BYTES(family, index, label, value, help) \
    {family, help, label, value, index, false, false, false, "bytes"},
#define NEXT(family, index, label, value) \
    {family, NULL, label, value, index, false, false, false, NULL},
#define BYTES(family, index, help) \
    {family, help, NULL, NULL, index, false, false, false, "bytes"},
#define BYTES_NOW(family, index, help) \
    {family, help, NULL, NULL, index, true, false, false, "bytes"},
#define SHARDS(family, index, help)  {family, help, NULL, NULL, index, false, false, true, NULL},

#define PACKET_IN(name, type, flags, from) \
    NEXT("sluice_packets_received", STAT_PACKETS_IN + (type), "type", #name)
#define PACKET_OUT(name, type, flags, from) \
    NEXT("sluice_packets_sent", STAT_PACKETS_OUT + (type), "type", #name)
#define CLOSED(id, name, will, text) \
    NEXT("sluice_connections_closed", STAT_CLOSED + (id), "cause", name)

/* A family whose rows are all expanded from a table: opened without a sample. */
#define HEADING(family, help) {family, help, NULL, NULL, STAT_COUNT, false, false, false, NULL},

static const struct metrics_entry metrics_entries[] = {
    /* connections */
    GAUGE("sluice_connections", STAT_CONNECTIONS, "Connections that are open.")
    COUNTER("sluice_connections_accepted", STAT_ACCEPTED, "Connections accepted.")
    FIRST("sluice_connections_refused", STAT_REFUSED_LIMIT, "reason", "limit",
          "Connections closed at once: a limit of connections was reached, the process was out of "
          "descriptors or memory, or their address connects too often.")
    NEXT("sluice_connections_refused", STAT_REFUSED_DESCRIPTORS, "reason", "descriptors")
    NEXT("sluice_connections_refused", STAT_REFUSED_MEMORY, "reason", "memory")
    NEXT("sluice_connections_refused", STAT_REFUSED_ACCESS, "reason", "access")
    NEXT("sluice_connections_refused", STAT_REFUSED_ADDRESS_RATE, "reason", "address_rate")
    COUNTER("sluice_accept_pauses", STAT_ACCEPT_PAUSES,
            "Times a listener stopped accepting because of its rate.")
    COUNTER("sluice_connections_handed_over", STAT_HANDED_OVER,
            "Connections handed to the home shard of their session.")
    HEADING("sluice_connections_closed", "Connections that ended, by cause.")
    CONN_CAUSE_TABLE(CLOSED)
    FIRST("sluice_proxy_headers", STAT_PROXY_HEADERS, "result", "taken",
          "Headers of the PROXY protocol that trusted proxies sent, and connections of such closed "
          "because theirs was missing or wrong.")
    NEXT("sluice_proxy_headers", STAT_PROXY_FAILED, "result", "failed")
    COUNTER("sluice_websocket_upgrades", STAT_WEBSOCKET_UPGRADES,
            "Connections that became a WebSocket.")
    FIRST("sluice_tls_handshakes", STAT_TLS_HANDSHAKES, "result", "completed",
          "Handshakes of TLS, completed or failed.")
    NEXT("sluice_tls_handshakes", STAT_TLS_HANDSHAKES_FAILED, "result", "failed")
    COUNTER("sluice_tls_handshakes_resumed", STAT_TLS_RESUMED,
            "Handshakes of TLS that resumed a session by its ticket, among those completed.")
    GAUGE("sluice_tls_handshakes_under_way", STAT_TLS_UNDER_WAY, "Handshakes of TLS under way.")
    COUNTER("sluice_tls_handshakes_waited", STAT_TLS_HANDSHAKES_WAITED,
            "Steps of handshakes that waited for a later turn, so that messages do not wait for "
            "them.")
    FIRST("sluice_connection_pauses", STAT_PAUSES, "reason", "pressed",
          "Times reading from a client stopped: a shard that it feeds was pressed, it was over "
          "its rate of messages or bytes, or it published much while the broker was overloaded.")
    NEXT("sluice_connection_pauses", STAT_RATE_PAUSES_MESSAGES, "reason", "messages_rate")
    NEXT("sluice_connection_pauses", STAT_RATE_PAUSES_BYTES, "reason", "bytes_rate")
    NEXT("sluice_connection_pauses", STAT_GREEDY_PAUSES, "reason", "overload")
    FIRST("sluice_connects", STAT_CONNECTED, "result", "accepted",
          "CONNECT packets, accepted or refused.")
    NEXT("sluice_connects", STAT_CONNECT_REFUSED, "result", "refused")
    COUNTER("sluice_connects_banned", STAT_CONNECT_BANNED,
            "CONNECT packets refused because of a ban; they are among the refused, too.")
    COUNTER("sluice_connects_refused_overload", STAT_CONNECT_OVERLOAD,
            "CONNECT packets refused because of overload; they are among the refused, too.")
    COUNTER("sluice_flapping", STAT_FLAPPING, "Clients found to come and go too often.")

    /* packets and bytes */
    HEADING("sluice_packets_received", "Control packets received, by type.")
    PACKET_TABLE(PACKET_IN)
    HEADING("sluice_packets_sent", "Control packets put into outputs, by type.")
    PACKET_TABLE(PACKET_OUT)
    BYTES("sluice_received_bytes", STAT_BYTES_IN, "Bytes received from clients, of all packets.")
    BYTES("sluice_sent_bytes", STAT_BYTES_OUT, "Bytes sent to clients, of all packets.")
    COUNTER("sluice_receives", STAT_RECEIVES, "Receive operations completed with data.")
    COUNTER("sluice_sends", STAT_SENDS, "Send operations completed.")
    BYTES_NOW("sluice_output_bytes", STAT_OUTPUT_BYTES,
              "Bytes that wait in the outputs of connections.")

    /* the log */
    COUNTER("sluice_wal_records", STAT_WAL_RECORDS, "Records appended to the log.")
    COUNTER("sluice_wal_commits", STAT_WAL_COMMITS, "Commits written to the log.")
    BYTES("sluice_wal_written_bytes", STAT_WAL_BYTES,
          "Bytes written to the log, padding of commits included.")
    BYTES("sluice_wal_record_bytes", STAT_WAL_RECORD_BYTES, "Bytes of records in these.")
    COUNTER("sluice_wal_stalls", STAT_WAL_STALLS,
            "Commits that waited because the next segment was not ready.")
    COUNTER("sluice_wal_errors", STAT_WAL_ERRORS, "Requests of the log to the disk that failed.")
    COUNTER("sluice_wal_refused", STAT_WAL_REFUSED, "Records that the log did not take.")
    COUNTER("sluice_wal_reads", STAT_WAL_READS, "Records read back from the log.")
    COUNTER("sluice_wal_read_requests", STAT_WAL_READ_REQUESTS,
            "Requests to the disk that these needed.")
    COUNTER("sluice_wal_checkpoints", STAT_WAL_CHECKPOINTS, "Checkpoints that became valid.")
    FIRST("sluice_wal_segments", STAT_WAL_SEGMENTS_MADE, "step", "made",
          "Segments of the log that were made anew, made of free ones, and removed.")
    NEXT("sluice_wal_segments", STAT_WAL_SEGMENTS_RECYCLED, "step", "recycled")
    NEXT("sluice_wal_segments", STAT_WAL_SEGMENTS_REMOVED, "step", "removed")
    BYTES_NOW("sluice_wal_disk_bytes", STAT_WAL_DISK_BYTES, "Size of all files of the log.")
    BYTES_NOW("sluice_wal_live_bytes", STAT_WAL_LIVE_BYTES,
              "Bytes of records in the log that are still needed.")
    BYTES_NOW("sluice_wal_pending_bytes", STAT_WAL_PENDING_BYTES,
              "Bytes of records that are not committed yet.")
    GAUGE("sluice_wal_failing", STAT_WAL_FAILING,
          "Logs that take nothing because the disk fails or is full.")
    BYTES_NOW("sluice_unfinished_bytes", STAT_UNFINISHED_BYTES,
              "Bytes allocated for packets that are not whole yet.")

    /* messages */
    FIRST("sluice_messages_received", STAT_PUBLISH_IN_QOS0, "qos", "0",
          "PUBLISH packets received, by QoS.")
    NEXT("sluice_messages_received", STAT_PUBLISH_IN_QOS1, "qos", "1")
    NEXT("sluice_messages_received", STAT_PUBLISH_IN_QOS2, "qos", "2")
    FIRST("sluice_messages_sent", STAT_DELIVERED_QOS0, "qos", "0",
          "PUBLISH packets put into outputs, which are the copies delivered, by QoS.")
    NEXT("sluice_messages_sent", STAT_DELIVERED_QOS1, "qos", "1")
    NEXT("sluice_messages_sent", STAT_DELIVERED_QOS2, "qos", "2")
    FIRST_BYTES("sluice_messages_received_bytes", STAT_PUBLISH_BYTES_IN_QOS0, "qos", "0",
                "Bytes of the PUBLISH packets received, by QoS.")
    NEXT("sluice_messages_received_bytes", STAT_PUBLISH_BYTES_IN_QOS1, "qos", "1")
    NEXT("sluice_messages_received_bytes", STAT_PUBLISH_BYTES_IN_QOS2, "qos", "2")
    FIRST_BYTES("sluice_messages_sent_bytes", STAT_PUBLISH_BYTES_OUT_QOS0, "qos", "0",
                "Bytes of the PUBLISH packets put into outputs, by QoS.")
    NEXT("sluice_messages_sent_bytes", STAT_PUBLISH_BYTES_OUT_QOS1, "qos", "1")
    NEXT("sluice_messages_sent_bytes", STAT_PUBLISH_BYTES_OUT_QOS2, "qos", "2")
    COUNTER("sluice_messages_published", STAT_PUBLISHED,
            "Publications accepted for routing, those of wills included.")
    COUNTER("sluice_connections_unacknowledged", STAT_UNACKNOWLEDGED,
            "Connections that ended without acknowledgements, because what these claim could not "
            "be stored.")
    COUNTER("sluice_messages_refused", STAT_PUBLISH_REFUSED,
            "PUBLISH answered with a failure or dropped, with nothing delivered.")
    COUNTER("sluice_messages_queued", STAT_QUEUED, "Copies put into a session's queue.")
    COUNTER("sluice_messages_acknowledged", STAT_ACKED,
            "QoS 1 and 2 copies completed by clients.")
    COUNTER("sluice_messages_resent", STAT_RESENT, "PUBLISH packets sent again on resumption.")
    COUNTER("sluice_messages_forwarded", STAT_FORWARDED, "Publications mailed to another shard.")
    COUNTER("sluice_await_rel_timeouts", STAT_RELEASED_TIMEOUT,
            "QoS 2 packet identifiers forgotten because PUBREL did not come in time.")
    FIRST("sluice_messages_dropped", STAT_DROP_NO_SUBSCRIBER, "reason", "no_subscriber",
          "Messages and copies that ended other than by delivery, by reason.")
    NEXT("sluice_messages_dropped", STAT_DROP_NO_LOCAL, "reason", "no_local")
    NEXT("sluice_messages_dropped", STAT_DROP_QUEUE_FULL, "reason", "queue_full")
    NEXT("sluice_messages_dropped", STAT_DROP_QUEUE_BYTES, "reason", "queue_bytes")
    NEXT("sluice_messages_dropped", STAT_DROP_USER_BYTES, "reason", "user_bytes")
    NEXT("sluice_messages_dropped", STAT_DROP_USER_RETAINED, "reason", "user_retained")
    NEXT("sluice_messages_dropped", STAT_DROP_QOS0_SLOW, "reason", "qos0_slow")
    NEXT("sluice_messages_dropped", STAT_DROP_QOS0_OFFLINE, "reason", "qos0_offline")
    NEXT("sluice_messages_dropped", STAT_DROP_EXPIRED, "reason", "expired")
    NEXT("sluice_messages_dropped", STAT_DROP_TOO_LARGE, "reason", "too_large")
    NEXT("sluice_messages_dropped", STAT_DROP_SESSION_ENDED, "reason", "session_ended")
    NEXT("sluice_messages_dropped", STAT_DROP_SESSION_GONE, "reason", "session_gone")
    NEXT("sluice_messages_dropped", STAT_DROP_STALE_FILTER, "reason", "stale_filter")
    NEXT("sluice_messages_dropped", STAT_DROP_NO_MEMORY, "reason", "no_memory")
    NEXT("sluice_messages_dropped", STAT_DROP_MESSAGE_BYTES, "reason", "message_bytes")
    NEXT("sluice_messages_dropped", STAT_DROP_NACKED, "reason", "nacked")
    NEXT("sluice_messages_dropped", STAT_DROP_LOG, "reason", "log")
    NEXT("sluice_messages_dropped", STAT_DROP_LOG_READ, "reason", "log_read")
    NEXT("sluice_messages_dropped", STAT_DROP_AWAITING_REL, "reason", "awaiting_rel")
    NEXT("sluice_messages_dropped", STAT_DROP_OVERLOAD, "reason", "overload")

    /* sessions and their queues */
    GAUGE("sluice_sessions", STAT_SESSIONS, "Sessions that exist.")
    BYTES_NOW("sluice_message_bytes", STAT_MESSAGE_BYTES,
              "Bytes of messages that are kept: waiting, unacknowledged, retained, under way.")
    GAUGE("sluice_sessions_connected", STAT_SESSIONS_CONNECTED, "Sessions with a connection.")
    COUNTER("sluice_sessions_started", STAT_SESSIONS_CREATED, "Sessions that were new.")
    COUNTER("sluice_sessions_resumed", STAT_SESSIONS_RESUMED, "Sessions resumed.")
    COUNTER("sluice_sessions_taken_over", STAT_SESSIONS_TAKEN_OVER,
            "Connections that lost their session to a newer connection.")
    FIRST("sluice_sessions_ended", STAT_SESSIONS_DISCARDED, "cause", "clean_start",
          "Sessions ended by a clean start or by expiry.")
    NEXT("sluice_sessions_ended", STAT_SESSIONS_EXPIRED, "cause", "expired")
    GAUGE("sluice_inflight_messages", STAT_INFLIGHT,
          "QoS 1 and 2 copies that were sent and that the client has not completed, those of "
          "clients that are away among them.")
    GAUGE("sluice_queue_messages", STAT_QUEUE_MESSAGES, "Copies that wait in queues of sessions.")
    BYTES_NOW("sluice_queue_bytes", STAT_QUEUE_BYTES,
              "Bytes that the copies in queues of sessions hold in memory; a message that waits in "
              "several queues counts in each.")
    COUNTER("sluice_wills_published", STAT_WILLS, "Will messages published.")
    COUNTER("sluice_wills_cancelled", STAT_WILLS_CANCELLED,
            "Will messages deleted unpublished.")

    /* authentication */
    FIRST("sluice_authz_publish", STAT_PERMIT_PUBLISH, "result", "allow",
          "Publications that access rules decided about; those that no rule could deny are not "
          "counted.")
    NEXT("sluice_authz_publish", STAT_DENY_PUBLISH, "result", "deny")
    COUNTER("sluice_authz_publish_cached", STAT_PERMIT_HITS,
            "Of these, how many decisions the session remembered.")
    FIRST("sluice_authz_subscribe", STAT_PERMIT_SUBSCRIBE, "result", "allow",
          "Subscriptions that access rules decided about.")
    NEXT("sluice_authz_subscribe", STAT_DENY_SUBSCRIBE, "result", "deny")
    COUNTER("sluice_authz_wills_denied", STAT_DENY_WILL,
            "Wills not published because access rules deny it.")
    COUNTER("sluice_authz_subscriptions_revoked", STAT_REVOKED,
            "Subscriptions removed because rules that are new, or another client of the session, "
            "do not allow them.")
    COUNTER("sluice_sessions_not_owned", STAT_SESSIONS_NOT_OWNED,
            "CONNECTs refused because the session belongs to another user name.")
    FIRST("sluice_quota_refused", STAT_QUOTA_CONNECTIONS, "quota", "connections",
          "What users were refused because of their quotas; messages are in "
          "sluice_messages_dropped.")
    NEXT("sluice_quota_refused", STAT_QUOTA_SUBSCRIPTIONS, "quota", "subscriptions")
    COUNTER("sluice_authn_success", STAT_AUTHN_SUCCESS, "Clients that were authenticated.")
    COUNTER("sluice_authn_anonymous", STAT_AUTHN_ANONYMOUS,
            "Of these, how many no step was asked about.")
    COUNTER("sluice_authn_failure", STAT_AUTHN_FAILURE, "Clients whose authentication failed.")
    COUNTER("sluice_authn_busy", STAT_AUTHN_BUSY,
            "Of these, how many because too many others were waiting for an answer.")
    COUNTER("sluice_authn_timeout", STAT_AUTHN_TIMEOUT,
            "Clients refused because authentication took too long.")
    COUNTER("sluice_authn_expired", STAT_AUTHN_EXPIRED,
            "Connections ended because their authentication expired.")

    /* subscriptions and matching */
    GAUGE("sluice_subscriptions", STAT_SUBSCRIPTIONS, "Subscriptions, shared ones included.")
    GAUGE("sluice_subscriptions_shared", STAT_SUBSCRIPTIONS_SHARED, "Shared subscriptions.")
    COUNTER("sluice_subscribes", STAT_SUBSCRIBED, "Filters subscribed to.")
    COUNTER("sluice_unsubscribes", STAT_UNSUBSCRIBED, "Filters unsubscribed from by clients.")
    FIRST("sluice_match_cache_lookups", STAT_MATCH_HITS, "result", "hit",
          "Matches answered by a shard's cache (hit) or by a walk of the index (miss).")
    NEXT("sluice_match_cache_lookups", STAT_MATCH_MISSES, "result", "miss")
    COUNTER("sluice_shared_redispatched", STAT_SHARE_REDISPATCHED,
            "Shared deliveries passed on to another member.")
    COUNTER("sluice_shared_parked", STAT_SHARE_PARKED,
            "Shared deliveries that had to wait for the group's next member.")

    /* retained messages */
    COUNTER("sluice_retained_stored", STAT_RETAINED_SET, "Retained messages stored or replaced.")
    COUNTER("sluice_retained_deleted", STAT_RETAINED_DELETED, "Retained messages deleted.")
    COUNTER("sluice_retained_expired", STAT_RETAINED_EXPIRED, "Retained messages expired.")
    COUNTER("sluice_log_gaps", STAT_LOG_GAPS,
            "Events that the log could not take; a checkpoint brings it up to date.")
    GAUGE("sluice_log_refusing", STAT_LOG_REFUSING,
          "Logs that take nothing new: failing, on a full disk, or at the limit of their size.")
    COUNTER("sluice_checkpoints_made", STAT_CHECKPOINTS, "Checkpoints written to the end.")
    BYTES("sluice_checkpoints_written_bytes", STAT_CHECKPOINT_BYTES,
          "Bytes of records of these checkpoints.")
    {"sluice_checkpoints_seconds", "Time from the beginning to the end of these checkpoints.",
     NULL, NULL, STAT_CHECKPOINT_NS, false, true, false, "seconds"},
    COUNTER("sluice_log_compacted_messages", STAT_COMPACTED_MESSAGES,
            "Messages copied forward out of segments that held little else.")
    BYTES("sluice_log_compacted_bytes", STAT_COMPACTED_BYTES, "Bytes of these.")
    COUNTER("sluice_log_compacted_segments", STAT_COMPACTED_SEGMENTS,
            "Segments of the log that were set free by this.")
    COUNTER("sluice_recovered_sessions", STAT_RECOVERED_SESSIONS,
            "Sessions that were recovered at start.")
    COUNTER("sluice_recovered_messages", STAT_RECOVERED_MESSAGES,
            "Deliveries, queued or unacknowledged, that were recovered at start.")
    COUNTER("sluice_retained_sent", STAT_RETAINED_SENT, "Retained messages sent to subscribers.")
    FIRST("sluice_retained_refused", STAT_DROP_RETAIN_FULL, "reason", "full",
          "Messages delivered but not retained: the limit of count or bytes was reached, or the "
          "payload was too large.")
    NEXT("sluice_retained_refused", STAT_DROP_RETAIN_LARGE, "reason", "too_large")

    /* the shards' loops, rings and mail */
    SHARDS("sluice_loop_turns", STAT_TURNS, "Turns of a shard's loop.")
    {"sluice_loop_busy_seconds", "Time that a shard spent in turns, sleep excluded.", NULL, NULL,
     STAT_TURN_NS, false, true, true, "seconds"},
    {"sluice_loop_spin_seconds", "Time that a shard spent looking for work before it would sleep.",
     NULL, NULL, STAT_SPIN_NS, false, true, true, "seconds"},
    SHARDS("sluice_loop_sleeps", STAT_SLEEPS, "Times a shard went to sleep in the kernel.")
    COUNTER("sluice_ring_completions", STAT_COMPLETIONS, "io_uring completions handled.")
    COUNTER("sluice_ring_completions_stale", STAT_COMPLETIONS_STALE,
            "io_uring completions for an object that was closed before.")
    COUNTER("sluice_ring_cq_overflows", STAT_CQ_OVERFLOWS,
            "Turns that found io_uring's completion queue overflowed.")
    COUNTER("sluice_ring_buffer_starvations", STAT_RECV_STARVED,
            "Receives that ended because no provided buffer was free.")
    COUNTER("sluice_mail_sent", STAT_MAIL_SENT, "Mail records handed to other threads.")
    COUNTER("sluice_mail_received", STAT_MAIL_RECEIVED, "Mail records taken from other threads.")
    COUNTER("sluice_mail_overflowed", STAT_MAIL_OVERFLOWED,
            "Mail records that waited in the sender's overflow because a ring was full.")
    COUNTER("sluice_mail_wakes", STAT_MAIL_WAKES, "Sleeping threads woken for mail.")
    COUNTER("sluice_log_lines_lost", STAT_LOG_LOST,
            "Log lines dropped because a log ring was full.")
};
/* clang-format on */

/* ---- limits of histograms ---- */

#define METRICS_LIMITS(X)                                                                          \
    X("1e-05", 10000)                                                                              \
    X("2.5e-05", 25000)                                                                            \
    X("5e-05", 50000)                                                                              \
    X("0.0001", 100000)                                                                            \
    X("0.00025", 250000)                                                                           \
    X("0.0005", 500000)                                                                            \
    X("0.001", 1000000)                                                                            \
    X("0.0025", 2500000)                                                                           \
    X("0.005", 5000000)                                                                            \
    X("0.01", 10000000)                                                                            \
    X("0.025", 25000000)                                                                           \
    X("0.05", 50000000)                                                                            \
    X("0.1", 100000000)                                                                            \
    X("0.25", 250000000)                                                                           \
    X("0.5", 500000000)                                                                            \
    X("1.0", 1000000000)                                                                           \
    X("2.5", 2500000000)                                                                           \
    X("5.0", 5000000000)                                                                           \
    X("10.0", 10000000000)                                                                         \
    X("30.0", 30000000000)                                                                         \
    X("60.0", 60000000000)

#define METRICS_LIMIT_TEXT(text, ns) text,
#define METRICS_LIMIT_NS(text, ns)   UINT64_C(ns),
static const char *const metrics_limits[] = {METRICS_LIMITS(METRICS_LIMIT_TEXT)};
static const uint64_t metrics_limits_ns[] = {METRICS_LIMITS(METRICS_LIMIT_NS)};

/* ---- counters ---- */

static bool metrics_has_sample(const struct metrics_entry *entry)
{
    return entry->index < STAT_COUNT;
}

static uint64_t metrics_sum(const struct metrics_sources *sources, unsigned index)
{
    uint64_t sum = sources->ops_stats == NULL ? 0 : net_stats_read(sources->ops_stats, index);
    for (unsigned i = 0; i < sources->shards; i++)
        sum += net_stats_read(sources->shard_stats[i], index);
    return index == STAT_LOG_LOST ? sum + sources->log_lost : sum;
}

static void metrics_put(struct exposition *out, const struct metrics_entry *entry,
                        const struct exposition_label *label, uint64_t value)
{
    uint32_t num_labels = label == NULL ? 0 : 1;
    if (entry->is_gauge && value > INT64_MAX)
        value = 0;
    if (entry->is_ns)
        exposition_real(out, label, num_labels, (double)value / METRICS_NS_PER_SECOND);
    else
        exposition_whole(out, label, num_labels, value);
}

static void metrics_put_shards(struct exposition *out, const struct metrics_entry *entry,
                               const struct metrics_sources *sources)
{
    for (unsigned i = 0; i < sources->shards; i++) {
        char number[METRICS_LABEL_LEN_MAX + 1];
        snprintf(number, sizeof(number), "%u", i);
        struct exposition_label label = {.name = "shard", .value = number};
        metrics_put(out, entry, &label, stat_read(sources->shard_stats[i], entry->index));
    }
}

static void metrics_open(struct exposition *out, const struct metrics_entry *entry)
{
    struct exposition_family family = {.name = entry->family,
                                       .type = entry->is_gauge ? EXPOSITION_GAUGE
                                                               : EXPOSITION_COUNTER,
                                       .unit = entry->unit,
                                       .help = entry->help};
    exposition_open(out, &family);
}

static void metrics_write_counters(struct exposition *out, const struct metrics_sources *sources)
{
    for (size_t i = 0; i < ARRAY_LEN(metrics_entries); i++) {
        const struct metrics_entry *entry = &metrics_entries[i];
        if (entry->help != NULL)
            metrics_open(out, entry);
        if (!metrics_has_sample(entry))
            continue;
        if (entry->is_per_shard) {
            metrics_put_shards(out, entry, sources);
            continue;
        }
        char value[METRICS_LABEL_LEN_MAX + 1] = "";
        for (size_t c = 0; entry->value != NULL && entry->value[c] != '\0'; c++) {
            CHECK(c < METRICS_LABEL_LEN_MAX);
            value[c] = (char)tolower((unsigned char)entry->value[c]);
        }
        struct exposition_label label = {.name = entry->label, .value = value};
        metrics_put(out, entry, entry->label == NULL ? NULL : &label,
                    metrics_sum(sources, entry->index));
    }
}

void metrics_rows(void (*visit)(void *context, const struct metrics_row *row), void *context)
{
    CHECK(visit != NULL);
    for (size_t i = 0; i < ARRAY_LEN(metrics_entries); i++) {
        const struct metrics_entry *entry = &metrics_entries[i];
        if (!metrics_has_sample(entry))
            continue;
        struct metrics_row row = {.family = entry->family,
                                  .index = entry->index,
                                  .kind = entry->is_gauge ? STAT_GAUGE : STAT_COUNTER,
                                  .label = entry->label,
                                  .value = entry->value};
        visit(context, &row);
    }
}

/* ---- what is no counter ---- */

/* A family with one sample without labels. */
static void metrics_write_whole(struct exposition *out, enum exposition_type type, const char *name,
                                const char *unit, const char *help, uint64_t value)
{
    struct exposition_family family = {.name = name, .type = type, .unit = unit, .help = help};
    exposition_open(out, &family);
    exposition_whole(out, NULL, 0, value);
}

/* Such families, in the order of the rows. */
struct metrics_single {
    enum exposition_type type;
    const char *name;
    const char *unit; /* NULL: none */
    const char *help;
    uint64_t value;
};

static void metrics_write_singles(struct exposition *out, const struct metrics_single *rows,
                                  size_t num)
{
    for (size_t i = 0; i < num; i++)
        metrics_write_whole(out, rows[i].type, rows[i].name, rows[i].unit, rows[i].help,
                            rows[i].value);
}

static void metrics_write_real(struct exposition *out, enum exposition_type type, const char *name,
                               const char *unit, const char *help, double value)
{
    struct exposition_family family = {.name = name, .type = type, .unit = unit, .help = help};
    exposition_open(out, &family);
    exposition_real(out, NULL, 0, value);
}

static void metrics_write_build(struct exposition *out, const struct metrics_sources *sources)
{
    const struct exposition_label labels[] = {{"version", sources->version},
                                              {"compiler", __VERSION__}};
    struct exposition_family family = {
        .name = "sluice_build",
        .type = EXPOSITION_INFO,
        .help = "Version of the broker and of the compiler that built it; always 1."};
    exposition_open(out, &family);
    exposition_whole(out, labels, ARRAY_LEN(labels), 1);
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_shards", NULL, "Shards of the broker.",
                        sources->shards);
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_ready", NULL,
                        "1 while the broker takes clients, as /readyz says.", sources->is_ready);
}

static void metrics_write_histogram(struct exposition *out, const char *name, const char *help,
                                    const struct latency *const *latencies, unsigned num)
{
    struct exposition_family family = {
        .name = name, .type = EXPOSITION_HISTOGRAM, .unit = "seconds", .help = help};
    static struct latency all; /* the ops thread's; too large for a stack */
    uint64_t counts[ARRAY_LEN(metrics_limits_ns)];
    memset(&all, 0, sizeof(all));
    for (unsigned i = 0; i < num; i++)
        latency_gather(&all, latencies[i]);
    uint64_t count = latency_cumulate(&all, metrics_limits_ns, ARRAY_LEN(metrics_limits_ns),
                                      counts);
    struct exposition_buckets buckets = {.limits = metrics_limits,
                                         .counts = counts,
                                         .num = ARRAY_LEN(metrics_limits),
                                         .count = count,
                                         .sum = (double)all.sum_ns / METRICS_NS_PER_SECOND};
    exposition_open(out, &family);
    exposition_histogram(out, &buckets);
}

static void metrics_write_shared(struct exposition *out, const struct metrics_sources *sources)
{
    const struct filter_index_figures *filters = &sources->filters;
    const struct metrics_single rows[] = {
        {EXPOSITION_GAUGE, "sluice_retained_messages", NULL, "Retained messages that are stored.",
         sources->retained_messages},
        {EXPOSITION_GAUGE, "sluice_retained_bytes", "bytes",
         "Bytes of the retained messages and their index.", sources->retained_bytes},
        {EXPOSITION_GAUGE, "sluice_filters", NULL,
         "Different topic filters that are subscribed to.", filters->filters},
        {EXPOSITION_GAUGE, "sluice_filters_wildcard", NULL,
         "Different topic filters with a wildcard.", filters->filters_wildcard},
        {EXPOSITION_GAUGE, "sluice_filter_nodes", NULL,
         "Nodes of the trie of filters with a wildcard.", filters->nodes},
        {EXPOSITION_GAUGE, "sluice_filter_shapes", NULL,
         "Different shapes of filters with a wildcard; they bound the cost of a match.",
         filters->shapes},
        {EXPOSITION_GAUGE, "sluice_filter_index_bytes", "bytes",
         "Bytes of the index of filters, groups and members.", filters->bytes},
        {EXPOSITION_COUNTER, "sluice_filters_refused", NULL,
         "Filters refused for want of room or shapes.", filters->refused},
        {EXPOSITION_GAUGE, "sluice_shared_groups", NULL, "Groups of shared subscriptions.",
         filters->groups},
        {EXPOSITION_GAUGE, "sluice_shared_members", NULL,
         "Members of all groups of shared subscriptions.", filters->members},
    };
    metrics_write_singles(out, rows, ARRAY_LEN(rows));
}

/* The rings of mail that end at each shard. */
static void metrics_write_mail(struct exposition *out, const struct metrics_sources *sources)
{
    static const char *const classes[MAIL_CLASS_COUNT] = {"control", "confirm", "data"};
    static const struct exposition_family families[] = {
        {.name = "sluice_mail_ring_records",
         .type = EXPOSITION_GAUGE,
         .help = "Mail records in the rings of one class that end at a shard."},
        {.name = "sluice_mail_ring_fill_ratio",
         .type = EXPOSITION_GAUGE,
         .unit = "ratio",
         .help = "How full the fullest of these rings is, 0 to 1; what does not fit waits with the "
                 "sender."}};
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        exposition_open(out, &families[f]);
        for (unsigned i = 0; i < sources->shards * MAIL_CLASS_COUNT; i++) {
            const unsigned shard = i / MAIL_CLASS_COUNT, class = i % MAIL_CLASS_COUNT;
            struct mail_fill fill = {.records = 0};
            char number[METRICS_LABEL_LEN_MAX + 1];
            snprintf(number, sizeof(number), "%u", shard);
            const struct exposition_label labels[] = {{"shard", number}, {"class", classes[class]}};
            if (sources->mesh != NULL)
                fill = mesh_fill(sources->mesh, (shard_id)shard, (enum mail_class) class);
            if (f == 0)
                exposition_whole(out, labels, ARRAY_LEN(labels), fill.records);
            else
                exposition_real(out, labels, ARRAY_LEN(labels), fill.fullest);
        }
    }
}

static void metrics_write_alarms(struct exposition *out, const struct metrics_sources *sources)
{
    struct exposition_family family = {.name = "sluice_alarm",
                                       .type = EXPOSITION_GAUGE,
                                       .help = "1 while the alarm of that name is raised."};
    static const struct alarms none;
    const struct alarms *alarms = sources->alarms == NULL ? &none : sources->alarms;
    exposition_open(out, &family);
    for (unsigned i = 0; i < ALARM_COUNT; i++) {
        struct exposition_label label = {.name = "name", .value = alarm_name((enum alarm)i)};
        exposition_whole(out, &label, 1, alarms->is_raised[i]);
    }
    family = (struct exposition_family){.name = "sluice_alarms_raised",
                                        .type = EXPOSITION_COUNTER,
                                        .help = "Times the alarm of that name was raised."};
    exposition_open(out, &family);
    for (unsigned i = 0; i < ALARM_COUNT; i++) {
        struct exposition_label label = {.name = "name", .value = alarm_name((enum alarm)i)};
        exposition_whole(out, &label, 1, alarms->times[i]);
    }
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_overload_level", NULL,
                        "What is done about overload: 0 nothing, 1 new connections are refused, 2 "
                        "greedy publishers are paused, too, 3 QoS 0 messages are dropped, too.",
                        sources->overload_level);
}

static void metrics_write_reloads(struct exposition *out, const struct metrics_sources *sources)
{
    const struct exposition_label results[] = {{"result", "applied"}, {"result", "refused"}};
    struct exposition_family family = {
        .name = "sluice_reloads",
        .type = EXPOSITION_COUNTER,
        .help = "Times the configuration was read again, by what came of it."};
    exposition_open(out, &family);
    exposition_whole(out, &results[0], 1, sources->reloads_applied);
    exposition_whole(out, &results[1], 1, sources->reloads_refused);
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_bans", NULL, "Bans that hold.",
                        sources->bans);
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_builtin_users", NULL,
                        "Users in the built-in databases.", sources->builtin_users);
    metrics_write_whole(out, EXPOSITION_GAUGE, "sluice_config_applied_timestamp_seconds", "seconds",
                        "When the configuration in use was read, in seconds since 1970.",
                        sources->reload_applied_at_s);
}

/* Authentication by HTTP, and the helper process that asks. */
static void metrics_write_outside(struct exposition *out, const struct metrics_sources *sources)
{
    const struct authn_http_figures *http = &sources->authn_http;
    const struct connector_figures *helper = &sources->helper;
    const struct metrics_single rows[] = {
        {EXPOSITION_COUNTER, "sluice_authn_http_requests", NULL,
         "Questions sent to authentication servers.", http->asked},
        {EXPOSITION_COUNTER, "sluice_authn_http_failures", NULL,
         "Of these, how many were not answered: time-out, refused, 5xx.", http->failed},
        {EXPOSITION_COUNTER, "sluice_authn_http_cache_hits", NULL,
         "Clients judged by an answer from the cache.", http->cached},
        {EXPOSITION_COUNTER, "sluice_authn_http_cache_stale", NULL,
         "Of these, how many by one older than cache_ttl.", http->stale},
        {EXPOSITION_COUNTER, "sluice_authn_http_breaker_ignored", NULL,
         "Clients about whom nobody was asked, because the breaker was open.", http->broken},
        {EXPOSITION_GAUGE, "sluice_authn_http_breakers_open", NULL,
         "Steps that leave their server alone at present.", http->open},
        {EXPOSITION_COUNTER, "sluice_helper_starts", NULL, "Times sluice-connect was started.",
         helper->starts},
        {EXPOSITION_GAUGE, "sluice_helper_up", NULL,
         "Whether sluice-connect runs; it is started with the first question.", helper->is_up},
        {EXPOSITION_GAUGE, "sluice_helper_requests_under_way", NULL,
         "Requests that wait for an answer from outside.", helper->under_way},
    };
    metrics_write_singles(out, rows, ARRAY_LEN(rows));
}

static void metrics_write_expiries(struct exposition *out, const struct metrics_sources *sources)
{
    const struct exposition_family family = {
        .name = "sluice_tls_expiry_timestamp_seconds",
        .type = EXPOSITION_GAUGE,
        .unit = "seconds",
        .help = "When a certificate of a listener, or the first of its revocation lists, expires, "
                "in seconds since 1970."};
    exposition_open(out, &family);
    for (uint32_t i = 0; i < sources->num_expiries; i++) {
        const struct metrics_expiry *expiry = &sources->expiries[i];
        const struct exposition_label labels[] = {{"listener", expiry->listener},
                                                  {"file", expiry->file}};
        exposition_real(out, labels, ARRAY_LEN(labels), (double)expiry->at_s);
    }
}

static void metrics_write_allocator(struct exposition *out, const struct mem_figures *figures)
{
    const struct metrics_single rows[] = {
        {EXPOSITION_GAUGE, "sluice_allocator_allocated_bytes", "bytes",
         "Bytes that the broker has allocated (jemalloc's stats.allocated).",
         figures->allocated_bytes},
        {EXPOSITION_GAUGE, "sluice_allocator_active_bytes", "bytes",
         "Bytes in pages with an allocation in them (jemalloc's stats.active).",
         figures->active_bytes},
        {EXPOSITION_GAUGE, "sluice_allocator_resident_bytes", "bytes",
         "Bytes of the allocator that are in memory (jemalloc's stats.resident).",
         figures->resident_bytes},
        {EXPOSITION_GAUGE, "sluice_allocator_mapped_bytes", "bytes",
         "Bytes of address space that the allocator holds (jemalloc's stats.mapped).",
         figures->mapped_bytes},
    };
    metrics_write_singles(out, rows, ARRAY_LEN(rows));
}

static void metrics_write_process(struct exposition *out, const struct process_figures *figures)
{
    metrics_write_real(out, EXPOSITION_COUNTER, "process_cpu_seconds", "seconds",
                       "User and system CPU time of the process.", figures->cpu_seconds);
    metrics_write_whole(out, EXPOSITION_GAUGE, "process_resident_memory_bytes", "bytes",
                        "Resident memory of the process.", figures->resident_bytes);
    metrics_write_whole(out, EXPOSITION_GAUGE, "process_virtual_memory_bytes", "bytes",
                        "Virtual memory of the process.", figures->virtual_bytes);
    metrics_write_whole(out, EXPOSITION_GAUGE, "process_open_fds", NULL, "Open descriptors.",
                        figures->open_fds);
    metrics_write_whole(out, EXPOSITION_GAUGE, "process_max_fds", NULL,
                        "Most descriptors that the process may have open.", figures->max_fds);
    metrics_write_real(out, EXPOSITION_GAUGE, "process_start_time_seconds", "seconds",
                       "Start of the process, in seconds since 1970.", figures->start_seconds);
}

void metrics_write(struct exposition *out, const struct metrics_sources *sources)
{
    CHECK(out != NULL && sources != NULL && sources->version != NULL);
    metrics_write_build(out, sources);
    metrics_write_counters(out, sources);
    metrics_write_mail(out, sources);
    metrics_write_shared(out, sources);
    metrics_write_reloads(out, sources);
    metrics_write_outside(out, sources);
    metrics_write_alarms(out, sources);
    metrics_write_expiries(out, sources);
    metrics_write_histogram(out, "sluice_publish_to_deliver_seconds",
                            "Time from the turn in which a publication was received to the end of "
                            "the turn that handed a copy of it to a connection; retained messages "
                            "and copies sent again are not in it.",
                            sources->delivery_times, sources->shards);
    metrics_write_histogram(out, "sluice_loop_turn_seconds",
                            "Length of the turns of all shards' loops, sleep excluded.",
                            sources->turn_times, sources->shards);
    metrics_write_histogram(out, "sluice_wal_commit_seconds",
                            "Time from the request that writes a commit of the log to its "
                            "completion.",
                            sources->commit_times, sources->shards);
    if (sources->allocator != NULL)
        metrics_write_allocator(out, sources->allocator);
    if (sources->process != NULL)
        metrics_write_process(out, sources->process);
}
