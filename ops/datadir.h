/*
 * datadir.h -- the directory of everything that outlives the process.
 *
 *   lock     held (flock) while a broker uses the directory; a second one refuses
 *   secret   16 random bytes, made once, mode 0600: the key that decides which shard is the home of
 *            a client id, so that clients cannot aim at one shard
 *
 * Threads: main, before the shards start and after they have ended.
 */
#ifndef SLUICE_DATADIR_H
#define SLUICE_DATADIR_H

#include "hash.h"
#include "rc.h"

struct datadir {
    char path[4096]; /* empty: in memory */
    int lock_fd;     /* -1: none */
    struct hash_key secret;
};

/*
 * The usual place: /var/lib/sluice for root, $XDG_STATE_HOME/sluice for others. False: none.
 */
MUST_USE bool datadir_usual(char *out, size_t size);

/*
 * Opens `path`, making it if needed; "" stands for the usual place, "none" for no directory. On
 * failure `out_reason` has one line that says what and how to mend it.
 */
MUST_USE enum rc datadir_open(struct datadir *dir, const char *path, char *out_reason,
                              size_t reason_size);
void datadir_close(struct datadir *dir);

#endif
