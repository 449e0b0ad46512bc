/*
 * store_replay.c -- see store_replay.h.
 *
 * Threads: see store_replay.h.
 */
#include "store_replay.h"

#include "manifest.h"

#define REPLAY_REASON_MAX 512

static enum rc replay_on_record(void *context, const struct wal_record *record)
{
    struct store_replay *replay = context;
    enum rc rc = image_apply(replay->image, record->type, record->body, record->loc.word);
    if (rc != RC_INVALID)
        return rc;
    /* Its checksum is right, so it was written like this, by another version or a fault of ours. */
    replay->unknown++;
    return RC_OK;
}

static void replay_on_progress(void *context, uint64_t bytes_done, uint64_t bytes_all)
{
    struct store_replay *replay = context;
    uint64_t percent = bytes_all == 0 ? 100 : bytes_done * 100 / bytes_all;
    if (percent < replay->shown_percent + 20)
        return;
    replay->shown_percent = percent;
    LOG(LOG_INFO, "log %u read to %llu %% of %llu MiB", (unsigned)replay->number,
        (unsigned long long)percent, (unsigned long long)(bytes_all >> 20));
}

static void replay_on_damage(void *context, const char *text)
{
    (void)context;
    LOG(LOG_WARNING, "damaged, skipped: %s", text);
}

enum rc store_replay_open(struct store_replay *replay, const struct store_config *config,
                          uint32_t number, const struct hash_key *key, struct image_clock clock)
{
    char path[MANIFEST_PATH_MAX];
    char reason[REPLAY_REASON_MAX] = "";
    *replay = (struct store_replay){.number = number};
    if (!manifest_log_path(path, sizeof(path), config->log_dir, config->generation, number))
        return RC_INVALID;
    replay->image = image_create(key, clock);
    if (replay->image == NULL)
        return RC_NO_MEMORY;
    struct wal_replay_options options = {.path = path,
                                         .skip_damaged = config->skip_damaged,
                                         .context = replay,
                                         .record = replay_on_record,
                                         .progress = replay_on_progress,
                                         .damage = replay_on_damage};
    enum rc rc = wal_replay(&options, &replay->log, reason, sizeof(reason));
    if (rc == RC_OK)
        return image_finish(replay->image);
    CHECK(replay->log == NULL);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    LOG(LOG_ERROR, "the log cannot be read: %s", reason[0] != '\0' ? reason : rc_text(rc));
    return rc;
}

void store_replay_close(struct store_replay *replay)
{
    wal_image_destroy(replay->log);
    image_destroy(replay->image);
    *replay = (struct store_replay){0};
}
