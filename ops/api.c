/*
 * api.c -- see api.h.
 */
#include "api.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api_path.h"
#include "broker.h"
#include "clock.h"

#define API_MESSAGE_MAX 512

struct api_route {
    enum api_method method;
    const char *path;
    void (*handler)(struct api_call *call);
};

static const struct api_route api_routes[] = {
#define API_ROW(method, path, handler) {method, path, handler},
    API_ROUTES(API_ROW)
#undef API_ROW
};

static const char *const api_methods[] = {
#define API_METHOD_ROW(id, name) [id] = name,
    API_METHODS(API_METHOD_ROW)
#undef API_METHOD_ROW
};

static const struct {
    unsigned status;
    const char *code;
} api_errors[] = {
#define API_ERROR_ROW(id, status, code) [id] = {status, code},
    API_ERRORS(API_ERROR_ROW)
#undef API_ERROR_ROW
};

void api_init(struct broker *broker)
{
    list_init(&broker->api.pending);
}

/* ---- answers ---- */

static void api_answer(struct api_call *call)
{
    CHECK(!call->is_answered && call->status != 0);
    if (list_is_linked(&call->link))
        list_remove(&call->link);
    if (call->attached != NULL)
        *call->attached = NULL;
    call->attached = NULL;
    call->is_answered = true;
    call->answered(call);
}

void api_reply_when(struct api_call *call, unsigned status, json_t *reply, const uint64_t *in_force,
                    uint64_t least)
{
    CHECK_OBJ(call, API_MAGIC);
    CHECK(call->status == 0);
    if (reply == NULL && status != 204) {
        api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(RC_NO_MEMORY));
        return;
    }
    call->status = status;
    call->reply = reply;
    call->in_force = in_force;
    call->in_force_least = least;
    if (in_force == NULL || *in_force >= least)
        api_answer(call);
}

void api_reply(struct api_call *call, unsigned status, json_t *reply)
{
    api_reply_when(call, status, reply, NULL, 0);
}

void api_fail(struct api_call *call, enum api_error error, const char *format, ...)
{
    char message[API_MESSAGE_MAX];
    va_list arguments;
    CHECK((unsigned)error < API_ERROR_COUNT);
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    json_t *reply = json_pack("{s:s, s:s}", "code", api_errors[error].code, "message", message);
    /* A message that quotes half a character is no text. */
    if (reply == NULL)
        reply = json_pack("{s:s}", "code", api_errors[error].code);
    call->status = api_errors[error].status;
    call->reply = reply;
    call->in_force = NULL;
    api_answer(call);
}

void api_fail_rc(struct api_call *call, enum rc rc)
{
    switch (rc) {
    case RC_FULL:
        api_fail(call, API_SERVICE_UNAVAILABLE,
                 "nothing has changed: the log is full or has no room on the disk");
        break;
    case RC_IO:
        api_fail(call, API_SERVICE_UNAVAILABLE,
                 "nothing has changed: the log cannot be written at present");
        break;
    case RC_TOO_LARGE:
        api_fail(call, API_EXCEED_LIMIT, "nothing has changed: the log takes no more rows");
        break;
    default:
        api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(rc));
    }
}

/* ---- pending ---- */

void api_attach(struct api_call *call, struct api_call **slot)
{
    CHECK(call->attached == NULL);
    *slot = call;
    call->attached = slot;
}

void api_park(struct api_call *call)
{
    call->is_parked = true;
}

static void api_call_turn(struct api_call *call, uint64_t now_ms)
{
    if (call->is_parked) {
        call->is_parked = false;
        call->handler(call);
        if (call->is_answered)
            return;
    }
    if (call->status != 0 && *call->in_force >= call->in_force_least) {
        api_answer(call);
        return;
    }
    if (now_ms < call->until_ms)
        return;
    json_decref(call->reply);
    api_fail(call, API_SERVICE_UNAVAILABLE,
             "not done after %d s; it may still be done when the disk and the shards allow it",
             API_WAIT_MS / 1000);
}

void api_turn(struct broker *broker)
{
    struct list_node *pending = &broker->api.pending;
    uint64_t now_ms = clock_mono_ns() / 1000000;
    struct list_node *node = list_first(pending);
    while (node != NULL) {
        struct list_node *next = list_after(pending, node);
        api_call_turn(CONTAINER_OF(node, struct api_call, link), now_ms);
        node = next;
    }
}

void api_stop(struct broker *broker)
{
    struct list_node *node;
    while ((node = list_first(&broker->api.pending)) != NULL) {
        struct api_call *call = CONTAINER_OF(node, struct api_call, link);
        json_decref(call->reply);
        api_fail(call, API_SERVICE_UNAVAILABLE, "the broker is stopping");
    }
}

