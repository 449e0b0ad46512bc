/*
 * tls_tickets.c -- see tls_tickets.h.
 * Threads: see tls_tickets.h.
 */
#include "tls_tickets.h"

#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "mem.h"

#define TLS_TICKETS_MAGIC 0x544b5453u

struct tls_tickets {
    uint32_t magic;
    uint32_t refs; /* [A] */
    pthread_mutex_t mutex;
    uint64_t rotation_ms;
    uint64_t newer_until_ms; /* 0: there is none */
    uint64_t older_until_ms;
    struct tls_ticket_key newer;
    struct tls_ticket_key older;
};

struct tls_tickets *tls_tickets_create(uint64_t rotation_ms)
{
    struct tls_tickets *tickets = mem_alloc(sizeof(*tickets));
    if (tickets == NULL)
        return NULL;
    memset(tickets, 0, sizeof(*tickets));
    tickets->magic = TLS_TICKETS_MAGIC;
    tickets->refs = 1;
    tickets->rotation_ms = rotation_ms;
    pthread_mutex_init(&tickets->mutex, NULL);
    return tickets;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets)
{
    CHECK_OBJ(tickets, TLS_TICKETS_MAGIC);
    __atomic_fetch_add(&tickets->refs, 1, __ATOMIC_RELAXED);
    return tickets;
}

void tls_tickets_unref(struct tls_tickets *tickets)
{
    CHECK_OBJ(tickets, TLS_TICKETS_MAGIC);
    if (__atomic_sub_fetch(&tickets->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pthread_mutex_destroy(&tickets->mutex);
    OPENSSL_cleanse(tickets, sizeof(*tickets));
    mem_free(tickets);
}

void tls_tickets_set_rotation(struct tls_tickets *tickets, uint64_t rotation_ms)
{
    pthread_mutex_lock(&tickets->mutex);
    tickets->rotation_ms = rotation_ms;
    pthread_mutex_unlock(&tickets->mutex);
}

/* Under the mutex. Both keys are as they have to be at `now_ms`; the newer may be none. */
static void tls_tickets_age(struct tls_tickets *tickets, uint64_t now_ms)
{
    if (now_ms < tickets->newer_until_ms)
        return;
    if (tickets->newer_until_ms != 0) {
        tickets->older = tickets->newer;
        tickets->older_until_ms = tickets->newer_until_ms + tickets->rotation_ms;
        tickets->newer_until_ms = 0;
    }
    if (now_ms >= tickets->older_until_ms)
        OPENSSL_cleanse(&tickets->older, sizeof(tickets->older));
}

void tls_tickets_seal(struct tls_tickets *tickets, uint64_t now_ms, struct tls_ticket_key *out)
{
    pthread_mutex_lock(&tickets->mutex);
    tls_tickets_age(tickets, now_ms);
    if (tickets->newer_until_ms == 0) {
        RAND_bytes((uint8_t *)&tickets->newer, sizeof(tickets->newer));
        tickets->newer_until_ms = now_ms + tickets->rotation_ms;
    }
    *out = tickets->newer;
    pthread_mutex_unlock(&tickets->mutex);
}

bool tls_tickets_open(struct tls_tickets *tickets, uint64_t now_ms, const uint8_t *name,
                      struct tls_ticket_key *out, bool *out_renew)
{
    bool found = true;
    pthread_mutex_lock(&tickets->mutex);
    tls_tickets_age(tickets, now_ms);
    if (tickets->newer_until_ms != 0 &&
        memcmp(tickets->newer.name, name, TLS_TICKET_NAME_LEN) == 0) {
        *out = tickets->newer;
        *out_renew = false;
    } else if (now_ms < tickets->older_until_ms &&
               memcmp(tickets->older.name, name, TLS_TICKET_NAME_LEN) == 0) {
        *out = tickets->older;
        *out_renew = true;
    } else {
        found = false;
    }
    pthread_mutex_unlock(&tickets->mutex);
    return found;
}
