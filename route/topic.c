/*
 * topic.c -- checks of names and filters, the cut of share prefixes, the plain comparison.
 *
 * The check of a name looks for '+' and '#' and counts '/' in steps of 16 bytes where the machine
 * has SSE2 (every x86-64 does). The last step overlaps the one before, and its bytes seen already
 * are shifted out of the count; a topic shorter than a step is filled up with zero bytes, which are
 * none of the three. Filters are rarer and are checked level by level.
 *
 * Threads: pure functions, any.
 */
#include "topic.h"
#include "limits.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char *const topic_result_texts[TOPIC_RESULT_COUNT] = {
#define TOPIC_RESULT_TEXT(name, text) [name] = text,
    TOPIC_RESULT_TABLE(TOPIC_RESULT_TEXT)
#undef TOPIC_RESULT_TEXT
};

const char *topic_result_text(enum topic_result result)
{
    CHECK((unsigned)result < TOPIC_RESULT_COUNT);
    return topic_result_texts[result];
}

struct topic_scan {
    uint32_t separators;
    uint32_t wildcards; /* not zero if there is any */
};

#ifdef __SSE2__
/* Looks at the bytes of a block from number `from` on. */
static inline void topic_scan_block(struct topic_scan *scan, __m128i block, uint32_t from)
{
    __m128i plus = _mm_cmpeq_epi8(block, _mm_set1_epi8('+'));
    __m128i hash = _mm_cmpeq_epi8(block, _mm_set1_epi8('#'));
    __m128i slash = _mm_cmpeq_epi8(block, _mm_set1_epi8('/'));
    scan->wildcards |= (uint32_t)_mm_movemask_epi8(_mm_or_si128(plus, hash));
    uint32_t slashes = (uint32_t)_mm_movemask_epi8(slash) >> from;
    scan->separators += (uint32_t)__builtin_popcount(slashes);
}

static inline uint64_t topic_load(const uint8_t *ptr, uint32_t len)
{
    uint64_t word = 0;
    memcpy(&word, ptr, len);
    return word;
}

/* Fewer than 16 bytes, the rest zeroes: two loads that overlap where they must. */
static inline __m128i topic_load_short(struct bytes text)
{
    uint64_t low = 0;
    uint64_t high = 0;
    if (text.len >= 8) {
        low = topic_load(text.ptr, 8);
        if (text.len > 8)
            high = topic_load(text.ptr + text.len - 8, 8) >> (8 * (16 - text.len));
    } else if (text.len >= 4) {
        low = topic_load(text.ptr, 4);
        low |= topic_load(text.ptr + text.len - 4, 4) >> (8 * (8 - text.len)) << 32;
    } else {
        for (uint32_t i = 0; i < text.len; i++)
            low |= (uint64_t)text.ptr[i] << (8 * i);
    }
    return _mm_set_epi64x((long long)high, (long long)low);
}

static struct topic_scan topic_scan(struct bytes text)
{
    struct topic_scan scan = {0, 0};
    if (text.len < 16) {
        topic_scan_block(&scan, topic_load_short(text), 0);
        return scan;
    }
    uint32_t at = 0;
    for (; at + 16 <= text.len; at += 16)
        topic_scan_block(&scan, _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at)), 0);
    if (at < text.len) {
        const uint8_t *last = text.ptr + text.len - 16;
        topic_scan_block(&scan, _mm_loadu_si128((const __m128i *)(const void *)last),
                         at + 16 - text.len);
    }
    return scan;
}
#else
static struct topic_scan topic_scan(struct bytes text)
{
    struct topic_scan scan = {0, 0};
    for (uint32_t i = 0; i < text.len; i++) {
        scan.separators += text.ptr[i] == '/';
        scan.wildcards |= text.ptr[i] == '+' || text.ptr[i] == '#';
    }
    return scan;
}
#endif

uint32_t topic_levels_count(struct bytes text)
{
    return topic_scan(text).separators + 1;
}

