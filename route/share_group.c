/*
 * share_group.c -- membership of a shared subscription group.
 *
 * Changes come under the filter index's mutex. Each is a few stores in an order that leaves readers
 * with, at worst, a member twice or one on the wrong side of the border between connected and not:
 *
 *   join        places[members_len] = new; members_len++; then, if connected, as "connects"
 *   connects    swap with places[connected_len]; connected_len++
 *   disconnects swap with places[connected_len - 1]; connected_len--
 *   leave       if connected, as "disconnects"; last into the hole; members_len--; clear the last
 *
 * Readers load a length first and the array after it; an array is published before a length that
 * needs it. They never trust a place: share_pick.c looks at the pointer and the member's own flag.
 *
 * Threads: see share_group.h.
 */
#include "share_group.h"
#include "alloc.h"

#define SHARE_PLACES_FIRST 4

static const char *const share_strategy_texts[SHARE_STRATEGY_COUNT] = {
#define SHARE_STRATEGY_TEXT(name, text) [name] = text,
    SHARE_STRATEGY_TABLE(SHARE_STRATEGY_TEXT)
#undef SHARE_STRATEGY_TEXT
};

const char *share_strategy_text(enum share_strategy strategy)
{
    CHECK((unsigned)strategy < SHARE_STRATEGY_COUNT);
    return share_strategy_texts[strategy];
}

enum rc share_strategy_parse(struct bytes text, enum share_strategy *out)
{
    for (unsigned i = 0; i < SHARE_STRATEGY_COUNT; i++) {
        if (bytes_equal(text, bytes_of_text(share_strategy_texts[i]))) {
            *out = (enum share_strategy)i;
            return RC_OK;
        }
    }
    if (bytes_equal(text, bytes_of_text("hash"))) {
        *out = SHARE_HASH_CLIENTID;
        return RC_OK;
    }
    return RC_INVALID;
}

static uint64_t share_terms_pack(struct share_terms terms)
{
    return (uint64_t)terms.options << 40 | (uint64_t)terms.qos << 32 | terms.sub_id;
}

struct share_terms share_member_terms(const struct share_member *member)
{
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    uint64_t word = atomic_load_explicit(&member->terms_word, memory_order_relaxed);
    return (struct share_terms){
        .sub_id = (uint32_t)word, .qos = (uint8_t)(word >> 32), .options = (uint8_t)(word >> 40)};
}

void share_member_set_terms(struct share_member *member, struct share_terms terms)
{
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    atomic_store_explicit(&member->terms_word, share_terms_pack(terms), memory_order_relaxed);
}

uint32_t share_group_members_count(const struct share_group *group)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    return atomic_load_explicit(&group->members_len, memory_order_acquire);
}

uint32_t share_group_connected_count(const struct share_group *group)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    return atomic_load_explicit(&group->connected_len, memory_order_acquire);
}

static size_t share_places_size(uint32_t capacity)
{
    size_t place = sizeof(_Atomic(struct share_member *)) + sizeof(_Atomic uint16_t);
    return sizeof(struct share_places) + capacity * place;
}

static struct share_places *share_places_create(uint32_t capacity)
{
    struct share_places *places = alloc_zeroed(share_places_size(capacity));
    if (places == NULL)
        return NULL;
    places->capacity = capacity;
    places->shards = (_Atomic uint16_t *)(void *)&places->member[capacity];
    return places;
}

static void share_places_free(struct epoch_entry *entry)
{
    mem_free(CONTAINER_OF(entry, struct share_places, retire));
}

static struct share_places *share_group_places(const struct share_group *group)
{
    return atomic_load_explicit(&group->places, memory_order_relaxed);
}

static struct share_member *share_places_get(const struct share_places *places, uint32_t index)
{
    CHECK(index < places->capacity);
    return atomic_load_explicit(&places->member[index], memory_order_relaxed);
}

static void share_places_put(struct share_places *places, uint32_t index,
                             struct share_member *member)
{
    CHECK(index < places->capacity);
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    member->index = index;
    atomic_store_explicit(&places->shards[index], member->session.shard, memory_order_relaxed);
    atomic_store_explicit(&places->member[index], member, memory_order_release);
}

static void share_places_swap(struct share_places *places, uint32_t a, uint32_t b)
{
    struct share_member *first = share_places_get(places, a);
    struct share_member *second = share_places_get(places, b);
    share_places_put(places, a, second);
    share_places_put(places, b, first);
}

enum rc share_group_create(struct bytes name, enum share_strategy strategy, uint64_t number,
                           void *filter, struct share_group **out_group)
{
    CHECK(name.len > 0 && name.len <= UINT16_MAX);
    CHECK((unsigned)strategy < SHARE_STRATEGY_COUNT);
    struct share_group *group = alloc_zeroed(sizeof *group + name.len);
    if (group == NULL)
        return RC_NO_MEMORY;
    struct share_places *places = share_places_create(SHARE_PLACES_FIRST);
    if (places == NULL) {
        mem_free(group);
        return RC_NO_MEMORY;
    }
    group->magic = SHARE_GROUP_MAGIC;
    group->name_len = (uint16_t)name.len;
    group->number = number;
    group->filter = filter;
    memcpy(group->name, name.ptr, name.len);
    atomic_store_explicit(&group->strategy, (uint8_t)strategy, memory_order_relaxed);
    atomic_store_explicit(&group->places, places, memory_order_relaxed);
    *out_group = group;
    return RC_OK;
}

