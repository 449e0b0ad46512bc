/*
 * access.c -- see access.h.
 * Threads: see access.h.
 */
#include "access.h"

#include "access_file.h"
#include "access_http.h"
#include "access_jwt.h"
#include "authn_cert.h"
#include "authn_password.h"
#include "authn_scram.h"
#include "broker.h"
#include "config_report.h"
#include "digest.h"
#include "password.h"
#include "reload_table.h"

#include <stdlib.h>
#include <string.h>

#define ACCESS_USERS_BYTES_MAX (256 * 1024 * 1024)

/* The users in the file that the step names, or NULL with a message added. */
static struct user_table *access_users(const struct config_authn *from,
                                       const struct config_report *report)
{
    size_t len = 0;
    if (from->path[0] == '\0') {
        config_refuse(report, "the step needs `path`, a file with users");
        return NULL;
    }
    uint8_t *text = access_file_read(from->path, ACCESS_USERS_BYTES_MAX, &len, report);
    if (text == NULL)
        return NULL;
    struct user_table *users = NULL;
    struct user_table_error error;
    enum rc rc = user_table_read(bytes_of(text, len), &users, &error);
    if (rc == RC_INVALID)
        config_refuse(report, "%s:%u: %s", from->path, error.line, error.text);
    else if (rc != RC_OK)
        config_refuse(report, "%s", rc_text(rc));
    digest_wipe(text, len);
    free(text);
    return users;
}

static enum authn_user_is access_user_is(const struct config_authn *from)
{
    return from->user_id_type == CONFIG_USER_IS_CLIENTID ? AUTHN_USER_IS_CLIENT_ID
                                                         : AUTHN_USER_IS_NAME;
}

static struct authn_step *access_password(const struct config_authn *from,
                                          const struct config_report *report)
{
    struct user_table *users = access_users(from, report);
    if (users == NULL)
        return NULL;
    struct authn_step *step = authn_password_create(users, access_user_is(from), NULL);
    if (step == NULL) {
        user_table_unref(users);
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    }
    return step;
}

static struct authn_step *access_scram(const struct config_authn *from,
                                       const struct config_report *report)
{
    struct user_table *users = access_users(from, report);
    if (users == NULL)
        return NULL;
    struct authn_step *step = authn_scram_create(
        users, from->mechanism == CONFIG_SCRAM_SHA256 ? SCRAM_SHA256 : SCRAM_SHA512);
    if (step == NULL) {
        user_table_unref(users);
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    }
    return step;
}

static struct authn_step *access_cert(const struct config_authn *from,
                                      const struct config_report *report)
{
    enum authn_cert_is is = from->cert_is == CONFIG_CERT_IS_USERNAME   ? AUTHN_CERT_IS_USERNAME
                            : from->cert_is == CONFIG_CERT_IS_CLIENTID ? AUTHN_CERT_IS_CLIENT_ID
                                                                       : AUTHN_CERT_IS_ANY;
    struct authn_step *step = authn_cert_create(is);
    if (step == NULL)
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    return step;
}

static struct authn_step *access_built_in(struct userdb *userdb, const struct config_authn *from,
                                          const struct config_report *report)
{
    const struct userdb_database *database = userdb_open(userdb, from->database);
    if (database == NULL) {
        config_refuse(report, "there are more than %d databases, or no memory", USERDB_MAX);
        return NULL;
    }
    struct authn_step *step = userdb_step(database, access_user_is(from));
    if (step == NULL)
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    return step;
}

typedef struct authn_step *(*access_step_fn)(const struct config_authn *from,
                                             const struct config_report *report);

static const access_step_fn access_steps[] = {
    [CONFIG_AUTHN_PASSWORD_FILE] = access_password,
    [CONFIG_AUTHN_HTTP] = access_http,
    [CONFIG_AUTHN_SCRAM] = access_scram,
    [CONFIG_AUTHN_JWT] = access_jwt,
    [CONFIG_AUTHN_CERTIFICATE] = access_cert,
    [CONFIG_AUTHN_BUILT_IN] = NULL, /* access_built_in, which needs the databases */
};

/* The listener that a step is for, by its place in the configuration. */
static unsigned access_listener(const struct config *config, const struct config_authn *from)
{
    for (uint32_t i = 0; i < config->num_listeners; i++) {
        if (strcmp(config->listeners[i].name, from->listener) == 0)
            return i;
    }
    return AUTHN_ALL_LISTENERS;
}

static bool access_add(struct authn_set *set, const struct config *config, struct userdb *userdb,
                       const struct config_authn *from, struct error_list *errors)
{
    const struct config_report report = {.errors = errors, .place = from->place};
    CHECK(from->type < ARRAY_LEN(access_steps));
    struct authn_step *step = from->type == CONFIG_AUTHN_BUILT_IN
                                  ? access_built_in(userdb, from, &report)
                                  : access_steps[from->type](from, &report);
    if (step == NULL)
        return false;
    if (authn_set_add(set, access_listener(config, from), step) == RC_OK)
        return true;
    authn_step_unref(step);
    return config_refuse(&report, "a chain has at most %d steps", AUTHN_STEPS_MAX);
}

