/*
 * manifest.c -- see manifest.h.
 *
 * The file is text, so that a person can read it, and is read strictly: three lines, nothing else.
 *
 * Threads: see manifest.h.
 */
#include "manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "limits.h"

#define MANIFEST_TEXT_MAX 256

static enum rc manifest_fail(enum rc rc, const char *path, char *out_reason, size_t reason_size)
{
    snprintf(out_reason, reason_size, "%s: %s", path, strerror(errno));
    return rc;
}

/* Puts two names together. False: too long. */
static bool manifest_join(char *out, size_t size, const char *dir, const char *name)
{
    int len = snprintf(out, size, "%s/%s", dir, name);
    return len > 0 && (size_t)len < size;
}

bool manifest_log_path(char *out, size_t size, const char *log_dir, uint32_t generation,
                       uint32_t shard)
{
    CHECK(out != NULL && log_dir != NULL);
    int len = snprintf(out, size, "%s/%" PRIu32 "/%" PRIu32, log_dir, generation, shard);
    return len > 0 && (size_t)len < size;
}

/* One line `word number`; moves `*text` behind it. */
static bool manifest_line(const char **text, const char *word, uint32_t *out)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0 || (*text)[len] != ' ')
        return false;
    const char *at = *text + len + 1;
    if (*at < '0' || *at > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(at, &end, 10);
    if (errno != 0 || *end != '\n' || number > UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    *text = end + 1;
    return true;
}

static enum rc manifest_read(const char *path, char *out_text)
{
    int fd;
    size_t len = 0;
    enum rc rc = disk_open(path, DISK_READ, &fd);
    if (rc != RC_OK)
        return rc;
    rc = disk_read(fd, out_text, MANIFEST_TEXT_MAX, 0, &len);
    CHECK(len <= MANIFEST_TEXT_MAX);
    out_text[len] = '\0';
    disk_close(fd);
    return rc;
}

enum rc manifest_load(const char *log_dir, struct manifest *out, char *out_reason,
                      size_t reason_size)
{
    char path[MANIFEST_PATH_MAX];
    char text[MANIFEST_TEXT_MAX + 1];
    uint32_t version;
    CHECK(log_dir != NULL && out != NULL);
    errno = ENAMETOOLONG;
    if (!manifest_join(path, sizeof(path), log_dir, "MANIFEST"))
        return manifest_fail(RC_IO, log_dir, out_reason, reason_size);
    enum rc rc = manifest_read(path, text);
    if (rc == RC_NOT_FOUND)
        return rc;
    if (rc != RC_OK)
        return manifest_fail(rc, path, out_reason, reason_size);
    const char *at = text;
    if (manifest_line(&at, "sluice-log", &version) && version > MANIFEST_VERSION) {
        snprintf(out_reason, reason_size,
                 "%s: written by a newer version of sluiced (format %" PRIu32
                 "; this one reads up to %d)",
                 path, version, MANIFEST_VERSION);
        return RC_UNSUPPORTED;
    }
    if (at == text || version == 0 || !manifest_line(&at, "generation", &out->generation) ||
        !manifest_line(&at, "shards", &out->shards) || *at != '\0' || out->shards == 0 ||
        out->shards > SHARDS_MAX) {
        snprintf(out_reason, reason_size, "%s: is not the manifest of a log", path);
        return RC_INVALID;
    }
    return RC_OK;
}

static enum rc manifest_write(const char *path, const char *text)
{
    int fd;
    enum rc rc = disk_open(path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, &fd);
    if (rc != RC_OK)
        return rc;
    rc = disk_write(fd, text, strlen(text), 0);
    if (rc == RC_OK)
        rc = disk_sync(fd);
    int error = errno;
    disk_close(fd);
    errno = error;
    return rc;
}

enum rc manifest_store(const char *log_dir, const struct manifest *manifest, char *out_reason,
                       size_t reason_size)
{
    char path[MANIFEST_PATH_MAX];
    char fresh[MANIFEST_PATH_MAX];
    char text[MANIFEST_TEXT_MAX];
    CHECK(manifest->shards > 0 && manifest->shards <= SHARDS_MAX);
    errno = ENAMETOOLONG;
    if (!manifest_join(path, sizeof(path), log_dir, "MANIFEST") ||
        !manifest_join(fresh, sizeof(fresh), log_dir, "MANIFEST.new"))
        return manifest_fail(RC_IO, log_dir, out_reason, reason_size);
    enum rc rc = disk_make_dir(log_dir);
    if (rc != RC_OK && rc != RC_EXISTS)
        return manifest_fail(rc, log_dir, out_reason, reason_size);
    snprintf(text, sizeof(text), "sluice-log %d\ngeneration %" PRIu32 "\nshards %" PRIu32 "\n",
             MANIFEST_VERSION, manifest->generation, manifest->shards);
    rc = manifest_write(fresh, text);
    if (rc == RC_OK)
        rc = disk_rename(fresh, path);
    if (rc == RC_OK)
        rc = disk_sync_dir(log_dir);
    /* The directory itself may be new, too. */
    if (rc == RC_OK && manifest_join(fresh, sizeof(fresh), log_dir, ".."))
        rc = disk_sync_dir(fresh);
    return rc == RC_OK ? RC_OK : manifest_fail(rc, path, out_reason, reason_size);
}

/* ---- removing ---- */

struct manifest_sweep {
    const char *dir;
    uint32_t keep;
    unsigned depth; /* 0: generations, 1: their shards, 2: files */
    enum rc rc;
};

static void manifest_sweep_entry(void *context, const char *name);

static void manifest_sweep_dir(struct manifest_sweep *parent, const char *path)
{
    struct manifest_sweep sweep = {.dir = path, .depth = parent->depth + 1, .rc = RC_OK};
    enum rc rc = disk_list(path, &sweep, manifest_sweep_entry);
    if (rc == RC_OK)
        rc = sweep.rc;
    if (rc == RC_OK)
        rc = disk_remove_dir(path);
    if (rc != RC_OK)
        parent->rc = rc;
}

static void manifest_sweep_entry(void *context, const char *name)
{
    struct manifest_sweep *sweep = context;
    char path[MANIFEST_PATH_MAX];
    if (sweep->rc != RC_OK || !manifest_join(path, sizeof(path), sweep->dir, name))
        return;
    if (sweep->depth == 2) {
        sweep->rc = disk_remove(path);
        return;
    }
    /* Only what this program makes: directories whose names are numbers. */
    char *end;
    errno = 0;
    unsigned long long number = strtoull(name, &end, 10);
    if (name[0] < '0' || name[0] > '9' || *end != '\0' || errno != 0 || number > UINT32_MAX)
        return;
    if (sweep->depth == 0 && number == sweep->keep)
        return;
    manifest_sweep_dir(sweep, path);
}

enum rc manifest_sweep(const char *log_dir, uint32_t keep, char *out_reason, size_t reason_size)
{
    struct manifest_sweep sweep = {.dir = log_dir, .keep = keep, .rc = RC_OK};
    enum rc rc = disk_list(log_dir, &sweep, manifest_sweep_entry);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK)
        rc = sweep.rc;
    return rc == RC_OK ? RC_OK : manifest_fail(rc, log_dir, out_reason, reason_size);
}
