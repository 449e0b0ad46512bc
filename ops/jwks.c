/*
 * jwks.c -- see jwks.h.
 *
 * Threads: see jwks.h.
 */
#include "jwks.h"

#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "log.h"
#include "router.h"

/* One question under way. */
struct jwks_call {
    struct jwks *jwks;
    struct authn_http_door *door;
    uint64_t fetches; /* of jwks, when it was asked */
    uint32_t entry;
};

static struct jwks_entry *jwks_find_url(struct jwks_entry *entries, uint32_t num, struct bytes url)
{
    for (uint32_t i = 0; i < num; i++)
        if (bytes_equal(authn_jwt_options_of(entries[i].step)->url, url))
            return &entries[i];
    return NULL;
}

/* Offers a step with other keys (a reference to which is taken over) to the ops thread. */
static void jwks_offer(const struct jwks *jwks, struct authn_http_door *door,
                       const struct authn_step *old, struct jwt_keys *keys)
{
    struct authn_step *fresh = authn_jwt_with(old, keys);
    if (fresh == NULL) {
        jwt_keys_unref(keys);
        return;
    }
    struct authn_step *held = authn_step_ref((struct authn_step *)(uintptr_t)old);
    struct mail mail = {.kind = MAIL_AUTHN_STEP,
                        .words = {(uint64_t)(uintptr_t)held, (uint64_t)(uintptr_t)fresh}};
    mail_send(door->port, jwks->ops, MAIL_CONTROL, &mail);
}

static void jwks_enter(struct jwks *jwks, struct authn_http_door *door,
                       const struct authn_step *step, struct jwks_entry *before, uint32_t num)
{
    const struct authn_jwt_options *options = authn_jwt_options_of(step);
    if (options == NULL || options->url.len == 0)
        return;
    struct jwks_entry *entry = &jwks->entries[jwks->num++];
    *entry = (struct jwks_entry){.step = step, .next_ms = door->now_ms};
    const struct jwks_entry *known = jwks_find_url(before, num, options->url);
    struct jwt_keys *has = authn_jwt_keys(step);
    struct jwt_keys *had = known == NULL ? NULL : authn_jwt_keys(known->step);
    if (has != NULL) {
        /* Our own offer, taken: `body` stands in the entry of the step that it replaced. */
        entry->next_ms = door->now_ms + options->refresh_s * UINT64_C(1000);
        if (known != NULL)
            memcpy(entry->body, known->body, sizeof(entry->body));
    } else if (had != NULL) {
        memcpy(entry->body, known->body, sizeof(entry->body));
        jwks_offer(jwks, door, step, jwt_keys_ref(had));
    }
}

void jwks_adopt(struct jwks *jwks, struct authn_set *set, struct authn_http_door *door)
{
    struct authn_set *old = jwks->set;
    uint32_t num = jwks->num;
    struct jwks_entry *before = NULL;
    if (num > 0) {
        before = malloc(num * sizeof(*before));
        if (before != NULL)
            memcpy(before, jwks->entries, num * sizeof(*before));
    }
    jwks->set = set;
    jwks->num = 0;
    jwks->fetches++;
    uint32_t cursor = 0;
    const struct authn_step *step;
    while ((step = authn_set_next(set, &cursor)) != NULL)
        jwks_enter(jwks, door, step, before, before == NULL ? 0 : num);
    free(before);
    authn_set_unref(old);
}

static void jwks_answer(struct jwks *jwks, struct authn_http_door *door, struct jwks_entry *entry,
                        const struct connect_response *response)
{
    const struct authn_jwt_options *options = authn_jwt_options_of(entry->step);
    struct jwt_keys *keys = NULL;
    uint8_t body[sizeof(entry->body)];
    entry->under_way = false;
    entry->next_ms = door->now_ms + options->refresh_s * UINT64_C(1000);
    digest_of(DIGEST_SHA256, response->body, bytes_of(NULL, 0), body);
    if (response->status == 200 && memcmp(body, entry->body, sizeof(body)) == 0 &&
        authn_jwt_keys(entry->step) != NULL)
        return;
    bool right = response->status == 200 && response->body.len <= JWKS_BYTES_MAX &&
                 jwt_keys_of_jwks(response->body, &keys) == RC_OK;
    if (!right) {
        if (entry->next_ms > door->now_ms + JWKS_RETRY_MS)
            entry->next_ms = door->now_ms + JWKS_RETRY_MS;
        LOG(LOG_WARNING, "no JWK set that can be used from %.*s: status %u", (int)options->url.len,
            (const char *)options->url.ptr, response->status);
        return;
    }
    memcpy(entry->body, body, sizeof(body));
    jwks_offer(jwks, door, entry->step, keys);
}

static void jwks_done(void *context, const struct connect_response *response)
{
    struct jwks_call *call = context;
    struct jwks *jwks = call->jwks;
    if (call->fetches == jwks->fetches) {
        CHECK(call->entry < jwks->num);
        jwks_answer(jwks, call->door, &jwks->entries[call->entry], response);
    }
    free(call);
}

static void jwks_ask(struct jwks *jwks, struct authn_http_door *door, uint32_t index)
{
    struct jwks_entry *entry = &jwks->entries[index];
    const struct authn_jwt_options *options = authn_jwt_options_of(entry->step);
    struct jwks_call *call = malloc(sizeof(*call));
    entry->next_ms = door->now_ms + JWKS_RETRY_MS;
    if (call == NULL)
        return;
    *call = (struct jwks_call){
        .jwks = jwks, .door = door, .fetches = jwks->fetches, .entry = index};
    struct bytes accept = bytes_of_text("accept: application/json");
    struct connect_request request = {.timeout_ms = JWKS_TIMEOUT_MS,
                                      .connect_timeout_ms = JWKS_TIMEOUT_MS,
                                      .flags = options->insecure ? CONNECT_INSECURE : 0,
                                      .method = bytes_of_text("GET"),
                                      .url = options->url,
                                      .ca_file = options->ca_file,
                                      .headers = &accept,
                                      .headers_num = 1};
    if (door->ask(door->context, &request, jwks_done, call) == RC_OK) {
        entry->under_way = true;
        return;
    }
    /* The helper is not up, or not yet. */
    entry->next_ms = door->now_ms + JWKS_AGAIN_MS;
    free(call);
}

void jwks_run(struct jwks *jwks, struct authn_http_door *door)
{
    for (uint32_t i = 0; i < jwks->num; i++)
        if (!jwks->entries[i].under_way && door->now_ms >= jwks->entries[i].next_ms)
            jwks_ask(jwks, door, i);
}

void jwks_fini(struct jwks *jwks)
{
    authn_set_unref(jwks->set);
    jwks->set = NULL;
    jwks->num = 0;
}

struct authn_set *jwks_take(const struct authn_set *set, const struct mail *mail)
{
    struct authn_step *old = (struct authn_step *)(uintptr_t)mail->words[0];
    struct authn_step *fresh = (struct authn_step *)(uintptr_t)mail->words[1];
    struct authn_set *made = NULL;
    uint32_t cursor = 0;
    const struct authn_step *step;
    do {
        step = authn_set_next(set, &cursor);
    } while (step != NULL && step != old);
    if (step == old)
        made = authn_set_with(set, old, fresh);
    if (made == NULL)
        authn_step_unref(fresh);
    authn_step_unref(old);
    return made;
}

void jwks_drop(const struct mail *mail)
{
    authn_step_unref((struct authn_step *)(uintptr_t)mail->words[0]);
    authn_step_unref((struct authn_step *)(uintptr_t)mail->words[1]);
}
