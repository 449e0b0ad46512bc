/*
 * bucket.h -- token buckets: so many of something in a time, and some at once.
 *
 * A bucket fills with `amount` tokens in each `period_ms`, evenly, up to `burst`. It is filled when
 * somebody looks, from the time that has passed, in whole numbers: the part of a token that is left
 * over is kept in `rest`, in units of one period_ms-th of a token, so that nothing is lost or made
 * over any length of time.
 *
 *   bucket_take     all or nothing: for what can be refused
 *   bucket_charge   takes what has already happened, if need be into debt: for what can only be
 *                   answered by waiting (bucket_wait_ms). So one thing larger than the burst does
 *                   not wait for ever, it is paid for afterwards.
 *
 * The rate is passed with each call, so that it can be changed at any time. A bucket that is all
 * zero is full when it is first looked at.
 *
 * Bounds: BUCKET_AMOUNT_MAX and BUCKET_PERIOD_MS_MAX keep every product within 64 bits; beyond
 * BUCKET_DEBT_MAX nothing is charged any more.
 *
 * Threads: a value of its owner. A rate is a value too.
 */
#ifndef SLUICE_BUCKET_H
#define SLUICE_BUCKET_H

#include "check.h"

#define BUCKET_AMOUNT_MAX    (UINT64_C(1) << 36) /* 64 GB */
#define BUCKET_PERIOD_MS_MAX UINT64_C(86400000)  /* a day */

#define BUCKET_DEBT_MAX ((int64_t)BUCKET_AMOUNT_MAX)

STATIC_CHECK(BUCKET_AMOUNT_MAX <= UINT64_MAX / 3 / BUCKET_PERIOD_MS_MAX,
             "burst and debt together, times the period, fit");

/* What is allowed, a value. `amount` 0: everything. */
struct bucket_rate {
    uint64_t amount;    /* tokens in each period */
    uint64_t burst;     /* most tokens in the bucket, at least 1 */
    uint32_t period_ms; /* at least 1 */
};

struct bucket {
    uint64_t at_ms; /* filled up to here; 0: not looked at yet */
    int64_t level;  /* tokens; below 0: debt */
    uint32_t rest;  /* of a token, in 1 / period_ms */
};

static inline bool bucket_rate_limits(const struct bucket_rate *rate)
{
    return rate->amount != 0;
}

/* Fails a CHECK if the rate is out of its bounds. */
void bucket_rate_assert(const struct bucket_rate *rate);

/* Takes `tokens`, or answers false and takes nothing. */
MUST_USE bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms,
                          uint64_t tokens);

/* Takes `tokens` in any case. */
void bucket_charge(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms,
                   uint64_t tokens);

/* How long from `now_ms` until there is a whole token; 0: there is one now. */
uint64_t bucket_wait_ms(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms);

#endif
