/*
 * micro_deliver.c -- a publication to the subscribers on its own shard: match (cached), fan-out,
 * each session's window, the packet in each connection's output.
 *
 * The shard, its router and its net are real; the connections have no descriptor, and what they
 * were given is thrown away after every publication, as a send that succeeded does. The argument is
 * the number of subscribers, and the operation one copy to one of them. At QoS 1 every copy is
 * acknowledged.
 *
 * deliver_turn_here and deliver_turn_across have one subscriber, and the argument is the number of
 * publications that a turn brings; the operation is one of them. Across, the subscriber lives on a
 * second shard and the publications cross by mail. Both shards are this thread, so what differs is
 * the work of crossing, without the way between two cores.
 *
 * Threads: one, which is the shards'.
 */
#include "micro.h"
#include "net.h"
#include "outbound.h"
#include "publish.h"
#include "subscribe.h"

#include <stdio.h>
#include <stdlib.h>

#define DELIVER_PAYLOAD_LEN 64
#define DELIVER_TOPIC       "site/12/device/3456/state"

struct deliver_setup {
    struct runtime *runtime;
    struct shard *from;  /* where publications are received, */
    struct shard *shard; /* and where the subscribers live, often the same */
    struct net *net;     /* of the latter */
    struct route_settings route_settings;
    struct net_settings net_settings;
    struct route_shared route;
    struct net_shared net_shared;
    struct conn *conns;
    uint32_t num;  /* of subscribers */
    uint32_t turn; /* publications of a turn */
    uint8_t payload[DELIVER_PAYLOAD_LEN];
};

/* Nothing is retained. */
static void deliver_nothing(void *value)
{
    (void)value;
}

static void deliver_shared(struct deliver_setup *setup, unsigned shards)
{
    struct hash_key key = {{0x0123456789abcdef, 0xfedcba9876543211}};
    setup->route_settings = (struct route_settings){.max_inflight = UINT16_MAX,
                                                    .max_awaiting_rel = UINT16_MAX,
                                                    .message_bytes_max = UINT64_MAX,
                                                    .max_subscriptions = UINT32_MAX};
    setup->net_settings = (struct net_settings){.output_bytes_max = UINT64_C(1) << 30,
                                                .message_expiry_max_s = UINT32_MAX,
                                                .output_bytes_total_max = UINT64_MAX};
    setup->route = (struct route_shared){
        .settings = &setup->route_settings,
        .sink = net_sink(),
        .filters = filter_index_create(
            &(struct filter_index_config){.key = key,
                                          .shard_count = (uint16_t)shards,
                                          .shapes_per_level_max = FILTER_SHAPES_USUAL,
                                          .filters_max = 1024,
                                          .bytes_max = UINT64_MAX}),
        .retained = retained_create(
            &(struct retained_config){.key = key,
                                      .count_max = 1,
                                      .bytes_max = UINT64_MAX,
                                      .ops = {.ref = deliver_nothing, .unref = deliver_nothing}}),
        .home_key = key,
        .shards = shards};
    CHECK(setup->route.filters != NULL && setup->route.retained != NULL);
    setup->net_shared = (struct net_shared){
        .settings = &setup->net_settings, .runtime = setup->runtime, .shards = shards};
}

static void deliver_shards(struct deliver_setup *setup, unsigned shards)
{
    struct shard_tables tables = {0};
    struct runtime_options options = {
        .shards = shards, .helpers = 1, .recv_buffers = {8, 4096, 2, 4096}};
    router_tables_fill(&tables);
    net_tables_fill(&tables);
    CHECK(runtime_create(&setup->runtime, &options, &tables, NULL) == RC_OK);
    deliver_shared(setup, shards);
    for (unsigned i = 0; i < shards; i++) {
        struct shard *shard = &setup->runtime->shards[i];
        CHECK(shard_open(shard) == RC_OK);
        CHECK(router_open(shard, &setup->route) == RC_OK);
        CHECK(net_open(shard, &setup->net_shared) == RC_OK);
        /* There is one shard for each measurement, and one measurement at a time. */
        shard_become(NULL);
    }
    setup->from = &setup->runtime->shards[0];
    setup->shard = &setup->runtime->shards[shards - 1];
    setup->net = net_of(setup->shard);
}

static void deliver_subscriber(struct deliver_setup *setup, uint32_t number, uint8_t qos)
{
    char id[16];
    struct conn *conn = &setup->conns[number];
    struct router *router = router_of(setup->shard);
    *conn = (struct conn){.magic = CONN_MAGIC,
                          .state = CONN_OPEN,
                          .version = MQTT_311,
                          .net = setup->net,
                          .fd = -1,
                          .packet_size_max = UINT32_MAX};
    snprintf(id, sizeof(id), "s%u", number);
    struct attach_request request = {.client_id = bytes_of_text(id),
                                     .conn = conn,
                                     .version = MQTT_311,
                                     .clean_start = true,
                                     .receive_max = UINT16_MAX};
    struct attach_result result;
    CHECK(session_attach(router, &request, &result) == RC_OK);
    conn->session = result.session;
    session_start(router, conn->session);
    struct subscribe_request subscribe = {.qos = qos};
    CHECK(topic_filter_split(bytes_of_text(DELIVER_TOPIC), &subscribe.parts) == TOPIC_OK);
    CHECK(!reason_is_failure(subscribe_add(router, conn->session, &subscribe)));
}

static struct deliver_setup *deliver_setup(int64_t num, uint8_t qos, unsigned shards)
{
    struct deliver_setup *setup = calloc(1, sizeof(*setup));
    CHECK(setup != NULL);
    deliver_shards(setup, shards);
    setup->num = (uint32_t)num;
    setup->conns = calloc((size_t)num, sizeof(*setup->conns));
    CHECK(setup->conns != NULL);
    shard_become(setup->shard);
    epoch_begin(setup->shard->epoch);
    for (uint32_t i = 0; i < setup->num; i++)
        deliver_subscriber(setup, i, qos);
    epoch_end(setup->shard->epoch);
    shard_become(NULL);
    return setup;
}

