/*
 * access_file.c -- see access_file.h.
 * Threads: see access_file.h.
 */
#include "access_file.h"

#include <errno.h>
#include <string.h>

#include "file_read.h"

uint8_t *access_file_read(const char *path, size_t max, size_t *out_len,
                          const struct config_report *report)
{
    char *text = file_read(path, max, out_len);
    if (text == NULL && errno == EFBIG)
        config_refuse(report, "%s has more than %zu bytes", path, max);
    else if (text == NULL)
        config_refuse(report, "cannot read %s: %s", path, strerror(errno));
    return (uint8_t *)text;
}