void share_group_free(struct share_group *group)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    struct share_places *places = share_group_places(group);
    for (uint32_t i = 0; i < share_group_members_count(group); i++)
        mem_free(share_places_get(places, i));
    mem_free(places);
    group->magic = 0;
    mem_free(group);
}

static void share_group_free_entry(struct epoch_entry *entry)
{
    share_group_free(CONTAINER_OF(entry, struct share_group, retire));
}

void share_group_retire(struct share_group *group, struct epoch_record *record)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    CHECK(share_group_members_count(group) == 0);
    epoch_call(record, &group->retire, share_group_free_entry);
}

/* Moves the members into an array of another size. */
static enum rc share_group_resize(struct share_group *group, struct epoch_record *record,
                                  uint32_t capacity)
{
    uint32_t members_len = share_group_members_count(group);
    CHECK(capacity >= members_len);
    struct share_places *places = share_places_create(capacity);
    if (places == NULL)
        return RC_NO_MEMORY;
    struct share_places *old = share_group_places(group);
    for (uint32_t i = 0; i < members_len; i++)
        share_places_put(places, i, share_places_get(old, i));
    atomic_store_explicit(&group->places, places, memory_order_release);
    epoch_call(record, &old->retire, share_places_free);
    return RC_OK;
}

enum rc share_group_join(struct share_group *group, struct epoch_record *record,
                         struct handle session, struct share_terms terms, bool is_connected,
                         struct share_member **out_member)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    CHECK(!handle_is_none(session));
    uint32_t members_len = share_group_members_count(group);
    uint32_t capacity = share_group_places(group)->capacity;
    if (members_len == capacity) {
        enum rc rc = share_group_resize(group, record, capacity * 2);
        if (rc != RC_OK)
            return rc;
    }
    struct share_member *member = alloc_zeroed(sizeof *member);
    if (member == NULL)
        return RC_NO_MEMORY;
    member->magic = SHARE_MEMBER_MAGIC;
    member->session = session;
    member->group = group;
    share_member_set_terms(member, terms);
    share_places_put(share_group_places(group), members_len, member);
    atomic_store_explicit(&group->members_len, members_len + 1, memory_order_release);
    if (is_connected)
        share_member_set_connected(member, true);
    *out_member = member;
    return RC_OK;
}

void share_member_set_connected(struct share_member *member, bool is_connected)
{
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    struct share_group *group = member->group;
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    if (atomic_load_explicit(&member->is_connected, memory_order_relaxed) == is_connected)
        return;
    struct share_places *places = share_group_places(group);
    CHECK(share_places_get(places, member->index) == member);
    uint32_t connected_len = share_group_connected_count(group);
    atomic_store_explicit(&member->is_connected, is_connected, memory_order_relaxed);
    if (is_connected) {
        CHECK(member->index >= connected_len);
        share_places_swap(places, member->index, connected_len);
        atomic_store_explicit(&group->connected_len, connected_len + 1, memory_order_release);
        if (connected_len == 0)
            atomic_store_explicit(&group->has_risen, true, memory_order_release);
    } else {
        CHECK(member->index < connected_len);
        share_places_swap(places, member->index, connected_len - 1);
        atomic_store_explicit(&group->connected_len, connected_len - 1, memory_order_release);
    }
}

static void share_member_free_entry(struct epoch_entry *entry)
{
    struct share_member *member = CONTAINER_OF(entry, struct share_member, retire);
    member->magic = 0;
    mem_free(member);
}

void share_group_leave(struct share_group *group, struct epoch_record *record,
                       struct share_member *member)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    CHECK(member->group == group);
    share_member_set_connected(member, false);
    struct share_places *places = share_group_places(group);
    uint32_t last = share_group_members_count(group) - 1;
    CHECK(last < places->capacity);
    share_places_swap(places, member->index, last);
    atomic_store_explicit(&group->members_len, last, memory_order_release);
    atomic_store_explicit(&places->member[last], NULL, memory_order_release);
    epoch_call(record, &member->retire, share_member_free_entry);
    if (places->capacity > SHARE_PLACES_FIRST && last * UINT64_C(4) < places->capacity) {
        /* Without memory for a smaller array the larger one serves as well. */
        (void)!share_group_resize(group, record, places->capacity / 2);
    }
}

bool share_group_take_rise(struct share_group *group)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    return atomic_exchange_explicit(&group->has_risen, false, memory_order_acquire);
}

uint64_t share_group_bytes(const struct share_group *group)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    return sizeof *group + group->name_len + share_places_size(share_group_places(group)->capacity);
}
