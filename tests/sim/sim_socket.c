/*
 * sim_socket.c -- see sim_socket.h.
 */
#include "sim_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sim_base.h"

#define SIM_FDS_MAX 4096

static struct sim_file *sim_files[SIM_FDS_MAX];
static unsigned sim_files_open;

/* ---- pipes ---- */

static void sim_pipe_reserve(struct sim_pipe *pipe, size_t more)
{
    if (pipe->head > 0 && pipe->head + pipe->len + more > pipe->capacity) {
        memmove(pipe->bytes, pipe->bytes + pipe->head, pipe->len);
        pipe->head = 0;
    }
    if (pipe->len + more <= pipe->capacity)
        return;
    pipe->capacity = (pipe->len + more) * 2;
    pipe->bytes = realloc(pipe->bytes, pipe->capacity);
    SIM_CHECK(pipe->bytes != NULL, "out of memory");
}

size_t sim_pipe_put(struct sim_pipe *pipe, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    sim_pipe_reserve(pipe, len);
    memcpy(pipe->bytes + pipe->head + pipe->len, bytes, len);
    pipe->len += len;
    return len;
}

size_t sim_pipe_take(struct sim_pipe *pipe, uint8_t *out, size_t len)
{
    if (len > pipe->len)
        len = pipe->len;
    if (len == 0)
        return 0;
    memcpy(out, pipe->bytes + pipe->head, len);
    pipe->head += len;
    pipe->len -= len;
    return len;
}

static void sim_pipe_clear(struct sim_pipe *pipe)
{
    free(pipe->bytes);
    *pipe = (struct sim_pipe){0};
}

/* ---- files and descriptors ---- */

void sim_file_ref(struct sim_file *file)
{
    SIM_CHECK(file->refs > 0, "a file that nobody holds");
    file->refs++;
}

void sim_file_unref(struct sim_file *file)
{
    SIM_CHECK(file->refs > 0, "a file that nobody holds");
    if (--file->refs > 0)
        return;
    for (unsigned i = 0; i < file->backlog_len; i++)
        sim_file_unref(file->backlog[i]);
    sim_pipe_clear(&file->in);
    sim_pipe_clear(&file->out);
    free(file);
}

struct sim_file *sim_fd_file(int fd)
{
    if (fd < SIM_FD_FIRST || fd >= SIM_FD_FIRST + SIM_FDS_MAX)
        return NULL;
    return sim_files[fd - SIM_FD_FIRST];
}

int sim_fd_assign(struct sim_file *file)
{
    SIM_CHECK(file->fd < 0, "a file with two descriptors");
    for (int i = 0; i < SIM_FDS_MAX; i++) {
        if (sim_files[i] != NULL)
            continue;
        sim_files[i] = file;
        sim_files_open++;
        sim_file_ref(file);
        file->fd = SIM_FD_FIRST + i;
        return file->fd;
    }
    SIM_FAIL("more than %d descriptors", SIM_FDS_MAX);
}

static struct sim_file *sim_file_create(enum sim_file_kind kind)
{
    struct sim_file *file = calloc(1, sizeof(*file));
    SIM_CHECK(file != NULL, "out of memory");
    file->kind = kind;
    file->refs = 1;
    file->fd = -1;
    return file;
}

struct sim_file *sim_fd_open(enum sim_file_kind kind)
{
    struct sim_file *file = sim_file_create(kind);
    sim_fd_assign(file);
    sim_file_unref(file);
    return file;
}

void sim_fd_close(int fd)
{
    struct sim_file *file = sim_fd_file(fd);
    SIM_CHECK(file != NULL, "close of descriptor %d, which is not open", fd);
    SIM_TRACE("fd %d: closed", fd);
    sim_files[fd - SIM_FD_FIRST] = NULL;
    sim_files_open--;
    file->fd = -1;
    if (file->kind == SIM_FILE_SOCKET) {
        if (file->in.len > 0)
            sim_socket_break(file);
        sim_socket_shutdown(file, SHUT_RDWR);
    }
    if (file->kind == SIM_FILE_LISTENER) {
        /* Nobody will accept them any more. */
        for (unsigned i = 0; i < file->backlog_len; i++) {
            sim_socket_break(file->backlog[i]);
            sim_file_unref(file->backlog[i]);
        }
        file->backlog_len = 0;
        file->shut = true;
    }
    sim_file_unref(file);
}

unsigned sim_fd_count(void)
{
    return sim_files_open;
}

/* ---- the broker's side ---- */

size_t sim_socket_room(const struct sim_file *socket)
{
    return socket->out.len >= socket->window ? 0 : socket->window - socket->out.len;
}

void sim_socket_break(struct sim_file *socket)
{
    if (socket->reset)
        return;
    socket->reset = true;
    if (sim_chance(500))
        sim_pipe_clear(&socket->out);
    else if (socket->out.len > 0)
        socket->out.len = sim_below((uint32_t)socket->out.len + 1);
}

void sim_socket_shutdown(struct sim_file *socket, int how)
{
    if (how == SHUT_WR || how == SHUT_RDWR)
        socket->broker_fin = true;
    if (how == SHUT_RD || how == SHUT_RDWR)
        socket->broker_deaf = true;
}

/* ---- the client's side ---- */

struct sim_file *sim_socket_connect(struct sim_file *listener, uint32_t window)
{
    SIM_CHECK(listener->kind == SIM_FILE_LISTENER, "not a listener");
    if (listener->shut || listener->backlog_len == SIM_BACKLOG_MAX)
        return NULL;
    struct sim_file *socket = sim_file_create(SIM_FILE_SOCKET);
    socket->window = window;
    listener->backlog[listener->backlog_len++] = socket;
    sim_file_ref(socket);
    return socket;
}

size_t sim_socket_write(struct sim_file *socket, const uint8_t *bytes, size_t len)
{
    SIM_CHECK(!socket->client_fin, "a client writes behind its FIN");
    if (socket->reset || socket->broker_deaf)
        return 0;
    return sim_pipe_put(&socket->in, bytes, len);
}

size_t sim_socket_read(struct sim_file *socket, uint8_t *out, size_t len)
{
    return sim_pipe_take(&socket->out, out, len);
}

bool sim_socket_ended(const struct sim_file *socket)
{
    return socket->out.len == 0 && (socket->broker_fin || socket->reset);
}

void sim_socket_fin(struct sim_file *socket)
{
    socket->client_fin = true;
}

void sim_socket_close(struct sim_file *socket, bool hard)
{
    socket->client_fin = true;
    socket->client_closed = true;
    if (hard) {
        socket->reset = true;
        if (sim_chance(500))
            sim_pipe_clear(&socket->in);
    }
    sim_pipe_clear(&socket->out);
    sim_file_unref(socket);
}
