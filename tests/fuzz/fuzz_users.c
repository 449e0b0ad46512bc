/*
 * fuzz_users.c -- password files of any bytes, and any stored password.
 *
 * Invariants, beside those that the code asserts:
 *
 *   - a file is read, or refused with a line that it has;
 *   - every user of a table that was read is found by its name, and has a stored form that can be
 *     used;
 *   - a text that is judged good is one that can be compared with (not tried: that is slow).
 */
#include "password.h"
#include "user_table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_users_look(const struct user_table *table)
{
    uint32_t cursor = 0;
    const struct user *user;
    while ((user = user_table_next(table, &cursor)) != NULL) {
        CHECK(user_table_find(table, user->name) == user);
        CHECK(user->form == NULL || password_judge(user->form) == NULL);
        for (unsigned i = 0; i < SCRAM_COUNT; i++) {
            struct scram_keys keys;
            if (user->scram[i] != NULL)
                CHECK(scram_keys_read(user->scram[i], (enum scram_mechanism)i, &keys) == RC_OK);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool started;
    if (!started)
        started = password_start();
    CHECK(started);
    struct user_table *table = NULL;
    struct user_table_error error;
    enum rc rc = user_table_read(bytes_of(data, len), &table, &error);
    if (rc == RC_INVALID)
        CHECK(error.line >= 1 && error.line <= len + 1 && error.text[0] != '\0');
    if (rc == RC_OK)
        fuzz_users_look(table);
    user_table_unref(table);
    char *text = malloc(len + 1);
    CHECK(text != NULL);
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    const char *wrong = password_judge(text);
    CHECK(wrong == NULL || wrong[0] != '\0');
    free(text);
    return 0;
}
