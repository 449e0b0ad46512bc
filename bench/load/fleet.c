/*
 * fleet.c -- see fleet.h.
 *
 * Threads: the main thread.
 */
#include "fleet.h"

#include "heap.h"
#include "stopwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

bool fleet_size(const struct options *options, const struct scenario *scenario,
                uint32_t *out_publishers, uint32_t *out_subscribers)
{
    uint64_t publishers = options->publishers;
    uint64_t subscribers = options->subscribers;
    if (publishers == 0)
        publishers = scenario->num_publishers;
    if (scenario->audience == SCENARIO_OWN) {
        if (options->publishers == 0 && subscribers > 0)
            publishers = subscribers;
        if (subscribers > 0 && subscribers != publishers)
            return false;
        subscribers = publishers;
    }
    if (subscribers == 0)
        subscribers = scenario->num_subscribers;
    CHECK(publishers > 0 && subscribers > 0);
    *out_publishers = (uint32_t)publishers;
    *out_subscribers = (uint32_t)subscribers;
    if (scenario->audience == SCENARIO_OWN)
        return true;
    const uint64_t couple = scenario->audience == SCENARIO_GROUP ? FLEET_COUPLE_BYTES_GROUP
                                                                 : FLEET_COUPLE_BYTES;
    return publishers * subscribers <= FLEET_COUPLES_BYTES_MAX / couple;
}

uint32_t fleet_extras(const struct options *options)
{
    return (uint32_t)(options->slow + (options->filters > 0 ? 1 : 0) +
                      (options->storm > 0 ? 1 : 0));
}

/* Publishers are the last clients, on every worker, too. */
static uint32_t fleet_num_before_publishers(const struct fleet *fleet)
{
    return fleet->num_clients - fleet->num_publishers;
}

static void fleet_run_id(struct fleet *fleet)
{
    uint32_t number;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint32_t)stopwatch_now_ns() ^ (uint32_t)getpid();
    snprintf(fleet->run_id, sizeof(fleet->run_id), "%08x", number);
}

struct client *fleet_publisher(const struct fleet *fleet, uint32_t number)
{
    CHECK(number < fleet->num_publishers);
    return &fleet->clients[fleet_num_before_publishers(fleet) + number];
}

static char *fleet_text(const struct fleet *fleet, const char *before, const char *last_level)
{
    char *text = NULL;
    if (asprintf(&text, "%s%s/%s/%s", before, fleet->options->topic_prefix, fleet->run_id,
                 last_level) < 0)
        text = NULL;
    return text != NULL ? text : heap_zeroed(1, 1);
}

static void fleet_init_workers(struct fleet *fleet)
{
    const struct options *options = fleet->options;
    fleet->num_workers = (uint32_t)options->workers;
    fleet->workers = heap_zeroed(fleet->num_workers, sizeof(struct worker));
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        struct worker *worker = &fleet->workers[i];
        worker->options = options;
        worker->endpoint = fleet->endpoint;
        worker->control = fleet->control;
        worker->workers = fleet->workers;
        worker->index = i;
        worker->run_id = fleet->run_id;
        worker->cpu = -1;
        if (options->cpus.num > 0)
            worker->cpu = options->cpus.ids[i % options->cpus.num];
    }
}

/* Gives every worker the list of its clients, in the order of their numbers. */
static void fleet_deal_clients(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->num_clients; i++)
        fleet->clients[i].worker->num_clients++;
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        struct worker *worker = &fleet->workers[i];
        worker->clients = heap_zeroed(worker->num_clients, sizeof(struct client *));
        worker->num_clients = 0;
    }
    for (uint32_t i = 0; i < fleet->num_clients; i++) {
        struct worker *worker = fleet->clients[i].worker;
        worker->clients[worker->num_clients++] = &fleet->clients[i];
        if (i < fleet_num_before_publishers(fleet))
            worker->first_publisher = worker->num_clients;
        worker->due_client = worker->first_publisher;
    }
}

