/*
 * connect_http.c -- see connect_http.h.
 *
 * The program that links this file brings OpenSSL into its process, which is why it is not sluiced.
 *
 * Threads: see connect_http.h.
 */
#include "connect_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "list.h"

#define CONNECT_HTTP_WAIT_MS 1000
#define CONNECT_HTTP_IDLE    64 /* connections kept open while nothing is asked */

struct connect_http {
    CURLM *multi;
    struct connect_buffer *out;
    struct list_node calls;
};

/* One request under way. */
struct connect_call {
    struct list_node node;
    uint32_t id;
    bool too_large;
    bool no_memory;
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    char *ca_file;
    char *method;
    uint8_t *body;
    struct connect_buffer answer;
    char error[CURL_ERROR_SIZE];
};

struct connect_http *connect_http_create(struct connect_buffer *out)
{
    struct connect_http *http = calloc(1, sizeof(*http));
    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (http->multi = curl_multi_init()) == NULL) {
        free(http);
        return NULL;
    }
    http->out = out;
    list_init(&http->calls);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)CONNECT_HTTP_HOST_CONNECTIONS);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECT_HTTP_IDLE);
    return http;
}

static void connect_call_free(struct connect_http *http, struct connect_call *call)
{
    if (list_is_linked(&call->node)) {
        list_remove(&call->node);
        curl_multi_remove_handle(http->multi, call->easy);
    }
    if (call->easy != NULL)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    connect_buffer_fini(&call->answer);
    free(call->url);
    free(call->ca_file);
    free(call->method);
    free(call->body);
    free(call);
}

void connect_http_destroy(struct connect_http *http)
{
    struct list_node *node;
    while ((node = list_first(&http->calls)) != NULL)
        connect_call_free(http, CONTAINER_OF(node, struct connect_call, node));
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}

static size_t connect_call_write(char *ptr, size_t size, size_t count, void *context)
{
    struct connect_call *call = context;
    size_t len = size * count;
    call->too_large = len > CONNECT_ANSWER_MAX - call->answer.len;
    if (call->too_large)
        return 0;
    call->no_memory = !connect_buffer_add(&call->answer, ptr, (uint32_t)len);
    return call->no_memory ? 0 : len;
}

static bool connect_call_text(char **out, struct bytes text)
{
    *out = text.len == 0 ? NULL : strndup((const char *)text.ptr, text.len);
    return text.len == 0 || *out != NULL;
}

static bool connect_call_headers(struct connect_call *call, const struct connect_request *request)
{
    for (uint32_t i = 0; i < request->headers_num; i++) {
        char *line = NULL;
        struct curl_slist *longer = NULL;
        if (connect_call_text(&line, request->headers[i]) && line != NULL)
            longer = curl_slist_append(call->headers, line);
        free(line);
        if (longer == NULL)
            return false;
        call->headers = longer;
    }
    return true;
}

/* The texts that curl will look at while the request is under way. */
static bool connect_call_fill(struct connect_call *call, const struct connect_request *request)
{
    call->easy = curl_easy_init();
    call->body = request->body.len == 0 ? NULL : malloc(request->body.len);
    if (call->easy == NULL || (request->body.len > 0 && call->body == NULL))
        return false;
    if (request->body.len > 0)
        memcpy(call->body, request->body.ptr, request->body.len);
    return connect_call_text(&call->url, request->url) && call->url != NULL &&
           connect_call_text(&call->ca_file, request->ca_file) &&
           connect_call_text(&call->method, request->method) && call->method != NULL &&
           connect_call_headers(call, request);
}

static void connect_call_options(struct connect_call *call, const struct connect_request *request)
{
    CURL *easy = call->easy;
    long verify = (request->flags & CONNECT_INSECURE) == 0 ? 1 : 0;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, connect_call_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2 * verify);
    if (call->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
    if (request->body.len > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)call->body);
    } else if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    }
    if (strcmp(call->method, "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void connect_http_answer(struct connect_http *http, uint32_t id,
                                const struct connect_response *response)
{
    /* Without memory for an answer sluiced gives up on it by itself. */
    (void)(!connect_write_response(http->out, id, response));
}

void connect_http_ask(struct connect_http *http, uint32_t id, const struct connect_request *request)
{
    struct connect_response none = {.body = bytes_of_text("the helper is out of memory")};
    struct connect_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        connect_http_answer(http, id, &none);
        return;
    }
    call->id = id;
    if (!connect_call_fill(call, request)) {
        connect_http_answer(http, id, &none);
        connect_call_free(http, call);
        return;
    }
    connect_call_options(call, request);
    if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK) {
        connect_http_answer(http, id, &none);
        connect_call_free(http, call);
        return;
    }
    list_push_back(&http->calls, &call->node);
}

void connect_http_cancel(struct connect_http *http, uint32_t id)
{
    struct list_node *node = list_first(&http->calls);
    while (node != NULL) {
        struct connect_call *call = CONTAINER_OF(node, struct connect_call, node);
        node = list_after(&http->calls, node);
        if (call->id == id)
            connect_call_free(http, call);
    }
}

/* A transfer has ended, well or not. */
static void connect_http_done(struct connect_http *http, struct connect_call *call, CURLcode code)
{
    struct connect_response response = {0};
    if (code == CURLE_OK) {
        long status = 0;
        char *type = NULL;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
        response.status = (uint16_t)status;
        response.content_type = bytes_of_text(type == NULL ? "" : type);
        response.body = bytes_of(call->answer.ptr, call->answer.len);
    } else if (call->too_large) {
        response.body = bytes_of_text("the answer is too large");
    } else if (call->no_memory) {
        response.body = bytes_of_text("the helper is out of memory");
    } else {
        response.body = bytes_of_text(call->error[0] != '\0' ? call->error
                                                             : curl_easy_strerror(code));
    }
    connect_http_answer(http, call->id, &response);
    connect_call_free(http, call);
}

void connect_http_wait(struct connect_http *http, int fd, bool wants_out)
{
    int running;
    curl_multi_perform(http->multi, &running);
    CURLMsg *message;
    int left;
    bool ended = false;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *context = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
        connect_http_done(http, (struct connect_call *)(void *)context, code);
        ended = true;
    }
    if (ended)
        return;
    struct curl_waitfd wait = {
        .fd = fd, .events = (short)(CURL_WAIT_POLLIN | (wants_out ? CURL_WAIT_POLLOUT : 0))};
    curl_multi_poll(http->multi, &wait, 1, CONNECT_HTTP_WAIT_MS, NULL);
}
