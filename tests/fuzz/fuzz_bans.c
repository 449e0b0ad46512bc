/*
 * fuzz_bans.c -- a file of bans from any bytes (ops/ban_list.h). Invariants:
 *
 *   - it reads with no message, or says what is wrong;
 *   - what was read makes a set, and is in it;
 *   - what is written reads back as the same bans.
 */
#include "ban_list.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_NOW_S 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_bans_same(const struct ban_list *list)
{
    static struct error_list errors;
    struct ban_list again;
    char *text = NULL;
    size_t len = 0;
    memset(&again, 0, sizeof(again));
    error_list_init(&errors);
    FILE *out = open_memstream(&text, &len);
    CHECK(out != NULL);
    ban_list_write(list, out);
    fclose(out);
    CHECK(ban_list_read(&again, "again", text, len, FUZZ_NOW_S, &errors));
    CHECK(again.num == list->num);
    for (uint32_t i = 0; i < list->num; i++) {
        const struct ban *ban = &list->items[i];
        const struct ban *other = ban_list_find(&again, ban->kind, ban->who);
        CHECK(other != NULL && other->until_s == ban->until_s);
        CHECK(strcmp(other->reason, ban->reason) == 0 && strcmp(other->by, ban->by) == 0);
    }
    ban_list_fini(&again);
    free(text);
}

static void fuzz_bans_hold(const struct ban_list *list)
{
    static const struct hash_key key = {.words = {1, 2}};
    struct ban_rule *rules = calloc(list->num + 1, sizeof(*rules));
    struct ban_set *set = NULL;
    CHECK(rules != NULL);
    for (uint32_t i = 0; i < list->num; i++)
        rules[i] = (struct ban_rule){list->items[i].kind, list->items[i].who, BAN_NEVER_MS};
    enum rc rc = ban_set_create(rules, list->num, &key, &set);
    CHECK(rc == RC_OK || rc == RC_FULL);
    struct in6_addr nobody;
    memset(&nobody, 0, sizeof(nobody));
    for (uint32_t i = 0; rc == RC_OK && i < list->num; i++) {
        struct ban_subject subject = {.address = &nobody};
        if (rules[i].kind == BAN_CLIENT_ID)
            subject.client_id = bytes_of_text(rules[i].who);
        else if (rules[i].kind == BAN_USER_NAME)
            subject.user_name = bytes_of_text(rules[i].who);
        else
            continue;
        CHECK(ban_set_holds(set, &subject, 0));
    }
    ban_set_destroy(set);
    free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct error_list errors;
    struct ban_list list;
    memset(&list, 0, sizeof(list));
    error_list_init(&errors);
    bool right = ban_list_read(&list, "fuzz", (const char *)data, len, FUZZ_NOW_S, &errors);
    CHECK(right == error_list_is_empty(&errors));
    fuzz_bans_same(&list);
    fuzz_bans_hold(&list);
    ban_list_fini(&list);
    return 0;
}
