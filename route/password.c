/*
 * password.c -- see password.h.
 *
 * Which form a text is of is decided from its shape alone (password_form), and each form has one
 * function that verifies it. Argon2 is libsodium's, bcrypt, scrypt and the SHA-crypt family are
 * libcrypt's, PBKDF2 and the salted digest are made of digest.h.
 *
 * Threads: see password.h; crypt_data is 32 KB and lives on the heap for the call.
 */
#include "password.h"

#include <crypt.h>
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "digest.h"

/* The second of the parameter sets that OWASP gives for argon2id: 19 MiB, two passes, one lane. */
#define PASSWORD_ARGON_OPS   2
#define PASSWORD_ARGON_BYTES (UINT64_C(19456) * 1024)

#define PASSWORD_BCRYPT_COST     10
#define PASSWORD_BCRYPT_COST_MAX 16 /* some four seconds; each step doubles it */
#define PASSWORD_SCRYPT_COST     6  /* N = 2^13 blocks of 4 KB: 32 MB (crypt(5)) */
#define PASSWORD_ROUNDS          210000
#define PASSWORD_ROUNDS_MAX      10000000
#define PASSWORD_SALT_LEN        16
#define PASSWORD_SALT_LEN_MAX    64

enum password_form { FORM_NONE, FORM_ARGON2, FORM_PBKDF2, FORM_SALTED, FORM_CRYPT };

/* A form of mosquitto in its fields, a value. */
struct password_fields {
    uint32_t rounds;
    uint32_t salt_len;
    uint8_t salt[PASSWORD_SALT_LEN_MAX];
    uint8_t hash[DIGEST_LEN_MAX];
};

static const char *const password_names[] = {
#define PASSWORD_ROW(constant, name, text) [constant] = name,
    PASSWORD_TABLE(PASSWORD_ROW)
#undef PASSWORD_ROW
};

bool password_start(void)
{
    return sodium_init() >= 0;
}

const char *password_name(enum password_algorithm algorithm)
{
    CHECK((unsigned)algorithm < PASSWORD_COUNT);
    return password_names[algorithm];
}

bool password_find(const char *name, enum password_algorithm *out)
{
    CHECK(name != NULL && out != NULL);
    for (unsigned i = 0; i < PASSWORD_COUNT; i++) {
        if (strcmp(password_names[i], name) == 0) {
            *out = (enum password_algorithm)i;
            return true;
        }
    }
    return false;
}

/* Reads "salt$hash", both base64, the hash of SHA-512's length. */
static bool password_read_fields(const char *text, struct password_fields *out)
{
    const char *dollar = strchr(text, '$');
    if (dollar == NULL || dollar == text)
        return false;
    uint32_t hash_len = 0;
    return digest_base64_read(bytes_of(text, (size_t)(dollar - text)), out->salt, sizeof(out->salt),
                              &out->salt_len) &&
           digest_base64_read(bytes_of_text(dollar + 1), out->hash, sizeof(out->hash), &hash_len) &&
           hash_len == DIGEST_LEN_MAX;
}

/* Is it one of mosquitto's? Fills `out` if so. */
static enum password_form password_read_mosquitto(const char *form, struct password_fields *out)
{
    memset(out, 0, sizeof(*out));
    if (strncmp(form, "$6$", 3) == 0 && password_read_fields(form + 3, out))
        return FORM_SALTED;
    if (strncmp(form, "$7$", 3) != 0 || !isdigit((unsigned char)form[3]))
        return FORM_NONE;
    char *end = NULL;
    unsigned long rounds = strtoul(form + 3, &end, 10);
    if (*end != '$' || rounds == 0 || rounds > PASSWORD_ROUNDS_MAX)
        return FORM_NONE;
    out->rounds = (uint32_t)rounds;
    return password_read_fields(end + 1, out) ? FORM_PBKDF2 : FORM_NONE;
}

