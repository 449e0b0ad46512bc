/*
 * admin.c -- see admin.h.
 *
 * The listening socket is made here, so that an address in use is told from other failures.
 */
#include "admin.h"

#include "http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADMIN_MAGIC   0x41444d4eu
#define ADMIN_BACKLOG 64

struct admin {
    uint32_t magic;
    struct admin_hooks hooks;
    struct http_server *server;
};

struct admin_route {
    const char *path;
    /* Makes the response, or NULL without memory; *out_status is 200 before. */
    struct MHD_Response *(*answer)(struct admin *admin, const char *accept, unsigned *out_status);
};

/* ---- answers ---- */

static struct MHD_Response *admin_line(const char *text)
{
    char line[256];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    CHECK(len > 0 && (size_t)len < sizeof(line));
    return http_response(line, (size_t)len, MHD_RESPMEM_MUST_COPY, "text/plain; charset=utf-8");
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
        response = http_response(text.text, text.len, MHD_RESPMEM_MUST_FREE,
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
        return http_server_send(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
    }
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_ACCEPT);
    unsigned status = MHD_HTTP_OK;
    struct MHD_Response *response = route->answer(admin, accept, &status);
    return http_server_send(connection, status, response);
}

/*
 * Called when the head of a request is whole, and again when the request is. A request with a body
 * is answered at once, whereupon the library closes the connection without reading the body; any
 * other at its end, so that the connection can be used again.
 */
static enum MHD_Result admin_on_request(void *context, struct MHD_Connection *connection,
                                        const char *url, const char *method, const char *body,
                                        size_t *body_len, void **request)
{
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
    return http_server_send(connection, MHD_HTTP_NOT_FOUND,
                            admin_line("not found; there are /metrics, /livez and /readyz"));
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
    if (admin == NULL) {
        close(fd);
    } else {
        struct http_events events = {
            .context = admin, .name = "admin", .request = admin_on_request};
        admin->magic = ADMIN_MAGIC;
        admin->hooks = *hooks;
        admin->server = http_server_create(fd, &events);
        if (admin->server != NULL) {
            *out = admin;
            return RC_OK;
        }
    }
    snprintf(out_reason, reason_size, "not enough memory or descriptors");
    free(admin);
    return RC_NO_MEMORY;
}

int admin_fd(const struct admin *admin)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    return http_server_fd(admin->server);
}

int admin_timeout_ms(const struct admin *admin, int most_ms)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    return http_server_timeout_ms(admin->server, most_ms);
}

void admin_run(struct admin *admin, uint64_t now_ms)
{
    CHECK_OBJ(admin, ADMIN_MAGIC);
    http_server_run(admin->server, now_ms);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    CHECK_OBJ(admin, ADMIN_MAGIC);
    http_server_destroy(admin->server);
    admin->magic = 0;
    free(admin);
}
