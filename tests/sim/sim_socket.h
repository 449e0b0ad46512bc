/*
 * sim_socket.h -- false sockets, listeners and eventfds, in memory.
 *
 * A file is what a descriptor stands for. Descriptors are numbers from SIM_FD_FIRST on, the lowest
 * free one first, as the kernel's are, so that a number that is used after its close hits somebody
 * else. A file lives as long as a descriptor, an operation of a ring or a client holds it.
 *
 * A socket is two queues of bytes. Towards the broker it takes what the client writes; towards the
 * client it takes as many bytes as its window has room for. Ends: the client may say FIN (no more
 * bytes from it, it still reads), close (it does not read either) or reset; the broker may shut
 * down one direction or both, or close. A close by the broker with unread input is a reset, as TCP
 * makes it, and may cost the client what it has not read yet.
 */
#ifndef SLUICE_SIM_SOCKET_H
#define SLUICE_SIM_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_FD_FIRST 1000

enum sim_file_kind { SIM_FILE_SOCKET, SIM_FILE_LISTENER, SIM_FILE_EVENT };

/* A queue of bytes. */
struct sim_pipe {
    uint8_t *bytes;
    size_t head;
    size_t len;
    size_t capacity;
};

#define SIM_BACKLOG_MAX 64

struct sim_file {
    enum sim_file_kind kind;
    unsigned refs;
    int fd; /* -1: the broker has closed it */

    /* socket */
    struct sim_pipe in;  /* from the client */
    struct sim_pipe out; /* to the client */
    uint32_t window;     /* most bytes in `out` */
    bool client_fin;
    bool client_closed;
    bool reset;      /* by either side: no more bytes either way */
    bool broker_fin; /* nothing more will be put into `out` */
    bool broker_deaf;
    bool injured; /* an error was injected here */

    /* listener */
    struct sim_file *backlog[SIM_BACKLOG_MAX];
    unsigned backlog_len;
    bool shut;

    /* eventfd */
    uint64_t count;
    bool news; /* written since the last completion of its poll */
};

/* ---- descriptors, for the rings and the false system calls ---- */

/* The file of a descriptor, or NULL. Borrowed. */
struct sim_file *sim_fd_file(int fd);

/* A new file with a descriptor, which holds it. */
struct sim_file *sim_fd_open(enum sim_file_kind kind);

/* Gives a file that has none a descriptor. */
int sim_fd_assign(struct sim_file *file);

/* The broker closes a descriptor. */
void sim_fd_close(int fd);

/* How many descriptors are open. */
unsigned sim_fd_count(void);

void sim_file_ref(struct sim_file *file);
void sim_file_unref(struct sim_file *file);

/* ---- the broker's side of a socket ---- */

size_t sim_pipe_put(struct sim_pipe *pipe, const uint8_t *bytes, size_t len);
size_t sim_pipe_take(struct sim_pipe *pipe, uint8_t *out, size_t len);
size_t sim_socket_room(const struct sim_file *socket);

/* Both sides lose the connection; the client may lose what it has not read. */
void sim_socket_break(struct sim_file *socket);

/* `how` as shutdown(2) has it. */
void sim_socket_shutdown(struct sim_file *socket, int how);

/* ---- the client's side ---- */

/* A connection in the backlog of a listener; NULL if that is full or shut. The caller's. */
struct sim_file *sim_socket_connect(struct sim_file *listener, uint32_t window);

/* Bytes written; 0 if the connection is gone. */
size_t sim_socket_write(struct sim_file *socket, const uint8_t *bytes, size_t len);
size_t sim_socket_read(struct sim_file *socket, uint8_t *out, size_t len);

/* True when nothing more can be read. */
bool sim_socket_ended(const struct sim_file *socket);

void sim_socket_fin(struct sim_file *socket);

/* The client lets go of the socket; `hard` as a reset. */
void sim_socket_close(struct sim_file *socket, bool hard);

#endif
