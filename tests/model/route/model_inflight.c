/*
 * model_inflight.c -- window and unreleased ids against plain arrays (route/inflight.h,
 * route/awaiting_rel.h).
 *
 * The twin of the window is an array of entries in the order of sending; the twin of the set is an
 * array of ids in the order of reception. Acknowledgements come in order, out of order, for ids
 * never sent, or not at all for a while; the window is widened, narrowed, grown by recovery,
 * emptied; allocations fail. Invariants:
 *   - an id drawn is not 0, not in flight, and no free id between the one drawn before and it was
 *     passed over while the window still had consecutive room (checked where the peer is in order);
 *   - every id is found exactly if the twin has it, and the order is the twin's;
 *   - memory follows the largest number in flight, not the ids.
 */
#include "../model_args.h"
#include "awaiting_rel.h"
#include "inflight.h"
#include "mem.h"

#include <string.h>

#define IDS 65536

static struct model_args args;

/* ---- the window ---- */

static struct inflight window;
static struct inflight_entry twins[IDS];
static uint32_t num_twins;
static uint32_t num_twins_high; /* since the block was last given back */
static uint16_t drawn_last;
static uintptr_t next_msg = 1;

static int32_t twin_find(uint16_t packet_id)
{
    for (uint32_t i = 0; i < num_twins; i++)
        if (twins[i].packet_id == packet_id)
            return (int32_t)i;
    return -1;
}

static void twin_append(const struct inflight_entry *entry)
{
    twins[num_twins++] = *entry;
    if (num_twins > num_twins_high)
        num_twins_high = num_twins;
    drawn_last = entry->packet_id;
}

static void twin_remove(uint32_t index)
{
    num_twins--;
    memmove(&twins[index], &twins[index + 1], (num_twins - index) * sizeof(twins[0]));
}

static void window_add(void)
{
    struct inflight_entry entry = {
        .msg = (struct msg *)next_msg,
        .aux = (void *)(next_msg * 3),
        .flags = (uint32_t)model_random(&args),
        .qos = (uint8_t)(1 + model_below(&args, 2)),
    };
    bool must_fail = model_below(&args, 50) == 0 && mem_fail_after(0);
    struct inflight_entry *added = NULL;
    enum rc rc = inflight_add(&window, entry.msg, entry.aux, entry.flags, entry.qos, &added);
    mem_fail_after(UINT64_MAX);
    CHECK((rc == RC_FULL) == (num_twins >= window.window_max));
    CHECK(rc == RC_OK || rc == RC_FULL || must_fail);
    if (rc != RC_OK)
        return;
    entry.packet_id = added->packet_id;
    CHECK(entry.packet_id != 0 && twin_find(entry.packet_id) < 0);
    /* With nothing in flight, or only the ids drawn last in a row, the next id is the next. */
    bool in_row = true;
    uint16_t id = drawn_last;
    for (uint32_t i = num_twins; i-- > 0 && in_row;) {
        in_row = twins[i].packet_id == id;
        id = id == 1 ? 65535 : (uint16_t)(id - 1);
    }
    CHECK(!in_row || entry.packet_id == (drawn_last == 65535 ? 1 : drawn_last + 1));
    entry.state = entry.qos == 1 ? INFLIGHT_WAIT_PUBACK : INFLIGHT_WAIT_PUBREC;
    twin_append(&entry);
    next_msg++;
}

static void window_restore(void)
{
    if (num_twins > 200)
        return;
    struct inflight_entry entry = {
        .msg = (struct msg *)next_msg,
        .packet_id = (uint16_t)model_random(&args),
        .qos = 2,
        .state = INFLIGHT_WAIT_PUBCOMP,
    };
    bool known = twin_find(entry.packet_id) >= 0;
    enum rc rc = inflight_restore(&window, &entry);
    if (entry.packet_id == 0)
        CHECK(rc == RC_INVALID);
    else
        CHECK(rc == (known ? RC_EXISTS : RC_OK));
    if (rc != RC_OK)
        return;
    twin_append(&entry);
    num_twins_high = IDS; /* ids of another table may need any size */
    next_msg++;
}

