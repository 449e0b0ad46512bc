/*
 * bans.c -- see bans.h.
 */
#include "bans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ban.h"
#include "ban_json.h"
#include "broker.h"
#include "clock.h"
#include "reload_table.h"
#include "rfc3339.h"

/* What earlier versions kept at run time; its rows are in the log once the name has changed. */
#define BANS_OLD_FILE  "bans.csv"
#define BANS_OLD_DONE  "bans.csv.imported"
#define BANS_OLD_BATCH 64 /* rows of it on their way to the log */

/* Compiling a list takes time; the ops thread spends no more than a third of its own on it. */
#define BANS_REST_FACTOR 2
#define BANS_AGAIN_MS    1000 /* after no memory */
#define BANS_FLAPPING    "flapping detector"

static uint64_t bans_now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static uint64_t bans_now_s(void)
{
    return clock_wall_ms() / 1000;
}

static void bans_rules(const struct ban_list *list, struct ban_rule *rules, uint32_t *num)
{
    uint64_t now_ms = bans_now_ms();
    uint64_t wall_ms = clock_wall_ms();
    for (uint32_t i = 0; i < list->num; i++) {
        const struct ban *ban = &list->items[i];
        struct ban_rule *rule = &rules[(*num)++];
        *rule = (struct ban_rule){.kind = ban->kind, .who = ban->who, .until_ms = BAN_NEVER_MS};
        /* As milliseconds a number of seconds without bounds, from an old row, may be anything. */
        if (ban->until_s <= RFC3339_LAST_S)
            rule->until_ms = ban->until_s * 1000 > wall_ms
                                 ? now_ms + (ban->until_s * 1000 - wall_ms)
                                 : now_ms;
    }
}

static enum rc bans_compile(const struct broker *broker, const struct ban_list *file,
                            const struct ban_list *own, struct ban_set **out)
{
    uint32_t num = 0;
    struct ban_rule *rules = calloc((size_t)file->num + own->num + 1, sizeof(*rules));
    if (rules == NULL)
        return RC_NO_MEMORY;
    bans_rules(file, rules, &num);
    bans_rules(own, rules, &num);
    enum rc rc = ban_set_create(rules, num, &broker->dir.secret, out);
    free(rules);
    return rc;
}

static void bans_look_ahead(struct bans *bans)
{
    uint64_t file_s = ban_list_next_end_s(&bans->file);
    uint64_t own_s = ban_list_next_end_s(&bans->own);
    bans->next_end_s = file_s < own_s ? file_s : own_s;
}

static void bans_changed(struct bans *bans, bool kick)
{
    bans->changed = true;
    bans->made++;
    bans->kick |= kick;
    bans_look_ahead(bans);
}

/* ---- rows of the log ---- */

static struct bytes bans_table(enum ban_kind kind, char *out)
{
    int len = snprintf(out, BANS_TABLE_MAX, BANS_TABLE_PREFIX "%s", ban_kind_name(kind));
    CHECK(len > 0 && len < BANS_TABLE_MAX);
    return bytes_of(out, (size_t)len);
}

enum rc bans_restore(struct broker *broker, struct bytes table, struct bytes key,
                     struct bytes value)
{
    const size_t prefix = strlen(BANS_TABLE_PREFIX);
    char kind[BANS_TABLE_MAX] = "";
    char why[BAN_WHY_LEN_MAX + 1] = "";
    if (table.len <= prefix || table.len >= sizeof(kind) ||
        memcmp(table.ptr, BANS_TABLE_PREFIX, prefix) != 0)
        return RC_NOT_FOUND;
    memcpy(kind, table.ptr + prefix, table.len - prefix);
    struct ban ban = {.kind = ban_kind_find(kind)};
    if (ban.kind == BAN_KIND_COUNT)
        return RC_NOT_FOUND;
    char *who = strndup((const char *)key.ptr, key.len);
    json_t *row = ban_row_read(value, &ban);
    enum rc rc = who == NULL ? RC_NO_MEMORY : RC_INVALID;
    if (who != NULL && row != NULL && strlen(who) == key.len) {
        ban.who = who;
        rc = ban_list_add(&broker->bans.own, &ban, why);
    }
    json_decref(row);
    free(who);
    if (rc != RC_INVALID && rc != RC_FULL)
        return rc;
    LOG(LOG_WARNING, "a ban in the log is left out: %s", rc == RC_FULL ? rc_text(rc) : why);
    return RC_OK;
}

/* A row that is gone, or was there only for the next start: nobody waits. */
static void bans_noted(void *context, enum rc rc)
{
    (void)context;
    if (rc != RC_OK)
        LOG(LOG_WARNING, "the log did not take a change of the ban list: %s", rc_text(rc));
}

