/*
 * config_table.h -- every key of the configuration, one row each.
 *
 * From these rows come the fields of struct config, what a value may be, the names of the
 * environment variables, what --check-config says and the reference page (docs/configuration.md).
 * Adding a key is adding a row, and then enforcing it.
 *
 * X(name, type, min, max, default, words, reload, text)
 *
 *   name     the key inside its section. The field is the name, with _ms, _s or _permille behind
 *            it where the type has that unit.
 *   type     BOOL COUNT SIZE DURATION SECONDS FACTOR TEXT LIST CPUS PRIORITIES FIELDS BIND
 *            KEEPALIVE ENDPOINT RATE BYTE_RATE,
 *            or an enumeration of config.h (SHARE_STRATEGY, DEFAULT_PRIORITY, LOG_LEVEL,
 *            LOG_FORMAT, DURABILITY_MODE, RECOVERY, ACL_FORMAT, PERMISSION, DENY_ACTION)
 *   min max  in the field's unit; for TEXT its length in bytes; unused (0, 0) for the others
 *   default  as an operator would write it
 *   words    NUMBER, or INFINITE: `infinity` is allowed too, or ZERO_INFINITE: so is 0, with the
 *            same meaning, or DISABLED: `disabled` is allowed too. All give the field's highest
 *            value.
 *   reload   RELOAD: may change while the broker runs; RESTART: only at start
 *   text     one or two sentences for the operator
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_TABLE_H
#define SLUICE_CONFIG_TABLE_H

#include "bucket.h"
#include "config_authorization.h"
#include "config_table_limits.h"
#include "config_table_listener.h"
#include "limits.h"

#define CONFIG_KB(n)      (UINT64_C(1024) * (n))
#define CONFIG_MB(n)      (UINT64_C(1048576) * (n))
#define CONFIG_GB(n)      (UINT64_C(1073741824) * (n))
#define CONFIG_S_IN_MS(n) (UINT64_C(1000) * (n))
#define CONFIG_H_IN_MS(n) (UINT64_C(3600000) * (n))

/* The highest interval in seconds below "never", which is 0xFFFFFFFF (MQTT 5.0 3.1.2.11.2). */
#define CONFIG_INTERVAL_S_MAX (UINT32_MAX - 1)

/* clang-format off */

#define CONFIG_SECTION_TABLE(X) \
    X(mqtt, "What the protocol allows and announces.") \
    X(retained, "Retained messages.") \
    X(limits, "Bounds of the whole process and of one connection.") \
    X(shards, "Threads and the CPUs they are pinned to.") \
    X(admin, "For operators: `/metrics` and health by HTTP, changes by a control socket.") \
    X(access, "Who may come in. See [access](access.md).") \
    X(banned, "Clients that must not come in. See [limits](limits.md).") \
    X(flapping_detect, "Clients that come and go too often.") \
    X(quotas, "What one user name may have at the same time. See [limits](limits.md).") \
    X(overload_protection, "What the broker does when there is more load than it can take.") \
    X(durability, "The log of durable sessions and retained messages; see durability.md.") \
    X(authorization, "What clients may do. See [access](access.md).") \
    X(log, "What is logged, and how. The log goes to standard error.") \
    X(shutdown, "How the broker stops.")

#define CONFIG_ROOT_TABLE(X) \
    X(data_dir, TEXT, 0, 4000, "", NUMBER, RESTART, \
      "Directory for everything that survives a restart. Empty: `/var/lib/sluice` for root, " \
      "`$XDG_STATE_HOME/sluice` for others. `none` keeps everything in memory.")

