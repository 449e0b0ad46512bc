/*
 * subtable.c -- open addressing with linear probing and backward-shift deletion.
 *
 * Half full at most, and halved again below an eighth, so that a shard that lost its clients gives
 * the memory back. Arrays of subscribers double and are only freed with their entry.
 *
 * Threads: see subtable.h.
 */
#include "subtable.h"

#include <string.h>

#include "mem.h"
#include "session.h"

#define SUBTABLE_FIRST 64

static enum rc subtable_resize(struct subtable *table, uint32_t places)
{
    CHECK((places & (places - 1)) == 0 && places > table->count);
    struct subtable_entry *old = table->entries;
    uint32_t old_places = old == NULL ? 0 : table->mask + 1;
    struct subtable_entry *entries = mem_alloc((size_t)places * sizeof(*entries));
    if (entries == NULL)
        return RC_NO_MEMORY;
    memset(entries, 0, (size_t)places * sizeof(*entries));
    table->entries = entries;
    table->mask = places - 1;
    subtable_changed(table);
    for (uint32_t i = 0; i < old_places; i++) {
        if (old[i].id.generation == 0)
            continue;
        uint32_t at = subtable_place(table, old[i].id.slot);
        while (entries[at].id.generation != 0)
            at = (at + 1) & table->mask;
        entries[at] = old[i];
    }
    mem_free(old);
    return RC_OK;
}

static enum rc subtable_entry_add(struct subtable_entry *entry, const struct subscriber *subscriber)
{
    if (entry->count == 0) {
        CHECK(entry->capacity == 0);
        entry->one = *subscriber;
        entry->count = 1;
        return RC_OK;
    }
    uint32_t have = entry->capacity == 0 ? 1 : entry->capacity;
    if (entry->count == have) {
        uint32_t capacity = have * 2;
        struct subscriber *many = mem_alloc(capacity * sizeof(*many));
        if (many == NULL)
            return RC_NO_MEMORY;
        memcpy(many, subtable_subscribers(entry), entry->count * sizeof(*many));
        if (entry->capacity > 0)
            mem_free(entry->many);
        entry->many = many;
        entry->capacity = capacity;
    }
    entry->many[entry->count++] = *subscriber;
    return RC_OK;
}

enum rc subtable_add(struct subtable *table, struct filter_id id,
                     const struct subscriber *subscriber, uint32_t *out_position)
{
    CHECK(id.generation != 0);
    struct subtable_entry *entry = subtable_find(table, id);
    if (entry == NULL) {
        if (table->entries == NULL || (table->count + 1) * 2 > table->mask + 1) {
            uint32_t places = table->entries == NULL ? SUBTABLE_FIRST : (table->mask + 1) * 2;
            enum rc rc = subtable_resize(table, places);
            if (rc != RC_OK)
                return rc;
        }
        uint32_t at = subtable_place(table, id.slot);
        while (table->entries[at].id.generation != 0) {
            /* An older generation here would mean that this shard never removed its filter. */
            CHECK(table->entries[at].id.slot != id.slot);
            at = (at + 1) & table->mask;
        }
        entry = &table->entries[at];
        memset(entry, 0, sizeof(*entry));
        entry->id = id;
        table->count++;
    }
    subtable_changed(table);
    enum rc rc = subtable_entry_add(entry, subscriber);
    if (rc == RC_OK)
        *out_position = entry->count - 1;
    return rc;
}

static void subtable_entry_drop(struct subtable *table, struct subtable_entry *entry)
{
    if (entry->capacity > 0)
        mem_free(entry->many);
    uint32_t gap = (uint32_t)(entry - table->entries);
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & table->mask;
        if (table->entries[at].id.generation == 0)
            break;
        uint32_t home = subtable_place(table, table->entries[at].id.slot);
        if (((at - home) & table->mask) >= ((at - gap) & table->mask)) {
            table->entries[gap] = table->entries[at];
            gap = at;
        }
    }
    memset(&table->entries[gap], 0, sizeof(table->entries[gap]));
    table->count--;
    uint32_t places = table->mask + 1;
    /* A failure to shrink keeps the larger table, which is as good. */
    if (places > SUBTABLE_FIRST && table->count * 8 < places)
        (void)(subtable_resize(table, places / 2) == RC_OK);
}

uint32_t subtable_remove(struct subtable *table, struct filter_id id, uint32_t position)
{
    struct subtable_entry *entry = subtable_find(table, id);
    CHECK(entry != NULL && position < entry->count);
    struct subscriber *subscribers = subtable_subscribers(entry);
    uint32_t last = --entry->count;
    subtable_changed(table);
    if (position != last) {
        subscribers[position] = subscribers[last];
        struct session_subs *subs = &subscribers[position].session->subs;
        CHECK(subscribers[position].sub_index < subs->count);
        subs->items[subscribers[position].sub_index].position = position;
    }
    if (last == 0)
        subtable_entry_drop(table, entry);
    return last;
}

void subtable_fini(struct subtable *table)
{
    CHECK(table->count == 0);
    mem_free(table->entries);
    *table = (struct subtable){0};
}