static void fleet_init_clients(struct fleet *fleet)
{
    fleet->clients = heap_zeroed(fleet->num_clients, sizeof(struct client));
    for (uint32_t i = 0; i < fleet->num_clients; i++) {
        struct client *client = &fleet->clients[i];
        /* Publishers are counted from 0, too: publisher i shares a worker with subscriber i. */
        uint32_t before = fleet_num_before_publishers(fleet);
        uint32_t in_role = i < before ? i : i - before;
        client->number = i;
        client->stream.fd = -1;
        client->worker = &fleet->workers[in_role % fleet->num_workers];
    }
    fleet_deal_clients(fleet);
}

/* Both templates' topics end in a number, the last level. */
static void fleet_init_retained(const struct fleet *fleet, struct publisher *publisher,
                                const char *topic)
{
    const struct options *options = fleet->options;
    const unsigned retain = 1;
    char numbered[UINT16_MAX];
    struct codec_template *templates[] = {&publisher->template, &publisher->clean};
    snprintf(numbered, sizeof(numbered), "%s/%0*d", topic, PUBLISHER_TOPIC_DIGITS, 0);
    codec_template_fini(&publisher->template);
    for (unsigned i = 0; i < ARRAY_LEN(templates); i++) {
        codec_template_init(templates[i], (unsigned)options->version, (unsigned)options->qos,
                            numbered, i == 0 ? (uint32_t)options->payload : 0);
        templates[i]->data[0] = (uint8_t)(templates[i]->data[0] | retain);
    }
    publisher->topics = options->topics;
}

static void fleet_init_publishers(struct fleet *fleet)
{
    const struct options *options = fleet->options;
    for (uint32_t i = 0; i < fleet->num_publishers; i++) {
        struct client *client = fleet_publisher(fleet, i);
        client->role = CLIENT_PUBLISHER;
        client->publisher = (struct publisher){.number = i, .window = options->window};
        char level[16];
        snprintf(level, sizeof(level), "%u", i);
        char *topic = fleet_text(fleet, "", level);
        codec_template_init(&client->publisher.template, (unsigned)options->version,
                            (unsigned)options->qos, topic, (uint32_t)options->payload);
        if (options->topics > 0)
            fleet_init_retained(fleet, &client->publisher, topic);
        free(topic);
    }
}

static void fleet_init_subscribers(struct fleet *fleet, const struct scenario *scenario)
{
    bool is_own = scenario->audience == SCENARIO_OWN;
    bool is_group = scenario->audience == SCENARIO_GROUP;
    for (uint32_t i = 0; i < fleet->num_subscribers; i++) {
        struct client *client = &fleet->clients[i];
        struct subscriber *subscriber = &client->subscriber;
        client->role = CLIENT_SUBSCRIBER;
        *subscriber = (struct subscriber){
            .first = is_own ? i : 0,
            .num = is_own ? 1 : fleet->num_publishers,
            .is_lane_locked = is_group && fleet->num_workers > 1,
        };
        subscriber->tallies = heap_zeroed(subscriber->num, sizeof(struct tally *));
        if (is_group)
            subscriber->order = heap_zeroed(subscriber->num, sizeof(uint64_t));
        char level[16];
        snprintf(level, sizeof(level), "%u", i);
        bool is_exact = is_own || (!is_group && fleet->num_publishers == 1);
        const char *last = !is_exact ? "+" : is_own ? level : "0";
        if (fleet->options->topics > 0)
            last = "0/+";
        client->filter = fleet_text(fleet, is_group ? "$share/bench/" : "", last);
    }
}

