/*
 * engine_stats.h -- what the runtime counts. One row each: identifier, kind, name, help.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_ENGINE_STATS_H
#define SLUICE_ENGINE_STATS_H

#include "stat.h"

#define ENGINE_STATS(X)                                                                            \
    X(STAT_TURNS, COUNTER, "loop_turns", "Turns of the shard's loop.")                             \
    X(STAT_TURN_NS, COUNTER, "loop_busy_ns", "Time spent in turns, sleep excluded.")               \
    X(STAT_SLEEPS, COUNTER, "loop_sleeps", "Times the shard went to sleep in the kernel.")         \
    X(STAT_SPIN_NS, COUNTER, "loop_spin_ns", "Time spent looking for work before sleeping.")       \
    X(STAT_COMPLETIONS, COUNTER, "ring_completions", "io_uring completions handled.")              \
    X(STAT_COMPLETIONS_STALE, COUNTER, "ring_completions_stale",                                   \
      "Completions for an object that was closed before.")                                         \
    X(STAT_CQ_OVERFLOWS, COUNTER, "ring_cq_overflows", "Turns that found the CQ overflowed.")      \
    X(STAT_RECV_STARVED, COUNTER, "ring_recv_starved",                                             \
      "Receives that ended because no provided buffer was free.")                                  \
    X(STAT_MAIL_SENT, COUNTER, "mail_sent", "Mail records handed to other threads.")               \
    X(STAT_MAIL_RECEIVED, COUNTER, "mail_received", "Mail records taken from other threads.")      \
    X(STAT_MAIL_OVERFLOWED, COUNTER, "mail_overflowed",                                            \
      "Mail records that waited in the sender's overflow because a ring was full.")                \
    X(STAT_MAIL_WAKES, COUNTER, "mail_wakes", "Sleeping threads woken for mail.")                  \
    X(STAT_LOG_LOST, COUNTER, "log_lost", "Log lines dropped because the log ring was full.")

#define ENGINE_STAT_ENUM(id, kind, name, help) id,
enum engine_stat {
    STAT_ENGINE_BEFORE = STAT_ENGINE_FIRST - 1,
    ENGINE_STATS(ENGINE_STAT_ENUM) STAT_ENGINE_END
};
#undef ENGINE_STAT_ENUM

STATIC_CHECK((int)STAT_ENGINE_END <= (int)STAT_PERSIST_FIRST,
             "the engine's counters fit their range");

#endif
