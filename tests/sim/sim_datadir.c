/*
 * sim_datadir.c -- ops/datadir.h without a file system: nothing, or a directory of the false disk.
 *
 * The lock is not simulated: there is one broker at a time. The secret of a directory follows from
 * the run's seed alone, so that it is the same whenever the directory is opened again.
 */
#include "datadir.h"

#include <stdio.h>
#include <string.h>

#include "disk.h"
#include "sim_base.h"

enum rc datadir_open(struct datadir *dir, const char *path, char *out_reason, size_t reason_size)
{
    memset(dir, 0, sizeof(*dir));
    dir->lock_fd = -1;
    dir->secret = (struct hash_key){{sim_random() | 1, sim_random() | 1}};
    if (strcmp(path, "none") == 0)
        return RC_OK;
    dir->secret = (struct hash_key){{sim_seed * 2 + 1, UINT64_C(0x9e3779b97f4a7c15)}};
    snprintf(dir->path, sizeof(dir->path), "%s", path);
    enum rc rc = disk_make_dir(path);
    if (rc == RC_EXISTS)
        rc = RC_OK;
    if (rc != RC_OK)
        snprintf(out_reason, reason_size, "%s cannot be made: %s", path, rc_text(rc));
    return rc;
}

void datadir_close(struct datadir *dir)
{
    dir->lock_fd = -1;
}
