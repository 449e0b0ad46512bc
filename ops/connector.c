/*
 * connector.c -- see connector.h.
 *
 * Requests under way stand in a table of slots; an id is {reuse count, slot}, so that an answer
 * that comes after a cancellation finds nobody. The helper's end of the socket becomes its
 * descriptor 3.
 *
 * Threads: see connector.h.
 */
#include "connector.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define CONNECTOR_MAGIC   0x434e4354u
#define CONNECTOR_FD      3 /* in the helper */
#define CONNECTOR_READ    65536
#define CONNECTOR_SLOTS   (CONNECTOR_REQUESTS_MAX - 1) /* mask of the slot in an id */
#define CONNECTOR_PATIENT 10000 /* ms up after which the next restart is quick again */

extern char **environ;

struct connector_slot {
    connector_done_fn done; /* NULL: free */
    void *context;
    uint64_t give_up_ms;
    uint32_t reuse;
};

struct connector {
    uint32_t magic;
    char *program;
    pid_t pid; /* 0: none */
    int fd;    /* -1: none */
    uint64_t started_ms;
    uint64_t restart_at_ms;
    uint64_t restart_ms;
    struct connect_buffer in;
    struct connect_buffer out;
    struct connector_figures figures;
    uint32_t slot_next;
    struct connector_slot slots[CONNECTOR_REQUESTS_MAX];
};

STATIC_CHECK((CONNECTOR_REQUESTS_MAX & CONNECTOR_SLOTS) == 0, "a power of two");

static uint64_t connector_now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static bool connector_spawn(struct connector *connector, int fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, fd, CONNECTOR_FD);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char *const arguments[] = {connector->program, NULL};
    int error = posix_spawn(&connector->pid, connector->program, &actions, &attributes, arguments,
                            environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error == 0)
        return true;
    connector->pid = 0;
    LOG(LOG_ERROR, "%s cannot be started: %s", connector->program, strerror(error));
    return false;
}

static void connector_start(struct connector *connector)
{
    int fds[2];
    connector->started_ms = connector_now_ms();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        LOG(LOG_ERROR, "no socket for %s: %s", connector->program, strerror(errno));
    } else {
        bool up = connector_spawn(connector, fds[1]);
        close(fds[1]);
        if (up) {
            connector->fd = fds[0];
            connector->figures.starts++;
            connector->figures.is_up = true;
            return;
        }
        close(fds[0]);
    }
    connector->restart_at_ms = connector->started_ms + connector->restart_ms;
    connector->restart_ms = connector->restart_ms * 2 > CONNECTOR_RESTART_MS_MAX
                                ? CONNECTOR_RESTART_MS_MAX
                                : connector->restart_ms * 2;
}

static void connector_finish(struct connector *connector, uint32_t slot,
                             const struct connect_response *response)
{
    struct connector_slot *own = &connector->slots[slot];
    connector_done_fn done = own->done;
    CHECK(done != NULL && connector->figures.under_way > 0);
    own->done = NULL;
    own->reuse++;
    connector->figures.under_way--;
    if (response->status == 0)
        connector->figures.failures++;
    done(own->context, response);
}

