/*
 * wal_replay.c -- see wal_replay.h; the rules are those at the end of the essay of wal_format.h.
 *
 * Three passes. The directory: headers of all files; the last segment and, by the links back from
 * it, the chain of those that follow each other without a gap; older ones are stores. The last
 * segment's commits, for the newest checkpoint. Then the segments from that checkpoint on, one at a
 * time in memory, their records handed over as they come.
 *
 * Bounds: one file in memory, and a table of all segments.
 * Threads: see wal_replay.h.
 */
#include "wal_replay.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "mem.h"
#include "wal_image.h"
#include "wal_scan.h"

#define WAL_FILES_FIRST 64

/* One file of the directory, a value. */
struct wal_file {
    struct wal_head head; /* if is_valid */
    uint64_t number;
    uint64_t size;
    bool is_valid;
    bool is_cut; /* lies behind the end of the log */
};

struct wal_replay {
    const struct wal_replay_options *options;
    struct wal_image *image;
    struct wal_file *files; /* by number */
    uint32_t num_files;
    uint32_t files_cap;
    enum rc list_rc;
    uint64_t proved;      /* what lies before was durable, some header or commit says */
    uint32_t chain_first; /* index into image->segments of the first that links to the last */
    uint8_t *bytes;       /* of the file in memory */
    uint64_t bytes_cap;
    uint64_t lsn_next;
    uint64_t pos;
    uint64_t bytes_all;
    uint64_t bytes_done;
    char *out_reason;
    size_t reason_size;
};

/* ---- saying what is wrong ---- */

static enum rc wal_replay_fail(struct wal_replay *replay, enum rc rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum rc wal_replay_fail(struct wal_replay *replay, enum rc rc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(replay->out_reason, replay->reason_size, format, args);
    va_end(args);
    return rc;
}

static enum rc wal_replay_io(struct wal_replay *replay, enum rc rc, const char *path)
{
    return wal_replay_fail(replay, rc, "%s: %s", path, strerror(errno));
}

/* A damaged place. RC_OK: it may be skipped. */
static enum rc wal_replay_damage(struct wal_replay *replay, uint64_t number, uint64_t offset,
                                 const char *what)
{
    char name[WAL_NAME_LEN + 1];
    char text[MANIFEST_PATH_MAX + 256];
    wal_name_format(number, name);
    snprintf(text, sizeof(text), "%s/%s: offset %llu: %s", replay->options->path, name,
             (unsigned long long)offset, what);
    if (!replay->options->skip_damaged)
        return wal_replay_fail(replay, RC_INVALID, "%s", text);
    replay->image->figures.damaged++;
    if (replay->options->damage != NULL)
        replay->options->damage(replay->options->context, text);
    return RC_OK;
}

/* ---- files ---- */

static void wal_replay_path(const struct wal_replay *replay, uint64_t number, char *out,
                            size_t size)
{
    char name[WAL_NAME_LEN + 1];
    wal_name_format(number, name);
    int len = snprintf(out, size, "%s/%s", replay->options->path, name);
    CHECK(len > 0 && (size_t)len < size);
}

static void wal_replay_entry(void *context, const char *name)
{
    struct wal_replay *replay = context;
    uint64_t number;
    if (!wal_name_parse(name, &number))
        return;
    if (replay->num_files == replay->files_cap) {
        uint32_t cap = replay->files_cap == 0 ? WAL_FILES_FIRST : 2 * replay->files_cap;
        struct wal_file *files = mem_alloc(cap * sizeof(*files));
        if (files == NULL) {
            replay->list_rc = RC_NO_MEMORY;
            return;
        }
        if (replay->num_files > 0)
            memcpy(files, replay->files, replay->num_files * sizeof(*files));
        mem_free(replay->files);
        replay->files = files;
        replay->files_cap = cap;
    }
    replay->files[replay->num_files++] = (struct wal_file){.number = number};
}

static int wal_file_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct wal_file *)a)->number;
    uint64_t right = ((const struct wal_file *)b)->number;
    return left < right ? -1 : left > right;
}

