/*
 * sim_store.h -- the parts of sim_store.c: logs with their twins, and what happens to them.
 */
#ifndef SLUICE_SIM_STORE_H
#define SLUICE_SIM_STORE_H

#include "../shard_stub.h"
#include "sim_twin.h"

/* What was appended up to `lsn`. */
struct state {
    uint64_t lsn;
    struct twin *twin;
};

/* A checkpoint under way. */
struct snap {
    bool is_on;
    unsigned client; /* being written, or next */
    unsigned subs_left;
    bool has_begun;
    bool has_head;
    uint64_t session;
    uint64_t limit;
    struct twin_entry last; /* of the queue */
    bool has_last;
};

struct log {
    struct shard_stub stub;
    struct wal *wal;
    struct twin now;
    struct state *states;
    unsigned states_num;
    uint64_t committed;
    uint64_t number_next;
    struct store_image *image;
    struct wal_image *found;
    struct snap snap;
};

extern struct log store_logs[TWIN_LOGS];
extern unsigned store_logs_num;
extern uint64_t store_written[STORE_TYPE_END]; /* records of each kind */

/* All that was appended to the log up to `last` means what its twin says now. */
void store_mark(struct log *log, uint64_t last);

/* A random operation on the log, as far as the disk lets it. The thread is the log's. */
void store_step(unsigned log);

/* ---- parts of operations ---- */

extern unsigned sim_at; /* the log at hand */

/* Its twin. */
struct twin *sim_now(void);

/* Appends what the twin says already. */
void sim_put_mark(const struct store_record *record);
void sim_put_pair(enum store_type type, uint64_t session, uint64_t number);
void sim_put_seen(uint8_t type, unsigned publisher, unsigned id, struct store_class by);

/* Records of what the twin says; views last as those of sim_twin.h. */
void sim_head_of(const struct twin_session *session, unsigned client, uint8_t type,
                 struct store_record *out);
struct store_record sim_will_record(const struct twin_will *will);
struct store_record sim_row_record(unsigned row);
struct store_entry sim_entry_of(const struct twin_entry *entry);
bool sim_needs_body(const struct twin_entry *entry);

/* A will leaves its session: a checkpoint under way gets it at once (store_will.h). */
void sim_will_due(struct twin_will *will);

/* A slice of a checkpoint, or the beginning of one. */
void sim_step_checkpoint(void);

#endif
