/*
 * tls_tickets.h -- the keys that seal a listener's session tickets.
 *
 * Two keys: the newer seals and opens, the older only opens. When the newer has sealed for the
 * rotation time it becomes the older, so a ticket is good for one to two rotations, and never
 * longer than the session's own time-out. To make every ticket worthless at once, a new object
 * takes the place of the old one.
 *
 * A ticket: 16 bytes of name, 16 of IV, AES-256-CBC, HMAC-SHA-256 (RFC 5077 section 4); the library
 * puts it together, the keys come from here.
 *
 * Threads: any; a mutex guards the keys. It is held for a copy of 80 bytes, once per handshake.
 */
#ifndef SLUICE_TLS_TICKETS_H
#define SLUICE_TLS_TICKETS_H

#include <string.h>

#include "check.h"

#define TLS_TICKET_NAME_LEN 16

struct tls_ticket_key {
    uint8_t name[TLS_TICKET_NAME_LEN];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
};

struct tls_tickets;

/* With one reference; NULL without memory. */
MUST_USE struct tls_tickets *tls_tickets_create(uint64_t rotation_ms);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets *tickets);

void tls_tickets_set_rotation(struct tls_tickets *tickets, uint64_t rotation_ms);

/* The key to seal with, at `now_ms` of the monotonic clock. */
void tls_tickets_seal(struct tls_tickets *tickets, uint64_t now_ms, struct tls_ticket_key *out);

/* The key of that name; false: forgotten. *out_renew: it seals no more, a new ticket is due. */
bool tls_tickets_open(struct tls_tickets *tickets, uint64_t now_ms, const uint8_t *name,
                      struct tls_ticket_key *out, bool *out_renew);

#endif