static enum password_form password_form_of(const char *form, struct password_fields *out)
{
    CHECK(form != NULL && out != NULL);
    if (strncmp(form, "$argon2id$", 10) == 0 || strncmp(form, "$argon2i$", 9) == 0)
        return FORM_ARGON2;
    enum password_form mosquitto = password_read_mosquitto(form, out);
    if (mosquitto != FORM_NONE)
        return mosquitto;
    return form[0] == '$' ? FORM_CRYPT : FORM_NONE;
}

/* Forms of argon2 carry their cost in the open: m in KiB, t passes. */
static const char *password_judge_argon2(const char *form)
{
    const char *m = strstr(form, "$m=");
    if (m == NULL || strlen(form) >= crypto_pwhash_STRBYTES)
        return "not a hash of argon2";
    char *end = NULL;
    unsigned long memory_kb = strtoul(m + 3, &end, 10);
    if (strncmp(end, ",t=", 3) != 0)
        return "not a hash of argon2";
    unsigned long passes = strtoul(end + 3, &end, 10);
    if (strncmp(end, ",p=", 3) != 0)
        return "not a hash of argon2";
    if (memory_kb > PASSWORD_MEMORY_MAX_KB || passes > 1000)
        return "this hash would take too much memory or time";
    return NULL;
}

/* The cost of "$2b$NN$...", 0 if it is no bcrypt. */
static unsigned password_bcrypt_cost(const char *form)
{
    if (strncmp(form, "$2", 2) != 0 || strlen(form) < 7 || form[3] != '$' ||
        !isdigit((unsigned char)form[4]) || !isdigit((unsigned char)form[5]))
        return 0;
    return (unsigned)(form[4] - '0') * 10 + (unsigned)(form[5] - '0');
}

const char *password_judge(const char *form)
{
    CHECK(form != NULL);
    struct password_fields fields;
    if (strlen(form) > PASSWORD_FORM_LEN_MAX)
        return "longer than any password hash";
    switch (password_form_of(form, &fields)) {
    case FORM_ARGON2:
        return password_judge_argon2(form);
    case FORM_PBKDF2:
    case FORM_SALTED:
        return NULL;
    case FORM_CRYPT:
        break;
    case FORM_NONE:
        return "not a password hash; make one with `sluicectl passwd`";
    }
    if (password_bcrypt_cost(form) > PASSWORD_BCRYPT_COST_MAX)
        return "this hash would take too much memory or time";
    int salt = crypt_checksalt(form);
    return salt == CRYPT_SALT_INVALID || salt == CRYPT_SALT_METHOD_DISABLED
               ? "not a password hash that this machine knows"
               : NULL;
}

/* Can libcrypt take it? */
static bool password_is_text(struct bytes password)
{
    return password.len < CRYPT_MAX_PASSPHRASE_SIZE &&
           (password.len == 0 || memchr(password.ptr, 0, password.len) == NULL);
}

/* A password as a terminated text; NULL without memory. */
static char *password_text(struct bytes password)
{
    CHECK(password_is_text(password));
    char *text = mem_alloc(password.len + 1);
    if (text == NULL)
        return NULL;
    if (password.len > 0)
        memcpy(text, password.ptr, password.len);
    text[password.len] = '\0';
    return text;
}

static void password_text_free(char *text)
{
    if (text != NULL)
        digest_wipe(text, strlen(text));
    mem_free(text);
}

/* What crypt(3) makes of `password` with `setting` into `out`. RC_INVALID, RC_NO_MEMORY. */
static enum rc password_crypt(struct bytes password, const char *setting, char *out, size_t size)
{
    if (!password_is_text(password))
        return RC_INVALID;
    char *text = password_text(password);
    struct crypt_data *data = text == NULL ? NULL : alloc_zeroed(sizeof(*data));
    enum rc rc = data == NULL ? RC_NO_MEMORY : RC_OK;
    if (rc == RC_OK) {
        const char *made = crypt_rn(text, setting, data, sizeof(*data));
        if (made == NULL || strlen(made) >= size)
            rc = RC_INVALID;
        else
            memcpy(out, made, strlen(made) + 1);
        digest_wipe(data, sizeof(*data));
    }
    mem_free(data);
    password_text_free(text);
    return rc;
}

