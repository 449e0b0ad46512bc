/*
 * fuzz_api.c -- requests of the API on any bytes: a path, and behind its line feed a body
 * (ops/api_path.h, ops/ban_json.h). Invariants:
 *   - parameters are UTF-8 without a zero byte, not empty, and lie in the room that is said to do;
 *   - a path is at most one of the routes;
 *   - a ban that makes sense, written as a row of the log and as JSON, reads back as the same.
 */
#include "api_path.h"
#include "ban_json.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_NOW_S 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_path(const char *path)
{
    static const char *const routes[] = {"/api/v5/banned", "/api/v5/banned/{}/{}",
                                         "/api/v5/authentication/{}/users",
                                         "/api/v5/authentication/{}/users/{}"};
    unsigned fits = 0;
    char *text = malloc(strlen(path) + 2 + 1);
    CHECK(text != NULL);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const char *params[2] = {NULL, NULL};
        enum api_path_match match = api_path_match(routes[i], path, text, params, 2);
        fits += match != API_PATH_OTHER;
        for (unsigned j = 0; match == API_PATH_IS && j < 2 && params[j] != NULL; j++) {
            size_t size = strlen(params[j]);
            CHECK(size > 0 && utf8_check((const uint8_t *)params[j], size));
        }
    }
    CHECK(fits <= 1);
    free(text);
}

static void fuzz_same(const struct ban *a, const struct ban *b)
{
    CHECK(strcmp(a->reason, b->reason) == 0 && strcmp(a->by, b->by) == 0);
    CHECK(a->at_s == b->at_s && a->until_s == b->until_s);
}

static void fuzz_body(const char *text, size_t len)
{
    char why[BAN_WHY_LEN_MAX + 1];
    struct ban ban;
    struct ban again;
    json_t *body = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (ban_json_read(body, FUZZ_NOW_S, "somebody", &ban, why) && ban_check(&ban, why)) {
        char *row = ban_row_text(&ban);
        CHECK(row != NULL);
        json_t *kept = ban_row_read(bytes_of_text(row), &again);
        CHECK(kept != NULL);
        fuzz_same(&ban, &again);
        json_decref(kept);
        free(row);
        json_t *made = ban_json(&ban);
        CHECK(made != NULL);
        if (ban.at_s <= FUZZ_NOW_S * 2ull &&
            (ban.until_s == BAN_NEVER_S || ban.until_s <= FUZZ_NOW_S * 2ull)) {
            CHECK(ban_json_read(made, 0, "", &again, why));
            CHECK(again.kind == ban.kind && strcmp(again.who, ban.who) == 0);
            fuzz_same(&ban, &again);
        }
        json_decref(made);
    }
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *end = memchr(data, '\n', len);
    size_t path_len = end == NULL ? len : (size_t)(end - data);
    char *path = malloc(path_len + 1);
    CHECK(path != NULL);
    memcpy(path, data, path_len);
    path[path_len] = '\0';
    fuzz_path(path);
    free(path);
    if (end != NULL)
        fuzz_body((const char *)end + 1, len - path_len - 1);
    return 0;
}