/* Those behind the subscribers: slow ones, then a gatherer before the traffic, then one in it. */
static void fleet_init_extras(struct fleet *fleet)
{
    const struct options *options = fleet->options;
    uint32_t at = fleet->num_subscribers;
    for (uint64_t i = 0; i < options->slow; i++, at++) {
        fleet->clients[at].role = CLIENT_SLOW;
        fleet->clients[at].filter = fleet_text(fleet, "", "+");
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t total = i == 0 ? options->filters : options->storm;
        if (total == 0)
            continue;
        struct client *client = &fleet->clients[at++];
        client->role = CLIENT_GATHERER;
        client->gatherer = (struct gatherer){.total = total, .is_storm = i == 1};
    }
    CHECK(at == fleet_num_before_publishers(fleet));
}

/* The worker looks after the lane's tallies: it appends the lane to its list. */
static void fleet_serve(struct worker *worker, struct tally_lane *lane)
{
    worker->lanes = heap_resized(worker->lanes, worker->num_lanes + 1, sizeof(struct tally_lane *));
    worker->lanes[worker->num_lanes++] = lane;
}

/* One lane, one tally: for the subscriber of a pair, or for a group as a whole. */
static void fleet_link_single(struct fleet *fleet, uint32_t number, bool is_group)
{
    struct client *publisher = fleet_publisher(fleet, number);
    struct tally_lane *lane = &fleet->lanes[fleet->num_lanes++];
    struct tally *tally = &fleet->tallies[fleet->num_tallies++];
    tally_lane_init(lane, publisher, 1);
    tally_init(tally, lane, fleet->options->window);
    publisher->publisher.lanes = lane;
    publisher->publisher.num_lanes = 1;
    publisher->worker->is_lane_locked = is_group && fleet->num_workers > 1;
    fleet_serve(publisher->worker, lane);
    if (!is_group) {
        CHECK(fleet->clients[number].worker == publisher->worker);
        fleet->clients[number].subscriber.tallies[0] = tally;
        return;
    }
    for (uint32_t i = 0; i < fleet->num_subscribers; i++)
        fleet->clients[i].subscriber.tallies[number] = tally;
}

/* A tally for every subscriber, in one lane for each worker that has any. */
static void fleet_link_all(struct fleet *fleet, uint32_t number)
{
    struct client *publisher = fleet_publisher(fleet, number);
    uint32_t num_lanes = fleet->num_workers;
    if (fleet->num_subscribers < num_lanes)
        num_lanes = fleet->num_subscribers;
    struct tally_lane *lanes = &fleet->lanes[fleet->num_lanes];
    fleet->num_lanes += num_lanes;
    for (uint32_t i = 0; i < num_lanes; i++) {
        tally_lane_init(&lanes[i], publisher, fleet->num_subscribers / num_lanes + 1);
        fleet_serve(&fleet->workers[i], &lanes[i]);
    }
    publisher->publisher.lanes = lanes;
    publisher->publisher.num_lanes = num_lanes;
    for (uint32_t i = 0; i < fleet->num_subscribers; i++) {
        struct client *client = &fleet->clients[i];
        CHECK(client->worker->index < num_lanes);
        struct tally *tally = &fleet->tallies[fleet->num_tallies++];
        tally_init(tally, &lanes[client->worker->index], fleet->options->window);
        client->subscriber.tallies[number] = tally;
    }
}

static void fleet_link(struct fleet *fleet, const struct scenario *scenario)
{
    uint64_t tallies_max = (uint64_t)fleet->num_publishers * fleet->num_destinations;
    uint64_t lanes_max = (uint64_t)fleet->num_publishers * fleet->num_workers;
    fleet->tallies = heap_zeroed(tallies_max, sizeof(struct tally));
    fleet->lanes = heap_zeroed(lanes_max, sizeof(struct tally_lane));
    for (uint32_t i = 0; i < fleet->num_publishers; i++) {
        if (scenario->audience == SCENARIO_ALL)
            fleet_link_all(fleet, i);
        else
            fleet_link_single(fleet, i, scenario->audience == SCENARIO_GROUP);
    }
    CHECK(fleet->num_tallies == tallies_max && fleet->num_lanes <= lanes_max);
}

