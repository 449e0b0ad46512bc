/*
 * api_users.c -- /api/v5/authentication/{id}/users: users of a built-in database (userdb.h).
 *
 * {id} is password_based:built_in_database, with :NAME behind it for a database that has a name.
 *
 *   GET     .../users?page=&limit=&like_user_id=&is_superuser=    in no order
 *   POST    .../users         {"user_id", "password", "is_superuser"}: 201; 409 if it is there
 *   GET     .../users/{user}  {"user_id", "is_superuser"}
 *   PUT     .../users/{user}  {"password", "is_superuser"}: what is absent stays as it is
 *   DELETE  .../users/{user}  204
 *
 * Instead of `password` there may be `password_hash`, a stored form as in a password file
 * (route/password.h). A password is made into one by a worker; it is not kept anywhere.
 *
 * Threads: the ops thread.
 */
#include "api_users.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "broker.h"
#include "password_job.h"

#define USERS_ID           "password_based:built_in_database"
#define USERS_PASSWORD_MAX 65535 /* what fits into CONNECT */

/* A user who is being made, changed or deleted. */
struct users_op {
    struct api_call *call; /* NULL: it does not wait any more */
    struct broker *broker;
    struct userdb_database *database;
    struct row_change *change;
    struct user *user; /* who it is to be; NULL: deleted, or not made yet */
    bool is_superuser;
    unsigned status; /* of the answer */
    uint32_t name_len;
    char name[];
};

static struct bytes users_name(const struct users_op *op)
{
    return bytes_of(op->name, op->name_len);
}

static const char *users_database_name(const char *id)
{
    const size_t len = strlen(USERS_ID);
    if (strncmp(id, USERS_ID, len) != 0 || (id[len] != '\0' && id[len] != ':'))
        return NULL;
    return id[len] == '\0' ? "" : id + len + 1;
}

/* The step that names the database; the first one says how passwords are stored. */
static const struct config_authn *users_step(const struct config *config, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < config->num_authns; i++) {
        const struct config_authn *step = &config->authns[i];
        if (step->type == CONFIG_AUTHN_BUILT_IN && strcmp(step->database, name) == 0)
            return step;
    }
    return NULL;
}

/* NULL after answering. */
static struct userdb_database *users_database(struct api_call *call,
                                              const struct config_authn **out_step)
{
    const char *name = users_database_name(call->params[0]);
    *out_step = users_step(call->broker->config, name);
    struct userdb_database *database = *out_step == NULL ? NULL
                                                         : userdb_find(&call->broker->userdb, name);
    if (database == NULL)
        api_fail(call, API_NOT_FOUND,
                 "no step of `authentication` has the type built_in_database and this id");
    return database;
}

static json_t *users_json(const struct user *user)
{
    return json_pack("{s:s%, s:b}", "user_id", user->name.ptr, (size_t)user->name.len,
                     "is_superuser", user->is_superuser);
}

/* ---- reading ---- */

void api_users_get(struct api_call *call)
{
    const struct config_authn *step;
    const struct userdb_database *database = users_database(call, &step);
    if (database == NULL)
        return;
    const struct user *user = user_table_find(database->users, bytes_of_text(call->params[1]));
    if (user == NULL)
        api_fail(call, API_NOT_FOUND, "there is no such user");
    else
        api_reply(call, 200, users_json(user));
}

static void users_list(struct api_call *call, const struct user_table *users, const char *like,
                       const char *superuser)
{
    struct api_page page;
    bool right = true;
    uint32_t cursor = 0;
    size_t like_len = like == NULL ? 0 : strlen(like);
    const struct user *user;
    if (!api_page_begin(call, &page))
        return;
    while ((user = user_table_next(users, &cursor)) != NULL) {
        if ((superuser != NULL && user->is_superuser != (superuser[0] == 't')) ||
            (like_len > 0 && memmem(user->name.ptr, user->name.len, like, like_len) == NULL) ||
            !api_page_wants(&page))
            continue;
        right &= json_array_append_new(page.data, users_json(user)) == 0;
    }
    api_page_end(call, &page, right);
}