static enum rc wal_replay_head(struct wal_replay *replay, struct wal_file *file)
{
    char path[MANIFEST_PATH_MAX + 32];
    uint8_t head[WAL_HEAD_LEN];
    size_t got = 0;
    int fd;
    wal_replay_path(replay, file->number, path, sizeof(path));
    enum rc rc = disk_open(path, DISK_READ, &fd);
    if (rc != RC_OK)
        return wal_replay_io(replay, rc, path);
    rc = disk_size(fd, &file->size);
    if (rc == RC_OK)
        rc = disk_read(fd, head, sizeof(head), 0, &got);
    if (rc != RC_OK)
        rc = wal_replay_io(replay, rc, path);
    disk_close(fd);
    if (rc != RC_OK || got < sizeof(head))
        return rc;
    rc = wal_head_decode(head, &file->head);
    if (rc == RC_UNSUPPORTED)
        return wal_replay_fail(replay, rc,
                               "%s: written by a newer version of sluiced; this one reads up to "
                               "format %d",
                               path, WAL_VERSION);
    file->is_valid = rc == RC_OK && file->head.number == file->number;
    if (file->is_valid && file->head.pos_durable > replay->proved)
        replay->proved = file->head.pos_durable;
    return RC_OK;
}

static enum rc wal_replay_list(struct wal_replay *replay)
{
    enum rc rc = disk_list(replay->options->path, replay, wal_replay_entry);
    if (rc == RC_NOT_FOUND)
        return rc;
    if (rc != RC_OK)
        return wal_replay_io(replay, rc, replay->options->path);
    if (replay->list_rc != RC_OK)
        return wal_replay_fail(replay, replay->list_rc, "not enough memory to read the log");
    if (replay->num_files == 0)
        return RC_NOT_FOUND;
    qsort(replay->files, replay->num_files, sizeof(*replay->files), wal_file_compare);
    for (uint32_t i = 0; i < replay->num_files; i++) {
        rc = wal_replay_head(replay, &replay->files[i]);
        if (rc != RC_OK)
            return rc;
    }
    replay->image->number_max = replay->files[replay->num_files - 1].number;
    return RC_OK;
}

/* Reads a whole file into replay->bytes. */
static enum rc wal_replay_load(struct wal_replay *replay, uint64_t number, uint64_t *out_len)
{
    char path[MANIFEST_PATH_MAX + 32];
    uint64_t size = 0;
    size_t got = 0;
    int fd;
    wal_replay_path(replay, number, path, sizeof(path));
    enum rc rc = disk_open(path, DISK_READ, &fd);
    if (rc != RC_OK)
        return wal_replay_io(replay, rc, path);
    rc = disk_size(fd, &size);
    if (rc == RC_OK && size > replay->bytes_cap) {
        mem_free(replay->bytes);
        replay->bytes_cap = 0;
        replay->bytes = mem_alloc(size);
        errno = ENOMEM;
        rc = replay->bytes == NULL ? RC_NO_MEMORY : RC_OK;
        if (rc == RC_OK)
            replay->bytes_cap = size;
    }
    if (rc == RC_OK && size > 0)
        rc = disk_read(fd, replay->bytes, size, 0, &got);
    if (rc != RC_OK)
        rc = wal_replay_io(replay, rc, path);
    disk_close(fd);
    *out_len = got;
    return rc;
}

/* ---- the chain ---- */

static struct wal_file *wal_replay_file(const struct wal_replay *replay, uint64_t number)
{
    for (uint32_t i = replay->num_files; i-- > 0;)
        if (replay->files[i].number == number)
            return replay->files[i].is_valid ? &replay->files[i] : NULL;
    return NULL;
}

