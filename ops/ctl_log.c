/*
 * ctl_log.c -- sluicectl log: reads the logs of a data directory at rest.
 *
 *     dump     one line for each record: shard, lsn, location, moment of its commit, what it says
 *     verify   reads everything that is there and says what is damaged, with file and offset
 *     stat     per shard: records, commits, bytes, segments, from which lsn a start would replay
 *
 * Nothing is written. The directory should be at rest: of a running broker's log the end is not
 * foreseeable, everything before it is.
 *
 * Threads: one.
 */
#include "ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl_log_record.h"
#include "manifest.h"
#include "rfc3339.h"
#include "wal_replay.h"

enum ctl_log_action { CTL_LOG_DUMP, CTL_LOG_VERIFY, CTL_LOG_STAT };

struct ctl_log {
    enum ctl_log_action action;
    uint32_t shard;
    unsigned damaged;
};

static enum rc ctl_log_record(void *context, const struct wal_record *record)
{
    const struct ctl_log *log = context;
    if (log->action != CTL_LOG_DUMP)
        return RC_OK;
    char moment[RFC3339_LEN_MAX + 1];
    printf("%" PRIu32 " %" PRIu64 " %" PRIu64 " %s ", log->shard, record->lsn, record->loc.word,
           rfc3339_format(record->wall_ms / 1000, moment));
    ctl_log_record_print(record->type, record->body, stdout);
    putchar('\n');
    return RC_OK;
}

static void ctl_log_damage(void *context, const char *text)
{
    struct ctl_log *log = context;
    log->damaged++;
    fprintf(stderr, "sluicectl log: %s\n", text);
}

static int ctl_log_shard(struct ctl_log *log, const char *path)
{
    char reason[512];
    struct wal_image *image;
    struct wal_image_figures figures;
    struct wal_replay_options options = {.path = path,
                                         .skip_damaged = true,
                                         .from_start = log->action != CTL_LOG_STAT,
                                         .context = log,
                                         .record = ctl_log_record,
                                         .damage = ctl_log_damage};
    enum rc rc = wal_replay(&options, &image, reason, sizeof(reason));
    if (rc == RC_NOT_FOUND) {
        printf("shard %" PRIu32 ": no records\n", log->shard);
        return 0;
    }
    if (rc != RC_OK) {
        fprintf(stderr, "sluicectl log: %s\n", reason);
        return CTL_FAILED;
    }
    wal_image_figures_read(image, &figures);
    if (log->action != CTL_LOG_DUMP)
        printf("shard %" PRIu32 ": records %" PRIu64 ", commits %" PRIu64 ", bytes %" PRIu64
               ", segments %" PRIu32 ", replay from lsn %" PRIu64 " to %" PRIu64
               ", damaged %" PRIu64 "\n",
               log->shard, figures.records, figures.commits, figures.bytes, figures.segments,
               figures.lsn_checkpoint, figures.lsn_last, figures.damaged);
    wal_image_destroy(image);
    return log->damaged > 0 ? CTL_FAILED : 0;
}

int ctl_log(int argc, char *const *argv)
{
    static const char *const actions[] = {"dump", "verify", "stat"};
    char dir[MANIFEST_PATH_MAX];
    char path[MANIFEST_PATH_MAX];
    char reason[512];
    struct ctl_log log = {.action = CTL_LOG_DUMP};
    struct manifest manifest;
    if (argc != 3)
        return ctl_usage("log", "an action and a data directory are needed");
    while (log.action < ARRAY_LEN(actions) && strcmp(argv[1], actions[log.action]) != 0)
        log.action++;
    if (log.action == ARRAY_LEN(actions))
        return ctl_usage("log", "the action is dump, verify or stat");
    if (snprintf(dir, sizeof(dir), "%s/log", argv[2]) >= (int)sizeof(dir))
        return ctl_usage("log", "the directory's name is too long");
    enum rc rc = manifest_load(dir, &manifest, reason, sizeof(reason));
    if (rc != RC_OK) {
        fprintf(stderr, "sluicectl log: %s\n",
                rc == RC_NOT_FOUND ? "there is no log in this directory" : reason);
        return CTL_FAILED;
    }
    int worst = 0;
    for (log.shard = 0; log.shard < manifest.shards; log.shard++) {
        if (!manifest_log_path(path, sizeof(path), dir, manifest.generation, log.shard))
            return ctl_usage("log", "the directory's name is too long");
        int result = ctl_log_shard(&log, path);
        worst = result != 0 ? result : worst;
    }
    return worst;
}
