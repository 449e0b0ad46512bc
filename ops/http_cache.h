/*
 * http_cache.h -- answers of a server by the digest of what was asked, the oldest pushed out.
 *
 * Bounds: HTTP_CACHE_MAX answers.
 *
 * Threads: the owner's.
 */
#ifndef SLUICE_HTTP_CACHE_H
#define SLUICE_HTTP_CACHE_H

#include "connect_wire.h"
#include "list.h"

#define HTTP_CACHE_KEY_LEN 32
#define HTTP_CACHE_MAX     8192

struct http_cache_entry {
    struct list_node node;          /* in http_cache.order */
    struct http_cache_entry *chain; /* next in the bucket */
    uint64_t stored_ms;
    uint16_t status;
    bool renewing; /* the server is being asked again */
    uint32_t len;
    uint8_t key[HTTP_CACHE_KEY_LEN];
    uint8_t body[];
};

/* Zeroes are an empty one. */
struct http_cache {
    struct http_cache_entry **buckets;
    struct list_node order; /* oldest first; valid once there are buckets */
    uint32_t count;
};

/* Keeps a copy, in place of an older one. Without memory nothing is kept. */
void http_cache_put(struct http_cache *cache, const uint8_t *key,
                    const struct connect_response *response, uint64_t now_ms);

/* NULL: not there. `out` views the entry, until the cache changes. */
struct http_cache_entry *http_cache_get(const struct http_cache *cache, const uint8_t *key,
                                        struct connect_response *out);

/* The server has been asked again in vain: the entry, if there is one, waits for the next try. */
void http_cache_renewed(struct http_cache *cache, const uint8_t *key);

void http_cache_remove(struct http_cache *cache, const uint8_t *key);
void http_cache_fini(struct http_cache *cache);

#endif