/* Files without a valid header behind the last segment: made ahead, torn, or damaged. */
static enum rc wal_replay_headless(struct wal_replay *replay, uint64_t last)
{
    for (uint32_t i = 0; i < replay->num_files; i++) {
        const struct wal_file *file = &replay->files[i];
        uint64_t len;
        if (file->number <= last || file->is_cut || file->size < 3 * WAL_BLOCK)
            continue;
        enum rc rc = wal_replay_load(replay, file->number, &len);
        if (rc == RC_OK && wal_scan_headless(replay->bytes, len, file->number))
            rc = wal_replay_damage(replay, file->number, 0, "the segment's header is damaged");
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* Whether `file` can be the segment before one with header `next`. */
static bool wal_replay_precedes(const struct wal_file *file, const struct wal_head *next)
{
    return file != NULL && file->head.log_id == next->log_id && file->head.base < next->base &&
           file->head.lsn_first <= next->lsn_first;
}

static bool wal_replay_is_store(const struct wal_file *file, const struct wal_file *first)
{
    return file->is_valid && file->number < first->number &&
           wal_replay_precedes(file, &first->head);
}

static int wal_segment_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct wal_image_segment *)a)->head.base;
    uint64_t right = ((const struct wal_image_segment *)b)->head.base;
    return left < right ? -1 : left > right;
}

static void wal_replay_enter(struct wal_image *image, const struct wal_file *file)
{
    image->segments[image->num_segments++] = (struct wal_image_segment){.head = file->head,
                                                                        .file_size = file->size};
}

/* Fills image->segments, by rising base: stores, then the chain. */
static enum rc wal_replay_chain(struct wal_replay *replay)
{
    struct wal_image *image = replay->image;
    struct wal_file *last = NULL;
    for (uint32_t i = 0; i < replay->num_files; i++)
        if (replay->files[i].is_valid)
            last = &replay->files[i];
    enum rc rc = wal_replay_headless(replay, last == NULL ? 0 : last->number);
    if (rc != RC_OK)
        return rc;
    if (last == NULL)
        return RC_NOT_FOUND;
    mem_free(image->segments);
    image->num_segments = 0;
    image->segments = mem_alloc(replay->num_files * sizeof(*image->segments));
    if (image->segments == NULL)
        return wal_replay_fail(replay, RC_NO_MEMORY, "not enough memory to read the log");
    image->log_id = last->head.log_id;
    const struct wal_file *first = last;
    wal_replay_enter(image, last);
    for (;;) {
        const struct wal_file *before = wal_replay_file(replay, first->head.before);
        if (first->head.before == 0 || !wal_replay_precedes(before, &first->head))
            break;
        wal_replay_enter(image, before);
        first = before;
    }
    uint32_t in_chain = image->num_segments;
    for (uint32_t i = 0; i < replay->num_files; i++)
        if (wal_replay_is_store(&replay->files[i], first))
            wal_replay_enter(image, &replay->files[i]);
    qsort(image->segments, image->num_segments, sizeof(*image->segments), wal_segment_compare);
    replay->chain_first = image->num_segments - in_chain;
    return RC_OK;
}

/* Position at which the range of a segment ends at the latest. */
static uint64_t wal_replay_limit(const struct wal_image *image, uint32_t index)
{
    return index + 1 < image->num_segments ? image->segments[index + 1].head.base : UINT64_MAX;
}

static enum rc wal_replay_open(struct wal_replay *replay, uint32_t index, struct wal_scan *out)
{
    const struct wal_image_segment *segment = &replay->image->segments[index];
    uint64_t len;
    enum rc rc = wal_replay_load(replay, segment->head.number, &len);
    *out = (struct wal_scan){.head = segment->head,
                             .bytes = replay->bytes,
                             .len = len,
                             .limit = wal_replay_limit(replay->image, index)};
    return rc;
}

