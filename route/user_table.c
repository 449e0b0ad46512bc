/*
 * user_table.c -- see user_table.h.
 *
 * Open addressing over pointers to users, at most half full, hashed with a key of the table's own.
 * Reading a file collects users in the table itself: a second line of the same user replaces its
 * entry by one with both.
 *
 * Threads: see user_table.h.
 */
#include "user_table.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "hash.h"
#include "password.h"

#define USER_SUPERUSER ":superuser"

struct user_table {
    uint32_t magic;
    uint32_t refs;
    uint32_t count;
    uint32_t mask;
    struct hash_key key;
    uint32_t forms;               /* users with a stored password */
    uint32_t scrams[SCRAM_COUNT]; /* users with such keys */
    struct user **slots;
};

/* Copies a text that may be absent to *at, and moves *at behind it. */
static void user_text(const char **out, const char *text, char **at)
{
    *out = NULL;
    if (text == NULL)
        return;
    size_t len = strlen(text) + 1;
    memcpy(*at, text, len);
    *out = *at;
    *at += len;
}

struct user *user_create(struct bytes name, bool is_superuser, const char *form,
                         const char *const scram[SCRAM_COUNT])
{
    CHECK(name.len > 0 && name.len <= USER_NAME_LEN_MAX);
    size_t size = sizeof(struct user) + name.len;
    size += form == NULL ? 0 : strlen(form) + 1;
    for (unsigned i = 0; i < SCRAM_COUNT; i++)
        size += scram[i] == NULL ? 0 : strlen(scram[i]) + 1;
    struct user *user = mem_alloc(size);
    if (user == NULL)
        return NULL;
    char *at = (char *)(user + 1);
    user->refs = 1;
    user->is_superuser = is_superuser;
    user_text(&user->form, form, &at);
    for (unsigned i = 0; i < SCRAM_COUNT; i++)
        user_text(&user->scram[i], scram[i], &at);
    memcpy(at, name.ptr, name.len);
    user->name = bytes_of(at, name.len);
    CHECK(at + name.len == (char *)user + size);
    return user;
}

struct user *user_ref(struct user *user)
{
    uint32_t before = __atomic_fetch_add(&user->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return user;
}

void user_unref(struct user *user)
{
    if (user == NULL)
        return;
    uint32_t before = __atomic_fetch_sub(&user->refs, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (before == 1)
        mem_free(user);
}

static struct user_table *user_table_create(uint32_t count)
{
    uint32_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    struct user_table *table = alloc_zeroed(sizeof(*table));
    if (table == NULL)
        return NULL;
    table->slots = alloc_zeroed(slots * sizeof(*table->slots));
    if (table->slots == NULL) {
        mem_free(table);
        return NULL;
    }
    table->magic = USER_TABLE_MAGIC;
    table->refs = 1;
    table->mask = slots - 1;
    do {
        digest_random(&table->key, sizeof(table->key));
    } while (table->key.words[0] == 0 || table->key.words[1] == 0);
    return table;
}

struct user_table *user_table_ref(struct user_table *table)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    uint32_t before = __atomic_fetch_add(&table->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return table;
}

void user_table_unref(struct user_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    if (__atomic_fetch_sub(&table->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (uint32_t i = 0; i <= table->mask; i++)
        user_unref(table->slots[i]);
    mem_free(table->slots);
    table->magic = 0;
    mem_free(table);
}

/* The slot of that name, or the empty one where it would go. */
static struct user **user_table_slot(const struct user_table *table, struct bytes name)
{
    uint32_t at = (uint32_t)hash_keyed(&table->key, name) & table->mask;
    while (table->slots[at] != NULL && !bytes_equal(table->slots[at]->name, name))
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

const struct user *user_table_find(const struct user_table *table, struct bytes name)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    return *user_table_slot(table, name);
}

uint32_t user_table_count(const struct user_table *table)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    return table->count;
}

const struct user *user_table_next(const struct user_table *table, uint32_t *cursor)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    while (*cursor <= table->mask) {
        const struct user *user = table->slots[(*cursor)++];
        if (user != NULL)
            return user;
    }
    return NULL;
}

const char *user_table_decoy(const struct user_table *table, struct bytes name)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    uint32_t at = (uint32_t)hash_keyed(&table->key, name);
    for (uint32_t i = 0; i <= table->mask && table->forms > 0; i++) {
        const struct user *user = table->slots[(at + i) & table->mask];
        if (user != NULL && user->form != NULL)
            return user->form;
    }
    return NULL;
}

const char *user_table_decoy_scram(const struct user_table *table, struct bytes name,
                                   enum scram_mechanism mechanism)
{
    CHECK_OBJ(table, USER_TABLE_MAGIC);
    CHECK((unsigned)mechanism < SCRAM_COUNT);
    uint32_t at = (uint32_t)hash_keyed(&table->key, name);
    for (uint32_t i = 0; i <= table->mask && table->scrams[mechanism] > 0; i++) {
        const struct user *user = table->slots[(at + i) & table->mask];
        if (user != NULL && user->scram[mechanism] != NULL)
            return user->scram[mechanism];
    }
    return NULL;
}

/* Takes over the reference. The table has room. */
static void user_table_put(struct user_table *table, struct user *user)
{
    struct user **slot = user_table_slot(table, user->name);
    CHECK(*slot != NULL || table->count <= table->mask / 2);
    table->count += *slot == NULL;
    table->forms += user->form != NULL;
    table->forms -= *slot != NULL && (*slot)->form != NULL;
    for (unsigned i = 0; i < SCRAM_COUNT; i++) {
        table->scrams[i] += user->scram[i] != NULL;
        table->scrams[i] -= *slot != NULL && (*slot)->scram[i] != NULL;
    }
    user_unref(*slot);
    *slot = user;
}

struct user_table *user_table_with(const struct user_table *table,
                                   const struct user_change *changes, uint32_t num)
{
    uint32_t count = table == NULL ? 0 : table->count;
    CHECK(count <= USER_TABLE_MAX && (changes != NULL || num == 0));
    struct user_table *made = user_table_create(count + num);
    if (made == NULL)
        return NULL;
    if (table != NULL)
        made->key = table->key;
    struct user *user;
    for (uint32_t i = 0; table != NULL && i <= table->mask; i++) {
        user = table->slots[i];
        bool stays = user != NULL;
        for (uint32_t j = 0; stays && j < num; j++)
            stays = changes[j].user != NULL || !bytes_equal(changes[j].name, user->name);
        if (stays)
            user_table_put(made, user_ref(user));
    }
    for (uint32_t j = 0; j < num; j++)
        if (changes[j].user != NULL)
            user_table_put(made, user_ref(changes[j].user));
    return made;
}

static enum rc user_table_refuse(struct user_table_error *error, uint32_t line, const char *why)
{
    error->line = line;
    snprintf(error->text, sizeof(error->text), "%s", why);
    return RC_INVALID;
}

/* One line in its parts, a value. `form` is a copy, terminated. */
struct user_line {
    struct bytes name;
    bool is_superuser;
    char form[SCRAM_TEXT_LEN_MAX + 1];
};

/* NULL, or what is wrong with the line. */
static const char *user_line_read(struct bytes line, struct user_line *out)
{
    STATIC_CHECK(SCRAM_TEXT_LEN_MAX >= PASSWORD_FORM_LEN_MAX, "any form fits");
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL || colon == line.ptr)
        return "not of the form name:password hash";
    out->name = bytes_of(line.ptr, (size_t)(colon - line.ptr));
    if (out->name.len > USER_NAME_LEN_MAX)
        return "the name is too long";
    struct bytes form = bytes_of(colon + 1, line.len - out->name.len - 1);
    const size_t suffix = strlen(USER_SUPERUSER);
    out->is_superuser = form.len > suffix &&
                        memcmp(form.ptr + form.len - suffix, USER_SUPERUSER, suffix) == 0;
    if (out->is_superuser)
        form.len -= (uint32_t)suffix;
    if (form.len > SCRAM_TEXT_LEN_MAX || memchr(form.ptr, 0, form.len) != NULL)
        return "not a password hash";
    memcpy(out->form, form.ptr, form.len);
    out->form[form.len] = '\0';
    return NULL;
}

