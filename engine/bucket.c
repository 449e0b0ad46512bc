/*
 * bucket.c -- see bucket.h.
 *
 * Filling: the tokens of `elapsed` milliseconds are elapsed * amount / period_ms. A bucket that
 * would be full by then is full, and its rest is dropped.
 *
 * A rate that has changed may leave `rest` at or above the new period: it is then cut to less than
 * a token.
 *
 * Threads: see bucket.h.
 */
#include "bucket.h"

void bucket_rate_assert(const struct bucket_rate *rate)
{
    CHECK(rate->amount <= BUCKET_AMOUNT_MAX && rate->burst <= BUCKET_AMOUNT_MAX);
    CHECK(rate->amount == 0 || (rate->burst > 0 && rate->period_ms > 0));
    CHECK(rate->period_ms <= BUCKET_PERIOD_MS_MAX);
}

static void bucket_fill(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms)
{
    CHECK_SLOW(rate->amount > 0 && rate->period_ms > 0);
    int64_t burst = (int64_t)rate->burst;
    if (bucket->at_ms == 0) {
        bucket->level = burst;
        bucket->rest = 0;
    }
    uint64_t elapsed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    bucket->at_ms += elapsed_ms;
    if (bucket->at_ms == 0)
        bucket->at_ms = 1; /* looked at, at the very first moment */
    if (bucket->rest >= rate->period_ms)
        bucket->rest = rate->period_ms - 1;
    if (bucket->level >= burst) {
        bucket->level = burst;
        bucket->rest = 0;
        return;
    }
    uint64_t lacking = (uint64_t)(burst - bucket->level);
    /* Whole periods first, so that a long time does not make the product overflow. */
    uint64_t periods = elapsed_ms / rate->period_ms;
    if (periods >= lacking / rate->amount + 1) {
        bucket->level = burst;
        bucket->rest = 0;
        return;
    }
    uint64_t part = elapsed_ms % rate->period_ms * rate->amount + bucket->rest;
    uint64_t gained = periods * rate->amount + part / rate->period_ms;
    bucket->rest = (uint32_t)(part % rate->period_ms);
    if (gained >= lacking) {
        gained = lacking;
        bucket->rest = 0;
    }
    bucket->level += (int64_t)gained;
    CHECK_SLOW(bucket->level <= burst);
}

bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms,
                 uint64_t tokens)
{
    if (!bucket_rate_limits(rate))
        return true;
    bucket_fill(bucket, rate, now_ms);
    if (bucket->level < 0 || (uint64_t)bucket->level < tokens)
        return false;
    bucket->level -= (int64_t)tokens;
    return true;
}

void bucket_charge(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms,
                   uint64_t tokens)
{
    if (!bucket_rate_limits(rate))
        return;
    bucket_fill(bucket, rate, now_ms);
    CHECK(bucket->level >= -BUCKET_DEBT_MAX);
    uint64_t room = (uint64_t)(bucket->level + BUCKET_DEBT_MAX);
    bucket->level -= (int64_t)(tokens < room ? tokens : room);
}

uint64_t bucket_wait_ms(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms)
{
    if (!bucket_rate_limits(rate))
        return 0;
    bucket_fill(bucket, rate, now_ms);
    if (bucket->level >= 1)
        return 0;
    /* The first time at which elapsed * amount + rest reaches `lacking` tokens. */
    uint64_t lacking = (uint64_t)(1 - bucket->level);
    uint64_t periods = (lacking - 1) / rate->amount;
    uint64_t part = (lacking - periods * rate->amount) * rate->period_ms - bucket->rest;
    return periods * rate->period_ms + (part + rate->amount - 1) / rate->amount;
}
