/*
 * sim_disk.c -- see sim_disk.h.
 *
 * A name is a path; directories are files without bytes. The list of names as the process sees them
 * is made again after a crash from the durable one and the first few of the changes since.
 */
#include "sim_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "sim_base.h"

#define SIM_SECTOR    512
#define SIM_NAMES_MAX 1024
#define SIM_OPEN_MAX  512
#define SIM_PATH_MAX  128

struct sim_inode {
    unsigned refs; /* names of both lists, changes, descriptors */
    bool is_dir;
    uint8_t *now;   /* as the process sees it */
    uint8_t *safe;  /* on the platter */
    uint8_t *dirty; /* a byte per sector: now differs, or may */
    uint64_t size;
    uint64_t size_safe;
    uint64_t capacity;
};

struct sim_name {
    char path[SIM_PATH_MAX];
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name names[SIM_NAMES_MAX];
    unsigned num;
};

/* A change of names that is not durable: `from` empty: made; `to` empty: removed. */
struct sim_change {
    char from[SIM_PATH_MAX];
    char to[SIM_PATH_MAX];
    struct sim_inode *inode; /* of one that was made */
};

struct sim_handle {
    struct sim_inode *inode;
    char path[SIM_PATH_MAX];
    bool is_direct;
    bool is_writable;
};

struct sim_disk_mood sim_disk_mood;

static struct {
    struct sim_names now;
    struct sim_names safe;
    struct sim_change changes[SIM_NAMES_MAX];
    unsigned num_changes;
    struct sim_handle handles[SIM_OPEN_MAX];
    uint64_t events;
    uint64_t dies_at; /* 0: never */
    bool is_dead;
    uint64_t used;
} disk;

/* ---- inodes and names ---- */

static void inode_unref(struct sim_inode *inode)
{
    SIM_CHECK(inode->refs > 0, "a file that nobody holds");
    if (--inode->refs > 0)
        return;
    disk.used -= inode->size;
    free(inode->now);
    free(inode->safe);
    free(inode->dirty);
    free(inode);
}

static void inode_resize(struct sim_inode *inode, uint64_t size)
{
    if (size > inode->capacity) {
        uint64_t capacity = (size + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
        if (capacity < 2 * inode->capacity)
            capacity = 2 * inode->capacity;
        inode->now = realloc(inode->now, capacity);
        inode->safe = realloc(inode->safe, capacity);
        inode->dirty = realloc(inode->dirty, capacity / SIM_SECTOR);
        SIM_CHECK(inode->now != NULL && inode->safe != NULL && inode->dirty != NULL,
                  "out of memory");
        memset(inode->now + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->safe + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->dirty + inode->capacity / SIM_SECTOR, 0,
               (capacity - inode->capacity) / SIM_SECTOR);
        inode->capacity = capacity;
    }
    disk.used += size - inode->size;
    inode->size = size;
}

static struct sim_name *names_find(struct sim_names *names, const char *path)
{
    for (unsigned i = 0; i < names->num; i++)
        if (strcmp(names->names[i].path, path) == 0)
            return &names->names[i];
    return NULL;
}

static void names_add(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    SIM_CHECK(names->num < SIM_NAMES_MAX, "too many files on the false disk");
    struct sim_name *name = &names->names[names->num++];
    SIM_CHECK(snprintf(name->path, sizeof(name->path), "%s", path) < SIM_PATH_MAX, "a long path");
    name->inode = inode;
    inode->refs++;
}

static void names_remove(struct sim_names *names, const char *path)
{
    struct sim_name *name = names_find(names, path);
    if (name == NULL)
        return;
    inode_unref(name->inode);
    *name = names->names[--names->num];
}

static void names_apply(struct sim_names *names, const struct sim_change *change)
{
    struct sim_inode *inode = change->inode;
    if (change->from[0] != '\0') {
        struct sim_name *name = names_find(names, change->from);
        if (name == NULL)
            return;
        inode = name->inode;
    }
    inode->refs++;
    if (change->to[0] != '\0')
        names_remove(names, change->to);
    if (change->from[0] != '\0')
        names_remove(names, change->from);
    if (change->to[0] != '\0')
        names_add(names, change->to, inode);
    inode_unref(inode);
}

static void disk_change(const char *from, const char *to, struct sim_inode *inode)
{
    SIM_CHECK(disk.num_changes < SIM_NAMES_MAX, "too many changes of names without a sync");
    struct sim_change *change = &disk.changes[disk.num_changes++];
    snprintf(change->from, sizeof(change->from), "%s", from);
    snprintf(change->to, sizeof(change->to), "%s", to);
    change->inode = inode;
    if (inode != NULL)
        inode->refs++;
    names_apply(&disk.now, change);
}

static bool path_is_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return path[0] != '\0' && strncmp(path, dir, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

/* Makes the changes of names in `dir` (NULL: all) durable, the first `most` of them. */
static void disk_names_settle(const char *dir, unsigned most)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < disk.num_changes; i++) {
        struct sim_change change = disk.changes[i];
        bool is_meant = dir == NULL || path_is_in(change.from, dir) || path_is_in(change.to, dir);
        if (!is_meant || most == 0) {
            disk.changes[kept++] = change;
            continue;
        }
        most--;
        names_apply(&disk.safe, &change);
        if (change.inode != NULL)
            inode_unref(change.inode);
    }
    disk.num_changes = kept;
}

