/*
 * user_table.h -- users with their stored passwords: one immutable table, shared by all threads.
 *
 * It comes from a password file, one user a line:
 *
 *   name:stored form[:superuser]        password.h says what stored forms there are
 *   name:SCRAM-SHA-256$...              scram_keys.h; beside the other line or without it
 *   # a comment, and empty lines
 *
 * The lines of one user are put together; two of the same kind are an error. A user who may log in
 * without a permission being asked has `:superuser` on any of them.
 *
 * A table never changes. user_table_with makes another one that shares the unchanged users; whoever
 * holds a table or a user keeps it by a count of references.
 *
 * Bounds: USER_TABLE_MAX users, names up to USER_NAME_LEN_MAX bytes.
 *
 * Threads: any; the counts are atomic. Building is for the ops thread and start-up.
 */
#ifndef SLUICE_USER_TABLE_H
#define SLUICE_USER_TABLE_H

#include "bytes.h"
#include "rc.h"
#include "scram_keys.h"

#define USER_TABLE_MAGIC  0x55535442u
#define USER_TABLE_MAX    1000000
#define USER_NAME_LEN_MAX 1024

struct user {
    uint32_t refs;                  /* [A] */
    bool is_superuser;              /* [I] */
    struct bytes name;              /* [I] */
    const char *form;               /* [I] stored password; NULL: none */
    const char *scram[SCRAM_COUNT]; /* [I] texts of SCRAM keys; NULL: none */
};

struct user_table;

/* What is wrong with a file, a value. */
struct user_table_error {
    uint32_t line; /* from 1 */
    char text[120];
};

/* One change, a value: `user` replaces the one of that name; NULL: `name` is removed. */
struct user_change {
    struct bytes name;
    struct user *user;
};

/* A user of copies of the given texts, any of which may be NULL. NULL without memory. */
MUST_USE struct user *user_create(struct bytes name, bool is_superuser, const char *form,
                                  const char *const scram[SCRAM_COUNT]);
struct user *user_ref(struct user *user);
void user_unref(struct user *user);

/* The table of a file's text. RC_INVALID: *out_error says where and why. RC_NO_MEMORY. */
MUST_USE enum rc user_table_read(struct bytes text, struct user_table **out,
                                 struct user_table_error *out_error);

/* A table with the changes applied; `table` (NULL: an empty one) is untouched. NULL: no memory. */
MUST_USE struct user_table *user_table_with(const struct user_table *table,
                                            const struct user_change *changes, uint32_t num);

struct user_table *user_table_ref(struct user_table *table);

/* NULL is allowed. */
void user_table_unref(struct user_table *table);

/* Borrowed: lives as long as the table. NULL: there is no such user. */
const struct user *user_table_find(const struct user_table *table, struct bytes name);

uint32_t user_table_count(const struct user_table *table);

/* The users one by one, from *cursor = 0; NULL at the end. */
const struct user *user_table_next(const struct user_table *table, uint32_t *cursor);

/*
 * The stored password of some other user, to be verified in place of that of a user `name` who has
 * none, so that time does not tell. Names are spread over the users, always in the same way, so
 * that whoever has no password looks like one of those who have. NULL: no user has a password.
 */
const char *user_table_decoy(const struct user_table *table, struct bytes name);

/* The same for SCRAM keys. NULL: no user has any of that mechanism. */
const char *user_table_decoy_scram(const struct user_table *table, struct bytes name,
                                   enum scram_mechanism mechanism);

#endif
