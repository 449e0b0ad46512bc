/*
 * admin.c -- see admin.h.
 *
 * The HTTP is libmicrohttpd's, in the mode in which it waits for nothing: it keeps an epoll of its
 * own, whose descriptor the ops thread polls beside others. The listening socket is made here, so
 * that an address in use is told from other failures.
 *
 * The library's time-out begins anew with every byte. What bounds a client that sends one byte at a
 * time is `since_ms`: the begin of the connection or its latest answer, whichever was later. Past
 * ADMIN_REQUEST_MS_MAX its socket is shut down, which the library then finds.
 */
#include "admin.h"

#include "log.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADMIN_MAGIC   0x41444d4eu
#define ADMIN_BACKLOG 64

/* One connection, for its time bound. */
struct admin_client {
    struct admin *admin;
    int fd; /* -1: free */
    uint64_t since_ms;
};

struct admin {
    uint32_t magic;
    struct admin_hooks hooks;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    uint64_t now_ms;
    struct admin_client clients[ADMIN_CONNECTIONS_MAX];
};

struct admin_route {
    const char *path;
    /* Makes the response, or NULL without memory; *out_status is 200 before. */
    struct MHD_Response *(*answer)(struct admin *admin, const char *accept, unsigned *out_status);
};

/* ---- answers ---- */

static struct MHD_Response *admin_response(const char *text, size_t len,
                                           enum MHD_ResponseMemoryMode mode, const char *type)
{
    /* The library takes a plain pointer also for what it only reads. */
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text,
                                                                    mode);
    if (response == NULL)
        return NULL;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES)
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static struct MHD_Response *admin_line(const char *text)
{
    char line[256];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    CHECK(len > 0 && (size_t)len < sizeof(line));
    return admin_response(line, (size_t)len, MHD_RESPMEM_MUST_COPY, "text/plain; charset=utf-8");
}

static struct MHD_Response *admin_metrics(struct admin *admin, const char *accept,
                                          unsigned *out_status)
{
    (void)out_status;
    struct exposition text;
    exposition_init(&text, exposition_negotiate(accept));
    admin->hooks.write(admin->hooks.context, &text);
    struct MHD_Response *response = NULL;
    if (exposition_end(&text))
        response = admin_response(text.text, text.len, MHD_RESPMEM_MUST_FREE,
                                  exposition_content_type(text.format));
    if (response != NULL)
        text.text = NULL; /* the response's */
    exposition_fini(&text);
    return response;
}

static struct MHD_Response *admin_livez(struct admin *admin, const char *accept,
                                        unsigned *out_status)
{
    (void)admin;
    (void)accept;
    (void)out_status;
    return admin_line("ok");
}

static struct MHD_Response *admin_readyz(struct admin *admin, const char *accept,
                                         unsigned *out_status)
{
    (void)accept;
    const char *reason = admin->hooks.not_ready(admin->hooks.context);
    if (reason != NULL)
        *out_status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return admin_line(reason == NULL ? "ok" : reason);
}

static const struct admin_route admin_routes[] = {
    {"/metrics", admin_metrics}, {"/livez", admin_livez}, {"/readyz", admin_readyz}};