/* Adds what the line says to its user. */
static enum rc user_table_add_line(struct user_table *table, const struct user_line *line,
                                   const char **out_why)
{
    const struct user *old = user_table_find(table, line->name);
    const char *form = old == NULL ? NULL : old->form;
    const char *scram[SCRAM_COUNT];
    for (unsigned i = 0; i < SCRAM_COUNT; i++)
        scram[i] = old == NULL ? NULL : old->scram[i];
    enum scram_mechanism mechanism;
    const char **field = &form;
    *out_why = NULL;
    if (scram_keys_kind(line->form, &mechanism)) {
        struct scram_keys keys;
        field = &scram[mechanism];
        if (scram_keys_read(line->form, mechanism, &keys) != RC_OK)
            *out_why = "not SCRAM keys that can be used";
    } else {
        *out_why = password_judge(line->form);
    }
    if (*out_why == NULL && *field != NULL)
        *out_why = "the user has a line of this kind already";
    if (*out_why != NULL)
        return RC_INVALID;
    *field = line->form;
    bool is_superuser = line->is_superuser || (old != NULL && old->is_superuser);
    struct user *user = user_create(line->name, is_superuser, form, scram);
    if (user == NULL)
        return RC_NO_MEMORY;
    user_table_put(table, user);
    return RC_OK;
}

static enum rc user_table_read_lines(struct user_table *table, struct bytes text,
                                     struct user_table_error *error)
{
    uint32_t number = 0;
    for (uint32_t at = 0; at < text.len;) {
        const uint8_t *from = text.ptr + at;
        const uint8_t *end = memchr(from, '\n', text.len - at);
        uint32_t len = end == NULL ? text.len - at : (uint32_t)(end - from);
        at += len + 1;
        number++;
        if (len > 0 && from[len - 1] == '\r')
            len--;
        if (len == 0 || from[0] == '#')
            continue;
        struct user_line line;
        const char *why = user_line_read(bytes_of(from, len), &line);
        if (why == NULL) {
            enum rc rc = user_table_add_line(table, &line, &why);
            if (rc == RC_NO_MEMORY)
                return rc;
        }
        if (why != NULL)
            return user_table_refuse(error, number, why);
    }
    return RC_OK;
}

enum rc user_table_read(struct bytes text, struct user_table **out,
                        struct user_table_error *out_error)
{
    CHECK(out != NULL && out_error != NULL);
    uint32_t lines = 1;
    for (uint32_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    if (lines > USER_TABLE_MAX)
        return user_table_refuse(out_error, USER_TABLE_MAX, "the file has too many lines");
    struct user_table *table = user_table_create(lines);
    if (table == NULL)
        return RC_NO_MEMORY;
    enum rc rc = user_table_read_lines(table, text, out_error);
    if (rc != RC_OK) {
        user_table_unref(table);
        return rc;
    }
    *out = table;
    return RC_OK;
}
