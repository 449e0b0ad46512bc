/*
 * fuzz_store.c -- records of route's log that no broker has written (route/store_record.h), and
 * what they add up to (route/store_image.h).
 *
 * The input is a log: of each record its type, its length in one byte, its body. Invariants:
 *   - nothing behind a body is looked at: each stands in an allocation of its size;
 *   - a body that is refused leaves the image as it was, as its figures show;
 *   - what the image holds at the end can be walked, and is freed to the last byte.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "stat.h"
#include "store_image.h"
#include "sub_ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As engine/shard.c has it for threads that are no shards. */
static struct stats nobody;
_Thread_local struct stats *stats_self = &nobody;

static void fuzz_apply(struct store_image *image, uint8_t type, struct bytes body, uint64_t at)
{
    struct image_figures before;
    struct image_figures after;
    image_figures_read(image, &before);
    enum rc rc = image_apply(image, type, body, at);
    image_figures_read(image, &after);
    CHECK(rc == RC_OK || rc == RC_INVALID);
    CHECK(after.records == before.records + (rc == RC_OK ? 1 : 0));
}

static void fuzz_group(const struct store_image *image, void *aux)
{
    const struct delivery_extra *extra = sub_ids_extra(aux);
    if (extra != NULL && extra->group != 0)
        CHECK(image_group(image, extra->group).len > 0);
}

static void fuzz_session(const struct store_image *image, struct image_session *session)
{
    struct image_state *state = session->state;
    struct mqueue_cursor cursor;
    CHECK(session->magic == IMAGE_SESSION_MAGIC && session->shadow == NULL && state != NULL);
    struct inflight_entry *entry = inflight_first(&state->window);
    for (; entry != NULL; entry = inflight_next(&state->window, entry)) {
        CHECK(entry->packet_id != 0 && entry->qos > 0);
        fuzz_group(image, entry->aux);
    }
    struct mqueue_entry *queued = mqueue_first(&state->queue, &cursor);
    for (; queued != NULL; queued = mqueue_next(&state->queue, &cursor))
        fuzz_group(image, queued->aux);
}

static enum rc fuzz_retained(void *context, struct image_retained *kept)
{
    (void)context;
    CHECK(kept->msg == NULL || kept->msg->pub.topic.len == kept->topic_len);
    return RC_OK;
}

static enum rc fuzz_will(void *context, struct image_will *will)
{
    (void)context;
    CHECK(will->msg != NULL);
    return RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct hash_key key = {{1, 2}};
    struct image_clock clock = {.wall_ms = 1000000, .mono_ms = 5000};
    struct store_image *image = image_create(&key, clock);
    CHECK(image != NULL);
    for (size_t at = 0; at + 2 <= len;) {
        size_t body_len = data[at + 1];
        if (body_len > len - at - 2)
            body_len = len - at - 2;
        uint8_t *body = malloc(body_len > 0 ? body_len : 1);
        CHECK(body != NULL);
        memcpy(body, data + at + 2, body_len);
        fuzz_apply(image, data[at], bytes_of(body, body_len), 4096 + at);
        free(body);
        at += 2 + body_len;
    }
    enum rc rc = image_finish(image);
    CHECK(rc == RC_OK);
    struct image_session *session = image_session_first(image);
    for (; session != NULL; session = image_session_next(image, session))
        fuzz_session(image, session);
    rc = image_retained_walk(image, NULL, fuzz_retained);
    CHECK(rc == RC_OK);
    rc = image_wills_walk(image, NULL, fuzz_will);
    CHECK(rc == RC_OK);
    image_destroy(image);
    return 0;
}
