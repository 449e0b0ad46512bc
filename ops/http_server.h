/*
 * http_server.h -- an HTTP server without a thread of its own, for a socket that listens already.
 *
 * The HTTP is libmicrohttpd's, in the mode in which it waits for nothing: http_server_fd becomes
 * readable when there is work, and http_server_run does it. What to answer says the owner
 * (admin.h, control_socket.h), in the library's own terms.
 *
 * The library's time-out begins anew with every byte. What bounds a client that sends one byte at a
 * time is the begin of its connection or its latest answer, whichever was later: past
 * HTTP_REQUEST_MS_MAX its socket is shut down, which the library then finds.
 *
 * The path and the query are handed over as they came, nothing decoded.
 *
 * Bounds: HTTP_CONNECTIONS_MAX connections, HTTP_HEAD_BYTES_MAX for the head of a request,
 * HTTP_IDLE_S without a byte. Bodies are bounded by the owner.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_HTTP_SERVER_H
#define SLUICE_HTTP_SERVER_H

#include <microhttpd.h>

#include "check.h"

#define HTTP_CONNECTIONS_MAX 32
#define HTTP_HEAD_BYTES_MAX  16384 /* Prometheus' requests have some 400 */
#define HTTP_IDLE_S          30
#define HTTP_REQUEST_MS_MAX  90000 /* more than a usual scrape interval: keep-alive is kept */

struct http_server;

/* What a server is told to do, a value; all called from within http_server_run and _close. */
struct http_events {
    void *context;
    const char *name; /* in the log */
    /*
     * A request: when its head is whole, with each piece of its body, and when it is whole
     * (*body_len 0). *request is NULL at first and the owner's from then on.
     */
    enum MHD_Result (*request)(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *body, size_t *body_len,
                               void **request);
    /* It is over, answered or not; NULL: nothing to do. */
    void (*completed)(void *context, void *request);
};

/* Takes over the socket, also on failure. NULL without memory or descriptors. */
MUST_USE struct http_server *http_server_create(int listen_fd, const struct http_events *events);

/* To be polled for reading, level-triggered. */
int http_server_fd(const struct http_server *server);

/* How long http_server_run can wait if the descriptor stays quiet; at most `most_ms`. */
int http_server_timeout_ms(const struct http_server *server, int most_ms);

/* Takes what has come and sends what can be sent. Never waits. Call at least once a second. */
void http_server_run(struct http_server *server, uint64_t now_ms);

/* Closes all connections and the socket. No request may be suspended. NULL is allowed. */
void http_server_destroy(struct http_server *server);

/*
 * Answers with `response` and lets go of it; NULL, for lack of memory, closes the connection.
 */
enum MHD_Result http_server_send(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response);

/* A response which no cache keeps. NULL without memory: a text to be freed is freed. */
MUST_USE struct MHD_Response *http_response(const char *text, size_t len,
                                            enum MHD_ResponseMemoryMode mode, const char *type);

#endif