void api_users_list(struct api_call *call)
{
    const struct config_authn *step;
    const struct userdb_database *database = users_database(call, &step);
    if (database == NULL)
        return;
    char *like = api_query(call, "like_user_id");
    char *superuser = call->is_answered ? NULL : api_query(call, "is_superuser");
    if (superuser != NULL && strcmp(superuser, "true") != 0 && strcmp(superuser, "false") != 0)
        api_fail(call, API_BAD_REQUEST, "`is_superuser` is true or false");
    if (!call->is_answered)
        users_list(call, database->users, like, superuser);
    free(like);
    free(superuser);
}

/* ---- changing ---- */

static void users_op_free(struct users_op *op)
{
    if (op->call != NULL)
        op->call->attached = NULL;
    user_unref(op->user);
    free(op);
}

static void users_done(void *context, enum rc rc)
{
    struct users_op *op = context;
    struct userdb *userdb = &op->broker->userdb;
    struct api_call *call = op->call;
    if (rc == RC_OK) {
        rc = userdb_put(userdb, op->database, users_name(op), op->user);
        if (rc != RC_OK)
            LOG(LOG_ERROR, "a user is in the log, but there is no memory: restart the broker");
    }
    if (call != NULL && rc != RC_OK)
        api_fail_rc(call, rc);
    else if (call != NULL)
        api_reply_when(call, op->status, op->user == NULL ? NULL : users_json(op->user),
                       &userdb->taken, userdb->made);
    users_op_free(op);
}

/* NULL after answering, or parking. */
static struct users_op *users_begin(struct api_call *call, struct userdb_database *database,
                                    const char *name)
{
    char table[USERDB_TABLE_MAX];
    size_t len = strlen(name);
    struct users_op *op = calloc(1, sizeof(*op) + len + 1);
    if (op == NULL) {
        api_fail_rc(call, RC_NO_MEMORY);
        return NULL;
    }
    op->broker = call->broker;
    op->database = database;
    op->name_len = (uint32_t)len;
    memcpy(op->name, name, len);
    enum rc rc = row_change_begin(call->broker, userdb_table(database, table), users_name(op),
                                  users_done, op, &op->change);
    if (rc == RC_OK) {
        api_attach(call, &op->call);
        return op;
    }
    free(op);
    if (rc == RC_EXISTS)
        api_park(call);
    else
        api_fail_rc(call, rc);
    return NULL;
}

static void users_send(struct users_op *op, const char *form)
{
    const char *none[SCRAM_COUNT] = {NULL};
    op->user = user_create(users_name(op), op->is_superuser, form, none);
    char *value = userdb_value(form, op->is_superuser);
    if (op->user != NULL && value != NULL) {
        row_change_send(op->change, true, bytes_of_text(value));
    } else {
        row_change_cancel(op->change);
        users_done(op, RC_NO_MEMORY);
    }
    free(value);
}

/* The password goes to a worker, whose answer goes on. */
static void users_hash(struct users_op *op, enum password_algorithm algorithm, const char *password)
{
    const struct route_shared *route = &op->broker->route;
    struct password_job *job = password_job_create(algorithm, bytes_of_text(password), op);
    if (job == NULL) {
        row_change_cancel(op->change);
        users_done(op, RC_NO_MEMORY);
        return;
    }
    struct mail mail = {.kind = MAIL_PASSWORD, .ptr = job};
    unsigned which = op->broker->api.worker_next++ % route->authn_workers_num;
    mail_send(op->broker->port, (shard_id)(route->authn_workers_first + which), MAIL_CONTROL,
              &mail);
}

void api_users_on_mail(struct broker *broker, const struct mail *mail)
{
    struct password_job *job = mail->ptr;
    struct users_op *op = job->context;
    CHECK(op->broker == broker);
    if (job->rc == RC_OK) {
        users_send(op, job->form);
    } else {
        row_change_cancel(op->change);
        if (op->call != NULL)
            api_fail(op->call, job->rc == RC_INVALID ? API_BAD_REQUEST : API_INTERNAL_ERROR,
                     "the password cannot be stored: %s", rc_text(job->rc));
        users_op_free(op);
    }
    password_job_destroy(job);
}

