/*
 * shard.c -- the turn of the loop, on one screen, and what a turn consists of.
 *
 * Sleeping: a shard that found nothing to do announces its sleep to the mesh, looks once more and
 * waits in the kernel until a completion, a wake-up or the next timer. Where there are more cores
 * than shards it first spins for a while, if that has been worth it lately (spin.h). A spin is no
 * system call: the kernel says in the ring's flags that it has something.
 *
 * Threads: see shard.h.
 */
#include "shard.h"

#include <unistd.h>

#include "clock.h"
#include "engine_stats.h"

/* 256 KiB of small packets are about 3,000 messages or half a millisecond of work. */
#define SHARD_WORK_PER_TURN        (256 * 1024)
#define SHARD_COMPLETIONS_PER_TURN 1024
#define SHARD_MAIL_PER_TURN        1024
#define SHARD_TIMERS_PER_TURN      1024
#define SHARD_SLEEP_NS_MAX         UINT64_C(1000000000)
/* Nobody tells when there is room for mail again; a worker that hashes takes milliseconds. */
#define SHARD_OVERFLOW_NS UINT64_C(100000)
/* Looks between two readings of the clock, about a microsecond. */
#define SHARD_SPIN_LOOKS 32

_Thread_local struct shard *shard_self;
struct stats stats_of_nobody;
_Thread_local struct stats *stats_self = &stats_of_nobody;

static void shard_wake(void *context, shard_id target)
{
    struct shard *shard = context;
    struct runtime *runtime = shard->runtime;
    int fd = -1;
    if (target < runtime->options.shards)
        fd = __atomic_load_n(&runtime->shards[target].ring_fd, __ATOMIC_ACQUIRE);
    if (fd >= 0)
        ring_wake(shard->ring, op_token(OP_WAKE, target, 0), fd);
    else
        runtime_wake(runtime, target);
}

/* MSG_RING failed (6.1 may answer EAGAIN or EOVERFLOW): the eventfd always works. */
static void shard_on_wake(struct shard *shard, const struct completion *completion)
{
    if (completion->result < 0)
        runtime_wake(shard->runtime, (shard_id)op_token_slot(completion->token));
}

static void shard_on_event(struct shard *shard, const struct completion *completion)
{
    uint64_t value;
    ssize_t got = read(shard->runtime->event_fds[shard->id], &value, sizeof(value));
    (void)got;
    if ((completion->flags & RING_MORE) == 0)
        ring_poll(shard->ring, op_token(OP_EVENT, 0, 0), shard->runtime->event_fds[shard->id]);
}

void shard_completion(struct shard *shard, const struct completion *completion)
{
    enum op_kind kind = op_token_kind(completion->token);
    CHECK(kind < OP_COUNT);
    switch (kind) {
    case OP_NONE:
    case OP_CANCEL:
        return;
    case OP_WAKE:
        shard_on_wake(shard, completion);
        return;
    case OP_EVENT:
        shard_on_event(shard, completion);
        return;
    default:
        CHECK(shard->runtime->tables.ops[kind] != NULL);
        shard->runtime->tables.ops[kind](shard, completion);
    }
}

static void shard_on_mail(void *context, const struct mail *mail)
{
    struct shard *shard = context;
    CHECK(mail->kind < SHARD_MAIL_KINDS_MAX);
    CHECK(shard->runtime->tables.mails[mail->kind] != NULL);
    shard->runtime->tables.mails[mail->kind](shard, mail);
}

static bool shard_reap(struct shard *shard)
{
    struct completion completion;
    unsigned count = 0;
    while (count < SHARD_COMPLETIONS_PER_TURN && shard->work < SHARD_WORK_PER_TURN) {
        if (!ring_next(shard->ring, &completion)) {
            shard_count(shard, STAT_COMPLETIONS, count);
            return false;
        }
        count++;
        shard_completion(shard, &completion);
    }
    shard_count(shard, STAT_COMPLETIONS, count);
    return true;
}

static bool shard_has_news(struct shard *shard)
{
    return ring_has_news(shard->ring) || mail_has_news(shard->port);
}