/* ---- life and death ---- */

void sim_disk_start(void)
{
    memset(&disk, 0, sizeof(disk));
    memset(&sim_disk_mood, 0, sizeof(sim_disk_mood));
}

static void names_clear(struct sim_names *names)
{
    while (names->num > 0)
        inode_unref(names->names[--names->num].inode);
}

static void changes_clear(void)
{
    for (unsigned i = 0; i < disk.num_changes; i++)
        if (disk.changes[i].inode != NULL)
            inode_unref(disk.changes[i].inode);
    disk.num_changes = 0;
}

void sim_disk_fini(void)
{
    SIM_CHECK(sim_disk_open_files() == 0, "%u files are still open", sim_disk_open_files());
    changes_clear();
    names_clear(&disk.now);
    names_clear(&disk.safe);
    SIM_CHECK(disk.used == 0, "%llu bytes of the false disk are left",
              (unsigned long long)disk.used);
}

void sim_disk_stop_after(uint64_t events)
{
    disk.dies_at = events == 0 ? 0 : disk.events + events;
}

void sim_disk_die(void)
{
    disk.is_dead = true;
}

bool sim_disk_is_dead(void)
{
    return disk.is_dead;
}

uint64_t sim_disk_events(void)
{
    return disk.events;
}

uint64_t sim_disk_used(void)
{
    return disk.used;
}

unsigned sim_disk_open_files(void)
{
    unsigned num = 0;
    for (unsigned i = 0; i < SIM_OPEN_MAX; i++)
        num += disk.handles[i].inode != NULL;
    return num;
}

/* Each sector that was not synced reached the platter or did not. */
static void inode_crash(struct sim_inode *inode, uint32_t arrives)
{
    if (inode->size != inode->size_safe && !sim_chance(arrives)) {
        uint64_t size = inode->size_safe;
        if (size < inode->size)
            memset(inode->now + size, 0, inode->size - size);
        inode_resize(inode, size);
    }
    for (uint64_t sector = 0; sector < inode->capacity / SIM_SECTOR; sector++) {
        uint64_t at = sector * SIM_SECTOR;
        if (inode->dirty[sector] && sim_chance(arrives) && at < inode->size)
            memcpy(inode->safe + at, inode->now + at, SIM_SECTOR);
        inode->dirty[sector] = 0;
    }
    if (inode->capacity > 0)
        memcpy(inode->now, inode->safe, inode->capacity);
    /* Behind the end of the file there is nothing. */
    if (inode->capacity > inode->size) {
        memset(inode->now + inode->size, 0, inode->capacity - inode->size);
        memset(inode->safe + inode->size, 0, inode->capacity - inode->size);
    }
    inode->size_safe = inode->size;
}

