/*
 * topic.h -- topic names and topic filters as text: checking, splitting, comparing.
 *
 * A name is what a publisher writes, a filter what a subscriber writes; both are UTF-8 without
 * U+0000 (the decoder's business) and levels separated by '/'. Levels may be empty: "/" has two.
 * '+' stands for one whole level, '#' for the rest including the level above it and only at the
 * end. A filter that begins with a wildcard matches no name that begins with '$'. Nothing is
 * normalised [MQTT-4.7.3-4]: levels compare byte by byte.
 *
 * Shared subscriptions: "$share/group/filter" and "$queue/filter" (the group named "$queue").
 * "$share" and "$queue" with no '/' after them are ordinary filters.
 *
 * Nothing here allocates. The name check is one pass of 16 bytes a step.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_TOPIC_H
#define SLUICE_TOPIC_H

#include "bytes.h"

#define TOPIC_RESULT_TABLE(X)                                                                      \
    X(TOPIC_OK, "valid")                                                                           \
    X(TOPIC_EMPTY, "empty")                                                                        \
    X(TOPIC_TOO_LONG, "longer than 65535 bytes")                                                   \
    X(TOPIC_TOO_MANY_LEVELS, "more levels than allowed")                                           \
    X(TOPIC_WILDCARD_IN_NAME, "a wildcard in a topic name")                                        \
    X(TOPIC_PLUS_MISPLACED, "'+' does not fill its level")                                         \
    X(TOPIC_HASH_MISPLACED, "'#' is not alone at the end")                                         \
    X(TOPIC_SHARE_MISSHAPED, "not of the form $share/name/filter")

#define TOPIC_RESULT_ENUM(name, text) name,
enum topic_result { TOPIC_RESULT_TABLE(TOPIC_RESULT_ENUM) TOPIC_RESULT_COUNT };
#undef TOPIC_RESULT_ENUM

/* Static text for logs; never NULL for a valid code. */
const char *topic_result_text(enum topic_result result);

/* May `topic` be published to? [MQTT-4.7.0-1, 4.7.3-1, 4.7.3-3] At most `levels_max` levels. */
MUST_USE enum topic_result topic_name_check(struct bytes topic, uint32_t levels_max);

/* Is `filter`, already without a share prefix, well formed? [MQTT-4.7.1-1, 4.7.1-2, 4.7.3-1] */
MUST_USE enum topic_result topic_filter_check(struct bytes filter, uint32_t levels_max);

/* A value. */
struct topic_filter_parts {
    struct bytes group;  /* views into the text; empty if not shared; "$queue" for $queue/... */
    struct bytes filter; /* the filter proper; not checked */
    bool is_shared;
};

/*
 * Cuts the share prefix off. TOPIC_OK: `out` is filled; the filter proper has yet to go through
 * topic_filter_check. TOPIC_SHARE_MISSHAPED: the name is empty, holds '+' or '#', or no filter
 * follows [MQTT-4.8.2-1, 4.8.2-2]; `out` is untouched.
 */
MUST_USE enum topic_result topic_filter_split(struct bytes text, struct topic_filter_parts *out);

/* Does a valid filter contain a wildcard? */
bool topic_filter_has_wildcard(struct bytes filter);

/*
 * Does the valid `filter` match the valid `topic`? Compares level by level: the plain statement of
 * section 4.7 to which the indexes are held. [MQTT-4.7.2-1] included.
 */
bool topic_matches(struct bytes filter, struct bytes topic);

/* Number of levels: separators plus one. */
uint32_t topic_levels_count(struct bytes text);

/*
 * Steps through levels: start with `*rest` = the text and `*more` = true; each call that returns
 * true has put the next level (possibly empty) into `*out_level`.
 */
static inline bool topic_level_next(struct bytes *rest, bool *more, struct bytes *out_level)
{
    if (!*more)
        return false;
    const uint8_t *slash = rest->len > 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    if (slash == NULL) {
        *out_level = *rest;
        *more = false;
        return true;
    }
    uint32_t len = (uint32_t)(slash - rest->ptr);
    *out_level = (struct bytes){.ptr = rest->ptr, .len = len};
    *rest = (struct bytes){.ptr = slash + 1, .len = rest->len - len - 1};
    return true;
}

#endif
