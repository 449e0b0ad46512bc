/*
 * wal_format.c -- see wal_format.h, which is the specification; offsets here are those there.
 *
 * Decoding never trusts: a header is only read after its sum, and what it says is checked by the
 * caller against what came before.
 *
 * Threads: pure functions, any.
 */
#include "wal_format.h"

#include <stdio.h>
#include <string.h>

#include "crc32c.h"
#include "le.h"

#define WAL_HEAD_MAGIC   "SluiceWL"
#define WAL_COMMIT_MAGIC "SWLc"

STATIC_CHECK(WAL_HEAD_LEN <= WAL_BLOCK && WAL_COMMIT_LEN < WAL_BLOCK, "headers fit their block");

static uint32_t wal_head_crc(const uint8_t *head)
{
    return crc32c_update(crc32c_update(CRC32C_START, head, 12), head + 16, WAL_HEAD_LEN - 16);
}

void wal_head_encode(const struct wal_head *head, uint8_t *out)
{
    CHECK(head->number > 0 && head->number <= WAL_NUMBER_MAX && head->base % WAL_BLOCK == 0);
    memset(out, 0, WAL_HEAD_LEN);
    memcpy(out, WAL_HEAD_MAGIC, 8);
    le_put32(out + 8, WAL_VERSION);
    le_put64(out + 16, head->number);
    le_put64(out + 24, head->base);
    le_put64(out + 32, head->lsn_first);
    le_put64(out + 40, head->pos_durable);
    le_put64(out + 48, head->salt);
    le_put64(out + 56, head->log_id);
    le_put64(out + 64, head->before);
    le_put64(out + 72, head->checkpoint_pos);
    le_put64(out + 80, head->checkpoint_lsn);
    le_put64(out + 88, head->wall_ms);
    le_put64(out + 96, head->size);
    le_put32(out + 12, wal_head_crc(out));
}

enum rc wal_head_decode(const uint8_t *in, struct wal_head *out)
{
    if (memcmp(in, WAL_HEAD_MAGIC, 8) != 0 || le_get32(in + 12) != wal_head_crc(in))
        return RC_INVALID;
    if (le_get32(in + 8) > WAL_VERSION)
        return RC_UNSUPPORTED;
    struct wal_head head = {
        .number = le_get64(in + 16),
        .base = le_get64(in + 24),
        .lsn_first = le_get64(in + 32),
        .pos_durable = le_get64(in + 40),
        .salt = le_get64(in + 48),
        .log_id = le_get64(in + 56),
        .before = le_get64(in + 64),
        .checkpoint_pos = le_get64(in + 72),
        .checkpoint_lsn = le_get64(in + 80),
        .wall_ms = le_get64(in + 88),
        .size = le_get64(in + 96),
    };
    if (le_get32(in + 8) == 0 || head.number == 0 || head.number > WAL_NUMBER_MAX ||
        head.base < WAL_POS_FIRST || head.base % WAL_BLOCK != 0 || head.before >= head.number ||
        head.lsn_first == 0 || head.pos_durable > head.base ||
        head.checkpoint_lsn > head.lsn_first || head.checkpoint_pos > head.base ||
        head.checkpoint_pos % WAL_BLOCK != 0 || head.base > WAL_POS_MAX)
        return RC_INVALID;
    *out = head;
    return RC_OK;
}

void wal_commit_encode(const struct wal_commit *commit, uint64_t salt, uint8_t *out)
{
    CHECK(commit->pos % WAL_BLOCK == 0 && commit->pos >= commit->pos_durable);
    CHECK(commit->count > 0 || commit->len == 0);
    memset(out, 0, WAL_COMMIT_LEN);
    memcpy(out, WAL_COMMIT_MAGIC, 4);
    le_put32(out + 8, commit->len);
    le_put32(out + 12, commit->count);
    le_put64(out + 16, commit->number);
    le_put64(out + 24, commit->pos);
    le_put64(out + 32, commit->lsn_first);
    le_put64(out + 40, commit->pos_durable);
    le_put64(out + 48, commit->checkpoint_pos);
    le_put64(out + 56, commit->checkpoint_lsn);
    le_put64(out + 64, commit->wall_ms);
    le_put32(out + 72, commit->heads_crc);
    le_put64(out + 80, salt);
    le_put32(out + 4,
             crc32c_update(crc32c_seed(salt, commit->number), out + 8, WAL_COMMIT_LEN - 8));
}

uint64_t wal_commit_salt(const uint8_t *in)
{
    return le_get64(in + 80);
}

bool wal_commit_decode(const uint8_t *in, uint64_t number, uint64_t salt, struct wal_commit *out)
{
    if (memcmp(in, WAL_COMMIT_MAGIC, 4) != 0 || le_get64(in + 16) != number ||
        le_get32(in + 4) != crc32c_update(crc32c_seed(salt, number), in + 8, WAL_COMMIT_LEN - 8))
        return false;
    *out = (struct wal_commit){
        .number = number,
        .pos = le_get64(in + 24),
        .lsn_first = le_get64(in + 32),
        .pos_durable = le_get64(in + 40),
        .checkpoint_pos = le_get64(in + 48),
        .checkpoint_lsn = le_get64(in + 56),
        .wall_ms = le_get64(in + 64),
        .len = le_get32(in + 8),
        .count = le_get32(in + 12),
        .heads_crc = le_get32(in + 72),
    };
    return out->lsn_first > 0 && out->pos >= out->pos_durable && out->pos % WAL_BLOCK == 0 &&
           out->checkpoint_pos % WAL_BLOCK == 0 && out->pos <= WAL_POS_MAX;
}

void wal_record_encode(uint64_t log_id, uint64_t pos, uint8_t type, const struct bytes *parts,
                       unsigned parts_num, uint32_t body_len, uint8_t *out)
{
    le_put32(out + 4, body_len);
    out[8] = type;
    uint32_t crc = crc32c_update(crc32c_seed(log_id, pos), out + 4, WAL_RECORD_HEAD - 4);
    for (unsigned i = 0; i < parts_num; i++)
        crc = crc32c_update(crc, parts[i].ptr, parts[i].len);
    le_put32(out, crc);
}

uint32_t wal_record_body_len(const uint8_t *head)
{
    return le_get32(head + 4);
}

bool wal_record_is_valid(uint64_t log_id, uint64_t pos, const uint8_t *head)
{
    size_t len = WAL_RECORD_HEAD - 4 + (size_t)wal_record_body_len(head);
    return le_get32(head) == crc32c_update(crc32c_seed(log_id, pos), head + 4, len);
}

void wal_name_format(uint64_t number, char *out)
{
    CHECK(number > 0 && number <= WAL_NUMBER_MAX);
    snprintf(out, WAL_NAME_LEN + 1, "%010llu.wal", (unsigned long long)number);
}

bool wal_name_parse(const char *name, uint64_t *out_number)
{
    CHECK(name != NULL && out_number != NULL);
    if (strlen(name) != WAL_NAME_LEN || strcmp(name + WAL_NAME_LEN - 4, ".wal") != 0)
        return false;
    uint64_t number = 0;
    for (unsigned i = 0; i < WAL_NAME_LEN - 4; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    *out_number = number;
    return number > 0;
}