static void inode_settle(struct sim_inode *inode)
{
    if (inode->capacity > 0) {
        memcpy(inode->safe, inode->now, inode->capacity);
        memset(inode->dirty, 0, inode->capacity / SIM_SECTOR);
    }
    inode->size_safe = inode->size;
}

void sim_disk_crash(bool keeps_memory)
{
    static const uint32_t chances[] = {0, 500, 1000, 950, 50};
    SIM_CHECK(sim_disk_open_files() == 0, "%u files are open at the crash", sim_disk_open_files());
    uint32_t arrives = chances[sim_below(5)];
    unsigned most = keeps_memory ? UINT32_MAX : sim_below(disk.num_changes + 1);
    disk_names_settle(NULL, most);
    changes_clear();
    names_clear(&disk.now);
    for (unsigned i = 0; i < disk.safe.num; i++) {
        struct sim_name *name = &disk.safe.names[i];
        names_add(&disk.now, name->path, name->inode);
        if (keeps_memory)
            inode_settle(name->inode);
        else
            inode_crash(name->inode, arrives);
    }
    disk.is_dead = false;
    disk.dies_at = 0;
}

/* Counts a change. True: the disk dies with it, and it happens in part. */
static bool disk_event(void)
{
    disk.events++;
    if (disk.dies_at == 0 || disk.events < disk.dies_at)
        return false;
    disk.is_dead = true;
    return true;
}

/* ---- descriptors ---- */

static struct sim_handle *disk_handle(int fd)
{
    SIM_CHECK(sim_disk_is_file(fd), "descriptor %d of the disk is not open", fd);
    return &disk.handles[fd - SIM_DISK_FD_FIRST];
}

bool sim_disk_is_file(int fd)
{
    return fd >= SIM_DISK_FD_FIRST && fd < SIM_DISK_FD_FIRST + SIM_OPEN_MAX &&
           disk.handles[fd - SIM_DISK_FD_FIRST].inode != NULL;
}

uint8_t *sim_disk_bytes(const char *path, uint64_t *out_len)
{
    struct sim_name *name = names_find(&disk.now, path);
    if (name == NULL || name->inode->is_dir)
        return NULL;
    *out_len = name->inode->size;
    return name->inode->now;
}

void sim_disk_cut(const char *path, uint64_t len)
{
    struct sim_name *name = names_find(&disk.now, path);
    SIM_CHECK(name != NULL && len <= name->inode->capacity, "%s cannot be cut there", path);
    disk.used += len - name->inode->size;
    name->inode->size = len;
}

static struct sim_inode *disk_make(const char *path, bool is_dir)
{
    struct sim_inode *inode = calloc(1, sizeof(*inode));
    SIM_CHECK(inode != NULL, "out of memory");
    inode->is_dir = is_dir;
    disk_change("", path, inode);
    return inode;
}

/* "a/b/.." is "a". */
static void path_clean(const char *path, char *out)
{
    SIM_CHECK(snprintf(out, SIM_PATH_MAX, "%s", path) < SIM_PATH_MAX, "a long path");
    size_t len = strlen(out);
    if (len < 3 || strcmp(out + len - 3, "/..") != 0)
        return;
    out[len - 3] = '\0';
    char *last = strrchr(out, '/');
    SIM_CHECK(last != NULL, "%s is above the false disk", path);
    *last = '\0';
}

