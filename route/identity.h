/*
 * identity.h -- who a client is: what authentication found out, as authorization reads it.
 *
 * Two forms of the same:
 *
 *   struct client_identity  a value with views, filled by session_identity when somebody asks: the
 *                           client id, the address and listener (which net knows), and what was
 *                           kept of authentication.
 *   struct identity         what is kept: one packed allocation, owned by the session. A client
 *                           with nothing but an address and a client id has none and costs nothing.
 *
 * It stays with the session when the connection goes: a will that is published later, and the
 * question whose session it is, need it. The next CONNECT that succeeds replaces it.
 *
 * Bounds: IDENTITY_ATTRS_MAX attributes, IDENTITY_RULES_MAX rules, IDENTITY_BYTES_MAX in all; more
 * is refused by who makes it (identity_create), not cut.
 *
 * Threads: made on any thread, then owned by the session's home shard. Views are values.
 */
#ifndef SLUICE_IDENTITY_H
#define SLUICE_IDENTITY_H

#include "bytes.h"
#include "mqtt.h"

#define IDENTITY_MAGIC     0x49444e54u
#define IDENTITY_ATTRS_MAX 32
#define IDENTITY_RULES_MAX 256
#define IDENTITY_BYTES_MAX (256 * 1024)

/* One attribute of a client (client_attrs of EMQX), a value. */
struct identity_attr {
    struct bytes name;
    struct bytes value;
};

enum identity_action {
    IDENTITY_PUBLISH = 1 << 0,
    IDENTITY_SUBSCRIBE = 1 << 1,
    IDENTITY_ALL = IDENTITY_PUBLISH | IDENTITY_SUBSCRIBE,
};

/* Does a rule look at RETAIN? */
enum identity_retain { IDENTITY_RETAIN_ANY, IDENTITY_RETAIN_SET, IDENTITY_RETAIN_CLEAR };

#define IDENTITY_QOS_ALL 7 /* a bit for each QoS */

/*
 * One permission that came with the client, in a token or an answer by HTTP; a value. `topic` is a
 * filter that may have placeholders in it, or with `is_literal` a name to be compared as it is.
 */
struct identity_rule {
    bool allow;
    bool is_literal;
    uint8_t actions; /* enum identity_action */
    uint8_t qos;     /* bits: 1 << QoS */
    uint8_t retain;  /* enum identity_retain */
    struct bytes topic;
};

/* What authentication found out, a value whose views belong to whoever fills it. */
struct identity_draft {
    struct bytes username; /* ptr NULL: none was given */
    struct bytes cert_common_name;
    struct bytes cert_subject;
    const struct identity_attr *attrs;
    uint32_t attrs_num;
    const struct identity_rule *rules;
    uint32_t rules_num;
    bool has_rules;     /* rules were given, perhaps none: what they do not allow is denied */
    bool is_superuser;  /* no permission is asked */
    uint64_t expires_s; /* seconds since 1970 at which the connection ends; 0: never */
};

/* The same, kept. */
struct identity {
    uint32_t magic;           /* [I] */
    uint32_t size;            /* [I] bytes of the allocation */
    struct identity_draft is; /* [I] its views point behind this structure */
};

/* Who a client is, for whoever decides what it may do; a value, valid during the call. */
struct client_identity {
    struct bytes client_id;
    struct bytes username; /* ptr NULL: none */
    struct bytes cert_common_name;
    struct bytes cert_subject;
    struct bytes listener; /* its name; empty while there is no connection */
    struct bytes zone;     /* of the listener */
    struct bytes mount;    /* what stands before its topics, unseen by it and by rules */
    uint8_t address[16];   /* IPv6, or IPv4 mapped; all zero: local, or no connection */
    uint16_t port;         /* host order */
    const struct identity_attr *attrs;
    uint32_t attrs_num;
    const struct identity_rule *rules;
    uint32_t rules_num;
    bool has_rules;
    bool is_superuser;
};

/* Is there anything in it that has to be kept? */
bool identity_is_plain(const struct identity_draft *draft);

/* A packed copy. NULL without memory, or over the bounds. */
MUST_USE struct identity *identity_create(const struct identity_draft *draft);

/* NULL is allowed. */
void identity_destroy(struct identity *identity);

/* The value of an attribute, or empty with ptr NULL. */
struct bytes identity_attr_find(const struct client_identity *client, struct bytes name);

/* Is `address` (as in struct client_identity) of this machine: loopback, or no IP at all? */
bool identity_is_local(const uint8_t address[16]);

#endif