/* Sends the response and lets go of it. MHD_NO closes the connection. */
static enum MHD_Result admin_send(struct MHD_Connection *connection, unsigned status,
                                  struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* Whether the head announces a body. */
static bool admin_has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (length != NULL && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

static enum MHD_Result admin_answer(struct admin *admin, struct MHD_Connection *connection,
                                    const struct admin_route *route, const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        struct MHD_Response *response = admin_line("only GET and HEAD");
        if (response != NULL)
            (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        return admin_send(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
    }
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_ACCEPT);
    unsigned status = MHD_HTTP_OK;
    struct MHD_Response *response = route->answer(admin, accept, &status);
    return admin_send(connection, status, response);
}

/*
 * Called when the head of a request is whole, and again when the request is. A request with a body
 * is answered at once, whereupon the library closes the connection without reading the body; any
 * other at its end, so that the connection can be used again.
 */
static enum MHD_Result admin_on_request(void *context, struct MHD_Connection *connection,
                                        const char *url, const char *method, const char *version,
                                        const char *body, size_t *body_len, void **request)
{
    (void)version;
    (void)body;
    struct admin *admin = context;
    CHECK_OBJ(admin, ADMIN_MAGIC);
    bool is_first = *request == NULL;
    *request = admin;
    if (is_first && !admin_has_body(connection))
        return MHD_YES;
    if (*body_len > 0)
        return MHD_NO;
    for (size_t i = 0; i < ARRAY_LEN(admin_routes); i++) {
        if (strcmp(admin_routes[i].path, url) == 0)
            return admin_answer(admin, connection, &admin_routes[i], method);
    }
    return admin_send(connection, MHD_HTTP_NOT_FOUND,
                      admin_line("not found; there are /metrics, /livez and /readyz"));
}

/* ---- connections ---- */

/* Connections come and go; the library allows no more of them than there are places. */
static void admin_on_connection(void *context, struct MHD_Connection *connection,
                                void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = context;
    CHECK_OBJ(admin, ADMIN_MAGIC);
    struct admin_client *client = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL)
            client->fd = -1;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (unsigned i = 0; info != NULL && i < ADMIN_CONNECTIONS_MAX; i++) {
        if (admin->clients[i].fd >= 0)
            continue;
        admin->clients[i] = (struct admin_client){
            .admin = admin, .fd = info->connect_fd, .since_ms = admin->now_ms};
        *socket_context = &admin->clients[i];
        return;
    }
}

/* A request has been answered, or was given up. */
static void admin_on_completed(void *context, struct MHD_Connection *connection, void **request,
                               enum MHD_RequestTerminationCode code)
{
    (void)request;
    (void)code;
    struct admin *admin = context;
    CHECK_OBJ(admin, ADMIN_MAGIC);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct admin_client *client = info == NULL ? NULL : info->socket_context;
    if (client != NULL)
        client->since_ms = admin->now_ms;
}

static void admin_shut_slow(struct admin *admin)
{
    for (unsigned i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        struct admin_client *client = &admin->clients[i];
        if (client->fd >= 0 && admin->now_ms - client->since_ms > ADMIN_REQUEST_MS_MAX)
            shutdown(client->fd, SHUT_RDWR);
    }
}

/* What the library has to say about clients is of interest to somebody who looks for it only. */
static void admin_on_log(void *context, const char *format, va_list args)
{
    (void)context;
    char text[LOG_TEXT_MAX + 1];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    LOG(LOG_DEBUG, "admin: %s", text);
}

/* ---- construction ---- */

/* -1 with errno set. */
static int admin_socket(const struct sockaddr_storage *address, socklen_t address_len,
                        bool v6_and_v4)
{
    int one = 1;
    int v6only = v6_and_v4 ? 0 : 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        (address->ss_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0) &&
        bind(fd, (const struct sockaddr *)address, address_len) == 0 &&
        listen(fd, ADMIN_BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t admin_port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
}

static bool admin_start(struct admin *admin, int listen_fd)
{
    admin->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, admin_on_request, admin,
        MHD_OPTION_EXTERNAL_LOGGER, admin_on_log, admin, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)ADMIN_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_REQUEST_BYTES_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_NOTIFY_CONNECTION, admin_on_connection, admin, MHD_OPTION_NOTIFY_COMPLETED,
        admin_on_completed, admin, MHD_OPTION_END);
    if (admin->daemon == NULL)
        return false;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info != NULL);
    admin->epoll_fd = info->epoll_fd;
    return true;
}

enum rc admin_open(struct admin **out, const struct listen_uri *uri,
                   const struct admin_hooks *hooks, uint16_t *out_port, char *out_reason,
                   size_t reason_size)
{
    CHECK(out != NULL && uri != NULL && hooks != NULL && out_port != NULL);
    CHECK(out_reason != NULL && reason_size > 0);
    struct sockaddr_storage address;
    socklen_t address_len = 0;
    const char *why = NULL;
    *out = NULL;
    if (listen_uri_resolve(uri, &address, &address_len, &why) != RC_OK) {
        snprintf(out_reason, reason_size, "%s", why);
        return RC_NOT_FOUND;
    }
    int fd = admin_socket(&address, address_len, uri->host[0] == '\0');
    if (fd < 0) {
        int error = errno;
        snprintf(out_reason, reason_size, "%s", strerror(error));
        return error == EADDRINUSE ? RC_EXISTS : RC_IO;
    }
    struct admin *admin = calloc(1, sizeof(*admin));
    *out_port = admin_port_of(fd);
    if (admin != NULL) {
        admin->magic = ADMIN_MAGIC;
        admin->hooks = *hooks;
        for (unsigned i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
            admin->clients[i].fd = -1;
        if (admin_start(admin, fd)) {
            *out = admin;
            return RC_OK;
        }
    }
    snprintf(out_reason, reason_size, "not enough memory or descriptors");
    free(admin);
    close(fd);
    return RC_NO_MEMORY;
}

int admin_fd(const struct admin *admin)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    return admin->epoll_fd;
}

int admin_timeout_ms(const struct admin *admin, int most_ms)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(admin->daemon, &timeout_ms) != MHD_YES ||
        timeout_ms > (MHD_UNSIGNED_LONG_LONG)most_ms)
        return most_ms;
    return (int)timeout_ms;
}

void admin_run(struct admin *admin, uint64_t now_ms)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    admin->now_ms = now_ms;
    admin_shut_slow(admin);
    (void)MHD_run(admin->daemon);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    CHECK_OBJ(admin, ADMIN_MAGIC);
    MHD_stop_daemon(admin->daemon);
    admin->magic = 0;
    free(admin);
}
