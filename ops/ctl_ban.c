/*
 * ctl_ban.c -- sluicectl ban: the ban list of a running broker.
 *
 * `list` prints the bans in the form of the operator's file (ban_list.h), which the broker reads
 * back as banned.bootstrap_file.
 *
 * Threads: one.
 */
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

#include "ban_json.h"
#include "clock.h"
#include "ctl_call.h"
#include "units.h"

struct ctl_ban {
    struct ctl_call call;
    const char *words[3]; /* add, kind, who */
    unsigned num;
    const char *reason;
    const char *by;
    const char *until;
    uint64_t for_ms;
};

/* NULL, or what is wrong. */
static const char *ctl_ban_option(struct ctl_ban *ban, const char *option, const char *value)
{
    if (strcmp(option, "--reason") == 0)
        ban->reason = value;
    else if (strcmp(option, "--by") == 0)
        ban->by = value;
    else if (strcmp(option, "--until") == 0)
        ban->until = value;
    else if (strcmp(option, "--for") == 0)
        return units_parse_duration(value, &ban->for_ms) == RC_OK && ban->for_ms >= 1000
                   ? NULL
                   : "--for needs a time such as 30s, 5m, 1h or 7d";
    else if (!ctl_call_option(&ban->call, option, value))
        return "an unknown option";
    return NULL;
}

static const char *ctl_ban_parse(struct ctl_ban *ban, int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (ban->num == ARRAY_LEN(ban->words))
                return "too many words";
            ban->words[ban->num++] = argv[i];
            continue;
        }
        if (i + 1 == argc)
            return "an option without its value";
        const char *wrong = ctl_ban_option(ban, argv[i], argv[i + 1]);
        if (wrong != NULL)
            return wrong;
        i++;
    }
    if (ban->num == 0)
        return "what is to be done is missing: add, list or delete";
    bool lists = strcmp(ban->words[0], "list") == 0;
    if (!lists && strcmp(ban->words[0], "add") != 0 && strcmp(ban->words[0], "delete") != 0)
        return "what is to be done is add, list or delete";
    if (ban->num != (lists ? 1 : 3))
        return lists ? "too many words" : "a kind, such as clientid, and who are needed";
    return ban->until != NULL && ban->for_ms != 0 ? "--until or --for, not both" : NULL;
}

static int ctl_ban_add(const struct ctl_ban *ban)
{
    json_t *body = json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "as", ban->words[1], "who",
                             ban->words[2], "reason", ban->reason, "by", ban->by, "until",
                             ban->until);
    if (ban->for_ms != 0)
        (void)json_object_set_new(
            body, "until", json_integer((json_int_t)((clock_wall_ms() + ban->for_ms) / 1000)));
    if (body == NULL)
        return ctl_usage("ban", "a text is not UTF-8");
    unsigned status = ctl_call(&ban->call, "POST", "/banned", body, NULL);
    json_decref(body);
    return status != 0 ? EXIT_SUCCESS : CTL_FAILED;
}

static int ctl_ban_delete(const struct ctl_ban *ban)
{
    char *path = NULL;
    char *who = ctl_call_encode(ban->words[2]);
    char *kind = ctl_call_encode(ban->words[1]);
    unsigned status = 0;
    if (who != NULL && kind != NULL && asprintf(&path, "/banned/%s/%s", kind, who) >= 0)
        status = ctl_call(&ban->call, "DELETE", path, NULL, NULL);
    free(who);
    free(kind);
    free(path);
    return status != 0 ? EXIT_SUCCESS : CTL_FAILED;
}

static void ctl_ban_row(void *context, const json_t *row)
{
    struct ban_list *list = context;
    struct ban ban;
    char why[BAN_WHY_LEN_MAX + 1] = "";
    if (!ban_json_read(row, 0, "", &ban, why) || ban_list_add(list, &ban, why) != RC_OK)
        fprintf(stderr, "sluicectl ban: a ban is left out: %s\n", why);
}

static int ctl_ban_list(const struct ctl_ban *ban)
{
    struct ban_list list = {0};
    int code = ctl_call_list(&ban->call, "/banned", &list, ctl_ban_row);
    if (code == EXIT_SUCCESS)
        ban_list_write(&list, stdout);
    ban_list_fini(&list);
    return code;
}

int ctl_ban(int argc, char *const *argv)
{
    struct ctl_ban ban = {.call = {.name = "ban"}};
    const char *wrong = ctl_ban_parse(&ban, argc, argv);
    if (wrong != NULL)
        return ctl_usage("ban", wrong);
    if (strcmp(ban.words[0], "list") == 0)
        return ctl_ban_list(&ban);
    return strcmp(ban.words[0], "add") == 0 ? ctl_ban_add(&ban) : ctl_ban_delete(&ban);
}