/* The helper is gone, or has to go. */
static void connector_lose(struct connector *connector, const char *why)
{
    uint64_t now_ms = connector_now_ms();
    LOG(LOG_WARNING, "%s is gone: %s", connector->program, why);
    close(connector->fd);
    connector->fd = -1;
    connector->figures.is_up = false;
    kill(connector->pid, SIGKILL);
    while (waitpid(connector->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    connector->pid = 0;
    connect_buffer_fini(&connector->in);
    connect_buffer_fini(&connector->out);
    if (now_ms - connector->started_ms >= CONNECTOR_PATIENT)
        connector->restart_ms = CONNECTOR_RESTART_MS;
    connector->restart_at_ms = now_ms + connector->restart_ms;
    connector->restart_ms = connector->restart_ms * 2 > CONNECTOR_RESTART_MS_MAX
                                ? CONNECTOR_RESTART_MS_MAX
                                : connector->restart_ms * 2;
    struct connect_response none = {.body = bytes_of_text("the helper process has ended")};
    for (uint32_t i = 0; i < CONNECTOR_REQUESTS_MAX; i++)
        if (connector->slots[i].done != NULL)
            connector_finish(connector, i, &none);
}

enum rc connector_create(struct connector **out, const char *program)
{
    struct connector *connector = calloc(1, sizeof(*connector));
    if (connector == NULL)
        return RC_NO_MEMORY;
    connector->program = strdup(program);
    if (connector->program == NULL) {
        free(connector);
        return RC_NO_MEMORY;
    }
    connector->magic = CONNECTOR_MAGIC;
    connector->fd = -1;
    connector->restart_ms = CONNECTOR_RESTART_MS;
    connector_start(connector);
    *out = connector;
    return RC_OK;
}

void connector_abandon(struct connector *connector)
{
    CHECK_OBJ(connector, CONNECTOR_MAGIC);
    if (connector->fd >= 0)
        connector_lose(connector, "sluiced stops");
}

void connector_destroy(struct connector *connector)
{
    if (connector == NULL)
        return;
    CHECK_OBJ(connector, CONNECTOR_MAGIC);
    if (connector->fd >= 0)
        close(connector->fd);
    if (connector->pid > 0) {
        kill(connector->pid, SIGKILL);
        while (waitpid(connector->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    connect_buffer_fini(&connector->in);
    connect_buffer_fini(&connector->out);
    free(connector->program);
    connector->magic = 0;
    free(connector);
}

enum rc connector_ask(struct connector *connector, const struct connect_request *request,
                      connector_done_fn done, void *context, uint32_t *out_id)
{
    CHECK_OBJ(connector, CONNECTOR_MAGIC);
    CHECK(done != NULL);
    if (connector->fd < 0)
        return RC_IO;
    if (connector->figures.under_way >= CONNECTOR_REQUESTS_MAX)
        return RC_FULL;
    uint32_t slot = connector->slot_next;
    while (connector->slots[slot].done != NULL)
        slot = (slot + 1) & CONNECTOR_SLOTS;
    struct connector_slot *own = &connector->slots[slot];
    uint32_t id = own->reuse * CONNECTOR_REQUESTS_MAX + slot;
    uint64_t size = (uint64_t)request->url.len + request->body.len + request->ca_file.len;
    if (size > CONNECT_FRAME_MAX / 2)
        return RC_TOO_LARGE;
    if (!connect_write_request(&connector->out, id, request))
        return RC_NO_MEMORY;
    own->done = done;
    own->context = context;
    own->give_up_ms = connector_now_ms() + request->timeout_ms + CONNECTOR_GRACE_MS;
    connector->slot_next = (slot + 1) & CONNECTOR_SLOTS;
    connector->figures.under_way++;
    connector->figures.requests++;
    *out_id = id;
    return RC_OK;
}

/* The slot that an id stands for, or -1 if nobody waits for it. */
static int connector_slot_of(const struct connector *connector, uint32_t id)
{
    uint32_t slot = id & CONNECTOR_SLOTS;
    const struct connector_slot *own = &connector->slots[slot];
    bool waits = own->done != NULL && own->reuse * CONNECTOR_REQUESTS_MAX + slot == id;
    return waits ? (int)slot : -1;
}

void connector_cancel(struct connector *connector, uint32_t id)
{
    CHECK_OBJ(connector, CONNECTOR_MAGIC);
    int slot = connector_slot_of(connector, id);
    if (slot < 0)
        return;
    connector->slots[slot].done = NULL;
    connector->slots[slot].reuse++;
    connector->figures.under_way--;
    /* Without memory for this word the answer comes and finds nobody. */
    (void)(!connect_write_cancel(&connector->out, id));
}

int connector_fd(const struct connector *connector)
{
    return connector->fd;
}

short connector_events(const struct connector *connector)
{
    return connector->out.len > 0 ? POLLIN | POLLOUT : POLLIN;
}

int connector_timeout_ms(const struct connector *connector, int most_ms)
{
    uint64_t now_ms = connector_now_ms();
    uint64_t at_ms = connector->fd < 0 ? connector->restart_at_ms : UINT64_MAX;
    for (uint32_t i = 0; connector->figures.under_way > 0 && i < CONNECTOR_REQUESTS_MAX; i++)
        if (connector->slots[i].done != NULL && connector->slots[i].give_up_ms < at_ms)
            at_ms = connector->slots[i].give_up_ms;
    if (at_ms <= now_ms)
        return 0;
    return at_ms - now_ms < (uint64_t)most_ms ? (int)(at_ms - now_ms) : most_ms;
}

static void connector_write(struct connector *connector)
{
    if (connector->out.len == 0)
        return;
    ssize_t sent = send(connector->fd, connector->out.ptr, connector->out.len,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        connect_buffer_drop(&connector->out, (uint32_t)sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        connector_lose(connector, "it does not read");
}

/* Handles every whole frame. False: what came is no answer. */
static bool connector_frames(struct connector *connector)
{
    uint32_t at = 0;
    bool good = true;
    while (good) {
        struct connect_frame frame;
        struct connect_response response;
        struct bytes left = {.ptr = connector->in.ptr + at, .len = connector->in.len - at};
        enum connect_result result = connect_read_frame(left, &frame);
        if (result == CONNECT_MORE)
            break;
        good = result == CONNECT_OK && frame.kind == CONNECT_RESPONSE &&
               connect_read_response(frame.body, &response);
        if (!good)
            break;
        int slot = connector_slot_of(connector, frame.id);
        if (slot >= 0)
            connector_finish(connector, (uint32_t)slot, &response);
        at += frame.len;
    }
    if (at > 0)
        connect_buffer_drop(&connector->in, at);
    return good;
}

static void connector_read(struct connector *connector)
{
    uint8_t bytes[CONNECTOR_READ];
    ssize_t got = recv(connector->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        connector_lose(connector, "it has ended");
    else if (!connect_buffer_add(&connector->in, bytes, (uint32_t)got))
        connector_lose(connector, "no memory for its answer");
    else if (!connector_frames(connector))
        connector_lose(connector, "it speaks nonsense");
}

void connector_run(struct connector *connector)
{
    CHECK_OBJ(connector, CONNECTOR_MAGIC);
    uint64_t now_ms = connector_now_ms();
    if (connector->fd < 0 && now_ms >= connector->restart_at_ms)
        connector_start(connector);
    if (connector->fd >= 0)
        connector_read(connector);
    if (connector->fd >= 0)
        connector_write(connector);
    for (uint32_t i = 0;
         connector->fd >= 0 && connector->figures.under_way > 0 && i < CONNECTOR_REQUESTS_MAX; i++)
        if (connector->slots[i].done != NULL && now_ms >= connector->slots[i].give_up_ms)
            connector_lose(connector, "it does not answer");
}

void connector_figures_read(const struct connector *connector, struct connector_figures *out)
{
    *out = connector->figures;
}

bool connector_find(char *out, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", out, size - 1);
    if (len <= 0)
        return false;
    out[len] = '\0';
    char *slash = strrchr(out, '/');
    static const char name[] = "/sluice-connect";
    if (slash == NULL || (size_t)(slash - out) + sizeof(name) > size)
        return false;
    memcpy(slash, name, sizeof(name));
    return access(out, X_OK) == 0;
}
