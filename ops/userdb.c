/*
 * userdb.c -- see userdb.h.
 */
#include "userdb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "password.h"
#include "utf8.h"

#define USERDB_LOADING_FIRST 64

static void userdb_loading_fini(struct userdb_database *database)
{
    for (uint32_t i = 0; i < database->loading_num; i++)
        user_unref(database->loading[i].user);
    free(database->loading);
    database->loading = NULL;
    database->loading_num = 0;
    database->loading_capacity = 0;
}

void userdb_fini(struct userdb *userdb)
{
    for (uint32_t i = 0; i < userdb->num; i++) {
        userdb_loading_fini(&userdb->databases[i]);
        user_table_unref(userdb->databases[i].users);
    }
    userdb->num = 0;
}

struct userdb_database *userdb_find(struct userdb *userdb, const char *name)
{
    for (uint32_t i = 0; i < userdb->num; i++) {
        if (strcmp(userdb->databases[i].name, name) == 0)
            return &userdb->databases[i];
    }
    return NULL;
}

struct userdb_database *userdb_open(struct userdb *userdb, const char *name)
{
    struct userdb_database *database = userdb_find(userdb, name);
    if (database != NULL || userdb->num == USERDB_MAX)
        return database;
    CHECK(strlen(name) <= USERDB_NAME_LEN_MAX);
    database = &userdb->databases[userdb->num];
    memset(database, 0, sizeof(*database));
    snprintf(database->name, sizeof(database->name), "%s", name);
    database->users = user_table_with(NULL, NULL, 0);
    if (database->users == NULL)
        return NULL;
    userdb->num++;
    return database;
}

struct authn_step *userdb_step(const struct userdb_database *database, enum authn_user_is user_is)
{
    struct authn_step *step = authn_password_create(user_table_ref(database->users), user_is,
                                                    database);
    if (step == NULL)
        user_table_unref(database->users);
    return step;
}

struct bytes userdb_table(const struct userdb_database *database, char *out)
{
    int len = snprintf(out, USERDB_TABLE_MAX, USERDB_TABLE_PREFIX "%s", database->name);
    CHECK(len > 0 && (size_t)len < USERDB_TABLE_MAX);
    return bytes_of(out, (size_t)len);
}

char *userdb_value(const char *form, bool is_superuser)
{
    json_t *value = json_pack("{s:s, s:b}", "password_hash", form, "is_superuser", is_superuser);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    return text;
}

/* ---- start ---- */

/* NULL with *out_rc RC_OK: the row makes no sense. */
static struct user *userdb_user_of(struct bytes key, struct bytes value, enum rc *out_rc)
{
    json_t *row = json_loadb((const char *)value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL);
    const char *form = json_string_value(json_object_get(row, "password_hash"));
    bool is_superuser = json_is_true(json_object_get(row, "is_superuser"));
    const char *none[SCRAM_COUNT] = {NULL};
    struct user *user = NULL;
    *out_rc = RC_OK;
    if (form != NULL && password_judge(form) == NULL && key.len > 0 &&
        key.len <= USER_NAME_LEN_MAX && utf8_check(key.ptr, key.len)) {
        user = user_create(key, is_superuser, form, none);
        *out_rc = user == NULL ? RC_NO_MEMORY : RC_OK;
    } else {
        LOG(LOG_WARNING, "a user in the log cannot be understood and is left out");
    }
    json_decref(row);
    return user;
}

