/*
 * tls_psk.c -- see tls_psk.h. The keys stand in an array, sorted by identity.
 * Threads: see tls_psk.h.
 */
#include "tls_psk.h"

#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

struct tls_psk_key {
    char identity[TLS_PSK_IDENTITY_LEN_MAX + 1];
    uint8_t key[TLS_PSK_KEY_LEN_MAX];
    uint8_t key_len;
    uint32_t line;
};

struct tls_psk {
    uint32_t num;
    uint32_t capacity;
    struct tls_psk_key keys[];
};

static int tls_psk_order(const void *left, const void *right)
{
    const struct tls_psk_key *a = left;
    const struct tls_psk_key *b = right;
    return strcmp(a->identity, b->identity);
}

static int tls_psk_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* NULL, or what is wrong with the line. */
static const char *tls_psk_line(struct bytes line, struct tls_psk_key *out)
{
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL)
        return "there is no colon between identity and key";
    size_t identity_len = (size_t)(colon - line.ptr);
    if (identity_len == 0 || identity_len > TLS_PSK_IDENTITY_LEN_MAX)
        return "the identity should have 1 to 128 bytes";
    if (memchr(line.ptr, '\0', identity_len) != NULL)
        return "the identity has a zero byte in it";
    memset(out, 0, sizeof(*out));
    memcpy(out->identity, line.ptr, identity_len);
    const uint8_t *hex = colon + 1;
    size_t hex_len = line.len - identity_len - 1;
    if (hex_len % 2 != 0 || hex_len / 2 < TLS_PSK_KEY_LEN_MIN || hex_len / 2 > TLS_PSK_KEY_LEN_MAX)
        return "the key should have 32 to 128 hexadecimal digits, two for each byte";
    for (size_t i = 0; i < hex_len; i += 2) {
        int high = tls_psk_digit(hex[i]);
        int low = tls_psk_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            return "the key has more in it than hexadecimal digits";
        out->key[i / 2] = (uint8_t)(high * 16 + low);
    }
    out->key_len = (uint8_t)(hex_len / 2);
    return NULL;
}

/* The next line without its end; false: there is none. */
static bool tls_psk_next(struct bytes *rest, struct bytes *out)
{
    if (rest->len == 0)
        return false;
    const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    uint32_t len = end != NULL ? (uint32_t)(end - rest->ptr) : rest->len;
    uint32_t skip = end != NULL ? len + 1 : len;
    *out = (struct bytes){.ptr = rest->ptr, .len = len};
    if (out->len > 0 && out->ptr[out->len - 1] == '\r')
        out->len--;
    rest->ptr += skip;
    rest->len -= skip;
    return true;
}

static bool tls_psk_fill(struct tls_psk *psk, struct bytes text, char *out_reason,
                         size_t reason_size)
{
    struct bytes line;
    for (uint32_t number = 1; tls_psk_next(&text, &line); number++) {
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        CHECK(psk->num < psk->capacity);
        struct tls_psk_key *key = &psk->keys[psk->num];
        const char *why = tls_psk_line(line, key);
        if (why != NULL) {
            snprintf(out_reason, reason_size, "line %u: %s", number, why);
            return false;
        }
        key->line = number;
        psk->num++;
    }
    qsort(psk->keys, psk->num, sizeof(psk->keys[0]), tls_psk_order);
    for (uint32_t i = 1; i < psk->num; i++) {
        if (strcmp(psk->keys[i - 1].identity, psk->keys[i].identity) == 0) {
            snprintf(out_reason, reason_size, "lines %u and %u have the same identity",
                     psk->keys[i - 1].line, psk->keys[i].line);
            return false;
        }
    }
    if (psk->num == 0)
        snprintf(out_reason, reason_size, "there is no key in it");
    return psk->num > 0;
}

enum rc tls_psk_create(struct bytes text, struct tls_psk **out, char *out_reason,
                       size_t reason_size)
{
    uint32_t lines = 1;
    for (uint32_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    struct tls_psk *psk = mem_alloc(sizeof(*psk) + (size_t)lines * sizeof(psk->keys[0]));
    if (psk == NULL) {
        snprintf(out_reason, reason_size, "%s", rc_text(RC_NO_MEMORY));
        return RC_NO_MEMORY;
    }
    psk->num = 0;
    psk->capacity = lines;
    if (!tls_psk_fill(psk, text, out_reason, reason_size)) {
        tls_psk_destroy(psk);
        return RC_INVALID;
    }
    *out = psk;
    return RC_OK;
}

void tls_psk_destroy(struct tls_psk *psk)
{
    if (psk == NULL)
        return;
    OPENSSL_cleanse(psk->keys, (size_t)psk->capacity * sizeof(psk->keys[0]));
    mem_free(psk);
}

unsigned tls_psk_find(const struct tls_psk *psk, const char *identity, uint8_t *out,
                      unsigned out_size)
{
    size_t len = strlen(identity);
    if (len > TLS_PSK_IDENTITY_LEN_MAX)
        return 0;
    struct tls_psk_key wanted;
    memcpy(wanted.identity, identity, len + 1);
    const struct tls_psk_key *key = bsearch(&wanted, psk->keys, psk->num, sizeof(psk->keys[0]),
                                            tls_psk_order);
    if (key == NULL || key->key_len > out_size)
        return 0;
    memcpy(out, key->key, key->key_len);
    return key->key_len;
}