static void *deliver_qos0_setup(int64_t num)
{
    return deliver_setup(num, 0, 1);
}

static void *deliver_qos1_setup(int64_t num)
{
    return deliver_setup(num, 1, 1);
}

static void *deliver_here_setup(int64_t turn)
{
    struct deliver_setup *setup = deliver_setup(1, 0, 1);
    setup->turn = (uint32_t)turn;
    return setup;
}

static void *deliver_across_setup(int64_t turn)
{
    struct deliver_setup *setup = deliver_setup(1, 0, 2);
    setup->turn = (uint32_t)turn;
    return setup;
}

static void deliver_teardown(void *context)
{
    struct deliver_setup *setup = context;
    shard_become(setup->shard);
    epoch_begin(setup->shard->epoch);
    for (uint32_t i = 0; i < setup->num; i++)
        session_detach(router_of(setup->shard), setup->conns[i].session, false);
    epoch_end(setup->shard->epoch);
    for (unsigned i = 0; i < setup->runtime->options.shards; i++) {
        struct shard *shard = &setup->runtime->shards[i];
        shard_become(shard);
        net_close(shard);
        router_close(shard);
        shard_close(shard);
    }
    runtime_destroy(setup->runtime);
    filter_index_destroy(setup->route.filters);
    retained_destroy(setup->route.retained);
    free(setup->conns);
    free(setup);
}

/* The connection's output has left, and an acknowledgement has come. */
static void deliver_sent(struct deliver_setup *setup, struct conn *conn, uint8_t qos)
{
    output_clear(&conn->output, &setup->net->pool);
    if (qos > 0)
        outbound_puback(setup->net->router, conn->session,
                        inflight_first(&conn->session->inflight)->packet_id, REASON_SUCCESS);
}

/* What a turn does with what has come for the connections. */
static void deliver_all_sent(struct deliver_setup *setup, uint8_t qos)
{
    struct list_node *node;
    while ((node = list_pop_front(&setup->net->dirty)) != NULL)
        deliver_sent(setup, CONTAINER_OF(node, struct conn, dirty), qos);
}

static void deliver_publish(struct deliver_setup *setup, struct router *router, uint8_t qos)
{
    struct pub pub = {.topic = bytes_of_text(DELIVER_TOPIC),
                      .payload = bytes_of(setup->payload, DELIVER_PAYLOAD_LEN),
                      .publisher = HANDLE_NONE,
                      .qos = qos};
    pub.topic_hash = filter_index_hash(setup->route.filters, pub.topic);
    CHECK(publish_route(router, &pub) == REASON_SUCCESS);
    pub_release(&pub, router->shard->id);
}

static void deliver_run(struct deliver_setup *setup, uint64_t num, uint8_t qos)
{
    shard_become(setup->shard);
    for (uint64_t done = 0; done < num; done += setup->num) {
        epoch_begin(setup->shard->epoch);
        deliver_publish(setup, setup->net->router, qos);
        deliver_all_sent(setup, qos);
        epoch_end(setup->shard->epoch);
    }
    shard_become(NULL);
}

static void deliver_on_mail(void *context, const struct mail *mail)
{
    struct shard *shard = context;
    shard->runtime->tables.mails[mail->kind](shard, mail);
}

static void deliver_no_wake(void *context, shard_id target)
{
    (void)context;
    micro_keep(target);
}

/* Turns of the receiving shard, each followed by one of the subscriber's, if that is another. */
static void deliver_turns(void *context, uint64_t num)
{
    struct deliver_setup *setup = context;
    for (uint64_t done = 0; done < num; done += setup->turn) {
        shard_become(setup->from);
        epoch_begin(setup->from->epoch);
        for (uint32_t i = 0; i < setup->turn; i++)
            deliver_publish(setup, router_of(setup->from), 0);
        mail_flush(setup->from->port, deliver_no_wake, NULL);
        epoch_end(setup->from->epoch);
        shard_become(setup->shard);
        epoch_begin(setup->shard->epoch);
        while (mail_drain(setup->shard->port, 1024, deliver_on_mail, setup->shard))
            ;
        deliver_all_sent(setup, 0);
        epoch_end(setup->shard->epoch);
    }
    shard_become(NULL);
}

static void deliver_qos0(void *context, uint64_t num)
{
    deliver_run(context, num, 0);
}

static void deliver_qos1(void *context, uint64_t num)
{
    deliver_run(context, num, 1);
}

#define DELIVER_CASE(case_name, setup_function, run_function)                                      \
    {                                                                                              \
        .name = case_name, .setup = setup_function, .run = run_function,                           \
        .teardown = deliver_teardown, .arguments = {1, 10, 1000}, .num_arguments = 3               \
    }

#define DELIVER_TURN(case_name, setup_function)                                                    \
    {                                                                                              \
        .name = case_name, .setup = setup_function, .run = deliver_turns,                          \
        .teardown = deliver_teardown, .arguments = {1, 8, 128}, .num_arguments = 3                 \
    }

static const struct micro_case deliver_cases[] = {
    DELIVER_CASE("deliver_qos0", deliver_qos0_setup, deliver_qos0),
    DELIVER_CASE("deliver_qos1", deliver_qos1_setup, deliver_qos1),
    DELIVER_TURN("deliver_turn_here", deliver_here_setup),
    DELIVER_TURN("deliver_turn_across", deliver_across_setup),
};

const struct micro_suite micro_deliver = {deliver_cases, ARRAY_LEN(deliver_cases)};
