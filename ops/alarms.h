/*
 * alarms.h -- what an operator should know about now: a fixed list of alarms, each raised or not.
 *
 * Raising and clearing are logged once; /metrics tells for each whether it is raised
 * (sluice_alarm{name="..."}) and how often it has been.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ALARMS_H
#define SLUICE_ALARMS_H

#include "check.h"

/* X(identifier, name, text while it is raised) */
#define ALARM_TABLE(X)                                                                             \
    X(ALARM_OVERLOAD_REFUSING, "overload_refusing", "overload: new connections are refused")       \
    X(ALARM_OVERLOAD_PAUSING, "overload_pausing", "overload: greedy publishers are paused")        \
    X(ALARM_OVERLOAD_SHEDDING, "overload_shedding", "overload: QoS 0 messages are dropped")        \
    X(ALARM_LOG_FAILING, "log_failing", "what would have to be logged is refused")

#define ALARM_ENUM(id, name, text) id,
enum alarm { ALARM_TABLE(ALARM_ENUM) ALARM_COUNT };
#undef ALARM_ENUM

/* All zero: none is raised. */
struct alarms {
    bool is_raised[ALARM_COUNT];
    uint64_t times[ALARM_COUNT]; /* raised so far */
};

/* Raises or clears, unless it is so already; `why` is a few words for the log, or "". */
void alarms_set(struct alarms *alarms, enum alarm alarm, bool is_raised, const char *why);

const char *alarm_name(enum alarm alarm);

#endif
