/*
 * http_cache.c -- see http_cache.h.
 *
 * Keys are digests, so their first bytes are as good as any hash; nobody can aim at a bucket.
 *
 * Threads: see http_cache.h.
 */
#include "http_cache.h"

#include <stdlib.h>

#define HTTP_CACHE_BUCKETS HTTP_CACHE_MAX

static struct http_cache_entry **http_cache_bucket(const struct http_cache *cache,
                                                   const uint8_t *key)
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash));
    return &cache->buckets[hash % HTTP_CACHE_BUCKETS];
}

struct http_cache_entry *http_cache_get(const struct http_cache *cache, const uint8_t *key,
                                        struct connect_response *out)
{
    if (cache->buckets == NULL)
        return NULL;
    struct http_cache_entry *entry = *http_cache_bucket(cache, key);
    while (entry != NULL && memcmp(entry->key, key, HTTP_CACHE_KEY_LEN) != 0)
        entry = entry->chain;
    if (entry != NULL)
        *out = (struct connect_response){.status = entry->status,
                                         .body = bytes_of(entry->body, entry->len)};
    return entry;
}

static void http_cache_drop(struct http_cache *cache, struct http_cache_entry *entry)
{
    struct http_cache_entry **link = http_cache_bucket(cache, entry->key);
    while (*link != entry) {
        CHECK(*link != NULL);
        link = &(*link)->chain;
    }
    *link = entry->chain;
    list_remove(&entry->node);
    cache->count--;
    free(entry);
}

void http_cache_remove(struct http_cache *cache, const uint8_t *key)
{
    struct connect_response ignored;
    struct http_cache_entry *entry = http_cache_get(cache, key, &ignored);
    if (entry != NULL)
        http_cache_drop(cache, entry);
}

void http_cache_renewed(struct http_cache *cache, const uint8_t *key)
{
    struct connect_response ignored;
    struct http_cache_entry *entry = http_cache_get(cache, key, &ignored);
    if (entry != NULL)
        entry->renewing = false;
}

void http_cache_put(struct http_cache *cache, const uint8_t *key,
                    const struct connect_response *response, uint64_t now_ms)
{
    if (cache->buckets == NULL) {
        cache->buckets = calloc(HTTP_CACHE_BUCKETS, sizeof(struct http_cache_entry *));
        if (cache->buckets == NULL)
            return;
        list_init(&cache->order);
    }
    http_cache_remove(cache, key);
    if (cache->count == HTTP_CACHE_MAX)
        http_cache_drop(cache,
                        CONTAINER_OF(list_first(&cache->order), struct http_cache_entry, node));
    struct http_cache_entry *entry = calloc(1, sizeof(*entry) + response->body.len);
    if (entry == NULL)
        return;
    entry->stored_ms = now_ms;
    entry->status = response->status;
    entry->len = response->body.len;
    memcpy(entry->key, key, HTTP_CACHE_KEY_LEN);
    if (entry->len > 0)
        memcpy(entry->body, response->body.ptr, entry->len);
    struct http_cache_entry **bucket = http_cache_bucket(cache, key);
    entry->chain = *bucket;
    *bucket = entry;
    list_push_back(&cache->order, &entry->node);
    cache->count++;
}

void http_cache_fini(struct http_cache *cache)
{
    if (cache->buckets == NULL)
        return;
    struct list_node *node;
    while ((node = list_first(&cache->order)) != NULL)
        http_cache_drop(cache, CONTAINER_OF(node, struct http_cache_entry, node));
    free(cache->buckets);
    *cache = (struct http_cache){0};
}