/* ---- requests ---- */

static bool api_body(struct api_call *call, const char *body, size_t len)
{
    json_error_t error;
    if (len == 0) {
        api_fail(call, API_BAD_REQUEST, "a JSON object is needed as a body");
        return false;
    }
    call->body = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    if (call->body == NULL)
        api_fail(call, API_BAD_REQUEST, "the body is not JSON: line %d, column %d: %.100s",
                 error.line, error.column, error.text);
    else if (!json_is_object(call->body))
        api_fail(call, API_BAD_REQUEST, "the body has to be a JSON object");
    return !call->is_answered;
}

/* The route, or NULL after answering. */
static const struct api_route *api_find(struct api_call *call, const char *method, const char *path)
{
    call->text = malloc(strlen(path) + API_PARAMS_MAX + 1);
    if (call->text == NULL) {
        api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(RC_NO_MEMORY));
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(api_routes); i++) {
        const struct api_route *route = &api_routes[i];
        enum api_path_match match = api_path_match(route->path, path, call->text, call->params,
                                                   API_PARAMS_MAX);
        if (match == API_PATH_OTHER)
            continue;
        call->allowed |= 1u << route->method;
        if (strcmp(api_methods[route->method], method) != 0)
            continue;
        if (match == API_PATH_IS)
            return route;
        api_fail(call, API_BAD_REQUEST, "a part of the path is empty, too long or not UTF-8");
        return NULL;
    }
    if (call->allowed != 0)
        api_fail(call, API_METHOD_NOT_ALLOWED, "not with this method");
    else
        api_fail(call, API_NOT_FOUND, "there is nothing of this name");
    return NULL;
}

void api_begin(struct api_call *call, const char *method, const char *path, const char *body,
               size_t body_len)
{
    CHECK_OBJ(call, API_MAGIC);
    CHECK(call->answered != NULL && call->query != NULL);
    const struct api_route *route = api_find(call, method, path);
    if (route == NULL)
        return;
    bool has_body = route->method == API_POST || route->method == API_PUT;
    if (has_body && !api_body(call, body, body_len))
        return;
    call->handler = route->handler;
    call->until_ms = clock_mono_ns() / 1000000 + API_WAIT_MS;
    list_push_back(&call->broker->api.pending, &call->link);
    call->handler(call);
}

void api_end(struct api_call *call)
{
    CHECK_OBJ(call, API_MAGIC);
    if (list_is_linked(&call->link))
        list_remove(&call->link);
    if (call->attached != NULL)
        *call->attached = NULL;
    json_decref(call->body);
    json_decref(call->reply);
    free(call->text);
    call->magic = 0;
}

/* ---- the query ---- */

char *api_query(struct api_call *call, const char *name)
{
    const char *value = call->query(call->transport, name);
    if (value == NULL)
        return NULL;
    size_t len = strlen(value);
    char *text = malloc(len + 1);
    if (text != NULL && api_decode(value, len, text))
        return text;
    if (text == NULL)
        api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(RC_NO_MEMORY));
    else
        api_fail(call, API_BAD_REQUEST, "`%s` is not right", name);
    free(text);
    return NULL;
}

static bool api_number(struct api_call *call, const char *name, uint64_t most, uint64_t *out)
{
    const char *text = call->query(call->transport, name);
    if (text == NULL)
        return true;
    char *end = NULL;
    unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (value >= 1 && value <= most && *end == '\0') {
        *out = value;
        return true;
    }
    api_fail(call, API_BAD_REQUEST, "`%s` has to be a number from 1 to %llu", name,
             (unsigned long long)most);
    return false;
}

bool api_page_begin(struct api_call *call, struct api_page *page)
{
    *page = (struct api_page){.page = 1, .limit = 100};
    if (!api_number(call, "page", UINT32_MAX, &page->page) ||
        !api_number(call, "limit", API_LIMIT_MAX, &page->limit))
        return false;
    page->data = json_array();
    if (page->data == NULL)
        api_fail(call, API_INTERNAL_ERROR, "%s", rc_text(RC_NO_MEMORY));
    return page->data != NULL;
}

bool api_page_wants(struct api_page *page)
{
    uint64_t at = page->count++;
    return at / page->limit == page->page - 1;
}

void api_page_end(struct api_call *call, struct api_page *page, bool right)
{
    if (!right) {
        json_decref(page->data);
        api_fail_rc(call, RC_NO_MEMORY);
        return;
    }
    bool more = page->count > page->page * page->limit;
    api_reply(call, 200,
              json_pack("{s:o, s:{s:I, s:I, s:I, s:b}}", "data", page->data, "meta", "page",
                        (json_int_t)page->page, "limit", (json_int_t)page->limit, "count",
                        (json_int_t)page->count, "hasnext", more));
}
