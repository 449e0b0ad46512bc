/*
 * store_image_inner.h -- what the two files of an image share (store_image.h).
 *
 * Threads: see store_image.h.
 */
#ifndef SLUICE_STORE_IMAGE_INNER_H
#define SLUICE_STORE_IMAGE_INNER_H

#include "alloc.h"
#include "store_image.h"
#include "store_table.h"

struct image_group_name {
    struct image_node node; /* [O] */
    uint64_t number;        /* [O] */
    uint16_t len;           /* [O] */
    uint8_t filter[];       /* [O] */
};

struct image_move {
    struct image_node node; /* [O] */
    uint64_t from;          /* [O] */
    uint64_t to;            /* [O] */
};

struct store_image {
    struct hash_key key;                   /* [O] */
    struct image_clock clock;              /* [O] */
    struct image_table sessions;           /* [O] */
    struct image_table subs;               /* [O] */
    struct image_table retained;           /* [O] */
    struct image_table rows;               /* [O] */
    struct image_table groups;             /* [O] */
    struct image_table moves;              /* [O] */
    struct image_table wills;              /* [O] */
    struct image_table seen;               /* [O] */
    struct image_table taken;              /* [O] */
    struct image_group_name **group_names; /* [O] by number - 1 */
    uint32_t groups_count;                 /* [O] */
    uint32_t groups_capacity;              /* [O] */
    struct list_node all;                  /* [O] sessions */
    struct image_figures figures;          /* [O] */
    uint32_t ids[STORE_IDS_MAX];           /* [O] */
};

static inline uint64_t image_number_hash(const struct store_image *image, uint64_t number)
{
    return hash_mix(number, image->key.words[0]);
}

static inline void image_number_note(struct store_image *image, uint64_t number)
{
    if (number > image->figures.number_last)
        image->figures.number_last = number;
}

/* One record of its kind each. RC_NO_MEMORY. */
MUST_USE enum rc image_on_will(struct store_image *image, const struct store_record *record);
void image_on_will_gone(struct store_image *image, uint64_t number);
MUST_USE enum rc image_on_retain(struct store_image *image, const struct store_record *record);
MUST_USE enum rc image_on_keyed(struct store_image *image, const struct store_record *record);
MUST_USE enum rc image_on_seen(struct store_image *image, const struct store_record *record);
MUST_USE enum rc image_on_taken(struct store_image *image, const struct store_record *record);
MUST_USE enum rc image_on_copy(struct store_image *image, uint64_t from, uint64_t to);

/* Where the message that was at `location` lies now. */
uint64_t image_moved(struct store_image *image, uint64_t location);

void image_kept_destroy(struct store_image *image);

#define IMAGE_TABLE_DROP(image, table, type)                                                       \
    do {                                                                                           \
        uint32_t drop_bucket = 0;                                                                  \
        struct image_node *drop_node;                                                              \
        while ((drop_node = image_table_take(&(image)->table, &drop_bucket)) != NULL)              \
            mem_free(CONTAINER_OF(drop_node, struct type, node));                                  \
        image_table_fini(&(image)->table);                                                         \
    } while (0)

#endif
