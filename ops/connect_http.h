/*
 * connect_http.h -- HTTP requests of the helper process, many at a time, by libcurl.
 *
 * Only http and https, no redirects: a server that is asked whether somebody may come in answers
 * itself. Connections are kept and used again, at most CONNECT_HTTP_HOST_CONNECTIONS to one host.
 * Answers go as frames to a buffer (connect_wire.h); one that is larger than CONNECT_ANSWER_MAX is
 * an error.
 *
 * Threads: the helper's only one.
 */
#ifndef SLUICE_CONNECT_HTTP_H
#define SLUICE_CONNECT_HTTP_H

#include "connect_wire.h"

#define CONNECT_HTTP_HOST_CONNECTIONS 16

struct connect_http;

/* Answers are appended to `out`, borrowed. NULL without memory. */
MUST_USE struct connect_http *connect_http_create(struct connect_buffer *out);
void connect_http_destroy(struct connect_http *http);

/* Begins a request; its answer, also that it cannot be made, is appended to the buffer. */
void connect_http_ask(struct connect_http *http, uint32_t id,
                      const struct connect_request *request);

/* Forgets a request; no answer will come. */
void connect_http_cancel(struct connect_http *http, uint32_t id);

/* Waits for any of the requests or for `fd` (POLLIN, and POLLOUT if `wants_out`), and goes on. */
void connect_http_wait(struct connect_http *http, int fd, bool wants_out);

#endif