int32_t sim_disk_open(const char *given, unsigned flags)
{
    char path[SIM_PATH_MAX];
    if (disk.is_dead)
        return -EIO;
    path_clean(given, path);
    struct sim_name *name = names_find(&disk.now, path);
    struct sim_inode *inode = name == NULL ? NULL : name->inode;
    if (inode == NULL && (flags & DISK_CREATE) == 0)
        return -ENOENT;
    if (sim_disk_mood.is_read_only && (flags & (DISK_WRITE | DISK_CREATE)) != 0)
        return -EROFS;
    if (sim_disk_mood.refuses_direct && (flags & DISK_DIRECT) != 0)
        return -EINVAL;
    if (inode == NULL) {
        if (disk_event())
            return -EIO;
        inode = disk_make(path, false);
    }
    if ((flags & DISK_TRUNCATE) != 0)
        inode_resize(inode, 0);
    for (unsigned i = 0; i < SIM_OPEN_MAX; i++) {
        struct sim_handle *handle = &disk.handles[i];
        if (handle->inode != NULL)
            continue;
        handle->inode = inode;
        handle->is_direct = (flags & DISK_DIRECT) != 0;
        handle->is_writable = (flags & DISK_WRITE) != 0;
        snprintf(handle->path, sizeof(handle->path), "%s", path);
        inode->refs++;
        return (int32_t)(SIM_DISK_FD_FIRST + i);
    }
    return -EMFILE;
}

int32_t sim_disk_close(int fd)
{
    struct sim_handle *handle = disk_handle(fd);
    inode_unref(handle->inode);
    handle->inode = NULL;
    return 0;
}

/* ---- bytes ---- */

static void disk_check_direct(const struct sim_handle *handle, const void *ptr, size_t len,
                              uint64_t offset)
{
    SIM_CHECK(!handle->is_direct || (((uintptr_t)ptr | len | offset) % DISK_ALIGNMENT) == 0,
              "a direct request that is not aligned");
}

int32_t sim_disk_read(int fd, void *to, size_t len, uint64_t offset)
{
    const struct sim_handle *handle = disk_handle(fd);
    const struct sim_inode *inode = handle->inode;
    disk_check_direct(handle, to, len, offset);
    if (disk.is_dead || sim_chance(sim_disk_mood.read_error))
        return -EIO;
    if (offset >= inode->size)
        return 0;
    size_t got = inode->size - offset < len ? (size_t)(inode->size - offset) : len;
    memcpy(to, inode->now + offset, got);
    return (int32_t)got;
}

/* Writes the sectors of the request, all or by chance some of them, to memory or to the platter. */
static void inode_put(struct sim_inode *inode, const uint8_t *from, size_t len, uint64_t offset,
                      bool is_torn, bool is_durable)
{
    if (offset + len > inode->size)
        inode_resize(inode, offset + len);
    for (size_t at = 0; at < len;) {
        uint64_t place = offset + at;
        size_t part = SIM_SECTOR - place % SIM_SECTOR;
        if (part > len - at)
            part = len - at;
        if (!is_torn || sim_chance(500)) {
            memcpy(inode->now + place, from + at, part);
            inode->dirty[place / SIM_SECTOR] = 1;
        }
        if (is_durable) {
            uint64_t sector = place / SIM_SECTOR * SIM_SECTOR;
            memcpy(inode->safe + sector, inode->now + sector, SIM_SECTOR);
            inode->dirty[place / SIM_SECTOR] = 0;
        }
        at += part;
    }
    if (is_durable && offset + len > inode->size_safe)
        inode->size_safe = offset + len;
}

