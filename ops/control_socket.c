/*
 * control_socket.c -- see control_socket.h.
 *
 * A request is kept from its head to the end of its answer. While its call is pending its
 * connection is suspended in the library, which looks at it again when it is resumed.
 */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api.h"
#include "broker.h"
#include "listen_socket.h"

#define CONTROL_BACKLOG    16
#define CONTROL_BODY_FIRST 1024

struct control_request {
    struct api_call call;
    struct MHD_Connection *connection;
    bool is_begun;
    bool is_suspended;
    bool is_too_large;
    char *body;
    size_t len;
    size_t capacity;
};

/* ---- requests ---- */

static const char *control_query(void *transport, const char *name)
{
    const struct control_request *request = transport;
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static void control_answered(struct api_call *call)
{
    struct control_request *request = CONTAINER_OF(call, struct control_request, call);
    if (request->is_suspended)
        MHD_resume_connection(request->connection);
    request->is_suspended = false;
}

static struct control_request *control_request_create(struct broker *broker,
                                                      struct MHD_Connection *connection)
{
    struct control_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->connection = connection;
    request->call = (struct api_call){.magic = API_MAGIC,
                                      .broker = broker,
                                      .transport = request,
                                      .query = control_query,
                                      .answered = control_answered};
    return request;
}

static void control_completed(void *context, void *finished)
{
    (void)context;
    struct control_request *request = finished;
    api_end(&request->call);
    if (request->body != NULL)
        explicit_bzero(request->body, request->len);
    free(request->body);
    free(request);
}

/* What is too much is not kept. False: no memory. */
static bool control_take(struct control_request *request, const char *body, size_t len)
{
    request->is_too_large |= len > API_BODY_MAX - request->len;
    if (request->is_too_large)
        return true;
    if (request->len + len > request->capacity) {
        size_t capacity = request->capacity == 0 ? CONTROL_BODY_FIRST : request->capacity;
        while (capacity < request->len + len)
            capacity *= 2;
        char *grown = malloc(capacity);
        if (grown == NULL)
            return false;
        if (request->len > 0)
            memcpy(grown, request->body, request->len);
        if (request->body != NULL)
            explicit_bzero(request->body, request->len);
        free(request->body);
        request->body = grown;
        request->capacity = capacity;
    }
    memcpy(request->body + request->len, body, len);
    request->len += len;
    return true;
}

static void control_allow(const struct api_call *call, struct MHD_Response *response)
{
    static const char *const names[] = {
#define CONTROL_METHOD(id, name) [id] = name,
        API_METHODS(CONTROL_METHOD)
#undef CONTROL_METHOD
    };
    char allow[64] = "";
    for (unsigned i = 0; i < API_METHOD_COUNT; i++) {
        size_t len = strlen(allow);
        if ((call->allowed >> i & 1) != 0)
            snprintf(allow + len, sizeof(allow) - len, "%s%s", len > 0 ? ", " : "", names[i]);
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
}

static enum MHD_Result control_send(struct control_request *request)
{
    const struct api_call *call = &request->call;
    struct MHD_Response *response;
    if (call->reply == NULL) {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else {
        char *text = json_dumps(call->reply, JSON_COMPACT);
        if (text == NULL)
            return MHD_NO;
        response = http_response(text, strlen(text), MHD_RESPMEM_MUST_FREE, "application/json");
    }
    if (response != NULL && call->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        control_allow(call, response);
    return http_server_send(request->connection, call->status, response);
}

static enum MHD_Result control_on_request(void *context, struct MHD_Connection *connection,
                                          const char *url, const char *method, const char *body,
                                          size_t *body_len, void **state)
{
    struct control_request *request = *state;
    if (request == NULL) {
        *state = control_request_create(context, connection);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*body_len > 0) {
        bool taken = control_take(request, body, *body_len);
        *body_len = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (!request->is_begun) {
        request->is_begun = true;
        if (request->is_too_large)
            api_fail(&request->call, API_BODY_TOO_LARGE, "a body has at most %d bytes",
                     API_BODY_MAX);
        else
            api_begin(&request->call, method, url, request->body, request->len);
        if (!request->call.is_answered) {
            MHD_suspend_connection(connection);
            request->is_suspended = true;
            return MHD_YES;
        }
    }
    return control_send(request);
}

/* ---- the socket ---- */

enum rc control_socket_path(const struct config *config, const char *data_dir, char *out)
{
    const char *path = config->admin.control;
    int len;
    if (strcmp(path, "none") == 0 || (path[0] == '\0' && data_dir[0] == '\0'))
        return RC_NOT_FOUND;
    if (path[0] == '\0')
        len = snprintf(out, CONTROL_PATH_MAX + 1, "%s/%s", data_dir, CONTROL_NAME);
    else
        len = snprintf(out, CONTROL_PATH_MAX + 1, "%s", path);
    return len > CONTROL_PATH_MAX ? RC_TOO_LARGE : RC_OK;
}

/* -1 with errno set. */
static int control_socket_listen(const char *path)
{
    struct listen_options options = {.is_unix = true,
                                     .unix_mode = 0600,
                                     .backlog = CONTROL_BACKLOG,
                                     .address_len = sizeof(struct sockaddr_un)};
    struct sockaddr_un *address = (struct sockaddr_un *)(void *)&options.address;
    unsigned port;
    int fd = -1;
    int error = 0;
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
    if (listen_sockets_open(&options, &fd, 1, &port, &error) != RC_OK) {
        errno = error;
        return -1;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

enum rc control_socket_open(struct broker *broker, char *out_reason, size_t reason_size)
{
    char path[CONTROL_PATH_MAX + 1];
    enum rc rc = control_socket_path(broker->config, broker->dir.path, path);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_TOO_LARGE && broker->config->admin.control[0] == '\0') {
        LOG(LOG_WARNING,
            "no control socket: its path in the data directory would have more than "
            "%d bytes; choose another by admin.control",
            CONTROL_PATH_MAX);
        return RC_OK;
    }
    int fd = rc == RC_OK ? control_socket_listen(path) : -1;
    if (fd < 0) {
        snprintf(out_reason, reason_size, "admin.control: cannot listen at %.300s: %s",
                 broker->config->admin.control[0] != '\0' ? broker->config->admin.control : path,
                 rc == RC_OK ? strerror(errno) : "the path is too long");
        return RC_IO;
    }
    struct http_events events = {.context = broker,
                                 .name = "control",
                                 .request = control_on_request,
                                 .completed = control_completed};
    broker->control = http_server_create(fd, &events);
    if (broker->control == NULL) {
        snprintf(out_reason, reason_size, "admin.control: not enough memory or descriptors");
        unlink(path);
        return RC_NO_MEMORY;
    }
    memcpy(broker->control_path, path, sizeof(path));
    LOG(LOG_INFO, "control socket at %s", path);
    if (broker->route.store == NULL)
        LOG(LOG_INFO, "bans and users that are changed at run time end with this process");
    return RC_OK;
}

void control_socket_run(struct broker *broker, uint64_t now_ms)
{
    api_turn(broker);
    if (broker->control != NULL)
        http_server_run(broker->control, now_ms);
    broker_flush(broker);
}

void control_socket_close(struct broker *broker)
{
    if (broker->control == NULL)
        return;
    api_stop(broker);
    http_server_destroy(broker->control);
    broker->control = NULL;
    unlink(broker->control_path);
}

int control_socket_fd(const struct broker *broker)
{
    return broker->control == NULL ? -1 : http_server_fd(broker->control);
}

int control_socket_timeout_ms(const struct broker *broker, int most_ms)
{
    return broker->control == NULL ? most_ms : http_server_timeout_ms(broker->control, most_ms);
}
