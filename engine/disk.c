/*
 * disk.c -- see disk.h: thin wrappers that retry what was interrupted and name the error.
 *
 * The probe tries what the log is going to do, because flags alone do not tell: tmpfs refuses
 * O_DIRECT before Linux 6.5 or so, overlayfs answers for the file system below it, and a device may
 * want a larger alignment, which STATX_DIOALIGN tells since 6.1 where it is known.
 *
 * Threads: see disk.h.
 */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define DISK_FILE_MODE 0640
#define DISK_DIR_MODE  0750

/* statx came to know it with Linux 6.1; the C library's header may be older. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

static enum rc disk_rc(void)
{
    switch (errno) {
    case ENOENT:
        return RC_NOT_FOUND;
    case EEXIST:
        return RC_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
        return RC_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return RC_DENIED;
    case ENOMEM:
        return RC_NO_MEMORY;
    case EOPNOTSUPP:
    case ENOSYS:
        return RC_UNSUPPORTED;
    default:
        return RC_IO;
    }
}

int disk_open_flags(unsigned flags)
{
    int result = O_CLOEXEC;
    result |= (flags & DISK_WRITE) != 0 ? O_RDWR : O_RDONLY;
    result |= (flags & DISK_CREATE) != 0 ? O_CREAT : 0;
    result |= (flags & DISK_DIRECT) != 0 ? O_DIRECT : 0;
    result |= (flags & DISK_TRUNCATE) != 0 ? O_TRUNC : 0;
    result |= (flags & DISK_DIR) != 0 ? O_DIRECTORY : 0;
    return result;
}

enum rc disk_open(const char *path, unsigned flags, int *out_fd)
{
    CHECK(path != NULL && out_fd != NULL);
    int fd;
    do
        fd = open(path, disk_open_flags(flags), DISK_FILE_MODE);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return disk_rc();
    *out_fd = fd;
    return RC_OK;
}

void disk_close(int fd)
{
    CHECK(fd >= 0);
    (void)close(fd);
}

enum rc disk_read(int fd, void *to, size_t len, uint64_t offset, size_t *out_len)
{
    CHECK(fd >= 0 && out_len != NULL);
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_rc();
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out_len = done;
    return RC_OK;
}

enum rc disk_write(int fd, const void *from, size_t len, uint64_t offset)
{
    CHECK(fd >= 0);
    size_t done = 0;
    while (done < len) {
        ssize_t got = pwrite(fd, (const uint8_t *)from + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_rc();
        done += (size_t)got;
    }
    return RC_OK;
}

enum rc disk_size(int fd, uint64_t *out_size)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return disk_rc();
    CHECK(info.st_size >= 0);
    *out_size = (uint64_t)info.st_size;
    return RC_OK;
}

enum rc disk_allocate(int fd, uint64_t len)
{
    CHECK(fd >= 0 && len > 0);
    int result;
    do
        result = fallocate(fd, 0, 0, (off_t)len);
    while (result != 0 && errno == EINTR);
    return result == 0 ? RC_OK : disk_rc();
}

enum rc disk_sync(int fd)
{
    CHECK(fd >= 0);
    return fsync(fd) == 0 ? RC_OK : disk_rc();
}

enum rc disk_sync_dir(const char *path)
{
    int fd;
    enum rc rc = disk_open(path, DISK_DIR, &fd);
    if (rc != RC_OK)
        return rc;
    rc = disk_sync(fd);
    int error = errno;
    disk_close(fd);
    errno = error;
    return rc;
}

enum rc disk_make_dir(const char *path)
{
    return mkdir(path, DISK_DIR_MODE) == 0 ? RC_OK : disk_rc();
}

enum rc disk_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? RC_OK : disk_rc();
}

enum rc disk_remove(const char *path)
{
    return unlink(path) == 0 ? RC_OK : disk_rc();
}

enum rc disk_remove_dir(const char *path)
{
    return rmdir(path) == 0 ? RC_OK : disk_rc();
}

enum rc disk_list(const char *path, void *context, void (*entry)(void *context, const char *name))
{
    CHECK(path != NULL && entry != NULL);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return disk_rc();
    const struct dirent *found;
    errno = 0;
    while ((found = readdir(dir)) != NULL) {
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            entry(context, found->d_name);
        errno = 0;
    }
    enum rc rc = errno == 0 ? RC_OK : disk_rc();
    int error = errno;
    closedir(dir);
    errno = error;
    return rc;
}

enum rc disk_room(const char *dir, uint64_t *out_bytes)
{
    struct statvfs info;
    if (statvfs(dir, &info) != 0)
        return disk_rc();
    *out_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return RC_OK;
}

/* One block with RWF_DSYNC. */
static bool disk_probe_write(int fd)
{
    void *block = aligned_alloc(DISK_ALIGNMENT, DISK_ALIGNMENT);
    if (block == NULL)
        return false;
    memset(block, 0, DISK_ALIGNMENT);
    struct iovec iov = {.iov_base = block, .iov_len = DISK_ALIGNMENT};
    ssize_t got = pwritev2(fd, &iov, 1, 0, RWF_DSYNC);
    free(block);
    return got == DISK_ALIGNMENT;
}

static bool disk_alignment_fits(int fd)
{
    struct statx info;
    memset(&info, 0, sizeof(info));
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0 ||
        (info.stx_mask & STATX_DIOALIGN) == 0)
        return true; /* not told: the write will show */
    /* Two fields behind stx_mnt_id, which the C library's header has as spare room. */
    uint32_t aligns[2];
    size_t mount_id = offsetof(struct statx, stx_dev_minor) + sizeof(uint32_t);
    memcpy(aligns, (const uint8_t *)&info + mount_id + sizeof(uint64_t), sizeof(aligns));
    return aligns[0] != 0 && aligns[0] <= DISK_ALIGNMENT && aligns[1] <= DISK_ALIGNMENT;
}

enum rc disk_probe(const char *dir, struct disk_abilities *out)
{
    char path[4608];
    int fd;
    CHECK(out != NULL);
    if (snprintf(path, sizeof(path), "%s/probe", dir) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return RC_IO;
    }
    enum rc rc = disk_open(path, DISK_WRITE | DISK_CREATE, &fd);
    if (rc != RC_OK)
        return rc;
    *out = (struct disk_abilities){.dsync = disk_probe_write(fd)};
    int error = errno;
    bool full = !out->dsync && (error == ENOSPC || error == EDQUOT);
    disk_close(fd);
    if (out->dsync && disk_open(path, DISK_WRITE | DISK_DIRECT, &fd) == RC_OK) {
        out->direct = disk_alignment_fits(fd) && disk_probe_write(fd);
        disk_close(fd);
    }
    errno = error;
    return full ? RC_FULL : RC_OK;
}
