/*
 * file_read.c -- see file_read.h.
 *
 * The size that the file system tells is a first guess, one byte too large, so that the end is seen
 * without growing; what has none begins with FILE_READ_FIRST and doubles.
 *
 * Threads: see file_read.h.
 */
#include "file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READ_FIRST 4096

/* Bytes to begin with: what is there and one more, at most max and one more. */
static size_t file_read_guess(int fd, size_t max)
{
    struct stat status;
    size_t guess = FILE_READ_FIRST;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        guess = (uint64_t)status.st_size < max ? (size_t)status.st_size + 1 : max + 1;
    return guess < max + 1 ? guess : max + 1;
}

/* Reads to the end. NULL with errno set. */
static char *file_read_all(int fd, size_t max, size_t *out_len)
{
    size_t room = file_read_guess(fd, max);
    char *text = malloc(room + 1);
    size_t len = 0;
    ssize_t got = 0;
    while (text != NULL) {
        got = read(fd, text + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        len += got > 0 ? (size_t)got : 0;
        if (got <= 0 || len > max)
            break;
        if (len < room)
            continue;
        room = room > max / 2 ? max + 1 : 2 * room;
        char *longer = realloc(text, room + 1);
        if (longer == NULL)
            free(text);
        text = longer;
    }
    if (text == NULL)
        return NULL;
    if (got >= 0 && len <= max) {
        text[len] = '\0';
        *out_len = len;
        return text;
    }
    int error = got < 0 ? errno : EFBIG;
    free(text);
    errno = error;
    return NULL;
}

char *file_read(const char *path, size_t max, size_t *out_len)
{
    CHECK(path != NULL && out_len != NULL && max < SIZE_MAX / 4);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = file_read_all(fd, max, out_len);
    int error = errno;
    close(fd);
    errno = error;
    return text;
}
