/*
 * micro_mesh.c -- mail between shards, and the epoch section of a turn.
 *
 * Both ends on one thread: what the instructions cost, without the cache lines' way to another core
 * (some 5 ns a record more) and without wake-ups.
 *
 * Threads: one.
 */
#include "epoch.h"
#include "mail.h"
#include "micro.h"

#include <stdlib.h>

struct mesh_pair {
    struct mesh *mesh;
    struct mail_port *from;
    struct mail_port *to;
    uint64_t batch;
    struct stats stats[2];
};

static void *mesh_setup(int64_t batch)
{
    struct mesh_pair *pair = aligned_alloc(64, (sizeof(*pair) + 63) / 64 * 64);
    CHECK(pair != NULL);
    *pair = (struct mesh_pair){.mesh = mesh_create(2), .batch = (uint64_t)batch};
    CHECK(pair->mesh != NULL);
    pair->from = mail_port_create(pair->mesh, 0, &pair->stats[0]);
    pair->to = mail_port_create(pair->mesh, 1, &pair->stats[1]);
    CHECK(pair->from != NULL && pair->to != NULL);
    return pair;
}

static void mesh_teardown(void *context)
{
    struct mesh_pair *pair = context;
    mail_port_destroy(pair->from);
    mail_port_destroy(pair->to);
    mesh_destroy(pair->mesh);
    free(pair);
}

static void mesh_wake(void *context, shard_id target)
{
    (void)context;
    micro_keep(target);
}

static void mesh_receive(void *context, const struct mail *mail)
{
    uint64_t *num = context;
    micro_keep(mail->words[0]);
    *num += 1;
}

/* Sends a batch, flushes once, drains: a turn on either side. */
static void mesh_hop(void *context, uint64_t num)
{
    struct mesh_pair *pair = context;
    for (uint64_t done = 0; done < num; done += pair->batch) {
        for (uint64_t i = 0; i < pair->batch; i++) {
            struct mail mail = {.kind = 1, .words = {i}};
            mail_send(pair->from, 1, MAIL_DATA, &mail);
        }
        mail_flush(pair->from, mesh_wake, NULL);
        uint64_t received = 0;
        while (received < pair->batch)
            mail_drain(pair->to, 256, mesh_receive, &received);
    }
}

static void mesh_idle_drain(void *context, uint64_t num)
{
    struct mesh_pair *pair = context;
    uint64_t received = 0;
    for (uint64_t i = 0; i < num; i++)
        mail_drain(pair->to, 256, mesh_receive, &received);
    CHECK(received == 0);
}

struct mesh_epoch {
    struct epoch *domain;
    struct epoch_record *record;
};

static void *mesh_epoch_setup(int64_t argument)
{
    (void)argument;
    struct mesh_epoch *epoch = malloc(sizeof(*epoch));
    CHECK(epoch != NULL);
    epoch->domain = epoch_create();
    CHECK(epoch->domain != NULL);
    epoch->record = epoch_register(epoch->domain);
    CHECK(epoch->record != NULL);
    return epoch;
}

static void mesh_epoch_teardown(void *context)
{
    struct mesh_epoch *epoch = context;
    epoch_unregister(epoch->record);
    epoch_destroy(epoch->domain);
    free(epoch);
}

static void mesh_epoch_section(void *context, uint64_t num)
{
    struct mesh_epoch *epoch = context;
    for (uint64_t i = 0; i < num; i++) {
        epoch_begin(epoch->record);
        micro_keep(i);
        epoch_end(epoch->record);
    }
}

static const struct micro_case mesh_cases[] = {
    {.name = "mail_hop_batch",
     .setup = mesh_setup,
     .run = mesh_hop,
     .teardown = mesh_teardown,
     .arguments = {1, 16, 256},
     .num_arguments = 3},
    {.name = "mail_drain_nothing",
     .setup = mesh_setup,
     .run = mesh_idle_drain,
     .teardown = mesh_teardown},
    {.name = "epoch_section",
     .setup = mesh_epoch_setup,
     .run = mesh_epoch_section,
     .teardown = mesh_epoch_teardown},
};

const struct micro_suite micro_mesh = {mesh_cases, ARRAY_LEN(mesh_cases)};