#define CONFIG_MQTT_TABLE(X) \
    X(connect_timeout, DURATION, 100, CONFIG_H_IN_MS(1), "15s", NUMBER, RELOAD, \
      "A connection without a whole CONNECT packet after this time is closed.") \
    X(max_packet_size, SIZE, CONFIG_KB(1), CONFIG_MB(256), "1MB", NUMBER, RELOAD, \
      "Largest packet accepted, announced as Maximum Packet Size. `256MB` means the largest that " \
      "MQTT can express, 268435455 bytes.") \
    X(max_clientid_len, COUNT, 23, STRING_LEN_MAX, "65535", NUMBER, RELOAD, \
      "Longest client identifier accepted, in bytes (reason 0x85).") \
    X(max_topic_levels, COUNT, 1, TOPIC_LEVELS_MAX, "128", NUMBER, RELOAD, \
      "Most levels of a topic name (reason 0x90) or topic filter (reason 0x8F).") \
    X(max_topic_alias, COUNT, 0, 65535, "65535", NUMBER, RELOAD, \
      "Topic Alias Maximum announced: the highest alias a client may use. 0 allows none.") \
    X(max_topic_alias_out, COUNT, 0, 65535, "16", NUMBER, RELOAD, \
      "Most aliases the broker uses towards one client, never more than that client allows.") \
    X(max_qos, COUNT, 0, 2, "2", NUMBER, RELOAD, \
      "Highest QoS, announced as Maximum QoS. A PUBLISH above it ends the connection (reason " \
      "0x9B), a subscription above it is granted this one.") \
    X(retain_available, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether clients may publish retained messages (reason 0x9A if not).") \
    X(wildcard_subscription, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether filters may contain `+` and `#` (reason 0xA2 if not).") \
    X(shared_subscription, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether `$share/group/filter` and `$queue/filter` are allowed (reason 0x9E if not).") \
    X(subscription_identifiers, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether subscriptions may carry an identifier (reason 0xA1 if not).") \
    X(shared_subscription_strategy, SHARE_STRATEGY, 0, 0, "round_robin", NUMBER, RELOAD, \
      "How the member of a shared group that gets a message is chosen. `hash` is another name of " \
      "`hash_clientid`.") \
    X(ignore_loop_deliver, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "MQTT 3.x clients do not get their own messages back (MQTT 5 has No Local for this).") \
    X(response_information, TEXT, 0, STRING_LEN_MAX, "", NUMBER, RELOAD, \
      "Response Information, sent to clients that ask for it. Empty: none is sent.") \
    X(server_keepalive, SECONDS, 0, 65535, "disabled", DISABLED, RELOAD, \
      "Server Keep Alive: the keep alive that MQTT 5 clients have to use instead of their own. " \
      "`0s` turns keep alive off.") \
    X(keepalive_multiplier, FACTOR, 1000, 10000, "1.5", NUMBER, RELOAD, \
      "A client is gone when nothing came from it for its keep alive times this factor.") \
    X(max_inflight, COUNT, 1, 65535, "1024", NUMBER, RELOAD, \
      "Most QoS 1 and 2 messages sent to a client and not yet acknowledged, never more than the " \
      "client's Receive Maximum. With few the client's acknowledgements set the pace: 32 cost " \
      "more than half of the throughput. After a lost connection as many may be sent again.") \
    X(max_inflight_bytes, SIZE, CONFIG_KB(1), CONFIG_GB(1024), "16MB", ZERO_INFINITE, RELOAD, \
      "Most bytes of these messages; more wait in the session. One message is always sent.") \
    X(receive_maximum, COUNT, 1, 65535, "1024", NUMBER, RELOAD, \
      "Receive Maximum announced: the most QoS 1 and 2 messages a client may have sent without " \
      "an acknowledgement (reason 0x93).") \
    X(max_awaiting_rel, COUNT, 1, 65535, "1024", NUMBER, RELOAD, \
      "Most QoS 2 messages of one client that wait for its PUBREL.") \
    X(await_rel_timeout, DURATION, 100, CONFIG_H_IN_MS(8760), "300s", \
      ZERO_INFINITE, RELOAD, \
      "How long a QoS 2 message waits for PUBREL before its packet identifier is forgotten.") \
    X(max_mqueue_len, COUNT, 1, UINT32_MAX - 1, "1000", ZERO_INFINITE, RELOAD, \
      "Most messages that wait in one session, for each priority. The oldest is dropped first.") \
    X(max_mqueue_bytes, SIZE, CONFIG_KB(1), CONFIG_GB(1024), "64MB", ZERO_INFINITE, RELOAD, \
      "Most bytes of messages that wait in one session.") \
    X(mqueue_priorities, PRIORITIES, 1, 255, "disabled", NUMBER, RELOAD, \
      "A map from topic names to priorities 1 to 255; higher leaves the queue first. In one " \
      "line of text: `topic=10,other/topic=8`.") \
    X(mqueue_default_priority, DEFAULT_PRIORITY, 0, 0, "lowest", NUMBER, RELOAD, \
      "Priority of topics that `mqueue_priorities` does not name.") \
    X(mqueue_store_qos0, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether QoS 0 messages wait in a session too, or are dropped when it cannot take them.") \
    X(max_subscriptions, COUNT, 1, UINT32_MAX - 1, "infinity", ZERO_INFINITE, RELOAD, \
      "Most subscriptions of one session (reason 0x97).") \
    X(upgrade_qos, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Deliver with the higher, not the lower, of the message's and the subscription's QoS.") \
    X(session_expiry_interval, SECONDS, 0, CONFIG_INTERVAL_S_MAX, "2h", INFINITE, RELOAD, \
      "How long the session of a disconnected MQTT 3.x client with clean session 0 is kept.") \
    X(max_session_expiry_interval, SECONDS, 0, CONFIG_INTERVAL_S_MAX, "infinity", INFINITE, \
      RELOAD, \
      "Longest Session Expiry Interval of MQTT 5 clients; more is cut to this and announced.") \
    X(message_expiry_interval, SECONDS, 1, CONFIG_INTERVAL_S_MAX, "infinity", INFINITE, RELOAD, \
      "Longest Message Expiry Interval; a longer one is cut to this.") \
    X(server_reference, TEXT, 0, STRING_LEN_MAX, "", NUMBER, RELOAD, \
      "Server Reference, sent to clients that are told to use another server (reasons 0x9C and " \
      "0x9D). Empty: none is sent.") \
    X(payload_format_check, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether a payload that is declared UTF-8 is checked to be so (reason 0x99).")

#define CONFIG_RETAINED_TABLE(X) \
    X(max_messages, COUNT, 1, UINT32_MAX - 1, "infinity", ZERO_INFINITE, RELOAD, \
      "Most retained messages. When it is reached, no new topics are retained; those that are " \
      "there are still replaced.") \
    X(max_bytes, SIZE, CONFIG_KB(1), CONFIG_GB(1048576), "infinity", ZERO_INFINITE, RELOAD, \
      "Most bytes of all retained messages; over it as for `max_messages`.") \
    X(max_payload_size, SIZE, 1, CONFIG_MB(256), "1MB", ZERO_INFINITE, RELOAD, \
      "Largest payload that is retained. A larger one is delivered but not retained.") \
    X(msg_expiry_interval, SECONDS, 1, CONFIG_INTERVAL_S_MAX, "0s", ZERO_INFINITE, RELOAD, \
      "How long a retained message without an expiry of its own is kept. `0s` means for ever.") \
    X(stop_publish_clear_msg, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether the empty message that clears a retained one stays with the broker instead of " \
      "going to subscribers.")

#define CONFIG_LIMITS_TABLE(X) \
    X(max_connections, COUNT, 1, UINT32_MAX - 1, "infinity", ZERO_INFINITE, RELOAD, \
      "Most connections of all listeners together.") \
    X(connection_output_bytes, SIZE, CONFIG_KB(4), CONFIG_GB(1), "16MB", NUMBER, RELOAD, \
      "Unsent bytes of one connection beyond which QoS 0 messages for it are dropped, and go on " \
      "being dropped until less than half of it waits.") \
    X(output_bytes, SIZE, CONFIG_MB(1), CONFIG_GB(1024), "1GB", INFINITE, RELOAD, \
      "Unsent bytes of all connections together. Over it a connection with more than 64KB of " \
      "them is treated as if it had reached `connection_output_bytes`.") \
    X(message_bytes, SIZE, CONFIG_MB(1), CONFIG_GB(1024), "infinity", INFINITE, RELOAD, \
      "Bytes of all messages that are kept: waiting, unacknowledged, retained, on their way " \
      "between shards. Over it QoS 1 and 2 and retained messages are refused (MQTT 5: reason " \
      "0x97; 3.x: the connection is closed without an acknowledgement), and QoS 0 is not kept.") \
    X(mail_overflow_bytes, SIZE, CONFIG_KB(64), CONFIG_GB(64), "64MB", NUMBER, RELOAD, \
      "Bytes of messages that may wait at one shard for room in the rings to the others. Over " \
      "it the shard stops reading from its publishers until there is room.") \
    X(tls_handshakes, COUNT, 1, UINT32_MAX - 1, "4096", INFINITE, RELOAD, \
      "Most TLS handshakes under way in one shard. A new one then takes the place of the one " \
      "that has waited longest for its client.") \
    X(packet_timeout, DURATION, 100, CONFIG_H_IN_MS(24), "5m", ZERO_INFINITE, RELOAD, \
      "A client whose packet is not whole this long after its beginning came is disconnected " \
      "(reason 0x97).") \
    X(unfinished_bytes, SIZE, CONFIG_KB(64), CONFIG_GB(1024), "1GB", INFINITE, RELOAD, \
      "Bytes of packets that are not whole yet, of all connections together. Over it a " \
      "connection that has more than 4KB of them and receives more is disconnected (reason " \
      "0x97).") \
    X(send_timeout, DURATION, 100, CONFIG_H_IN_MS(24), "15s", ZERO_INFINITE, RELOAD, \
      "A client that takes no byte for this long while there are bytes for it is disconnected.")

#define CONFIG_SHARDS_TABLE(X) \
    X(count, COUNT, 0, SHARDS_MAX, "0", NUMBER, RESTART, \
      "Number of shards, each a thread with connections and sessions of its own. 0: one for " \
      "each CPU of `cpus`, or else of the process's affinity mask.") \
    X(cpus, CPUS, 0, 0, "", NUMBER, RESTART, \
      "CPUs to pin shards to, such as `0-3,8`, in the order of the shards; beyond its end it " \
      "starts again. Empty: the CPUs of the process's affinity mask.") \
    X(spin_us, COUNT, 0, 1000, "100", NUMBER, RESTART, \
      "Most microseconds for which a shard looks for work before it sleeps. See architecture.md.")

#define CONFIG_ADMIN_TABLE(X) \
    X(listen, ENDPOINT, 0, 0, "tcp://127.0.0.1:18083", NUMBER, RESTART, \
      "Address of the endpoint, or `none`. Who reaches it can read it: it knows no passwords. " \
      "Without a port it is 18083. If the default is in use already, the broker starts without " \
      "an endpoint and says so; an address that was configured has to be free.") \
    X(control, TEXT, 0, 107, "", NUMBER, RESTART, \
      "Path of the Unix socket by which `sluicectl` changes bans and users while the broker " \
      "runs; only the broker's own user and root reach it. Empty: `control.sock` in the data " \
      "directory. `none`: there is none.")

#define CONFIG_ACCESS_TABLE(X) \
    X(allow_anonymous, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether clients may come in without a user name. Without any step in `authentication` " \
      "they may from this machine, and with `true` from everywhere, whatever their user name is.") \
    X(auth_timeout, DURATION, 100, CONFIG_H_IN_MS(1), "30s", NUMBER, RELOAD, \
      "A client that is not authenticated after this time is refused.") \
    X(auth_queue, COUNT, 1, 1000000, "4096", NUMBER, RESTART, \
      "Most clients whose password is waiting for a worker, or for an answer from outside. Over " \
      "it a client is told to come later (reason 0x89).") \
    X(auth_workers, COUNT, 0, 32, "0", NUMBER, RESTART, \
      "Threads that verify passwords while a core has nothing else to do. 0: one for every two " \
      "shards.")

#define CONFIG_DURABILITY_TABLE(X) \
    X(mode, DURABILITY_MODE, 0, 0, "commit", NUMBER, RESTART, \
      "When an acknowledgement leaves. `commit`: when what it claims is on the disk. `os`: when " \
      "the operating system has it, which survives the end of the broker but not that of the " \
      "machine. `interval`: as `os`, and on the disk after `interval` more.") \
    X(interval, DURATION, 1, CONFIG_H_IN_MS(1), "100ms", NUMBER, RESTART, \
      "How often the log is brought to the disk with `mode: interval`.") \
    X(max_disk_bytes, SIZE, CONFIG_MB(64), CONFIG_GB(1048576), "infinity", ZERO_INFINITE, \
      RESTART, \
      "Most bytes of all log files together. When it is reached, what must be logged is refused " \
      "until clients have taken their messages (MQTT 5: reason 0x97; 3.x: no acknowledgement).") \
    X(recovery, RECOVERY, 0, 0, "strict", NUMBER, RESTART, \
      "What to do with a log that is damaged, not merely cut off by a crash. `strict`: refuse to " \
      "start, say where. `skip-damaged`: leave out what cannot be read, say where, and go on.")

#define CONFIG_LOG_TABLE(X) \
    X(level, LOG_LEVEL, 0, 0, "info", NUMBER, RELOAD, \
      "Least important messages that are logged.") \
    X(format, LOG_FORMAT, 0, 0, "text", NUMBER, RELOAD, \
      "`auto` is text on a terminal and JSON elsewhere.")

#define CONFIG_SHUTDOWN_TABLE(X) \
    X(drain_timeout, DURATION, 0, CONFIG_H_IN_MS(1), "5s", NUMBER, RELOAD, \
      "How long clients may take what was already queued for their connections after the " \
      "broker was told to stop.")

/* clang-format on */

#endif
