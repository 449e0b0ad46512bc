/*
 * authn_http.c -- see authn_http.h.
 *
 * The head of a step is immutable and shared; everything that changes is in `live`.
 *
 * Threads: see authn_http.h; figures are written by that thread and read by any.
 */
#include "authn_http.h"

#include <jansson.h>
#include <stdlib.h>

#include "claims.h"
#include "digest.h"
#include "http_cache.h"
#include "http_template.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

/* What changes; of the helper's thread. */
struct authn_http_live {
    struct http_cache cache;
    enum breaker_state breaker;
    uint32_t failures; /* in a row */
    uint64_t open_until_ms;
};

struct authn_http {
    struct authn_step step;
    struct authn_http_options options; /* its views point into `texts` */
    struct authn_http_field headers[AUTHN_HTTP_FIELDS_MAX];
    struct authn_http_field body[AUTHN_HTTP_FIELDS_MAX];
    struct connect_buffer texts;
    struct authn_http_live live;
};

/* One request under way; job NULL: only the cache waits for it. */
struct authn_http_call {
    struct authn_http_door *door;
    struct authn_http *step; /* counted */
    struct authn_job *job;
    uint8_t key[HTTP_CACHE_KEY_LEN];
};

static struct authn_http_figures authn_http_totals;

#define COUNT(field) __atomic_fetch_add(&authn_http_totals.field, 1, __ATOMIC_RELAXED)

void authn_http_figures_read(struct authn_http_figures *out)
{
    out->asked = __atomic_load_n(&authn_http_totals.asked, __ATOMIC_RELAXED);
    out->cached = __atomic_load_n(&authn_http_totals.cached, __ATOMIC_RELAXED);
    out->stale = __atomic_load_n(&authn_http_totals.stale, __ATOMIC_RELAXED);
    out->failed = __atomic_load_n(&authn_http_totals.failed, __ATOMIC_RELAXED);
    out->broken = __atomic_load_n(&authn_http_totals.broken, __ATOMIC_RELAXED);
    out->open = __atomic_load_n(&authn_http_totals.open, __ATOMIC_RELAXED);
}

/* ---- making a step ---- */

static void authn_http_destroy(struct authn_step *step)
{
    struct authn_http *self = CONTAINER_OF(step, struct authn_http, step);
    if (self->live.breaker != BREAKER_CLOSED)
        __atomic_fetch_sub(&authn_http_totals.open, 1, __ATOMIC_RELAXED);
    http_cache_fini(&self->live.cache);
    connect_buffer_fini(&self->texts);
    free(self);
}

static const struct authn_step_ops authn_http_ops = {
    .name = "http", .place = AUTHN_ON_HELPER, .destroy = authn_http_destroy};

bool authn_http_is(const struct authn_step *step)
{
    return step->ops == &authn_http_ops;
}

static bool texts_add(struct connect_buffer *texts, struct bytes text)
{
    return connect_buffer_add(texts, text.ptr, text.len);
}

/* A view of the copy of `text`, which is next in the texts. */
static struct bytes texts_next(const struct authn_http *self, uint32_t *at, struct bytes text)
{
    struct bytes view = {.ptr = self->texts.ptr + *at, .len = text.len};
    *at += text.len;
    return view;
}