/* What a body says of a user; texts are borrowed. */
struct users_wanted {
    const char *password;
    const char *form;
    const json_t *superuser;
};

/* False after answering. */
static bool users_wanted(struct api_call *call, struct users_wanted *out)
{
    const json_t *password = json_object_get(call->body, "password");
    const json_t *form = json_object_get(call->body, "password_hash");
    *out = (struct users_wanted){.password = json_string_value(password),
                                 .form = json_string_value(form),
                                 .superuser = json_object_get(call->body, "is_superuser")};
    const char *why = NULL;
    if ((password != NULL && out->password == NULL) || (form != NULL && out->form == NULL))
        why = "a password or its stored form has to be a text";
    else if (password != NULL && form != NULL)
        why = "a password or its stored form, not both";
    else if (json_string_length(password) > USERS_PASSWORD_MAX)
        why = "the password is too long";
    else if (out->superuser != NULL && !json_is_boolean(out->superuser))
        why = "`is_superuser` is true or false";
    else if (out->form != NULL)
        why = password_judge(out->form);
    if (why != NULL)
        api_fail(call, API_BAD_REQUEST, "%s", why);
    return why == NULL;
}

/* Goes on with an operation that has begun. `form`: what it had before. */
static void users_go_on(struct users_op *op, const struct users_wanted *wanted,
                        const struct config_authn *step, const char *form)
{
    if (wanted->password != NULL)
        users_hash(op, step->password_hash_algorithm, wanted->password);
    else
        users_send(op, wanted->form != NULL ? wanted->form : form);
}

void api_users_add(struct api_call *call)
{
    const struct config_authn *step;
    struct userdb_database *database = users_database(call, &step);
    struct users_wanted wanted;
    if (database == NULL || !users_wanted(call, &wanted))
        return;
    const json_t *id = json_object_get(call->body, "user_id");
    const char *name = json_string_value(id);
    if (name == NULL || name[0] == '\0' || json_string_length(id) > USER_NAME_LEN_MAX) {
        api_fail(call, API_BAD_REQUEST, "`user_id` has to be a text of 1 to %d bytes",
                 USER_NAME_LEN_MAX);
    } else if (wanted.password == NULL && wanted.form == NULL) {
        api_fail(call, API_BAD_REQUEST, "`password` is missing");
    } else if (user_table_find(database->users, bytes_of_text(name)) != NULL) {
        api_fail(call, API_ALREADY_EXISTS, "there is a user of this id");
    } else if (user_table_count(database->users) >= USER_TABLE_MAX) {
        api_fail(call, API_EXCEED_LIMIT, "there are %d users already", USER_TABLE_MAX);
    } else {
        struct users_op *op = users_begin(call, database, name);
        if (op == NULL)
            return;
        op->status = 201;
        op->is_superuser = json_is_true(wanted.superuser);
        users_go_on(op, &wanted, step, NULL);
    }
}

void api_users_change(struct api_call *call)
{
    const struct config_authn *step;
    struct userdb_database *database = users_database(call, &step);
    struct users_wanted wanted;
    if (database == NULL || !users_wanted(call, &wanted))
        return;
    const struct user *user = user_table_find(database->users, bytes_of_text(call->params[1]));
    if (user == NULL) {
        api_fail(call, API_NOT_FOUND, "there is no such user");
        return;
    }
    struct users_op *op = users_begin(call, database, call->params[1]);
    if (op == NULL)
        return;
    op->status = 200;
    op->is_superuser = wanted.superuser == NULL ? user->is_superuser
                                                : json_is_true(wanted.superuser);
    users_go_on(op, &wanted, step, user->form);
}

void api_users_delete(struct api_call *call)
{
    const struct config_authn *step;
    struct userdb_database *database = users_database(call, &step);
    if (database == NULL)
        return;
    if (user_table_find(database->users, bytes_of_text(call->params[1])) == NULL) {
        api_fail(call, API_NOT_FOUND, "there is no such user");
        return;
    }
    struct users_op *op = users_begin(call, database, call->params[1]);
    if (op == NULL)
        return;
    op->status = 204;
    row_change_send(op->change, false, bytes_of(NULL, 0));
}
