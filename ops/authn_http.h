/*
 * authn_http.h -- the step that asks a server by HTTP whether a client may come in.
 *
 * The request is made of templates (http_template.h): method POST with a body, or GET with the same
 * members in the query. The body is a map of names to templates, sent as JSON or as a form by the
 * content-type header. Answers, as users of EMQX know them:
 *
 *     204                      allow
 *     200 {"result": "allow" | "deny" | "ignore", ...}
 *                              that; with is_superuser, client_attrs, expire_at, acl (claims.h)
 *     anything else, none      ignore
 *
 * Cache: an answer of allow or deny is used again for `cache_ttl_ms` when the very same is asked.
 * For `cache_stale_ms` more it is still used, while the server is asked anew behind the client's
 * back; so a server that is down for a while locks out nobody who was in before. Keys are digests
 * of whole requests: no password is kept.
 *
 * Circuit breaker: after `breaker_failures` requests in a row without an answer (time-out, refused,
 * 5xx) the server is left alone for `breaker_open_ms`: clients are answered from the cache or
 * ignored at once. Then one request is let through, whose end decides.
 *
 * A step belongs to a set that is shared (authn.h); what changes in it belongs to the one thread
 * that runs steps of the helper. It asks by a function, so that tests need no process.
 *
 * Bounds: HTTP_CACHE_MAX answers a step, of at most AUTHN_HTTP_ANSWER_MAX bytes.
 *
 * Threads: create and destroy: any; the rest: the thread of the helper (outside.h).
 */
#ifndef SLUICE_AUTHN_HTTP_H
#define SLUICE_AUTHN_HTTP_H

#include "authn.h"
#include "connector.h"

#define AUTHN_HTTP_ANSWER_MAX 65536
#define AUTHN_HTTP_FIELDS_MAX 32

/* A name and a template. */
struct authn_http_field {
    struct bytes name;
    struct bytes value;
};

/* What a step is made from, a value; copied. Templates have been checked. */
struct authn_http_options {
    bool is_get;
    bool is_form;  /* the body is a form, not JSON */
    bool insecure; /* do not verify the server's certificate */
    struct bytes url;
    struct bytes ca_file;
    const struct authn_http_field *headers;
    uint32_t headers_num;
    const struct authn_http_field *body;
    uint32_t body_num;
    uint32_t request_timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t breaker_failures; /* 0: no breaker */
    uint32_t breaker_open_ms;
    uint32_t cache_ttl_ms; /* 0: no cache */
    uint32_t cache_stale_ms;
};

/* NULL without memory. */
MUST_USE struct authn_step *authn_http_create(const struct authn_http_options *options);

/* How a step asks: as connector_ask, with a context of the caller. */
struct authn_http_door {
    enum rc (*ask)(void *context, const struct connect_request *request, connector_done_fn done,
                   void *done_context);
    void *context;
    struct mail_port *port; /* where answered jobs go out */
    uint64_t now_ms;
};

/* Is this a step of that kind? */
bool authn_http_is(const struct authn_step *step);

/*
 * Takes over a job whose step is one of these, and answers it by authn_answer: at once from the
 * cache or by the breaker, or when the server has answered. `door` must outlive all answers.
 */
void authn_http_run(struct authn_http_door *door, struct authn_job *job);

/* What an answer means for the job, which gets its identity: for tests and the cache. */
enum authn_verdict authn_http_verdict(struct authn_job *job,
                                      const struct connect_response *response);

/* Figures over all steps; a value. */
struct authn_http_figures {
    uint64_t asked;
    uint64_t cached; /* answered from the cache, stale ones included */
    uint64_t stale;
    uint64_t failed; /* no answer from the server */
    uint64_t broken; /* not asked, because the breaker was open */
    uint64_t open;   /* steps whose breaker is not closed now */
};

void authn_http_figures_read(struct authn_http_figures *out);

#endif