/* The newest checkpoint that a commit of the last segment, or its header, speaks of. */
static enum rc wal_replay_checkpoint(struct wal_replay *replay)
{
    struct wal_image *image = replay->image;
    struct wal_scan scan;
    struct wal_commit commit;
    enum rc rc = wal_replay_open(replay, image->num_segments - 1, &scan);
    if (rc != RC_OK)
        return rc;
    image->checkpoint_pos = scan.head.checkpoint_pos;
    image->checkpoint_lsn = scan.head.checkpoint_lsn;
    uint64_t pos = scan.head.base;
    while (wal_scan_find(&scan, pos, &commit)) {
        if (commit.checkpoint_pos > image->checkpoint_pos && commit.checkpoint_pos <= commit.pos) {
            image->checkpoint_pos = commit.checkpoint_pos;
            image->checkpoint_lsn = commit.checkpoint_lsn;
        }
        if (commit.pos_durable > replay->proved)
            replay->proved = commit.pos_durable;
        pos = wal_commit_end(&commit);
    }
    return RC_OK;
}

/*
 * Whether the segment with the checkpoint is missing and what follows was never durable: then the
 * log ends before the gap. `replay->files` forgets what lies behind it.
 */
static bool wal_replay_is_cut(struct wal_replay *replay)
{
    const struct wal_image *image = replay->image;
    const struct wal_head *first = &image->segments[replay->chain_first].head;
    uint64_t number = first->number;
    uint64_t pos = image->checkpoint_pos == 0 ? WAL_POS_FIRST : image->checkpoint_pos;
    if (first->base <= pos || first->pos_durable == first->base)
        return false;
    if (replay->chain_first == 0 && replay->proved > WAL_POS_FIRST)
        return false;
    for (uint32_t i = 0; i < replay->num_files; i++) {
        replay->files[i].is_cut |= replay->files[i].number >= number;
        replay->files[i].is_valid &= !replay->files[i].is_cut;
    }
    replay->image->figures.torn = true;
    return true;
}

/* ---- handing over ---- */

static enum rc wal_replay_commit(struct wal_replay *replay, const struct wal_commit *commit,
                                 const uint8_t *records)
{
    struct wal_image_figures *figures = &replay->image->figures;
    uint64_t at = 0;
    for (uint32_t i = 0; i < commit->count; i++) {
        const uint8_t *head = records + at;
        struct wal_record record = {
            .lsn = commit->lsn_first + i,
            .loc = {commit->pos + WAL_COMMIT_LEN + at},
            .wall_ms = commit->wall_ms,
            .body = bytes_of(head + WAL_RECORD_HEAD, wal_record_body_len(head)),
            .type = head[8],
        };
        at += WAL_RECORD_HEAD + (uint64_t)record.body.len;
        bool is_wanted = replay->options->from_start || record.lsn >= replay->image->checkpoint_lsn;
        if (!is_wanted || replay->options->record == NULL)
            continue;
        figures->records++;
        enum rc rc = replay->options->record(replay->options->context, &record);
        if (rc != RC_OK)
            return wal_replay_fail(replay, rc, "record %llu of log %s was not taken: %s",
                                   (unsigned long long)record.lsn, replay->options->path,
                                   rc_text(rc));
    }
    CHECK(at == commit->len);
    figures->commits++;
    figures->wall_ms_last = commit->wall_ms;
    replay->lsn_next = commit->lsn_first + commit->count;
    replay->pos = wal_commit_end(commit);
    return RC_OK;
}

/* What stands at replay->pos is no commit that belongs there. */
enum wal_verdict { WAL_VERDICT_END, WAL_VERDICT_DAMAGE };

static enum wal_verdict wal_replay_judge(const struct wal_replay *replay,
                                         const struct wal_scan *scan, uint32_t index)
{
    CHECK(index < replay->image->num_segments && replay->pos % WAL_BLOCK == 0);
    if (replay->proved > replay->pos)
        return WAL_VERDICT_DAMAGE;
    return wal_scan_proves(scan, replay->pos + WAL_BLOCK, replay->pos) ? WAL_VERDICT_DAMAGE
                                                                       : WAL_VERDICT_END;
}

static void wal_replay_progress(struct wal_replay *replay, uint64_t len)
{
    replay->bytes_done += len;
    replay->image->figures.bytes += len;
    if (replay->options->progress != NULL)
        replay->options->progress(replay->options->context, replay->bytes_done, replay->bytes_all);
}