/* An acknowledgement: of the oldest, of any, or of anything that a peer can write. */
static void window_ack(void)
{
    uint16_t packet_id = (uint16_t)model_random(&args);
    uint32_t kind = model_below(&args, 10);
    if (kind < 6 && num_twins > 0)
        packet_id = twins[0].packet_id;
    else if (kind < 9 && num_twins > 0)
        packet_id = twins[model_below(&args, num_twins)].packet_id;
    int32_t index = twin_find(packet_id);
    struct inflight_entry *entry = inflight_find(&window, packet_id);
    CHECK((entry != NULL) == (index >= 0));
    if (entry == NULL)
        return;
    if (entry->state == INFLIGHT_WAIT_PUBREC) {
        inflight_received(&window, entry);
        twins[index].state = INFLIGHT_WAIT_PUBCOMP;
        return;
    }
    inflight_remove(&window, entry);
    twin_remove((uint32_t)index);
}

static void window_check(void)
{
    const struct inflight_entry *entry = inflight_first(&window);
    for (uint32_t i = 0; i < num_twins; i++) {
        CHECK(entry != NULL);
        CHECK(entry->packet_id == twins[i].packet_id && entry->state == twins[i].state);
        CHECK(entry->msg == twins[i].msg && entry->aux == twins[i].aux);
        CHECK(entry->flags == twins[i].flags && entry->qos == twins[i].qos);
        entry = inflight_next(&window, entry);
    }
    CHECK(entry == NULL && window.count == num_twins);
    size_t slots = num_twins_high < 8 ? 8 : num_twins_high;
    CHECK(inflight_bytes(&window) <= 2 * slots * sizeof(struct inflight_entry) + slots / 4 + 64);
}

static void window_step(uint32_t more)
{
    switch (model_below(&args, 400)) {
    case 0:
        inflight_set_max(&window, (uint16_t)(1 + (model_random(&args) & 0xffff) %
                                                     (1u << model_below(&args, 11))));
        return;
    case 1:
        window_restore();
        return;
    case 2: /* the session ends, or its peer acknowledges everything at last */
        while (num_twins > 0 && model_below(&args, 4) != 0) {
            inflight_remove(&window, inflight_find(&window, twins[num_twins - 1].packet_id));
            num_twins--;
        }
        return;
    case 3:
        inflight_trim(&window);
        if (num_twins == 0) {
            CHECK(inflight_bytes(&window) == 0);
            num_twins_high = 0;
        }
        return;
    default:
        if (model_below(&args, 100) < more)
            window_add();
        else
            window_ack();
    }
}

/* ---- the set ---- */

struct twin_id {
    uint64_t received_ms;
    uint64_t tag;
    uint16_t packet_id;
};

static struct awaiting_rel set;
static struct twin_id ids[IDS];
static uint32_t num_ids;
static uint32_t num_ids_high;
static uint32_t id_stride = 1;
static uint16_t id_last;
static uint64_t now_ms;

static int32_t id_find(uint16_t packet_id)
{
    for (uint32_t i = 0; i < num_ids; i++)
        if (ids[i].packet_id == packet_id)
            return (int32_t)i;
    return -1;
}

static void id_remove(uint32_t index)
{
    num_ids--;
    memmove(&ids[index], &ids[index + 1], (num_ids - index) * sizeof(ids[0]));
}

