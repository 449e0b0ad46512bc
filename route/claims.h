/*
 * claims.h -- what a token or the answer of an authentication server says of a client, as JSON.
 *
 * Users of EMQX know the members; any may be absent:
 *
 *     is_superuser   true or false
 *     client_attrs   {"name": "value", ...}
 *     expire_at      seconds since 1970 (a token calls it exp; claims_read is told the name)
 *     acl            [{"permission": "allow", "action": "publish", "topic": "a/#",
 *                      "qos": [0, 1], "retain": false}, ...]
 *                    or the older {"pub": [...], "sub": [...], "all": [...]}, which allows what it
 *                    names and nothing else
 *
 * In `acl`: permission is allow (also where it is absent) or deny; action is publish, subscribe or
 * all (also where it is absent); topic (or topics, a list) is a filter with placeholders, with
 * "eq " before it a literal; qos is a number or a list, retain true, false or "all". What is not of
 * this form makes the whole document wrong: a permission that nobody understands must not be
 * passed over.
 *
 * Bounds: those of identity.h.
 *
 * Threads: any; a struct claims belongs to one.
 */
#ifndef SLUICE_CLAIMS_H
#define SLUICE_CLAIMS_H

#include "identity.h"
#include "rc.h"

#include <jansson.h>

/* What a document says, a value. */
struct claims {
    struct identity_draft draft;                    /* [I] views the document and the arrays here */
    struct identity_attr attrs[IDENTITY_ATTRS_MAX]; /* [I] */
    struct identity_rule rules[IDENTITY_RULES_MAX]; /* [I] */
};

/*
 * Reads the members of `document`, an object that must outlive `out`. `acl_name` and `expiry_name`
 * are those of the members for permissions and expiry. RC_OK; RC_INVALID: a member is not of the
 * form above; RC_FULL: over the bounds.
 */
MUST_USE enum rc claims_read(const json_t *document, const char *acl_name, const char *expiry_name,
                             struct claims *out);

#endif