/* Appends the ban, or deletes it (`kept` false); `done` is told. */
static enum rc bans_note(struct broker *broker, const struct ban *ban, bool kept, row_done_fn done,
                         void *context)
{
    char table[BANS_TABLE_MAX];
    struct row_change *change = NULL;
    char *value = kept ? ban_row_text(ban) : NULL;
    enum rc rc = kept && value == NULL ? RC_NO_MEMORY : RC_OK;
    if (rc == RC_OK)
        rc = row_change_begin(broker, bans_table(ban->kind, table), bytes_of_text(ban->who), done,
                              context, &change);
    if (rc == RC_OK)
        row_change_send(change, kept, kept ? bytes_of_text(value) : bytes_of(NULL, 0));
    free(value);
    return rc;
}

/* ---- bans of an earlier version ---- */

static bool bans_old_path(const struct broker *broker, const char *name, char *out, size_t size)
{
    return broker->dir.path[0] != '\0' &&
           snprintf(out, size, "%s/%s", broker->dir.path, name) < (int)size;
}

static bool bans_old_read(struct broker *broker, struct error_list *errors)
{
    struct bans *bans = &broker->bans;
    char path[sizeof(broker->dir.path) + 32];
    if (!bans_old_path(broker, BANS_OLD_FILE, path, sizeof(path)) || access(path, F_OK) != 0)
        return true;
    if (!ban_list_read_file(&bans->old, path, bans_now_s(), errors))
        return false;
    bans->old_is_there = true;
    char why[BAN_WHY_LEN_MAX + 1] = "";
    for (uint32_t i = 0; i < bans->old.num; i++) {
        if (ban_list_add(&bans->own, &bans->old.items[i], why) != RC_OK)
            return false;
    }
    LOG(LOG_INFO, "%u %s of %s %s into the log", bans->old.num,
        log_noun(bans->old.num, "ban", "bans"), path, log_noun(bans->old.num, "moves", "move"));
    return true;
}

static void bans_old_noted(void *context, enum rc rc)
{
    struct bans *bans = context;
    CHECK(bans->old_under_way > 0);
    bans->old_under_way--;
    bans->old_failed |= rc != RC_OK;
}

/* When all are committed the file gets another name; if one is not the next start tries again. */
static void bans_old_move(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    while (bans->old_next < bans->old.num && bans->old_under_way < BANS_OLD_BATCH) {
        const struct ban *ban = &bans->old.items[bans->old_next++];
        if (ban_list_find(&bans->own, ban->kind, ban->who) == NULL)
            continue; /* over, or deleted meanwhile */
        bans->old_under_way++;
        enum rc rc = bans_note(broker, ban, true, bans_old_noted, bans);
        if (rc != RC_OK)
            bans_old_noted(bans, rc);
    }
    if (bans->old_next < bans->old.num || bans->old_under_way > 0)
        return;
    char from[sizeof(broker->dir.path) + 32];
    char to[sizeof(from)];
    bans->old_is_there = false;
    ban_list_fini(&bans->old);
    bool known = bans_old_path(broker, BANS_OLD_FILE, from, sizeof(from)) &&
                 bans_old_path(broker, BANS_OLD_DONE, to, sizeof(to));
    if (bans->old_failed || !known)
        LOG(LOG_WARNING, "not all bans of " BANS_OLD_FILE " are in the log: it is read again at "
                         "the next start");
    else if (rename(from, to) != 0)
        LOG(LOG_WARNING, "%s cannot be renamed: %s", from, strerror(errno));
    else
        LOG(LOG_INFO, "the bans of " BANS_OLD_FILE " are in the log, it is now " BANS_OLD_DONE);
}

/* ---- start and end ---- */

enum rc bans_open(struct broker *broker, struct error_list *errors)
{
    struct bans *bans = &broker->bans;
    const char *file = broker->config->banned.bootstrap_file;
    bool right = bans_old_read(broker, errors);
    if (file[0] != '\0')
        right &= ban_list_read_file(&bans->file, file, bans_now_s(), errors);
    struct ban_set *set = NULL;
    enum rc rc = right ? bans_compile(broker, &bans->file, &bans->own, &set) : RC_INVALID;
    if (right && rc != RC_OK)
        error_list_add(errors, "bans: %s", rc_text(rc));
    if (rc != RC_OK)
        return RC_INVALID;
    broker->net.bans = set;
    bans_look_ahead(bans);
    return RC_OK;
}

enum rc bans_loaded(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    struct ban_set *set = NULL;
    enum rc rc = bans_compile(broker, &bans->file, &bans->own, &set);
    if (rc != RC_OK) {
        LOG(LOG_ERROR, "bans: %s", rc_text(rc));
        return rc;
    }
    ban_set_destroy((struct ban_set *)(uintptr_t)broker->net.bans);
    broker->net.bans = set;
    bans_look_ahead(bans);
    if (bans_count(broker) > 0)
        LOG(LOG_INFO, "%u %s", bans_count(broker), log_noun(bans_count(broker), "ban", "bans"));
    return RC_OK;
}

