/*
 * api.h -- the broker's HTTP API, without a transport: requests as values, routes as a table.
 *
 * Paths, members and error codes are those that users of EMQX know (/api/v5/...). A handler of
 * API_ROUTES answers at once, or begins something and answers when that is over; meanwhile the call
 * is pending, and whoever brought it (control_socket.h) keeps its connection waiting.
 *
 *   api_begin --> handler --> api_reply, api_fail           answered at once
 *                         --> api_attach ... api_reply_when  begun; told by the end of it
 *                         --> api_park                       the row is being changed by another
 *                                                            call: is called again later
 *
 * A change is answered when it is committed in the log and in force on every shard. What takes
 * longer than API_WAIT_MS is answered with 503, which says that the change may still be made: the
 * operation goes on without its call.
 *
 * Errors: {"code": "NOT_FOUND", "message": text}. Lists: {"data": [...], "meta": {"page", "limit",
 * "count", "hasnext"}} by ?page= (from 1) and ?limit= (100, at most API_LIMIT_MAX).
 *
 * Bounds: API_BODY_MAX bytes of a body, API_PARAM_MAX of a part of a path.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_API_H
#define SLUICE_API_H

#include <jansson.h>

#include "list.h"
#include "rc.h"

#define API_MAGIC      0x41504943u
#define API_BODY_MAX   (512 * 1024) /* a client id of the greatest length, every byte escaped */
#define API_PARAM_MAX  65535
#define API_PARAMS_MAX 2
#define API_LIMIT_MAX  10000
#define API_WAIT_MS    10000

/* X(identifier, name) */
#define API_METHODS(X)                                                                             \
    X(API_GET, "GET")                                                                              \
    X(API_POST, "POST")                                                                            \
    X(API_PUT, "PUT")                                                                              \
    X(API_DELETE, "DELETE")

#define API_METHOD_ENUM(id, name) id,
enum api_method { API_METHODS(API_METHOD_ENUM) API_METHOD_COUNT };
#undef API_METHOD_ENUM

/* X(method, path, handler); {} stands for a part of the path, which becomes a parameter. */
#define API_ROUTES(X)                                                                              \
    X(API_GET, "/api/v5/banned", api_banned_list)                                                  \
    X(API_POST, "/api/v5/banned", api_banned_add)                                                  \
    X(API_DELETE, "/api/v5/banned/{}/{}", api_banned_delete)                                       \
    X(API_GET, "/api/v5/authentication/{}/users", api_users_list)                                  \
    X(API_POST, "/api/v5/authentication/{}/users", api_users_add)                                  \
    X(API_GET, "/api/v5/authentication/{}/users/{}", api_users_get)                                \
    X(API_PUT, "/api/v5/authentication/{}/users/{}", api_users_change)                             \
    X(API_DELETE, "/api/v5/authentication/{}/users/{}", api_users_delete)

/* X(status, code) of api_fail. */
#define API_ERRORS(X)                                                                              \
    X(API_BAD_REQUEST, 400, "BAD_REQUEST")                                                         \
    X(API_EXCEED_LIMIT, 400, "EXCEED_LIMIT")                                                       \
    X(API_BANNED_ALREADY, 400, "ALREADY_EXISTS")                                                   \
    X(API_NOT_FOUND, 404, "NOT_FOUND")                                                             \
    X(API_METHOD_NOT_ALLOWED, 405, "METHOD_NOT_ALLOWED")                                           \
    X(API_ALREADY_EXISTS, 409, "ALREADY_EXISTS")                                                   \
    X(API_BODY_TOO_LARGE, 413, "REQUEST_TOO_LARGE")                                                \
    X(API_INTERNAL_ERROR, 500, "INTERNAL_ERROR")                                                   \
    X(API_SERVICE_UNAVAILABLE, 503, "SERVICE_UNAVAILABLE")

#define API_ERROR_ENUM(id, status, code) id,
enum api_error { API_ERRORS(API_ERROR_ENUM) API_ERROR_COUNT };
#undef API_ERROR_ENUM

struct broker;

/* One request on its way; zeroed and filled in by whoever brings it. */
struct api_call {
    uint32_t magic;
    struct broker *broker;
    void *transport;
    /* A value of the query as it stands there, still encoded, or NULL. */
    const char *(*query)(void *transport, const char *name);
    void (*answered)(struct api_call *call); /* once; perhaps from within api_begin */

    /* For the handler. */
    const char *params[API_PARAMS_MAX]; /* decoded, zero-terminated */
    json_t *body;                       /* an object, for POST and PUT */

    /* The answer. */
    unsigned status;          /* 0: none yet */
    json_t *reply;            /* NULL: no body */
    bool is_answered;         /* it may leave */
    unsigned allowed;         /* for 405: bits of enum api_method */
    const uint64_t *in_force; /* it may leave when this has reached */
    uint64_t in_force_least;

    void (*handler)(struct api_call *call);
    struct api_call **attached; /* what the operation knows of this call */
    bool is_parked;
    uint64_t until_ms;
    struct list_node link; /* pending */
    char *text;            /* backs params */
};

struct api {
    struct list_node pending;
    unsigned worker_next; /* whose turn it is to make a password */
};

void api_init(struct broker *broker);

/* Answers a request: at once, or later. `path` is what stands before the `?`, still encoded. */
void api_begin(struct api_call *call, const char *method, const char *path, const char *body,
               size_t body_len);

/* Whoever brought it does not want the answer any more, or has sent it: frees what it holds. */
void api_end(struct api_call *call);

/* Goes on with what is pending. Once per turn. */
void api_turn(struct broker *broker);

/* Nothing happens any more: all pending calls are answered with 503. */
void api_stop(struct broker *broker);

/* ---- for handlers ---- */

/* Takes over `reply`; NULL: there was no memory for it, or for 204. */
void api_reply(struct api_call *call, unsigned status, json_t *reply);

/* The same, when *in_force has reached what is `least`. */
void api_reply_when(struct api_call *call, unsigned status, json_t *reply, const uint64_t *in_force,
                    uint64_t least);

__attribute__((format(printf, 3, 4))) void api_fail(struct api_call *call, enum api_error error,
                                                    const char *format, ...);

/* A change that the log or memory has refused. */
void api_fail_rc(struct api_call *call, enum rc rc);

/* An operation that knows the call by *slot, which becomes NULL if the call does not wait. */
void api_attach(struct api_call *call, struct api_call **slot);

/* Calls the handler again in a later turn. */
void api_park(struct api_call *call);

/* One page of a list. */
struct api_page {
    uint64_t page;
    uint64_t limit;
    uint64_t count; /* of all that fit the filters */
    json_t *data;
};

/* Reads ?page= and ?limit=. False: answered. */
MUST_USE bool api_page_begin(struct api_call *call, struct api_page *page);

/* Counts one, and says whether it is on the page. */
MUST_USE bool api_page_wants(struct api_page *page);

/* `right` false: there was no memory for a row. */
void api_page_end(struct api_call *call, struct api_page *page, bool right);

/* A value of the query, decoded, for the caller to free; NULL: absent, or answered (status set). */
MUST_USE char *api_query(struct api_call *call, const char *name);

#define API_DECLARE(method, path, handler) void handler(struct api_call *call);
API_ROUTES(API_DECLARE)
#undef API_DECLARE

#endif
