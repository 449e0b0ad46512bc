/*
 * config_table_limits.h -- the keys of what protects the broker from clients and from load, one row
 * each; config_table.h has the form.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_TABLE_LIMITS_H
#define SLUICE_CONFIG_TABLE_LIMITS_H

#include "bucket.h"

/* clang-format off */

#define CONFIG_BANNED_TABLE(X) \
    X(bootstrap_file, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "CSV file of bans, with the columns `as,who,reason,at,until,by`. Read at start and with " \
      "every reload; who is connected and banned by it is disconnected. Empty: none.")

#define CONFIG_FLAPPING_DETECT_TABLE(X) \
    X(enable, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether clients whose connections end too often are banned for a while.") \
    X(max_count, COUNT, 1, 1000000, "15", NUMBER, RELOAD, \
      "So many ends of connections of one client id within `window_time` are too many.") \
    X(window_time, DURATION, CONFIG_S_IN_MS(1), CONFIG_H_IN_MS(24), "1m", NUMBER, RELOAD, \
      "See `max_count`; in whole seconds.") \
    X(ban_time, SECONDS, 1, CONFIG_INTERVAL_S_MAX, "5m", NUMBER, RELOAD, \
      "How long such a client id is banned.")

#define CONFIG_OVERLOAD_PROTECTION_TABLE(X) \
    X(enable, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether the broker, while it is overloaded, first refuses new connections, then pauses " \
      "greedy publishers, then drops QoS 0 messages.") \
    X(loop_lag_high, DURATION, 1, CONFIG_S_IN_MS(60), "500ms", ZERO_INFINITE, RELOAD, \
      "A turn of a shard's loop that takes longer than this means overload.") \
    X(memory_high, SIZE, CONFIG_MB(1), CONFIG_GB(65536), "infinity", INFINITE, RELOAD, \
      "More resident memory of the process than this means overload.") \
    X(step_time, DURATION, 100, CONFIG_H_IN_MS(1), "1s", NUMBER, RELOAD, \
      "The next measure is taken when overload has lasted for this long, and the last one is " \
      "ended when lag and memory have been below four fifths of their marks for this long.") \
    X(greedy_rate, RATE, 1, BUCKET_AMOUNT_MAX, "100/s", NUMBER, RELOAD, \
      "A client that publishes more often than this is greedy: while publishers are paused it is " \
      "held to this rate.")

#define CONFIG_QUOTAS_TABLE(X) \
    X(connections, COUNT, 1, UINT32_MAX - 1, "infinity", INFINITE, RELOAD, \
      "Most connections of one user name (reason 0x97, MQTT 3: return code 3).") \
    X(subscriptions, COUNT, 1, UINT32_MAX - 1, "infinity", INFINITE, RELOAD, \
      "Most subscriptions of all sessions of one user name (reason 0x97, MQTT 3: 0x80).") \
    X(queued_bytes, SIZE, CONFIG_KB(1), CONFIG_GB(65536), "infinity", INFINITE, RELOAD, \
      "Most bytes that wait in the queues of all sessions of one user name. Over it the session " \
      "that gets one more message drops the oldest of the lowest priority.") \
    X(retained, COUNT, 1, UINT32_MAX - 1, "infinity", INFINITE, RELOAD, \
      "Most retained messages of one user name. What it publishes to be retained beyond that is " \
      "refused (reason 0x97; MQTT 3: the connection is closed without an acknowledgement).") \
    X(retained_bytes, SIZE, CONFIG_KB(1), CONFIG_GB(65536), "infinity", INFINITE, RELOAD, \
      "Most bytes of all retained messages of one user name; over it as for `retained`.")

/* clang-format on */

#endif