void bans_close(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    ban_list_fini(&bans->file);
    ban_list_fini(&bans->own);
    ban_list_fini(&bans->old);
    ban_set_destroy((struct ban_set *)(uintptr_t)bans->sent);
    ban_set_destroy((struct ban_set *)(uintptr_t)broker->net.bans);
    bans->sent = NULL;
    broker->net.bans = NULL;
}

/* ---- changes ---- */

/* Of these there may be too many for a set; better said now than found out later. */
static enum rc bans_try(const struct broker *broker, const struct ban *ban)
{
    if (ban->kind != BAN_RANGE && ban->kind != BAN_CLIENT_ID_RE && ban->kind != BAN_USER_NAME_RE)
        return RC_OK;
    char why[BAN_WHY_LEN_MAX + 1] = "";
    struct ban_list one = {0};
    struct ban_set *set = NULL;
    uint32_t num = 0;
    const struct bans *bans = &broker->bans;
    struct ban_rule *rules = calloc((size_t)bans_count(broker) + 1, sizeof(*rules));
    enum rc rc = rules == NULL ? RC_NO_MEMORY : ban_list_add(&one, ban, why);
    if (rc == RC_OK) {
        bans_rules(&bans->file, rules, &num);
        bans_rules(&bans->own, rules, &num);
        bans_rules(&one, rules, &num);
        rc = ban_set_create(rules, num, &broker->dir.secret, &set);
    }
    ban_set_destroy(set);
    ban_list_fini(&one);
    free(rules);
    return rc;
}

const struct ban *bans_find(const struct broker *broker, enum ban_kind kind, const char *who)
{
    return ban_list_find(&broker->bans.own, kind, who);
}

enum rc bans_check(const struct broker *broker, const struct ban *ban, char *out_why)
{
    if (!ban_check(ban, out_why))
        return RC_INVALID;
    if (bans_find(broker, ban->kind, ban->who) != NULL)
        return RC_EXISTS;
    return bans_count(broker) >= BAN_RULES_MAX ? RC_FULL : bans_try(broker, ban);
}

enum rc bans_add(struct broker *broker, const struct ban *ban)
{
    struct bans *bans = &broker->bans;
    char why[BAN_WHY_LEN_MAX + 1] = "";
    enum rc rc = ban_list_add(&bans->own, ban, why);
    if (rc != RC_OK)
        return rc;
    bans_changed(bans, true);
    LOG(LOG_INFO, "banned by %s: %s %.100s", ban->by, ban_kind_name(ban->kind), ban->who);
    return RC_OK;
}

void bans_remove(struct broker *broker, enum ban_kind kind, const char *who)
{
    struct bans *bans = &broker->bans;
    if (!ban_list_remove(&bans->own, kind, who))
        return;
    bans_changed(bans, false);
    LOG(LOG_INFO, "no longer banned: %s %.100s", ban_kind_name(kind), who);
}

enum rc bans_row_begin(struct broker *broker, enum ban_kind kind, const char *who, row_done_fn done,
                       void *context, struct row_change **out)
{
    char table[BANS_TABLE_MAX];
    return row_change_begin(broker, bans_table(kind, table), bytes_of_text(who), done, context,
                            out);
}

void bans_visit(const struct broker *broker,
                void (*visit)(void *context, const struct ban *ban, bool is_of_file), void *context)
{
    for (uint32_t i = 0; i < broker->bans.file.num; i++)
        visit(context, &broker->bans.file.items[i], true);
    for (uint32_t i = 0; i < broker->bans.own.num; i++)
        visit(context, &broker->bans.own.items[i], false);
}

uint32_t bans_count(const struct broker *broker)
{
    return broker->bans.file.num + broker->bans.own.num;
}

/* A shard has found a client that flaps. */
static void bans_flapping(struct broker *broker, const struct ban_wanted *wanted)
{
    char why[BAN_WHY_LEN_MAX + 1] = "";
    static char reason[] = "its connections ended too often";
    static char by[] = BANS_FLAPPING;
    uint64_t now_s = bans_now_s();
    struct ban ban = {.kind = BAN_CLIENT_ID,
                      .who = (char *)(uintptr_t)wanted->client_id,
                      .reason = reason,
                      .by = by,
                      .at_s = now_s,
                      .until_s = now_s + broker->config->flapping_detect.ban_time_s};
    enum rc rc = bans_check(broker, &ban, why);
    if (rc == RC_OK || rc == RC_EXISTS)
        rc = bans_add(broker, &ban);
    /* It holds at once: who flaps does not wait for a disk. */
    if (rc == RC_OK && bans_note(broker, &ban, true, bans_noted, NULL) != RC_OK)
        LOG(LOG_WARNING, "the ban of client %.100s is not in the log", wanted->client_id);
    if (rc != RC_OK)
        LOG(LOG_WARNING, "client %.100s flaps, but is not banned: %s", wanted->client_id,
            rc == RC_INVALID ? why : rc_text(rc));
}

