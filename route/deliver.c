/*
 * deliver.c -- fan-out on one shard.
 *
 * The gather scratch belongs to the router and grows with the largest fan-out seen; the identifiers
 * of a gathered session are chained in a second scratch array and laid out in one row only when the
 * copy is made.
 *
 * Threads: see deliver.h.
 */
#include "deliver.h"

#include <string.h>

#include "outbound.h"
#include "zone.h"

/* Above this, bytes of a payload may be shared by reference (net decides for itself). */
#define DELIVER_REFER_MIN 2048

#define DELIVER_FEW_MAX 4

/* Filters of a publication by mail that are looked up on the stack; more go by an array. */
#define DELIVER_ENTRIES_LOCAL 64

#define DELIVER_IDS_MAX 256 /* identifiers on one copy; more filters than this are not told */

/* One session's share of a publication that matched several filters. */
struct deliver_gather {
    struct session *session;
    uint32_t ids_first; /* chain of identifiers, index + 1 */
    uint32_t id;        /* chain element: an identifier */
    uint32_t next;      /* chain element: index + 1 of the next */
    uint8_t qos;
    bool retain;
};

uint8_t deliver_qos(const struct router *router, const struct session *session, uint8_t published,
                    uint8_t granted)
{
    if (router_settings_of(router, session)->upgrade_qos)
        return published > granted ? published : granted;
    return published < granted ? published : granted;
}

static bool deliver_is_own(struct router *router, const struct pub *pub,
                           const struct subscriber *subscriber)
{
    if ((subscriber->options & SUB_NO_LOCAL) == 0 ||
        subscriber->session->id_hash != pub->publisher_hash)
        return false;
    router_count(router, STAT_DROP_NO_LOCAL, 1);
    return true;
}

/*
 * A client that does not read: dropped here, so that it costs the others little. Its session is
 * told when there is room again (outbound_pump). Plans leave it out altogether.
 */
static bool deliver_is_stalled(struct router *router, const struct session *session, uint8_t qos)
{
    if (LIKELY(!session->stalled) || qos > 0)
        return false;
    router_count(router, STAT_DROP_QOS0_SLOW, 1);
    return true;
}

/* One copy for one subscriber. */
static inline void deliver_one(struct router *router, struct pub *pub,
                               const struct subscriber *subscriber, uint64_t fan_out_id)
{
    if (UNLIKELY(deliver_is_own(router, pub, subscriber)))
        return;
    uint8_t qos = deliver_qos(router, subscriber->session, pub->qos,
                              subscriber->options & SUB_QOS_MASK);
    if (UNLIKELY(deliver_is_stalled(router, subscriber->session, qos)))
        return;
    uint32_t sub_id = subscriber->sub_id;
    struct delivery copy = {
        .pub = pub,
        .sub_ids = &sub_id,
        .sub_ids_count = sub_id != 0 ? 1 : 0,
        .qos = qos,
        .retain = pub->retain && (subscriber->options & SUB_RETAIN_AS_IS) != 0,
        .fan_out_id = fan_out_id,
    };
    outbound_deliver(router, subscriber->session, &copy);
}

static void deliver_entry(struct router *router, struct pub *pub, struct subtable_entry *entry)
{
    const struct subscriber *subscribers = subtable_subscribers(entry);
    uint32_t count = entry->count;
    if (count == 1) {
        deliver_one(router, pub, subscribers, 0);
        return;
    }
    uint64_t fan_out_id = ++router->gather_stamp;
    /* A large payload that several connections refer to must be a message. */
    if (pub->payload.len > DELIVER_REFER_MIN)
        (void)(pub_msg(pub, router->shard->id) == NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (i + 4 < count)
            __builtin_prefetch(subscribers[i + 4].session);
        deliver_one(router, pub, &subscribers[i], fan_out_id);
    }
}

