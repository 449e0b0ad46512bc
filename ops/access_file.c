/*
 * access_file.c -- see access_file.h.
 * Threads: see access_file.h.
 */
#include "access_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *access_file_read(const char *path, size_t max, size_t *out_len,
                          const struct config_report *report)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *text = NULL;
    size_t len = 0;
    ssize_t got = -1;
    bool right = fd >= 0 && fstat(fd, &status) == 0;
    if (right && (uint64_t)status.st_size <= max)
        text = malloc((size_t)status.st_size + 1);
    while (text != NULL && len < (size_t)status.st_size) {
        got = read(fd, text + len, (size_t)status.st_size - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (!right || (text != NULL && got < 0 && len < (size_t)status.st_size))
        config_refuse(report, "cannot read %s: %s", path, strerror(errno));
    else if (text == NULL)
        config_refuse(report, "%s has more than %zu bytes", path, max);
    if (fd >= 0)
        close(fd);
    *out_len = len;
    return text;
}