int32_t sim_disk_write(int fd, const void *from, size_t len, uint64_t offset, bool durable)
{
    struct sim_handle *handle = disk_handle(fd);
    disk_check_direct(handle, from, len, offset);
    SIM_CHECK(handle->is_writable, "a write to a file that is open for reading");
    if (disk.is_dead)
        return -EIO;
    if (sim_chance(sim_disk_mood.interrupt))
        return sim_chance(500) ? -EINTR : -EAGAIN;
    if (durable && sim_disk_mood.refuses_dsync)
        return -EOPNOTSUPP;
    struct sim_inode *inode = handle->inode;
    uint64_t end = offset + len;
    if (end > inode->size && sim_disk_mood.capacity != 0 &&
        disk.used + (end - inode->size) > sim_disk_mood.capacity) {
        size_t part = sim_below((uint32_t)(len / SIM_SECTOR) + 1) * SIM_SECTOR;
        if (part == 0 || offset + part > inode->size)
            return -ENOSPC;
        inode_put(inode, from, part, offset, false, durable);
        return (int32_t)part;
    }
    if (disk_event() || sim_chance(sim_disk_mood.write_error)) {
        inode_put(inode, from, len, offset, true, sim_chance(500));
        return -EIO;
    }
    inode_put(inode, from, len, offset, false, durable);
    return (int32_t)len;
}

void sim_disk_tear(int fd, const void *from, size_t len, uint64_t offset)
{
    struct sim_handle *handle = disk_handle(fd);
    if (sim_disk_mood.capacity == 0 || offset + len <= handle->inode->size)
        inode_put(handle->inode, from, len, offset, true, sim_chance(500));
}

int32_t sim_disk_sync(int fd)
{
    struct sim_handle *handle = disk_handle(fd);
    struct sim_inode *inode = handle->inode;
    if (disk_event() || disk.is_dead)
        return -EIO;
    if (inode->is_dir) {
        disk_names_settle(handle->path, UINT32_MAX);
        return 0;
    }
    if (sim_chance(sim_disk_mood.sync_error)) {
        /* As kernels do: some of it is lost, and the next sync will say that all is well. */
        for (uint64_t sector = 0; sector < inode->capacity / SIM_SECTOR; sector++) {
            if (inode->dirty[sector] && sim_chance(500))
                memcpy(inode->safe + sector * SIM_SECTOR, inode->now + sector * SIM_SECTOR,
                       SIM_SECTOR);
            inode->dirty[sector] = 0;
        }
        return -EIO;
    }
    inode_settle(inode);
    return 0;
}

int32_t sim_disk_allocate(int fd, uint64_t len)
{
    struct sim_inode *inode = disk_handle(fd)->inode;
    if (disk.is_dead)
        return -EIO;
    if (len <= inode->size)
        return 0;
    if (sim_disk_mood.capacity != 0 && disk.used + (len - inode->size) > sim_disk_mood.capacity)
        return -ENOSPC;
    if (disk_event())
        return -EIO;
    inode_resize(inode, len);
    return 0;
}

/* ---- names ---- */

int32_t sim_disk_rename(const char *from, const char *to)
{
    if (disk.is_dead)
        return -EIO;
    if (names_find(&disk.now, from) == NULL)
        return -ENOENT;
    if (sim_chance(sim_disk_mood.write_error) || disk_event())
        return -EIO;
    disk_change(from, to, NULL);
    return 0;
}

int32_t sim_disk_remove(const char *path)
{
    if (disk.is_dead)
        return -EIO;
    if (names_find(&disk.now, path) == NULL)
        return -ENOENT;
    if (disk_event())
        return -EIO;
    disk_change(path, "", NULL);
    return 0;
}

/* ---- engine/disk.h ---- */

static enum rc disk_result(int32_t result)
{
    if (result >= 0)
        return RC_OK;
    errno = -result;
    switch (errno) {
    case ENOENT:
        return RC_NOT_FOUND;
    case EEXIST:
        return RC_EXISTS;
    case ENOSPC:
        return RC_FULL;
    case EROFS:
        return RC_DENIED;
    default:
        return RC_IO;
    }
}

int disk_open_flags(unsigned flags)
{
    return (int)flags;
}

enum rc disk_open(const char *path, unsigned flags, int *out_fd)
{
    int32_t result = sim_disk_open(path, flags);
    if (result >= 0)
        *out_fd = result;
    return disk_result(result);
}

