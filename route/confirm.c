/*
 * confirm.c -- see confirm.h.
 *
 * The queue is a ring that doubles; only its last entry is looked at for a ticket to join.
 *
 * Threads: see confirm.h.
 */
#include "confirm.h"

#include <string.h>

#include "router.h"
#include "share_handover.h"
#include "will.h"

#define CONFIRM_FIRST 64

STATIC_CHECK(sizeof(struct confirm_entry) == 24, "as said in confirm.h");

static struct confirm_entry *confirm_at(const struct confirm_queue *queue, uint32_t index)
{
    CHECK(index - queue->head < queue->tail - queue->head);
    return &queue->ring[index & (queue->capacity - 1)];
}

/* `from` has answered for `count` copies: a connection's, a will's, or a delivery's on its way. */
static void confirm_here(struct router *router, const struct hold_ticket *ticket, shard_id from,
                         uint32_t count, bool ok)
{
    CHECK(ticket->conn.shard == router->shard->id);
    if (UNLIKELY(hold_ticket_is_handover(ticket)))
        handover_confirmed(router, ticket->conn, from, ok);
    else if (UNLIKELY(hold_ticket_is_will(ticket)))
        will_confirmed(router, ticket, from, count, ok);
    else
        router->sink->confirmed(router->shard, ticket, count, ok);
}

static void confirm_send(struct router *router, const struct confirm_entry *entry, bool ok)
{
    const struct hold_ticket *ticket = &entry->ticket;
    if (ticket->conn.shard == router->shard->id) {
        confirm_here(router, ticket, router->shard->id, entry->count, ok);
        return;
    }
    struct mail mail = {.kind = MAIL_STORED};
    STATIC_CHECK(sizeof(ticket->conn) == sizeof(mail.words[0]), "a handle is one word");
    memcpy(&mail.words[0], &ticket->conn, sizeof(ticket->conn));
    mail.words[1] = ticket->gate_number;
    mail.words[2] = entry->count;
    mail.words[3] = ok;
    shard_mail(router->shard, ticket->conn.shard, MAIL_CONFIRM, &mail);
}

static bool confirm_grow(struct confirm_queue *queue)
{
    uint32_t count = queue->tail - queue->head;
    uint32_t capacity = queue->capacity == 0 ? CONFIRM_FIRST : 2 * queue->capacity;
    struct confirm_entry *ring = mem_alloc(capacity * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        ring[i] = *confirm_at(queue, queue->head + i);
    mem_free(queue->ring);
    *queue = (struct confirm_queue){.ring = ring, .capacity = capacity, .tail = count};
    return true;
}

void confirm_owe(struct router *router, const struct hold_ticket *ticket, uint64_t lsn)
{
    CHECK_OBJ(router, ROUTER_MAGIC);
    if (hold_ticket_is_none(ticket))
        return;
    struct confirm_queue *queue = &router->confirms;
    uint32_t count = queue->tail - queue->head;
    if (count > 0) {
        struct confirm_entry *last = confirm_at(queue, queue->tail - 1);
        if (handle_equal(last->ticket.conn, ticket->conn) &&
            last->ticket.gate_number == ticket->gate_number) {
            last->count++;
            last->lsn = lsn > last->lsn ? lsn : last->lsn;
            return;
        }
    }
    if (count == queue->capacity && !confirm_grow(queue)) {
        confirm_refuse(router, ticket);
        return;
    }
    queue->tail++;
    *confirm_at(queue, queue->tail -
                           1) = (struct confirm_entry){.ticket = *ticket, .count = 1, .lsn = lsn};
}

void confirm_refuse(struct router *router, const struct hold_ticket *ticket)
{
    struct confirm_entry entry = {.ticket = *ticket, .count = 1};
    if (!hold_ticket_is_none(ticket))
        confirm_send(router, &entry, false);
}

void confirm_run(struct router *router)
{
    struct confirm_queue *queue = &router->confirms;
    while (queue->head != queue->tail) {
        struct confirm_entry entry = *confirm_at(queue, queue->head);
        if (entry.lsn > router->log_committed)
            return;
        queue->head++;
        confirm_send(router, &entry, true);
    }
}

void confirm_fail(struct router *router)
{
    struct confirm_queue *queue = &router->confirms;
    confirm_run(router);
    for (uint32_t left = queue->tail - queue->head; left > 0; left--) {
        struct confirm_entry entry = *confirm_at(queue, queue->head);
        queue->head++;
        if (!hold_ticket_is_handover(&entry.ticket)) {
            confirm_send(router, &entry, false);
            continue;
        }
        /* It is appended, and will be committed: its giver must not take it back. */
        queue->tail++;
        *confirm_at(queue, queue->tail - 1) = entry;
    }
}

void confirm_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct hold_ticket ticket = {.gate_number = (uint32_t)mail->words[1]};
    memcpy(&ticket.conn, &mail->words[0], sizeof(ticket.conn));
    confirm_here(router, &ticket, mail->from, (uint32_t)mail->words[2], mail->words[3] != 0);
}

void confirm_fini(struct router *router)
{
    mem_free(router->confirms.ring);
    router->confirms = (struct confirm_queue){0};
}
