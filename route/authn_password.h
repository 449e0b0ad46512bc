/*
 * authn_password.h -- the step that compares a password with a table of users.
 *
 * A client without user name or password is none of its business, and neither is a user who is not
 * in the table: IGNORE. A wrong password is DENY. For an unknown user the stored password of
 * another is verified in vain, so that both take the same time.
 *
 * Threads: workers; see authn.h.
 */
#ifndef SLUICE_AUTHN_PASSWORD_H
#define SLUICE_AUTHN_PASSWORD_H

#include "authn.h"
#include "user_table.h"

/* Who a user is for the table: the user name of CONNECT, or the client id. */
enum authn_user_is { AUTHN_USER_IS_NAME, AUTHN_USER_IS_CLIENT_ID };

/*
 * Takes over a reference to the table. NULL without memory: the table is still the caller's.
 * `source` says where the users come from, for authn_password_source; NULL: from a file.
 */
MUST_USE struct authn_step *authn_password_create(struct user_table *users,
                                                  enum authn_user_is user_is, const void *source);

/* NULL also for steps of other kinds. */
const void *authn_password_source(const struct authn_step *step);

/* The table of such a step. */
const struct user_table *authn_password_users(const struct authn_step *step);

/* The same step with another table, of which it takes over a reference. NULL without memory. */
MUST_USE struct authn_step *authn_password_with(const struct authn_step *step,
                                                struct user_table *users);

/* How often a password was verified for nobody, over all workers: for tests. */
uint64_t authn_password_decoys(void);

#endif
