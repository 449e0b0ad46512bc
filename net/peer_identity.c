/*
 * peer_identity.c -- see peer_identity.h.
 * Threads: see peer_identity.h.
 */
#include "peer_identity.h"

#include "mem.h"

static struct bytes peer_identity_put(uint8_t **at, struct bytes text)
{
    if (text.len == 0)
        return (struct bytes){.ptr = NULL, .len = 0};
    uint8_t *start = *at;
    memcpy(start, text.ptr, text.len);
    *at += text.len;
    return bytes_of(start, text.len);
}

struct peer_identity *peer_identity_create(const struct peer_identity *from)
{
    size_t len = (size_t)from->common_name.len + from->subject.len + from->alt_name.len +
                 from->fingerprint.len;
    struct peer_identity *identity = mem_alloc(sizeof(*identity) + len);
    if (identity == NULL)
        return NULL;
    uint8_t *at = identity->texts;
    identity->common_name = peer_identity_put(&at, from->common_name);
    identity->subject = peer_identity_put(&at, from->subject);
    identity->alt_name = peer_identity_put(&at, from->alt_name);
    identity->fingerprint = peer_identity_put(&at, from->fingerprint);
    identity->has_certificate = from->has_certificate;
    return identity;
}

struct bytes peer_identity_name(const struct peer_identity *identity, enum peer_name name)
{
    static const struct bytes none = {.ptr = NULL, .len = 0};
    if (identity == NULL)
        return none;
    switch (name) {
    case PEER_NAME_NONE:
        return none;
    case PEER_NAME_CN:
        return identity->common_name;
    case PEER_NAME_DN:
        return identity->subject;
    case PEER_NAME_SAN:
        return identity->alt_name;
    case PEER_NAME_FINGERPRINT:
        return identity->fingerprint;
    }
    return none;
}
