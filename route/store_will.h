/*
 * store_will.h -- wills in the log: from the CONNECT of a durable session until they are published.
 *
 *     WILL           with SESSION, in one commit (store_attach); in snapshots of the session
 *     due            the will has left its session and is to be published, which may take long:
 *                    whoever is to store it may not be able to
 *     WILL_GONE      published, or deleted because the session went on
 *
 * A checkpoint notes at its beginning what is due, and with each session the will that it has. One
 * that becomes due in between would be in neither: it is logged again (store_will_due).
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_WILL_H
#define SLUICE_STORE_WILL_H

#include "store.h"
#include "will.h"

/* WILL as a record, with views into the will. `session` 0: it is due. */
struct store_record store_will_record(struct store *store, uint64_t session,
                                      const struct will *will, uint64_t number);

/* The will leaves its session. */
void store_will_due(struct router *router, const struct will *will);

/* The will is with the log until it has been published or deleted. */
void store_will_gone(struct router *router, uint64_t number);

#endif