/* ---- the turn ---- */

static void bans_publish(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    struct ban_set *set = NULL;
    uint64_t began_ms = bans_now_ms();
    enum rc rc = bans_compile(broker, &bans->file, &bans->own, &set);
    uint64_t ended_ms = bans_now_ms();
    bans->publish_ms = ended_ms + BANS_REST_FACTOR * (ended_ms - began_ms);
    if (rc != RC_OK) {
        bans->publish_ms = ended_ms + BANS_AGAIN_MS;
        LOG(LOG_ERROR, "bans: the shards keep the last list: %s", rc_text(rc));
        return; /* and the next turn after publish_ms tries again */
    }
    bans->sent = broker->net.bans;
    __atomic_store_n(&broker->net.bans, set, __ATOMIC_RELEASE);
    bans->waiting = broker->net.shards;
    for (unsigned i = 0; i < broker->net.shards; i++) {
        struct mail mail = {.kind = MAIL_BANS, .count = bans->kick};
        mail_send(broker->port, (shard_id)i, MAIL_CONTROL, &mail);
    }
    bans->under_way = bans->made;
    bans->changed = false;
    bans->kick = false;
}

/* What has ended leaves the log too; a row that stays is passed over at the next start. */
static void bans_expire(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    uint64_t now_s = bans_now_s();
    for (uint32_t i = 0; i < bans->own.num; i++) {
        if (bans->own.items[i].until_s <= now_s)
            (void)bans_note(broker, &bans->own.items[i], false, bans_noted, NULL);
    }
    uint32_t gone = ban_list_expire(&bans->own, now_s) + ban_list_expire(&bans->file, now_s);
    bans_changed(bans, false);
    LOG(LOG_INFO, "%u %s ended", gone, log_noun(gone, "ban has", "bans have"));
}

void bans_turn(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    if (!broker->started)
        return;
    if (bans->old_is_there)
        bans_old_move(broker);
    if (bans->next_end_s != BAN_NEVER_S && bans_now_s() >= bans->next_end_s)
        bans_expire(broker);
    if (bans->changed && bans->waiting == 0 && bans_now_ms() >= bans->publish_ms)
        bans_publish(broker);
}

void bans_on_mail(struct broker *broker, const struct mail *mail)
{
    struct bans *bans = &broker->bans;
    if (mail->kind == MAIL_BAN_WANTED) {
        bans_flapping(broker, mail->ptr);
        ban_wanted_drop(mail);
        return;
    }
    CHECK(mail->kind == MAIL_BANS_TAKEN && bans->waiting > 0);
    if (--bans->waiting > 0)
        return;
    ban_set_destroy((struct ban_set *)(uintptr_t)bans->sent);
    bans->sent = NULL;
    bans->taken = bans->under_way;
}

/* ---- the part of a reload ---- */

static bool bans_reload_prepare(struct broker *broker, const struct config *next,
                                struct error_list *errors, void **out_state)
{
    struct ban_list *list = calloc(1, sizeof(*list));
    if (list == NULL) {
        error_list_add(errors, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    const char *file = next->banned.bootstrap_file;
    bool right = file[0] == '\0' || ban_list_read_file(list, file, bans_now_s(), errors);
    struct ban_set *set = NULL;
    enum rc rc = right ? bans_compile(broker, list, &broker->bans.own, &set) : RC_OK;
    if (rc != RC_OK)
        error_list_add(errors, "%s: %s", file, rc_text(rc));
    ban_set_destroy(set);
    if (right && rc == RC_OK) {
        *out_state = list;
        return true;
    }
    ban_list_fini(list);
    free(list);
    return false;
}

/* The lists change places, so what is returned is the old one. */
static void *bans_reload_commit(struct broker *broker, void *state)
{
    struct ban_list *list = state;
    struct ban_list old = broker->bans.file;
    broker->bans.file = *list;
    *list = old;
    bans_changed(&broker->bans, broker->bans.file.num > 0);
    return list;
}

static void bans_reload_dispose(struct broker *broker, void *state)
{
    (void)broker;
    struct ban_list *list = state;
    ban_list_fini(list);
    free(list);
}

const struct reload_part reload_part_bans = {.name = "bans",
                                             .prepare = bans_reload_prepare,
                                             .commit = bans_reload_commit,
                                             .dispose = bans_reload_dispose};