/* True if something turned up while spinning. */
static bool shard_spin(struct shard *shard, uint64_t *now_ns)
{
    uint64_t from_ns = *now_ns;
    uint64_t length_ns = spin_length_ns(&shard->spin, from_ns);
    bool found = false;
    while (!found && *now_ns - from_ns < length_ns) {
        for (unsigned i = 0; i < SHARD_SPIN_LOOKS && !found; i++) {
            __builtin_ia32_pause();
            found = shard_has_news(shard);
        }
        uint64_t before_ns = *now_ns;
        *now_ns = clock_mono_ns();
        if (spin_jumped(&shard->spin, before_ns, *now_ns))
            break;
    }
    shard_count(shard, STAT_SPIN_NS, *now_ns - from_ns);
    return found;
}

/* How long this turn may wait for its first completion, in ns. */
static uint64_t shard_wait_ns(struct shard *shard, bool may_sleep)
{
    if (!may_sleep || shard->busy || __atomic_load_n(&shard->stopping, __ATOMIC_ACQUIRE))
        return RING_NO_WAIT;
    uint64_t now_ns = clock_mono_ns();
    if (spin_length_ns(&shard->spin, now_ns) > 0) {
        /* Most requests complete as soon as the kernel has them. */
        if (ring_has_requests(shard->ring))
            return RING_NO_WAIT;
        shard->idle_from_ns = now_ns;
        if (shard_spin(shard, &now_ns))
            return RING_NO_WAIT;
    } else {
        shard->idle_from_ns = now_ns;
    }
    uint64_t next_ms = timers_next_ms(&shard->timers);
    if (next_ms <= now_ns / 1000000)
        return RING_NO_WAIT;
    if (mail_has_overflow(shard->port))
        return SHARD_OVERFLOW_NS;
    if (!mail_sleep(shard->port))
        return RING_NO_WAIT;
    shard_count(shard, STAT_SLEEPS, 1);
    if (next_ms >= (now_ns + SHARD_SLEEP_NS_MAX) / 1000000)
        return SHARD_SLEEP_NS_MAX;
    return next_ms * 1000000 - now_ns;
}

void shard_push(struct shard *shard)
{
    SHARD_CHECK(shard);
    mail_flush(shard->port, shard_wake, shard);
    enum rc entered = ring_enter(shard->ring, RING_NO_WAIT);
    CHECK(entered == RC_OK);
}

void shard_turn(struct shard *shard, bool may_sleep)
{
    SHARD_CHECK(shard);
    uint64_t wait_ns = shard_wait_ns(shard, may_sleep);
    enum rc entered = ring_enter(shard->ring, wait_ns);
    CHECK(entered == RC_OK);
    if (wait_ns != RING_NO_WAIT)
        mail_awake(shard->port);

    shard->now_ns = clock_mono_ns();
    shard->now_ms = shard->now_ns / 1000000;
    shard->work = 0;
    if (shard->idle_from_ns != 0)
        spin_learn(&shard->spin, shard->now_ns - shard->idle_from_ns);
    shard->idle_from_ns = 0;
    if (UNLIKELY(ring_overflowed(shard->ring)))
        shard_count(shard, STAT_CQ_OVERFLOWS, 1);

    epoch_begin(shard->epoch);
    bool busy = shard_reap(shard);
    busy |= mail_drain(shard->port, SHARD_MAIL_PER_TURN, shard_on_mail, shard);
    timers_run(&shard->timers, shard->now_ms, SHARD_TIMERS_PER_TURN);
    for (unsigned i = 0; i < ARRAY_LEN(shard->runtime->tables.turn_end); i++)
        if (shard->runtime->tables.turn_end[i] != NULL)
            busy |= shard->runtime->tables.turn_end[i](shard);
    bool pressed = mail_pressed_any(shard->port);
    mail_flush(shard->port, shard_wake, shard);
    /* Who waited for the pressure to end is served by the hooks of the next turn. */
    busy |= pressed && !mail_pressed_any(shard->port);
    epoch_end(shard->epoch);
    epoch_poll(shard->epoch);

    shard->busy = busy;
    spin_worked(&shard->spin, shard->work, shard->now_ns);
    shard_count(shard, STAT_TURNS, 1);
    uint64_t end_ns = clock_mono_ns();
    shard_count(shard, STAT_TURN_NS, end_ns - shard->now_ns);
    latency_record(&shard->latencies[SHARD_LATENCY_TURN], end_ns - shard->now_ns, 1);
    if (shard->runtime->tables.turned != NULL)
        shard->runtime->tables.turned(shard, end_ns);
}