enum topic_result topic_name_check(struct bytes topic, uint32_t levels_max)
{
    CHECK(levels_max > 0);
    if (topic.len == 0)
        return TOPIC_EMPTY;
    if (topic.len > STRING_LEN_MAX)
        return TOPIC_TOO_LONG;
    struct topic_scan scan = topic_scan(topic);
    if (scan.wildcards != 0)
        return TOPIC_WILDCARD_IN_NAME;
    if (scan.separators >= levels_max)
        return TOPIC_TOO_MANY_LEVELS;
    return TOPIC_OK;
}

enum topic_result topic_filter_check(struct bytes filter, uint32_t levels_max)
{
    CHECK(levels_max > 0);
    if (filter.len == 0)
        return TOPIC_EMPTY;
    if (filter.len > STRING_LEN_MAX)
        return TOPIC_TOO_LONG;
    struct topic_scan scan = topic_scan(filter);
    if (scan.separators >= levels_max)
        return TOPIC_TOO_MANY_LEVELS;
    if (scan.wildcards == 0)
        return TOPIC_OK;
    struct bytes rest = filter;
    struct bytes level;
    bool more = true;
    while (topic_level_next(&rest, &more, &level)) {
        if (level.len == 0)
            continue;
        bool is_hash = memchr(level.ptr, '#', level.len) != NULL;
        if (is_hash && (level.len != 1 || more))
            return TOPIC_HASH_MISPLACED;
        if (level.len > 1 && memchr(level.ptr, '+', level.len) != NULL)
            return TOPIC_PLUS_MISPLACED;
    }
    return TOPIC_OK;
}

static bool topic_begins_with(struct bytes text, const char *prefix, uint32_t prefix_len)
{
    return text.len >= prefix_len && memcmp(text.ptr, prefix, prefix_len) == 0;
}

enum topic_result topic_filter_split(struct bytes text, struct topic_filter_parts *out)
{
    static const char share[] = "$share/";
    static const char queue[] = "$queue/";
    const uint32_t prefix_len = sizeof share - 1;
    STATIC_CHECK(sizeof share == sizeof queue, "one prefix length for both");
    if (topic_begins_with(text, queue, prefix_len)) {
        if (text.len == prefix_len)
            return TOPIC_SHARE_MISSHAPED;
        out->group = (struct bytes){.ptr = text.ptr, .len = prefix_len - 1};
        out->filter = (struct bytes){.ptr = text.ptr + prefix_len, .len = text.len - prefix_len};
        out->is_shared = true;
        return TOPIC_OK;
    }
    if (!topic_begins_with(text, share, prefix_len)) {
        *out = (struct topic_filter_parts){.filter = text};
        return TOPIC_OK;
    }
    struct bytes rest = {.ptr = text.ptr + prefix_len, .len = text.len - prefix_len};
    struct bytes name;
    bool more = true;
    bool found = topic_level_next(&rest, &more, &name);
    CHECK(found);
    if (!more || name.len == 0 || rest.len == 0)
        return TOPIC_SHARE_MISSHAPED;
    if (topic_scan(name).wildcards != 0)
        return TOPIC_SHARE_MISSHAPED;
    *out = (struct topic_filter_parts){.group = name, .filter = rest, .is_shared = true};
    return TOPIC_OK;
}

bool topic_filter_has_wildcard(struct bytes filter)
{
    return topic_scan(filter).wildcards != 0;
}

bool topic_matches(struct bytes filter, struct bytes topic)
{
    CHECK(filter.len > 0);
    CHECK(topic.len > 0);
    bool is_wild_first = filter.ptr[0] == '+' || filter.ptr[0] == '#';
    if (is_wild_first && topic.ptr[0] == '$')
        return false;
    bool filter_more = true;
    bool topic_more = true;
    struct bytes want;
    struct bytes have;
    while (topic_level_next(&filter, &filter_more, &want)) {
        if (want.len == 1 && want.ptr[0] == '#')
            return true; /* also with no level left: "a/#" matches "a" */
        if (!topic_level_next(&topic, &topic_more, &have))
            return false;
        bool is_plus = want.len == 1 && want.ptr[0] == '+';
        if (!is_plus && !bytes_equal(want, have))
            return false;
    }
    return !topic_more;
}
