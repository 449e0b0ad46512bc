/*
 * acl_rule.h -- access rules as their author wrote them: in order, who may do what where.
 *
 *     allow  user=alice or address=10.0.0.0/8  publish qos=0,1  home/${username}/# eq:a/+
 *     ------ --------------------------------  ---------------  -------------------------
 *     permission          who                   action          topics (none: every topic)
 *
 * The first rule that fits decides (acl_set.h, which compiles them). The three file formats
 * (ops/acl_*.c) and the `acl` claim of a token are all written into this form.
 *
 * Who is a tree of conditions in one array. A condition with a text compares it, or matches it
 * against a regular expression. A user name, common name or attribute that a client does not have
 * fits no condition on it, not even an empty text.
 *
 * Topics are filters with placeholders: ${clientid}, ${username}, ${cert_common_name},
 * ${client_attrs.NAME}, and ${$} for a single $ (so that ${$}{x} means the text ${x}). A
 * placeholder stands for the client's own words, literally and within one level: with a '/', '+' or
 * '#' in them, or without any, the topic fits nothing, so that a client called "#" is not given
 * everything. An `eq` topic is compared as it is written, wildcards included.
 *
 * Bounds: ACL_RULES_MAX rules, ACL_LEVELS_MAX levels of a filter, ACL_NEST_MAX levels of and/or.
 * Texts are copied into blocks that live as long as the list.
 *
 * Threads: built by one; read-only once compiled.
 */
#ifndef SLUICE_ACL_RULE_H
#define SLUICE_ACL_RULE_H

#include "bytes.h"
#include "rc.h"
#include "regex.h"

#include <netinet/in.h>

#define ACL_RULES_MAGIC 0x41524c53u
#define ACL_RULES_MAX   (1u << 20)
#define ACL_LEVELS_MAX  128
#define ACL_NEST_MAX    16
#define ACL_FILES_MAX   32
#define ACL_NONE        UINT32_MAX

/* Actions, as bits. */
#define ACL_PUBLISH   1u
#define ACL_SUBSCRIBE 2u
#define ACL_BOTH      3u

/* QoS 0, 1, 2 and retain off, on, as bits of what a rule is for. */
#define ACL_QOS_ANY    7u
#define ACL_RETAIN_ANY 3u

/* X(constant, word of the plain format, what it compares) */
#define ACL_WHO_TABLE(X)                                                                           \
    X(ACL_WHO_ALL, "all", "every client")                                                          \
    X(ACL_WHO_LOCAL, "local", "clients of this machine: loopback addresses, Unix sockets")         \
    X(ACL_WHO_ANONYMOUS, "anonymous", "clients without a user name")                               \
    X(ACL_WHO_USER, "user", "the user name")                                                       \
    X(ACL_WHO_CLIENT, "client", "the client identifier")                                           \
    X(ACL_WHO_COMMON_NAME, "cn", "the common name of the client's certificate")                    \
    X(ACL_WHO_ATTRIBUTE, "attr", "an attribute of the client")                                     \
    X(ACL_WHO_ADDRESS, "address", "the client's address")                                          \
    X(ACL_WHO_AND, "and", "all of several conditions")                                             \
    X(ACL_WHO_OR, "or", "one of several conditions")

#define ACL_WHO_ENUM(id, word, text) id,
enum acl_who_kind { ACL_WHO_TABLE(ACL_WHO_ENUM) ACL_WHO_KINDS };
#undef ACL_WHO_ENUM

/* A condition. */
struct acl_who {
    uint8_t kind;            /* [I] enum acl_who_kind */
    uint8_t bits;            /* [I] of `address` that count, of 128 */
    uint32_t child;          /* [I] of and, or: the first, an index; ACL_NONE: none */
    uint32_t next;           /* [I] the next child of the same parent, or ACL_NONE */
    struct in6_addr address; /* [I] IPv4 is mapped; bits beyond `bits` are 0 */
    struct bytes name;       /* [I] of the attribute */
    struct bytes text;       /* [I] exact, or the pattern of `regex` */
    struct regex *regex;     /* [I] owned; NULL: exact */
};

