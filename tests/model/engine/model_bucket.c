/*
 * model_bucket.c -- token buckets against exact fractions of 128 bits (engine/bucket.h).
 *
 * The twin's content is a number of period_ms-ths of a token. Rates are chosen from the smallest to
 * the largest allowed, time moves by nothing, by a little, or by days. Invariants:
 *   - take and charge leave the same tokens as the twin's, rounded down, and take answers the same;
 *   - bucket_wait_ms names the first millisecond at which the twin has a whole token.
 */
#include "../model_args.h"
#include "bucket.h"

#include <string.h>

typedef __int128 wide;

static struct model_args args;

struct twin {
    wide content; /* period_ms-ths of a token */
    uint64_t at_ms;
    uint64_t period_ms;
    bool is_new;
};

static uint64_t up_to(uint64_t most)
{
    /* Of every order of magnitude alike. */
    uint64_t value = model_random(&args) >> model_below(&args, 64);
    return value % most + 1;
}

static struct bucket_rate rate_random(void)
{
    struct bucket_rate rate = {.amount = up_to(BUCKET_AMOUNT_MAX),
                               .burst = up_to(BUCKET_AMOUNT_MAX),
                               .period_ms = (uint32_t)up_to(BUCKET_PERIOD_MS_MAX)};
    if (model_below(&args, 3) == 0)
        rate.burst = rate.amount;
    bucket_rate_assert(&rate);
    return rate;
}

static wide twin_floor(wide content, uint64_t period_ms)
{
    wide tokens = content / (wide)period_ms;
    return content % (wide)period_ms < 0 ? tokens - 1 : tokens;
}

static void twin_fill(struct twin *twin, const struct bucket_rate *rate, uint64_t now_ms)
{
    wide full = (wide)rate->burst * rate->period_ms;
    if (twin->is_new)
        *twin = (struct twin){.content = full, .at_ms = now_ms, .period_ms = rate->period_ms};
    if (twin->period_ms != rate->period_ms) {
        wide tokens = twin_floor(twin->content, twin->period_ms);
        wide rest = twin->content - tokens * (wide)twin->period_ms;
        if (rest >= (wide)rate->period_ms)
            rest = (wide)rate->period_ms - 1;
        twin->content = tokens * (wide)rate->period_ms + rest;
        twin->period_ms = rate->period_ms;
    }
    twin->content += (wide)(now_ms - twin->at_ms) * (wide)rate->amount;
    twin->at_ms = now_ms;
    /* A bucket that is full has no part of a token beside. */
    if (twin->content >= full)
        twin->content = full;
}

static void must(bool condition, const char *what, uint64_t step)
{
    if (condition)
        return;
    printf("step %llu: %s\n", (unsigned long long)step, what);
    exit(1);
}

static void step(struct bucket *bucket, struct twin *twin, const struct bucket_rate *rate,
                 uint64_t now_ms, uint64_t number)
{
    twin_fill(twin, rate, now_ms);
    wide period = (wide)rate->period_ms;
    uint64_t tokens = up_to(2 * rate->burst) - 1;
    if (model_below(&args, 2) == 0) {
        bool fits = twin_floor(twin->content, rate->period_ms) >= (wide)tokens;
        must(bucket_take(bucket, rate, now_ms, tokens) == fits, "take answers otherwise", number);
        if (fits)
            twin->content -= (wide)tokens * period;
    } else {
        bucket_charge(bucket, rate, now_ms, tokens);
        twin->content -= (wide)tokens * period;
        wide least = -(wide)BUCKET_DEBT_MAX;
        if (twin_floor(twin->content, rate->period_ms) < least)
            twin->content = least * period + (wide)bucket->rest;
    }
    must((wide)bucket->level == twin_floor(twin->content, rate->period_ms), "other tokens", number);
    must((wide)bucket->level * period + bucket->rest == twin->content, "another rest", number);
    uint64_t wait_ms = bucket_wait_ms(bucket, rate, now_ms);
    must(twin->content + (wide)wait_ms * (wide)rate->amount >= period, "it waits too short",
         number);
    if (wait_ms > 0)
        must(twin->content + (wide)(wait_ms - 1) * (wide)rate->amount < period, "it waits too long",
             number);
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 300000);
    uint64_t number = 0;
    while (number < args.steps) {
        struct bucket bucket = {.at_ms = 0};
        struct twin twin = {.is_new = true};
        struct bucket_rate rate = rate_random();
        uint64_t now_ms = up_to(UINT64_C(1) << 40);
        uint64_t steps = 1 + model_below(&args, 100);
        for (uint64_t i = 0; i < steps; i++, number++) {
            step(&bucket, &twin, &rate, now_ms, number);
            if (model_below(&args, 3) != 0)
                now_ms += up_to(UINT64_C(1) << 30);
            if (model_below(&args, 20) == 0)
                rate = rate_random();
        }
    }
    printf("ok\n");
    return 0;
}