/* A password that libcrypt cannot take costs as much as one that it can, and is no match. */
static bool password_matches_crypt(const char *form, struct bytes password)
{
    char made[CRYPT_OUTPUT_SIZE];
    enum rc rc = password_crypt(password, form, made, sizeof(made));
    if (rc == RC_INVALID) {
        enum rc spent = password_crypt(bytes_of_text("-"), form, made, sizeof(made));
        (void)spent;
    }
    return rc == RC_OK && digest_equal(bytes_of_text(made), bytes_of_text(form));
}

static bool password_matches_fields(const struct password_fields *fields, enum password_form form,
                                    struct bytes password)
{
    uint8_t made[DIGEST_LEN_MAX];
    struct bytes salt = bytes_of(fields->salt, fields->salt_len);
    if (form == FORM_SALTED)
        digest_of(DIGEST_SHA512, password, salt, made);
    else if (!digest_pbkdf2(DIGEST_SHA512, password, salt, fields->rounds, made, sizeof(made)))
        return false;
    return digest_equal(bytes_of(made, sizeof(made)), bytes_of(fields->hash, sizeof(made)));
}

bool password_matches(const char *form, struct bytes password)
{
    struct password_fields fields;
    if (password_judge(form) != NULL)
        return false;
    enum password_form kind = password_form_of(form, &fields);
    switch (kind) {
    case FORM_ARGON2:
        return crypto_pwhash_str_verify(form, (const char *)password.ptr, password.len) == 0;
    case FORM_PBKDF2:
    case FORM_SALTED:
        return password_matches_fields(&fields, kind, password);
    case FORM_CRYPT:
        return password_matches_crypt(form, password);
    case FORM_NONE:
        break;
    }
    return false;
}

static enum rc password_make_pbkdf2(struct bytes password, char *out)
{
    uint8_t salt[PASSWORD_SALT_LEN];
    uint8_t hash[DIGEST_LEN_MAX];
    char salt_text[DIGEST_BASE64_LEN(sizeof(salt))];
    char hash_text[DIGEST_BASE64_LEN(sizeof(hash))];
    digest_random(salt, sizeof(salt));
    struct bytes salted = bytes_of(salt, sizeof(salt));
    if (!digest_pbkdf2(DIGEST_SHA512, password, salted, PASSWORD_ROUNDS, hash, sizeof(hash)))
        return RC_NO_MEMORY;
    digest_base64(salted, salt_text, sizeof(salt_text));
    digest_base64(bytes_of(hash, sizeof(hash)), hash_text, sizeof(hash_text));
    snprintf(out, PASSWORD_FORM_LEN_MAX + 1, "$7$%d$%s$%s", PASSWORD_ROUNDS, salt_text, hash_text);
    return RC_OK;
}

static enum rc password_make_crypt(const char *prefix, unsigned long cost, struct bytes password,
                                   char *out)
{
    uint8_t random[32];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    digest_random(random, sizeof(random));
    if (crypt_gensalt_rn(prefix, cost, (const char *)random, sizeof(random), setting,
                         sizeof(setting)) == NULL)
        return RC_UNSUPPORTED;
    return password_crypt(password, setting, out, PASSWORD_FORM_LEN_MAX + 1);
}

enum rc password_make(enum password_algorithm algorithm, struct bytes password, char *out)
{
    CHECK(out != NULL);
    switch (algorithm) {
    case PASSWORD_ARGON2ID:
        return crypto_pwhash_str_alg(out, (const char *)password.ptr, password.len,
                                     PASSWORD_ARGON_OPS, PASSWORD_ARGON_BYTES,
                                     crypto_pwhash_ALG_ARGON2ID13) == 0
                   ? RC_OK
                   : RC_NO_MEMORY;
    case PASSWORD_BCRYPT:
        return password_make_crypt("$2b$", PASSWORD_BCRYPT_COST, password, out);
    case PASSWORD_SCRYPT:
        return password_make_crypt("$7$", PASSWORD_SCRYPT_COST, password, out);
    case PASSWORD_PBKDF2:
        return password_make_pbkdf2(password, out);
    case PASSWORD_COUNT:
        break;
    }
    UNREACHABLE();
}
