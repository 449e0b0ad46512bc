/*
 * micro_threads.c -- what it costs to reach another thread: a hop with a wake-up, and a message
 * that is made on one thread and freed on another.
 *
 * The other thread is a shard with the loop of the broker, which sleeps in its ring; this one is a
 * helper as the ops thread is, which sleeps on its eventfd.
 *
 *   mail_hop_and_wake    there and back, both asleep before: two hops and two wake-ups
 *   msg_cross_shard      create here, free there, in batches: one message
 *
 * Threads: two, which want a core each.
 */
#include "micro.h"
#include "msg.h"
#include "shard.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum threads_mail { THREADS_ECHO, THREADS_FREE };

struct threads_pair {
    struct runtime *runtime;
    struct mail_port *port;
    struct stats stats;
    uint64_t answers;
    struct pub pub;
};

static bool threads_start(struct shard *shard)
{
    (void)shard;
    return true;
}

static void threads_stop(struct shard *shard)
{
    (void)shard;
}

static void threads_on_echo(struct shard *shard, const struct mail *mail)
{
    struct mail answer = {.kind = THREADS_ECHO};
    shard_mail(shard, mail->from, MAIL_CONFIRM, &answer);
}

/* The last of a batch is answered. */
static void threads_on_free(struct shard *shard, const struct mail *mail)
{
    msg_adopt(mail->ptr, shard->id);
    msg_unref(mail->ptr, shard->id);
    if (mail->words[0] != 0)
        threads_on_echo(shard, mail);
}

static void *threads_setup(int64_t argument)
{
    (void)argument;
    static const uint8_t payload[64];
    size_t size = (sizeof(struct threads_pair) + 63) / 64 * 64;
    struct threads_pair *pair = aligned_alloc(64, size);
    CHECK(pair != NULL);
    memset(pair, 0, size);
    struct shard_tables tables = {.start = threads_start, .stop = threads_stop};
    tables.mails[THREADS_ECHO] = threads_on_echo;
    tables.mails[THREADS_FREE] = threads_on_free;
    struct runtime_options options = {
        .shards = 1, .helpers = 1, .recv_buffers = {8, 4096, 2, 4096}};
    CHECK(runtime_create(&pair->runtime, &options, &tables, NULL) == RC_OK);
    pair->port = mail_port_create(pair->runtime->mesh, 1, &pair->stats);
    CHECK(pair->port != NULL);
    CHECK(runtime_start(pair->runtime) == RC_OK);
    pair->pub = (struct pub){.topic = bytes_of_text("site/12/device/3456/state"),
                             .payload = bytes_of(payload, sizeof(payload)),
                             .publisher = HANDLE_NONE};
    return pair;
}

static void threads_teardown(void *context)
{
    struct threads_pair *pair = context;
    runtime_stop(pair->runtime);
    mail_port_destroy(pair->port);
    runtime_destroy(pair->runtime);
    free(pair);
}

static void threads_wake(void *context, shard_id target)
{
    struct threads_pair *pair = context;
    runtime_wake(pair->runtime, target);
}

static void threads_answer(void *context, const struct mail *mail)
{
    struct threads_pair *pair = context;
    CHECK(mail->kind == THREADS_ECHO);
    pair->answers++;
}

/* Sleeps until the shard has answered. */
static void threads_wait(struct threads_pair *pair)
{
    uint64_t before = pair->answers;
    struct pollfd event = {.fd = pair->runtime->event_fds[1], .events = POLLIN};
    uint64_t value;
    while (pair->answers == before) {
        mail_drain(pair->port, 256, threads_answer, pair);
        if (pair->answers == before && mail_sleep(pair->port)) {
            CHECK(poll(&event, 1, -1) == 1);
            CHECK(read(event.fd, &value, sizeof(value)) == (ssize_t)sizeof(value));
        }
        mail_awake(pair->port);
    }
}

/* Both sides have gone to sleep when the next round begins. */
static void threads_hop(void *context, uint64_t num)
{
    struct threads_pair *pair = context;
    for (uint64_t i = 0; i < num; i++) {
        struct mail mail = {.kind = THREADS_ECHO};
        mail_send(pair->port, 0, MAIL_CONTROL, &mail);
        mail_flush(pair->port, threads_wake, pair);
        threads_wait(pair);
    }
}

static void threads_messages(void *context, uint64_t num)
{
    struct threads_pair *pair = context;
    for (uint64_t done = 0; done < num; done += MICRO_BATCH) {
        for (uint64_t i = 0; i < MICRO_BATCH; i++) {
            struct msg *msg = msg_create(&pair->pub, SHARD_NONE);
            CHECK(msg != NULL);
            struct mail mail = {.kind = THREADS_FREE, .ptr = msg, .weight = msg->size};
            mail.words[0] = i == MICRO_BATCH - 1;
            mail_send(pair->port, 0, MAIL_DATA, &mail);
        }
        mail_flush(pair->port, threads_wake, pair);
        threads_wait(pair);
    }
}

#define THREADS_CASE(case_name, function)                                                          \
    {                                                                                              \
        .name = case_name, .setup = threads_setup, .run = function, .teardown = threads_teardown   \
    }

static const struct micro_case threads_cases[] = {
    THREADS_CASE("mail_hop_and_wake", threads_hop),
    THREADS_CASE("msg_cross_shard", threads_messages),
};

const struct micro_suite micro_threads = {threads_cases, ARRAY_LEN(threads_cases)};