void disk_close(int fd)
{
    (void)sim_disk_close(fd);
}

enum rc disk_read(int fd, void *to, size_t len, uint64_t offset, size_t *out_len)
{
    int32_t result = sim_disk_read(fd, to, len, offset);
    if (result >= 0)
        *out_len = (size_t)result;
    return disk_result(result);
}

enum rc disk_write(int fd, const void *from, size_t len, uint64_t offset)
{
    int32_t result;
    do
        result = sim_disk_write(fd, from, len, offset, false);
    while (result == -EINTR || result == -EAGAIN);
    return disk_result(result >= 0 && (size_t)result != len ? -ENOSPC : result);
}

enum rc disk_size(int fd, uint64_t *out_size)
{
    *out_size = disk_handle(fd)->inode->size;
    return RC_OK;
}

enum rc disk_allocate(int fd, uint64_t len)
{
    return disk_result(sim_disk_allocate(fd, len));
}

enum rc disk_sync(int fd)
{
    return disk_result(sim_disk_sync(fd));
}

enum rc disk_sync_dir(const char *path)
{
    int fd = -1;
    enum rc rc = disk_open(path, DISK_DIR, &fd);
    if (rc != RC_OK)
        return rc;
    rc = disk_sync(fd);
    disk_close(fd);
    return rc;
}

enum rc disk_make_dir(const char *path)
{
    if (disk.is_dead)
        return disk_result(-EIO);
    if (names_find(&disk.now, path) != NULL)
        return disk_result(-EEXIST);
    if (sim_disk_mood.is_read_only)
        return disk_result(-EROFS);
    if (disk_event())
        return disk_result(-EIO);
    disk_make(path, true);
    return RC_OK;
}

enum rc disk_rename(const char *from, const char *to)
{
    return disk_result(sim_disk_rename(from, to));
}

enum rc disk_remove(const char *path)
{
    return disk_result(sim_disk_remove(path));
}

enum rc disk_remove_dir(const char *path)
{
    return disk_result(sim_disk_remove(path));
}

enum rc disk_list(const char *path, void *context, void (*entry)(void *context, const char *name))
{
    if (disk.is_dead)
        return disk_result(-EIO);
    if (names_find(&disk.now, path) == NULL)
        return disk_result(-ENOENT);
    /* The list may change under `entry`. */
    struct sim_names *names = malloc(sizeof(*names));
    SIM_CHECK(names != NULL, "out of memory");
    memcpy(names, &disk.now, sizeof(*names));
    for (unsigned i = 0; i < names->num; i++)
        if (path_is_in(names->names[i].path, path))
            entry(context, names->names[i].path + strlen(path) + 1);
    free(names);
    return RC_OK;
}

enum rc disk_room(const char *dir, uint64_t *out_bytes)
{
    (void)dir;
    if (disk.is_dead)
        return disk_result(-EIO);
    uint64_t capacity = sim_disk_mood.capacity;
    *out_bytes = capacity == 0 ? UINT64_MAX : capacity > disk.used ? capacity - disk.used : 0;
    return RC_OK;
}

enum rc disk_probe(const char *dir, struct disk_abilities *out)
{
    (void)dir;
    if (disk.is_dead)
        return disk_result(-EIO);
    if (sim_disk_mood.is_read_only)
        return disk_result(-EROFS);
    /* The file of an earlier start can be written again, if there was one. */
    if (sim_disk_mood.capacity != 0 && disk.used + DISK_ALIGNMENT > sim_disk_mood.capacity &&
        sim_chance(500))
        return disk_result(-ENOSPC);
    *out = (struct disk_abilities){.direct = !sim_disk_mood.refuses_direct &&
                                             !sim_disk_mood.refuses_dsync,
                                   .dsync = !sim_disk_mood.refuses_dsync};
    return RC_OK;
}