void fleet_init(struct fleet *fleet, const struct options *options, const struct endpoint *endpoint,
                struct control *control, const struct scenario *scenario)
{
    *fleet = (struct fleet){.options = options, .endpoint = endpoint, .control = control};
    bool is_possible = fleet_size(options, scenario, &fleet->num_publishers,
                                  &fleet->num_subscribers);
    CHECK(is_possible);
    fleet->num_clients = fleet->num_publishers + fleet->num_subscribers + fleet_extras(options);
    fleet->num_destinations = scenario_destinations(scenario, fleet->num_subscribers);
    fleet_run_id(fleet);
    fleet_init_workers(fleet);
    fleet_init_clients(fleet);
    fleet_init_publishers(fleet);
    fleet_init_subscribers(fleet, scenario);
    fleet_init_extras(fleet);
    fleet_link(fleet, scenario);
}

void fleet_init_idle(struct fleet *fleet, const struct options *options,
                     const struct endpoint *endpoint, struct control *control)
{
    *fleet = (struct fleet){.options = options, .endpoint = endpoint, .control = control};
    fleet->num_clients = (uint32_t)options->clients;
    fleet_run_id(fleet);
    fleet_init_workers(fleet);
    fleet_init_clients(fleet);
    for (uint32_t i = 0; i < fleet->num_clients && options->subscribe; i++) {
        char level[16];
        snprintf(level, sizeof(level), "%u", i);
        fleet->clients[i].filter = fleet_text(fleet, "", level);
    }
}

void fleet_fini(struct fleet *fleet)
{
    for (uint64_t i = 0; i < fleet->num_tallies; i++)
        tally_fini(&fleet->tallies[i]);
    for (uint64_t i = 0; i < fleet->num_lanes; i++)
        tally_lane_fini(&fleet->lanes[i]);
    for (uint32_t i = 0; i < fleet->num_clients; i++)
        client_fini(&fleet->clients[i]);
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        free(fleet->workers[i].clients);
        free(fleet->workers[i].lanes);
        free(fleet->workers[i].lateness);
        free(fleet->workers[i].acks);
        series_part_fini(&fleet->workers[i].latency);
    }
    free(fleet->tallies);
    free(fleet->lanes);
    free(fleet->clients);
    free(fleet->workers);
}

enum rc fleet_start(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->num_workers; i++) {
        if (worker_start(&fleet->workers[i]) == RC_OK)
            continue;
        /* Those that run are stopped; the others never were. */
        fleet->num_workers = i;
        fleet_stop(fleet);
        return RC_IO;
    }
    return RC_OK;
}

void fleet_enter(struct fleet *fleet, enum control_phase phase)
{
    atomic_store(&fleet->control->phase, phase);
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        worker_poke(&fleet->workers[i]);
}

void fleet_stop(struct fleet *fleet)
{
    fleet_enter(fleet, CONTROL_STOP);
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        worker_join(&fleet->workers[i]);
}

void fleet_allow(struct fleet *fleet, uint64_t num)
{
    atomic_store(&fleet->control->clients_allowed, num);
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        worker_poke(&fleet->workers[i]);
}

uint64_t fleet_num_ready(struct fleet *fleet)
{
    uint64_t num = 0;
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        num += atomic_load_explicit(&fleet->workers[i].num_ready, memory_order_acquire);
    return num;
}

uint64_t fleet_num_unfinished(struct fleet *fleet)
{
    uint64_t num = 0;
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        num += atomic_load_explicit(&fleet->workers[i].num_unfinished, memory_order_acquire);
    return num;
}

struct counters fleet_counters(struct fleet *fleet)
{
    struct counters sum = {.published = 0};
    for (uint32_t i = 0; i < fleet->num_workers; i++)
        counters_sum(&sum, &fleet->workers[i].counters);
    return sum;
}