static bool deliver_gather_reserve(struct router *router, uint32_t count)
{
    if (count <= router->gather_capacity)
        return true;
    uint32_t capacity = router->gather_capacity == 0 ? 64 : router->gather_capacity;
    while (capacity < count)
        capacity *= 2;
    struct deliver_gather *gather = mem_alloc((size_t)capacity * sizeof(*gather));
    if (gather == NULL)
        return false;
    if (router->gather_capacity > 0)
        memcpy(gather, router->gather, router->gather_capacity * sizeof(*gather));
    mem_free(router->gather);
    router->gather = gather;
    router->gather_capacity = capacity;
    return true;
}

/*
 * Adds one filter's subscribers to the gather. Each subscriber uses up at most one element: as the
 * session's entry or as a link of its identifiers; entries grow from the front of the same array in
 * which links stand, so `used` counts both.
 */
static uint32_t deliver_gather_add(struct router *router, struct pub *pub,
                                   struct subtable_entry *entry, uint32_t used)
{
    const struct subscriber *subscribers = subtable_subscribers(entry);
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct subscriber *subscriber = &subscribers[i];
        struct session *session = subscriber->session;
        if (deliver_is_own(router, pub, subscriber))
            continue;
        bool retain = pub->retain && (subscriber->options & SUB_RETAIN_AS_IS) != 0;
        uint8_t qos = subscriber->options & SUB_QOS_MASK;
        struct deliver_gather *gather = router->gather;
        if (session->gather_stamp != router->gather_stamp) {
            session->gather_stamp = router->gather_stamp;
            session->gather_index = used;
            gather[used++] = (struct deliver_gather){
                .session = session, .qos = qos, .retain = retain};
        }
        struct deliver_gather *own = &gather[session->gather_index];
        own->qos = qos > own->qos ? qos : own->qos;
        own->retain |= retain;
        if (subscriber->sub_id != 0) {
            gather[used] = (struct deliver_gather){.id = subscriber->sub_id,
                                                   .next = own->ids_first};
            own->ids_first = ++used;
        }
    }
    return used;
}

static void deliver_gathered(struct router *router, struct pub *pub, uint32_t used)
{
    uint32_t ids[DELIVER_IDS_MAX];
    for (uint32_t i = 0; i < used; i++) {
        const struct deliver_gather *own = &router->gather[i];
        if (own->session == NULL)
            continue;
        uint32_t count = 0;
        for (uint32_t at = own->ids_first; at != 0 && count < DELIVER_IDS_MAX;
             at = router->gather[at - 1].next)
            ids[count++] = router->gather[at - 1].id;
        struct delivery copy = {
            .pub = pub,
            .sub_ids = ids,
            .sub_ids_count = count,
            .qos = deliver_qos(router, own->session, pub->qos, own->qos),
            .retain = own->retain,
            .fan_out_id = router->gather_stamp,
        };
        outbound_deliver(router, own->session, &copy);
    }
}

/* Few filters, with one subscriber each and all of different sessions: nothing to gather. */
static bool deliver_are_apart(struct subtable_entry *const *entries, uint32_t count)
{
    const struct session *sessions[DELIVER_FEW_MAX];
    if (count > DELIVER_FEW_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i]->count != 1)
            return false;
        sessions[i] = subtable_subscribers(entries[i])->session;
        for (uint32_t before = 0; before < i; before++)
            if (sessions[before] == sessions[i])
                return false;
    }
    return true;
}

static void deliver_each(struct router *router, struct pub *pub,
                         struct subtable_entry *const *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        deliver_one(router, pub, subtable_subscribers(entries[i]), 0);
}

static void deliver_together(struct router *router, struct pub *pub,
                             struct subtable_entry *const *entries, uint32_t count)
{
    router->gather_stamp++;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!deliver_gather_reserve(router, used + 2 * entries[i]->count)) {
            router_count(router, STAT_DROP_NO_MEMORY, entries[i]->count);
            continue;
        }
        used = deliver_gather_add(router, pub, entries[i], used);
    }
    deliver_gathered(router, pub, used);
}

