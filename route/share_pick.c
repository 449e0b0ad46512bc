/*
 * share_pick.c -- which member of a shared group gets the next message.
 *
 * A pick is a place to begin at, by strategy, and then the first member from there on, round the
 * group, that is not excluded and is (if any is) connected. Nearly always that is the first place
 * looked at; only races and exclusion lead further. The way round is measured in places, so a
 * message sent on from member to member meets each place at most once.
 *
 * What a strategy remembers stands in the shard's picker: direct-mapped entries, found by a hash of
 * (publisher, group number); the whole 64-bit hash is the key. Group numbers are never reused, so
 * an old entry cannot be taken for that of a new group.
 *
 * Threads: any, inside an epoch section; a picker belongs to its shard.
 */
#include "alloc.h"
#include "hash.h"
#include "share_group.h"

#define SHARE_PICKER_MAGIC 0x5350434bu /* "SPCK" */

struct share_picker_entry {
    uint64_t key;          /* [O] 0 is free */
    struct handle session; /* [O] sticky: the member chosen */
    uint32_t counter;      /* [O] round robin: next place; sticky: where the member was last */
};

struct share_picker {
    uint32_t magic;                     /* [I] */
    uint32_t mask;                      /* [I] */
    uint64_t random;                    /* [O] */
    struct share_picker_entry *entries; /* [I] */
};

/* The part of the group that a pick chooses from. */
struct share_view {
    const struct share_places *places;
    uint32_t len;
    bool is_connected_only;
};

struct share_picker *share_picker_create(uint32_t entries, uint64_t seed)
{
    CHECK(entries > 0 && (entries & (entries - 1)) == 0);
    struct share_picker *picker = mem_alloc(sizeof *picker);
    if (picker == NULL)
        return NULL;
    struct share_picker_entry *table = alloc_zeroed(entries * sizeof *table);
    if (table == NULL) {
        mem_free(picker);
        return NULL;
    }
    *picker = (struct share_picker){
        .magic = SHARE_PICKER_MAGIC, .mask = entries - 1, .random = seed, .entries = table};
    return picker;
}

void share_picker_destroy(struct share_picker *picker)
{
    CHECK_OBJ(picker, SHARE_PICKER_MAGIC);
    picker->magic = 0;
    mem_free(picker->entries);
    mem_free(picker);
}

/* A number below `bound`: a Weyl sequence through the mixer, scaled by multiplication. */
static uint32_t share_picker_random(struct share_picker *picker, uint32_t bound)
{
    CHECK(bound > 0);
    picker->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = hash_mix(picker->random, UINT64_C(0xbf58476d1ce4e5b9));
    return (uint32_t)((mixed >> 32) * bound >> 32);
}

static struct share_picker_entry *share_picker_entry(struct share_picker *picker,
                                                     uint64_t publisher, uint64_t number,
                                                     bool *out_is_new)
{
    uint64_t key = hash_mix(publisher, number) | 1;
    struct share_picker_entry *entry = &picker->entries[(key >> 32) & picker->mask];
    *out_is_new = entry->key != key;
    if (*out_is_new)
        *entry = (struct share_picker_entry){.key = key, .session = HANDLE_NONE};
    return entry;
}

static struct share_view share_view_of(const struct share_group *group)
{
    /* Lengths before the array: see the head of share_group.c. */
    uint32_t connected_len = atomic_load_explicit(&group->connected_len, memory_order_acquire);
    uint32_t members_len = atomic_load_explicit(&group->members_len, memory_order_acquire);
    const struct share_places *places = atomic_load_explicit(&group->places, memory_order_acquire);
    uint32_t len = connected_len > 0 ? connected_len : members_len;
    return (struct share_view){.places = places,
                               .len = len < places->capacity ? len : places->capacity,
                               .is_connected_only = connected_len > 0};
}

static const struct share_member *share_view_at(const struct share_view *view, uint32_t index)
{
    CHECK(index < view->places->capacity);
    return atomic_load_explicit(&view->places->member[index], memory_order_acquire);
}

static bool share_view_accepts(const struct share_view *view, const struct share_member *member)
{
    if (member == NULL)
        return false;
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    return !view->is_connected_only ||
           atomic_load_explicit(&member->is_connected, memory_order_relaxed);
}

static uint32_t share_pick_round_robin(struct share_picker *picker, const struct share_view *view,
                                       uint64_t publisher, uint64_t number)
{
    bool is_new;
    struct share_picker_entry *entry = share_picker_entry(picker, publisher, number, &is_new);
    if (is_new)
        entry->counter = share_picker_random(picker, view->len);
    uint32_t index = entry->counter % view->len;
    entry->counter = index + 1;
    return index;
}

