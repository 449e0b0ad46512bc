/*
 * authn_scram.h -- the step of enhanced authentication with SCRAM (scram.h, MQTT 5.0 section 4.12).
 *
 * It takes clients whose authentication method is its mechanism, and decides: a user it does not
 * know plays the whole exchange, with a salt that is always the same for that name, and is denied
 * at its end as for a wrong password. The user name of the identity is SCRAM's, whatever CONNECT
 * says.
 *
 * Threads: shards (some microseconds for each message); the table is immutable.
 */
#ifndef SLUICE_AUTHN_SCRAM_H
#define SLUICE_AUTHN_SCRAM_H

#include "authn.h"
#include "user_table.h"

/* Takes over a reference to the table. NULL without memory: the table is still the caller's. */
MUST_USE struct authn_step *authn_scram_create(struct user_table *users,
                                               enum scram_mechanism mechanism);

#endif