enum rc userdb_restore(struct userdb *userdb, struct bytes table, struct bytes key,
                       struct bytes value)
{
    const size_t prefix = strlen(USERDB_TABLE_PREFIX);
    char name[USERDB_NAME_LEN_MAX + 1] = "";
    if (table.len < prefix || table.len - prefix > USERDB_NAME_LEN_MAX ||
        memcmp(table.ptr, USERDB_TABLE_PREFIX, prefix) != 0)
        return RC_NOT_FOUND;
    memcpy(name, table.ptr + prefix, table.len - prefix);
    struct userdb_database *database = userdb_open(userdb, name);
    if (database == NULL)
        return userdb->num == USERDB_MAX ? RC_NOT_FOUND : RC_NO_MEMORY;
    if (database->loading_num == database->loading_capacity) {
        uint32_t capacity = database->loading_capacity == 0 ? USERDB_LOADING_FIRST
                                                            : 2 * database->loading_capacity;
        struct user_change *grown = reallocarray(database->loading, capacity, sizeof(*grown));
        if (grown == NULL)
            return RC_NO_MEMORY;
        database->loading = grown;
        database->loading_capacity = capacity;
    }
    enum rc rc;
    struct user *user = userdb_user_of(key, value, &rc);
    if (user != NULL)
        database->loading[database->loading_num++] = (struct user_change){.name = user->name,
                                                                          .user = user};
    return rc;
}

/* The chains with the tables as they are now, or `set` itself. NULL without memory. */
static struct authn_set *userdb_renew(const struct userdb *userdb, struct authn_set *set)
{
    struct authn_set *made = authn_set_ref(set);
    uint32_t cursor = 0;
    const struct authn_step *step;
    while (made != NULL && (step = authn_set_next(set, &cursor)) != NULL) {
        for (uint32_t i = 0; i < userdb->num; i++) {
            const struct userdb_database *database = &userdb->databases[i];
            if (authn_password_source(step) != database ||
                authn_password_users(step) == database->users)
                continue;
            struct authn_step *fresh = authn_password_with(step, user_table_ref(database->users));
            struct authn_set *next = NULL;
            if (fresh == NULL)
                user_table_unref(database->users);
            else if ((next = authn_set_with(made, step, fresh)) == NULL)
                authn_step_unref(fresh);
            authn_set_unref(made);
            made = next;
            break;
        }
    }
    return made;
}

enum rc userdb_loaded(struct broker *broker)
{
    struct userdb *userdb = &broker->userdb;
    for (uint32_t i = 0; i < userdb->num; i++) {
        struct userdb_database *database = &userdb->databases[i];
        struct user_table *users = user_table_with(database->users, database->loading,
                                                   database->loading_num);
        if (users == NULL)
            return RC_NO_MEMORY;
        user_table_unref(database->users);
        database->users = users;
        userdb_loading_fini(database);
    }
    if (userdb_count(userdb) == 0)
        return RC_OK;
    struct authn_set *made = userdb_renew(userdb, broker->authn);
    if (made == NULL)
        return RC_NO_MEMORY;
    authn_set_unref(broker->authn);
    broker->authn = made;
    broker->route.authn = made;
    uint64_t count = userdb_count(userdb);
    LOG(LOG_INFO, "%llu %s of the built-in database", (unsigned long long)count,
        log_noun(count, "user", "users"));
    return RC_OK;
}

/* ---- changes ---- */

enum rc userdb_put(struct userdb *userdb, struct userdb_database *database, struct bytes name,
                   struct user *user)
{
    struct user_change change = {.name = name, .user = user};
    struct user_table *users = user_table_with(database->users, &change, 1);
    if (users == NULL)
        return RC_NO_MEMORY;
    user_table_unref(database->users);
    database->users = users;
    userdb->made++;
    return RC_OK;
}

void userdb_turn(struct broker *broker)
{
    struct userdb *userdb = &broker->userdb;
    if (userdb->made == userdb->sent || userdb->waiting > 0 || !broker->started)
        return;
    struct authn_set *made = userdb_renew(userdb, broker->authn);
    if (made == NULL)
        return; /* the next turn tries again */
    authn_set_unref(broker->authn);
    broker->authn = made;
    userdb->sent = userdb->made;
    userdb->waiting = broker->net.shards;
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_AUTHN_SET, .count = 1, .ptr = authn_set_ref(made)};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
}

void userdb_on_taken(struct userdb *userdb)
{
    CHECK(userdb->waiting > 0);
    if (--userdb->waiting == 0)
        userdb->taken = userdb->sent;
}

uint64_t userdb_count(const struct userdb *userdb)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < userdb->num; i++)
        count += user_table_count(userdb->databases[i].users);
    return count;
}
