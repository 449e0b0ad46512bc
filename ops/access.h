/*
 * access.h -- from the configuration to the chains of authentication, and their threads.
 *
 * access_create reads every file that a step names and builds a set of chains (route/authn.h). It
 * is built at start, and anew with every reload; the shards get a reference each by mail.
 *
 * The workers are started with the broker, whether a step needs them or not: a reload may bring one
 * that does, and a thread that sleeps costs nothing.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ACCESS_H
#define SLUICE_ACCESS_H

#include "authn.h"
#include "config.h"
#include "outside.h"
#include "worker_thread.h"

struct broker;
struct userdb;

#define ACCESS_WORKERS_MAX 32

/* The broker's part of authentication. */
struct access {
    unsigned workers_num;     /* endpoints kept for them */
    unsigned workers_started; /* threads that run */
    struct worker workers[ACCESS_WORKERS_MAX];
    struct outside outside; /* who speaks to the helper process */
};

/*
 * The chains that `config` asks for, with users of `userdb`. NULL: a file cannot be read or is not
 * right, or there is no memory; *errors has a message with file and line.
 */
MUST_USE struct authn_set *access_create(const struct config *config, struct userdb *userdb,
                                         struct error_list *errors);

/*
 * What an operator should know of a chain that is right, but cannot work: a built-in database into
 * which no user can come. NULL: nothing.
 */
const char *access_doubt(const struct config *config);

/* How many workers the configuration wants for so many shards. */
unsigned access_workers(const struct config *config, unsigned shards);

/* Fills in what the shards have to know of workers, whose endpoints begin at `first`. */
void access_prepare(struct broker *broker, shard_id first);

/* Starts the workers, and ends them when the shards have ended. */
MUST_USE enum rc access_start(struct broker *broker);
void access_stop(struct broker *broker);

/* Looks after the workers; every turn. */
void access_turn(struct broker *broker, uint64_t now_ns);

/* A step has new keys (jwks.h): puts it into the place of the old one. */
void access_on_step(struct broker *broker, const struct mail *mail);

/* Gives every shard, and the helper's endpoint, a reference to the set, by mail. */
void access_publish(struct broker *broker, struct authn_set *set);

#endif
