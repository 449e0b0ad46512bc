/*
 * sim_file.c -- requests on files, of which the simulated brokers have none: they run without a
 * data directory, so whoever comes here is lost.
 */
#include "ring.h"
#include "sim_base.h"

static void file_refuse(const char *what)
{
    SIM_CHECK(false, "a request on a file: %s", what);
}

void ring_file_open(struct ring *ring, uint64_t token, const char *path, unsigned flags)
{
    (void)ring;
    (void)token;
    (void)flags;
    file_refuse(path);
}

void ring_file_close(struct ring *ring, uint64_t token, int fd)
{
    (void)ring;
    (void)token;
    (void)fd;
    file_refuse("close");
}

void ring_file_read(struct ring *ring, uint64_t token, int fd, void *to, uint32_t len,
                    uint64_t offset)
{
    (void)ring;
    (void)token;
    (void)fd;
    (void)to;
    (void)len;
    (void)offset;
    file_refuse("read");
}

void ring_file_write(struct ring *ring, uint64_t token, int fd, struct bytes data, uint64_t offset,
                     bool durable)
{
    (void)ring;
    (void)token;
    (void)fd;
    (void)data;
    (void)offset;
    (void)durable;
    file_refuse("write");
}

void ring_file_allocate(struct ring *ring, uint64_t token, int fd, uint64_t len)
{
    (void)ring;
    (void)token;
    (void)fd;
    (void)len;
    file_refuse("allocate");
}

void ring_file_sync(struct ring *ring, uint64_t token, int fd)
{
    (void)ring;
    (void)token;
    (void)fd;
    file_refuse("sync");
}

void ring_file_rename(struct ring *ring, uint64_t token, const char *from, const char *to)
{
    (void)ring;
    (void)token;
    (void)from;
    file_refuse(to);
}

void ring_file_remove(struct ring *ring, uint64_t token, const char *path)
{
    (void)ring;
    (void)token;
    file_refuse(path);
}