struct authn_step *authn_http_create(const struct authn_http_options *options)
{
    CHECK(options->headers_num <= AUTHN_HTTP_FIELDS_MAX);
    CHECK(options->body_num <= AUTHN_HTTP_FIELDS_MAX && options->url.len > 0);
    struct authn_http *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return NULL;
    struct connect_buffer *texts = &self->texts;
    bool ok = texts_add(texts, options->url) && texts_add(texts, options->ca_file);
    for (uint32_t i = 0; ok && i < options->headers_num; i++)
        ok = texts_add(texts, options->headers[i].name) &&
             texts_add(texts, options->headers[i].value);
    for (uint32_t i = 0; ok && i < options->body_num; i++)
        ok = texts_add(texts, options->body[i].name) && texts_add(texts, options->body[i].value);
    if (!ok) {
        connect_buffer_fini(texts);
        free(self);
        return NULL;
    }
    uint32_t at = 0;
    self->step = (struct authn_step){.ops = &authn_http_ops, .refs = 1};
    self->options = *options;
    self->options.url = texts_next(self, &at, options->url);
    self->options.ca_file = texts_next(self, &at, options->ca_file);
    for (uint32_t i = 0; i < options->headers_num; i++) {
        self->headers[i].name = texts_next(self, &at, options->headers[i].name);
        self->headers[i].value = texts_next(self, &at, options->headers[i].value);
    }
    for (uint32_t i = 0; i < options->body_num; i++) {
        self->body[i].name = texts_next(self, &at, options->body[i].name);
        self->body[i].value = texts_next(self, &at, options->body[i].value);
    }
    self->options.headers = self->headers;
    self->options.body = self->body;
    return &self->step;
}

/* ---- the request ---- */

static bool add_text(struct connect_buffer *out, const char *text)
{
    return connect_buffer_add(out, text, (uint32_t)strlen(text));
}

static bool request_json(const struct authn_http_options *options, const struct authn_asked *asked,
                         struct connect_buffer *out)
{
    bool ok = add_text(out, "{");
    for (uint32_t i = 0; ok && i < options->body_num; i++)
        ok = add_text(out, i == 0 ? "\"" : ",\"") &&
             template_escape_add(options->body[i].name, TEMPLATE_JSON, out) &&
             add_text(out, "\":\"") &&
             template_fill(options->body[i].value, TEMPLATE_JSON, asked, out) &&
             add_text(out, "\"");
    return ok && add_text(out, "}");
}

static bool request_form(const struct authn_http_options *options, const struct authn_asked *asked,
                         struct connect_buffer *out)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < options->body_num; i++)
        ok = (i == 0 || add_text(out, "&")) &&
             template_escape_add(options->body[i].name, TEMPLATE_URL, out) && add_text(out, "=") &&
             template_fill(options->body[i].value, TEMPLATE_URL, asked, out);
    return ok;
}

static bool request_url(const struct authn_http_options *options, const struct authn_asked *asked,
                        struct connect_buffer *out)
{
    if (!template_fill(options->url, TEMPLATE_URL, asked, out))
        return false;
    if (!options->is_get || options->body_num == 0)
        return true;
    bool has_query = memchr(options->url.ptr, '?', options->url.len) != NULL;
    return add_text(out, has_query ? "&" : "?") && request_form(options, asked, out);
}

/*
 * Writes everything that the request is made of, one text behind the other; `ends` says where each
 * ends: URL, body, then the headers.
 */
static bool request_write(const struct authn_http_options *options, const struct authn_asked *asked,
                          struct connect_buffer *out, uint32_t ends[AUTHN_HTTP_FIELDS_MAX + 2])
{
    bool ok = request_url(options, asked, out);
    ends[0] = out->len;
    if (ok && !options->is_get)
        ok = options->is_form ? request_form(options, asked, out)
                              : request_json(options, asked, out);
    ends[1] = out->len;
    for (uint32_t i = 0; ok && i < options->headers_num; i++) {
        const struct authn_http_field *header = &options->headers[i];
        ok = connect_buffer_add(out, header->name.ptr, header->name.len) && add_text(out, ": ") &&
             template_fill(header->value, TEMPLATE_HEADER, asked, out);
        ends[2 + i] = out->len;
    }
    return ok;
}

/* ---- the answer ---- */