struct authn_set *access_create(const struct config *config, struct userdb *userdb,
                                struct error_list *errors)
{
    struct authn_set *set = authn_set_create(config->access.allow_anonymous);
    if (set == NULL || !password_start()) {
        error_list_add(errors, "authentication cannot start: no memory, or no random numbers");
        authn_set_unref(set);
        return NULL;
    }
    bool right = true;
    for (uint32_t i = 0; i < config->num_authns; i++)
        right &= access_add(set, config, userdb, &config->authns[i], errors);
    if (right)
        return set;
    authn_set_unref(set);
    return NULL;
}

const char *access_doubt(const struct config *config)
{
    char path[CONTROL_PATH_MAX + 1];
    bool built_in = false;
    for (uint32_t i = 0; i < config->num_authns; i++)
        built_in |= config->authns[i].type == CONFIG_AUTHN_BUILT_IN;
    /* A data directory may have users from before, even if nobody can change them now. */
    if (!built_in || config_has_data_dir(config) ||
        control_socket_path(config, "", path) != RC_NOT_FOUND)
        return NULL;
    return "authentication: built_in_database can have no users: there is neither a data "
           "directory (data_dir) nor a control socket (admin.control)";
}

static void access_say_doubt(const struct broker *broker)
{
    const char *doubt = access_doubt(broker->config);
    if (doubt != NULL)
        LOG(LOG_WARNING, "%s", doubt);
}

unsigned access_workers(const struct config *config, unsigned shards)
{
    unsigned num = config->access.auth_workers != 0 ? config->access.auth_workers
                                                    : (shards + 1) / 2;
    return num < ACCESS_WORKERS_MAX ? num : ACCESS_WORKERS_MAX;
}

void access_prepare(struct broker *broker, shard_id first)
{
    struct route_shared *route = &broker->route;
    unsigned per_shard = broker->config->access.auth_queue / route->shards;
    route->authn_workers_first = first;
    route->authn_workers_num = (uint16_t)broker->access.workers_num;
    route->authn_helper = (shard_id)(first + broker->access.workers_num);
    route->authn_away_max = per_shard > 0 ? per_shard : 1;
}

enum rc access_start(struct broker *broker)
{
    struct access *access = &broker->access;
    access_say_doubt(broker);
    while (access->workers_started < access->workers_num) {
        unsigned i = access->workers_started;
        shard_id endpoint = (shard_id)(broker->route.authn_workers_first + i);
        enum rc rc = worker_start(&access->workers[i], broker->runtime, endpoint, authn_work);
        if (rc != RC_OK)
            return rc;
        access->workers_started++;
    }
    enum rc rc = outside_start(&access->outside, broker->runtime, broker->route.authn_helper);
    if (rc == RC_OK) {
        struct mail mail = {.kind = MAIL_AUTHN_SET, .ptr = authn_set_ref(broker->authn)};
        mail_send(broker->port, broker->route.authn_helper, MAIL_CONTROL, &mail);
    }
    return rc;
}

void access_turn(struct broker *broker, uint64_t now_ns)
{
    struct access *access = &broker->access;
    for (unsigned i = 0; i < access->workers_started; i++)
        worker_look(&access->workers[i], now_ns);
}

void access_stop(struct broker *broker)
{
    struct access *access = &broker->access;
    outside_stop(&access->outside);
    while (access->workers_started > 0)
        worker_stop(&access->workers[--access->workers_started]);
}

void access_publish(struct broker *broker, struct authn_set *set)
{
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_AUTHN_SET, .ptr = authn_set_ref(set)};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
    struct mail mail = {.kind = MAIL_AUTHN_SET, .ptr = authn_set_ref(set)};
    mail_send(broker->port, broker->route.authn_helper, MAIL_CONTROL, &mail);
}

void access_on_step(struct broker *broker, const struct mail *mail)
{
    struct authn_set *made = jwks_take(broker->authn, mail);
    if (made == NULL)
        return;
    authn_set_unref(broker->authn);
    broker->authn = made;
    access_publish(broker, made);
}

/* ---- the part of a reload ---- */

static bool access_reload_prepare(struct broker *broker, const struct config *next,
                                  struct error_list *errors, void **out_state)
{
    *out_state = access_create(next, &broker->userdb, errors);
    return *out_state != NULL;
}

static void *access_reload_commit(struct broker *broker, void *state)
{
    struct authn_set *old = broker->authn;
    broker->authn = state;
    access_say_doubt(broker);
    access_publish(broker, state);
    return old;
}

static void access_reload_dispose(struct broker *broker, void *state)
{
    (void)broker;
    authn_set_unref(state);
}

const struct reload_part reload_part_access = {.name = "access",
                                               .prepare = access_reload_prepare,
                                               .commit = access_reload_commit,
                                               .dispose = access_reload_dispose};