/* Goes on with the next whole commit of the segment; false: there is none. */
static bool wal_replay_skip(struct wal_replay *replay, const struct wal_scan *scan)
{
    struct wal_commit commit;
    uint64_t pos = replay->pos + WAL_BLOCK;
    while (wal_scan_find(scan, pos, &commit)) {
        if (commit.lsn_first >= replay->lsn_next) {
            replay->pos = commit.pos;
            replay->lsn_next = commit.lsn_first;
            return true;
        }
        pos = wal_commit_end(&commit);
    }
    return false;
}

/*
 * Hands over what the segment has from replay->pos on. `out_is_end`: the log ends here, although
 * segments may follow.
 */
static enum rc wal_replay_segment(struct wal_replay *replay, uint32_t index, bool *out_is_end)
{
    CHECK(index < replay->image->num_segments);
    struct wal_image_segment *segment = &replay->image->segments[index];
    struct wal_scan scan;
    struct wal_commit commit;
    const uint8_t *records;
    enum rc rc = wal_replay_open(replay, index, &scan);
    while (rc == RC_OK && replay->pos != scan.limit) {
        if (wal_scan_commit(&scan, replay->pos, &commit, &records) &&
            commit.lsn_first == replay->lsn_next) {
            rc = wal_replay_commit(replay, &commit, records);
            segment->end = replay->pos;
            continue;
        }
        if (index < replay->chain_first)
            break; /* a store: what followed it is gone, nothing can be said of its end */
        if (wal_replay_judge(replay, &scan, index) == WAL_VERDICT_END) {
            *out_is_end = true;
            break;
        }
        rc = wal_replay_damage(replay, segment->head.number,
                               WAL_BLOCK + replay->pos - segment->head.base,
                               "a commit is damaged, and later ones are whole");
        if (rc != RC_OK || !wal_replay_skip(replay, &scan))
            break;
    }
    wal_replay_progress(replay, scan.len);
    return rc;
}

/* Where replay begins: the index of the segment, and position and lsn in it. */
static enum rc wal_replay_begin(struct wal_replay *replay, uint32_t *out_index)
{
    struct wal_image *image = replay->image;
    uint32_t index = replay->options->from_start ? 0 : replay->chain_first;
    uint64_t pos = image->checkpoint_pos == 0 ? WAL_POS_FIRST : image->checkpoint_pos;
    const struct wal_head *head = &image->segments[replay->chain_first].head;
    if (head->base > pos) {
        enum rc rc = wal_replay_damage(replay, head->before == 0 ? head->number : head->before, 0,
                                       "the segment is missing or its header is damaged");
        if (rc != RC_OK)
            return rc;
        pos = head->base;
    }
    if (replay->options->from_start) {
        pos = image->segments[0].head.base;
    } else {
        while (index + 1 < image->num_segments && image->segments[index + 1].head.base <= pos)
            index++;
    }
    struct wal_scan scan;
    struct wal_commit commit;
    const uint8_t *records;
    enum rc rc = wal_replay_open(replay, index, &scan);
    replay->pos = pos;
    replay->lsn_next = scan.head.lsn_first;
    /* In the middle of a segment only the commit itself knows its lsn. */
    if (rc == RC_OK && pos != scan.head.base && wal_scan_commit(&scan, pos, &commit, &records))
        replay->lsn_next = commit.lsn_first;
    else if (pos != scan.head.base)
        replay->lsn_next = image->checkpoint_lsn;
    *out_index = index;
    return rc;
}

/* From one segment to the next one. */
static enum rc wal_replay_cross(struct wal_replay *replay, uint32_t next)
{
    CHECK(next > 0 && next < replay->image->num_segments);
    const struct wal_head *head = &replay->image->segments[next].head;
    bool is_gap = replay->pos != head->base || replay->lsn_next != head->lsn_first;
    enum rc rc = RC_OK;
    if (head->lsn_first < replay->lsn_next || head->base < replay->pos)
        return wal_replay_fail(replay, RC_INVALID, "%s: segment %llu begins before the one before",
                               replay->options->path, (unsigned long long)head->number);
    /* Damage that was skipped has been said; what is missing between stores was given free. */
    if (is_gap && next > replay->chain_first && replay->image->figures.damaged == 0)
        rc = wal_replay_damage(replay, head->number, 0, "records before this segment are missing");
    replay->pos = head->base;
    replay->lsn_next = head->lsn_first;
    return rc;
}

