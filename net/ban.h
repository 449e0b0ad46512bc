/*
 * ban.h -- the ban list on a shard: who is refused, who is disconnected, who is to be banned.
 *
 * MAIL_BANS brings a new set (ban_set.h) and says whether somebody who is connected may be banned
 * by it: then the shard looks at all its connections, a slice per turn, and disconnects those with
 * 0x98. CONNECT is asked about where it arrives, before any other shard hears of it, and once more
 * when authentication has said who the client is (0x8A; 3.x: 5).
 *
 * Clients that flap (flapping.h) are named to the ops thread by MAIL_BAN_WANTED.
 *
 * Threads: the owner shard; struct ban_wanted goes to the ops thread.
 */
#ifndef SLUICE_BAN_H
#define SLUICE_BAN_H

#include "conn.h"

struct mail;
struct net;
struct shard;

#define BAN_WANTED_MAGIC 0x57414e54u

/* A client id that should be banned; owned by the mail that carries it. */
struct ban_wanted {
    uint32_t magic;
    uint32_t len;
    char client_id[]; /* zero-terminated */
};

/* Is the client banned? `user_name`: ptr NULL for none. */
bool ban_holds(const struct conn *conn, struct bytes client_id, struct bytes user_name);

/* Goes on with looking at connections; true while there are more. */
bool ban_sweep(struct net *net);

/* The connection of a client ends by `cause`: perhaps once too often. */
void ban_note_end(struct conn *conn, enum conn_cause cause);

void ban_on_mail(struct shard *shard, const struct mail *mail);
void ban_wanted_drop(const struct mail *mail);

#endif
