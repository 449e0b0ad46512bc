/*
 * tls_psk.h -- pre-shared keys from a file.
 *
 * One key a line: identity, colon, key in hexadecimal (as mosquitto's psk_file). The identity is
 * 1 to 128 bytes without a colon, the key 16 to 64 bytes. Empty lines and lines that begin with #
 * say nothing. An identity may stand there once.
 *
 * Bounds: a file of at most 64 MiB.
 *
 * Threads: immutable once read.
 */
#ifndef SLUICE_TLS_PSK_H
#define SLUICE_TLS_PSK_H

#include "bytes.h"
#include "rc.h"

#define TLS_PSK_IDENTITY_LEN_MAX 128
#define TLS_PSK_KEY_LEN_MIN      16
#define TLS_PSK_KEY_LEN_MAX      64
#define TLS_PSK_FILE_LEN_MAX     (64u << 20)

struct tls_psk;

/* RC_INVALID: `out_reason` (of `reason_size` bytes) says which line and why. `text` is copied. */
MUST_USE enum rc tls_psk_create(struct bytes text, struct tls_psk **out, char *out_reason,
                                size_t reason_size);

/* NULL is allowed. */
void tls_psk_destroy(struct tls_psk *psk);

/* Writes the key of `identity` to `out` and returns its length, or 0: not known, or no room. */
unsigned tls_psk_find(const struct tls_psk *psk, const char *identity, uint8_t *out,
                      unsigned out_size);

#endif
