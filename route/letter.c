/*
 * letter.c -- see letter.h.
 *
 * Threads: see letter.h.
 */
#include "letter.h"

#include "mail.h"

/* More filters than this are a wildcard-heavy topic, whose ids go by an array of their own. */
#define LETTER_IDS_MAX 16

STATIC_CHECK(sizeof(struct letter) % 8 == 0, "filter ids follow it");
STATIC_CHECK(MAIL_POST_LEN_MAX <= UINT16_MAX, "lengths of a letter fit their fields");

uint32_t letter_len(const struct pub *pub, uint32_t ids_room)
{
    uint64_t len = sizeof(struct letter) + ids_room * sizeof(struct filter_id) +
                   (uint64_t)pub->topic.len + pub->props.len + pub->payload.len;
    bool fits = len <= MAIL_POST_LEN_MAX && ids_room <= LETTER_IDS_MAX && pub->stored_id == 0;
    return fits ? (uint32_t)len : 0;
}

struct filter_id *letter_write(void *to, const struct pub *pub, uint32_t ids_room)
{
    CHECK(letter_len(pub, ids_room) != 0);
    *(struct letter *)to = (struct letter){
        .topic_hash = pub->topic_hash,
        .expires_at_ms = pub->expires_at_ms,
        .received_ns = pub->received_ns,
        .publisher_hash = pub->publisher_hash,
        .publisher = pub->publisher,
        .payload_len = pub->payload.len,
        .topic_len = (uint16_t)pub->topic.len,
        .props_len = (uint16_t)pub->props.len,
        .ids_room = (uint16_t)ids_room,
        .qos = pub->qos,
        .retain = pub->retain,
    };
    struct filter_id *ids = (struct filter_id *)(void *)((struct letter *)to + 1);
    uint8_t *at = (uint8_t *)(ids + ids_room);
    memcpy(at, pub->topic.ptr, pub->topic.len);
    at += pub->topic.len;
    if (pub->props.len > 0)
        memcpy(at, pub->props.ptr, pub->props.len);
    at += pub->props.len;
    if (pub->payload.len > 0)
        memcpy(at, pub->payload.ptr, pub->payload.len);
    return ids;
}

const struct filter_id *letter_read(const void *from, uint32_t len, struct pub *out,
                                    uint32_t *out_ids_num)
{
    const struct letter *letter = from;
    CHECK(len >= sizeof(*letter) && letter->ids_num <= letter->ids_room);
    const struct filter_id *ids = (const struct filter_id *)(const void *)(letter + 1);
    const uint8_t *topic = (const uint8_t *)(ids + letter->ids_room);
    const uint8_t *props = topic + letter->topic_len;
    const uint8_t *payload = props + letter->props_len;
    CHECK(payload + letter->payload_len == (const uint8_t *)from + len);
    *out = (struct pub){
        .topic = {.ptr = topic, .len = letter->topic_len},
        .props = {.ptr = props, .len = letter->props_len},
        .payload = {.ptr = payload, .len = letter->payload_len},
        .topic_hash = letter->topic_hash,
        .expires_at_ms = letter->expires_at_ms,
        .received_ns = letter->received_ns,
        .publisher_hash = letter->publisher_hash,
        .publisher = letter->publisher,
        .ticket = {.conn = HANDLE_NONE},
        .qos = letter->qos,
        .retain = letter->retain,
    };
    *out_ids_num = letter->ids_num;
    return ids;
}
