/*
 * userdb.h -- users of the broker's own: databases that operators change while it runs.
 *
 * A step `built_in_database` of the authentication chain (config_authn_table.h) names a database;
 * several steps may name the same. The users of a database are one immutable table
 * (route/user_table.h), which workers read without locks, as they do with those of a file. A change
 * makes a new table, a new set of chains with it, and gives that to every shard by mail; the next
 * one goes out when all of them have said that they have it, with whatever has changed meanwhile.
 *
 * A database is there as soon as a step or a row of the log names it, and stays: users whose step
 * is taken out of the configuration are still there when it comes back.
 *
 * In the log a user is a row of the table `users:<database>`: the key is the user's id, the value
 * the JSON object {"password_hash": text, "is_superuser": true|false}.
 *
 * Bounds: USERDB_MAX databases, USER_TABLE_MAX users in each.
 *
 * Threads: the ops thread; userdb_restore and userdb_loaded see rows.h.
 */
#ifndef SLUICE_USERDB_H
#define SLUICE_USERDB_H

#include "authn_password.h"
#include "user_table.h"

#define USERDB_MAX          16
#define USERDB_NAME_LEN_MAX 64
#define USERDB_TABLE_PREFIX "users:"
#define USERDB_TABLE_MAX    (sizeof(USERDB_TABLE_PREFIX) + USERDB_NAME_LEN_MAX)

struct broker;

struct userdb_database {
    char name[USERDB_NAME_LEN_MAX + 1]; /* "": the one that has no name */
    struct user_table *users;           /* never NULL */
    struct user_change *loading;        /* rows of the log, until userdb_loaded */
    uint32_t loading_num;
    uint32_t loading_capacity;
};

struct userdb {
    struct userdb_database databases[USERDB_MAX];
    uint32_t num;
    uint64_t made;    /* counts changes */
    uint64_t sent;    /* of these, what the shards have been sent */
    uint64_t taken;   /* and what every one of them has */
    unsigned waiting; /* shards that have not taken what was sent */
};

void userdb_fini(struct userdb *userdb);

/* The database of that name, or NULL. */
struct userdb_database *userdb_find(struct userdb *userdb, const char *name);

/* The same, made if need be. NULL: there are too many, or no memory. */
MUST_USE struct userdb_database *userdb_open(struct userdb *userdb, const char *name);

/* A step that asks for users of this database. NULL without memory. */
MUST_USE struct authn_step *userdb_step(const struct userdb_database *database,
                                        enum authn_user_is user_is);

/* A row of the log. RC_NOT_FOUND: none of a user. A user that makes no sense is passed over. */
MUST_USE enum rc userdb_restore(struct userdb *userdb, struct bytes table, struct bytes key,
                                struct bytes value);

/* All rows are here: the chains with which the shards begin get them. */
MUST_USE enum rc userdb_loaded(struct broker *broker);

/* The name of the table of rows, into `out` (USERDB_TABLE_MAX bytes). */
struct bytes userdb_table(const struct userdb_database *database, char *out);

/* The value of a user's row, for the caller to free; NULL without memory. */
MUST_USE char *userdb_value(const char *form, bool is_superuser);

/*
 * The user, of whom a reference is taken, becomes one of the database; NULL: `name` is deleted. In
 * force once `taken` has reached what `made` is afterwards. RC_NO_MEMORY.
 */
MUST_USE enum rc userdb_put(struct userdb *userdb, struct userdb_database *database,
                            struct bytes name, struct user *user);

/* Sends what has changed to the shards. Once per turn. */
void userdb_turn(struct broker *broker);

/* MAIL_AUTHN_TAKEN. */
void userdb_on_taken(struct userdb *userdb);

/* Users of all databases. */
uint64_t userdb_count(const struct userdb *userdb);

#endif
