/*
 * wal_image.c -- what replay found, and bodies read from it without a running log.
 *
 * When a log moves to another number of shards, every body that is still needed is read once, in
 * about the order of the log. So the file read last stays open and the quarter of a MiB around the
 * last record stays in memory: most bodies cost a copy.
 *
 * Threads: the caller's value, one thread at a time.
 */
#include "wal_image.h"

#include <string.h>

#include "disk.h"
#include "mem.h"

#define WAL_IMAGE_WINDOW (256u * 1024)

void wal_image_destroy(struct wal_image *image)
{
    if (image == NULL)
        return;
    CHECK_OBJ(image, WAL_IMAGE_MAGIC);
    if (image->fd >= 0)
        disk_close(image->fd);
    mem_free(image->window);
    mem_free(image->segments);
    image->magic = 0;
    mem_free(image);
}

enum rc wal_image_view(const struct wal_image *image, struct wal_image **out)
{
    CHECK_OBJ(image, WAL_IMAGE_MAGIC);
    struct wal_image *view = mem_alloc(sizeof(*view));
    if (view == NULL)
        return RC_NO_MEMORY;
    *view = *image;
    view->fd = -1;
    view->window = NULL;
    view->window_len = 0;
    view->segments = NULL;
    if (image->num_segments > 0) {
        size_t size = image->num_segments * sizeof(*view->segments);
        view->segments = mem_alloc(size);
        if (view->segments == NULL) {
            mem_free(view);
            return RC_NO_MEMORY;
        }
        memcpy(view->segments, image->segments, size);
    }
    *out = view;
    return RC_OK;
}

void wal_image_figures_read(const struct wal_image *image, struct wal_image_figures *out)
{
    CHECK_OBJ(image, WAL_IMAGE_MAGIC);
    *out = image->figures;
}

/* The segment that holds `pos`; NULL: none. */
static const struct wal_image_segment *wal_image_find(const struct wal_image *image, uint64_t pos)
{
    uint32_t low = 0;
    uint32_t high = image->num_segments;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->segments[middle].head.base <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    CHECK(low <= image->num_segments);
    if (low == 0 || pos >= image->segments[low - 1].end)
        return NULL;
    return &image->segments[low - 1];
}

static enum rc wal_image_open(struct wal_image *image, const struct wal_image_segment *segment)
{
    char path[MANIFEST_PATH_MAX + 32];
    char name[WAL_NAME_LEN + 1];
    if (image->fd >= 0 && image->fd_number == segment->head.number)
        return RC_OK;
    if (image->fd >= 0)
        disk_close(image->fd);
    image->fd = -1;
    image->window_len = 0;
    wal_name_format(segment->head.number, name);
    size_t len = strlen(image->path);
    CHECK(len + 1 + sizeof(name) <= sizeof(path));
    memcpy(path, image->path, len);
    path[len] = '/';
    memcpy(path + len + 1, name, sizeof(name));
    enum rc rc = disk_open(path, DISK_READ, &image->fd);
    image->fd_number = segment->head.number;
    return rc;
}

/* Makes the window begin at `pos`. */
static enum rc wal_image_look(struct wal_image *image, const struct wal_image_segment *segment,
                              uint64_t pos)
{
    size_t got = 0;
    if (image->window == NULL)
        image->window = mem_alloc(WAL_IMAGE_WINDOW);
    if (image->window == NULL)
        return RC_NO_MEMORY;
    image->window_len = 0;
    enum rc rc = disk_read(image->fd, image->window, WAL_IMAGE_WINDOW,
                           WAL_BLOCK + pos - segment->head.base, &got);
    if (rc != RC_OK)
        return rc;
    image->window_pos = pos;
    image->window_len = (uint32_t)got;
    return RC_OK;
}

static bool wal_image_sees(const struct wal_image *image, uint64_t pos, uint64_t len)
{
    return image->window_len > 0 && pos >= image->window_pos &&
           pos - image->window_pos + len <= image->window_len;
}

enum rc wal_image_read(struct wal_image *image, struct wal_loc loc, void **out_buffer,
                       struct bytes *out_body)
{
    CHECK_OBJ(image, WAL_IMAGE_MAGIC);
    uint64_t pos = loc.word;
    const struct wal_image_segment *segment = wal_image_find(image, pos);
    if (segment == NULL)
        return RC_NOT_FOUND;
    enum rc rc = wal_image_open(image, segment);
    if (rc == RC_OK && !wal_image_sees(image, pos, WAL_RECORD_HEAD))
        rc = wal_image_look(image, segment, pos);
    if (rc != RC_OK)
        return rc;
    if (!wal_image_sees(image, pos, WAL_RECORD_HEAD))
        return RC_INVALID;
    uint64_t len = WAL_RECORD_HEAD +
                   (uint64_t)wal_record_body_len(image->window + (pos - image->window_pos));
    if (len > segment->end - pos)
        return RC_INVALID;
    uint8_t *buffer = mem_alloc(len);
    if (buffer == NULL)
        return RC_NO_MEMORY;
    if (!wal_image_sees(image, pos, len) && len <= WAL_IMAGE_WINDOW)
        rc = wal_image_look(image, segment, pos);
    size_t got = len;
    if (rc == RC_OK && wal_image_sees(image, pos, len))
        memcpy(buffer, image->window + (pos - image->window_pos), len);
    else if (rc == RC_OK)
        rc = disk_read(image->fd, buffer, len, WAL_BLOCK + pos - segment->head.base, &got);
    if (rc == RC_OK && (got != len || !wal_record_is_valid(image->log_id, pos, buffer)))
        rc = RC_INVALID;
    if (rc != RC_OK) {
        mem_free(buffer);
        return rc;
    }
    *out_buffer = buffer;
    *out_body = bytes_of(buffer + WAL_RECORD_HEAD, len - WAL_RECORD_HEAD);
    return RC_OK;
}
