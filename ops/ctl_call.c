/*
 * ctl_call.c -- see ctl_call.h.
 *
 * HTTP/1.0, so that the answer ends where the connection does and is never in chunks.
 *
 * Threads: one.
 */
#include "ctl_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_socket.h"
#include "ctl.h"
#include "datadir.h"

#define CTL_CALL_PAGE 10000

bool ctl_call_option(struct ctl_call *call, const char *option, const char *value)
{
    if (strcmp(option, "--socket") == 0)
        call->socket = value;
    else if (strcmp(option, "--data") == 0)
        call->data = value;
    else
        return false;
    return true;
}

static void ctl_call_say(const struct ctl_call *call, const char *what, const char *detail)
{
    fprintf(stderr, "sluicectl %s: %s%s%s\n", call->name, what, detail[0] != '\0' ? ": " : "",
            detail);
}

char *ctl_call_encode(const char *text)
{
    char *out = malloc(3 * strlen(text) + 1);
    char *at = out;
    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.';
        at += snprintf(at, 4, plain ? "%c" : "%%%02X", c);
    }
    *at = '\0';
    return out;
}

/* ---- the connection ---- */

/* -1 after saying why. */
static int ctl_call_connect(const struct ctl_call *call)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = CTL_CALL_WAIT_S};
    char usual[4096] = "";
    const char *data = call->data;
    int len;
    if (call->socket == NULL && data == NULL && datadir_usual(usual, sizeof(usual)))
        data = usual;
    if (call->socket != NULL)
        len = snprintf(address.sun_path, sizeof(address.sun_path), "%s", call->socket);
    else
        len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
                       data == NULL ? "." : data, CONTROL_NAME);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
        ctl_call_say(call, "the path of the socket is too long", "");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = errno;
    fprintf(stderr, "sluicectl %s: no broker at %s: %s (--data DIR or --socket PATH)\n", call->name,
            address.sun_path, strerror(error));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool ctl_call_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The whole answer, zero-terminated, for the caller to free; NULL with errno set. */
static char *ctl_call_read(int fd)
{
    size_t len = 0;
    size_t capacity = 4096;
    char *text = malloc(capacity);
    while (text != NULL) {
        ssize_t got = recv(fd, text + len, capacity - len - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0) {
            text[len] = '\0';
            return text;
        }
        len += got < 0 ? 0 : (size_t)got;
        bool full = len + 1 == capacity;
        char *grown = got < 0 || capacity > CTL_CALL_ANSWER_MAX ? NULL
                      : full                                    ? realloc(text, capacity *= 2)
                                                                : text;
        if (grown == NULL)
            free(text);
        text = grown;
    }
    return NULL;
}

/* ---- requests ---- */

static char *ctl_call_send(const struct ctl_call *call, const char *method, const char *path,
                           const char *body)
{
    int fd = ctl_call_connect(call);
    if (fd < 0)
        return NULL;
    char *head = NULL;
    char *answer = NULL;
    if (asprintf(&head, "%s /api/v5%s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
                 method, path, strlen(body)) >= 0) {
        if (ctl_call_write(fd, head, strlen(head)) && ctl_call_write(fd, body, strlen(body)))
            answer = ctl_call_read(fd);
        free(head);
    }
    if (answer == NULL)
        ctl_call_say(call, "no answer from the broker", strerror(errno));
    close(fd);
    return answer;
}

unsigned ctl_call(const struct ctl_call *call, const char *method, const char *path,
                  const json_t *body, json_t **out_answer)
{
    char *text = body == NULL ? strdup("") : json_dumps(body, JSON_COMPACT);
    char *answer = text == NULL ? NULL : ctl_call_send(call, method, path, text);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    if (answer == NULL)
        return 0;
    unsigned status = 0;
    const char *end = strstr(answer, "\r\n\r\n");
    if (end == NULL || sscanf(answer, "HTTP/%*d.%*d %u", &status) != 1)
        status = 0;
    json_t *json = end == NULL ? NULL : json_loads(end + 4, 0, NULL);
    const char *message = json_string_value(json_object_get(json, "message"));
    if (status < 200 || status > 299) {
        ctl_call_say(call, message != NULL ? message : "not an answer that makes sense", "");
        status = 0;
    }
    free(answer);
    if (status == 0 || out_answer == NULL)
        json_decref(json);
    else
        *out_answer = json;
    return status;
}

int ctl_call_list(const struct ctl_call *call, const char *path, void *context,
                  void (*visit)(void *context, const json_t *row))
{
    bool more = true;
    for (unsigned page = 1; more; page++) {
        char *full = NULL;
        json_t *answer = NULL;
        size_t index;
        const json_t *row;
        if (asprintf(&full, "%s?page=%u&limit=%d", path, page, CTL_CALL_PAGE) < 0)
            return CTL_FAILED;
        unsigned status = ctl_call(call, "GET", full, NULL, &answer);
        free(full);
        if (status == 0)
            return CTL_FAILED;
        json_array_foreach(json_object_get(answer, "data"), index, row) visit(context, row);
        more = json_is_true(json_object_get(json_object_get(answer, "meta"), "hasnext"));
        json_decref(answer);
    }
    return EXIT_SUCCESS;
}
