/*
 * datadir.c -- see datadir.h.
 * Threads: see datadir.h.
 */
#include "datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATADIR_SECRET_LEN 16

static enum rc datadir_fail(char *out_reason, size_t size, const char *path, const char *what)
{
    snprintf(out_reason, size, "data directory %s: %s: %s (choose another with --data)", path, what,
             strerror(errno));
    return RC_IO;
}

bool datadir_usual(char *out, size_t size)
{
    if (geteuid() == 0)
        return snprintf(out, size, "/var/lib/sluice") > 0;
    const char *state = getenv("XDG_STATE_HOME");
    if (state != NULL && state[0] == '/')
        return snprintf(out, size, "%s/sluice", state) < (int)size;
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/')
        return false;
    return snprintf(out, size, "%s/.local/state/sluice", home) < (int)size;
}

/* Makes the directory and those above it. False with errno set. */
static bool datadir_make(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    CHECK(len < sizeof(part));
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return false;
    }
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(info.st_mode);
}

static bool datadir_random(struct hash_key *key)
{
    do {
        if (getrandom(key, sizeof(*key), 0) != (ssize_t)sizeof(*key))
            return false;
    } while (key->words[0] == 0 || key->words[1] == 0);
    return true;
}

/* Reads the secret or makes it, by way of a temporary file: it is never seen half written. */
static bool datadir_secret(struct datadir *dir)
{
    char path[sizeof(dir->path) + 16];
    char fresh[sizeof(dir->path) + 16];
    snprintf(path, sizeof(path), "%s/secret", dir->path);
    snprintf(fresh, sizeof(fresh), "%s/secret.new", dir->path);
    STATIC_CHECK(sizeof(dir->secret) == DATADIR_SECRET_LEN, "the secret is one hash key");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, &dir->secret, sizeof(dir->secret));
        close(fd);
        errno = EBADMSG;
        return got == (ssize_t)sizeof(dir->secret) && dir->secret.words[0] != 0 &&
               dir->secret.words[1] != 0;
    }
    if (errno != ENOENT || !datadir_random(&dir->secret))
        return false;
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write(fd, &dir->secret, sizeof(dir->secret)) == (ssize_t)sizeof(dir->secret) &&
              fsync(fd) == 0;
    close(fd);
    if (!ok || rename(fresh, path) != 0)
        return false;
    int dir_fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = dir_fd >= 0 && fsync(dir_fd) == 0;
    if (dir_fd >= 0)
        close(dir_fd);
    return ok;
}

static enum rc datadir_lock(struct datadir *dir, char *out_reason, size_t size)
{
    char path[sizeof(dir->path) + 16];
    snprintf(path, sizeof(path), "%s/lock", dir->path);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (dir->lock_fd < 0)
        return datadir_fail(out_reason, size, dir->path, "cannot make the lock file");
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return RC_OK;
    if (errno != EWOULDBLOCK)
        return datadir_fail(out_reason, size, dir->path, "cannot lock");
    snprintf(out_reason, size,
             "data directory %s is in use by another broker (choose another with --data)",
             dir->path);
    return RC_EXISTS;
}

enum rc datadir_open(struct datadir *dir, const char *path, char *out_reason, size_t reason_size)
{
    memset(dir, 0, sizeof(*dir));
    dir->lock_fd = -1;
    if (strcmp(path, "none") == 0) {
        if (datadir_random(&dir->secret))
            return RC_OK;
        snprintf(out_reason, reason_size, "no random numbers: %s", strerror(errno));
        return RC_IO;
    }
    bool known = path[0] == '\0'
                     ? datadir_usual(dir->path, sizeof(dir->path))
                     : snprintf(dir->path, sizeof(dir->path), "%s", path) < (int)sizeof(dir->path);
    if (!known) {
        snprintf(out_reason, reason_size,
                 "no place for data: neither XDG_STATE_HOME nor HOME is set (use --data)");
        return RC_NOT_FOUND;
    }
    if (!datadir_make(dir->path))
        return datadir_fail(out_reason, reason_size, dir->path, "cannot be made");
    enum rc rc = datadir_lock(dir, out_reason, reason_size);
    if (rc == RC_OK && !datadir_secret(dir))
        rc = datadir_fail(out_reason, reason_size, dir->path, "the secret cannot be read or made");
    if (rc != RC_OK)
        datadir_close(dir);
    return rc;
}

void datadir_close(struct datadir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    dir->lock_fd = -1;
}
