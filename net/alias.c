/*
 * alias.c -- see alias.h.
 * Threads: see alias.h.
 */
#include "alias.h"

#include <string.h>

#include "mem.h"

#define ALIAS_IN_FIRST 8

struct alias_topic {
    uint8_t *ptr; /* NULL: not bound */
    uint32_t len;
    uint64_t hash;
};

struct alias_in {
    uint32_t capacity; /* topics[alias - 1] */
    uint32_t bytes;
    struct alias_topic *topics;
};

/* Direct-mapped: topic hash modulo `places` names the alias. */
struct alias_out {
    uint16_t places;
    struct alias_topic topics[];
};

static bool alias_in_reserve(struct alias_in *in, uint16_t alias)
{
    if (alias <= in->capacity)
        return true;
    uint32_t capacity = in->capacity == 0 ? ALIAS_IN_FIRST : in->capacity;
    while (capacity < alias)
        capacity *= 2;
    struct alias_topic *topics = mem_alloc(capacity * sizeof(*topics));
    if (topics == NULL)
        return false;
    memset(topics, 0, capacity * sizeof(*topics));
    if (in->capacity > 0)
        memcpy(topics, in->topics, in->capacity * sizeof(*topics));
    mem_free(in->topics);
    in->topics = topics;
    in->capacity = capacity;
    return true;
}

/* Replaces what `topic` holds. */
static bool alias_topic_set(struct alias_topic *topic, struct bytes text, uint64_t hash)
{
    uint8_t *copy = mem_alloc(text.len > 0 ? text.len : 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    mem_free(topic->ptr);
    *topic = (struct alias_topic){.ptr = copy, .len = text.len, .hash = hash};
    return true;
}

static bool alias_topic_is(const struct alias_topic *topic, struct bytes text, uint64_t hash)
{
    return topic->ptr != NULL && topic->hash == hash && topic->len == text.len &&
           memcmp(topic->ptr, text.ptr, text.len) == 0;
}

enum rc alias_in_set(struct conn *conn, uint16_t alias, struct bytes topic, uint64_t hash)
{
    CHECK(alias > 0);
    if (conn->aliases_in == NULL) {
        conn->aliases_in = mem_alloc(sizeof(*conn->aliases_in));
        if (conn->aliases_in == NULL)
            return RC_NO_MEMORY;
        *conn->aliases_in = (struct alias_in){0};
    }
    struct alias_in *in = conn->aliases_in;
    if (!alias_in_reserve(in, alias))
        return RC_NO_MEMORY;
    struct alias_topic *place = &in->topics[alias - 1];
    if (alias_topic_is(place, topic, hash))
        return RC_OK;
    uint32_t before = place->len;
    if (in->bytes - before + topic.len > ALIAS_IN_BYTES_MAX)
        return RC_FULL;
    if (!alias_topic_set(place, topic, hash))
        return RC_NO_MEMORY;
    in->bytes = in->bytes - before + topic.len;
    return RC_OK;
}

bool alias_in_get(const struct conn *conn, uint16_t alias, struct bytes *out_topic,
                  uint64_t *out_hash)
{
    const struct alias_in *in = conn->aliases_in;
    if (in == NULL || alias == 0 || alias > in->capacity || in->topics[alias - 1].ptr == NULL)
        return false;
    const struct alias_topic *topic = &in->topics[alias - 1];
    *out_topic = (struct bytes){.ptr = topic->ptr, .len = topic->len};
    *out_hash = topic->hash;
    return true;
}

uint16_t alias_out_find(struct conn *conn, struct bytes topic, uint64_t hash, bool *out_known)
{
    *out_known = false;
    if (conn->alias_out_max == 0)
        return 0;
    if (conn->aliases_out == NULL) {
        size_t size = conn->alias_out_max * sizeof(struct alias_topic);
        conn->aliases_out = mem_alloc(sizeof(*conn->aliases_out) + size);
        if (conn->aliases_out == NULL)
            return 0;
        memset(conn->aliases_out, 0, sizeof(*conn->aliases_out) + size);
        conn->aliases_out->places = conn->alias_out_max;
    }
    uint16_t place = (uint16_t)(hash % conn->aliases_out->places);
    *out_known = alias_topic_is(&conn->aliases_out->topics[place], topic, hash);
    return (uint16_t)(place + 1);
}

void alias_out_commit(struct conn *conn, uint16_t alias, struct bytes topic, uint64_t hash)
{
    struct alias_out *out = conn->aliases_out;
    CHECK(out != NULL && alias > 0 && alias <= out->places);
    struct alias_topic *place = &out->topics[alias - 1];
    if (alias_topic_set(place, topic, hash))
        return;
    /* Not remembered: the client's binding is then simply set again the next time. */
    mem_free(place->ptr);
    *place = (struct alias_topic){0};
}

void aliases_free(struct conn *conn)
{
    if (conn->aliases_in != NULL) {
        for (uint32_t i = 0; i < conn->aliases_in->capacity; i++)
            mem_free(conn->aliases_in->topics[i].ptr);
        mem_free(conn->aliases_in->topics);
        mem_free(conn->aliases_in);
        conn->aliases_in = NULL;
    }
    if (conn->aliases_out != NULL) {
        for (uint32_t i = 0; i < conn->aliases_out->places; i++)
            mem_free(conn->aliases_out->topics[i].ptr);
        mem_free(conn->aliases_out);
        conn->aliases_out = NULL;
    }
}