enum authn_verdict authn_http_verdict(struct authn_job *job,
                                      const struct connect_response *response)
{
    struct identity_draft nothing = {0};
    if (response->status == 204)
        return authn_allow(job, &nothing);
    if (response->status != 200)
        return AUTHN_IGNORE;
    json_t *document = json_loadb((const char *)response->body.ptr, response->body.len, 0, NULL);
    const char *result = json_string_value(json_object_get(document, "result"));
    enum authn_verdict verdict = AUTHN_IGNORE;
    struct claims claims;
    if (result != NULL && strcmp(result, "deny") == 0)
        verdict = AUTHN_DENY;
    else if (result != NULL && strcmp(result, "allow") == 0)
        /* Permissions that are not understood are no reason to let somebody in without them. */
        verdict = claims_read(document, "acl", "expire_at", &claims) == RC_OK
                      ? authn_allow(job, &claims.draft)
                      : AUTHN_DENY;
    json_decref(document);
    return verdict;
}

/* A server that answers, whatever it answers, is there. */
static bool response_is_failure(const struct connect_response *response)
{
    return response->status == 0 || response->status >= 500;
}

static void breaker_set(struct authn_http_live *live, enum breaker_state state)
{
    bool was_open = live->breaker != BREAKER_CLOSED;
    bool is_open = state != BREAKER_CLOSED;
    live->breaker = state;
    if (is_open && !was_open)
        COUNT(open);
    else if (was_open && !is_open)
        __atomic_fetch_sub(&authn_http_totals.open, 1, __ATOMIC_RELAXED);
}

static void breaker_note(struct authn_http *self, bool failed, uint64_t now_ms)
{
    struct authn_http_live *live = &self->live;
    const struct authn_http_options *options = &self->options;
    if (!failed) {
        breaker_set(live, BREAKER_CLOSED);
        live->failures = 0;
        return;
    }
    live->failures++;
    if (options->breaker_failures == 0)
        return;
    if (live->breaker == BREAKER_TRYING || live->failures >= options->breaker_failures) {
        breaker_set(live, BREAKER_OPEN);
        live->open_until_ms = now_ms + options->breaker_open_ms;
    }
}

/* May the server be asked now? */
static bool breaker_lets(struct authn_http *self, uint64_t now_ms)
{
    struct authn_http_live *live = &self->live;
    if (live->breaker == BREAKER_CLOSED)
        return true;
    if (live->breaker == BREAKER_TRYING || now_ms < live->open_until_ms)
        return false;
    breaker_set(live, BREAKER_TRYING);
    return true;
}

static void call_done(void *context, const struct connect_response *response)
{
    struct authn_http_call *call = context;
    struct authn_http *self = call->step;
    uint64_t now_ms = call->door->now_ms;
    bool failed = response_is_failure(response);
    breaker_note(self, failed, now_ms);
    if (failed)
        COUNT(failed);
    enum authn_verdict verdict = AUTHN_IGNORE;
    if (call->job != NULL) {
        verdict = authn_http_verdict(call->job, response);
        authn_answer(call->door->port, call->job, verdict);
    }
    bool keeps = self->options.cache_ttl_ms > 0 && response->body.len <= AUTHN_HTTP_ANSWER_MAX &&
                 (response->status == 200 || response->status == 204);
    if (keeps && (call->job == NULL || verdict == AUTHN_ALLOW || verdict == AUTHN_DENY))
        http_cache_put(&self->live.cache, call->key, response, now_ms);
    else if (!failed)
        http_cache_remove(&self->live.cache, call->key);
    else
        http_cache_renewed(&self->live.cache, call->key);
    authn_step_unref(&self->step);
    free(call);
}

