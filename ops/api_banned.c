/*
 * api_banned.c -- /api/v5/banned: the ban list (bans.h) over the API (api.h).
 *
 *   GET     /banned?page=&limit=&as=&who=   all bans, those of the operator's file first
 *   POST    /banned                         ban_json.h; 400 ALREADY_EXISTS if it is there
 *   DELETE  /banned/{as}/{who}              204; 404 also for one of the operator's file
 *
 * Threads: the ops thread.
 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "ban_json.h"
#include "broker.h"
#include "clock.h"

#define BANNED_BY "mgmt_api" /* who bans without saying a name */

/* A ban that is being made or ended. */
struct banned_op {
    struct api_call *call; /* NULL: it does not wait any more */
    struct broker *broker;
    struct ban ban; /* its texts are those of `body`, or `who` */
    json_t *body;   /* NULL: the ban ends */
    char who[];
};

/* ---- the list ---- */

struct banned_walk {
    struct api_page page;
    enum ban_kind kind; /* BAN_KIND_COUNT: any */
    const char *who;    /* NULL: anybody */
    bool failed;
};

static void banned_visit(void *context, const struct ban *ban, bool is_of_file)
{
    struct banned_walk *walk = context;
    (void)is_of_file;
    if ((walk->kind != BAN_KIND_COUNT && walk->kind != ban->kind) ||
        (walk->who != NULL && strcmp(walk->who, ban->who) != 0) || !api_page_wants(&walk->page))
        return;
    walk->failed |= json_array_append_new(walk->page.data, ban_json(ban)) != 0;
}

void api_banned_list(struct api_call *call)
{
    struct banned_walk walk = {.kind = BAN_KIND_COUNT};
    char *kind = api_query(call, "as");
    char *who = call->is_answered ? NULL : api_query(call, "who");
    if (kind != NULL && !call->is_answered) {
        walk.kind = ban_kind_find(kind);
        if (walk.kind == BAN_KIND_COUNT)
            api_fail(call, API_BAD_REQUEST, "`as` is not a kind of ban");
    }
    if (!call->is_answered && api_page_begin(call, &walk.page)) {
        walk.who = who;
        bans_visit(call->broker, banned_visit, &walk);
        api_page_end(call, &walk.page, !walk.failed);
    }
    free(kind);
    free(who);
}

/* ---- changes ---- */

static void banned_done(void *context, enum rc rc)
{
    struct banned_op *op = context;
    struct broker *broker = op->broker;
    if (rc == RC_OK && op->body != NULL)
        rc = bans_add(broker, &op->ban);
    else if (rc == RC_OK)
        bans_remove(broker, op->ban.kind, op->ban.who);
    struct api_call *call = op->call;
    if (call != NULL && rc != RC_OK)
        api_fail_rc(call, rc);
    else if (call != NULL)
        api_reply_when(call, op->body == NULL ? 204 : 200,
                       op->body == NULL ? NULL : ban_json(&op->ban), &broker->bans.taken,
                       broker->bans.made);
    if (op->call != NULL)
        op->call->attached = NULL;
    json_decref(op->body);
    free(op);
}

/* Takes over `value`. */
static void banned_begin(struct api_call *call, const struct ban *ban, char *value)
{
    struct row_change *change = NULL;
    size_t len = strlen(ban->who) + 1;
    struct banned_op *op = calloc(1, sizeof(*op) + len);
    enum rc rc = op == NULL
                     ? RC_NO_MEMORY
                     : bans_row_begin(call->broker, ban->kind, ban->who, banned_done, op, &change);
    if (rc != RC_OK) {
        free(op);
        free(value);
        if (rc == RC_EXISTS)
            api_park(call);
        else
            api_fail_rc(call, rc);
        return;
    }
    op->broker = call->broker;
    op->ban = *ban;
    memcpy(op->who, ban->who, len);
    op->ban.who = op->who;
    op->body = json_incref(call->body);
    api_attach(call, &op->call);
    row_change_send(change, value != NULL,
                    value == NULL ? bytes_of(NULL, 0) : bytes_of_text(value));
    free(value);
}

void api_banned_add(struct api_call *call)
{
    char why[BAN_WHY_LEN_MAX + 1] = "";
    struct ban ban;
    uint64_t now_s = clock_wall_ms() / 1000;
    if (!ban_json_read(call->body, now_s, BANNED_BY, &ban, why)) {
        api_fail(call, API_BAD_REQUEST, "%s", why);
        return;
    }
    if (ban.until_s <= now_s) {
        api_fail(call, API_BAD_REQUEST, "`until` is over already");
        return;
    }
    enum rc rc = bans_check(call->broker, &ban, why);
    if (rc == RC_EXISTS) {
        api_fail(call, API_BANNED_ALREADY, "there is a ban of this kind for the same");
    } else if (rc == RC_INVALID) {
        api_fail(call, API_BAD_REQUEST, "`who` or a text is not right: %s", why);
    } else if (rc == RC_FULL) {
        api_fail(call, API_EXCEED_LIMIT, "there are as many bans of this kind as there may be");
    } else {
        char *value = rc == RC_OK ? ban_row_text(&ban) : NULL;
        if (value == NULL)
            api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(RC_NO_MEMORY));
        else
            banned_begin(call, &ban, value);
    }
}

void api_banned_delete(struct api_call *call)
{
    struct ban ban = {.kind = ban_kind_find(call->params[0]),
                      .who = (char *)(uintptr_t)call->params[1]};
    if (ban.kind == BAN_KIND_COUNT)
        api_fail(call, API_BAD_REQUEST, "this is not a kind of ban");
    else if (bans_find(call->broker, ban.kind, ban.who) == NULL)
        api_fail(call, API_NOT_FOUND, "nobody has banned that at run time");
    else
        banned_begin(call, &ban, NULL);
}
