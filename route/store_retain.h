/*
 * store_retain.h -- retained messages in the log.
 *
 * Every set and delete of a topic's retained message is logged by one shard, hash(topic) mod
 * shards, whoever published it. Another shard sends it there by mail, with a ticket if the
 * publisher's acknowledgement waits (confirm.h). Versions are drawn by the retained index; where
 * the order of mails is another one than that of versions, replay keeps the highest.
 *
 *   MAIL_RETAIN  data. ptr: struct msg, one shared reference. words[0]: version, words[1..2]: the
 *                ticket, words[3]: 1 if the topic's message was deleted.
 *
 * A message that arrives here when its topic has no value any more was deleted meanwhile, by a
 * later publication whose own mail may have been faster and may already be forgotten (a checkpoint
 * writes only what is there). So it is logged as a deletion.
 *
 * Threads: the shard's.
 */
#ifndef SLUICE_STORE_RETAIN_H
#define SLUICE_STORE_RETAIN_H

#include "store.h"

/* The shard that logs the topic. */
shard_id store_retain_owner(const struct router *router, struct bytes topic);

/* The retained message of `pub`'s topic is now version `version`, of this owner, or was deleted. */
void store_retain(struct router *router, const struct pub *pub, uint64_t owner, uint64_t version,
                  bool deleted);

void store_retain_on_mail(struct shard *shard, const struct mail *mail);
void store_retain_drop(const struct mail *mail);

#endif