/* Asks the server, for a job or only to renew what the cache has. False: it cannot be asked. */
static bool call_start(struct authn_http_door *door, struct authn_http *self, struct authn_job *job,
                       const uint8_t *key, const struct connect_buffer *texts, const uint32_t *ends)
{
    const struct authn_http_options *options = &self->options;
    struct bytes lines[AUTHN_HTTP_FIELDS_MAX];
    for (uint32_t i = 0; i < options->headers_num; i++)
        lines[i] = bytes_of(texts->ptr + ends[1 + i], ends[2 + i] - ends[1 + i]);
    struct connect_request request = {.timeout_ms = options->request_timeout_ms,
                                      .connect_timeout_ms = options->connect_timeout_ms,
                                      .flags = options->insecure ? CONNECT_INSECURE : 0,
                                      .method = bytes_of_text(options->is_get ? "GET" : "POST"),
                                      .url = bytes_of(texts->ptr, ends[0]),
                                      .ca_file = options->ca_file,
                                      .body = bytes_of(texts->ptr + ends[0], ends[1] - ends[0]),
                                      .headers = lines,
                                      .headers_num = options->headers_num};
    struct authn_http_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return false;
    call->door = door;
    call->step = self;
    call->job = job;
    memcpy(call->key, key, sizeof(call->key));
    if (door->ask(door->context, &request, call_done, call) != RC_OK) {
        free(call);
        return false;
    }
    COUNT(asked);
    __atomic_fetch_add(&self->step.refs, 1, __ATOMIC_RELAXED);
    return true;
}

/* The request as texts, and the key of its answer. */
static bool call_prepare(struct authn_http *self, const struct authn_job *job,
                         struct connect_buffer *texts, uint32_t *ends, uint8_t *key)
{
    if (!request_write(&self->options, &job->asked, texts, ends))
        return false;
    struct bytes all = {.ptr = texts->ptr, .len = texts->len};
    uint32_t ends_len = (self->options.headers_num + 2) * (uint32_t)sizeof(*ends);
    digest_of(DIGEST_SHA256, all, bytes_of(ends, ends_len), key);
    return true;
}

/* Answers from the cache if it can. *out_renew: the answer is stale, the server is to be asked. */
static bool call_cached(struct authn_http_door *door, struct authn_http *self,
                        struct authn_job *job, const uint8_t *key, bool *out_renew)
{
    const struct authn_http_options *options = &self->options;
    *out_renew = false;
    struct connect_response response;
    struct http_cache_entry *entry = http_cache_get(&self->live.cache, key, &response);
    if (options->cache_ttl_ms == 0 || entry == NULL)
        return false;
    uint64_t age_ms = door->now_ms - entry->stored_ms;
    if (age_ms >= (uint64_t)options->cache_ttl_ms + options->cache_stale_ms)
        return false;
    if (age_ms >= options->cache_ttl_ms) {
        COUNT(stale);
        *out_renew = !entry->renewing && breaker_lets(self, door->now_ms);
        entry->renewing |= *out_renew;
    }
    COUNT(cached);
    authn_answer(door->port, job, authn_http_verdict(job, &response));
    return true;
}

void authn_http_run(struct authn_http_door *door, struct authn_job *job)
{
    struct authn_step *step = (struct authn_step *)(uintptr_t)authn_job_step(job);
    CHECK(authn_http_is(step));
    struct authn_http *self = CONTAINER_OF(step, struct authn_http, step);
    struct connect_buffer texts = {0};
    uint32_t ends[AUTHN_HTTP_FIELDS_MAX + 2];
    uint8_t key[DIGEST_LEN_MAX];
    bool renew = false;
    if (!call_prepare(self, job, &texts, ends, key)) {
        authn_answer(door->port, job, AUTHN_IGNORE);
    } else if (call_cached(door, self, job, key, &renew)) {
        if (renew && !call_start(door, self, NULL, key, &texts, ends))
            breaker_note(self, true, door->now_ms);
    } else if (!breaker_lets(self, door->now_ms)) {
        COUNT(broken);
        authn_answer(door->port, job, AUTHN_IGNORE);
    } else if (!call_start(door, self, job, key, &texts, ends)) {
        breaker_note(self, true, door->now_ms);
        authn_answer(door->port, job, AUTHN_IGNORE);
    }
    digest_wipe(texts.ptr, texts.len);
    connect_buffer_fini(&texts);
}