static enum rc wal_replay_records(struct wal_replay *replay)
{
    struct wal_image *image = replay->image;
    uint32_t index = 0;
    bool is_end = false;
    enum rc rc = wal_replay_begin(replay, &index);
    for (uint32_t i = index; i < image->num_segments; i++)
        replay->bytes_all += image->segments[i].file_size;
    for (; rc == RC_OK; index++) {
        rc = wal_replay_segment(replay, index, &is_end);
        if (rc != RC_OK || is_end || index + 1 == image->num_segments)
            break;
        rc = wal_replay_cross(replay, index + 1);
    }
    if (rc != RC_OK)
        return rc;
    image->figures.torn |= is_end && index + 1 < image->num_segments;
    image->num_segments = index + 1;
    return RC_OK;
}

/* ---- the image ---- */

/* Where stores end, and that no empty segment is kept. */
static void wal_replay_ends(struct wal_image *image, uint64_t pos_end)
{
    for (uint32_t i = 0; i < image->num_segments; i++) {
        struct wal_image_segment *segment = &image->segments[i];
        if (segment->end != 0)
            continue;
        uint64_t most = segment->head.base +
                        (segment->file_size > WAL_BLOCK ? segment->file_size - WAL_BLOCK : 0);
        uint64_t limit = wal_replay_limit(image, i);
        segment->end = most < limit ? most : limit;
        if (limit == UINT64_MAX)
            segment->end = segment->head.base;
    }
    while (image->num_segments > 0 && image->segments[image->num_segments - 1].end <=
                                          image->segments[image->num_segments - 1].head.base)
        image->num_segments--;
    image->pos_end = pos_end;
}

static enum rc wal_replay_all(struct wal_replay *replay)
{
    struct wal_image *image = replay->image;
    enum rc rc = wal_replay_list(replay);
    do {
        if (rc == RC_OK)
            rc = wal_replay_chain(replay);
        if (rc == RC_OK)
            rc = wal_replay_checkpoint(replay);
    } while (rc == RC_OK && wal_replay_is_cut(replay));
    if (rc == RC_OK)
        rc = wal_replay_records(replay);
    if (rc != RC_OK)
        return rc;
    wal_replay_ends(image, replay->pos);
    image->figures.lsn_last = replay->lsn_next - 1;
    image->figures.lsn_checkpoint = image->checkpoint_lsn == 0 ? 1 : image->checkpoint_lsn;
    image->figures.segments = image->num_segments;
    return RC_OK;
}

enum rc wal_replay(const struct wal_replay_options *options, struct wal_image **out_image,
                   char *out_reason, size_t reason_size)
{
    CHECK(options->path != NULL && out_image != NULL && reason_size > 0);
    struct wal_image *image = mem_alloc(sizeof(*image));
    if (image == NULL || strlen(options->path) >= sizeof(image->path)) {
        snprintf(out_reason, reason_size, "not enough memory to read the log");
        mem_free(image);
        return RC_NO_MEMORY;
    }
    memset(image, 0, sizeof(*image));
    image->magic = WAL_IMAGE_MAGIC;
    image->fd = -1;
    memcpy(image->path, options->path, strlen(options->path) + 1);
    struct wal_replay replay = {
        .options = options, .image = image, .out_reason = out_reason, .reason_size = reason_size};
    out_reason[0] = '\0';
    enum rc rc = wal_replay_all(&replay);
    mem_free(replay.files);
    mem_free(replay.bytes);
    if (rc == RC_OK)
        *out_image = image;
    else
        wal_image_destroy(image);
    return rc;
}