/* Where the remembered member stands now; a new choice if it is gone or not connected. */
static uint32_t share_pick_sticky(struct share_picker *picker, const struct share_view *view,
                                  uint64_t publisher, uint64_t number)
{
    bool is_new;
    struct share_picker_entry *entry = share_picker_entry(picker, publisher, number, &is_new);
    uint32_t places_len = is_new ? 0 : view->len;
    for (uint32_t i = 0; i < places_len; i++) {
        uint32_t index = (entry->counter % view->len + i) % view->len;
        uint16_t shard = atomic_load_explicit(&view->places->shards[index], memory_order_relaxed);
        if (shard != entry->session.shard)
            continue;
        const struct share_member *member = share_view_at(view, index);
        if (share_view_accepts(view, member) && handle_equal(member->session, entry->session)) {
            entry->counter = index;
            return index;
        }
    }
    uint32_t start = share_picker_random(picker, view->len);
    for (uint32_t i = 0; i < view->len; i++) {
        uint32_t index = (start + i) % view->len;
        const struct share_member *member = share_view_at(view, index);
        if (!share_view_accepts(view, member))
            continue;
        entry->counter = index;
        entry->session = member->session;
        return index;
    }
    return start;
}

static uint32_t share_pick_local(struct share_picker *picker, const struct share_view *view,
                                 shard_id shard)
{
    uint32_t start = share_picker_random(picker, view->len);
    uint32_t scan = view->len < SHARE_LOCAL_SCAN ? view->len : SHARE_LOCAL_SCAN;
    for (uint32_t i = 0; i < scan; i++) {
        uint32_t index = (start + i) % view->len;
        if (atomic_load_explicit(&view->places->shards[index], memory_order_relaxed) == shard)
            return index;
    }
    return start;
}

static uint32_t share_pick_start(const struct share_group *group, struct share_picker *picker,
                                 const struct share_view *view, const struct share_pick *pick)
{
    uint8_t strategy = atomic_load_explicit(&group->strategy, memory_order_relaxed);
    switch ((enum share_strategy)strategy) {
    case SHARE_RANDOM:
        return share_picker_random(picker, view->len);
    case SHARE_ROUND_ROBIN:
        return share_pick_round_robin(picker, view, pick->publisher, group->number);
    case SHARE_ROUND_ROBIN_PER_GROUP:
        return share_pick_round_robin(picker, view, 0, group->number);
    case SHARE_STICKY:
        return share_pick_sticky(picker, view, pick->publisher, group->number);
    case SHARE_LOCAL:
        return share_pick_local(picker, view, pick->shard);
    case SHARE_HASH_CLIENTID:
        return (uint32_t)(pick->publisher_hash % view->len);
    case SHARE_HASH_TOPIC:
        return (uint32_t)(pick->topic_hash % view->len);
    case SHARE_STRATEGY_COUNT:
        break;
    }
    UNREACHABLE();
}

const struct share_member *share_group_pick_rcu(const struct share_group *group,
                                                struct share_picker *picker,
                                                const struct share_pick *pick,
                                                struct share_round *round)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    CHECK_OBJ(picker, SHARE_PICKER_MAGIC);
    struct share_view view = share_view_of(group);
    if (view.len == 0)
        return NULL;
    if (round->tried == 0)
        round->start = share_pick_start(group, picker, &view, pick);
    while (round->tried < view.len) {
        uint32_t index = (uint32_t)(((uint64_t)round->start + round->tried) % view.len);
        round->tried++;
        const struct share_member *member = share_view_at(&view, index);
        if (!share_view_accepts(&view, member))
            continue;
        if (!handle_is_none(pick->exclude) && handle_equal(member->session, pick->exclude))
            continue;
        return member;
    }
    return NULL;
}

const struct share_member *share_group_any_rcu(const struct share_group *group,
                                               struct handle exclude)
{
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    struct share_view view = share_view_of(group);
    const struct share_member *any = NULL;
    for (uint32_t i = 0; i < view.places->capacity; i++) {
        const struct share_member *member = share_view_at(&view, i);
        if (member == NULL || handle_equal(member->session, exclude))
            continue;
        CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
        if (atomic_load_explicit(&member->is_connected, memory_order_relaxed))
            return member;
        if (any == NULL)
            any = member;
    }
    return any;
}