static void set_add(void)
{
    id_last = (uint16_t)(id_last + id_stride);
    uint16_t packet_id = model_below(&args, 10) == 0 ? (uint16_t)model_random(&args) : id_last;
    bool known = id_find(packet_id) >= 0;
    bool must_fail = model_below(&args, 50) == 0 && mem_fail_after(0);
    enum rc rc = awaiting_rel_add(&set, packet_id, now_ms, packet_id * UINT64_C(7));
    mem_fail_after(UINT64_MAX);
    if (packet_id == 0)
        CHECK(rc == RC_INVALID);
    else if (known)
        CHECK(rc == RC_EXISTS);
    else if (num_ids >= set.ids_max)
        CHECK(rc == RC_FULL);
    else
        CHECK(rc == RC_OK || (rc == RC_NO_MEMORY && must_fail));
    if (rc != RC_OK)
        return;
    ids[num_ids++] = (struct twin_id){now_ms, packet_id * UINT64_C(7), packet_id};
    if (num_ids > num_ids_high)
        num_ids_high = num_ids;
}

static void set_remove(void)
{
    uint16_t packet_id = (uint16_t)model_random(&args);
    uint32_t kind = model_below(&args, 10);
    if (kind < 6 && num_ids > 0)
        packet_id = ids[0].packet_id;
    else if (kind < 9 && num_ids > 0)
        packet_id = ids[model_below(&args, num_ids)].packet_id;
    int32_t index = id_find(packet_id);
    CHECK((awaiting_rel_find(&set, packet_id) != NULL) == (index >= 0));
    CHECK(awaiting_rel_remove(&set, packet_id) == (index >= 0));
    if (index >= 0)
        id_remove((uint32_t)index);
}

static void set_expire(void)
{
    uint64_t until_ms = now_ms - model_below(&args, 2000);
    struct awaiting_rel_entry entry;
    while (awaiting_rel_expire(&set, until_ms, &entry)) {
        CHECK(num_ids > 0 && ids[0].received_ms <= until_ms);
        CHECK(entry.packet_id == ids[0].packet_id && entry.tag == ids[0].tag);
        id_remove(0);
    }
    CHECK(num_ids == 0 || ids[0].received_ms > until_ms);
}

static void set_check(void)
{
    const struct awaiting_rel_entry *entry = awaiting_rel_oldest(&set);
    for (uint32_t i = 0; i < num_ids; i++) {
        CHECK(entry != NULL && entry->packet_id == ids[i].packet_id);
        CHECK(entry->received_ms == ids[i].received_ms && entry->tag == ids[i].tag);
        CHECK(awaiting_rel_find(&set, ids[i].packet_id) == entry);
        entry = awaiting_rel_next(&set, entry);
    }
    CHECK(entry == NULL && set.count == num_ids);
    size_t slots = num_ids_high < 8 ? 8 : num_ids_high;
    CHECK(awaiting_rel_bytes(&set) <= 2 * slots * 26 + 64);
}

static void set_step(uint32_t more)
{
    now_ms += model_below(&args, 20);
    switch (model_below(&args, 400)) {
    case 0:
        awaiting_rel_set_max(&set,
                             (uint16_t)(1 + model_below(&args, 1u << model_below(&args, 10))));
        return;
    case 1:
        id_stride = 1u << model_below(&args, 14);
        return;
    case 2:
        set_expire();
        return;
    case 3:
        awaiting_rel_trim(&set);
        if (num_ids == 0) {
            CHECK(awaiting_rel_bytes(&set) == 0);
            num_ids_high = 0;
        }
        return;
    default:
        if (model_below(&args, 100) < more)
            set_add();
        else
            set_remove();
    }
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 300000);
    inflight_init(&window, 32);
    awaiting_rel_init(&set, 100);
    now_ms = 10000;
    uint32_t more = 55; /* per cent of operations that add */
    for (uint64_t i = 0; i < args.steps; i++) {
        if (model_below(&args, 2000) == 0)
            more = 30 + model_below(&args, 60);
        window_step(more);
        set_step(more);
        if (model_below(&args, 50) == 0) {
            window_check();
            set_check();
        }
    }
    window_check();
    set_check();
    while (window.count > 0)
        inflight_remove(&window, inflight_first(&window));
    inflight_fini(&window);
    awaiting_rel_fini(&set);
    return 0;
}
