/*
 * password.h -- passwords against their stored form, and the making of stored forms.
 *
 * A stored form is one text that says by itself how it was made:
 *
 *   $argon2id$v=19$m=19456,t=2,p=1$salt$hash   argon2id (RFC 9106); also $argon2i$
 *   $2b$10$salthash                            bcrypt (looks at the first 72 bytes only)
 *   $7$CU..../....salt$hash                    scrypt, as crypt(5) writes it; also yescrypt ($y$)
 *   $5$... $6$rounds=...$salt$hash             SHA-crypt and whatever else crypt(5) knows
 *   $7$iterations$salt$hash                    PBKDF2 with HMAC-SHA-512, as mosquitto_passwd writes
 *   $6$salt$hash                               one round of salted SHA-512, as old mosquitto wrote
 *
 * The two of mosquitto share their prefix with forms of crypt(5), from which their own shape tells
 * them: decimal iterations and base64 fields, a hash of 88 characters that ends in "==".
 *
 * All of them but the last are slow on purpose (tens of milliseconds) and for workers only.
 *
 * Bounds: a stored form has at most PASSWORD_FORM_LEN_MAX bytes. Forms that would take more memory
 * than PASSWORD_MEMORY_MAX or absurd time are refused when they are read (password_judge).
 *
 * Threads: pure functions, any, after password_start.
 */
#ifndef SLUICE_PASSWORD_H
#define SLUICE_PASSWORD_H

#include "bytes.h"
#include "rc.h"

#define PASSWORD_FORM_LEN_MAX 383

/* Argon2 takes this much at a time for each worker; more is an attack or a slip. */
#define PASSWORD_MEMORY_MAX_KB (1024 * 1024)

/* What passwords can be stored as: X(constant, name, text for the help). */
#define PASSWORD_TABLE(X)                                                                          \
    X(PASSWORD_ARGON2ID, "argon2id", "19 MiB, 2 passes: the default")                              \
    X(PASSWORD_BCRYPT, "bcrypt", "cost 10; sees 72 bytes of the password")                         \
    X(PASSWORD_SCRYPT, "scrypt", "crypt(5) format")                                                \
    X(PASSWORD_PBKDF2, "pbkdf2", "HMAC-SHA-512, 210000 rounds, mosquitto's format")

#define PASSWORD_ENUM(constant, name, text) constant,
enum password_algorithm { PASSWORD_TABLE(PASSWORD_ENUM) PASSWORD_COUNT };
#undef PASSWORD_ENUM

/* Before anything else of this file, once. False: the random source does not work. */
MUST_USE bool password_start(void);

const char *password_name(enum password_algorithm algorithm);

/* False: there is no algorithm of that name. */
bool password_find(const char *name, enum password_algorithm *out);

/* NULL if `form` can be verified, or what is wrong with it. */
const char *password_judge(const char *form);

/*
 * Is it the password of which `form` was made? Slow. A form that password_judge refuses, and any
 * failure of the machine, is no match.
 */
bool password_matches(const char *form, struct bytes password);

/*
 * The stored form of `password` with a fresh salt into `out` (PASSWORD_FORM_LEN_MAX + 1 bytes).
 * RC_INVALID: a password that the algorithm cannot take (a zero byte, or too long, for bcrypt and
 * scrypt). RC_NO_MEMORY.
 */
MUST_USE enum rc password_make(enum password_algorithm algorithm, struct bytes password, char *out);

#endif
