/*
 * ban_set.h -- who must not come in: the ban list, compiled.
 *
 * A rule names a kind and a text, and the moment until which it holds:
 *
 *   clientid, username, peerhost   equal; one look into a hash table each
 *   peerhost_net                   a range of addresses, one after the other
 *   clientid_re, username_re       a regular expression found in it, one after the other
 *
 * The set is immutable. The ops thread makes a new one for each change and publishes it; the old
 * one is freed when every shard has said that it has taken the new one (MAIL_BANS). A set without
 * rules is NULL, so that nobody banned costs one branch for each CONNECT.
 *
 * A regular expression that cannot decide within its bounds (regex.h) counts as found: the safe
 * side is to refuse.
 *
 * Bounds: BAN_RULES_MAX rules, of these BAN_RANGES_MAX ranges and BAN_REGEXES_MAX expressions.
 *
 * Threads: create and destroy: one; ban_set_holds: any, at the same time.
 */
#ifndef SLUICE_BAN_SET_H
#define SLUICE_BAN_SET_H

#include <netinet/in.h>

#include "bytes.h"
#include "hash.h"
#include "rc.h"

#define BAN_RULES_MAX   65536
#define BAN_RANGES_MAX  1024 /* some 10 us */
#define BAN_REGEXES_MAX 64   /* some 100 us, and 13 ms for a name made to be slow */
#define BAN_WHY_LEN_MAX 191

#define BAN_NEVER_MS UINT64_MAX

/* X(identifier, name as operators write it) */
#define BAN_KIND_TABLE(X)                                                                          \
    X(BAN_CLIENT_ID, "clientid")                                                                   \
    X(BAN_USER_NAME, "username")                                                                   \
    X(BAN_ADDRESS, "peerhost")                                                                     \
    X(BAN_RANGE, "peerhost_net")                                                                   \
    X(BAN_CLIENT_ID_RE, "clientid_re")                                                             \
    X(BAN_USER_NAME_RE, "username_re")

#define BAN_KIND_ENUM(id, name) id,
enum ban_kind { BAN_KIND_TABLE(BAN_KIND_ENUM) BAN_KIND_COUNT };
#undef BAN_KIND_ENUM

const char *ban_kind_name(enum ban_kind kind);

/* BAN_KIND_COUNT: there is none of that name. */
enum ban_kind ban_kind_find(const char *name);

/* One rule, a value; `who` is borrowed for the call and zero-terminated. */
struct ban_rule {
    enum ban_kind kind;
    const char *who;
    uint64_t until_ms; /* of the shards' clock; BAN_NEVER_MS: for ever */
};

/* Who wants to come in, a value. */
struct ban_subject {
    struct bytes client_id;
    struct bytes user_name;         /* ptr NULL: none */
    const struct in6_addr *address; /* IPv4 mapped; all zero: none */
};

struct ban_set;

/* Is `who` right for the kind? False: `out_why` (BAN_WHY_LEN_MAX + 1 bytes) says why not. */
MUST_USE bool ban_rule_check(enum ban_kind kind, const char *who, char *out_why);

/*
 * RC_OK: the caller owns *out, which is NULL if there are no rules. RC_FULL: more than the bounds
 * allow. RC_INVALID: a rule that ban_rule_check would refuse. RC_NO_MEMORY.
 */
MUST_USE enum rc ban_set_create(const struct ban_rule *rules, uint32_t num,
                                const struct hash_key *key, struct ban_set **out);
void ban_set_destroy(struct ban_set *set);

/* Is the subject banned at `now_ms`? A set that is NULL bans nobody. */
bool ban_set_holds(const struct ban_set *set, const struct ban_subject *subject, uint64_t now_ms);

#endif