void deliver_filters(struct router *router, struct pub *pub, const struct filter_id *ids,
                     uint32_t count)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    CHECK(epoch_is_inside(router->shard->epoch));
    struct subtable_entry *few[DELIVER_ENTRIES_LOCAL];
    struct subtable_entry **entries = few;
    if (count > DELIVER_ENTRIES_LOCAL) {
        entries = mem_alloc(count * sizeof(struct subtable_entry *));
        if (entries == NULL) {
            router_count(router, STAT_DROP_NO_MEMORY, 1);
            router->log_refused++; /* whoever waits for it to be stored here is told so */
            return;
        }
    }
    uint32_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct subtable_entry *entry = subtable_find(&router->subs, ids[i]);
        if (entry != NULL)
            entries[len++] = entry;
        else
            router_count(router, STAT_DROP_STALE_FILTER, 1);
    }
    if (len == 1)
        deliver_entry(router, pub, entries[0]);
    else if (len > 1 && deliver_are_apart(entries, len))
        deliver_each(router, pub, entries, len);
    else if (len > 1)
        deliver_together(router, pub, entries, len);
    if (entries != few)
        mem_free(entries);
}

/*
 * No copy of QoS 0 is made for this one, whatever its subscription says. With No Local it would
 * have to be looked at, to count it right.
 */
static bool deliver_is_deaf(const struct router *router, const struct subscriber *subscriber)
{
    const struct session *session = subscriber->session;
    return session->stalled && (subscriber->options & SUB_NO_LOCAL) == 0 &&
           !router_settings_of(router, session)->upgrade_qos;
}

/* Who takes no QoS 0 goes behind the others. */
static void deliver_plan_sort(const struct router *router, struct match_plan *plan)
{
    for (uint32_t i = 0; i + plan->stalled < plan->len;) {
        struct subtable_entry *entry = plan->entries[i];
        if (LIKELY(!deliver_is_deaf(router, subtable_subscribers(entry)))) {
            i++;
            continue;
        }
        plan->stalled++;
        plan->entries[i] = plan->entries[plan->len - plan->stalled];
        plan->entries[plan->len - plan->stalled] = entry;
    }
}

void deliver_plan_make(struct router *router, const struct match_result *result)
{
    struct match_plan *plan = result->plan;
    shard_id self = router->shard->id;
    struct shard_set others = result->any;
    others.words[self / 64] &= ~(UINT64_C(1) << (self % 64));
    plan->len = 0;
    for (uint32_t i = 0; i < result->filters_len; i++) {
        if (!shard_set_has(&result->filters[i].any, self))
            continue;
        struct subtable_entry *entry = subtable_find(&router->subs, result->filters[i].id);
        if (entry != NULL)
            plan->entries[plan->len++] = entry;
        else
            router_count(router, STAT_DROP_STALE_FILTER, 1);
    }
    plan->is_all = shard_set_is_empty(&others) && shard_set_is_empty(&result->durable) &&
                   result->groups_len == 0 && result->filters_len > 0;
    plan->is_apart = deliver_are_apart(plan->entries, plan->len);
    plan->stalled = 0;
    if (plan->is_apart)
        deliver_plan_sort(router, plan);
    plan->changes = router->subs.changes;
}

void deliver_planned(struct router *router, struct pub *pub, const struct match_plan *plan)
{
    CHECK(plan->changes == router->subs.changes);
    if (LIKELY(plan->is_apart)) {
        uint32_t len = plan->len;
        if (UNLIKELY(plan->stalled > 0) && pub->qos == 0) {
            router_count(router, STAT_DROP_QOS0_SLOW, plan->stalled);
            len -= plan->stalled;
        }
        deliver_each(router, pub, plan->entries, len);
        return;
    }
    if (plan->len == 1)
        deliver_entry(router, pub, plan->entries[0]);
    else
        deliver_together(router, pub, plan->entries, plan->len);
}
