/*
 * outside.c -- see outside.h.
 *
 * The thread sleeps in one poll on its eventfd and the connector's socket. When it ends the helper
 * is killed first, which answers every question; so no job stays behind.
 *
 * Threads: see outside.h.
 */
#include "outside.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "router.h"

#define OUTSIDE_SLEEP_MS 1000
#define OUTSIDE_MAIL     256

/* Starts the helper with the first question. */
static enum rc outside_ask(void *context, const struct connect_request *request,
                           connector_done_fn done, void *done_context)
{
    struct outside *outside = context;
    uint32_t id;
    if (outside->connector == NULL) {
        if (outside->program[0] == '\0')
            return RC_IO;
        enum rc rc = connector_create(&outside->connector, outside->program);
        if (rc != RC_OK)
            return rc;
    }
    return connector_ask(outside->connector, request, done, done_context, &id);
}

static void outside_on_mail(void *context, const struct mail *mail)
{
    struct outside *outside = context;
    if (mail->kind == MAIL_AUTHN_SET) {
        jwks_adopt(&outside->jwks, mail->ptr, &outside->door);
        return;
    }
    CHECK(mail->kind == MAIL_AUTHN_RUN);
    authn_http_run(&outside->door, mail->ptr);
}

static void outside_wake(void *context, shard_id target)
{
    struct outside *outside = context;
    runtime_wake(outside->runtime, target);
}

static void outside_sleep(struct outside *outside)
{
    struct pollfd fds[2] = {
        {.fd = outside->runtime->event_fds[outside->endpoint], .events = POLLIN}, {.fd = -1}};
    int wait_ms = OUTSIDE_SLEEP_MS;
    if (outside->connector != NULL) {
        fds[1].fd = connector_fd(outside->connector);
        fds[1].events = connector_events(outside->connector);
        wait_ms = connector_timeout_ms(outside->connector, wait_ms);
    }
    bool sleeps = mail_sleep(outside->port);
    int ready = poll(fds, ARRAY_LEN(fds), sleeps ? wait_ms : 0);
    mail_awake(outside->port);
    uint64_t value;
    if (ready > 0 && (fds[0].revents & POLLIN) != 0 && read(fds[0].fd, &value, sizeof(value)) < 0)
        return; /* somebody else's wake-up was read before */
}

static void outside_turn(struct outside *outside)
{
    outside->door.now_ms = clock_mono_ns() / 1000000;
    bool more = mail_drain(outside->port, OUTSIDE_MAIL, outside_on_mail, outside);
    jwks_run(&outside->jwks, &outside->door);
    if (outside->connector != NULL) {
        connector_run(outside->connector);
        pthread_mutex_lock(&outside->lock);
        connector_figures_read(outside->connector, &outside->figures);
        pthread_mutex_unlock(&outside->lock);
    }
    mail_flush(outside->port, outside_wake, outside);
    if (!more && !mail_has_overflow(outside->port))
        outside_sleep(outside);
}

static void *outside_main(void *argument)
{
    struct outside *outside = argument;
    CHECK_OBJ(outside, OUTSIDE_MAGIC);
    while (!__atomic_load_n(&outside->stopping, __ATOMIC_ACQUIRE))
        outside_turn(outside);
    if (outside->connector != NULL)
        connector_abandon(outside->connector);
    return NULL;
}

enum rc outside_start(struct outside *outside, struct runtime *runtime, shard_id endpoint)
{
    memset(outside, 0, sizeof(*outside));
    outside->stats = aligned_alloc(64, sizeof(struct stats));
    if (outside->stats == NULL)
        return RC_NO_MEMORY;
    memset(outside->stats, 0, sizeof(struct stats));
    outside->port = mail_port_create(runtime->mesh, endpoint, outside->stats);
    outside->runtime = runtime;
    outside->endpoint = endpoint;
    outside->door = (struct authn_http_door){
        .ask = outside_ask, .context = outside, .port = outside->port};
    outside->jwks.ops = (shard_id)runtime->options.shards;
    if (!connector_find(outside->program, sizeof(outside->program)))
        outside->program[0] = '\0';
    pthread_mutex_init(&outside->lock, NULL);
    outside->magic = OUTSIDE_MAGIC;
    enum rc rc = outside->port == NULL ? RC_NO_MEMORY : RC_OK;
    if (rc == RC_OK && pthread_create(&outside->thread, NULL, outside_main, outside) != 0)
        rc = RC_IO;
    if (rc == RC_OK)
        return RC_OK;
    mail_port_destroy(outside->port);
    free(outside->stats);
    outside->magic = 0;
    return rc;
}

static void outside_drop(void *context, const struct mail *mail)
{
    const struct outside *outside = context;
    shard_drop_fn drop = outside->runtime->tables.drops[mail->kind];
    if (drop != NULL)
        drop(mail);
}

void outside_stop(struct outside *outside)
{
    if (outside->magic != OUTSIDE_MAGIC)
        return;
    __atomic_store_n(&outside->stopping, 1, __ATOMIC_RELEASE);
    runtime_wake(outside->runtime, outside->endpoint);
    pthread_join(outside->thread, NULL);
    connector_destroy(outside->connector);
    jwks_fini(&outside->jwks);
    mail_port_empty(outside->port, outside_drop, outside);
    mail_port_destroy(outside->port);
    pthread_mutex_destroy(&outside->lock);
    free(outside->stats);
    outside->magic = 0;
}

void outside_figures(struct outside *outside, struct connector_figures *out)
{
    *out = (struct connector_figures){0};
    if (outside->magic != OUTSIDE_MAGIC)
        return;
    pthread_mutex_lock(&outside->lock);
    *out = outside->figures;
    pthread_mutex_unlock(&outside->lock);
}