struct acl_topic {
    struct bytes text; /* [I] in the language above */
    bool is_eq;        /* [I] */
};

struct acl_rule {
    bool allow;            /* [I] */
    uint8_t actions;       /* [I] ACL_PUBLISH, ACL_SUBSCRIBE */
    uint8_t qos;           /* [I] bit n: for QoS n */
    uint8_t retain;        /* [I] bit 0: for messages without, bit 1: with RETAIN; of publish */
    uint8_t file;          /* [I] */
    uint32_t line;         /* [I] */
    uint32_t who;          /* [I] index */
    uint32_t topics_first; /* [I] index */
    uint32_t topics_count; /* [I] 0: every topic */
};

struct acl_text_block;

struct acl_rules {
    uint32_t magic;                    /* [I] */
    uint32_t rules_count;              /* [W] all of it while it is being built, then [I] */
    uint32_t rules_capacity;           /* [W] */
    uint32_t topics_count;             /* [W] */
    uint32_t topics_capacity;          /* [W] */
    uint32_t whos_count;               /* [W] */
    uint32_t whos_capacity;            /* [W] */
    uint32_t files_count;              /* [W] */
    struct acl_rule *rules;            /* [W] */
    struct acl_topic *topics;          /* [W] */
    struct acl_who *whos;              /* [W] */
    struct acl_text_block *texts;      /* [W] */
    struct bytes files[ACL_FILES_MAX]; /* [W] names, for who asks which rule it was */
};

/* An empty list, or NULL without memory. */
struct acl_rules *acl_rules_create(void);
void acl_rules_destroy(struct acl_rules *rules);

/* Names the file whose rules follow. RC_FULL at ACL_FILES_MAX, RC_NO_MEMORY. */
MUST_USE enum rc acl_rules_file(struct acl_rules *rules, struct bytes name, uint8_t *out_file);

/*
 * Adds a condition; texts are copied, a `regex` is taken over on RC_OK. *out is its index.
 * RC_NO_MEMORY: nothing happened.
 */
MUST_USE enum rc acl_rules_who(struct acl_rules *rules, const struct acl_who *who, uint32_t *out);

/* Makes `child` the last child of the and/or `parent`. */
void acl_rules_who_join(struct acl_rules *rules, uint32_t parent, uint32_t child);

/* Adds a topic, checked before, to the rule that will be added next. RC_NO_MEMORY. */
MUST_USE enum rc acl_rules_topic(struct acl_rules *rules, struct bytes text, bool is_eq);

/*
 * Adds a rule; its topics are those added since the last rule, whatever its fields say of them.
 * RC_FULL at ACL_RULES_MAX, RC_NO_MEMORY.
 */
MUST_USE enum rc acl_rules_add(struct acl_rules *rules, const struct acl_rule *rule);

/* Is the text a topic of a rule? False: *out_why is static text, *out_at the byte it is about. */
MUST_USE bool acl_topic_check(struct bytes text, bool is_eq, const char **out_why,
                              uint32_t *out_at);

enum acl_piece_kind {
    ACL_PIECE_TEXT,
    ACL_PIECE_CLIENT,
    ACL_PIECE_USER,
    ACL_PIECE_COMMON_NAME,
    ACL_PIECE_ATTRIBUTE
};

/* One piece of a topic text, a value. */
struct acl_piece {
    enum acl_piece_kind kind;
    struct bytes text; /* literal, or the attribute's name */
};

/* Takes the first piece off a checked text. False at its end. */
bool acl_piece_next(struct bytes *rest, struct acl_piece *out);

/* Does a checked text hold a placeholder (${$} is none)? */
bool acl_topic_has_placeholder(struct bytes text);

#endif
