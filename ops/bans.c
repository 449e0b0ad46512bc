/*
 * bans.c -- see bans.h.
 */
#include "bans.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ban.h"
#include "broker.h"
#include "clock.h"
#include "reload_table.h"

#define BANS_FILE       "bans.csv"
#define BANS_PUBLISH_MS 100
#define BANS_SAVE_MS    1000
#define BANS_AGAIN_MS   10000 /* after saving failed */
#define BANS_FLAPPING   "flapping detector"

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
        if (ban->until_s != BAN_NEVER_S)
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
    bans->kick |= kick;
    bans_look_ahead(bans);
}

/* ---- the file in the data directory ---- */

static bool bans_path(const struct broker *broker, const char *suffix, char *out, size_t size)
{
    if (broker->dir.path[0] == '\0')
        return false;
    return snprintf(out, size, "%s/" BANS_FILE "%s", broker->dir.path, suffix) < (int)size;
}

/* Writes, syncs, renames and syncs the directory; 0 or an errno. */
static int bans_write(const struct broker *broker, const char *path, const char *fresh)
{
    FILE *out = fopen(fresh, "we");
    if (out == NULL)
        return errno;
    ban_list_write(&broker->bans.own, out);
    bool ok = fflush(out) == 0 && fsync(fileno(out)) == 0;
    int error = ok ? 0 : errno;
    if (fclose(out) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(fresh, path) != 0)
        error = errno;
    if (error != 0) {
        unlink(fresh);
        return error;
    }
    int dir = open(broker->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fsync(dir) != 0)
        error = errno;
    if (dir >= 0)
        close(dir);
    return error;
}

enum rc bans_save(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    char path[sizeof(broker->dir.path) + 32];
    char fresh[sizeof(path)];
    bans->unsaved = false;
    if (!bans_path(broker, "", path, sizeof(path)) ||
        !bans_path(broker, ".new", fresh, sizeof(fresh)))
        return RC_OK;
    int error = bans_write(broker, path, fresh);
    alarms_set(&broker->alarms, ALARM_BANS_UNSAVED, error != 0, error == 0 ? "" : strerror(error));
    bans->save_ms = bans_now_ms() + (error == 0 ? BANS_SAVE_MS : BANS_AGAIN_MS);
    if (error == 0)
        return RC_OK;
    bans->unsaved = true;
    return RC_IO;
}

/* ---- start and end ---- */

static bool bans_read_own(struct broker *broker, struct error_list *errors)
{
    char path[sizeof(broker->dir.path) + 32];
    if (!bans_path(broker, "", path, sizeof(path)) || access(path, F_OK) != 0)
        return true;
    return ban_list_read_file(&broker->bans.own, path, bans_now_s(), errors);
}

enum rc bans_open(struct broker *broker, struct error_list *errors)
{
    struct bans *bans = &broker->bans;
    const char *file = broker->config->banned.bootstrap_file;
    bool right = bans_read_own(broker, errors);
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
    if (bans_count(broker) > 0)
        LOG(LOG_INFO, "%u bans", bans_count(broker));
    return RC_OK;
}

void bans_close(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    if (bans->unsaved)
        (void)bans_save(broker);
    ban_list_fini(&bans->file);
    ban_list_fini(&bans->own);
    ban_set_destroy((struct ban_set *)(uintptr_t)bans->sent);
    ban_set_destroy((struct ban_set *)(uintptr_t)broker->net.bans);
    bans->sent = NULL;
    broker->net.bans = NULL;
}

/* ---- changes ---- */

enum rc bans_add(struct broker *broker, const struct ban *ban, char *out_why)
{
    struct bans *bans = &broker->bans;
    bool is_exact = ban->kind != BAN_RANGE && ban->kind != BAN_CLIENT_ID_RE &&
                    ban->kind != BAN_USER_NAME_RE;
    bool is_new = ban_list_find(&bans->own, ban->kind, ban->who) == NULL;
    if (is_new && bans_count(broker) >= BAN_RULES_MAX)
        return RC_FULL;
    enum rc rc = ban_list_add(&bans->own, ban, out_why);
    if (rc != RC_OK)
        return rc;
    /* Of these there may be too many for a set; better said now than found out later. */
    if (!is_exact) {
        struct ban_set *set = NULL;
        rc = bans_compile(broker, &bans->file, &bans->own, &set);
        ban_set_destroy(set);
        if (rc != RC_OK) {
            ban_list_remove(&bans->own, ban->kind, ban->who);
            return rc;
        }
    }
    bans->unsaved = true;
    bans_changed(bans, true);
    LOG(LOG_INFO, "banned by %s: %s %.100s", ban->by, ban_kind_name(ban->kind), ban->who);
    return RC_OK;
}

enum rc bans_remove(struct broker *broker, enum ban_kind kind, const char *who)
{
    struct bans *bans = &broker->bans;
    if (!ban_list_remove(&bans->own, kind, who))
        return RC_NOT_FOUND;
    bans->unsaved = true;
    bans_changed(bans, false);
    LOG(LOG_INFO, "no longer banned: %s %.100s", ban_kind_name(kind), who);
    return RC_OK;
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
    enum rc rc = bans_add(broker, &ban, why);
    if (rc != RC_OK)
        LOG(LOG_WARNING, "client %.100s flaps, but is not banned: %s", wanted->client_id,
            rc == RC_INVALID ? why : rc_text(rc));
}

/* ---- the turn ---- */

static void bans_publish(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    struct ban_set *set = NULL;
    bans->publish_ms = bans_now_ms() + BANS_PUBLISH_MS;
    enum rc rc = bans_compile(broker, &bans->file, &bans->own, &set);
    if (rc != RC_OK) {
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
    bans->changed = false;
    bans->kick = false;
}

void bans_turn(struct broker *broker)
{
    struct bans *bans = &broker->bans;
    if (bans->next_end_s != BAN_NEVER_S && bans_now_s() >= bans->next_end_s) {
        uint32_t gone = ban_list_expire(&bans->own, bans_now_s());
        bans->unsaved |= gone > 0;
        gone += ban_list_expire(&bans->file, bans_now_s());
        bans_changed(bans, false);
        LOG(LOG_INFO, "%u bans have ended", gone);
    }
    if (!bans->changed && !bans->unsaved)
        return;
    uint64_t now_ms = bans_now_ms();
    if (bans->changed && bans->waiting == 0 && now_ms >= bans->publish_ms)
        bans_publish(broker);
    if (bans->unsaved && now_ms >= bans->save_ms)
        (void)bans_save(broker);
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
