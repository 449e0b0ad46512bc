/*
 * identity.c -- see identity.h.
 *
 * The packed form is the structure, then the arrays of attributes and rules, then all texts, each
 * copied once; the views inside point there. Measuring and copying walk the same list of texts, so
 * that they cannot disagree.
 *
 * Threads: see identity.h.
 */
#include "identity.h"

#include "alloc.h"

#include <string.h>

bool identity_is_plain(const struct identity_draft *draft)
{
    return draft->username.ptr == NULL && draft->cert_common_name.ptr == NULL &&
           draft->cert_subject.ptr == NULL && draft->attrs_num == 0 && !draft->has_rules &&
           !draft->is_superuser && draft->expires_s == 0;
}

static uint64_t identity_size(const struct identity_draft *draft)
{
    uint64_t size = sizeof(struct identity);
    size += draft->attrs_num * UINT64_C(1) * sizeof(*draft->attrs);
    size += draft->rules_num * UINT64_C(1) * sizeof(*draft->rules);
    size += (uint64_t)draft->username.len + draft->cert_common_name.len + draft->cert_subject.len;
    for (uint32_t i = 0; i < draft->attrs_num; i++)
        size += (uint64_t)draft->attrs[i].name.len + draft->attrs[i].value.len;
    for (uint32_t i = 0; i < draft->rules_num; i++)
        size += draft->rules[i].topic.len;
    return size;
}

/* Moves the view to a copy at *at, and *at behind it. An absent text stays absent. */
static void identity_pack(struct bytes *view, uint8_t **at)
{
    if (view->ptr == NULL)
        return;
    if (view->len > 0)
        memcpy(*at, view->ptr, view->len);
    view->ptr = *at;
    *at += view->len;
}

struct identity *identity_create(const struct identity_draft *draft)
{
    CHECK(draft != NULL && (draft->attrs != NULL || draft->attrs_num == 0));
    CHECK(draft->rules != NULL || draft->rules_num == 0);
    uint64_t size = identity_size(draft);
    if (draft->attrs_num > IDENTITY_ATTRS_MAX || draft->rules_num > IDENTITY_RULES_MAX ||
        size > IDENTITY_BYTES_MAX)
        return NULL;
    struct identity *identity = mem_alloc(size);
    if (identity == NULL)
        return NULL;
    struct identity_attr *attrs = (void *)(identity + 1);
    struct identity_rule *rules = (void *)(attrs + draft->attrs_num);
    uint8_t *at = (uint8_t *)(rules + draft->rules_num);
    identity->magic = IDENTITY_MAGIC;
    identity->size = (uint32_t)size;
    identity->is = *draft;
    identity->is.attrs = attrs;
    identity->is.rules = rules;
    identity_pack(&identity->is.username, &at);
    identity_pack(&identity->is.cert_common_name, &at);
    identity_pack(&identity->is.cert_subject, &at);
    for (uint32_t i = 0; i < draft->attrs_num; i++) {
        attrs[i] = draft->attrs[i];
        identity_pack(&attrs[i].name, &at);
        identity_pack(&attrs[i].value, &at);
    }
    for (uint32_t i = 0; i < draft->rules_num; i++) {
        rules[i] = draft->rules[i];
        identity_pack(&rules[i].topic, &at);
    }
    CHECK(at <= (uint8_t *)identity + size);
    return identity;
}

void identity_destroy(struct identity *identity)
{
    if (identity == NULL)
        return;
    CHECK_OBJ(identity, IDENTITY_MAGIC);
    identity->magic = 0;
    mem_free(identity);
}

struct bytes identity_attr_find(const struct client_identity *client, struct bytes name)
{
    CHECK(client != NULL);
    for (uint32_t i = 0; i < client->attrs_num; i++) {
        if (bytes_equal(client->attrs[i].name, name))
            return client->attrs[i].value;
    }
    return (struct bytes){.ptr = NULL, .len = 0};
}

bool identity_is_local(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t none[15];
    if (memcmp(address, mapped, sizeof(mapped)) == 0)
        return address[12] == 127;
    return memcmp(address, none, sizeof(none)) == 0 && address[15] <= 1;
}
