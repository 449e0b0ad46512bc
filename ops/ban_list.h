/*
 * ban_list.h -- the bans with all that is known of them, and their form in a file.
 *
 *   as,who,reason,at,until,by
 *   clientid,pump-7,too loud,2026-01-31T12:00:00Z,2026-02-01T00:00:00Z,anna
 *   peerhost_net,198.51.100.0/24,,,infinity,
 *
 * CSV (RFC 4180): the first line names the columns, in any order; `as` and `who` are needed. A
 * field with a comma, a quote or a line break in it stands in quotes, quotes in it are doubled.
 * `as` is one of net/ban_set.h's names. An empty `until` is `infinity`, an empty `at` the moment of
 * reading.
 *
 * A list has no two bans of the same kind for the same `who`; it is kept as an array with a hash
 * table of indices, so that a flood of clients who are banned one by one costs each the same.
 *
 * Bounds: BAN_RULES_MAX bans, BAN_FILE_LEN_MAX bytes of a file, texts as below.
 *
 * Threads: a value of its owner.
 */
#ifndef SLUICE_BAN_LIST_H
#define SLUICE_BAN_LIST_H

#include <stdio.h>

#include "ban_set.h"
#include "error_list.h"

#define BAN_TEXT_LEN_MAX 255 /* of reason and by */
#define BAN_FILE_LEN_MAX (64 * 1024 * 1024)
#define BAN_NEVER_S      UINT64_MAX

/* One ban; texts zero-terminated, never NULL. Times in seconds since 1970. */
struct ban {
    enum ban_kind kind;
    char *who;
    char *reason;
    char *by;
    uint64_t at_s;
    uint64_t until_s; /* BAN_NEVER_S: for ever */
};

struct ban_list {
    struct ban *items; /* owned, with their texts */
    uint32_t num;
    uint32_t capacity;
    uint32_t *table; /* indices + 1, open; NULL while empty */
    uint32_t mask;
};

/* An empty list is all zero. */
void ban_list_fini(struct ban_list *list);

/* Does it make sense? False: `out_why` (BAN_WHY_LEN_MAX + 1 bytes) says why not. */
MUST_USE bool ban_check(const struct ban *ban, char *out_why);

/*
 * Adds a copy of `ban`, or replaces what is there for the same kind and `who`. RC_INVALID: the ban
 * is not right, `out_why` (BAN_WHY_LEN_MAX + 1 bytes) says why. RC_FULL, RC_NO_MEMORY.
 */
MUST_USE enum rc ban_list_add(struct ban_list *list, const struct ban *ban, char *out_why);

/* The ban of that kind for `who`, or NULL. */
const struct ban *ban_list_find(const struct ban_list *list, enum ban_kind kind, const char *who);

/* False: there is none. */
bool ban_list_remove(struct ban_list *list, enum ban_kind kind, const char *who);

/* Removes what has ended by `now_s`; how many. */
uint32_t ban_list_expire(struct ban_list *list, uint64_t now_s);

/* When the next one ends, BAN_NEVER_S: none. */
uint64_t ban_list_next_end_s(const struct ban_list *list);

/*
 * Adds the bans of a file's text. False: something is not right, and *errors says where
 * ("name:line: ..."); what was right has been added. Bans that have ended are passed over.
 */
bool ban_list_read(struct ban_list *list, const char *name, const char *text, size_t len,
                   uint64_t now_s, struct error_list *errors);

/* The same of a file at `path`. A file that is not there is an error too. */
bool ban_list_read_file(struct ban_list *list, const char *path, uint64_t now_s,
                        struct error_list *errors);

/* Writes all bans as a file that reads back as the same. */
void ban_list_write(const struct ban_list *list, FILE *out);

#endif
