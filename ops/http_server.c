/*
 * http_server.c -- see http_server.h.
 */
#include "http_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define HTTP_SERVER_MAGIC 0x48545053u

/* One connection, for its time bound. */
struct http_client {
    int fd; /* -1: free */
    uint64_t since_ms;
};

struct http_server {
    uint32_t magic;
    int epoll_fd;
    struct http_events events;
    struct MHD_Daemon *daemon;
    uint64_t now_ms;
    struct http_client clients[HTTP_CONNECTIONS_MAX];
};

/* ---- answers ---- */

struct MHD_Response *http_response(const char *text, size_t len, enum MHD_ResponseMemoryMode mode,
                                   const char *type)
{
    /* The library takes a plain pointer also for what it only reads. */
    void *buffer = (void *)(uintptr_t)text;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, buffer, mode);
    if (response == NULL) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(buffer);
        return NULL;
    }
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES)
        return response;
    MHD_destroy_response(response);
    return NULL;
}

enum MHD_Result http_server_send(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- what the library tells ---- */

static enum MHD_Result http_on_request(void *context, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *body, size_t *body_len, void **request)
{
    (void)version;
    const struct http_server *server = context;
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    return server->events.request(server->events.context, connection, url, method, body, body_len,
                                  request);
}

/* Connections come and go; the library allows no more of them than there are places. */
static void http_on_connection(void *context, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    struct http_client *client = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL)
            client->fd = -1;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (unsigned i = 0; info != NULL && i < HTTP_CONNECTIONS_MAX; i++) {
        if (server->clients[i].fd >= 0)
            continue;
        server->clients[i] = (struct http_client){.fd = info->connect_fd,
                                                  .since_ms = server->now_ms};
        *socket_context = &server->clients[i];
        return;
    }
}

/* A request has been answered, or was given up. */
static void http_on_completed(void *context, struct MHD_Connection *connection, void **request,
                              enum MHD_RequestTerminationCode code)
{
    (void)code;
    const struct http_server *server = context;
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    if (server->events.completed != NULL && *request != NULL)
        server->events.completed(server->events.context, *request);
    *request = NULL;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_client *client = info == NULL ? NULL : info->socket_context;
    if (client != NULL)
        client->since_ms = server->now_ms;
}

/* What the library has to say about clients is of interest to somebody who looks for it only. */
static void http_on_log(void *context, const char *format, va_list args)
{
    const struct http_server *server = context;
    char text[LOG_TEXT_MAX + 1];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    LOG(LOG_DEBUG, "%s: %s", server->events.name, text);
}

/* A decoded zero byte would cut the text, and a decoded slash is none: the owner decodes. */
static size_t http_on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* ---- life ---- */

static bool http_server_start(struct http_server *server, int listen_fd)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        http_on_request, server, MHD_OPTION_EXTERNAL_LOGGER, http_on_log, server,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_BYTES_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, http_on_unescape, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server,
        MHD_OPTION_END);
    if (server->daemon == NULL)
        return false;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon,
                                                           MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info != NULL);
    server->epoll_fd = info->epoll_fd;
    return true;
}

struct http_server *http_server_create(int listen_fd, const struct http_events *events)
{
    CHECK(listen_fd >= 0 && events != NULL && events->request != NULL && events->name != NULL);
    struct http_server *server = calloc(1, sizeof(*server));
    if (server != NULL) {
        server->magic = HTTP_SERVER_MAGIC;
        server->events = *events;
        for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
            server->clients[i].fd = -1;
        if (http_server_start(server, listen_fd))
            return server;
    }
    free(server);
    close(listen_fd);
    return NULL;
}

int http_server_fd(const struct http_server *server)
{
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    return server->epoll_fd;
}

int http_server_timeout_ms(const struct http_server *server, int most_ms)
{
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES ||
        timeout_ms > (MHD_UNSIGNED_LONG_LONG)most_ms)
        return most_ms;
    return (int)timeout_ms;
}

void http_server_run(struct http_server *server, uint64_t now_ms)
{
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    server->now_ms = now_ms;
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        const struct http_client *client = &server->clients[i];
        if (client->fd >= 0 && now_ms - client->since_ms > HTTP_REQUEST_MS_MAX)
            shutdown(client->fd, SHUT_RDWR);
    }
    (void)MHD_run(server->daemon);
}

void http_server_destroy(struct http_server *server)
{
    if (server == NULL)
        return;
    CHECK_OBJ(server, HTTP_SERVER_MAGIC);
    MHD_stop_daemon(server->daemon);
    server->magic = 0;
    free(server);
}
